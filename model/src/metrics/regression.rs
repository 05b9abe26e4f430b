//! Metrics of numbers.

use slipway_spec::Metric;

use super::ranking::{spearman, top_overlap};
use super::{mean, no_rows, sum};

pub(super) fn compute(metric: Metric, truth: &[f64], predicted: &[f64]) -> Result<f64, String> {
    no_rows(truth)?;
    if let Some(row) = predicted.iter().position(|value| !value.is_finite()) {
        return Err(format!("the prediction of test row {} is not a finite number", row + 1));
    }
    let pairs = || truth.iter().zip(predicted);
    let errors = || pairs().map(|(truth, predicted)| truth - predicted);
    Ok(match metric {
        Metric::R2 if truth.len() < 2 => return Err("it needs two test rows or more".to_owned()),
        Metric::R2 => explained(truth, sum(errors().map(|error| error * error))),
        Metric::ExplainedVariance => {
            let bias = mean(errors());
            explained(truth, sum(errors().map(|error| (error - bias) * (error - bias))))
        }
        Metric::Mae => mean(errors().map(f64::abs)),
        Metric::Rmse => mean(errors().map(|error| error * error)).sqrt(),
        Metric::Mape => {
            mean(pairs().map(|(truth, predicted)| (truth - predicted).abs() / truth.abs().max(f64::EPSILON)))
        }
        Metric::Spearman => return spearman(truth, predicted),
        Metric::TopOverlap(percent) => top_overlap(truth, predicted, percent.share())?,
        Metric::PinballLoss(percent) => {
            let quantile = percent.share();
            mean(errors().map(|error| if error >= 0.0 { quantile * error } else { (quantile - 1.0) * error }))
        }
        other => return Err(format!("{} is no metric for Regression", other.name())),
    })
}

/// The share of the truth's variation that is not `left`. A constant truth has none: 1 where nothing is left, otherwise 0.
fn explained(truth: &[f64], left: f64) -> f64 {
    let centre = mean(truth.iter().copied());
    let constant = truth.iter().all(|value| *value == truth[0]);
    let total = if constant { 0.0 } else { sum(truth.iter().map(|value| (value - centre) * (value - centre))) };
    if left == 0.0 {
        1.0
    } else if total == 0.0 {
        0.0
    } else {
        1.0 - left / total
    }
}
