//! What a split is worth.

use std::ops::Range;

mod absolute;
mod classes;
mod poisson;
mod squared;

pub(super) use absolute::AbsoluteError;
pub(super) use classes::{Entropy, Gini};
pub(super) use poisson::Poisson;
pub(super) use squared::{BinaryGini, SquaredError};

use super::grower::{Candidates, better_than};
use crate::learner::Target;
use slipway_spec::Criterion as Name;

/// Numbers that describe a node, whatever the criterion, come first: its weight.
const WEIGHT: usize = 0;

/// A measure of how mixed the rows of a node are.
///
/// A node is described by its *statistics*, a few numbers that [`Criterion::measure`] finds once; the first is the weight of
/// its rows.
pub(super) trait Criterion {
    /// Numbers in one prediction.
    fn width(&self) -> usize;

    /// Numbers that describe a node.
    fn statistics(&self) -> usize;

    /// Starts with a node of these rows, which are ascending; the nodes that come next are this one and those below it.
    fn begin(&mut self, _rows: &[u32]) {}

    /// Finds the statistics of a node, and its impurity: 0 where its rows are all alike. `start` is where its `rows` stand
    /// among those of [`Criterion::begin`], which are kept as [`Criterion::partition`] tells.
    fn measure(&mut self, start: usize, rows: &[u32], statistics: &mut [f64]) -> f64;

    /// Turns to a node that was measured.
    fn enter(&mut self, start: usize, rows: &[u32], statistics: &[f64]);

    /// The best split of the node entered last by one column. Of equal ones the first.
    fn best(&mut self, candidates: &Candidates<'_>) -> Option<Found>;

    /// The prediction of a node.
    fn value(&self, statistics: &[f64], value: &mut [f64]);

    /// The rows of a range are sorted into those that go left and the others, keeping their order.
    fn partition(&mut self, _range: Range<usize>, _goes_left: &[bool]) {}

    /// Target times weight and weight of each row, where the sums of these alone tell what a split is worth: the sum squared
    /// by the weight, added up over both sides.
    fn pairs(&self) -> Option<&[[f64; 2]]> {
        None
    }

    /// What the targets of [`Criterion::pairs`] lack of their true size.
    fn offset(&self) -> f64 {
        0.0
    }
}

/// A split of a node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// What it is worth, larger being better; comparable within a node.
    pub(super) gain: f64,
    /// How many of the candidates' keys go left.
    pub(super) left: usize,
}

/// The criterion of a name, for trees on rows of these weights; those of `rows` are above 0.
pub(super) fn criterion<'a>(
    name: Option<Name>,
    target: &'a Target,
    weights: Option<&'a [f64]>,
    rows: &[u32],
) -> Box<dyn Criterion + 'a> {
    let weight = |row: usize| weights.map_or(1.0, |weights| weights[row]);
    match (target, name) {
        (Target::Numbers(values), Some(Name::AbsoluteError)) => Box::new(AbsoluteError::new(values, weights)),
        (Target::Numbers(values), Some(Name::Poisson)) => Box::new(Poisson::new(values, weight)),
        (Target::Numbers(values), _) => Box::new(SquaredError::new(values, weight, rows)),
        (Target::Classes { codes, count }, Some(Name::Entropy | Name::LogLoss)) => {
            Box::new(Entropy::new(codes, *count, weight, rows))
        }
        (Target::Classes { codes, count: 2 }, _) => Box::new(BinaryGini::new(codes, weight, rows)),
        (Target::Classes { codes, count }, _) => Box::new(Gini::new(codes, *count, weight)),
    }
}

/// Keeps the best of what is offered.
struct Best {
    found: Option<Found>,
    /// What is better than the best is worth more than this.
    above: f64,
}

impl Default for Best {
    fn default() -> Self {
        Best { found: None, above: f64::NEG_INFINITY }
    }
}

impl Best {
    /// Whether a split of this gain would be the best so far.
    fn wants(&self, gain: f64) -> bool {
        gain > self.above
    }

    fn take(&mut self, gain: f64, left: usize) {
        *self = Best { found: Some(Found { gain, left }), above: better_than(gain) };
    }
}
