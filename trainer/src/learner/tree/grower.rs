//! The rows of nodes in every order, and the best splits between them.

use std::ops::Range;

use rayon::prelude::*;

use super::bins::{Between, Bins, Histogram, Offered, SHARED_ROWS};
use super::criterion::sums::Gains;
use super::criterion::{Criterion, Found, SumsMemory};
use super::draw::Order;
use super::grow::Splitter;
use super::presort::{LANES, Presorted, SortedColumn, present, row, value};
use super::rows::{NodeRows, RowsMemory, keep_left, keep_right, partition};
use super::rules::{Candidates, FEATURE_THRESHOLD, Rules, better_than, is_better, threshold};
use super::subtree::{self, Subtree};

/// Rows of a node from which on its columns are divided among threads.
const WORTH_DIVIDING: usize = 1 << 16;

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

/// Memory that one tree after the other can use.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    pub(super) nodes: RowsMemory,
    orders: Vec<Vec<u64>>,
    scratch: Vec<u64>,
    looking: Looking,
}

impl Workspace {
    /// The memory of the sums of the tree before.
    pub(super) fn take_sums(&mut self) -> SumsMemory {
        std::mem::take(&mut self.nodes.sums)
    }

    /// The rows of the tree grown last, those of each node together.
    pub(super) fn rows(&self) -> &[u32] {
        &self.nodes.rows
    }
}

/// Memory to look for the best split of a column in.
#[derive(Debug, Default)]
struct Looking {
    rotated: Vec<u64>,
    bins: Bins,
    gains: Gains,
}

