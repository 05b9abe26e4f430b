//! Mean absolute deviation from the median, for regressions.

use std::ops::Range;

use super::super::grow::{Candidates, partition_rows};
use super::super::presort::row;
use super::{Best, Criterion, EPSILON};

/// Mean absolute deviation from the median.
///
/// The rows of a node are kept in the order of the target as well. The deviations of all beginnings of a column's order are
/// found by starting with all rows and taking them out from the end, one at a time: in a list linked in the order of the
/// target the median then moves by at most one place, so that the whole column takes linear time.
pub(in super::super) struct AbsoluteError<'a> {
    target: &'a [f64],
    /// Subtracted from targets before they are summed, so that nothing is lost where they are large and vary little.
    middle: f64,
    /// Rows of each node together, ascending by target.
    by_target: Vec<u32>,
    scratch: Vec<u64>,
    /// Of the node entered last: targets less `middle`, ascending, and the place of each row among them, from 1.
    sorted: Vec<f64>,
    places: Vec<u32>,
    list: List,
    /// Deviation of the first so many rows of the column looked at.
    beginnings: Vec<f64>,
}

impl<'a> AbsoluteError<'a> {
    pub(in super::super) fn new(target: &'a [f64]) -> Self {
        AbsoluteError {
            target,
            middle: 0.0,
            by_target: Vec::new(),
            scratch: Vec::new(),
            sorted: Vec::new(),
            places: vec![0; target.len()],
            list: List::default(),
            beginnings: Vec::new(),
        }
    }
}

impl Criterion for AbsoluteError<'_> {
    fn width(&self) -> usize {
        1
    }

    fn begin(&mut self, rows: &[u32]) {
        let target = |row: u32| self.target[row as usize];
        self.by_target.clear();
        self.by_target.extend(rows);
        self.by_target.sort_by(|&a, &b| target(a).total_cmp(&target(b)));
        self.middle = target(self.by_target[rows.len() / 2]);
        self.scratch.resize(rows.len(), 0);
    }

    fn enter(&mut self, start: usize, rows: &[u32], value: &mut [f64]) -> bool {
        let by_target = &self.by_target[start..start + rows.len()];
        self.sorted.clear();
        for (place, &row) in (1..).zip(by_target) {
            self.sorted.push(self.target[row as usize] - self.middle);
            self.places[row as usize] = place;
        }
        let at = |place: usize| self.target[by_target[place] as usize];
        let upper = at(rows.len() / 2);
        value[0] = if rows.len() % 2 == 1 { upper } else { f64::midpoint(at(rows.len() / 2 - 1), upper) };
        self.list.fill(&self.sorted);
        self.list.deviation(&self.sorted) / rows.len() as f64 <= EPSILON
    }

    fn best(&mut self, candidates: Candidates<'_>) -> Option<(f64, usize)> {
        let keys = candidates.keys;
        let place = |key: u64| self.places[row(key) as usize] as usize;
        self.beginnings.resize(keys.len(), 0.0);
        self.list.fill(&self.sorted);
        for count in (1..keys.len()).rev() {
            self.list.remove(place(keys[count]), &self.sorted);
            self.beginnings[count] = self.list.deviation(&self.sorted);
        }
        let mut best = Best::default();
        self.list.fill(&self.sorted);
        for count in 1..keys.len() {
            self.list.remove(place(keys[count - 1]), &self.sorted);
            if candidates.allows(count) {
                best.offer(-(self.beginnings[count] + self.list.deviation(&self.sorted)), count);
            }
        }
        best.0
    }

    fn partition(&mut self, range: Range<usize>, goes_left: &[bool]) {
        partition_rows(&mut self.by_target[range], &mut self.scratch, goes_left);
    }
}

/// The places of a node's targets, from 1, linked in ascending order, and the lower one of the two middle ones.
#[derive(Debug, Default)]
struct List {
    before: Vec<u32>,
    after: Vec<u32>,
    count: usize,
    middle: usize,
    /// Sum of the targets up to `middle`, it included, and of those behind it.
    low: f64,
    high: f64,
}

impl List {
    /// Links all places of `sorted`.
    fn fill(&mut self, sorted: &[f64]) {
        let count = sorted.len() as u32;
        self.before.clear();
        self.before.extend((0..=count + 1).map(|place| place.saturating_sub(1)));
        self.after.clear();
        self.after.extend(1..=count + 2);
        self.count = sorted.len();
        self.middle = sorted.len().div_ceil(2);
        self.low = sorted[..self.middle].iter().sum();
        self.high = sorted[self.middle..].iter().sum();
    }

    fn remove(&mut self, place: usize, sorted: &[f64]) {
        let target = |place: usize| sorted[place - 1];
        let is_low = place <= self.middle;
        if is_low {
            self.low -= target(place);
        } else {
            self.high -= target(place);
        }
        match (self.count % 2 == 1, is_low) {
            (true, true) if place == self.middle => self.middle = self.before[place] as usize,
            (true, false) => {
                let moved = target(self.middle);
                self.low -= moved;
                self.high += moved;
                self.middle = self.before[self.middle] as usize;
            }
            (false, true) => {
                self.middle = self.after[self.middle] as usize;
                let moved = target(self.middle);
                self.low += moved;
                self.high -= moved;
            }
            (true, true) | (false, false) => {}
        }
        let (before, after) = (self.before[place], self.after[place]);
        self.after[before as usize] = after;
        self.before[after as usize] = before;
        self.count -= 1;
    }

    /// Sum of absolute deviations from the median.
    fn deviation(&self, sorted: &[f64]) -> f64 {
        let centre = if self.count % 2 == 1 { sorted[self.middle - 1] } else { 0.0 };
        self.high - (self.low - centre)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn deviations_stay_right_while_targets_are_taken_out() {
        let sorted: Vec<f64> = [-7.0, -3.0, -3.0, 0.0, 1.0, 4.0, 4.0, 9.0, 20.0].to_vec();
        for seed in 0..50 {
            let mut order: Vec<usize> = (1..=sorted.len()).collect();
            Rng::new(seed).shuffle(&mut order);
            let mut list = List::default();
            list.fill(&sorted);
            for taken in 0..sorted.len() {
                let mut left: Vec<f64> = order[taken..].iter().map(|place| sorted[place - 1]).collect();
                left.sort_by(f64::total_cmp);
                let median = left[left.len() / 2];
                let expected: f64 = left.iter().map(|value| (value - median).abs()).sum();
                assert!((list.deviation(&sorted) - expected).abs() < 1e-12, "seed {seed}, {taken} taken");
                list.remove(order[taken], &sorted);
            }
        }
    }
}
