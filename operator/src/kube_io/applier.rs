//! Writes to the API server: none that is not needed, each one safe to repeat.

use std::fmt::{self, Debug};
use std::sync::Arc;

use k8s_openapi::NamespaceResourceScope;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::error::{IoError, within_deadline};

/// Annotation with the hash of what was applied last, so that a field taken out of a desired object is noticed too.
const APPLIED_ANNOTATION: &str = "slipway.dev/applied";

/// A namespaced kind that is known at compile time.
pub trait Kind:
    Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned + Send + Sync
{
}

impl<K> Kind for K where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned
        + Send
        + Sync
{
}

/// What [`Applier::apply`] did.
#[derive(Debug)]
pub enum Applied<K> {
    /// The live object already is as desired: nothing was written.
    Unchanged,
    /// The object was created or changed; this is what the server answered.
    Written(K),
}

/// What [`Applier::create`] found.
#[derive(Debug)]
pub enum Created<K> {
    /// The object is new.
    New(K),
    /// An object of that name was there already, and was left alone.
    Existing(K),
}

/// Writes objects of one namespace under one field manager, such as `slipway-operator/route`.
#[derive(Clone)]
pub struct Applier {
    client: Client,
    namespace: String,
    manager: &'static str,
}

impl Debug for Applier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Applier")
            .field("namespace", &self.namespace)
            .field("manager", &self.manager)
            .finish_non_exhaustive()
    }
}

impl Applier {
    /// Writes to `namespace` as `manager`; managers differ by concern, so that one never takes another's fields.
    pub fn new(client: &Client, namespace: &str, manager: &'static str) -> Applier {
        Applier { client: client.clone(), namespace: namespace.to_owned(), manager }
    }

    fn api<K: Kind>(&self) -> Api<K> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Makes the object as desired by server-side apply, with force; writes nothing where `live`, from a store, already
    /// has every desired field and was applied from the same desired object. The caller calls in the order that is
    /// needed: configuration, workloads, route.
    pub async fn apply<K: Kind>(&self, desired: &K, live: Option<&K>) -> Result<Applied<K>, IoError> {
        let name = desired.name_any();
        let desired = stamped(desired);
        if live.is_some_and(|live| contains(&json(live), &desired)) {
            return Ok(Applied::Unchanged);
        }
        let params = PatchParams::apply(self.manager).force();
        let api = self.api::<K>();
        let patch = Patch::Apply(&desired);
        let call = api.patch(&name, &params, &patch);
        within_deadline(|| format!("apply {} {name}", K::kind(&())), call).await.map(Applied::Written)
    }

    /// Creates the object once: one that exists under that name is read and left alone.
    pub async fn create<K: Kind>(&self, object: &K) -> Result<Created<K>, IoError> {
        let name = object.name_any();
        let params = PostParams { field_manager: Some(self.manager.to_owned()), ..PostParams::default() };
        let api = self.api::<K>();
        match within_deadline(|| format!("create {} {name}", K::kind(&())), api.create(&params, object)).await {
            Ok(created) => Ok(Created::New(created)),
            Err(error) if error.code() == Some(409) => {
                within_deadline(|| format!("read {} {name}", K::kind(&())), api.get(&name)).await.map(Created::Existing)
            }
            Err(error) => Err(error),
        }
    }

    /// Asks the API server itself whether the object still is the version that was seen: before a write that an old view
    /// would make wrong, and whose own preconditions do not cover it.
    pub async fn confirm<K: Kind>(&self, seen: &K) -> Result<(), IoError> {
        let name = seen.name_any();
        let api = self.api::<K>();
        let live = within_deadline(|| format!("read {} {name}", K::kind(&())), api.get_opt(&name)).await?;
        if live.is_some_and(|live| live.uid() == seen.uid() && live.resource_version() == seen.resource_version()) {
            Ok(())
        } else {
            Err(IoError::Stale { object: format!("{} {name}", K::kind(&())) })
        }
    }

    /// Changes only what `patch` names (JSON merge patch).
    pub async fn merge<K: Kind>(&self, name: &str, patch: &Value) -> Result<K, IoError> {
        let params = PatchParams { field_manager: Some(self.manager.to_owned()), ..PatchParams::default() };
        let api = self.api::<K>();
        let patch = Patch::Merge(patch);
        within_deadline(|| format!("patch {} {name}", K::kind(&())), api.patch(name, &params, &patch)).await
    }

    /// Deletes exactly this object (by its UID) and, in the background, what it owns. One that is gone is fine.
    pub async fn delete<K: Kind>(&self, live: &K) -> Result<(), IoError> {
        let params = DeleteParams {
            preconditions: Some(Preconditions { uid: live.uid(), resource_version: None }),
            ..DeleteParams::background()
        };
        self.delete_with::<K>(&live.name_any(), &params).await
    }

    /// Deletes the object of that name and, in the background, what it owns. One that is gone is fine.
    pub async fn delete_named<K: Kind>(&self, name: &str) -> Result<(), IoError> {
        self.delete_with::<K>(name, &DeleteParams::background()).await
    }

    async fn delete_with<K: Kind>(&self, name: &str, params: &DeleteParams) -> Result<(), IoError> {
        let api = self.api::<K>();
        match within_deadline(|| format!("delete {} {name}", K::kind(&())), api.delete(name, params)).await {
            Err(error) if error.code() != Some(404) => Err(error),
            _ => Ok(()),
        }
    }

