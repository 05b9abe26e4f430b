//! Objects that the API server must accept or refuse: one of each for every CEL rule and bound that a user may meet.
//!
//! They stand in `crds/cases/*.yaml` and are tried on a real API server (`kubectl apply --dry-run=server`), because only
//! that one decides.

use serde::Deserialize;
use serde_json::{Map, Value};

const TRAINING_RUN: &str = include_str!("../cases/training-run.yaml");
const MODEL_DEPLOYMENT: &str = include_str!("../cases/model-deployment.yaml");

/// The cases of one kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    /// An object that is accepted; every case is a change of it.
    base: Value,
    cases: Vec<Row>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    /// Merged into the base: objects field by field, anything else replaces; null takes a field out.
    #[serde(default)]
    change: Value,
    /// An object that must exist before, made of the base in the same way: the case is an update of it.
    before: Option<Value>,
    /// Part of the message of the refusal.
    refused: Option<String>,
}

/// An object and what must become of it.
#[derive(Clone, Debug)]
pub struct Case {
    /// Kind and what the case is about.
    pub name: String,
    /// The object.
    pub object: Value,
    /// What must exist before: the case is an update of it.
    pub before: Option<Value>,
    /// Part of the message of the refusal; `None`: it is accepted.
    pub refused: Option<String>,
}

/// Every case. Objects have a name and no namespace.
pub fn cases() -> Result<Vec<Case>, Box<dyn std::error::Error>> {
    let mut cases = vec![];
    for table in [TRAINING_RUN, MODEL_DEPLOYMENT] {
        let Table { base, cases: rows } = serde_saphyr::from_str(table)?;
        let kind = base["kind"].as_str().unwrap_or_default().to_owned();
        cases.push(Case { name: format!("{kind}: base"), object: base.clone(), before: None, refused: None });
        cases.extend(rows.into_iter().map(|row| Case {
            name: format!("{kind}: {}", row.name),
            object: merged(&base, &row.change),
            before: row.before.map(|before| merged(&base, &before)),
            refused: row.refused,
        }));
    }
    Ok(cases)
}

/// JSON merge patch (RFC 7386).
fn merged(base: &Value, change: &Value) -> Value {
    let Value::Object(change) = change else { return change_or(base, change) };
    let mut fields = base.as_object().cloned().unwrap_or_else(Map::new);
    for (name, value) in change {
        if value.is_null() {
            fields.remove(name);
        } else {
            let merged = merged(fields.get(name).unwrap_or(&Value::Null), value);
            fields.insert(name.clone(), merged);
        }
    }
    Value::Object(fields)
}

fn change_or(base: &Value, change: &Value) -> Value {
    if change.is_null() { base.clone() } else { change.clone() }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::definitions;

    /// Messages of every rule in a schema.
    fn messages(schema: &Value, into: &mut HashSet<String>) {
        match schema {
            Value::Object(fields) => {
                for rule in fields.get("x-kubernetes-validations").and_then(Value::as_array).into_iter().flatten() {
                    into.extend(rule["message"].as_str().map(str::to_owned));
                }
                fields.values().for_each(|field| messages(field, into));
            }
            Value::Array(items) => items.iter().for_each(|item| messages(item, into)),
            _ => {}
        }
    }

    #[test]
    fn every_rule_has_a_case_that_it_refuses() {
        let cases = cases().unwrap();
        let refused: Vec<_> = cases.iter().filter_map(|case| case.refused.as_deref()).collect();
        for (file, yaml) in definitions().unwrap() {
            let mut all = HashSet::new();
            messages(&serde_saphyr::from_str(&yaml).unwrap(), &mut all);
            assert!(!all.is_empty(), "{file} has no rules");
            let without: Vec<_> =
                all.iter().filter(|message| !refused.iter().any(|part| message.contains(part))).collect();
            assert!(without.is_empty(), "{file}: no case is refused by {without:#?}");
        }
    }

    #[test]
    fn what_is_accepted_can_be_read() {
        for case in cases().unwrap().into_iter().filter(|case| case.refused.is_none()) {
            let text = case.object.to_string();
            let read = match case.object["kind"].as_str() {
                Some("TrainingRun") => serde_json::from_str::<crate::training_run::TrainingRun>(&text).err(),
                _ => serde_json::from_str::<crate::model_deployment::ModelDeployment>(&text).err(),
            };
            assert!(read.is_none(), "{}: {read:?}", case.name);
        }
    }

    #[test]
    fn names_of_cases_differ() {
        let cases = cases().unwrap();
        let names: HashSet<_> = cases.iter().map(|case| &case.name).collect();
        assert_eq!(names.len(), cases.len());
    }
}
