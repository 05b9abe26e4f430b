//! The data behind the pictures of a report: bounded, so that they can be stored, and enough to draw from.

use serde::{Deserialize, Serialize};

use crate::feature::FeatureType;

/// What is known of a model's answers on its test rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pictures {
    /// Predictions against the truth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<AnswerPictures>,
    /// How much worse the model gets without each feature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permutation: Option<PermutationImportance>,
    /// How predictions move with a feature, for the most important ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partial_dependence: Vec<PartialDependence>,
    /// What is not shown, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Predictions against the truth, by task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
pub enum AnswerPictures {
    /// Of numbers.
    Regression(RegressionPictures),
    /// Of classes.
    Classification(ClassificationPictures),
}

/// Predicted numbers against true ones.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegressionPictures {
    /// Test rows.
    pub rows: usize,
    /// Truth and prediction of a sample of the rows, in the order of the rows.
    pub points: Vec<[f64; 2]>,
    /// How the residuals, truth minus prediction, of all rows are spread.
    pub residuals: Histogram,
    /// For ranges of the prediction, from low to high: how the residuals lie.
    pub bands: Vec<ResidualBand>,
}

/// The residuals of rows with similar predictions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResidualBand {
    /// Mean prediction.
    pub predicted: f64,
    /// 10th percentile, median and 90th percentile of the residuals.
    pub residuals: [f64; 3],
    /// Rows.
    pub rows: usize,
}

/// Counts of numbers in ranges of equal width.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Histogram {
    /// Where the first range starts.
    pub start: f64,
    /// Where the last one ends.
    pub end: f64,
    /// Numbers in each range; one on a boundary counts upwards, the largest in the last.
    pub counts: Vec<u64>,
    /// Numbers below the first range and above the last.
    #[serde(default)]
    pub beyond: [u64; 2],
}

/// Predicted classes against true ones.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClassificationPictures {
    /// Test rows.
    pub rows: usize,
    /// Rows by their true class (outer) and the predicted one (inner), both in the order of `classes`.
    pub confusion: Vec<Vec<u64>>,
    /// The classes of `confusion`: the most frequent ones, the others together as the last.
    pub classes: Vec<String>,
    /// Whether the last of `classes` stands for several.
    #[serde(default)]
    pub others: bool,
    /// One for the positive class of two, otherwise one for each of the most frequent classes against the rest. Empty
    /// where there are no probabilities.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curves: Vec<ClassCurves>,
}

/// How the probabilities of one class tell it from the rest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClassCurves {
    /// The class.
    pub class: String,
    /// Its test rows.
    pub rows: usize,
    /// Area under the ROC curve.
    pub roc_auc: f64,
    /// Average precision.
    pub average_precision: f64,
    /// False positive rate and true positive rate, from (0, 0) to (1, 1).
    pub roc: Vec<[f64; 2]>,
    /// Recall and precision, by rising recall.
    pub precision_recall: Vec<[f64; 2]>,
    /// Ranges of the probability that have rows, from low to high.
    pub calibration: Vec<CalibrationBin>,
    /// Probabilities of rows of the class.
    pub scores: Histogram,
    /// Probabilities of the other rows.
    pub other_scores: Histogram,
    /// For thresholds from 0 to 1: the threshold, precision, recall, and the share of rows at or above it. Of the positive
    /// class of two.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub thresholds: Vec<[f64; 4]>,
    /// At the threshold: false positive rate, true positive rate (recall), and precision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_threshold: Option<[f64; 3]>,
}

/// Rows with similar probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CalibrationBin {
    /// Mean probability.
    pub predicted: f64,
    /// Share of rows that are of the class.
    pub observed: f64,
    /// Rows.
    pub rows: usize,
}

/// How much worse a metric gets when one feature's values are shuffled among the test rows (Breiman 2001; scikit-learn's
/// `permutation_importance`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PermutationImportance {
    /// The metric.
    pub metric: String,
    /// Its value as it is, on the rows that were shuffled.
    pub value: f64,
    /// Rows that were shuffled.
    pub rows: usize,
    /// How often each feature was shuffled.
    pub repeats: usize,
    /// Features, the most important first.
    pub features: Vec<FeatureImportance>,
    /// Less important features that are not listed.
    #[serde(default)]
    pub more: usize,
}

/// How important a feature is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FeatureImportance {
    /// The feature.
    pub feature: String,
    /// Its importance: of a permutation, how much worse the metric got on average; about 0 for a feature that does nothing.
    pub importance: f64,
    /// Standard deviation over the repeats.
    #[serde(default)]
    pub deviation: f64,
}

/// What an estimator says itself of what it looks at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Importances {
    /// What the numbers are.
    pub kind: ImportanceKind,
    /// Names and numbers, the largest first, at most [`Importances::MOST`].
    pub values: Vec<FeatureImportance>,
}

impl Importances {
    /// Most features that are listed.
    pub const MOST: usize = 30;
}

/// What an estimator's own importances are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ImportanceKind {
    /// Of trees: the share of the criterion's decrease that splits on the feature brought.
    Impurity,
    /// Of linear models: the weight of the column, standardised where the model standardises.
    Coefficient,
}

/// How the mean prediction moves with one feature, the others left as they are (Friedman 2001).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartialDependence {
    /// The feature.
    pub feature: String,
    /// Its type.
    #[serde(rename = "type")]
    pub type_: FeatureType,
    /// Test rows that were asked.
    pub rows: usize,
    /// Where the feature was set to: numbers and times (seconds since 1970-01-01 UTC), ascending, or places in `labels`.
    pub at: Vec<f64>,
    /// Names of categories, or `false` and `true`; empty for numbers and times.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// One for a regression or for the positive class of two; one for each of the first classes otherwise.
    pub lines: Vec<DependenceLine>,
    /// How the feature is spread in the test rows: one count for each label, or ranges from the first to the last of `at`.
    pub spread: Histogram,
}

/// Mean predictions at each place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DependenceLine {
    /// The class whose probability it is; absent for a regression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Mean predictions.
    pub mean: Vec<f64>,
    /// 10th percentile of the rows' predictions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub low: Vec<f64>,
    /// 90th percentile of the rows' predictions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub high: Vec<f64>,
}
