//! Metrics of numbers.

use slipway_spec::Metric;

use super::{mean, no_rows, sum};

pub(super) fn compute(metric: Metric, truth: &[f64], predicted: &[f64]) -> Result<f64, String> {
    no_rows(truth)?;
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
