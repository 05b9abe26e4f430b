//! Trees of few leaves by bits: a split that sends a row right strikes out the leaves on its left, and of those that no split
//! of the tree strikes out the first is where the row ends. Splits of all trees are asked a word at a time, in order of their
//! keys, so that those that send the row right come first and nothing is guessed.
//!
//! Lucchese and others, QuickScorer, 2015, <https://doi.org/10.1145/2766462.2767733>.

use super::super::Trees;
use super::arena::measure;
use super::sums::{Leaf, Sums};
use super::words::{MAX_WORDS, Reader, Row, Split, Words};
use super::{Kernel, LANES, Walk};

/// Leaves of a row's trees that may still be its end, a bit for each, the leftmost lowest.
type Open = u64;

struct Bits {
    columns: Vec<Column>,
    /// Where the leaves of each tree start.
    starts: Vec<u32>,
    /// Of all trees, from left to right, as places among the values.
    leaves: Vec<u32>,
}

/// The splits of all trees that look at a word of the row.
struct Column {
    slot: u8,
    /// Whether they go by sets. All others are in order of their keys.
    by_set: bool,
    strikes: Vec<Strike>,
}

/// A split.
#[derive(Clone, Copy)]
struct Strike {
    key: u32,
    tree: u32,
    /// The leaves that are not on its left.
    keep: Open,
}

/// Sound trees by bits; none where one of them has too many leaves.
pub fn new(trees: &Trees, reader: &mut Reader<'_>) -> Option<Box<dyn Walk>> {
    let mut columns: Vec<Column> =
        (0..MAX_WORDS).map(|slot| Column { slot: slot as u8, by_set: false, strikes: Vec::new() }).collect();
    let mut bits = Bits { columns: Vec::new(), starts: Vec::new(), leaves: Vec::with_capacity(trees.leaves()) };
    let (mut sizes, mut open, mut fits) = (Vec::new(), Vec::new(), true);
    trees.nodes.each_tree(|nodes| {
        if !fits || nodes.len().div_ceil(2) > Open::BITS as usize {
            fits = false;
            return;
        }
        measure(nodes, &mut sizes);
        let tree = bits.starts.len() as u32;
        bits.starts.push(bits.leaves.len() as u32);
        open.push((0, 0));
        while let Some((place, first)) = open.pop() {
            let node = nodes[place as usize];
            if node.is_leaf() {
                // Left children are met before right ones.
                bits.leaves.push(node.payload);
                continue;
            }
            let Some(split) = reader.split(node) else {
                fits = false;
                continue;
            };
            let on_left = sizes[node.left as usize].div_ceil(2);
            let keep = !((Open::MAX >> (Open::BITS - on_left)) << first);
            let column = &mut columns[split.slot as usize];
            column.by_set = node.by_set();
            column.strikes.push(Strike { key: split.key, tree, keep });
            open.extend([(node.left + 1, first + on_left), (node.left, first)]);
        }
    });
    columns.retain(|column| !column.strikes.is_empty());
    for column in columns.iter_mut().filter(|column| !column.by_set) {
        column.strikes.sort_unstable_by_key(|strike| strike.key);
        column.strikes.shrink_to_fit();
    }
    bits.columns = columns;
    if fits { Some(Box::new(bits)) } else { None }
}

impl Column {
    /// Calls `right` with each split that sends a row with this word right.
    #[inline]
    fn right(&self, words: &Words, word: u32, mut right: impl FnMut(&Strike)) {
        if self.by_set {
            let goes_right =
                |strike: &&Strike| words.side::<true>(Split { slot: self.slot, key: strike.key }, word) == 1;
            return self.strikes.iter().filter(goes_right).for_each(right);
        }
        let end = self.strikes.partition_point(|strike| strike.key < word);
        self.strikes[..end].iter().for_each(&mut right);
    }
}

impl Bits {
    /// Calls `right` with each split that sends a row right.
    #[inline]
    fn right(&self, words: &Words, row: &Row, mut right: impl FnMut(&Strike)) {
        for column in &self.columns {
            column.right(words, row[column.slot as usize], &mut right);
        }
    }

    /// The leaf where a row ends.
    #[inline]
    fn end(&self, start: u32, open: Open) -> u32 {
        self.leaves[(start + open.trailing_zeros()) as usize]
    }
}

impl Walk for Bits {
    fn kernel(&self) -> Kernel {
        Kernel::Bits
    }

    fn row(&self, words: &Words, row: &Row, sums: &mut Sums<'_>) {
        let mut open = vec![Open::MAX; self.starts.len()];
        self.right(words, row, |strike| open[strike.tree as usize] &= strike.keep);
        for (group, (starts, open)) in self.starts.chunks(LANES).zip(open.chunks(LANES)).enumerate() {
            let mut found = [0; LANES];
            for ((found, &start), &open) in found.iter_mut().zip(starts).zip(open) {
                *found = self.end(start, open);
            }
            u32::of_trees(sums, group * LANES, &found[..starts.len()]);
        }
    }

    fn block(&self, words: &Words, rows: &[[Row; LANES]], sums: &mut Sums<'_>) {
        let mut open = vec![[Open::MAX; LANES]; self.starts.len()];
        for (group, rows) in rows.iter().enumerate() {
            open.fill([Open::MAX; LANES]);
            for (lane, row) in rows.iter().enumerate() {
                self.right(words, row, |strike| open[strike.tree as usize][lane] &= strike.keep);
            }
            for (tree, (&start, open)) in self.starts.iter().zip(&open).enumerate() {
                u32::of_rows(sums, group * LANES, tree, &open.map(|open| self.end(start, open)));
            }
        }
    }
}
