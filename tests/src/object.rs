//! Reading objects as a user does.

use anyhow::{Context, Result};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::DynamicObject;
use serde_json::Value;

/// The condition of that type, if the object has it.
pub fn find_condition(object: &DynamicObject, type_: &str) -> Option<Condition> {
    let conditions = object.data.pointer("/status/conditions")?.as_array()?;
    let found = conditions.iter().find(|condition| condition["type"] == type_)?;
    serde_json::from_value(found.clone()).ok()
}

/// The condition of that type.
pub fn condition(object: &DynamicObject, type_: &str) -> Result<Condition> {
    find_condition(object, type_).with_context(|| format!("no condition {type_} in {:#}", object.data["status"]))
}

/// Whether the object has the condition with that status, for its present generation.
pub fn has_condition(object: &DynamicObject, type_: &str, status: &str) -> bool {
    find_condition(object, type_).is_some_and(|condition| {
        condition.status == status && condition.observed_generation == object.metadata.generation
    })
}

/// The text at a JSON pointer; empty where there is none.
pub fn text<'a>(object: &'a DynamicObject, pointer: &str) -> &'a str {
    object.data.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
