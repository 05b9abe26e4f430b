//! The rows of nodes in every order, and the best splits between them.

use std::ops::Range;

use super::bins::{Between, Bins, Offered};
use super::criterion::Criterion;
use super::draw::Order;
use super::grow::{Options, Splitter};
use super::presort::{Matrix, Presorted, SortedColumn, present, row, value};

/// Two values of a column no further apart than this are not told apart, as in scikit-learn.
pub(super) const FEATURE_THRESHOLD: f32 = 1e-7;

/// A way to split a node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Split {
    pub(super) column: usize,
    /// Rows with a value up to it go left; the largest of 32 bits where only missing values go right.
    pub(super) threshold: f64,
    /// Whether rows without a value go left.
    pub(super) missing_left: bool,
    /// Rows that go left.
    pub(super) left: usize,
}

impl Split {
    /// Whether a row with this value goes left.
    pub(super) fn goes_left(&self, value: f32) -> bool {
        if value.is_nan() { self.missing_left } else { f64::from(value) <= self.threshold }
    }
}

/// What a column offers to a node.
pub(super) enum Offer {
    /// All its rows have the same value, or none.
    Constant,
    /// No split is allowed.
    Nothing,
    /// Its best split, and what it is worth: larger is better, comparable within the node.
    Split(f64, Split),
}

/// What splits are allowed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules<'a> {
    /// Fewest rows of a leaf.
    pub(super) leaf: usize,
    /// Least weight of a leaf.
    pub(super) weight: f64,
    /// Of each column, whether predictions may only rise (1) or fall (-1) with it; empty where no column has a rule.
    pub(super) monotonic: &'a [i8],
    /// What predictions below the node may be, least and most; of two classes the share of the second.
    pub(super) bounds: [f64; 2],
}

impl Rules<'_> {
    /// Whether a split by a column with this rule may predict these values on both sides.
    pub(super) fn allow(&self, sign: i8, values: [f64; 2]) -> bool {
        sign == 0 || keeps_rule(sign, self.bounds, values)
    }
}

fn keeps_rule(sign: i8, [least, most]: [f64; 2], [left, right]: [f64; 2]) -> bool {
    let within = |value: f64| value >= least && value <= most;
    within(left) && within(right) && (left - right) * f64::from(sign) <= 0.0
}

/// Memory that one tree after the other can use.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    rows: Vec<u32>,
    orders: Vec<Vec<u64>>,
    marks: Vec<bool>,
    scratch: Vec<u64>,
    rotated: Vec<u64>,
    bins: Bins,
}

/// Rows of a node and all below it, and what is known of their targets.
pub(super) struct NodeRows<'a> {
    pub(super) criterion: Box<dyn Criterion + 'a>,
    /// The rows of each node together.
    pub(super) rows: Vec<u32>,
    /// By row, whether it goes left; of use within one step only.
    pub(super) marks: Vec<bool>,
    scratch: Vec<u64>,
}

impl<'a> NodeRows<'a> {
    /// None yet, of at most `count`.
    pub(super) fn new(count: usize, criterion: Box<dyn Criterion + 'a>, workspace: &mut Workspace) -> Self {
        let (rows, scratch) = (std::mem::take(&mut workspace.rows), std::mem::take(&mut workspace.scratch));
        let mut marks = std::mem::take(&mut workspace.marks);
        marks.resize(count, false);
        NodeRows { criterion, rows, marks, scratch }
    }

    /// Gives its memory and its rows back.
    pub(super) fn finish(self, workspace: &mut Workspace) {
        (workspace.rows, workspace.marks, workspace.scratch) = (self.rows, self.marks, self.scratch);
    }

