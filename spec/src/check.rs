//! Conditions on a model's behaviour.

use serde::{Deserialize, Serialize};

/// A condition on the model's behaviour: exactly one of `monotonic`, `range`, `unseenGroups` and `invariant`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Check {
    /// Predictions move one way with a feature.
    Monotonic(MonotonicCheck),
    /// Predictions stay within bounds.
    Range(RangeCheck),
    /// No prediction for a group the model has not seen in training.
    UnseenGroups(UnseenGroupsCheck),
    /// Predictions do not depend on a feature.
    Invariant(InvariantCheck),
}

/// Predictions move one way with a feature: of a classifier, the probability of the positive class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct MonotonicCheck {
    /// The feature, a number.
    #[cfg_attr(feature = "schemars", schemars(length(min = 1, max = 256)))]
    pub feature: String,
    /// Values to compare at, ascending; each prediction must be strictly above the one before. Left out, ten quantiles of
    /// the test rows, where equal predictions pass too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schemars", schemars(length(max = 100)))]
    pub at: Vec<f64>,
    /// A category within each of which it must hold. The other features are as in that category's test rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schemars", schemars(length(min = 1, max = 256)))]
    pub within: Option<String>,
    /// Which way.
    #[serde(default)]
    pub direction: Direction,
}

/// Which way predictions move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema), schemars(inline))]
pub enum Direction {
    /// A larger value, a larger prediction.
    #[default]
    Increasing,
    /// A larger value, a smaller prediction.
    Decreasing,
}

/// Predictions on the test rows stay within bounds. For Regression.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema), schemars(extend("x-kubernetes-validations" = crate::schema::range_rules())))]
#[serde(rename_all = "camelCase")]
pub struct RangeCheck {
    /// No prediction below this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// No prediction above this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// No prediction above this many times the largest target seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schemars", schemars(range(min = 0.0)))]
    pub max_times_observed: Option<f64>,
}

/// No prediction for a group the model has not seen in training: every test row's value of the column is among those of the
/// training rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UnseenGroupsCheck {
    /// The column that names the group of a row: a feature that is a category.
    #[cfg_attr(feature = "schemars", schemars(length(min = 1, max = 256)))]
    pub feature: String,
}

/// Predictions do not change when a feature does: of a classifier, the probabilities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct InvariantCheck {
    /// The feature.
    #[cfg_attr(feature = "schemars", schemars(length(min = 1, max = 256)))]
    pub feature: String,
    /// How far a prediction may move, in the target's unit, or as a probability. Default: not at all.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[cfg_attr(feature = "schemars", schemars(range(min = 0.0)))]
    pub tolerance: f64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}
