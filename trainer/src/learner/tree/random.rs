//! Splits at thresholds drawn at random, for extremely randomised trees (Geurts et al. 2006).

use std::ops::Range;

use super::criterion::Criterion;
use super::criterion::sums::{Pair, Sums, gain, less, plus};
use super::draw::Order;
use super::grow::Splitter;
use super::grower::{Columns, Split, Workspace};
use super::grown::largest_not_above;
use super::presort::{LANES, Lanes, Matrix, Presorted, key};
use super::rows::NodeRows;
use super::rules::{Candidates, FEATURE_THRESHOLD, Rules, better_than, is_better};

/// Smallest and largest value of a column in a node, and how many are missing.
#[derive(Clone, Copy)]
struct Extent {
    smallest: f32,
    largest: f32,
    missing: usize,
}

/// A split that was drawn.
#[derive(Clone, Copy)]
struct Drawn {
    column: usize,
    threshold: f64,
    missing: usize,
    missing_left: bool,
    /// What it sends left.
    left: Pair,
}

/// Finds the best of one split for each column, its threshold drawn at random.
pub(super) struct RandomSplits<'a> {
    matrix: &'a Matrix,
    nodes: NodeRows<'a>,
    /// Of each column of the node looked at, where all were looked at at once.
    extents: Vec<[Lanes; 2]>,
    drawn: Vec<Drawn>,
    /// By column: thresholds, of which no row goes left of one that was not drawn.
    thresholds: Vec<Lanes>,
    keys: Vec<u64>,
}

impl<'a> RandomSplits<'a> {
    pub(super) fn new(sorted: &'a Presorted, criterion: Criterion<'a>, workspace: &mut Workspace) -> Self {
        let matrix = &sorted.matrix;
        RandomSplits {
            matrix,
            nodes: NodeRows::new(matrix.rows, criterion, &mut workspace.nodes),
            extents: Vec::with_capacity(matrix.groups),
            drawn: Vec::with_capacity(matrix.width),
            thresholds: Vec::with_capacity(matrix.groups),
            keys: Vec::new(),
        }
    }

    /// Finds the extents of all columns. None of them has a missing value.
    fn measure_all(&mut self, range: Range<usize>) {
        let rows = &self.nodes.rows[range];
        self.extents.clear();
        // As many groups at once as there are registers for, so that a row need not come from memory more often.
        let mut group = 0;
        while group < self.matrix.groups {
            group += match self.matrix.groups - group {
                1 => measure::<1>(self.matrix, rows, group, &mut self.extents),
                2 => measure::<2>(self.matrix, rows, group, &mut self.extents),
                _ => measure::<3>(self.matrix, rows, group, &mut self.extents),
            };
        }
    }

    /// Draws the splits to look at. Returns how many columns are known to be constant below.
    fn draw(&mut self, range: &Range<usize>, order: &mut Order, Columns { known, most }: Columns) -> usize {
        // Most columns will be looked at: all at once is quicker than one after the other.
        let at_once = self.matrix.mostly(most) && !self.matrix.has_missing;
        if at_once {
            self.measure_all(range.clone());
        }
        self.drawn.clear();
        let rows = &self.nodes.rows[range.clone()];
        order.visit(known, most, |column, draw| {
            let column = column as usize;
            let Extent { smallest, largest, missing } = if at_once {
                let [smallest, largest] = self.extents[column / LANES].map(|lanes| lanes[column % LANES]);
                Extent { smallest, largest, missing: 0 }
            } else {
                extent(self.matrix.column(column), rows, self.matrix.has_missing)
            };
            if missing == rows.len() || missing == 0 && largest <= smallest + FEATURE_THRESHOLD {
                return true;
            }
            let threshold = draw.threshold(smallest, largest);
            let missing_left = missing > 0 && draw.coin();
            self.drawn.push(Drawn { column, threshold, missing, missing_left, left: [0.0; 2] });
            false
        })
    }

    /// The split of two rows of which any that is drawn is as good as any other: the first. `None` where there are more, or
    /// rules have a say. Also returns how many columns are known to be constant below.
    fn find_of_two(
        &self,
        range: &Range<usize>,
        rules: &Rules<'_>,
        order: &mut Order,
        Columns { known, most }: Columns,
    ) -> Option<(Option<Split>, usize)> {
        let &[a, b] = &self.nodes.rows[range.clone()] else { return None };
        let is_free = rules.leaf < 2 && rules.weight <= 0.0 && rules.monotonic.is_empty() && !self.matrix.has_missing;
        if !is_free || self.nodes.criterion.sums().is_none() {
            return None;
        }
        let rows = [a, b].map(|row| self.matrix.row(row));
        let mut first = None;
        let known = order.visit(known, most, |column, draw| {
            let column = column as usize;
            let [a, b] = rows.map(|row| row[column / LANES][column % LANES]);
            let (smallest, largest) = if a < b { (a, b) } else { (b, a) };
            if largest <= smallest + FEATURE_THRESHOLD {
                return true;
            }
            let threshold = draw.threshold(smallest, largest);
            first = first.or(Some(Split { column, threshold, missing_left: false, left: 1 }));
            false
        });
        Some((first, known))
    }

