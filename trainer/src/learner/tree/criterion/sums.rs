//! Variance, for regressions and for two classes.

use super::super::grower::Candidates;
use super::super::presort::{is_same, row};
use super::{Best, Criterion, Found, WEIGHT};

/// Statistics of a node: its weight, the sum of its targets, and their mean.
const SUM: usize = 1;
const MEAN: usize = 2;

/// Sums of targets by weight: splits that tell most between the means of both sides are the best.
struct Sums {
    /// Target times weight, and weight, of each row.
    pairs: Vec<[f64; 2]>,
    /// Of the node entered last.
    weight: f64,
    sum: f64,
    /// One divided by every number of rows, where all weigh 1; otherwise empty.
    shares: Vec<f64>,
}

impl Sums {
    fn new(pairs: Vec<[f64; 2]>, rows: &[u32]) -> Sums {
        Sums { shares: shares(&pairs, rows), pairs, weight: 0.0, sum: 0.0 }
    }

    fn enter(&mut self, statistics: &[f64]) {
        (self.weight, self.sum) = (statistics[WEIGHT], statistics[SUM]);
    }

    /// The best split; `offset` is what targets lack of their true size.
    fn best(&self, candidates: &Candidates<'_>, offset: f64) -> Option<Found> {
        if self.shares.is_empty() {
            return self.best_by(candidates, offset, |_, [sum, weight], [other_sum, other]| {
                (sum * sum * other + other_sum * other_sum * weight) / (weight * other)
            });
        }
        let shares = &self.shares[..=candidates.keys.len()];
        self.best_by(candidates, offset, |left, [sum, _], [other_sum, _]| {
            sum * sum * shares[left] + other_sum * other_sum * shares[shares.len() - 1 - left]
        })
    }

    #[inline]
    fn best_by(
        &self,
        candidates: &Candidates<'_>,
        offset: f64,
        gain: impl Fn(usize, [f64; 2], [f64; 2]) -> f64,
    ) -> Option<Found> {
        let Candidates { keys, first, last, .. } = *candidates;
        let pairs = self.pairs.as_slice();
        let [mut sum, mut weight] = [0.0; 2];
        for &key in &keys[..first - 1] {
            let [wy, w] = pairs[row(key) as usize];
            sum += wy;
            weight += w;
        }
        let mut best = Best::default();
        for (left, pair) in (first..).zip(keys[first - 1..=last].windows(2)) {
            let [wy, w] = pairs[row(pair[0]) as usize];
            sum += wy;
            weight += w;
            let (other_sum, other) = (self.sum - sum, self.weight - weight);
            let gain = gain(left, [sum, weight], [other_sum, other]);
            // Most gains are no better, which is the quickest to find out.
            if best.wants(gain) && !is_same(pair[0], pair[1]) {
                // Copies, so that the sums themselves stay in registers.
                let (weights, sums) = ([weight, other], [sum, other_sum]);
                let values = move || [offset + sums[0] / weights[0], offset + sums[1] / weights[1]];
                if candidates.allow(left, weights, values) {
                    best.take(gain, left);
                }
            }
        }
        best.found
    }
}

/// One divided by every number of rows, where all weigh 1; otherwise nothing.
fn shares(pairs: &[[f64; 2]], rows: &[u32]) -> Vec<f64> {
    let alike = rows.iter().all(|&row| pairs[row as usize][1] == 1.0);
    if alike { (0..=rows.len()).map(|rows| 1.0 / rows as f64).collect() } else { Vec::new() }
}

/// Mean squared deviation from the mean.
pub(in super::super) struct SquaredError {
    /// Of targets less their mean, so that nothing is lost where they are large and vary little.
    sums: Sums,
    /// These targets themselves.
    centred: Vec<f64>,
    mean: f64,
}

impl SquaredError {
    pub(in super::super) fn new(target: &[f64], weight: impl Fn(usize) -> f64, rows: &[u32]) -> Self {
        let mean = rows.iter().map(|&row| target[row as usize]).sum::<f64>() / rows.len() as f64;
        let centred: Vec<f64> = target.iter().map(|value| value - mean).collect();
        let pair = |(row, value): (usize, &f64)| [value * weight(row), weight(row)];
        let pairs = centred.iter().enumerate().map(pair).collect();
        SquaredError { sums: Sums::new(pairs, rows), centred, mean }
    }
}

impl Criterion for SquaredError {
    fn width(&self) -> usize {
        1
    }

    fn statistics(&self) -> usize {
        3
    }

    fn measure(&mut self, _start: usize, rows: &[u32], statistics: &mut [f64]) -> f64 {
        let (mut weight, mut sum, mut squares, mut equal) = (0.0, 0.0, 0.0, true);
        let first = self.centred[rows[0] as usize];
        for &row in rows {
            let ([wy, w], y) = (self.sums.pairs[row as usize], self.centred[row as usize]);
            weight += w;
            sum += wy;
            squares += wy * y;
            equal &= y == first;
        }
        let mean = if equal { first } else { sum / weight };
        statistics.copy_from_slice(&[weight, sum, mean]);
        if equal { 0.0 } else { (squares / weight - mean * mean).max(0.0) }
    }

    fn enter(&mut self, _start: usize, _rows: &[u32], statistics: &[f64]) {
        self.sums.enter(statistics);
    }

    fn best(&mut self, candidates: &Candidates<'_>) -> Option<Found> {
        self.sums.best(candidates, self.mean)
    }

    fn value(&self, statistics: &[f64], value: &mut [f64]) {
        value[0] = self.mean + statistics[MEAN];
    }

    fn pairs(&self) -> Option<&[[f64; 2]]> {
        Some(&self.sums.pairs)
    }

    fn offset(&self) -> f64 {
        self.mean
    }
}

/// Gini impurity of two classes: twice the variance of a target that is 0 or 1.
pub(in super::super) struct BinaryGini(Sums);

impl BinaryGini {
    pub(in super::super) fn new(codes: &[u32], weight: impl Fn(usize) -> f64, rows: &[u32]) -> Self {
        let pair = |(row, code): (usize, &u32)| [f64::from(*code) * weight(row), weight(row)];
        BinaryGini(Sums::new(codes.iter().enumerate().map(pair).collect(), rows))
    }
}

impl Criterion for BinaryGini {
    fn width(&self) -> usize {
        2
    }

    fn statistics(&self) -> usize {
        2
    }

    fn measure(&mut self, _start: usize, rows: &[u32], statistics: &mut [f64]) -> f64 {
        let (mut weight, mut sum, mut zeros, mut ones) = (0.0, 0.0, 0_usize, 0_usize);
        for &row in rows {
            let [wy, w] = self.0.pairs[row as usize];
            weight += w;
            sum += wy;
            zeros += usize::from(wy == 0.0);
            ones += usize::from(wy == w);
        }
        statistics.copy_from_slice(&[weight, sum]);
        let share = sum / weight;
        if zeros == rows.len() || ones == rows.len() { 0.0 } else { 2.0 * share * (1.0 - share) }
    }

    fn enter(&mut self, _start: usize, _rows: &[u32], statistics: &[f64]) {
        self.0.enter(statistics);
    }

    fn best(&mut self, candidates: &Candidates<'_>) -> Option<Found> {
        self.0.best(candidates, 0.0)
    }

    fn value(&self, statistics: &[f64], value: &mut [f64]) {
        value[1] = statistics[SUM] / statistics[WEIGHT];
        value[0] = (statistics[WEIGHT] - statistics[SUM]) / statistics[WEIGHT];
    }

    fn pairs(&self) -> Option<&[[f64; 2]]> {
        Some(&self.0.pairs)
    }
}
