//! Splits at thresholds drawn at random, for extremely randomised trees (Geurts et al. 2006).

use std::ops::Range;

use super::criterion::Criterion;
use super::draw::Order;
use super::grow::Splitter;
use super::grower::{Candidates, FEATURE_THRESHOLD, NodeRows, Rules, Split, Workspace, is_better};
use super::presort::{Matrix, Presorted, key};

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
}

/// Finds the best of one split for each column, its threshold drawn at random.
pub(super) struct RandomSplits<'a> {
    matrix: &'a Matrix,
    nodes: NodeRows<'a>,
    /// Of each column of the node looked at, where all were looked at at once.
    smallest: Vec<f32>,
    largest: Vec<f32>,
    drawn: Vec<Drawn>,
    /// By column or by draw: thresholds, and what goes left: sums of targets by weight, and weights.
    thresholds: Vec<f32>,
    sums: Vec<f64>,
    weights: Vec<f64>,
    keys: Vec<u64>,
}

impl<'a> RandomSplits<'a> {
    pub(super) fn new(sorted: &'a Presorted, criterion: Box<dyn Criterion + 'a>, workspace: &mut Workspace) -> Self {
        let matrix = &sorted.matrix;
        let width = matrix.width;
        RandomSplits {
            matrix,
            nodes: NodeRows::new(matrix.rows, criterion, workspace),
            smallest: vec![0.0; width],
            largest: vec![0.0; width],
            drawn: Vec::with_capacity(width),
            thresholds: vec![0.0; width],
            sums: vec![0.0; width],
            weights: vec![0.0; width],
            keys: Vec::new(),
        }
    }

    /// Finds the extents of all columns. None of them has a missing value.
    fn measure_all(&mut self, range: Range<usize>) {
        self.smallest.fill(f32::INFINITY);
        self.largest.fill(f32::NEG_INFINITY);
        for &row in &self.nodes.rows[range] {
            let values = self.matrix.row(row);
            for ((smallest, largest), &value) in self.smallest.iter_mut().zip(&mut self.largest).zip(values) {
                *smallest = if value < *smallest { value } else { *smallest };
                *largest = if value > *largest { value } else { *largest };
            }
        }
    }

    /// Draws the splits to look at. Returns how many columns are known to be constant below.
    fn draw(&mut self, range: &Range<usize>, order: &mut Order, known: usize, most: usize) -> usize {
        // Most columns will be looked at: all at once is quicker than one after the other.
        let at_once = 2 * most >= self.matrix.width && !self.matrix.has_missing;
        if at_once {
            self.measure_all(range.clone());
        }
        self.drawn.clear();
        let rows = &self.nodes.rows[range.clone()];
        order.visit(known, most, |column, draw| {
            let column = column as usize;
            let Extent { smallest, largest, missing } = if at_once {
                Extent { smallest: self.smallest[column], largest: self.largest[column], missing: 0 }
            } else {
                extent(self.matrix, column, rows)
            };
            if missing == rows.len() || missing == 0 && largest <= smallest + FEATURE_THRESHOLD {
                return true;
            }
            let threshold = draw.threshold(smallest, largest);
            let missing_left = missing > 0 && draw.between(0, 2) == 1;
            self.drawn.push(Drawn { column, threshold, missing, missing_left });
            false
        })
    }

    /// The best of the drawn splits, by sums of targets and weights alone.
    fn best_by_sums(&mut self, range: &Range<usize>, rules: &Rules<'_>) -> Option<Split> {
        let all = 2 * self.drawn.len() >= self.matrix.width && !self.matrix.has_missing;
        let totals = if all { self.sum_all(range) } else { self.sum_drawn(range) };
        let [sum, weight] = totals?;
        let offset = self.nodes.criterion.offset();
        let mut best: Option<(f64, Split)> = None;
        for (place, drawn) in self.drawn.iter().enumerate() {
            let place = if all { drawn.column } else { place };
            let (left, left_weight) = (self.sums[place], self.weights[place]);
            let (right, right_weight) = (sum - left, weight - left_weight);
            let gain = (left * left * right_weight + right * right * left_weight) / (left_weight * right_weight);
            if best.is_some_and(|(best, _)| !is_better(gain, best)) {
                continue;
            }
            let values = [offset + left / left_weight, offset + right / right_weight];
            let rows = &self.nodes.rows[range.clone()];
            if let Some(split) = allowed(self.matrix, drawn, rows, rules, [left_weight, right_weight], values) {
                best = Some((gain, split));
            }
        }
        best.map(|(_, split)| split)
    }

    /// Adds up what every column's threshold sends left; returns the sums of all. A column that was not drawn sends nothing.
    fn sum_all(&mut self, range: &Range<usize>) -> Option<[f64; 2]> {
        self.thresholds.fill(f32::NEG_INFINITY);
        for drawn in &self.drawn {
            self.thresholds[drawn.column] = largest_not_above(drawn.threshold);
        }
        self.sums.fill(0.0);
        self.weights.fill(0.0);
        let pairs = self.nodes.criterion.pairs()?;
        let (mut sum, mut weight) = (0.0, 0.0);
        for &row in &self.nodes.rows[range.clone()] {
            let [wy, w] = pairs[row as usize];
            sum += wy;
            weight += w;
            let values = self.matrix.row(row).iter().zip(&self.thresholds);
            for ((value, threshold), (sum, weight)) in values.zip(self.sums.iter_mut().zip(&mut self.weights)) {
                let is_left = value <= threshold;
                *sum += if is_left { wy } else { 0.0 };
                *weight += if is_left { w } else { 0.0 };
            }
        }
        Some([sum, weight])
    }