    /// The best of the drawn splits, by sums of targets and weights alone.
    fn best_by_sums(&mut self, range: &Range<usize>, rules: &Rules<'_>) -> Option<Split> {
        let sums = self.nodes.criterion.sums()?;
        let rows = &self.nodes.rows[range.clone()];
        let pairs = sums.pairs(range.start, rows.len());
        if self.matrix.mostly(self.drawn.len()) && !self.matrix.has_missing {
            let sum_all = if sums.counts_rows() { sum_all::<true> } else { sum_all::<false> };
            sum_all(self.matrix, (rows, pairs), &mut self.drawn, &mut self.thresholds);
        } else {
            let matrix = self.matrix;
            self.drawn.iter_mut().for_each(|drawn| drawn.sum(matrix.column(drawn.column), rows, pairs));
        }
        let (mut best, mut above) = (None, f64::NEG_INFINITY);
        for drawn in &self.drawn {
            let gain = gain(drawn.left, less(sums.total(), drawn.left));
            if gain > above && drawn.is_allowed(self.matrix, rows, sums, rules) {
                (best, above) = (Some(drawn), better_than(gain));
            }
        }
        best.map(|drawn| drawn.split(drawn.rows_left(self.matrix, rows, sums), rows.len()))
    }

    /// The best of the drawn splits by any criterion: each is shown to it as a column of two values.
    fn best_of_any(&mut self, range: &Range<usize>, rules: &Rules<'_>) -> Option<Split> {
        let NodeRows { criterion: Criterion::Other(criterion), rows, .. } = &mut self.nodes else { return None };
        let mut best: Option<(f64, Split)> = None;
        for drawn in &self.drawn {
            let rows = &rows[range.clone()];
            let sent = send(self.matrix, drawn, rows, &mut self.keys);
            let sign = rules.monotonic.get(drawn.column).copied().unwrap_or(0);
            let candidates = Candidates::new(&self.keys[..rows.len()], [sent.left; 2], rules, sign);
            let Some(found) = candidates.and_then(|candidates| criterion.best(&candidates)) else {
                continue;
            };
            if best.is_none_or(|(best, _)| is_better(found.gain, best)) {
                best = Some((found.gain, sent));
            }
        }
        best.map(|(_, split)| split)
    }
}

/// Adds the extents of the columns of so many groups, from one on, to others; returns how many groups these are.
fn measure<const GROUPS: usize>(matrix: &Matrix, rows: &[u32], first: usize, extents: &mut Vec<[Lanes; 2]>) -> usize {
    let mut found = [[[f32::INFINITY; LANES], [f32::NEG_INFINITY; LANES]]; GROUPS];
    for &row in rows {
        if let Some(values) = matrix.row(row)[first..].first_chunk::<GROUPS>() {
            for (values, [smallest, largest]) in values.iter().zip(&mut found) {
                for lane in 0..LANES {
                    smallest[lane] = if values[lane] < smallest[lane] { values[lane] } else { smallest[lane] };
                    largest[lane] = if values[lane] > largest[lane] { values[lane] } else { largest[lane] };
                }
            }
        }
    }
    extents.extend(found);
    GROUPS
}

/// Adds up what every drawn threshold sends left, many columns at once. Where all rows weigh 1, they are counted.
fn sum_all<const COUNTED: bool>(
    matrix: &Matrix,
    (rows, pairs): (&[u32], &[Pair]),
    drawn: &mut [Drawn],
    thresholds: &mut Vec<Lanes>,
) {
    thresholds.clear();
    thresholds.resize(matrix.groups, [f32::NEG_INFINITY; LANES]);
    for drawn in &*drawn {
        thresholds[drawn.column / LANES][drawn.column % LANES] = largest_not_above(drawn.threshold);
    }
    for (group, thresholds) in thresholds.iter().enumerate() {
        let (mut sums, mut weights, mut counts) = ([0.0; LANES], [0.0; LANES], [0_i32; LANES]);
        for (&row, &[sum, weight]) in rows.iter().zip(pairs) {
            let values = matrix.row(row)[group];
            for lane in 0..LANES {
                let goes_left = values[lane] <= thresholds[lane];
                sums[lane] += if goes_left { sum } else { 0.0 };
                if COUNTED {
                    counts[lane] += i32::from(goes_left);
                } else {
                    weights[lane] += if goes_left { weight } else { 0.0 };
                }
            }
        }
        for drawn in drawn.iter_mut().filter(|drawn| drawn.column / LANES == group) {
            let lane = drawn.column % LANES;
            drawn.left = [sums[lane], if COUNTED { f64::from(counts[lane]) } else { weights[lane] }];
        }
    }
}

impl Drawn {
    /// Adds up what it sends left.
    fn sum(&mut self, column: &[f32], rows: &[u32], pairs: &[Pair]) {
        let (threshold, missing_left) = (largest_not_above(self.threshold), self.missing_left);
        let mut left = [0.0; 2];
        for (&row, &pair) in rows.iter().zip(pairs) {
            let value = column[row as usize];
            let goes_left = value <= threshold || (missing_left && value.is_nan());
            left = plus(left, if goes_left { pair } else { [0.0; 2] });
        }
        self.left = left;
    }

