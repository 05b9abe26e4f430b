//! Mean absolute deviation from the median, for regressions.

use std::ops::Range;

use super::super::presort::{is_same, row};
use super::super::rows::partition;
use super::super::rules::Candidates;
use super::{Best, Found, Measure};

/// Statistics of a node: its weight and the median of its targets.
const MEDIAN: usize = 1;

/// Mean absolute deviation from the weighted median.
///
/// The rows of a node are kept in the order of the target as well. The deviations of all beginnings of a column's order are
/// found by starting with all rows and taking them out from the end, one at a time: in a list linked in the order of the
/// target the median then moves by few places (at most one where all weights are equal), so that the whole column takes
/// linear time.
pub(in super::super) struct AbsoluteError<'a> {
    target: &'a [f64],
    weights: Option<&'a [f64]>,
    /// Subtracted from targets before they are summed, so that nothing is lost where they are large and vary little.
    middle: f64,
    /// Rows of each node together, ascending by target.
    by_target: Vec<u32>,
    scratch: Vec<u32>,
    /// Of the node entered last: targets less `middle` with their weights, ascending, and the place of each row among them,
    /// from 1.
    sorted: Vec<Item>,
    places: Vec<u32>,
    list: List,
    /// Deviation and median of the first so many rows of the column looked at.
    beginnings: Vec<[f64; 2]>,
}

/// A target and its weight.
#[derive(Clone, Copy, Debug)]
struct Item {
    y: f64,
    w: f64,
}

impl<'a> AbsoluteError<'a> {
    pub(in super::super) fn new(target: &'a [f64], weights: Option<&'a [f64]>) -> Self {
        AbsoluteError {
            target,
            weights,
            middle: 0.0,
            by_target: Vec::new(),
            scratch: Vec::new(),
            sorted: Vec::new(),
            places: vec![0; target.len()],
            list: List::default(),
            beginnings: Vec::new(),
        }
    }

    /// Reads a node's rows by target.
    fn sort(&mut self, start: usize, rows: usize) {
        self.sorted.clear();
        for &row in &self.by_target[start..start + rows] {
            let w = self.weights.map_or(1.0, |weights| weights[row as usize]);
            self.sorted.push(Item { y: self.target[row as usize] - self.middle, w });
        }
    }
}

impl Measure for AbsoluteError<'_> {
    fn width(&self) -> usize {
        1
    }

    fn statistics(&self) -> usize {
        2
    }

    fn begin(&mut self, rows: &[u32]) {
        let target = |row: u32| self.target[row as usize];
        self.by_target.clear();
        self.by_target.extend(rows);
        self.by_target.sort_by(|&a, &b| target(a).total_cmp(&target(b)));
        self.middle = target(self.by_target[rows.len() / 2]);
        self.scratch.resize(rows.len(), 0);
    }

    fn measure(&mut self, start: usize, rows: &[u32], statistics: &mut [f64]) -> f64 {
        self.sort(start, rows.len());
        self.list.fill(&self.sorted);
        // From the targets themselves, so that a leaf of equal ones predicts just that.
        let target = |place: usize| self.target[self.by_target[start + place - 1] as usize];
        let (lower, upper) = self.list.medians();
        let median = if lower == upper { target(lower) } else { f64::midpoint(target(lower), target(upper)) };
        let weight = self.list.weight();
        statistics.copy_from_slice(&[weight, median]);
        let equal = self.sorted.first().map(|item| item.y) == self.sorted.last().map(|item| item.y);
        if equal { 0.0 } else { self.list.deviation(&self.sorted) / weight }
    }

    fn enter(&mut self, start: usize, rows: &[u32], _statistics: &[f64]) {
        self.sort(start, rows.len());
        for (place, &row) in (1..).zip(&self.by_target[start..start + rows.len()]) {
            self.places[row as usize] = place;
        }
    }

    fn best(&mut self, candidates: &Candidates<'_>) -> Option<Found> {
        let keys = candidates.keys;
        let place = |key: u64| self.places[row(key) as usize] as usize;
        self.beginnings.resize(keys.len().max(self.beginnings.len()), [0.0; 2]);
        self.list.fill(&self.sorted);
        for count in (1..keys.len()).rev() {
            self.list.remove(place(keys[count]), &self.sorted);
            self.beginnings[count] = [self.list.deviation(&self.sorted), self.list.median(&self.sorted)];
        }
        let mut best = Best::default();
        self.list.fill(&self.sorted);
        let all = self.list.weight();
        for left in 1..=candidates.last {
            self.list.remove(place(keys[left - 1]), &self.sorted);
            if left < candidates.first || is_same(keys[left - 1], keys[left]) {
                continue;
            }
            let [deviation, median] = self.beginnings[left];
            let gain = -(deviation + self.list.deviation(&self.sorted));
            let other = self.list.weight();
            let medians = || [self.middle + median, self.middle + self.list.median(&self.sorted)];
            if best.wants(gain) && candidates.allow(left, [all - other, other], medians) {
                best.take(gain, left);
            }
        }
        best.found
    }

    fn value(&self, statistics: &[f64], value: &mut [f64]) {
        value[0] = statistics[MEDIAN];
    }

    fn partition(&mut self, range: Range<usize>, goes_left: &[bool]) {
        partition(&mut self.by_target[range], &mut self.scratch, |row| goes_left[row as usize]);
    }
}

