//! Schemas that both kinds use and derives cannot express, and how a definition is finished.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::Rule;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Number, Value};

/// The rule for the names of runs and deployments: they become parts of the names of Services and Jobs.
pub fn name_rule() -> Rule {
    Rule::new("self.metadata.name.size() <= 52 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')")
        .message("the name cannot be used; write at most 52 lower-case letters, digits and -, a letter first")
}

/// Name of another object in the namespace.
pub fn object_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string", "minLength": 1, "maxLength": 253,
        "pattern": "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
    })
}

/// The name of a queue: a label has to hold it.
pub fn queue_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string", "minLength": 1, "maxLength": 63,
        "pattern": "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
    })
}

/// A time, as RFC 3339 writes it.
pub fn timestamp(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "format": "date-time"})
}

/// A definition as YAML for `kubectl apply`: keys sorted, descriptions on one line each, no `nullable` (a field is there
/// or it is not; CEL rules need no third case), whole numbers written as such.
pub fn to_yaml(crd: &CustomResourceDefinition) -> Result<String, Box<dyn std::error::Error>> {
    let mut value = serde_json::to_value(crd)?;
    if let Some(versions) = value.pointer_mut("/spec/versions").and_then(Value::as_array_mut) {
        for schema in versions.iter_mut().filter_map(|version| version.pointer_mut("/schema/openAPIV3Schema")) {
            tidy(schema);
        }
    }
    Ok(serde_saphyr::to_string(&value)?)
}

/// Tidies one schema and those in it.
fn tidy(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else { return };
    fields.remove("nullable");
    fields.remove("title");
    for (name, value) in fields.iter_mut() {
        match (name.as_str(), value) {
            ("description", Value::String(text)) => *text = text.split_whitespace().collect::<Vec<_>>().join(" "),
            ("minimum" | "maximum", Value::Number(number)) => {
                if let Some(whole) = number.as_f64().filter(|float| float.fract() == 0.0) {
                    *number = Number::from(whole as i64);
                }
            }
            ("properties", Value::Object(properties)) => properties.values_mut().for_each(tidy),
            ("items" | "additionalProperties", inner) => tidy(inner),
            _ => {}
        }
    }
}
