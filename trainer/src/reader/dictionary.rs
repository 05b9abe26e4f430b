//! Texts that occur again and again, each kept once.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

/// In the place of a text that is missing.
pub(crate) const MISSING: u32 = u32::MAX;

/// Different texts, numbered in the order in which they first occurred.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dictionary {
    text: String,
    ends: Vec<u32>,
}

impl Dictionary {
    /// The text of a number.
    pub(crate) fn get(&self, code: u32) -> &str {
        let place = code as usize;
        let start = if place == 0 { 0 } else { self.ends[place - 1] as usize };
        &self.text[start..self.ends[place] as usize]
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The texts, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> + Clone {
        (0..self.len() as u32).map(|code| self.get(code))
    }

    fn push(&mut self, text: &str) -> Option<u32> {
        let code = u32::try_from(self.ends.len()).ok().filter(|code| *code != MISSING)?;
        let end = u32::try_from(self.text.len() + text.len()).ok()?;
        self.text.push_str(text);
        self.ends.push(end);
        Some(code)
    }
}

/// A dictionary that grows.
#[derive(Debug, Default)]
pub(super) struct Interner {
    dictionary: Dictionary,
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
    last: Option<u32>,
}

impl Interner {
    /// The number of a text, a new one where it has none yet. `None` where there is no room for it: 4 GiB of text.
    pub(super) fn intern(&mut self, text: &str) -> Option<u32> {
        let dictionary = &self.dictionary;
        // Neighbours are often alike.
        if let Some(last) = self.last.filter(|&last| dictionary.get(last) == text) {
            return Some(last);
        }
        let hash = self.hasher.hash_one(text);
        let found = self.index.find(hash, |&code| dictionary.get(code) == text).copied();
        let code = if let Some(code) = found {
            code
        } else {
            let code = self.dictionary.push(text)?;
            let (dictionary, hasher) = (&self.dictionary, &self.hasher);
            self.index.insert_unique(hash, code, |&code| hasher.hash_one(dictionary.get(code)));
            code
        };
        self.last = Some(code);
        Some(code)
    }

    pub(super) fn finish(mut self) -> Dictionary {
        self.dictionary.text.shrink_to_fit();
        self.dictionary.ends.shrink_to_fit();
        self.dictionary
    }
}
