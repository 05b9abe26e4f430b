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
