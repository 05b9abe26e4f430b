//! A row as kernels read it: 32-bit words, so that one comparison of whole numbers answers every split.

use super::super::{Node, Trees};

/// Most words of a row: as many as a byte can name.
pub const MAX_WORDS: usize = 256;
/// The words of a row. A few more than a byte can name: rows that follow each other do not compete for the same places of the
/// nearest cache.
pub type Row = [u32; MAX_WORDS + 16];
/// A row without words yet.
pub const EMPTY: Row = [0; MAX_WORDS + 16];

/// What a split looks at and compares it with.
#[derive(Clone, Copy, Debug)]
pub struct Split {
    /// The word of the row.
    pub slot: u8,
    /// The key of a threshold, or where the sides of categories start.
    pub key: u32,
}

/// Sends every row to the left: no key is above it.
pub const NOWHERE: Split = Split { slot: 0, key: u32::MAX };

/// How the columns of a row become words, and how splits read them.
///
/// Words of numbers are ordered as the numbers are, so that a row goes right where its word is above the split's key. The first
/// word is below all, for leaves. A column of which splits send missing values left has its smallest word for them, one of which
/// they send them right the largest, and one of both has two words. A column of which splits go by a set stands as a category's
/// number, all that are in no set as the number after the last one.
#[derive(Debug, Default)]
pub struct Words {
    missing_left: Vec<u32>,
    missing_right: Vec<u32>,
    categories: Vec<Categories>,
    /// Of each split by a set, a bit for each number of its column: whether it goes right.
    sides: Vec<u32>,
}

/// A column that is read as a category.
#[derive(Clone, Copy, Debug)]
struct Categories {
    column: u32,
    /// The number of all that are in no set.
    others: u32,
}

/// The places of a column's words, 0 where it has none.
#[derive(Clone, Copy, Debug, Default)]
struct Slots {
    missing_left: u8,
    missing_right: u8,
    categories: u8,
    others: u32,
}

/// Makes [`Words`] while splits are read.
#[derive(Debug)]
pub struct Reader<'t> {
    trees: &'t Trees,
    words: Words,
    slots: Vec<Slots>,
    most_sides: usize,
}

/// A whole number for each number that is none, or infinite, or between: ordered as they are, and 0 as -0.
pub fn key(value: f32) -> u32 {
    let bits = (value + 0.0).to_bits();
    bits ^ if bits >> 31 == 1 { u32::MAX } else { 1 << 31 }
}

impl<'t> Reader<'t> {
    /// For the splits of `trees`, which are sound. None where a row would have more words than there may be.
    pub fn new(trees: &'t Trees) -> Option<Reader<'t>> {
        let mut slots = vec![Slots::default(); trees.nodes.columns()];
        trees.nodes.each_split(|node| {
            let slots = &mut slots[node.column()];
            if node.by_set() {
                slots.categories = 1;
                slots.others = slots.others.max(after_last(trees, node));
            } else if node.missing_left() {
                slots.missing_left = 1;
            } else {
                slots.missing_right = 1;
            }
        });
        let mut words = Words::default();
        let mut next = 1;
        let mut place = |wanted: &mut u8| {
            let is_wanted = *wanted == 1;
            if is_wanted {
                *wanted = next as u8;
                next += 1;
            }
            is_wanted
        };
        for (column, slots) in (0..).zip(&mut slots) {
            if place(&mut slots.missing_left) {
                words.missing_left.push(column);
            }
        }
        for (column, slots) in (0..).zip(&mut slots) {
            if place(&mut slots.missing_right) {
                words.missing_right.push(column);
            }
        }
        for (column, slots) in (0..).zip(&mut slots) {
            if place(&mut slots.categories) {
                words.categories.push(Categories { column, others: slots.others });
            }
        }
        // What is read stays in proportion to what was stored.
        let most_sides = 4 * (trees.sets.len() + trees.nodes());
        (next <= MAX_WORDS).then_some(Reader { trees, words, slots, most_sides })
    }

    /// Whether any split goes by a set.
    pub fn has_sets(&self) -> bool {
        !self.words.categories.is_empty()
    }

    /// Reads a split. None where sets would take too much memory.
    pub fn split(&mut self, node: Node) -> Option<Split> {
        let slots = self.slots[node.column()];
        if !node.by_set() {
            let slot = if node.missing_left() { slots.missing_left } else { slots.missing_right };
            return Some(Split { slot, key: key(node.threshold()) });
        }
        let sides = &mut self.words.sides;
        let start = sides.len();
        let set = &self.trees.sets[node.payload as usize..];
        let bits = &set[1..=set[0] as usize];
        let flip = if node.missing_left() { 0 } else { u32::MAX };
        let words = slots.others as usize / 32 + 1;
        if start + words > self.most_sides {
            return None;
        }
        sides.extend((0..words).map(|word| bits.get(word).copied().unwrap_or(0) ^ flip));
        Some(Split { slot: slots.categories, key: start as u32 })
    }

    /// The words, when all splits are read.
    pub fn finish(self) -> Words {
        self.words
    }
}

/// The number after the last category of a split's set.
fn after_last(trees: &Trees, node: Node) -> u32 {
    let set = &trees.sets[node.payload as usize..];
    let bits = &set[1..=set[0] as usize];
    let last = bits.iter().rposition(|&word| word != 0);
    last.map_or(0, |word| 32 * word as u32 + 32 - bits[word].leading_zeros())
}

impl Words {
    /// The first word that is a category.
    fn first_category(&self) -> usize {
        1 + self.missing_left.len() + self.missing_right.len()
    }

    /// Writes the words of a row.
    pub fn fill(&self, columns: &[f64], row: &mut Row) {
        let (left, row) = row[1..].split_at_mut(self.missing_left.len());
        let (right, categories) = row.split_at_mut(self.missing_right.len());
        let word = |column: &u32, missing| {
            let value = columns[*column as usize] as f32;
            if value.is_nan() { missing } else { key(value) }
        };
        for (place, column) in left.iter_mut().zip(&self.missing_left) {
            *place = word(column, 0);
        }
        for (place, column) in right.iter_mut().zip(&self.missing_right) {
            *place = word(column, u32::MAX);
        }
        for (place, Categories { column, others }) in categories.iter_mut().zip(&self.categories) {
            let value = columns[*column as usize] as f32;
            *place = if value >= 0.0 { (value as u32).min(*others) } else { *others };
        }
    }

    /// Whether a row with this word in the split's slot goes right, as 0 or 1. `SETS` tells whether a split may go by a set.
    #[inline]
    pub fn side<const SETS: bool>(&self, split: Split, word: u32) -> u32 {
        let above = u32::from(split.key < word);
        if !SETS {
            return above;
        }
        // Both answers are found and one is taken: a branch would be guessed wrong half of the time.
        let by_set = split.slot as usize >= self.first_category();
        let mask = if by_set { u32::MAX } else { 0 };
        let place = (split.key & mask) + ((word & mask) >> 5);
        let in_right = self.sides[place as usize] >> (word & 31) & 1;
        if by_set { in_right } else { above }
    }
}
