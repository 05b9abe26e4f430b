//! What the end of a scenario looks like without what differs from run to run: identities, times, names that Kubernetes
//! made up. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::history::History;
use crate::kind::{BUDGET, DEPLOYMENT, JOB, MODEL_DEPLOYMENT, POD, SERVICE, TRAINING_RUN};

/// Annotation that rivals write.
pub const RIVAL: &str = "rig.slipway.dev/rival";

/// Fields that say which one, when, or how often, but not what.
const PASSING: [&str; 11] = [
    RIVAL,
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "observedGeneration",
    "clusterIP",
    "clusterIPs",
    "controller-uid",
    "batch.kubernetes.io/controller-uid",
    // Made of all the above.
    "slipway.dev/applied",
];

/// The objects of a namespace by kind and name, and how many pods of each owner are in which state.
pub fn normal(history: &History) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for kind in [MODEL_DEPLOYMENT, TRAINING_RUN, DEPLOYMENT, JOB, SERVICE, BUDGET] {
        for object in history.all(&kind) {
            let mut object = object.as_ref().clone();
            if [DEPLOYMENT, JOB, BUDGET].contains(&kind) {
                // Written by Kubernetes, which may still be at it; the pods say the same.
                object["status"] = Value::Null;
            }
            let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
            let (name, namespace) = (text("name"), text("namespace"));
            all.insert(format!("{} {name}", kind.name), timeless(object, &namespace));
        }
    }
    for pod in history.all(&POD) {
        let labels = &pod["metadata"]["labels"];
        let owner =
            ["slipway.dev/revision", "slipway.dev/training-run"].into_iter().find_map(|key| labels[key].as_str());
        let key = format!("Pods of {}", owner.unwrap_or("nobody"));
        let count = all.entry(key).or_insert_with(|| json!({}));
        let state = if is_ready(pod) { "Ready" } else { pod["status"]["phase"].as_str().unwrap_or("Pending") };
        let number = count[state].as_u64().unwrap_or_default();
        count[state] = json!(number + 1);
    }
    all
}

/// Whether a pod is ready.
pub fn is_ready(pod: &Value) -> bool {
    let mut conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    conditions.any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

fn timeless(value: Value, namespace: &str) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(key, _)| !PASSING.contains(&key.as_str()));
            let kept = kept.map(|(key, value)| (key, timeless(value, namespace)));
            Value::Object(kept.filter(|(_, value)| !value.is_null() && *value != json!({})).collect())
        }
        Value::Array(items) => {
            let mut items: Vec<Value> = items.into_iter().map(|item| timeless(item, namespace)).collect();
            // The order of conditions says nothing.
            if items.iter().all(|item| item["type"].is_string()) {
                items.sort_by_key(|item| item["type"].as_str().unwrap_or_default().to_owned());
            }
            Value::Array(items)
        }
        Value::String(text) => Value::String(without_times(&without_uids(&text.replace(namespace, "NAMESPACE")))),
        other => other,
    }
}

/// A text with a word in the place of each UID.
fn without_uids(text: &str) -> String {
    const LENGTH: usize = 36;
    let is_uid = |part: &str| {
        part.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
    };
    let (mut kept, mut rest) = (String::new(), text);
    while let Some(next) = rest.chars().next() {
        if rest.get(..LENGTH).is_some_and(is_uid) {
            kept.push_str("UID");
            rest = &rest[LENGTH..];
        } else {
            kept.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    kept
}

/// A text with a word in the place of each time.
fn without_times(text: &str) -> String {
    let word = |word: &str| if word.parse::<Timestamp>().is_ok() { "TIME".to_owned() } else { word.to_owned() };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// What differs between two ends, a line each.
pub fn differences(expected: &BTreeMap<String, Value>, found: &BTreeMap<String, Value>) -> Vec<String> {
    let mut differences = vec![];
    for (name, value) in expected {
        match found.get(name) {
            None => differences.push(format!("{name} is missing")),
            Some(found) => compare(name, "", value, found, &mut differences),
        }
    }
    differences
        .extend(found.keys().filter(|name| !expected.contains_key(*name)).map(|name| format!("{name} is too many")));
    differences
}

fn compare(name: &str, path: &str, expected: &Value, found: &Value, differences: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(one), Value::Object(other)) => {
            let keys = one.keys().chain(other.keys().filter(|key| !one.contains_key(*key)));
            for key in keys {
                let at = |fields: &Map<String, Value>| fields.get(key).cloned().unwrap_or_default();
                compare(name, &format!("{path}.{key}"), &at(one), &at(other), differences);
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (index, (one, other)) in one.iter().zip(other).enumerate() {
                compare(name, &format!("{path}[{index}]"), one, other, differences);
            }
        }
        (one, other) if one == other => {}
        (one, other) => differences.push(format!("{name}{path} is {other}, undisturbed it is {one}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::What;
    use crate::history::tests::event;

    fn end(version: u64, uid: &str, time: &str, revision: &str) -> BTreeMap<String, Value> {
        let mut history = History::default();
        let metadata = json!({"name": "orders", "namespace": uid, "uid": uid, "resourceVersion": version.to_string()});
        let spec = json!({"clusterIP": version, "selector": {"revision": revision}, "url": format!("http://orders.{uid}.svc")});
        let service = json!({"metadata": metadata, "spec": spec});
        history.push(event(version, What::Added, &SERVICE, "orders", service));
        let message = format!("has to prove itself until {time}");
        let conditions = json!([{"type": "Ready", "message": message, "lastTransitionTime": time}]);
        let orders = json!({"metadata": {"name": "orders", "namespace": uid}, "status": {"conditions": conditions}});
        history.push(event(version + 1, What::Added, &MODEL_DEPLOYMENT, "orders", orders));
        let pod = json!({
            "metadata": {"labels": {"slipway.dev/revision": "orders-1"}},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
        });
        history.push(event(version + 2, What::Added, &POD, uid, pod));
        normal(&history)
    }

    #[test]
    fn runs_that_differ_in_identities_and_times_are_the_same() {
        let one = end(10, "u1", "2026-01-01T00:00:00Z", "a");
        let other = end(20, "u2", "2026-01-02T00:00:00.123Z", "a");
        assert_eq!(differences(&one, &other), Vec::<String>::new());
        assert_eq!(one["Pods of orders-1"], json!({"Ready": 1}));
    }

    #[test]
    fn a_uid_may_stand_anywhere() {
        let text = r#"é {"uid":"2773df9b-947b-47db-b9c1-0123456789ab"} 2773df9b-947b-47db-b9c1"#;
        assert_eq!(without_uids(text), r#"é {"uid":"UID"} 2773df9b-947b-47db-b9c1"#);
    }

    #[test]
    fn what_differs_is_named() {
        let one = end(10, "u1", "2026-01-01T00:00:00Z", "a");
        let mut other = end(20, "u2", "2026-01-02T00:00:00Z", "b");
        other.insert("Job x".to_owned(), json!({}));
        other.remove("Pods of orders-1");
        assert_eq!(
            differences(&one, &other),
            [
                "Pods of orders-1 is missing",
                "Service orders.spec.selector.revision is \"b\", undisturbed it is \"a\"",
                "Job x is too many",
            ]
        );
    }
}