    /// Deletes those of `owned` whose names are not in `keep`; those on their way out are left to go.
    pub async fn prune<K: Kind>(&self, owned: &[Arc<K>], keep: &[&str]) -> Result<(), IoError> {
        for live in owned {
            let is_going = live.meta().deletion_timestamp.is_some();
            if !is_going && !keep.contains(&live.name_any().as_str()) {
                self.delete(live.as_ref()).await?;
            }
        }
        Ok(())
    }

    /// Replaces the status of exactly this version of the object: a write that raced ahead answers 409, class Conflict.
    pub async fn replace_status<K: Kind>(&self, object: &K) -> Result<K, IoError> {
        let name = object.name_any();
        let params = PostParams { field_manager: Some(self.manager.to_owned()), ..PostParams::default() };
        let api = self.api::<K>();
        within_deadline(
            || format!("write status of {} {name}", K::kind(&())),
            api.replace_status(&name, &params, object),
        )
        .await
    }
}

fn json<K: Serialize>(object: &K) -> Value {
    serde_json::to_value(object).unwrap_or_default()
}

/// The desired object with the hash of itself in an annotation.
fn stamped<K: Serialize>(desired: &K) -> Value {
    let mut value = json(desired);
    let hash = Sha256::digest(value.to_string().as_bytes());
    let hash = hash.iter().take(8).fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.entry("annotations").or_insert_with(|| Value::Object(serde_json::Map::new()))[APPLIED_ANNOTATION] =
            Value::String(hash);
    }
    value
}

/// Whether `live` says everything that `desired` says. Defaults that the server added do not matter; entries of lists
/// are matched by `name` or `uid` where they have one.
fn contains(live: &Value, desired: &Value) -> bool {
    match (live, desired) {
        (_, Value::Null) => true,
        (Value::Null, Value::Object(fields)) => fields.values().all(|field| contains(&Value::Null, field)),
        (Value::Null, Value::Array(items)) => items.is_empty(),
        (Value::Object(live), Value::Object(desired)) => {
            desired.iter().all(|(key, value)| contains(live.get(key).unwrap_or(&Value::Null), value))
        }
        (Value::Array(live), Value::Array(desired)) => contains_items(live, desired),
        (Value::String(live), Value::String(desired)) => {
            live == desired || quantity(live).is_some_and(|live| quantity(desired) == Some(live))
        }
        (Value::Number(live), Value::Number(desired)) => live.as_f64() == desired.as_f64(),
        _ => live == desired,
    }
}

fn contains_items(live: &[Value], desired: &[Value]) -> bool {
    for key in ["name", "uid"] {
        if !desired.is_empty() && desired.iter().all(|item| item.get(key).is_some_and(Value::is_string)) {
            return desired
                .iter()
                .all(|wanted| live.iter().any(|item| item.get(key) == wanted.get(key) && contains(item, wanted)));
        }
    }
    live.len() == desired.len() && live.iter().zip(desired).all(|(live, desired)| contains(live, desired))
}

/// A Kubernetes quantity as a number: the server writes `1000m` as `1`.
fn quantity(text: &str) -> Option<f64> {
    let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    let scale = match suffix {
        "" => 1.0,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "Ki" => 1024.0,
        "Mi" => 1024.0 * 1024.0,
        "Gi" => 1024.0 * 1024.0 * 1024.0,
        "Ti" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    number.parse::<f64>().ok().map(|number| number * scale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn defaults_of_the_server_are_no_difference() {
        let desired = json!({"spec": {"selector": {"app": "x"}, "ports": [{"name": "http", "port": 80}]}});
        let live = json!({"spec": {
            "selector": {"app": "x"}, "clusterIP": "10.0.0.1",
            "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
        }});
        assert!(contains(&live, &desired));
    }

    #[test]
    fn a_changed_or_lost_field_is_a_difference() {
        let desired = json!({"selector": {"revision": "b"}, "args": ["a", "b"]});
        assert!(!contains(&json!({"selector": {"revision": "a"}, "args": ["a", "b"]}), &desired));
        assert!(!contains(&json!({"selector": {"revision": "b"}, "args": ["a"]}), &desired));
        assert!(!contains(&json!({"args": ["a", "b"]}), &desired));
    }

    #[test]
    fn a_container_injected_by_others_is_no_difference() {
        let desired = json!({"containers": [{"name": "server", "image": "s:1"}]});
        let live = json!({"containers": [{"name": "proxy", "image": "p"}, {"name": "server", "image": "s:1"}]});
        assert!(contains(&live, &desired));
    }

    #[test]
    fn a_quantity_may_be_written_in_another_unit() {
        assert!(contains(&json!({"cpu": "1", "memory": "1Gi"}), &json!({"cpu": "1000m", "memory": "1024Mi"})));
        assert!(!contains(&json!({"cpu": "2"}), &json!({"cpu": "1000m"})));
    }

    #[test]
    fn empty_means_absent() {
        assert!(contains(&json!({}), &json!({"tolerations": [], "annotations": {}})));
    }

    #[test]
    fn the_stamp_changes_when_a_field_goes() {
        let with = stamped(&json!({"metadata": {"labels": {"a": "1", "b": "2"}}}));
        let without = stamped(&json!({"metadata": {"labels": {"a": "1"}}}));
        assert!(!contains(&with, &without));
        assert!(contains(&with, &with));
    }
}
