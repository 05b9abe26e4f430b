//! Every [`Metric`], in `f64`, as scikit-learn 1.9 defines it.

mod bootstrap;
mod classification;
mod groups;
pub(crate) mod ranking;
mod regression;

use std::collections::BTreeMap;

use slipway_spec::{Metric, Metrics};

use crate::schema::Output;

pub use bootstrap::{MAX_UNASKED_ROWS, intervals};
pub use groups::{by_group, worst_and_gap};

/// What is known of test rows: the truth and what a model says, one entry a row.
#[derive(Clone, Copy, Debug)]
pub enum Scored<'a> {
    /// Of a regression.
    Numbers {
        /// The target.
        truth: &'a [f64],
        /// The prediction.
        predicted: &'a [f64],
    },
    /// Of a classifier, classes as places in the output's classes.
    Classes {
        /// The target.
        truth: &'a [usize],
        /// The prediction.
        predicted: &'a [usize],
        /// One probability a class, row after row, where they are known.
        probabilities: Option<&'a [f64]>,
    },
}

/// The metrics of a model on some rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// Every metric that has a value.
    pub metrics: Metrics,
    /// Every other metric of the task, with the reason.
    pub undefined: BTreeMap<String, String>,
}

impl Scored<'_> {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        match self {
            Scored::Numbers { truth, .. } => truth.len(),
            Scored::Classes { truth, .. } => truth.len(),
        }
    }
}

/// Computes every metric that a report has for the output's task.
pub fn evaluate(output: &Output, scored: Scored<'_>) -> Evaluation {
    evaluate_with(output, scored, &[])
}

/// Computes every metric that a report has for the output's task, and those of `asked` that belong to it.
pub fn evaluate_with(output: &Output, scored: Scored<'_>, asked: &[Metric]) -> Evaluation {
    let mut evaluation = Evaluation::default();
    for metric in of_task(output, asked) {
        match compute(metric, output, scored) {
            Ok(value) => evaluation.metrics.insert(metric.name().to_owned(), value).map(drop),
            Err(reason) => evaluation.undefined.insert(metric.name().to_owned(), reason).map(drop),
        };
    }
    evaluation
}

/// The metrics of a report with those of `asked`, as far as they belong to the output's task.
fn of_task<'a>(output: &Output, asked: &'a [Metric]) -> impl Iterator<Item = Metric> + use<'a> {
    let task = output.task();
    let more = asked.iter().filter(|metric| !Metric::ALL.contains(metric));
    Metric::ALL.iter().chain(more).copied().filter(move |metric| metric.task() == task)
}

/// Computes one metric; otherwise says why it is undefined on these rows.
///
/// Where scikit-learn warns and returns 0 because the truth holds no row of a class, the metric is undefined; where it does so
/// because the model never predicts a class, the metric is 0.
pub fn compute(metric: Metric, output: &Output, scored: Scored<'_>) -> Result<f64, String> {
    let value = match (scored, output) {
        (Scored::Numbers { truth, predicted }, Output::Regression { .. }) => {
            regression::compute(metric, truth, predicted)?
        }
        (
            Scored::Classes { truth, predicted, probabilities },
            Output::Classification { classes, positive_class, .. },
        ) => {
            // Two classes are judged by the positive one, more by all of them.
            let positive = (classes.len() == 2).then(|| positive_class.unwrap_or(1));
            classification::Rows { classes, positive, truth, predicted, probabilities }.compute(metric)?
        }
        _ => return Err(format!("{} is no metric for {}", metric.name(), output.task())),
    };
    if value.is_finite() { Ok(value) } else { Err("it is not a finite number on these rows".to_owned()) }
}

/// Whether a metric is computed from probabilities, not from classes.
pub const fn needs_probabilities(metric: Metric) -> bool {
    matches!(metric, Metric::RocAuc | Metric::AveragePrecision | Metric::LogLoss | Metric::Brier)
}

/// A sum that does not lose small terms (Neumaier 1974).
fn sum(values: impl IntoIterator<Item = f64>) -> f64 {
    let (mut sum, mut lost) = (0.0_f64, 0.0_f64);
    for value in values {
        let total = sum + value;
        lost += if sum.abs() >= value.abs() { (sum - total) + value } else { (value - total) + sum };
        sum = total;
    }
    if lost.is_finite() { sum + lost } else { sum }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    sum(values) / count
}

fn no_rows<T>(truth: &[T]) -> Result<(), String> {
    if truth.is_empty() { Err("there are no test rows".to_owned()) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