    /// Starts with a node of these rows, which are ascending and not none.
    pub(super) fn begin(&mut self, rows: &[u32]) {
        self.rows.clear();
        self.rows.extend(rows);
        self.scratch.resize(rows.len().max(self.scratch.len()), 0);
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

    /// Sorts a node's rows into its children's, as they are marked.
    pub(super) fn partition(&mut self, range: Range<usize>) {
        partition_rows(&mut self.rows[range.clone()], &mut self.scratch, &self.marks);
        self.criterion.partition(range, &self.marks);
    }
}

/// Finds the best splits of all: keeps the rows of nodes in the order of every column.
pub(super) struct Grower<'a> {
    matrix: &'a Matrix,
    columns: &'a [SortedColumn],
    nodes: NodeRows<'a>,
    /// The rows by each column's value; empty for a column whose values cannot be told apart, or are added up by bins.
    orders: Vec<Vec<u64>>,
    rotated: Vec<u64>,
    bins: Bins,
    /// Whether a node of two rows may be split by any column that tells them apart, and is worth the same by each.
    any_of_two: bool,
}

impl<'a> Grower<'a> {
    pub(super) fn new(sorted: &'a Presorted, criterion: Box<dyn Criterion + 'a>, workspace: &mut Workspace) -> Self {
        let mut orders = std::mem::take(&mut workspace.orders);
        orders.resize_with(sorted.columns.len(), Vec::new);
        let nodes = NodeRows::new(sorted.matrix.rows, criterion, workspace);
        let (rotated, bins) = (std::mem::take(&mut workspace.rotated), std::mem::take(&mut workspace.bins));
        Grower { matrix: &sorted.matrix, columns: &sorted.columns, nodes, orders, rotated, bins, any_of_two: false }
    }

    /// Looks no closer at nodes of two rows than it takes with these options.
    pub(super) fn with_options(self, options: &Options) -> Self {
        let allows_all = options.limits.leaf < 2 && options.min_weight_fraction == 0.0 && options.monotonic.is_empty();
        let any_of_two = allows_all && self.nodes.criterion.pairs().is_some();
        Grower { any_of_two, ..self }
    }

    /// The best split by a column of few values, if the criterion can add these up.
    fn offer_of_few(&mut self, place: usize, range: Range<usize>, rules: &Rules<'_>) -> Option<Offer> {
        let column = &self.columns[place];
        let SortedColumn::Few { values, ranks } = column else { return None };
        let NodeRows { criterion, rows, .. } = &self.nodes;
        let pairs = (criterion.pairs()?, criterion.offset());
        let sign = rules.monotonic.get(place).copied().unwrap_or(0);
        Some(match self.bins.best((values, ranks), &rows[range], pairs, rules, sign) {
            Offered::Constant => Offer::Constant,
            Offered::Nothing => Offer::Nothing,
            Offered::Split(Between { gain, left, values, missing_left }) => {
                Offer::Split(gain, Split { column: place, threshold: threshold(values), missing_left, left })
            }
        })
    }

    /// The best split of the node entered last by one column.
    pub(super) fn offer(&mut self, place: usize, range: Range<usize>, rules: &Rules<'_>) -> Offer {
        if let Some(offer) = self.offer_of_few(place, range.clone(), rules) {
            return offer;
        }
        let keys = self.orders[place].get(range).unwrap_or_default();
        let present = present(keys);
        let missing = keys.len() - present;
        if present == 0 || missing == 0 && value(keys[present - 1]) <= value(keys[0]) + FEATURE_THRESHOLD {
            return Offer::Constant;
        }
        let sign = rules.monotonic.get(place).copied().unwrap_or(0);
        let candidates = |keys, first, last| Candidates::new(keys, [first, last], rules, sign);
        // First with missing values on the right side.
        let last = if missing > 0 { present } else { present - 1 };
        let to_right = candidates(keys, 1, last).and_then(|candidates| self.nodes.criterion.best(&candidates));
        let to_left = if missing > 0 {
            self.rotated.clear();
            self.rotated.extend(keys[present..].iter().chain(&keys[..present]));
            let candidates = candidates(&self.rotated, missing + 1, keys.len() - 1);
            candidates.and_then(|candidates| self.nodes.criterion.best(&candidates))
        } else {
            None
        };
        let threshold = |after: usize| threshold([value(keys[after - 1]), value(keys[after])]);
        let split = |gain, left, below, missing_left| {
            Offer::Split(gain, Split { column: place, threshold: threshold(below), missing_left, left })
        };
        match (to_right, to_left) {
            (right, Some(found)) if right.is_none_or(|right| is_better(found.gain, right.gain)) => {
                split(found.gain, found.left, found.left - missing, true)
            }
            // Where no training row lacks a value, those that do so later follow the larger side.
            (Some(found), _) => split(found.gain, found.left, found.left, missing == 0 && 2 * found.left > keys.len()),
            (None, _) => Offer::Nothing,
        }
    }

