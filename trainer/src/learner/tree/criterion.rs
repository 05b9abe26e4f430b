//! What a split is worth.

mod absolute;
mod classes;
mod squared;

pub(super) use absolute::AbsoluteError;
pub(super) use classes::{Entropy, Gini};
pub(super) use squared::SquaredError;

use super::grow::Candidates;

/// A node whose impurity is not above this is not split, as in scikit-learn.
const EPSILON: f64 = f64::EPSILON;

/// A measure of how mixed the rows of a node are.
pub(super) trait Criterion {
    /// Numbers in one prediction.
    fn width(&self) -> usize;

    /// Turns to a node: writes its prediction and says whether it is pure. `rows` are its rows, ascending; `start` is where
    /// they begin among those of all nodes.
    fn enter(&mut self, start: usize, rows: &[u32], value: &mut [f64]) -> bool;

    /// The best split of the node entered last by one column, if it is better than `bar`: what it is worth, and how many
    /// rows go left. Of equal ones the first.
    fn best(&mut self, candidates: Candidates<'_>, bar: f64) -> Option<(f64, usize)>;

    /// The rows from `start` to `end` of the grower's order were partitioned.
    fn partition(&mut self, _start: usize, _end: usize, _goes_left: &[bool]) {}
}

/// Keeps the best of what is offered.
struct Best {
    bar: f64,
    found: Option<(f64, usize)>,
}

impl Best {
    fn above(bar: f64) -> Best {
        Best { bar, found: None }
    }

    fn offer(&mut self, gain: f64, left: usize) {
        if gain > self.bar {
            self.bar = gain;
            self.found = Some((gain, left));
        }
    }
}
