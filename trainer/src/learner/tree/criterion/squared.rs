//! Variance, for regressions.

use super::super::grow::Candidates;
use super::super::presort::row;
use super::{Best, Criterion, EPSILON};

/// Mean squared deviation from the mean.
pub(in super::super) struct SquaredError {
    /// The target of each row, less its mean, so that nothing is lost where it is large and varies little.
    centred: Vec<f64>,
    mean: f64,
    /// Sum over the node entered last.
    sum: f64,
}

impl SquaredError {
    pub(in super::super) fn new(target: &[f64], rows: &[u32]) -> Self {
        let mean = rows.iter().map(|&row| target[row as usize]).sum::<f64>() / rows.len() as f64;
        SquaredError { centred: target.iter().map(|value| value - mean).collect(), mean, sum: 0.0 }
    }
}

impl Criterion for SquaredError {
    fn width(&self) -> usize {
        1
    }

    fn enter(&mut self, _start: usize, rows: &[u32], value: &mut [f64]) -> bool {
        let first = self.centred[rows[0] as usize];
        let (mut sum, mut squares, mut equal) = (0.0, 0.0, true);
        for &row in rows {
            let y = self.centred[row as usize];
            sum += y;
            squares += y * y;
            equal &= y == first;
        }
        let count = rows.len() as f64;
        let mean = sum / count;
        self.sum = sum;
        value[0] = self.mean + if equal { first } else { mean };
        equal || squares / count - mean * mean <= EPSILON
    }

    fn best(&mut self, candidates: Candidates<'_>) -> Option<(f64, usize)> {
        let rows = candidates.keys.len();
        let mut best = Best::default();
        let mut left = 0.0;
        for count in 1..rows {
            left += self.centred[row(candidates.keys[count - 1]) as usize];
            if candidates.allows(count) {
                let right = self.sum - left;
                let gain = left * left / count as f64 + right * right / (rows - count) as f64;
                best.offer(gain, count);
            }
        }
        best.0
    }
}
