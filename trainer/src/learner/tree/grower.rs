//! The rows of nodes in every order, and the best splits between them.

use std::ops::Range;

use super::bins::{Between, Bins, Histogram, Offered, SHARED_ROWS};
use super::criterion::sums::{Gains, Pair};
use super::criterion::{Criterion, Found, SumsMemory};
use super::draw::Order;
use super::grow::{Options, Splitter};
use super::presort::{Matrix, Presorted, Ranks, SortedColumn, key, present, row, value};
use super::small::{self, Small};

/// Two values of a column no further apart than this are not told apart, as in scikit-learn.
pub(super) const FEATURE_THRESHOLD: f32 = 1e-7;

/// A way to split a node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Split {
    pub(crate) column: usize,
    /// Rows with a value up to it go left; the largest of 32 bits where only missing values go right.
    pub(crate) threshold: f64,
    /// Whether rows without a value go left.
    pub(crate) missing_left: bool,
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

/// Which columns a node looks at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns {
    /// How many are known to be constant.
    pub(super) known: usize,
    /// How many are looked at.
    pub(super) most: usize,
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

impl<'a> Rules<'a> {
    /// The rules of a tree, but for the weight of its leaves, of which only is known whether there is a least one.
    pub(super) fn of(options: &'a Options) -> Self {
        Rules::new(options.limits.leaf, options.min_weight_fraction, &options.monotonic)
    }

    /// Rules by which predictions may be anything.
    pub(super) fn new(leaf: usize, weight: f64, monotonic: &'a [i8]) -> Self {
        Rules { leaf, weight, monotonic, bounds: [f64::NEG_INFINITY, f64::INFINITY] }
    }

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
    row_scratch: Vec<u32>,
    pair_scratch: Vec<Pair>,
    looking: Looking,
    sums: SumsMemory,
}

impl Workspace {
    /// The memory of the sums of the tree before.
    pub(super) fn take_sums(&mut self) -> SumsMemory {
        std::mem::take(&mut self.sums)
    }

    /// The rows of the tree grown last, those of each node together.
    pub(super) fn rows(&self) -> &[u32] {
        &self.rows
    }
}

/// Memory to look for the best split of a column in.
#[derive(Debug, Default)]
struct Looking {
    rotated: Vec<u64>,
    bins: Bins,
    gains: Gains,
}

/// Rows of a node and all below it, and what is known of their targets.
pub(super) struct NodeRows<'a> {
    pub(super) criterion: Criterion<'a>,
    /// The rows of each node together.
    pub(super) rows: Vec<u32>,
    /// By row, whether it goes left; of use within one step only.
    pub(super) marks: Vec<bool>,
    scratch: Vec<u32>,
    pair_scratch: Vec<Pair>,
}

impl<'a> NodeRows<'a> {
    /// None yet, of at most `count`.
    pub(super) fn new(count: usize, criterion: Criterion<'a>, workspace: &mut Workspace) -> Self {
        let (rows, scratch) = (std::mem::take(&mut workspace.rows), std::mem::take(&mut workspace.row_scratch));
        let mut marks = std::mem::take(&mut workspace.marks);
        marks.resize(count, false);
        NodeRows { criterion, rows, marks, scratch, pair_scratch: std::mem::take(&mut workspace.pair_scratch) }
    }

    /// Gives its memory and its rows back.
    pub(super) fn finish(self, workspace: &mut Workspace) {
        (workspace.rows, workspace.marks, workspace.row_scratch) = (self.rows, self.marks, self.scratch);
        workspace.pair_scratch = self.pair_scratch;
        workspace.sums = self.criterion.into_memory();
    }

