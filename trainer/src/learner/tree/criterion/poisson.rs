//! Half the Poisson deviance, for regressions of counts.

use super::super::presort::{is_same, row};
use super::super::rules::Candidates;
use super::{Best, Found, Measure, WEIGHT};

/// Statistics of a node: its weight and the sum of its targets.
const SUM: usize = 1;
/// Both sides of a split have a sum above this, as in scikit-learn.
const LEAST_SUM: f64 = 10.0 * f64::EPSILON;

/// Half the Poisson deviance. Targets are not below 0.
pub(in super::super) struct Poisson {
    /// Target times weight, and weight, of each row.
    pairs: Vec<[f64; 2]>,
    /// Of the node entered last.
    weight: f64,
    sum: f64,
}

impl Poisson {
    pub(in super::super) fn new(target: &[f64], weight: impl Fn(usize) -> f64) -> Self {
        let pairs = target.iter().enumerate().map(|(row, value)| [value * weight(row), weight(row)]).collect();
        Poisson { pairs, weight: 0.0, sum: 0.0 }
    }
}

impl Measure for Poisson {
    fn width(&self) -> usize {
        1
    }

    fn statistics(&self) -> usize {
        2
    }

    fn measure(&mut self, _start: usize, rows: &[u32], statistics: &mut [f64]) -> f64 {
        let (mut weight, mut sum) = (0.0, 0.0);
        for &row in rows {
            let [wy, w] = self.pairs[row as usize];
            weight += w;
            sum += wy;
        }
        statistics.copy_from_slice(&[weight, sum]);
        let mean = sum / weight;
        let deviance = |&row: &u32| {
            let [wy, w] = self.pairs[row as usize];
            // Equal targets give exactly 0.
            if wy == 0.0 || wy == mean * w { 0.0 } else { wy * (wy / (w * mean)).ln() }
        };
        rows.iter().map(deviance).sum::<f64>() / weight
    }

    fn enter(&mut self, _start: usize, _rows: &[u32], statistics: &[f64]) {
        (self.weight, self.sum) = (statistics[WEIGHT], statistics[SUM]);
    }

    fn best(&mut self, candidates: &Candidates<'_>) -> Option<Found> {
        let keys = candidates.keys;
        let (mut weight, mut sum) = (0.0, 0.0);
        let mut best = Best::default();
        for left in 1..=candidates.last {
            let key = keys[left - 1];
            let [wy, w] = self.pairs[row(key) as usize];
            sum += wy;
            weight += w;
            let (other_sum, other) = (self.sum - sum, self.weight - weight);
            if left < candidates.first || is_same(key, keys[left]) || sum <= LEAST_SUM || other_sum <= LEAST_SUM {
                continue;
            }
            let gain = sum * (sum / weight).ln() + other_sum * (other_sum / other).ln();
            let allowed = || candidates.allow(left, [weight, other], || [sum / weight, other_sum / other]);
            if best.wants(gain) && allowed() {
                best.take(gain, left);
            }
        }
        best.found
    }

    fn value(&self, statistics: &[f64], value: &mut [f64]) {
        value[0] = statistics[SUM] / statistics[WEIGHT];
    }
}
