//! Gini impurity and entropy, for classifiers.

use super::super::grow::Candidates;
use super::super::presort::row;
use super::{Best, Criterion};

/// Rows of each class in a node.
struct Counts<'a> {
    codes: &'a [u32],
    total: Vec<u64>,
    left: Vec<u64>,
}

impl<'a> Counts<'a> {
    fn new(codes: &'a [u32], classes: usize) -> Self {
        Counts { codes, total: vec![0; classes], left: vec![0; classes] }
    }

    /// Counts the classes of a node and writes their shares. Whether there is only one.
    fn enter(&mut self, rows: &[u32], value: &mut [f64]) -> bool {
        self.total.fill(0);
        for &row in rows {
            self.total[self.codes[row as usize] as usize] += 1;
        }
        for (share, &count) in value.iter_mut().zip(&self.total) {
            *share = count as f64 / rows.len() as f64;
        }
        self.total.contains(&(rows.len() as u64))
    }
}

/// Gini impurity.
pub(in super::super) struct Gini<'a>(Counts<'a>);

impl<'a> Gini<'a> {
    pub(in super::super) fn new(codes: &'a [u32], classes: usize) -> Self {
        Gini(Counts::new(codes, classes))
    }
}

impl Criterion for Gini<'_> {
    fn width(&self) -> usize {
        self.0.total.len()
    }

    fn enter(&mut self, _start: usize, rows: &[u32], value: &mut [f64]) -> bool {
        self.0.enter(rows, value)
    }

    fn best(&mut self, candidates: Candidates<'_>) -> Option<(f64, usize)> {
        let counts = &mut self.0;
        counts.left.fill(0);
        // Sums of squared counts, in whole numbers, so that equal splits are worth exactly the same.
        let (mut left, mut right) = (0, counts.total.iter().map(|count| count * count).sum::<u64>());
        let rows = candidates.keys.len();
        let mut best = Best::default();
        for count in 1..rows {
            let class = counts.codes[row(candidates.keys[count - 1]) as usize] as usize;
            let behind = counts.total[class] - counts.left[class];
            left += 2 * counts.left[class] + 1;
            right -= 2 * behind - 1;
            counts.left[class] += 1;
            if candidates.allows(count) {
                best.offer(left as f64 / count as f64 + right as f64 / (rows - count) as f64, count);
            }
        }
        best.0
    }
}

/// Shannon entropy.
pub(in super::super) struct Entropy<'a> {
    counts: Counts<'a>,
    /// `n ln n` for every number of rows.
    n_ln_n: Vec<f64>,
}

impl<'a> Entropy<'a> {
    pub(in super::super) fn new(codes: &'a [u32], classes: usize, rows: &[u32]) -> Self {
        let n_ln_n = |n: usize| if n == 0 { 0.0 } else { n as f64 * (n as f64).ln() };
        Entropy { counts: Counts::new(codes, classes), n_ln_n: (0..=rows.len()).map(n_ln_n).collect() }
    }
}

impl Criterion for Entropy<'_> {
    fn width(&self) -> usize {
        self.counts.total.len()
    }

    fn enter(&mut self, _start: usize, rows: &[u32], value: &mut [f64]) -> bool {
        self.counts.enter(rows, value)
    }

    fn best(&mut self, candidates: Candidates<'_>) -> Option<(f64, usize)> {
        let Counts { codes, total, left } = &mut self.counts;
        left.fill(0);
        let rows = candidates.keys.len();
        let mut best = Best::default();
        for count in 1..rows {
            left[codes[row(candidates.keys[count - 1]) as usize] as usize] += 1;
            if candidates.allows(count) {
                let term = |n: u64| self.n_ln_n[n as usize];
                let classes: f64 = left.iter().zip(&*total).map(|(&left, &all)| term(left) + term(all - left)).sum();
                best.offer(classes - (self.n_ln_n[count] + self.n_ln_n[rows - count]), count);
            }
        }
        best.0
    }
}
