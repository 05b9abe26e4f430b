//! Decision trees that grow as scikit-learn's do: exact splits on columns cast to 32-bit floats.
//!
//! Each column is sorted once ([`presort`]); every tree, fold and grid point uses that order. A node keeps its rows in the
//! order of every column by a stable partition, never by sorting again ([`grow`]). What a split is worth is the matter of a
//! [`criterion`]. `max_depth` and `min_samples_split` only stop growth and never change a split, so the nodes found once
//! ([`atlas`]) serve all their values ([`grid`]). Between equally good columns scikit-learn's own random order decides
//! ([`draw`]), so that the trees are the same.

mod atlas;
mod criterion;
mod draw;
mod grid;
mod grow;
mod presort;

use slipway_model::Estimator;
use slipway_spec::{Criterion, IntOrNone, Parameters};

use self::atlas::Atlas;
use self::grow::Limits;
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

    /// The trees on `rows` that stop growing no later than at `limits`.
    fn atlas(&self, rows: &[u32], criterion: Option<Criterion>, limits: Limits) -> Atlas<'_> {
        let criterion: Box<dyn criterion::Criterion> = match (&self.samples.target, criterion) {
            (Target::Numbers(values), Some(Criterion::AbsoluteError)) => {
                Box::new(criterion::AbsoluteError::new(values))
            }
            (Target::Numbers(values), _) => Box::new(criterion::SquaredError::new(values, rows)),
            (Target::Classes { codes, count }, Some(Criterion::Entropy | Criterion::LogLoss)) => {
                Box::new(criterion::Entropy::new(codes, *count, rows))
            }
            (Target::Classes { codes, count }, _) => Box::new(criterion::Gini::new(codes, *count)),
        };
        Atlas::new(&self.sorted, rows, criterion, limits)
    }
}

impl Learner for DecisionTree<'_> {
    fn samples(&self) -> &Samples {
        self.samples
    }

    fn fit(&self, rows: &[u32], parameters: &Parameters) -> Result<Fitted, FitError> {
        let limits = Limits::new(parameters, rows.len());
        let mut atlas = self.atlas(rows, parameters.criterion, limits);
        let plan = atlas.plan(limits, random_state(parameters));
        let estimator = Estimator::Trees(atlas.tree(&plan));
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

fn random_state(parameters: &Parameters) -> i64 {
    parameters.random_state.unwrap_or(0)
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
