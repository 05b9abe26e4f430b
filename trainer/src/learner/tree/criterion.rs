//! What a split is worth.

use std::ops::Range;

mod absolute;
mod classes;
mod squared;

pub(super) use absolute::AbsoluteError;
pub(super) use classes::{Entropy, Gini};
pub(super) use squared::SquaredError;

use super::grow::{Candidates, is_better};

/// A node whose impurity is not above this is not split, as in scikit-learn.
const EPSILON: f64 = f64::EPSILON;

/// A measure of how mixed the rows of a node are.
pub(super) trait Criterion {
    /// Numbers in one prediction.
    fn width(&self) -> usize;

    /// Starts with a node of these rows, which are ascending; the nodes entered next are this one and those below it.
    fn begin(&mut self, _rows: &[u32]) {}

    /// Turns to a node: writes its prediction and says whether it is pure. `rows` are its rows, ascending; `start` is where
    /// they stand among the rows of [`Criterion::begin`], which are kept as [`Criterion::partition`] tells.
    fn enter(&mut self, start: usize, rows: &[u32], value: &mut [f64]) -> bool;

    /// The best split of the node entered last by one column: what it is worth, larger being better, and how many rows go
    /// left. Of equal ones the first.
    fn best(&mut self, candidates: Candidates<'_>) -> Option<(f64, usize)>;

    /// The rows of a range are sorted into those that go left and the others, keeping their order.
    fn partition(&mut self, _range: Range<usize>, _goes_left: &[bool]) {}
}

/// Keeps the best of what is offered.
#[derive(Default)]
struct Best(Option<(f64, usize)>);

impl Best {
    fn offer(&mut self, gain: f64, left: usize) {
        if self.0.is_none_or(|(best, _)| is_better(gain, best)) {
            self.0 = Some((gain, left));
        }
    }
}