    /// Marks the rows of a node that go left.
    fn mark(&mut self, range: Range<usize>, split: &Split) {
        if self.orders[split.column].is_empty() || self.any_of_two && range.len() == 2 {
            for &row in &self.nodes.rows[range] {
                self.nodes.marks[row as usize] = split.goes_left(self.matrix.value(row, split.column));
            }
            return;
        }
        let keys = &self.orders[split.column][range];
        let present = present(keys);
        let (missing, left) = (keys.len() - present, split.left);
        let below = if split.missing_left && missing > 0 { left - missing } else { left };
        for (place, &key) in keys.iter().enumerate() {
            self.nodes.marks[row(key) as usize] = place < below || (place >= present && split.missing_left);
        }
    }
}

impl<'a> Splitter<'a> for Grower<'a> {
    fn nodes(&mut self) -> &mut NodeRows<'a> {
        &mut self.nodes
    }

    fn finish(self, workspace: &mut Workspace) {
        (workspace.orders, workspace.rotated, workspace.bins) = (self.orders, self.rotated, self.bins);
        self.nodes.finish(workspace);
    }

    fn begin(&mut self, rows: &[u32]) {
        self.nodes.begin(rows);
        self.nodes.marks.fill(false);
        for &row in rows {
            self.nodes.marks[row as usize] = true;
        }
        let adds_up = self.nodes.criterion.pairs().is_some();
        for (place, (column, order)) in self.columns.iter().zip(&mut self.orders).enumerate() {
            if column.is_constant() || adds_up && matches!(column, SortedColumn::Few { .. }) {
                order.clear();
            } else {
                column.order(rows, &self.nodes.marks, |row| self.matrix.value(row, place), order);
            }
        }
    }

    fn find(
        &mut self,
        range: Range<usize>,
        rules: &Rules<'_>,
        order: &mut Order,
        known: usize,
        most: usize,
    ) -> (Option<Split>, usize) {
        if let (true, &[a, b]) = (self.any_of_two, &self.nodes.rows[range.clone()]) {
            let mut first = None;
            let rows = [self.matrix.row(a), self.matrix.row(b)];
            let known = order.visit(known, most, |column, _| {
                let split = split_of_two(column as usize, rows);
                first = first.or(split);
                split.is_none()
            });
            return (first, known);
        }
        let mut best: Option<(f64, Split)> = None;
        let known = order.visit(known, most, |column, _| match self.offer(column as usize, range.clone(), rules) {
            Offer::Constant => true,
            Offer::Split(gain, split) if best.is_none_or(|(best, _)| is_better(gain, best)) => {
                best = Some((gain, split));
                false
            }
            Offer::Nothing | Offer::Split(..) => false,
        });
        (best.map(|(_, split)| split), known)
    }

    fn split_rows(&mut self, range: Range<usize>, split: &Split) {
        self.mark(range.clone(), split);
        self.nodes.partition(range);
    }

    fn split_orders(&mut self, range: Range<usize>, split: &Split, at_once: bool, goes_on: [bool; 2]) {
        let rows = [split.left, range.len() - split.left];
        // No order is asked for where any column will do.
        let needs = |side: usize| goes_on[side] && !(self.any_of_two && rows[side] == 2);
        let needs = [needs(0), needs(1)];
        if needs == [false; 2] {
            return;
        }
        if !at_once {
            self.mark(range.clone(), split);
        }
        let NodeRows { scratch, marks, .. } = &mut self.nodes;
        for (place, order) in self.orders.iter_mut().enumerate() {
            if (place == split.column && !split.missing_left) || order.is_empty() {
                continue;
            }
            let keys = &mut order[range.clone()];
            match needs {
                [true, true] => partition(keys, scratch, marks),
                [true, false] => keep_left(keys, marks),
                _ => keep_right(keys, marks),
            }
        }
    }
}