    /// Starts with a node of these rows, which are ascending and not none.
    pub(super) fn begin(&mut self, rows: &[u32]) {
        self.rows.clear();
        self.rows.extend(rows);
        self.scratch.resize(rows.len().max(self.scratch.len()), 0);
        if self.criterion.sums().is_some() {
            self.pair_scratch.resize(rows.len().max(self.pair_scratch.len()), [0.0; 2]);
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
        let NodeRows { criterion, rows, marks, scratch, pair_scratch } = self;
        let rows = &mut rows[range.clone()];
        match criterion {
            Criterion::Sums(sums) => {
                let pairs = sums.pairs_mut(range.start, rows.len());
                partition_both((rows, scratch), (pairs, pair_scratch), marks);
            }
            Criterion::Other(other) => {
                partition(rows, scratch, |row| marks[row as usize]);
                other.partition(range, marks);
            }
        }
    }

    /// Marks the rows of a node that was split so that `left` rows go left.
    fn mark_again(&mut self, range: Range<usize>, left: usize) {
        for (place, &row) in self.rows[range].iter().enumerate() {
            self.marks[row as usize] = place < left;
        }
    }
}

/// Finds the best splits of all: keeps the rows of nodes in the order of every column.
pub(super) struct Grower<'a> {
    matrix: &'a Matrix,
    columns: &'a [SortedColumn],
    ranks: &'a [Ranks],
    /// Whether columns that lie together are looked at together.
    together: bool,
    nodes: NodeRows<'a>,
    /// The rows by each column's value; empty for a column whose values cannot be told apart, or are added up by bins.
    orders: Vec<Vec<u64>>,
    scratch: Vec<u64>,
    looking: Looking,
    small: Small,
    /// Most rows of a node that no order is kept for.
    unordered: usize,
    /// What is known of nodes that will be looked at: where their rows begin, those of later ones first.
    histograms: Vec<(usize, Histogram)>,
}

impl<'a> Grower<'a> {
    /// For trees whose splits follow `rules` and whose nodes look at `most` columns.
    pub(super) fn new(
        sorted: &'a Presorted,
        criterion: Criterion<'a>,
        rules: &Rules<'_>,
        most: usize,
        workspace: &mut Workspace,
    ) -> Self {
        let free = rules.weight <= 0.0 && rules.monotonic.is_empty();
        let leaf = rules.leaf;
        // This is of no use where most of them are not asked for.
        let together = 2 * most >= sorted.columns.len();
        let unordered = match criterion.sums() {
            Some(sums) if free && together && !sorted.matrix.has_missing && (leaf < 2 || sums.counts_rows()) => {
                small::MOST_ROWS
            }
            // Any column that tells two rows apart is worth the same.
            Some(_) if free && leaf < 2 => 2,
            _ => 0,
        };
        let mut orders = std::mem::take(&mut workspace.orders);
        orders.resize_with(sorted.columns.len(), Vec::new);
        let nodes = NodeRows::new(sorted.matrix.rows, criterion, workspace);
        let (scratch, looking) = (std::mem::take(&mut workspace.scratch), std::mem::take(&mut workspace.looking));
        let (matrix, columns, small) = (&sorted.matrix, sorted.columns.as_slice(), Small::default());
        let ranks = &sorted.ranks;
        let histograms = Vec::new();
        Grower { matrix, columns, ranks, together, nodes, orders, scratch, looking, small, unordered, histograms }
    }

    /// Turns to a node, before any column is looked at.
    pub(super) fn enter(&mut self, range: Range<usize>, statistics: &[f64], rules: &Rules<'_>) {
        self.nodes.enter(range.clone(), statistics);
        if let (Some(sums), true) = (self.nodes.criterion.sums(), range.len() <= self.unordered) {
            self.small.enter(self.matrix, (range.start, range.len()), sums, rules.leaf);
        } else {
            let known = self.histogram(&range);
            self.looking.bins.enter(self.ranks, known);
        }
    }

    /// What is known of a node. Those before it are not looked at any more.
    fn histogram(&mut self, range: &Range<usize>) -> Option<Histogram> {
        while self.histograms.pop_if(|(start, _)| *start < range.start).is_some() {}
        self.histograms.pop_if(|(start, _)| *start == range.start).map(|(_, histogram)| histogram)
    }

