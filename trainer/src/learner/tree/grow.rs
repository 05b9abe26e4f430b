//! Splitting the nodes of a tree.

use std::ops::Range;

use super::criterion::Criterion;
use super::presort::{Presorted, SortedColumn, rank, row};

/// Two values of a column no further apart than this are not told apart, as in scikit-learn.
const FEATURE_THRESHOLD: f32 = 1e-7;

/// Where growth stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Limits {
    /// Greatest depth; the root's is 0.
    pub(super) depth: usize,
    /// Fewest rows a node needs to be split; at least twice `leaf`.
    pub(super) split: usize,
    /// Fewest rows of a leaf.
    pub(super) leaf: usize,
}

/// A way to split a node: rows with a value up to the threshold go left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Split {
    pub(super) column: usize,
    pub(super) threshold: f64,
    /// Rows that go left.
    pub(super) left: usize,
}

/// How a node may be split.
pub(super) struct Splits {
    /// The best, one a column that is as good as any.
    pub(super) best: Vec<Split>,
    /// A bit for each column: whether it is constant in the node.
    pub(super) constant: Vec<u64>,
}

/// Rows of a node and all below it, in every order that is needed.
pub(super) struct Grower<'a> {
    columns: &'a [SortedColumn],
    criterion: Box<dyn Criterion + 'a>,
    /// The rows of each node together, ascending.
    rows: Vec<u32>,
    /// The same by each column's value; empty for a column whose values cannot be told apart.
    orders: Vec<Vec<u64>>,
    /// By row; of use within one step only.
    marks: Vec<bool>,
    scratch: Vec<u64>,
}

impl<'a> Grower<'a> {
    pub(super) fn new(sorted: &'a Presorted, criterion: Box<dyn Criterion + 'a>) -> Self {
        Grower {
            columns: &sorted.columns,
            criterion,
            rows: Vec::new(),
            orders: Vec::new(),
            marks: vec![false; sorted.rows],
            scratch: Vec::new(),
        }
    }

    /// Starts with a node of these rows, which are ascending.
    pub(super) fn begin(&mut self, rows: &[u32]) {
        for &row in &self.rows {
            self.marks[row as usize] = false;
        }
        self.rows.clear();
        self.rows.extend(rows);
        self.scratch.resize(rows.len().max(self.scratch.len()), 0);
        for &row in rows {
            self.marks[row as usize] = true;
        }
        let order =
            |column: &SortedColumn| if column.ranked.len() < 2 { Vec::new() } else { column.order(rows, &self.marks) };
        self.orders = self.columns.iter().map(order).collect();
        self.criterion.begin(rows);
    }

    /// The rows that [`Grower::begin`] was given, those of each node together.
    pub(super) fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// Turns to the node of the rows in `range`: writes its prediction and says whether it is pure.
    pub(super) fn enter(&mut self, range: Range<usize>, value: &mut [f64]) -> bool {
        self.criterion.enter(range.start, &self.rows[range], value)
    }

    /// The best splits of the node entered last, with at least `min_leaf` rows on each side.
    pub(super) fn best_splits(&mut self, range: Range<usize>, min_leaf: usize) -> Splits {
        let mut splits = Splits { best: Vec::new(), constant: vec![0; self.columns.len().div_ceil(64)] };
        let mut best = f64::NEG_INFINITY;
        for (place, (column, order)) in self.columns.iter().zip(&self.orders).enumerate() {
            let keys = order.get(range.clone()).unwrap_or_default();
            let value = |place: usize| column.ranked[rank(keys[place])];
            if keys.is_empty() || value(keys.len() - 1) <= value(0) + FEATURE_THRESHOLD {
                splits.constant[place / 64] |= 1 << (place % 64);
                continue;
            }
            let candidates = Candidates { keys, ranked: &column.ranked, min_leaf };
            let Some((gain, left)) = self.criterion.best(candidates) else { continue };
            if is_better(best, gain) {
                continue;
            }
            if is_better(gain, best) {
                splits.best.clear();
                best = gain;
            }
            let threshold = f64::from(value(left - 1)) / 2.0 + f64::from(value(left)) / 2.0;
            splits.best.push(Split { column: place, threshold, left });
        }
        splits
    }

    /// Sorts a node's rows into its children's, in every order.
    pub(super) fn partition(&mut self, range: Range<usize>, split: Split) {
        for (place, &key) in self.orders[split.column][range.clone()].iter().enumerate() {
            self.marks[row(key) as usize] = place < split.left;
        }
        let goes_left = &self.marks;
        for (place, order) in self.orders.iter_mut().enumerate() {
            if place != split.column && !order.is_empty() {
                partition(&mut order[range.clone()], &mut self.scratch, |key| goes_left[row(key) as usize]);
            }
        }
        partition_rows(&mut self.rows[range.clone()], &mut self.scratch, goes_left);
        self.criterion.partition(range, goes_left);
    }
}

/// Whether one gain is larger than another by more than rounding. Sums of the same numbers differ in their last bits when
/// they are added in another order; splits that differ no more than that are equally good.
pub(super) fn is_better(gain: f64, than: f64) -> bool {
    const ROUNDING: f64 = 1e-12;
    if than.is_infinite() { gain > than } else { gain - than > ROUNDING * than.abs() }
}

/// Moves what goes left to the front, keeping the order on both sides.
fn partition(keys: &mut [u64], scratch: &mut [u64], goes_left: impl Fn(u64) -> bool) {
    let (mut left, mut right) = (0, 0);
    for place in 0..keys.len() {
        let key = keys[place];
        // Written to both sides, and counted on one: no branch to mispredict.
        keys[left] = key;
        scratch[right] = key;
        let is_left = usize::from(goes_left(key));
        left += is_left;
        right += 1 - is_left;
    }
    keys[left..].copy_from_slice(&scratch[..right]);
}

/// The same for plain rows.
pub(super) fn partition_rows(rows: &mut [u32], scratch: &mut [u64], goes_left: &[bool]) {
    let (mut left, mut right) = (0, 0);
    for place in 0..rows.len() {
        let row = rows[place];
        rows[left] = row;
        scratch[right] = u64::from(row);
        let is_left = usize::from(goes_left[row as usize]);
        left += is_left;
        right += 1 - is_left;
    }
    for (row, key) in rows[left..].iter_mut().zip(&scratch[..right]) {
        *row = *key as u32;
    }
}

/// A node's rows by the values of one column, and where they may be split.
#[derive(Clone, Copy)]
pub(super) struct Candidates<'a> {
    pub(super) keys: &'a [u64],
    ranked: &'a [f32],
    min_leaf: usize,
}

impl Candidates<'_> {
    /// Whether the node may be split so that `left` rows go left.
    pub(super) fn allows(&self, left: usize) -> bool {
        let (before, after) = (rank(self.keys[left - 1]), rank(self.keys[left]));
        before != after
            && self.ranked[after] > self.ranked[before] + FEATURE_THRESHOLD
            && left >= self.min_leaf
            && self.keys.len() - left >= self.min_leaf
    }
}
