//! A row as kernels read it: 32-bit words, so that one comparison answers every split.

use super::super::{Node, Trees};

/// Most words of a row: as many as the slot of a [`Split`] can name.
pub const MAX_WORDS: usize = 1 << SLOT_BITS;
/// Bits of a slot.
pub const SLOT_BITS: u32 = 12;

/// What a split looks at and compares it with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Split {
    /// The word of the row.
    pub slot: u32,
    /// The bits of a threshold, or where the sides of categories start.
    pub payload: u32,
}

/// How the columns of a row become words, and how splits read them.
///
/// The first word is not a number, which is above no threshold: it belongs to leaves. A column of which splits send missing
/// values left stands as it is; one of which they send them right stands with infinity in the place of what is missing; one of
/// which splits go by a set stands as a category's number, all that are in no set as the number after the last one.
#[derive(Clone, Debug, Default)]
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
    missing_left: u32,
    missing_right: u32,
    categories: u32,
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

impl<'t> Reader<'t> {
    /// For the splits of `trees`, which are sound. None where there are more words than a slot can name.
    pub fn new(trees: &'t Trees) -> Option<Reader<'t>> {
        let splits = || trees.nodes.iter().filter(|node| !node.is_leaf());
        let columns = splits().map(|node| node.column() + 1).max().unwrap_or(0);
        let mut slots = vec![Slots::default(); columns];
        for node in splits() {
            let slots = &mut slots[node.column()];
            if node.by_set() {
                slots.categories = 1;
                slots.others = slots.others.max(after_last(trees, *node));
            } else if node.missing_left() {
                slots.missing_left = 1;
            } else {
                slots.missing_right = 1;
            }
        }
        let mut words = Words::default();
        let mut next = 1;
        let mut place = |wanted: &mut u32| {
            let is_wanted = *wanted == 1;
            if is_wanted {
                *wanted = next;
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
        let most_sides = 4 * (trees.sets.len() + trees.nodes.len());
        (words.count() <= MAX_WORDS).then_some(Reader { trees, words, slots, most_sides })
    }

    /// Reads a split. None where sets would take too much memory.
    pub fn split(&mut self, node: Node) -> Option<Split> {
        let slots = self.slots[node.column()];
        if !node.by_set() {
            let slot = if node.missing_left() { slots.missing_left } else { slots.missing_right };
            return Some(Split { slot, payload: node.payload });
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
        Some(Split { slot: slots.categories, payload: start as u32 })
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
    /// How many words a row has.
    pub fn count(&self) -> usize {
        self.first_category() as usize + self.categories.len()
    }

    /// The first word that is a category.
    pub fn first_category(&self) -> u32 {
        (1 + self.missing_left.len() + self.missing_right.len()) as u32
    }

    /// Whether any split goes by a set.
    pub fn has_sets(&self) -> bool {
        !self.categories.is_empty()
    }

    /// Writes the words of a row, of which there are [`Words::count`].
    pub fn fill(&self, columns: &[f64], words: &mut [u32]) {
        let (first, words) = words.split_at_mut(1);
        let (left, words) = words.split_at_mut(self.missing_left.len());
        let (right, categories) = words.split_at_mut(self.missing_right.len());
        first[0] = f32::NAN.to_bits();
        for (word, column) in left.iter_mut().zip(&self.missing_left) {
            *word = (columns[*column as usize] as f32).to_bits();
        }
        for (word, column) in right.iter_mut().zip(&self.missing_right) {
            let value = columns[*column as usize] as f32;
            *word = if value.is_nan() { f32::INFINITY } else { value }.to_bits();
        }
        for (word, Categories { column, others }) in categories.iter_mut().zip(&self.categories) {
            let value = columns[*column as usize] as f32;
            *word = if value >= 0.0 { (value as u32).min(*others) } else { *others };
        }
    }

    /// Whether a row with this word in the split's slot goes right, as 0 or 1. `SETS` tells whether a split may go by a set.
    #[inline]
    pub fn side<const SETS: bool>(&self, split: Split, word: u32) -> u32 {
        let above = u32::from(f32::from_bits(word) > f32::from_bits(split.payload));
        if !SETS {
            return above;
        }
        // Both answers are found and one is taken: a branch would be guessed wrong half of the time.
        let by_set = split.slot >= self.first_category();
        let mask = if by_set { u32::MAX } else { 0 };
        let place = (split.payload & mask) + ((word & mask) >> 5);
        let in_right = self.sides[place as usize] >> (word & 31) & 1;
        if by_set { in_right } else { above }
    }
}