    /// The same, by place among the drawn splits.
    fn sum_drawn(&mut self, range: &Range<usize>) -> Option<[f64; 2]> {
        let pairs = self.nodes.criterion.pairs()?;
        let mut totals = [0.0; 2];
        for (place, drawn) in self.drawn.iter().enumerate() {
            let threshold = largest_not_above(drawn.threshold);
            let (mut sum, mut weight) = (0.0, 0.0);
            totals = [0.0; 2];
            for &row in &self.nodes.rows[range.clone()] {
                let [wy, w] = pairs[row as usize];
                let value = self.matrix.row(row)[drawn.column];
                let is_left = value <= threshold || (drawn.missing_left && value.is_nan());
                sum += if is_left { wy } else { 0.0 };
                weight += if is_left { w } else { 0.0 };
                totals = [totals[0] + wy, totals[1] + w];
            }
            (self.sums[place], self.weights[place]) = (sum, weight);
        }
        Some(totals)
    }

    /// The best of the drawn splits by any criterion: each is shown to it as a column of two values.
    fn best_of_any(&mut self, range: &Range<usize>, rules: &Rules<'_>) -> Option<Split> {
        let mut best: Option<(f64, Split)> = None;
        for drawn in &self.drawn {
            let rows = &self.nodes.rows[range.clone()];
            let sent = send(self.matrix, drawn, rows, &mut self.keys);
            let sign = rules.monotonic.get(drawn.column).copied().unwrap_or(0);
            let candidates = Candidates::new(&self.keys[..rows.len()], [sent.left; 2], rules, sign);
            let Some(found) = candidates.and_then(|candidates| self.nodes.criterion.best(&candidates)) else {
                continue;
            };
            if best.is_none_or(|(best, _)| is_better(found.gain, best)) {
                best = Some((found.gain, sent));
            }
        }
        best.map(|(_, split)| split)
    }
}

/// Where no training row of a node lacks a value, those that do so later follow the larger side.
fn split_of(matrix: &Matrix, drawn: &Drawn, rows: &[u32]) -> Split {
    let Drawn { column, threshold, missing, missing_left } = *drawn;
    let split = Split { column, threshold, missing_left, left: 0 };
    let left = rows.iter().filter(|&&row| split.goes_left(matrix.row(row)[column])).count();
    Split { left, missing_left: if missing > 0 { missing_left } else { 2 * left > rows.len() }, ..split }
}

/// Writes a key for each row into the first of `keys`: those that go left first, of value 0, the others of value 1.
fn send(matrix: &Matrix, drawn: &Drawn, rows: &[u32], keys: &mut Vec<u64>) -> Split {
    let Drawn { column, threshold, missing, missing_left } = *drawn;
    let narrow = largest_not_above(threshold);
    keys.resize(2 * rows.len(), 0);
    let (mut left, mut right) = (0, rows.len());
    for &row in rows {
        let value = matrix.row(row)[column];
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

/// The split, if the rules allow it.
fn allowed(
    matrix: &Matrix,
    drawn: &Drawn,
    rows: &[u32],
    rules: &Rules<'_>,
    weights: [f64; 2],
    values: [f64; 2],
) -> Option<Split> {
    let sign = rules.monotonic.get(drawn.column).copied().unwrap_or(0);
    if weights.iter().any(|&weight| weight < rules.weight) || !rules.allow(sign, values) {
        return None;
    }
    let split = split_of(matrix, drawn, rows);
    (split.left >= rules.leaf && rows.len() - split.left >= rules.leaf).then_some(split)
}

fn extent(matrix: &Matrix, column: usize, rows: &[u32]) -> Extent {
    let mut extent = Extent { smallest: f32::INFINITY, largest: f32::NEG_INFINITY, missing: 0 };
    for &row in rows {
        let value = matrix.row(row)[column];
        extent.smallest = extent.smallest.min(value);
        extent.largest = extent.largest.max(value);
        extent.missing += usize::from(value.is_nan());
    }
    extent
}

/// The largest 32-bit float that is not above `value`: it tells 32-bit floats apart just the same.
fn largest_not_above(value: f64) -> f32 {
    let near = value as f32;
    if f64::from(near) > value { near.next_down() } else { near }
}

impl<'a> Splitter<'a> for RandomSplits<'a> {
    fn nodes(&mut self) -> &mut NodeRows<'a> {
        &mut self.nodes
    }

    fn finish(self, workspace: &mut Workspace) {
        self.nodes.finish(workspace);
    }

    fn begin(&mut self, rows: &[u32]) {
        self.nodes.begin(rows);
    }

    fn find(
        &mut self,
        range: Range<usize>,
        rules: &Rules<'_>,
        order: &mut Order,
        known: usize,
        most: usize,
    ) -> (Option<Split>, usize) {
        let known = self.draw(&range, order, known, most);
        let by_sums = self.nodes.criterion.pairs().is_some();
        let split = if by_sums { self.best_by_sums(&range, rules) } else { self.best_of_any(&range, rules) };
        (split, known)
    }

    fn split_rows(&mut self, range: Range<usize>, split: &Split) {
        for &row in &self.nodes.rows[range.clone()] {
            self.nodes.marks[row as usize] = split.goes_left(self.matrix.row(row)[split.column]);
        }
        self.nodes.partition(range);
    }

    fn split_orders(&mut self, _range: Range<usize>, _split: &Split, _at_once: bool, _goes_on: [bool; 2]) {}
}