/// The places of a node's targets, from 1, linked in ascending order, and the median's: the first with at least half the
/// weight up to it, it included.
#[derive(Debug, Default)]
struct List {
    before: Vec<u32>,
    after: Vec<u32>,
    middle: usize,
    /// Up to `middle`, it included, and behind it: weights, and sums of targets times weights.
    low: [f64; 2],
    high: [f64; 2],
}

impl List {
    /// Links all places of `sorted`.
    fn fill(&mut self, sorted: &[Item]) {
        let count = sorted.len() as u32;
        self.before.clear();
        self.before.extend((0..=count + 1).map(|place| place.saturating_sub(1)));
        self.after.clear();
        self.after.extend(1..=count + 2);
        let total = sorted.iter().fold([0.0; 2], |[w, wy], item| [w + item.w, wy + item.w * item.y]);
        (self.low, self.high, self.middle) = ([0.0; 2], total, 0);
        self.settle(sorted);
    }

    /// Weight of all that is left.
    fn weight(&self) -> f64 {
        self.low[0] + self.high[0]
    }

    /// Moves the middle to where it belongs.
    fn settle(&mut self, sorted: &[Item]) {
        while self.low[0] < self.high[0] {
            let next = self.after[self.middle] as usize;
            // Only rounding can make weights left over behind the last.
            let Some(&Item { y, w }) = sorted.get(next - 1) else { return };
            self.middle = next;
            self.low = [self.low[0] + w, self.low[1] + w * y];
            self.high = [self.high[0] - w, self.high[1] - w * y];
        }
        while self.middle > 0 {
            let Item { y, w } = sorted[self.middle - 1];
            if self.low[0] - w < self.high[0] + w {
                return;
            }
            self.middle = self.before[self.middle] as usize;
            self.low = [self.low[0] - w, self.low[1] - w * y];
            self.high = [self.high[0] + w, self.high[1] + w * y];
        }
    }

    fn remove(&mut self, place: usize, sorted: &[Item]) {
        let Item { y, w } = sorted[place - 1];
        let (before, after) = (self.before[place], self.after[place]);
        self.after[before as usize] = after;
        self.before[after as usize] = before;
        if place <= self.middle {
            self.low = [self.low[0] - w, self.low[1] - w * y];
            if place == self.middle {
                self.middle = before as usize;
            }
        } else {
            self.high = [self.high[0] - w, self.high[1] - w * y];
        }
        self.settle(sorted);
    }

    /// The two places whose targets' mean is the median; equal ones where it is one target.
    fn medians(&self) -> (usize, usize) {
        let next = self.after[self.middle] as usize;
        let half = self.low[0] == self.high[0] && next < self.before.len() - 1;
        (self.middle, if half { next } else { self.middle })
    }

    fn median(&self, sorted: &[Item]) -> f64 {
        let (lower, upper) = self.medians();
        let target = |place: usize| sorted.get(place.wrapping_sub(1)).map_or(0.0, |item| item.y);
        if lower == upper { target(lower) } else { f64::midpoint(target(lower), target(upper)) }
    }

    /// Sum of weighted absolute deviations from the median.
    fn deviation(&self, sorted: &[Item]) -> f64 {
        let median = sorted.get(self.middle.wrapping_sub(1)).map_or(0.0, |item| item.y);
        self.high[1] - self.low[1] + median * (self.low[0] - self.high[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn deviations_stay_right_while_targets_are_taken_out() {
        let targets = [-7.0, -3.0, -3.0, 0.0, 1.0, 4.0, 4.0, 9.0, 20.0];
        for weights in [[1.0; 9], [2.0, 1.0, 7.0, 1.0, 1.0, 3.0, 1.0, 0.5, 4.0]] {
            let sorted: Vec<Item> = targets.iter().zip(weights).map(|(&y, w)| Item { y, w }).collect();
            for seed in 0..50 {
                let mut order: Vec<usize> = (1..=sorted.len()).collect();
                Rng::new(seed).shuffle(&mut order);
                let mut list = List::default();
                list.fill(&sorted);
                for taken in 0..sorted.len() {
                    let left: Vec<Item> = order[taken..].iter().map(|place| sorted[place - 1]).collect();
                    let deviation = |from: f64| left.iter().map(|item| item.w * (item.y - from).abs()).sum::<f64>();
                    // The median is the target with the least deviation.
                    let expected = left.iter().map(|item| deviation(item.y)).fold(f64::INFINITY, f64::min);
                    assert!((list.deviation(&sorted) - expected).abs() < 1e-12, "seed {seed}, {taken} taken");
                    assert!((deviation(list.median(&sorted)) - expected).abs() < 1e-12, "seed {seed}, {taken} taken");
                    list.remove(order[taken], &sorted);
                }
            }
        }
    }
}