    /// How many rows it sends left.
    fn rows_left(&self, matrix: &Matrix, rows: &[u32], sums: &Sums) -> usize {
        if sums.counts_rows() {
            return self.left[1] as usize;
        }
        let split = self.split(0, rows.len());
        rows.iter().filter(|&&row| split.goes_left(matrix.value(row, self.column))).count()
    }

    /// The split, which sends `left` of `rows` rows left.
    fn split(&self, left: usize, rows: usize) -> Split {
        let Drawn { column, threshold, missing, missing_left, .. } = *self;
        // Where no training row of a node lacks a value, those that do so later follow the larger side.
        let missing_left = if missing > 0 { missing_left } else { 2 * left > rows };
        Split { column, threshold, missing_left, left }
    }

    /// Whether the rules allow the split.
    fn is_allowed(&self, matrix: &Matrix, rows: &[u32], sums: &Sums, rules: &Rules<'_>) -> bool {
        let right = less(sums.total(), self.left);
        let sign = rules.monotonic.get(self.column).copied().unwrap_or(0);
        let enough_rows = || {
            let left = self.rows_left(matrix, rows, sums);
            left >= rules.leaf && rows.len() - left >= rules.leaf
        };
        [self.left, right].iter().all(|&[_, weight]| weight >= rules.weight)
            && (sign == 0 || rules.allow(sign, [sums.predicted(self.left), sums.predicted(right)]))
            // Both sides have a row: a threshold is not below the smallest value, and below the largest.
            && (rules.leaf < 2 && self.missing == 0 || enough_rows())
    }
}

/// Writes a key for each row into the first of `keys`: those that go left first, of value 0, the others of value 1.
fn send(matrix: &Matrix, drawn: &Drawn, rows: &[u32], keys: &mut Vec<u64>) -> Split {
    let Drawn { column, threshold, missing, missing_left, .. } = *drawn;
    let narrow = largest_not_above(threshold);
    keys.resize(2 * rows.len(), 0);
    let (mut left, mut right) = (0, rows.len());
    for &row in rows {
        let value = matrix.value(row, column);
        let is_left = usize::from(value <= narrow || (missing_left && value.is_nan()));
        // Written to both sides, and counted on one: no branch to mispredict.
        keys[left] = key(0.0, row);
        keys[right] = key(1.0, row);
        left += is_left;
        right += 1 - is_left;
    }
    keys.copy_within(rows.len()..right, left);
    Split { column, threshold, left, missing_left: if missing > 0 { missing_left } else { 2 * left > rows.len() } }
}

fn extent(column: &[f32], rows: &[u32], has_missing: bool) -> Extent {
    // Several at a time, so that one comparison need not wait for the one before it.
    let (mut smallest, mut largest) = ([f32::INFINITY; LANES], [f32::NEG_INFINITY; LANES]);
    let (chunks, rest) = rows.as_chunks::<LANES>();
    let mut see = |rows: &[u32]| {
        for (lane, &row) in rows.iter().enumerate() {
            let value = column[row as usize];
            smallest[lane] = if value < smallest[lane] { value } else { smallest[lane] };
            largest[lane] = if value > largest[lane] { value } else { largest[lane] };
        }
    };
    for rows in chunks {
        see(rows);
    }
    see(rest);
    let is_missing = |row: &&u32| column[**row as usize].is_nan();
    Extent {
        smallest: smallest.into_iter().fold(f32::INFINITY, f32::min),
        largest: largest.into_iter().fold(f32::NEG_INFINITY, f32::max),
        missing: if has_missing { rows.iter().filter(is_missing).count() } else { 0 },
    }
}

impl Splitter for RandomSplits<'_> {
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
        workspace.nodes = self.nodes.into_memory();
    }

    fn begin(&mut self, rows: &[u32]) {
        self.nodes.begin(rows);
    }

    fn find(
        &mut self,
        range: Range<usize>,
        statistics: &[f64],
        rules: &Rules<'_>,
        order: &mut Order,
        columns: Columns,
    ) -> (Option<Split>, usize) {
        if let Some(found) = self.find_of_two(&range, rules, order, columns) {
            return found;
        }
        self.nodes.enter(range.clone(), statistics);
        let known = self.draw(&range, order, columns);
        let split = match self.nodes.criterion {
            Criterion::Sums(_) => self.best_by_sums(&range, rules),
            Criterion::Other(_) => self.best_of_any(&range, rules),
        };
        (split, known)
    }

    fn split_rows(&mut self, range: Range<usize>, split: &Split) {
        let column = self.matrix.column(split.column);
        self.nodes.mark(range.clone(), |row| split.goes_left(column[row as usize]));
        self.nodes.partition(range);
    }

    fn split_orders(&mut self, _range: Range<usize>, _split: &Split, _at_once: bool, _goes_on: [bool; 2]) {}
}
