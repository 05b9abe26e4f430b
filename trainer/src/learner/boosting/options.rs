//! What the parameters of a spec mean, with scikit-learn's defaults.

use slipway_spec::{
    EarlyStopping, Fraction, Init, IntOrNone, Loss as Word, MaxFeatures, NonNegativeNumber, Parameters,
    PositiveInteger, PositiveNumber, Share,
};

use super::hist;
use super::loss::Loss;
use super::stages::{Plan, Stop, StopRule};
use crate::learner::{FitError, Target};

/// `early_stopping: auto` stops early with more rows than this.
const AUTO_STOPS_ABOVE: usize = 10_000;
/// Bins of a column, at most.
const MAX_BINS: u32 = 255;

/// How `HistGradientBoosting` boosts `rows` rows.
pub(super) fn hist_plan(parameters: &Parameters, target: &Target, rows: usize) -> Result<Plan, FitError> {
    let stops = match parameters.early_stopping.unwrap_or(EarlyStopping::Auto) {
        EarlyStopping::Auto => rows > AUTO_STOPS_ABOVE,
        EarlyStopping::Set(stops) => stops,
    };
    let stop = stops.then(|| Stop {
        held: held(parameters),
        patience: parameters.n_iter_no_change.map_or(10, |stages| stages.get() as usize),
        tolerance: parameters.tol.map_or(1e-7, PositiveNumber::get),
        rule: StopRule::AnyOfTheLast,
    });
    let quantile = || {
        let quantile = parameters.quantile.map(Fraction::get);
        quantile.ok_or_else(|| FitError("parameters: the loss quantile needs quantile, such as 0.9".to_owned()))
    };
    Ok(Plan {
        loss: loss(parameters, target, quantile)?,
        learning_rate: learning_rate(parameters),
        stages: hist_stages(parameters),
        subsample: 1.0,
        from_zero: false,
        stop,
        random_state: parameters.random_state.unwrap_or(0),
    })
}

/// How `GradientBoosting` boosts.
pub(super) fn exact_plan(parameters: &Parameters, target: &Target) -> Result<Plan, FitError> {
    let alpha = || Ok(parameters.alpha.map_or(0.9, NonNegativeNumber::get));
    let loss = loss(parameters, target, alpha)?;
    // Scikit-learn compares these losses without the factor that makes derivatives simple.
    let factor = if matches!(loss, Loss::SquaredError | Loss::Binomial) { 2.0 } else { 1.0 };
    let stop = parameters.n_iter_no_change.map(|stages| Stop {
        held: held(parameters),
        patience: stages.get() as usize,
        tolerance: parameters.tol.map_or(1e-4, PositiveNumber::get) / factor,
        rule: StopRule::BetterThanOne,
    });
    Ok(Plan {
        loss,
        learning_rate: learning_rate(parameters),
        stages: exact_stages(parameters),
        subsample: parameters.subsample.map_or(1.0, Share::get),
        from_zero: parameters.init == Some(Init::Zero),
        stop,
        random_state: parameters.random_state.unwrap_or(0),
    })
}

/// How trees are grown on bins. `monotonic` is by column.
pub(super) fn hist_options(parameters: &Parameters, rows: usize, columns: usize, monotonic: Vec<i8>) -> hist::Options {
    let max_features = match parameters.max_features {
        Some(MaxFeatures::Some(share)) if share.get() < 1.0 => (share.get() * columns as f64).ceil() as usize,
        Some(max_features) => max_features.of(columns),
        None => columns,
    };
    hist::Options {
        max_leaves: limit(parameters.max_leaf_nodes, Some(31)),
        max_depth: limit(parameters.max_depth, None),
        min_rows: parameters.min_samples_leaf.map_or(20, |share| share.of(rows)).max(1),
        l2: parameters.l2_regularization.map_or(0.0, NonNegativeNumber::get),
        max_features,
        max_bins: parameters.max_bins.map_or(MAX_BINS, PositiveInteger::get).min(MAX_BINS) as usize,
        monotonic,
    }
}

/// Most stages of `HistGradientBoosting`.
pub(super) fn hist_stages(parameters: &Parameters) -> usize {
    parameters.max_iter.map_or(100, |stages| stages.get() as usize)
}

/// Most stages of `GradientBoosting`.
pub(super) fn exact_stages(parameters: &Parameters) -> usize {
    parameters.n_estimators.map_or(100, |stages| stages.get() as usize)
}

fn learning_rate(parameters: &Parameters) -> f64 {
    parameters.learning_rate.map_or(0.1, PositiveNumber::get)
}

fn held(parameters: &Parameters) -> f64 {
    parameters.validation_fraction.map_or(0.1, Share::get)
}

fn limit(given: Option<IntOrNone>, default: Option<usize>) -> usize {
    match given {
        Some(IntOrNone::Int(limit)) => limit as usize,
        Some(IntOrNone::None) => usize::MAX,
        None => default.unwrap_or(usize::MAX),
    }
}

fn loss(
    parameters: &Parameters,
    target: &Target,
    quantile: impl Fn() -> Result<f64, FitError>,
) -> Result<Loss, FitError> {
    let default = match target {
        Target::Numbers(_) => Word::SquaredError,
        Target::Classes { .. } => Word::LogLoss,
    };
    Ok(match (parameters.loss.unwrap_or(default), target) {
        (Word::AbsoluteError, _) => Loss::AbsoluteError,
        (Word::Huber, _) => Loss::Huber { quantile: quantile()?, delta: 1.0 },
        (Word::Quantile, _) => Loss::Quantile(quantile()?),
        (Word::Poisson, _) => Loss::Poisson,
        (Word::Gamma, _) => Loss::Gamma,
        (Word::Exponential, Target::Classes { count: 3.., .. }) => {
            return Err(FitError("parameters: the loss exponential is for two classes; write log_loss".to_owned()));
        }
        (Word::LogLoss, Target::Classes { count: classes @ 3.., .. }) => Loss::Multinomial(*classes),
        (Word::LogLoss, _) => Loss::Binomial,
        (Word::Exponential, _) => Loss::Exponential,
        (Word::SquaredError, _) => Loss::SquaredError,
    })
}