    /// Adds up the smaller side of a node that was split; the larger one is the rest.
    fn share(&mut self, range: &Range<usize>, left: usize, goes_on: [bool; 2]) {
        let middle = range.start + left;
        let sides = [range.start..middle, middle..range.end];
        let needed = [0, 1].map(|side| goes_on[side] && sides[side].len() >= SHARED_ROWS);
        let smaller = usize::from(2 * left > range.len());
        let (Some(sums), true) = (self.nodes.criterion.sums(), needed[1 - smaller]) else { return };
        let bins = &mut self.looking.bins;
        let Some(mut rest) = bins.take_all() else { return };
        let side = sides[smaller].clone();
        let rows = (&self.nodes.rows[side.clone()], sums.pairs(side.start, side.len()));
        let part = bins.add_up_all(self.ranks, rows, sums.counts_rows());
        rest.subtract(&part);
        let mut known = [Some(part).filter(|_| needed[smaller]), Some(rest)];
        known.rotate_left(smaller);
        for (side, known) in sides.into_iter().zip(known).rev() {
            self.histograms.extend(known.map(|known| (side.start, known)));
        }
    }

    /// The best split of the node entered last by one column; nothing where it is worth no more than `above`.
    pub(super) fn offer(&mut self, place: usize, range: Range<usize>, rules: &Rules<'_>, above: f64) -> Offer {
        if range.len() <= self.unordered {
            return self.offer_unordered(place, range, rules, above);
        }
        let (NodeRows { criterion, rows, .. }, looking) = (&mut self.nodes, &mut self.looking);
        let sign = rules.monotonic.get(place).copied().unwrap_or(0);
        if let (&SortedColumn::Few { ref values, group, lane }, Some(sums)) = (&self.columns[place], criterion.sums()) {
            let rows = (range.start, &rows[range.clone()]);
            let offered =
                looking.bins.best((values, group, lane), (self.ranks, self.together), rows, sums, rules, sign);
            return match offered {
                Offered::Constant => Offer::Constant,
                Offered::Nothing => Offer::Nothing,
                Offered::Split(Between { gain, left, values, missing_left }) => {
                    Offer::Split(gain, Split { column: place, threshold: threshold(values), missing_left, left })
                }
            };
        }
        let keys = self.orders[place].get(range).unwrap_or_default();
        offer_of_order(place, keys, (criterion, looking), (rules, sign), above)
    }

    /// The same for a node that no order is kept for.
    fn offer_unordered(&mut self, place: usize, range: Range<usize>, rules: &Rules<'_>, above: f64) -> Offer {
        let rows = &self.nodes.rows[range];
        if self.unordered < small::MOST_ROWS {
            let &[a, b] = rows else { return Offer::Constant };
            let split = split_of_two(place, [a, b].map(|row| self.matrix.value(row, place)));
            return split.map_or(Offer::Constant, |split| Offer::Split(0.0, split));
        }
        match self.small.offer(self.matrix, rows, place) {
            small::Offered::Constant => return Offer::Constant,
            small::Offered::Gain(gain) if gain <= above => return Offer::Nothing,
            small::Offered::Gain(gain) => {
                if let Some(split) = self.small.split(place) {
                    return Offer::Split(gain, split);
                }
            }
        }
        let mut keys: Vec<u64> = rows.iter().map(|&row| key(self.matrix.value(row, place), row)).collect();
        keys.sort_unstable();
        offer_of_order(place, &keys, (&mut self.nodes.criterion, &mut self.looking), (rules, 0), above)
    }
}

