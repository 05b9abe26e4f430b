//! The best splits of nodes of few rows: every row is compared with every other in all columns, so that no column needs to
//! be kept in order for them.

use super::criterion::Sums;
use super::criterion::sums::{Pair, gain};
use super::grower::Split;
use super::presort::{LANES, Lanes, Matrix};
use super::rules::{FEATURE_THRESHOLD, as_good_as, threshold};

/// Most rows of such a node: comparing all pairs costs more than keeping the order of more rows.
pub(super) const MOST_ROWS: usize = 12;

/// What a column offers to a node of few rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Offered {
    Constant,
    /// What its best split is worth; below every gain where none is allowed.
    Gain(f64),
}

/// The node looked at last.
#[derive(Debug, Default)]
pub(super) struct Small {
    /// What is known of each group of columns, and whether that is of this node; a group is looked at when one of its columns
    /// is asked for.
    groups: Vec<Group>,
    looked: Vec<bool>,
    rows: usize,
    /// Least weight of a side.
    least: f64,
    total: Pair,
    pairs: [Pair; MOST_ROWS],
}

#[derive(Clone, Debug, Default)]
struct Group {
    /// Row by row.
    values: [Lanes; MOST_ROWS],
    /// What it is worth to send a row, and all of lower or the same value, left; nothing where that is not allowed.
    gains: [[f64; LANES]; MOST_ROWS],
    constant: [bool; LANES],
    best: [f64; LANES],
}

impl Small {
    /// Turns to a node of `rows` that stand at `start`; all its values are there, and where rows are counted its leaves need
    /// `leaf` of them.
    pub(super) fn enter(&mut self, matrix: &Matrix, (start, rows): (usize, usize), sums: &Sums, leaf: usize) {
        self.groups.resize_with(matrix.groups, Group::default);
        self.looked.clear();
        self.looked.resize(matrix.groups, false);
        (self.rows, self.total) = (rows, sums.total());
        self.least = if sums.counts_rows() { leaf as f64 } else { 0.0 };
        self.pairs[..rows].copy_from_slice(sums.pairs(start, rows));
    }

    /// What a column offers.
    pub(super) fn offer(&mut self, matrix: &Matrix, rows: &[u32], column: usize) -> Offered {
        let (place, lane) = (column / LANES, column % LANES);
        if !self.looked[place] {
            self.looked[place] = true;
            self.look(matrix, rows, place);
        }
        let group = &self.groups[place];
        if group.constant[lane] { Offered::Constant } else { Offered::Gain(group.best[lane]) }
    }

    fn look(&mut self, matrix: &Matrix, rows: &[u32], place: usize) {
        let Group { values, gains, constant, best } = &mut self.groups[place];
        let values = &mut values[..rows.len()];
        for (value, &row) in values.iter_mut().zip(rows) {
            *value = matrix.row(row)[place];
        }
        let (mut lowest, mut highest) = (values[0], values[0]);
        for row in &values[1..] {
            for lane in 0..LANES {
                lowest[lane] = if row[lane] < lowest[lane] { row[lane] } else { lowest[lane] };
                highest[lane] = if row[lane] > highest[lane] { row[lane] } else { highest[lane] };
            }
        }
        *constant = std::array::from_fn(|lane| highest[lane] <= lowest[lane] + FEATURE_THRESHOLD);
        *best = [f64::NEG_INFINITY; LANES];
        let pairs = &self.pairs[..rows.len()];
        let [all, all_weight] = self.total;
        for (at, gains) in values.iter().zip(gains) {
            let (mut sums, mut weights) = ([0.0; LANES], [0.0; LANES]);
            for (row, &[sum, weight]) in values.iter().zip(pairs) {
                for lane in 0..LANES {
                    let goes_left = row[lane] <= at[lane];
                    sums[lane] += if goes_left { sum } else { 0.0 };
                    weights[lane] += if goes_left { weight } else { 0.0 };
                }
            }
            for lane in 0..LANES {
                let (left, right) = ([sums[lane], weights[lane]], [all - sums[lane], all_weight - weights[lane]]);
                // Each on its own, so that lanes are worked on together.
                let worth = gain(left, right);
                let worth = if at[lane] < highest[lane] { worth } else { f64::NEG_INFINITY };
                let worth = if left[1] >= self.least { worth } else { f64::NEG_INFINITY };
                gains[lane] = if right[1] >= self.least { worth } else { f64::NEG_INFINITY };
                best[lane] = if gains[lane] > best[lane] { gains[lane] } else { best[lane] };
            }
        }
    }

    /// The best split by a column that was asked for; `None` where its values are too close to each other.
    pub(super) fn split(&self, column: usize) -> Option<Split> {
        let (place, lane) = (column / LANES, column % LANES);
        let Group { values, gains, best, .. } = self.groups.get(place)?;
        let enough = as_good_as(best[lane]);
        let values = || values[..self.rows].iter().map(|row| row[lane]);
        // Of equally good ones the lowest.
        let below =
            values().zip(gains).fold(
                f32::INFINITY,
                |below, (value, gains)| {
                    if gains[lane] >= enough && value < below { value } else { below }
                },
            );
        let (mut left, mut above) = (0, f32::INFINITY);
        for value in values() {
            left += usize::from(value <= below);
            above = if value > below && value < above { value } else { above };
        }
        // Where no training row lacks a value, those that do so later follow the larger side.
        let missing_left = 2 * left > self.rows;
        let is_apart = above > below + FEATURE_THRESHOLD;
        is_apart.then(|| Split { column, threshold: threshold([below, above]), missing_left, left })
    }
}
