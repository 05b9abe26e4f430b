//! How a model is looked at beside its metrics, and where a probability becomes an answer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::metric::Metrics;

/// What is computed of the test rows beside the metrics.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Evaluation {
    /// A column: every metric is also computed within each group of test rows that have the same value of it, with the worst
    /// group and the gap between the best and the worst. It needs not be a feature.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schemars", schemars(length(min = 1, max = 256)))]
    pub group_by: Option<String>,
    /// Groups of fewer test rows are left out of the worst and the gap. Default: 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schemars", schemars(range(min = 1, max = 1_000_000)))]
    pub min_group_rows: Option<i32>,
    /// 95 % confidence intervals of the metrics. Default: made where there are at most 1,000 test rows, or where a gate asks
    /// for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<Confidence>,
}

/// Confidence intervals by the bootstrap (Efron 1979): the metric of test rows that are drawn from the test rows with
/// replacement, over and over; the interval is between the 2.5 % and the 97.5 % percentile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Confidence {
    /// How many times rows are drawn. 0: no intervals.
    #[cfg_attr(feature = "schemars", schemars(range(min = 0, max = 10_000)))]
    pub resamples: i32,
    /// Seed of the draws.
    pub seed: i64,
}

impl Default for Confidence {
    fn default() -> Self {
        Confidence { resamples: 200, seed: 0 }
    }
}

impl Evaluation {
    /// Fewest rows of a group that counts for the worst.
    pub const MIN_GROUP_ROWS: usize = 10;

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        *self == Evaluation::default()
    }

    /// Fewest rows of a group that counts for the worst.
    pub fn min_rows_of_group(&self) -> usize {
        self.min_group_rows.map_or(Evaluation::MIN_GROUP_ROWS, |rows| rows.unsigned_abs() as usize)
    }
}

/// From which probability on the positive class is predicted: exactly one of `value`, `maximise`, `precisionAtLeast`,
/// `recallAtLeast` and `flagShare`. All but `value` look at predictions of training rows by models that have not seen them
/// (out of fold); the test rows have no say. For Classification with two classes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Threshold {
    /// This probability.
    Value(f64),
    /// The one that makes a metric largest.
    Maximise(Maximised),
    /// The one with the largest recall among those with at least this precision.
    PrecisionAtLeast(f64),
    /// The one with the largest precision among those with at least this recall.
    RecallAtLeast(f64),
    /// The one from which on this share of the rows is predicted positive.
    FlagShare(f64),
}

impl Threshold {
    /// Whether the value is in range.
    pub fn check(&self) -> Result<(), String> {
        let (name, value, lowest) = match *self {
            Threshold::Maximise(_) => return Ok(()),
            Threshold::Value(value) => ("value", value, 0.0),
            Threshold::PrecisionAtLeast(value) => ("precisionAtLeast", value, 0.0),
            Threshold::RecallAtLeast(value) => ("recallAtLeast", value, 0.0),
            Threshold::FlagShare(value) => ("flagShare", value, f64::MIN_POSITIVE),
        };
        if (lowest..=1.0).contains(&value) {
            Ok(())
        } else {
            Err(format!("threshold.{name} is {value}; write a share from 0 to 1"))
        }
    }
}

/// A metric that a threshold can make largest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema), schemars(inline))]
#[serde(rename_all = "snake_case")]
pub enum Maximised {
    /// F1 of the positive class.
    F1,
    /// Share of right answers.
    Accuracy,
    /// Mean recall of the classes.
    BalancedAccuracy,
    /// Matthews correlation coefficient.
    MatthewsCorrcoef,
    /// Cohen's kappa.
    CohenKappa,
}

impl std::fmt::Display for Threshold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Threshold::Value(value) => write!(f, "set to {value}"),
            Threshold::Maximise(metric) => write!(f, "chosen to maximise {}", metric.metric().name()),
            Threshold::PrecisionAtLeast(value) => write!(f, "chosen for a precision of at least {value}"),
            Threshold::RecallAtLeast(value) => write!(f, "chosen for a recall of at least {value}"),
            Threshold::FlagShare(value) => write!(f, "chosen to flag a share of {value}"),
        }
    }
}

impl Maximised {
    /// The metric.
    pub fn metric(self) -> crate::Metric {
        match self {
            Maximised::F1 => crate::Metric::F1,
            Maximised::Accuracy => crate::Metric::Accuracy,
            Maximised::BalancedAccuracy => crate::Metric::BalancedAccuracy,
            Maximised::MatthewsCorrcoef => crate::Metric::MatthewsCorrcoef,
            Maximised::CohenKappa => crate::Metric::CohenKappa,
        }
    }
}

/// A 95 % confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// The metrics within each group of test rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupReport {
    /// The column whose values are the groups.
    pub column: String,
    /// Number of groups in the test rows.
    pub total: usize,
    /// How many of them have too few rows to count for the worst and the gap.
    pub too_small: usize,
    /// Of each metric the worst group.
    pub worst: BTreeMap<String, GroupWord>,
    /// Of each metric the distance between the best and the worst group.
    pub gap: Metrics,
    /// The groups with the most rows, at most 100.
    pub groups: Vec<GroupMetrics>,
}

/// One group's value of a metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupWord {
    /// The group: a value of the column.
    pub group: String,
    /// The metric's value.
    pub value: f64,
}

/// The metrics of one group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupMetrics {
    /// The group: a value of the column.
    pub group: String,
    /// Its test rows.
    pub rows: usize,
    /// Its metrics; undefined ones are left out.
    pub metrics: Metrics,
}

/// How the threshold was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThresholdReport {
    /// The probability of the positive class from which on it is predicted.
    pub value: f64,
    /// By which rule, as `chosen to maximise f1`.
    pub rule: String,
    /// Training rows on whose out-of-fold predictions it was chosen; 0 where it was given.
    pub rows: usize,
    /// Precision of the positive class on those rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<f64>,
    /// Recall of the positive class on those rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recall: Option<f64>,
    /// Share of those rows that are predicted positive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flagged: Option<f64>,
}