/// The best split of the node entered last by a column that has its rows in this order.
fn offer_of_order(
    place: usize,
    keys: &[u64],
    (criterion, looking): (&mut Criterion<'_>, &mut Looking),
    (rules, sign): (&Rules<'_>, i8),
    above: f64,
) -> Offer {
    let Looking { rotated, gains, .. } = looking;
    let present = present(keys);
    let missing = keys.len() - present;
    if present == 0 || missing == 0 && value(keys[present - 1]) <= value(keys[0]) + FEATURE_THRESHOLD {
        return Offer::Constant;
    }
    let mut best = |keys: &[u64], first, last| -> Option<Found> {
        let candidates = Candidates::new(keys, [first, last], rules, sign)?;
        match criterion {
            Criterion::Sums(sums) => sums.best(&candidates, gains, above),
            Criterion::Other(other) => other.best(&candidates),
        }
    };
    // First with missing values on the right side.
    let to_right = best(keys, 1, if missing > 0 { present } else { present - 1 });
    let to_left = if missing > 0 {
        rotated.clear();
        rotated.extend(keys[present..].iter().chain(&keys[..present]));
        best(rotated, missing + 1, keys.len() - 1)
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

impl<'a> Splitter<'a> for Grower<'a> {
    fn nodes(&mut self) -> &mut NodeRows<'a> {
        &mut self.nodes
    }

    fn finish(self, workspace: &mut Workspace) {
        (workspace.orders, workspace.scratch, workspace.looking) = (self.orders, self.scratch, self.looking);
        self.nodes.finish(workspace);
    }

    fn begin(&mut self, rows: &[u32]) {
        self.nodes.begin(rows);
        self.nodes.marks.fill(false);
        for &row in rows {
            self.nodes.marks[row as usize] = true;
        }
        self.scratch.resize(rows.len().max(self.scratch.len()), 0);
        self.histograms.clear();
        let adds_up = self.nodes.criterion.sums().is_some();
        for (place, (column, order)) in self.columns.iter().zip(&mut self.orders).enumerate() {
            let is_added_up = adds_up && matches!(column, SortedColumn::Few { .. });
            if column.is_constant() || is_added_up || rows.len() <= self.unordered {
                order.clear();
            } else {
                column.order(rows, &self.nodes.marks, |row| self.matrix.value(row, place), order);
            }
        }
    }

    fn find(
        &mut self,
        range: Range<usize>,
        statistics: &[f64],
        rules: &Rules<'_>,
        order: &mut Order,
        columns: Columns,
    ) -> (Option<Split>, usize) {
        let Columns { known, most } = columns;
        if let (true, &[a, b]) = (self.unordered > 0, &self.nodes.rows[range.clone()]) {
            let mut first = None;
            let known = order.visit(known, most, |column, _| {
                let column = column as usize;
                let split = split_of_two(column, [a, b].map(|row| self.matrix.value(row, column)));
                first = first.or(split);
                split.is_none()
            });
            return (first, known);
        }
        self.enter(range.clone(), statistics, rules);
        let (mut best, mut above) = (None, f64::NEG_INFINITY);
        let known =
            order.visit(known, most, |column, _| match self.offer(column as usize, range.clone(), rules, above) {
                Offer::Constant => true,
                Offer::Split(gain, split) if gain > above => {
                    (best, above) = (Some(split), better_than(gain));
                    false
                }
                Offer::Nothing | Offer::Split(..) => false,
            });
        (best, known)
    }

    fn split_rows(&mut self, range: Range<usize>, split: &Split) {
        // By what is nearest in memory.
        match &self.columns[split.column] {
            SortedColumn::Many { .. } if range.len() > self.unordered => {
                let keys = self.orders[split.column].get(range.clone()).unwrap_or_default();
                let present = present(keys);
                let (missing, left) = (keys.len() - present, split.left);
                let below = if split.missing_left && missing > 0 { left - missing } else { left };
                for (place, &key) in keys.iter().enumerate() {
                    self.nodes.marks[row(key) as usize] = place < below || (place >= present && split.missing_left);
                }
            }
            SortedColumn::Many { .. } => {
                let matrix = self.matrix;
                self.nodes.mark(range.clone(), |row| split.goes_left(matrix.value(row, split.column)));
            }
            &SortedColumn::Few { ref values, group, lane } => {
                let ranks = &self.ranks[group].rows;
                let below = values.partition_point(|&value| split.goes_left(value) && !value.is_nan());
                let missing = values.partition_point(|value| !value.is_nan());
                self.nodes.mark(range.clone(), |row| {
                    let rank = usize::from(ranks[row as usize][lane]);
                    rank < below || (rank == missing && split.missing_left)
                });
            }
        }
        self.nodes.partition(range);
    }

    fn split_orders(&mut self, range: Range<usize>, split: &Split, at_once: bool, goes_on: [bool; 2]) {
        if at_once {
            self.share(&range, split.left, goes_on);
        }
        let rows = [split.left, range.len() - split.left];
        let needs = [0, 1].map(|side| goes_on[side] && rows[side] > self.unordered);
        if needs == [false; 2] {
            return;
        }
        if !at_once {
            self.nodes.mark_again(range.clone(), split.left);
        }
        let (marks, scratch) = (&self.nodes.marks, &mut self.scratch);
        for (place, order) in self.orders.iter_mut().enumerate() {
            if (place == split.column && !split.missing_left) || order.is_empty() {
                continue;
            }
            let keys = &mut order[range.clone()];
            match needs {
                [true, true] => partition(keys, scratch, |key| marks[row(key) as usize]),
                [true, false] => keep_left(keys, marks),
                _ => keep_right(keys, marks),
            }
        }
    }
}

/// The split of two rows by a column, if it tells them apart. A missing value goes right.
fn split_of_two(column: usize, [a, b]: [f32; 2]) -> Option<Split> {
    let (low, high) = if b < a || a.is_nan() { (b, a) } else { (a, b) };
    if low.is_nan() || high <= low + FEATURE_THRESHOLD {
        return None;
    }
    Some(Split { column, threshold: threshold([low, high]), missing_left: false, left: 1 })
}

/// What lies between two values of a column that follow each other.
pub(super) fn threshold([below, above]: [f32; 2]) -> f64 {
    // All values that are there go left of a missing one; models know finite thresholds only.
    if above.is_nan() { f64::from(f32::MAX) } else { f64::from(below) / 2.0 + f64::from(above) / 2.0 }
}

/// Gains that differ by no more than this share of them are equal.
pub(super) const ROUNDING: f64 = 1e-12;

/// Whether one gain is larger than another by more than rounding. Sums of the same numbers differ in their last bits when
/// they are added in another order; splits that differ no more than that are equally good.
pub(super) fn is_better(gain: f64, than: f64) -> bool {
    gain > better_than(than)
}

/// What a gain that is larger than another by more than rounding exceeds.
pub(super) fn better_than(gain: f64) -> f64 {
    if gain.is_infinite() { gain } else { gain + ROUNDING * gain.abs() }
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

    /// Whether any split between different values is allowed.
    pub(super) fn any_is_allowed(&self) -> bool {
        self.weight <= 0.0 && self.sign == 0
    }

    /// Whether the values on both sides of a split can be told apart.
    pub(super) fn are_apart(&self, left: usize) -> bool {
        let (before, after) = (value(self.keys[left - 1]), value(self.keys[left]));
        // Missing values are told apart from all others.
        after > before + FEATURE_THRESHOLD || before.is_nan() || after.is_nan()
    }

    /// Whether the node may be split so that `left` keys, which are followed by one of another value, go left. `weights` are
    /// those of both sides, `values` their predictions.
    pub(super) fn allow(&self, left: usize, weights: [f64; 2], values: impl FnOnce() -> [f64; 2]) -> bool {
        let heavy = weights.iter().all(|&weight| weight >= self.weight);
        self.are_apart(left) && heavy && (self.sign == 0 || keeps_rule(self.sign, self.bounds, values()))
    }
}
