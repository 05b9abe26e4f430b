//! What a split is worth.

use std::ops::Range;

mod absolute;
mod blocks;
mod classes;
mod poisson;
pub(super) mod sums;

use self::absolute::AbsoluteError;
use self::classes::{Entropy, Gini};
use self::poisson::Poisson;
pub(super) use self::sums::{Sums, SumsMemory};

use super::rules::{Candidates, better_than};
use crate::learner::Target;
use slipway_spec::Criterion as Name;

/// Numbers that describe a node, whatever the criterion, come first: its weight.
const WEIGHT: usize = 0;

/// How mixed the rows of nodes are, and what splits of them are worth.
///
/// A node is described by its *statistics*, a few numbers that [`Criterion::measure`] finds once; the first is the weight of
/// its rows.
pub(super) enum Criterion<'a> {
    /// Told by sums of targets and weights alone.
    Sums(Sums),
    /// Any other.
    Other(Box<dyn Measure + 'a>),
}

/// A criterion that sums do not tell.
pub(super) trait Measure {
    /// Numbers in one prediction.
    fn width(&self) -> usize;

    /// Numbers that describe a node.
    fn statistics(&self) -> usize;

    /// Starts with a node of these rows, which are ascending; the nodes that come next are this one and those below it.
    fn begin(&mut self, _rows: &[u32]) {}

    /// Finds the statistics of a node, and its impurity: 0 where its rows are all alike. `start` is where its `rows` stand
    /// among those of [`Measure::begin`], which are kept as [`Measure::partition`] tells.
    fn measure(&mut self, start: usize, rows: &[u32], statistics: &mut [f64]) -> f64;

    /// Turns to a node that was measured.
    fn enter(&mut self, start: usize, rows: &[u32], statistics: &[f64]);

    /// The best split of the node entered last by one column. Of equal ones the first.
    fn best(&mut self, candidates: &Candidates<'_>) -> Option<Found>;

    /// The prediction of a node.
    fn value(&self, statistics: &[f64], value: &mut [f64]);

    /// The rows of a range are sorted into those that go left and the others, keeping their order.
    fn partition(&mut self, _range: Range<usize>, _goes_left: &[bool]) {}
}

impl<'a> Criterion<'a> {
    /// The criterion of a name, for trees on rows of these weights; those of `rows` are above 0.
    pub(super) fn new(
        name: Option<Name>,
        target: &'a Target,
        weights: Option<&'a [f64]>,
        rows: &[u32],
        memory: SumsMemory,
    ) -> Self {
        let weight = |row: usize| weights.map_or(1.0, |weights| weights[row]);
        let other: Box<dyn Measure + 'a> = match (target, name) {
            (Target::Numbers(values), Some(Name::AbsoluteError)) => Box::new(AbsoluteError::new(values, weights)),
            (Target::Numbers(values), Some(Name::Poisson)) => Box::new(Poisson::new(values, weight)),
            (Target::Numbers(values), _) => return Criterion::Sums(Sums::squared_error(values, weight, rows, memory)),
            (Target::Classes { codes, count }, Some(Name::Entropy | Name::LogLoss)) => {
                Box::new(Entropy::new(codes, *count, weight, rows))
            }
            (Target::Classes { codes, count: 2 }, _) => {
                return Criterion::Sums(Sums::two_classes(codes, weight, rows, memory));
            }
            (Target::Classes { codes, count }, _) => Box::new(Gini::new(codes, *count, weight)),
        };
        Criterion::Other(other)
    }

    /// Numbers in one prediction.
    pub(super) fn width(&self) -> usize {
        match self {
            Criterion::Sums(sums) => sums.width(),
            Criterion::Other(other) => other.width(),
        }
    }

    /// Numbers that describe a node.
    pub(super) fn statistics(&self) -> usize {
        match self {
            Criterion::Sums(_) => sums::STATISTICS,
            Criterion::Other(other) => other.statistics(),
        }
    }

    /// Starts with a node of these rows, which are ascending; the nodes that come next are this one and those below it.
    pub(super) fn begin(&mut self, rows: &[u32]) {
        match self {
            Criterion::Sums(sums) => sums.begin(rows),
            Criterion::Other(other) => other.begin(rows),
        }
    }

    /// Finds the statistics of a node of these rows, which stand at `start`, and its impurity: 0 where they are all alike.
    pub(super) fn measure(&mut self, start: usize, rows: &[u32], statistics: &mut [f64]) -> f64 {
        match self {
            Criterion::Sums(sums) => sums.measure(start, rows, statistics),
            Criterion::Other(other) => other.measure(start, rows, statistics),
        }
    }

    /// Turns to a node that was measured.
    pub(super) fn enter(&mut self, start: usize, rows: &[u32], statistics: &[f64]) {
        match self {
            Criterion::Sums(sums) => sums.enter(statistics),
            Criterion::Other(other) => other.enter(start, rows, statistics),
        }
    }

    /// The prediction of a node.
    pub(super) fn value(&self, statistics: &[f64], value: &mut [f64]) {
        match self {
            Criterion::Sums(sums) => sums.value(statistics, value),
            Criterion::Other(other) => other.value(statistics, value),
        }
    }

    /// Its memory, to be used again.
    pub(super) fn into_memory(self) -> SumsMemory {
        match self {
            Criterion::Sums(sums) => sums.into_memory(),
            Criterion::Other(_) => SumsMemory::default(),
        }
    }

    /// The sums, where these tell all.
    pub(super) fn sums(&self) -> Option<&Sums> {
        match self {
            Criterion::Sums(sums) => Some(sums),
            Criterion::Other(_) => None,
        }
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
