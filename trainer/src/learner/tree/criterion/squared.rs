//! Variance, for regressions and for two classes.

use super::super::grower::Candidates;
use super::super::presort::{rank, row};
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
}

impl Sums {
    fn enter(&mut self, statistics: &[f64]) {
        (self.weight, self.sum) = (statistics[WEIGHT], statistics[SUM]);
    }

    /// The best split; `offset` is what targets lack of their true size.
    fn best(&self, candidates: &Candidates<'_>, offset: f64) -> Option<Found> {
        let keys = candidates.keys;
        let (mut weight, mut sum) = (0.0, 0.0);
        for &key in &keys[..candidates.first - 1] {
            let [wy, w] = self.pairs[row(key) as usize];
            sum += wy;
            weight += w;
        }
        let mut best = Best::default();
        for (place, pair) in keys[candidates.first - 1..=candidates.last].windows(2).enumerate() {
            let (left, key) = (candidates.first + place, pair[0]);
            let [wy, w] = self.pairs[row(key) as usize];
            sum += wy;
            weight += w;
            if rank(key) == rank(pair[1]) {
                continue;
            }
            let (other_sum, other) = (self.sum - sum, self.weight - weight);
            let gain = (sum * sum * other + other_sum * other_sum * weight) / (weight * other);
            if best.wants(gain)
                && candidates.allow(left, [weight, other], || [offset + sum / weight, offset + other_sum / other])
            {
                best.take(gain, left);
            }
        }
        best.found
    }
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
        SquaredError { sums: Sums { pairs, weight: 0.0, sum: 0.0 }, centred, mean }
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
    pub(in super::super) fn new(codes: &[u32], weight: impl Fn(usize) -> f64) -> Self {
        let pair = |(row, code): (usize, &u32)| [f64::from(*code) * weight(row), weight(row)];
        BinaryGini(Sums { pairs: codes.iter().enumerate().map(pair).collect(), weight: 0.0, sum: 0.0 })
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
