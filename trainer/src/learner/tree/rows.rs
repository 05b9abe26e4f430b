//! The rows of nodes.

use std::ops::Range;

use super::criterion::sums::Pair;
use super::criterion::{Criterion, SumsMemory};
use super::presort::row;

/// Rows of a node and all below it, and what is known of their targets.
pub(super) struct NodeRows<'a> {
    pub(super) criterion: Criterion<'a>,
    /// The rows of each node together.
    pub(super) rows: Vec<u32>,
    /// By row, whether it goes left; of use within one step only.
    pub(super) marks: Vec<bool>,
    scratch: Scratch,
}

/// What the rows of one tree after the other can use.
#[derive(Debug, Default)]
pub(super) struct RowsMemory {
    /// Those of the tree before, each node's together.
    pub(super) rows: Vec<u32>,
    pub(super) sums: SumsMemory,
    marks: Vec<bool>,
    scratch: Scratch,
}

#[derive(Debug, Default)]
struct Scratch {
    rows: Vec<u32>,
    pairs: Vec<Pair>,
}

impl<'a> NodeRows<'a> {
    /// None yet, of at most `count`.
    pub(super) fn new(count: usize, criterion: Criterion<'a>, memory: &mut RowsMemory) -> Self {
        let RowsMemory { rows, mut marks, scratch, .. } = std::mem::take(memory);
        marks.resize(count, false);
        NodeRows { criterion, rows, marks, scratch }
    }

    /// Gives its memory and its rows back.
    pub(super) fn into_memory(self) -> RowsMemory {
        let NodeRows { criterion, rows, marks, scratch } = self;
        RowsMemory { rows, sums: criterion.into_memory(), marks, scratch }
    }

    /// Starts with a node of these rows, which are ascending and not none.
    pub(super) fn begin(&mut self, rows: &[u32]) {
        self.rows.clear();
        self.rows.extend(rows);
        let Scratch { rows: row_scratch, pairs } = &mut self.scratch;
        row_scratch.resize(rows.len().max(row_scratch.len()), 0);
        if self.criterion.sums().is_some() {
            pairs.resize(rows.len().max(pairs.len()), [0.0; 2]);
        }
        self.criterion.begin(rows);
    }

    /// Finds the statistics of a node and returns its impurity.
    pub(super) fn measure(&mut self, range: Range<usize>, statistics: &mut [f64]) -> f64 {
        self.criterion.measure(range.start, &self.rows[range], statistics)
    }

    /// Turns to a node.
    pub(super) fn enter(&mut self, range: Range<usize>, statistics: &[f64]) {
        self.criterion.enter(range.start, &self.rows[range], statistics);
    }

    /// Marks the rows of a node that go left.
    pub(super) fn mark(&mut self, range: Range<usize>, goes_left: impl Fn(u32) -> bool) {
        for &row in &self.rows[range] {
            self.marks[row as usize] = goes_left(row);
        }
    }

    /// Sorts a node's rows into its children's as they are marked, keeping their order.
    pub(super) fn partition(&mut self, range: Range<usize>) {
        let NodeRows { criterion, rows, marks, scratch } = self;
        let rows = &mut rows[range.clone()];
        match criterion {
            Criterion::Sums(sums) => {
                let pairs = sums.pairs_mut(range.start, rows.len());
                partition_both((rows, &mut scratch.rows), (pairs, &mut scratch.pairs), marks);
            }
            Criterion::Other(other) => {
                partition(rows, &mut scratch.rows, |row| marks[row as usize]);
                other.partition(range, marks);
            }
        }
    }

    /// Marks the rows of a node that was split so that `left` rows go left.
    pub(super) fn mark_again(&mut self, range: Range<usize>, left: usize) {
        for (place, &row) in self.rows[range].iter().enumerate() {
            self.marks[row as usize] = place < left;
        }
    }
}

/// Moves what goes left to the front, keeping the order on both sides. `scratch` has room for all.
pub(super) fn partition<T: Copy>(items: &mut [T], scratch: &mut [T], goes_left: impl Fn(T) -> bool) {
    let scratch = &mut scratch[..items.len()];
    let (mut left, mut right) = (0, 0);
    for place in 0..items.len() {
        let item = items[place];
        // Written to both sides, and counted on one: no branch to mispredict.
        items[left] = item;
        scratch[right] = item;
        let is_left = usize::from(goes_left(item));
        left += is_left;
        right += 1 - is_left;
    }
    items[left..].copy_from_slice(&scratch[..right]);
}

/// The same of rows with what each adds to sums.
fn partition_both(
    (rows, row_scratch): (&mut [u32], &mut [u32]),
    (pairs, pair_scratch): (&mut [Pair], &mut [Pair]),
    goes_left: &[bool],
) {
    let count = rows.len();
    let (pairs, row_scratch, pair_scratch) =
        (&mut pairs[..count], &mut row_scratch[..count], &mut pair_scratch[..count]);
    let (mut left, mut right) = (0, 0);
    for place in 0..count {
        let (row, pair) = (rows[place], pairs[place]);
        (rows[left], pairs[left]) = (row, pair);
        (row_scratch[right], pair_scratch[right]) = (row, pair);
        let is_left = usize::from(goes_left[row as usize]);
        left += is_left;
        right += 1 - is_left;
    }
    rows[left..].copy_from_slice(&row_scratch[..right]);
    pairs[left..].copy_from_slice(&pair_scratch[..right]);
}

/// Moves what goes left to the front, keeping the order there. What is behind is lost.
pub(super) fn keep_left(keys: &mut [u64], goes_left: &[bool]) {
    let mut left = 0;
    for place in 0..keys.len() {
        let key = keys[place];
        keys[left] = key;
        left += usize::from(goes_left[row(key) as usize]);
    }
}

/// Moves what goes right to the end, keeping the order there. What is before is lost.
pub(super) fn keep_right(keys: &mut [u64], goes_left: &[bool]) {
    let mut right = keys.len();
    for place in (0..keys.len()).rev() {
        let key = keys[place];
        keys[right - 1] = key;
        right -= usize::from(!goes_left[row(key) as usize]);
        if right == 0 {
            return;
        }
    }
}
