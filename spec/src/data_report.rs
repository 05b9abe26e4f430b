//! What the data of a run look like: `dataReport` in `training.json` and `report.json`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::feature::FeatureType;

/// Most columns a report describes; those of the table's beginning, the target always among them.
pub const MAX_REPORTED_COLUMNS: usize = 500;
/// Most values counted for a column, and most classes.
pub const MAX_TOP_VALUES: usize = 10;
/// Most bars of a histogram.
pub const MAX_HISTOGRAM_BARS: usize = 20;
/// Most findings of a report.
pub const MAX_FINDINGS: usize = 100;

/// The data of a run as a person would look through them before training.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DataReport {
    /// Rows of the table.
    pub rows: u64,
    /// Columns of the table.
    pub columns: u64,
    /// Rows that are equal to an earlier one in every column.
    pub duplicate_rows: u64,
    /// Classes of the target with their rows, the most frequent first, at most [`MAX_REPORTED_COLUMNS`]; empty for a
    /// regression. Rows of all parts count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<ValueCount>,
    /// The columns in the order of the table, at most [`MAX_REPORTED_COLUMNS`].
    pub described: Vec<ColumnReport>,
    /// What a person should look at, the gravest first, at most [`MAX_FINDINGS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ColumnReport {
    /// Its name.
    pub name: String,
    /// What it is used for.
    pub role: ColumnRole,
    /// Its type; absent where it is free text, an identifier, or has no value at all.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<FeatureType>,
    /// What its numbers are measured in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Rows without a value.
    pub missing: u64,
    /// Different values.
    pub distinct: u64,
    /// Of numbers, and of times in seconds since 1970-01-01 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numbers: Option<NumberSummary>,
    /// The most frequent values of what is no number, at most [`MAX_TOP_VALUES`]; long texts are cut.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub top: Vec<ValueCount>,
    /// Population stability index between training and test rows; of features only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<f64>,
    /// How well this column alone predicts the target on rows held out from training: AUC (one-vs-rest, macro) of a
    /// classification, R² of a regression; of features only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alone: Option<f64>,
}

/// What a column is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ColumnRole {
    /// The model reads it.
    Feature,
    /// It is predicted.
    Target,
    /// The trainer reads it, but the model does not: it splits, groups or weighs rows.
    Helper,
    /// It is not used.
    Unused,
}

/// How numbers are spread.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NumberSummary {
    /// Smallest.
    pub min: f64,
    /// Arithmetic mean.
    pub mean: f64,
    /// Middle value, the lower one of two.
    pub median: f64,
    /// Largest.
    pub max: f64,
    /// Standard deviation of the population.
    pub standard_deviation: f64,
    /// Values in each of at most [`MAX_HISTOGRAM_BARS`] intervals of equal width from `min` to `max`.
    pub histogram: Vec<u64>,
}

/// A value and how often it occurs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueCount {
    /// The value.
    pub value: String,
    /// Its rows.
    pub count: u64,
}

/// Something in the data that a person should look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What it is.
    pub kind: FindingKind,
    /// The column, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// A sentence for people, which names the column.
    pub message: String,
}

/// Kinds of findings, the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FindingKind {
    /// One feature alone predicts the target almost perfectly: it may know the answer.
    Leakage,
    /// Values of the test rows are spread otherwise than those of the training rows.
    Drift,
    /// A class has very few rows.
    Imbalance,
    /// Rows that occur more than once.
    DuplicateRows,
    /// Most values are missing.
    Missing,
    /// A feature that looks like an identifier.
    Identifier,
    /// All values are equal.
    Constant,
    /// Numbers too large to be meant or to be told apart.
    Range,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
