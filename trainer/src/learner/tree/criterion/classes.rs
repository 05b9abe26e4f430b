//! Gini impurity and entropy, for classifiers.

use super::super::presort::{is_same, row};
use super::super::rules::Candidates;
use super::{Best, Found, Measure, WEIGHT};

/// Weight of each class in a node. Statistics of a node: its weight, and that of each class.
struct Counts<'a> {
    codes: &'a [u32],
    weights: Vec<f64>,
    weight: f64,
    total: Vec<f64>,
    left: Vec<f64>,
}

impl<'a> Counts<'a> {
    fn new(codes: &'a [u32], classes: usize, weight: impl Fn(usize) -> f64) -> Self {
        let weights = (0..codes.len()).map(weight).collect();
        Counts { codes, weights, weight: 0.0, total: vec![0.0; classes], left: vec![0.0; classes] }
    }

    fn statistics(&self) -> usize {
        1 + self.total.len()
    }

    /// Whether there is only one class.
    fn measure(&self, rows: &[u32], statistics: &mut [f64]) -> bool {
        statistics.fill(0.0);
        for &row in rows {
            statistics[1 + self.codes[row as usize] as usize] += self.weights[row as usize];
        }
        statistics[WEIGHT] = statistics[1..].iter().sum();
        statistics[1..].iter().filter(|&&count| count > 0.0).count() < 2
    }

    fn enter(&mut self, statistics: &[f64]) {
        self.weight = statistics[WEIGHT];
        self.total.copy_from_slice(&statistics[1..]);
    }

    /// Moves a row to the left: its class and its weight.
    fn take(&self, key: u64) -> (usize, f64) {
        let row = row(key) as usize;
        (self.codes[row] as usize, self.weights[row])
    }

    /// The share of the second class on both sides, of a left side of this weight.
    fn shares(&self, weight: f64) -> [f64; 2] {
        [self.left[1] / weight, (self.total[1] - self.left[1]) / (self.weight - weight)]
    }

    fn value(statistics: &[f64], value: &mut [f64]) {
        for (share, count) in value.iter_mut().zip(&statistics[1..]) {
            *share = count / statistics[WEIGHT];
        }
    }
}

/// Gini impurity.
pub(in super::super) struct Gini<'a>(Counts<'a>);

impl<'a> Gini<'a> {
    pub(in super::super) fn new(codes: &'a [u32], classes: usize, weight: impl Fn(usize) -> f64) -> Self {
        Gini(Counts::new(codes, classes, weight))
    }
}

impl Measure for Gini<'_> {
    fn width(&self) -> usize {
        self.0.total.len()
    }

    fn statistics(&self) -> usize {
        self.0.statistics()
    }

    fn measure(&mut self, _start: usize, rows: &[u32], statistics: &mut [f64]) -> f64 {
        if self.0.measure(rows, statistics) {
            return 0.0;
        }
        let squares: f64 = statistics[1..].iter().map(|count| count * count).sum();
        1.0 - squares / (statistics[WEIGHT] * statistics[WEIGHT])
    }

    fn enter(&mut self, _start: usize, _rows: &[u32], statistics: &[f64]) {
        self.0.enter(statistics);
    }

    fn best(&mut self, candidates: &Candidates<'_>) -> Option<Found> {
        let counts = &mut self.0;
        counts.left.fill(0.0);
        // Sums of squared weights: exact while these are whole numbers, so that equal splits are worth the same.
        let (mut left_squares, mut right_squares) = (0.0, counts.total.iter().map(|count| count * count).sum::<f64>());
        let keys = candidates.keys;
        let mut weight = 0.0;
        let mut best = Best::default();
        for left in 1..=candidates.last {
            let (class, w) = counts.take(keys[left - 1]);
            let before = counts.left[class];
            left_squares += w * (2.0 * before + w);
            right_squares -= w * (2.0 * (counts.total[class] - before) - w);
            counts.left[class] += w;
            weight += w;
            if left < candidates.first || is_same(keys[left - 1], keys[left]) {
                continue;
            }
            let other = counts.weight - weight;
            let gain = left_squares / weight + right_squares / other;
            if best.wants(gain) && candidates.allow(left, [weight, other], || counts.shares(weight)) {
                best.take(gain, left);
            }
        }
        best.found
    }

    fn value(&self, statistics: &[f64], value: &mut [f64]) {
        Counts::value(statistics, value);
    }
}

/// Shannon entropy.
pub(in super::super) struct Entropy<'a> {
    counts: Counts<'a>,
    /// `n ln n` for every whole weight, where all are whole.
    n_ln_n: Vec<f64>,
}

/// Largest whole weight whose `n ln n` is looked up.
const MAX_TABLE: f64 = 1_048_576.0;

fn n_ln_n(n: f64) -> f64 {
    if n > 0.0 { n * n.ln() } else { 0.0 }
}

impl<'a> Entropy<'a> {
    pub(in super::super) fn new(codes: &'a [u32], classes: usize, weight: impl Fn(usize) -> f64, rows: &[u32]) -> Self {
        let counts = Counts::new(codes, classes, weight);
        let weight = |row: &u32| counts.weights[*row as usize];
        let total: f64 = rows.iter().map(weight).sum();
        let whole = total <= MAX_TABLE && rows.iter().all(|row| weight(row).fract() == 0.0);
        let table = if whole { (0..=total as usize).map(|n| n_ln_n(n as f64)).collect() } else { Vec::new() };
        Entropy { counts, n_ln_n: table }
    }
}

impl Measure for Entropy<'_> {
    fn width(&self) -> usize {
        self.counts.total.len()
    }

    fn statistics(&self) -> usize {
        self.counts.statistics()
    }

    fn measure(&mut self, _start: usize, rows: &[u32], statistics: &mut [f64]) -> f64 {
        if self.counts.measure(rows, statistics) {
            return 0.0;
        }
        let weight = statistics[WEIGHT];
        statistics[1..].iter().map(|count| -n_ln_n(count / weight)).sum::<f64>() / std::f64::consts::LN_2
    }

    fn enter(&mut self, _start: usize, _rows: &[u32], statistics: &[f64]) {
        self.counts.enter(statistics);
    }

    fn best(&mut self, candidates: &Candidates<'_>) -> Option<Found> {
        let (counts, table) = (&mut self.counts, &self.n_ln_n);
        let term = |n: f64| if table.is_empty() { n_ln_n(n) } else { table[n as usize] };
        counts.left.fill(0.0);
        let keys = candidates.keys;
        let mut weight = 0.0;
        let mut best = Best::default();
        for left in 1..=candidates.last {
            let (class, w) = counts.take(keys[left - 1]);
            counts.left[class] += w;
            weight += w;
            if left < candidates.first || is_same(keys[left - 1], keys[left]) {
                continue;
            }
            let other = counts.weight - weight;
            let sides = counts.left.iter().zip(&counts.total).map(|(&left, &all)| term(left) + term(all - left));
            let gain = sides.sum::<f64>() - (term(weight) + term(other));
            if best.wants(gain) && candidates.allow(left, [weight, other], || counts.shares(weight)) {
                best.take(gain, left);
            }
        }
        best.found
    }

    fn value(&self, statistics: &[f64], value: &mut [f64]) {
        Counts::value(statistics, value);
    }
}
