//! Decision trees that grow as scikit-learn's do: exact splits on columns cast to 32-bit floats.
//!
//! Each column is sorted once ([`presort`]); every tree, fold and grid point uses that order. A node keeps its rows in the
//! order of every column by a stable partition, never by sorting again ([`grow`]). What a split is worth is the matter of a
//! [`criterion`]. `max_depth` and `min_samples_split` only stop growth and never change a split, so one tree, grown without
//! them, answers for all their values ([`grid`]).

mod criterion;
mod grid;
mod grow;
mod presort;

use slipway_model::Estimator;
use slipway_spec::{Criterion, IntOrNone, Parameters};

use self::grow::{Grown, Limits};
use self::presort::Presorted;
use super::{FitError, Fitted, Learner, Samples, Scorer, Target};

/// One tree, for Regression and Classification.
pub(crate) struct DecisionTree<'a> {
    samples: &'a Samples,
    sorted: Presorted,
}

impl<'a> DecisionTree<'a> {
    pub(crate) fn new(samples: &'a Samples) -> Self {
        DecisionTree { samples, sorted: Presorted::new(samples) }
    }

    fn grow(&self, rows: &[u32], criterion: Option<Criterion>, limits: Limits) -> Grown {
        let target = &self.samples.target;
        match (target, criterion.unwrap_or_else(|| default_criterion(target))) {
            (Target::Numbers(values), Criterion::AbsoluteError) => {
                grow::grow(&self.sorted, rows, criterion::AbsoluteError::new(values, rows), limits)
            }
            (Target::Numbers(values), _) => {
                grow::grow(&self.sorted, rows, criterion::SquaredError::new(values, rows), limits)
            }
            (Target::Classes { codes, count }, Criterion::Entropy | Criterion::LogLoss) => {
                grow::grow(&self.sorted, rows, criterion::Entropy::new(codes, *count, rows), limits)
            }
            (Target::Classes { codes, count }, _) => {
                grow::grow(&self.sorted, rows, criterion::Gini::new(codes, *count), limits)
            }
        }
    }
}

fn default_criterion(target: &Target) -> Criterion {
    match target {
        Target::Numbers(_) => Criterion::SquaredError,
        Target::Classes { .. } => Criterion::Gini,
    }
}

impl Learner for DecisionTree<'_> {
    fn fit(&self, rows: &[u32], parameters: &Parameters) -> Result<Fitted, FitError> {
        let grown = self.grow(rows, parameters.criterion, Limits::new(parameters, rows.len()));
        let estimator = Estimator::Tree(grown.into_tree());
        Ok(Fitted { encoder: self.samples.encoder.clone(), estimator, warnings: Vec::new() })
    }

    fn validate(
        &self,
        points: &[Parameters],
        rows: &[u32],
        validation: &[u32],
        scorer: &Scorer,
    ) -> Result<Vec<Option<f64>>, FitError> {
        Ok(self.validate_grid(points, rows, validation, scorer))
    }
}

impl Limits {
    /// What `parameters` mean for a tree of `rows` rows.
    fn new(parameters: &Parameters, rows: usize) -> Limits {
        let leaf = parameters.min_samples_leaf.map_or(1, |share| share.of(rows)).max(1);
        let split = parameters.min_samples_split.map_or(2, |share| share.of(rows)).max(2).max(2 * leaf);
        let depth = match parameters.max_depth {
            Some(IntOrNone::Int(depth)) => depth as usize,
            Some(IntOrNone::None) | None => usize::MAX,
        };
        Limits { depth, split, leaf }
    }
}

#[cfg(test)]
mod tests;
