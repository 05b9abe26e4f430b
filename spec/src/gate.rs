//! Conditions on metrics.

use serde::{Deserialize, Serialize};

/// A condition on one metric. The bounds are inclusive.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema), schemars(extend("x-kubernetes-validations" = crate::schema::gate_rules())))]
#[serde(rename_all = "camelCase")]
pub struct Gate {
    /// The metric, by scikit-learn's name, or by the name a training image reports.
    #[cfg_attr(feature = "schemars", schemars(schema_with = "crate::schema::metric_name"))]
    pub metric: String,
    /// Which number of the metric: its value on all test rows, or a stricter one.
    #[serde(default, skip_serializing_if = "Of::is_default")]
    pub of: Of,
    /// The model is refused below this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
    /// The model is refused above this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<f64>,
    /// The model passes with a warning below this; not lower than `atLeast`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warn_below: Option<f64>,
    /// The model passes with a warning above this; not higher than `atMost`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warn_above: Option<f64>,
    /// Compare with the model that serves now, on the same test rows. Passes where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub champion: Option<RelativeGate>,
    /// Compare with the baseline: `Dummy`, which gives the same answer to every row, fitted on the same training rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<BaselineGate>,
}

/// A bound relative to the baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct BaselineGate {
    /// How much better than the baseline the metric must be on the test rows, in the metric's own unit. 0: at least as good.
    #[cfg_attr(feature = "schemars", schemars(range(min = 0)))]
    pub better_by_at_least: f64,
}

/// Which number of a metric a gate is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema), schemars(inline))]
pub enum Of {
    /// The value on all test rows.
    #[default]
    AllRows,
    /// The value within the group of `evaluation.groupBy` that has the worst.
    WorstGroup,
    /// The difference between the groups of `evaluation.groupBy` with the best and the worst value; never negative.
    GroupGap,
    /// The worse end of the 95 % confidence interval: the lower one where higher is better, otherwise the upper one.
    ConfidenceBound,
}

impl Of {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
    fn is_default(&self) -> bool {
        *self == Of::default()
    }

    /// The name of this number of the metric, among others: `f1`, `f1.worst_group`.
    pub fn key(self, metric: &str) -> String {
        match self {
            Of::AllRows => metric.to_owned(),
            Of::WorstGroup => format!("{metric}.worst_group"),
            Of::GroupGap => format!("{metric}.group_gap"),
            Of::ConfidenceBound => format!("{metric}.confidence_bound"),
        }
    }

    /// As a message speaks of it.
    pub fn describe(self, metric: &str) -> String {
        match self {
            Of::AllRows => metric.to_owned(),
            Of::WorstGroup => format!("{metric} of the worst group"),
            Of::GroupGap => format!("the gap of {metric} between groups"),
            Of::ConfidenceBound => format!("the 95 % confidence bound of {metric}"),
        }
    }

    /// Whether a larger number is better, for a metric of which that is known.
    pub fn higher_is_better(self, metric_is_better_higher: bool) -> bool {
        self != Of::GroupGap && metric_is_better_higher
    }
}

/// A bound relative to the model that serves now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RelativeGate {
    /// How much worse than the champion the metric may be, in the metric's own unit. 0: at least as good. Negative: better
    /// by that much.
    pub worse_by_at_most: f64,
}

/// A bound on a reported metric that a deployment asks for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema), schemars(extend("x-kubernetes-validations" = crate::schema::requirement_rules())))]
#[serde(rename_all = "camelCase")]
pub struct Requirement {
    /// The metric.
    #[cfg_attr(feature = "schemars", schemars(schema_with = "crate::schema::metric_name"))]
    pub metric: String,
    /// A run below this is not followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
    /// A run above this is not followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<f64>,
}

impl From<&Requirement> for Gate {
    fn from(requirement: &Requirement) -> Gate {
        Gate {
            metric: requirement.metric.clone(),
            at_least: requirement.at_least,
            at_most: requirement.at_most,
            ..Gate::default()
        }
    }
}