/// The split of two rows by a column, if it tells them apart. A missing value goes right.
fn split_of_two(place: usize, [a, b]: [&[f32]; 2]) -> Option<Split> {
    let (a, b) = (a[place], b[place]);
    let (low, high) = if b < a || a.is_nan() { (b, a) } else { (a, b) };
    if low.is_nan() || high <= low + FEATURE_THRESHOLD {
        return None;
    }
    Some(Split { column: place, threshold: threshold([low, high]), missing_left: false, left: 1 })
}

/// What lies between two values of a column that follow each other.
fn threshold([below, above]: [f32; 2]) -> f64 {
    // All values that are there go left of a missing one; models know finite thresholds only.
    if above.is_nan() { f64::from(f32::MAX) } else { f64::from(below) / 2.0 + f64::from(above) / 2.0 }
}

/// Whether one gain is larger than another by more than rounding. Sums of the same numbers differ in their last bits when
/// they are added in another order; splits that differ no more than that are equally good.
pub(super) fn is_better(gain: f64, than: f64) -> bool {
    gain > better_than(than)
}

/// What a gain that is larger than another by more than rounding exceeds.
pub(super) fn better_than(gain: f64) -> f64 {
    const ROUNDING: f64 = 1e-12;
    if gain.is_infinite() { gain } else { gain + ROUNDING * gain.abs() }
}

/// Moves what goes left to the front, keeping the order on both sides.
fn partition(keys: &mut [u64], scratch: &mut [u64], goes_left: &[bool]) {
    let (mut left, mut right) = (0, 0);
    for place in 0..keys.len() {
        let key = keys[place];
        // Written to both sides, and counted on one: no branch to mispredict.
        keys[left] = key;
        scratch[right] = key;
        let is_left = usize::from(goes_left[row(key) as usize]);
        left += is_left;
        right += 1 - is_left;
    }
    keys[left..].copy_from_slice(&scratch[..right]);
}

/// Moves what goes left to the front, keeping the order there. What is behind is lost.
fn keep_left(keys: &mut [u64], goes_left: &[bool]) {
    let mut left = 0;
    for place in 0..keys.len() {
        let key = keys[place];
        keys[left] = key;
        left += usize::from(goes_left[row(key) as usize]);
    }
}

/// Moves what goes right to the end, keeping the order there. What is before is lost.
fn keep_right(keys: &mut [u64], goes_left: &[bool]) {
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

/// A node's rows in an order, and where they may be split.
#[derive(Clone, Copy)]
pub(super) struct Candidates<'a> {
    pub(super) keys: &'a [u64],
    /// Fewest and most keys that may go left: at least 1, and below the number of keys.
    pub(super) first: usize,
    pub(super) last: usize,
    weight: f64,
    sign: i8,
    bounds: [f64; 2],
}

impl<'a> Candidates<'a> {
    /// The candidates between these counts of keys on the left that leave enough rows on both sides, if there are any.
    pub(super) fn new(keys: &'a [u64], [first, last]: [usize; 2], rules: &Rules<'_>, sign: i8) -> Option<Self> {
        let (first, last) = (first.max(rules.leaf), last.min(keys.len().checked_sub(rules.leaf)?));
        let candidates = Candidates { keys, first, last, weight: rules.weight, sign, bounds: rules.bounds };
        (first <= last).then_some(candidates)
    }

    /// Whether the node may be split so that `left` keys, which are followed by one of another value, go left. `weights` are
    /// those of both sides, `values` their predictions.
    pub(super) fn allow(&self, left: usize, weights: [f64; 2], values: impl FnOnce() -> [f64; 2]) -> bool {
        let (before, after) = (value(self.keys[left - 1]), value(self.keys[left]));
        // Missing values are told apart from all others.
        let apart = after > before + FEATURE_THRESHOLD || before.is_nan() || after.is_nan();
        let heavy = weights.iter().all(|&weight| weight >= self.weight);
        apart && heavy && (self.sign == 0 || keeps_rule(self.sign, self.bounds, values()))
    }
}
