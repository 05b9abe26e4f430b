//! What a user may say about the pods that Slipway makes, the same for every kind.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{LocalObjectReference, ResourceRequirements, Toleration};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::schema::object_name;

/// Amounts by resource name, such as `cpu: 500m` and `memory: 256Mi`. A whole number is an amount too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Amounts(BTreeMap<String, Amount>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Amount {
    Integer(i64),
    Text(String),
}

impl Amounts {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As in a container's spec.
    pub fn to_quantities(&self) -> BTreeMap<String, Quantity> {
        let text = |amount: &Amount| match amount {
            Amount::Integer(number) => number.to_string(),
            Amount::Text(text) => text.clone(),
        };
        self.0.iter().map(|(name, amount)| (name.clone(), Quantity(text(amount)))).collect()
    }
}

impl JsonSchema for Amounts {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Amounts".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "maxProperties": 16,
            "additionalProperties": {
                "x-kubernetes-int-or-string": true,
                "maxLength": 32,
                "pattern": r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][0-9]+)?$",
            },
        })
    }
}

/// What a container asks for and may use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// What the scheduler sets aside. Default: as `limits`, otherwise a small amount.
    #[serde(default, skip_serializing_if = "Amounts::is_empty")]
    pub requests: Amounts,
    /// What may not be exceeded.
    #[serde(default, skip_serializing_if = "Amounts::is_empty")]
    pub limits: Amounts,
}

impl Resources {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Resources::default()
    }

    /// As in a container's spec, on top of the defaults given as (name, request, limit). A default request never exceeds
    /// the user's limit, nor a default limit fall below the user's request: of a resource the user names, no default is
    /// taken.
    pub fn with_defaults(&self, defaults: &[(&str, &str, Option<&str>)]) -> ResourceRequirements {
        let (mut requests, mut limits) = (self.requests.to_quantities(), self.limits.to_quantities());
        for &(name, request, limit) in defaults {
            if requests.contains_key(name) || limits.contains_key(name) {
                continue;
            }
            requests.insert(name.to_owned(), Quantity(request.to_owned()));
            if let Some(limit) = limit {
                limits.insert(name.to_owned(), Quantity(limit.to_owned()));
            }
        }
        ResourceRequirements { requests: Some(requests), limits: Some(limits), claims: None }
    }
}

/// Schema of image pull secrets, bounded.
fn image_pull_secrets(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "description": "Secrets with credentials of image registries.",
        "type": "array",
        "maxItems": 16,
        "items": {
            "type": "object",
            "required": ["name"],
            "properties": {"name": {"description": "Name of the Secret.", "type": "string", "minLength": 1, "maxLength": 253}},
        },
    })
}

/// Schema of a node selector, bounded.
fn node_selector(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "description": "Labels that a node must have.",
        "type": "object",
        "maxProperties": 32,
        "additionalProperties": {"type": "string", "maxLength": 63},
    })
}

/// Schema of tolerations, bounded.
fn tolerations(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "description": "Taints of nodes that the pods tolerate.",
        "type": "array",
        "maxItems": 32,
        "items": {
            "type": "object",
            "properties": {
                "key": {"description": "Key of the taint; all when left out.", "type": "string", "maxLength": 316},
                "operator": {"description": "How the value is compared.", "type": "string", "enum": ["Exists", "Equal"]},
                "value": {"description": "Value of the taint.", "type": "string", "maxLength": 63},
                "effect": {
                    "description": "Effect of the taint; all when left out.",
                    "type": "string", "enum": ["NoSchedule", "PreferNoSchedule", "NoExecute"],
                },
                "tolerationSeconds": {
                    "description": "For NoExecute: how long the pod stays, seconds.",
                    "type": "integer", "format": "int64",
                },
            },
        },
    })
}

/// What may be said about pods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodSettings {
    /// Resources of a run's steps, which follow each other, or of the server.
    #[serde(default, skip_serializing_if = "Resources::is_empty")]
    pub resources: Resources,
    /// Secrets with credentials of image registries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "image_pull_secrets")]
    pub image_pull_secrets: Vec<LocalObjectReference>,
    /// Labels that a node must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "node_selector")]
    pub node_selector: BTreeMap<String, String>,
    /// Taints of nodes that the pods tolerate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "tolerations")]
    pub tolerations: Vec<Toleration>,
    /// Service account, one of those the operator allows. Default: `default`. Its token is never mounted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "object_name")]
    pub service_account_name: Option<String>,
}

impl PodSettings {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == PodSettings::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resources(yaml: &str) -> Resources {
        serde_saphyr::from_str(yaml).unwrap()
    }

    const DEFAULTS: &[(&str, &str, Option<&str>)] = &[("cpu", "50m", None), ("memory", "32Mi", Some("64Mi"))];

    #[test]
    fn an_amount_may_be_a_whole_number_or_text() {
        let amounts = resources("{limits: {cpu: 2, memory: 1Gi}, requests: {cpu: 500m}}");
        let limits = amounts.limits.to_quantities();
        assert_eq!((limits["cpu"].0.as_str(), limits["memory"].0.as_str()), ("2", "1Gi"));
        assert_eq!(amounts.requests.to_quantities()["cpu"].0, "500m");
    }

    #[test]
    fn no_default_is_taken_of_a_resource_that_the_user_names() {
        let requirements = resources("{limits: {memory: 16Mi}}").with_defaults(DEFAULTS);
        let (requests, limits) = (requirements.requests.unwrap(), requirements.limits.unwrap());
        assert_eq!((requests.get("memory"), limits["memory"].0.as_str()), (None, "16Mi"));
        assert_eq!((requests["cpu"].0.as_str(), limits.get("cpu")), ("50m", None));
    }
}
