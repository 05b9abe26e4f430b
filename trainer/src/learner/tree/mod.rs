//! Decision trees and forests that grow as scikit-learn's do: exact splits on columns cast to 32-bit floats.
//!
//! Each column is sorted once ([`presort`]); every tree, fold and grid point uses that order ([`ground`]). A node keeps its
//! rows in the order of every column by a stable partition, never by sorting again ([`grower`], [`rows`]); a column of few
//! different values needs no order, for its rows can be added up value by value ([`bins`]), and a node of few rows is grown to
//! its end by itself ([`subtree`]); where nodes look at few columns, two classes are counted on short [`records`] of the rows,
//! and nothing is kept in order; of rows that are the same one is enough ([`alike`]). What a split is worth is the matter of a [`criterion`], whether it is allowed that of [`rules`], where a
//! tree grows and where it stops that of [`grow`]. `max_depth` and `min_samples_split` only
//! stop growth and never change a split, so the nodes found once ([`atlas`]) serve all their values ([`grid`]). scikit-learn's
//! own random numbers decide which columns and rows are looked at, and in which order ([`draw`]), so that the trees are the
//! same, those of a [`forest`] too.

mod alike;
mod atlas;
mod bins;
mod criterion;
mod draw;
mod forest;
mod grid;
mod ground;
mod grow;
mod grower;
mod grown;
mod options;
mod presort;
mod random;
mod records;
mod residual;
mod rows;
mod rules;
mod subtree;
mod weights;

use slipway_model::{Combine, Estimator, TreesBuilder};
use slipway_spec::{MaxFeatures, Parameters, Splitter};

pub(crate) use self::alike::Alike;
pub(crate) use self::draw::RandomState;
pub(crate) use self::forest::{Forest, Kind};
use self::ground::{Choice, Ground};
pub(crate) use self::grow::Options;
use self::grower::Workspace;
pub(crate) use self::grown::{Branch, Grown};
pub(crate) use self::residual::ResidualTrees;
use self::weights::weights;
use super::{FitError, Fitted, Learner, Samples, Scorer, Target, validate_each};

/// One tree, for Regression and Classification.
pub(crate) struct DecisionTree<'a>(Ground<'a>);

impl<'a> DecisionTree<'a> {
    pub(crate) fn new(samples: &'a Samples) -> Self {
        DecisionTree(Ground::new(samples))
    }
}

impl Learner for DecisionTree<'_> {
    fn samples(&self) -> &Samples {
        self.0.samples
    }

    fn fit(&self, rows: &[u32], parameters: &Parameters) -> Result<Fitted, FitError> {
        let samples = self.0.samples;
        check_target(samples, rows, parameters)?;
        let weights = weights(samples, rows, parameters.class_weight.as_ref())?;
        let options = Options::new(parameters, samples, rows.len(), MaxFeatures::All)?;
        let random = parameters.splitter == Some(Splitter::Random);
        let choice = Choice { criterion: parameters.criterion, random };
        let seed = RandomState::new(random_state(parameters)).splitter_seed();
        let mut workspace = Workspace::default();
        let grown = self.0.grow(choice, rows, weights.as_deref(), &options, seed, &mut workspace);
        let mut trees = TreesBuilder::new(grown.width);
        grown.push_to(&mut trees);
        let mut fitted = Fitted::new(samples.encoder.clone(), Estimator::Trees(trees.finish(Combine::Mean)));
        fitted.importances = vec![0.0; samples.encoder.width()];
        grown.add_importances(&mut fitted.importances);
        Ok(fitted)
    }

    fn validate(
        &self,
        points: &[Parameters],
        rows: &[u32],
        validation: &[u32],
        scorer: &Scorer,
    ) -> Result<Vec<Option<f64>>, FitError> {
        if points.iter().all(grid::shares_growth) {
            self.validate_grid(points, rows, validation, scorer)
        } else {
            validate_each(self, points, rows, validation, scorer)
        }
    }
}

/// Whether trees can be grown by the criterion on the target of `rows`.
fn check_target(samples: &Samples, rows: &[u32], parameters: &Parameters) -> Result<(), FitError> {
    let (Target::Numbers(values), Some(slipway_spec::Criterion::Poisson)) = (&samples.target, parameters.criterion)
    else {
        return Ok(());
    };
    let targets = || rows.iter().map(|&row| values[row as usize]);
    if targets().any(|value| value < 0.0) {
        return Err(FitError(
            "criterion poisson is for a target that is never below 0; write squared_error".to_owned(),
        ));
    }
    if targets().sum::<f64>() <= 0.0 {
        return Err(FitError("criterion poisson needs a target that is not 0 everywhere".to_owned()));
    }
    Ok(())
}

fn random_state(parameters: &Parameters) -> i64 {
    parameters.random_state.unwrap_or(0)
}

#[cfg(test)]
mod parity;
#[cfg(test)]
mod tests;