/// Finds the best splits of all: keeps the rows of nodes in the order of every column.
pub(super) struct Grower<'a> {
    sorted: &'a Presorted,
    /// Whether sums tell all, and rules allow every split between them.
    free: bool,
    /// Whether columns that lie together are looked at together.
    together: bool,
    pub(super) nodes: NodeRows<'a>,
    /// The rows by each column's value; empty for a column whose values cannot be told apart, or are added up by bins.
    orders: Vec<Vec<u64>>,
    scratch: Vec<u64>,
    looking: Looking,
    /// A node of few rows and all below it, where these can be looked at by themselves.
    subtree: Option<Subtree>,
    /// Whether any column that tells two rows apart is as good as any other for a node of no more.
    any_of_two: bool,
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
        let free = criterion.sums().is_some() && rules.weight <= 0.0 && rules.monotonic.is_empty();
        // This is of no use where most of them are not asked for.
        let together = sorted.matrix.mostly(most);
        let mut orders = std::mem::take(&mut workspace.orders);
        orders.resize_with(sorted.columns.len(), Vec::new);
        let nodes = NodeRows::new(sorted.matrix.rows, criterion, &mut workspace.nodes);
        let (scratch, looking) = (std::mem::take(&mut workspace.scratch), std::mem::take(&mut workspace.looking));
        let (histograms, any_of_two) = (Vec::new(), free && rules.leaf < 2);
        Grower { sorted, free, together, nodes, orders, scratch, looking, subtree: None, any_of_two, histograms }
    }

    /// For nodes that come depth first: all those below one before any other.
    pub(super) fn depth_first(self) -> Self {
        let has_subtrees = self.free && self.together && !self.sorted.matrix.has_missing;
        Grower { subtree: has_subtrees.then(|| Subtree::new(self.sorted)), ..self }
    }

    /// Turns to a node, before any column is looked at.
    pub(super) fn enter(&mut self, range: Range<usize>, statistics: &[f64], rules: &Rules<'_>) {
        self.nodes.enter(range.clone(), statistics);
        if range.len() < self.least() {
            return;
        }
        if let (Some(sums), Some(subtree)) = (self.nodes.criterion.sums(), &mut self.subtree) {
            let rows = (&self.nodes.rows[range.clone()], sums);
            if subtree.holds(&range)
                || range.len() <= subtree::MOST_ROWS && subtree.begin(&range, rows, self.sorted, &self.orders)
            {
                return subtree.look(&range, sums, rules.leaf);
            }
        }
        let known = self.histogram(&range);
        self.looking.bins.enter(&self.sorted.ranks, known);
    }

    /// Fewest rows of a node that must be in order to be looked at.
    fn least(&self) -> usize {
        if self.any_of_two { 3 } else { 2 }
    }

    /// The values by column of a node of two rows of which any column that tells them apart is as good as any other.
    fn two(&self, range: &Range<usize>) -> Option<impl Fn(usize) -> [f32; 2] + use<'a>> {
        let (&[a, b], true) = (&self.nodes.rows[range.clone()], self.any_of_two) else { return None };
        let rows = [a, b].map(|row| self.sorted.matrix.row(row));
        Some(move |column: usize| rows.map(|row| row[column / LANES][column % LANES]))
    }

    /// The subtree that a node is part of, if it is.
    fn subtree_of(&self, range: &Range<usize>) -> Option<&Subtree> {
        self.subtree.as_ref().filter(|subtree| subtree.holds(range))
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
        let part = bins.add_up_all(&self.sorted.ranks, rows, sums.counts_rows());
        rest.subtract(&part);
        let mut known = [Some(part).filter(|_| needed[smaller]), Some(rest)];
        known.rotate_left(smaller);
        for (side, known) in sides.into_iter().zip(known).rev() {
            self.histograms.extend(known.map(|known| (side.start, known)));
        }
    }

    /// The best split of the node entered last by one column; nothing where it is worth no more than `above`.
    pub(super) fn offer(&mut self, place: usize, range: Range<usize>, rules: &Rules<'_>, above: f64) -> Offer {
        if let Some(values) = self.two(&range).map(|values| values(place)) {
            return if are_apart(values) { Offer::Split(0.0, split_of_two(place, values)) } else { Offer::Constant };
        }
        if let Some(subtree) = self.subtree_of(&range) {
            return match subtree.offer(place) {
                subtree::Offered::Constant => Offer::Constant,
                subtree::Offered::Gain(gain) if gain <= above => Offer::Nothing,
                subtree::Offered::Gain(gain) => Offer::Split(gain, subtree.split(place)),
            };
        }
        let (NodeRows { criterion, rows, .. }, looking) = (&mut self.nodes, &mut self.looking);
        let sign = rules.monotonic.get(place).copied().unwrap_or(0);
        if let (&SortedColumn::Few { ref values, group, lane }, Some(sums)) =
            (&self.sorted.columns[place], criterion.sums())
        {
            let rows = (range.start, &rows[range.clone()]);
            let offered =
                looking.bins.best((values, group, lane), (&self.sorted.ranks, self.together), rows, sums, rules, sign);
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

impl Splitter for Grower<'_> {
    fn width(&self) -> usize {
        self.nodes.criterion.width()
    }

    fn statistics(&self) -> usize {
        self.nodes.criterion.statistics()
    }

    fn measure(&mut self, range: Range<usize>, statistics: &mut [f64]) -> f64 {
        self.nodes.measure(range, statistics)
    }

    fn value(&self, statistics: &[f64], value: &mut [f64]) {
        self.nodes.criterion.value(statistics, value);
    }

    fn finish(self, workspace: &mut Workspace) {
        (workspace.orders, workspace.scratch, workspace.looking) = (self.orders, self.scratch, self.looking);
        workspace.nodes = self.nodes.into_memory();
    }

    fn begin(&mut self, rows: &[u32]) {
        self.nodes.begin(rows);
        self.nodes.marks.fill(false);
        for &row in rows {
            self.nodes.marks[row as usize] = true;
        }
        self.histograms.clear();
        if let Some(subtree) = &mut self.subtree {
            subtree.clear();
        }
        let adds_up = self.nodes.criterion.sums().is_some();
        let (Presorted { columns, matrix, .. }, marks) = (self.sorted, &self.nodes.marks);
        each(&mut self.orders, rows.len(), &mut self.scratch, |place, order, _| {
            let column = &columns[place];
            let is_added_up = adds_up && matches!(column, SortedColumn::Few { .. });
            if column.is_constant() || is_added_up {
                order.clear();
            } else {
                column.order(rows, marks, |row| matrix.value(row, place), order);
            }
        });
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
        if let Some(values) = self.two(&range) {
            let mut first = None;
            let known = order.visit(known, most, |column, _| {
                let is_apart = are_apart(values(column as usize));
                first = if first.is_none() && is_apart { Some(column as usize) } else { first };
                !is_apart
            });
            return (first.map(|column| split_of_two(column, values(column))), known);
        }
        self.enter(range.clone(), statistics, rules);
        if let Some(subtree) = self.subtree_of(&range) {
            return find_in(subtree, order, columns);
        }
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
        let is_ordered = range.len() >= self.least();
        if let Some(subtree) = self.subtree.as_mut().filter(|subtree| is_ordered && subtree.holds(&range)) {
            subtree.mark(&range, split, &mut self.nodes.marks);
            return self.nodes.partition(range);
        }
        // By what is nearest in memory.
        match &self.sorted.columns[split.column] {
            SortedColumn::Many { .. } if is_ordered => {
                let keys = self.orders[split.column].get(range.clone()).unwrap_or_default();
                let present = present(keys);
                let (missing, left) = (keys.len() - present, split.left);
                let below = if split.missing_left && missing > 0 { left - missing } else { left };
                for (place, &key) in keys.iter().enumerate() {
                    self.nodes.marks[row(key) as usize] = place < below || (place >= present && split.missing_left);
                }
            }
            SortedColumn::Many { .. } => {
                let matrix = &self.sorted.matrix;
                self.nodes.mark(range.clone(), |row| split.goes_left(matrix.value(row, split.column)));
            }
            &SortedColumn::Few { ref values, group, lane } => {
                let ranks = &self.sorted.ranks[group].rows;
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
        let needs = [0, 1].map(|side| goes_on[side] && rows[side] >= self.least());
        if needs == [false; 2] {
            return;
        }
        if let Some(subtree) = self.subtree.as_mut().filter(|subtree| subtree.holds(&range)) {
            return subtree.partition(&range);
        }
        if !at_once {
            self.nodes.mark_again(range.clone(), split.left);
        }
        let marks = &self.nodes.marks;
        each(&mut self.orders, range.len(), &mut self.scratch, |place, order, scratch| {
            if (place == split.column && !split.missing_left) || order.is_empty() {
                return;
            }
            let keys = &mut order[range.clone()];
            match needs {
                [true, true] => {
                    scratch.resize(keys.len().max(scratch.len()), 0);
                    partition(keys, scratch, |key| marks[row(key) as usize]);
                }
                [true, false] => keep_left(keys, marks),
                _ => keep_right(keys, marks),
            }
        });
    }
}

/// The best split of a node of a subtree, by some columns.
fn find_in(subtree: &Subtree, order: &mut Order, columns: Columns) -> (Option<Split>, usize) {
    let (mut best, mut above) = (None, f64::NEG_INFINITY);
    let known = order.visit(columns.known, columns.most, |column, _| match subtree.offer(column as usize) {
        subtree::Offered::Constant => true,
        subtree::Offered::Gain(gain) => {
            // No branch to mispredict.
            let is_better = gain > above;
            best = if is_better { Some(column as usize) } else { best };
            above = if is_better { better_than(gain) } else { above };
            false
        }
    });
    (best.map(|column| subtree.split(column)), known)
}

/// Does something to the order of each column, with memory to do it in; side by side where there are many rows.
fn each(
    orders: &mut [Vec<u64>],
    rows: usize,
    scratch: &mut Vec<u64>,
    act: impl Fn(usize, &mut Vec<u64>, &mut Vec<u64>) + Sync,
) {
    if rows < WORTH_DIVIDING {
        orders.iter_mut().enumerate().for_each(|(place, order)| act(place, order, scratch));
    } else {
        let orders = orders.par_iter_mut().enumerate();
        orders.for_each_init(Vec::new, |scratch, (place, order)| act(place, order, scratch));
    }
}

/// Whether a column tells two rows apart.
fn are_apart([a, b]: [f32; 2]) -> bool {
    a.max(b) > a.min(b) + FEATURE_THRESHOLD || a.is_nan() != b.is_nan()
}

/// The split of two rows by a column that tells them apart. A missing value goes right.
fn split_of_two(column: usize, [a, b]: [f32; 2]) -> Split {
    let values = if b < a || a.is_nan() { [b, a] } else { [a, b] };
    Split { column, threshold: threshold(values), missing_left: false, left: 1 }
}
