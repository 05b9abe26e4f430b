//! Writes to the API server: none that is not needed, each one safe to repeat.

use std::fmt::{self, Debug};
use std::sync::Arc;

use k8s_openapi::NamespaceResourceScope;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::basis::{Basis, Seen};
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

/// What [`Applier::create`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// The object is new.
    New,
    /// It was there already, of the same owner, and was left alone.
    Existing,
}

/// The writes of one pass of a reconciler under one field manager, such as `slipway-operator/route`. Each of them names
/// what it was decided on, and the API server answers 409, class Conflict, where that is no longer so: the object that the
/// pass works for (see [`Basis`]), and of an object that is changed or deleted its UID and version.
#[derive(Clone, Copy)]
pub struct Applier<'a> {
    basis: &'a Basis,
    manager: &'static str,
}

impl Debug for Applier<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Applier").field("manager", &self.manager).finish_non_exhaustive()
    }
}

impl<'a> Applier<'a> {
    /// Writes as `manager`; managers differ by concern, so that one never takes another's fields.
    pub fn new(basis: &'a Basis, manager: &'static str) -> Applier<'a> {
        Applier { basis, manager }
    }

    /// Makes the object as desired: creates it where there is none, otherwise changes it by server-side apply, with force.
    /// Writes nothing where `live`, from a store, already has every desired field and was made from the same desired
    /// object. The caller calls in the order that is needed: configuration, workloads, route.
    pub async fn apply<K: Kind>(&self, desired: &K, live: Option<&K>) -> Result<(), IoError> {
        let desired = stamped(desired);
        let Some(live) = live else { return self.create(&desired).await.map(|_| ()) };
        let mut patch = json(&desired);
        if contains(&json(live), &patch) {
            return Ok(());
        }
        self.basis.confirm().await?;
        let seen = Seen::of(live);
        expect(&mut patch, &seen);
        let params = PatchParams::apply(self.manager).force();
        let patch = Patch::Apply(&patch);
        let api = self.basis.children::<K>();
        let call = api.patch(&seen.name, &params, &patch);
        within_deadline(|| format!("apply {} {}", K::kind(&()), seen.name), call).await?;
        Ok(())
    }

    /// Creates the object once. One of that name and of the same controlling owner is left alone; one of another owner is
    /// [`IoError::Foreign`].
    pub async fn create<K: Kind>(&self, object: &K) -> Result<Created, IoError> {
        self.basis.confirm().await?;
        let name = object.name_any();
        let params = self.params();
        let api = self.basis.children::<K>();
        match within_deadline(|| format!("create {} {name}", K::kind(&())), api.create(&params, object)).await {
            Ok(_) => Ok(Created::New),
            Err(error) if error.code() == Some(409) => {
                let existing =
                    within_deadline(|| format!("read {} {name}", K::kind(&())), api.get_metadata(&name)).await?;
                if controller(&existing) == controller(object) {
                    Ok(Created::Existing)
                } else {
                    Err(IoError::Foreign { kind: K::kind(&()).into_owned(), name })
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Changes only what `patch` names (JSON merge patch) of exactly this version of an object.
    pub async fn merge<K: Kind>(&self, seen: &Seen, mut patch: Value) -> Result<(), IoError> {
        self.basis.confirm().await?;
        expect(&mut patch, seen);
        let params = PatchParams { field_manager: Some(self.manager.to_owned()), ..PatchParams::default() };
        let patch = Patch::Merge(&patch);
        let api = self.basis.children::<K>();
        let call = api.patch(&seen.name, &params, &patch);
        within_deadline(|| format!("patch {} {}", K::kind(&()), seen.name), call).await?;
        Ok(())
    }

    /// Deletes exactly this version of an object and, in the background, what it owns. One that is gone is fine.
    pub async fn delete<K: Kind>(&self, seen: &Seen) -> Result<(), IoError> {
        self.basis.confirm().await?;
        let params = DeleteParams {
            preconditions: Some(Preconditions { uid: seen.uid.clone(), resource_version: seen.version.clone() }),
            ..DeleteParams::background()
        };
        let api = self.basis.children::<K>();
        match within_deadline(|| format!("delete {} {}", K::kind(&()), seen.name), api.delete(&seen.name, &params))
            .await
        {
            Err(error) if error.code() != Some(404) => Err(error),
            _ => Ok(()),
        }
    }

    /// Deletes those of `owned` whose names are not in `keep`; those on their way out are left to go.
    pub async fn prune<K: Kind>(&self, owned: &[Arc<K>], keep: &[&str]) -> Result<(), IoError> {
        for live in owned {
            let is_going = live.meta().deletion_timestamp.is_some();
            if !is_going && !keep.contains(&live.name_any().as_str()) {
                self.delete::<K>(&Seen::of(live.as_ref())).await?;
            }
        }
        Ok(())
    }

    /// Replaces the status of exactly this version of the object that the pass works for.
    pub async fn replace_status<K: Kind>(&self, object: &K) -> Result<K, IoError> {
        let name = object.name_any();
        let params = self.params();
        let api = self.basis.children::<K>();
        let call = api.replace_status(&name, &params, object);
        let written = within_deadline(|| format!("write status of {} {name}", K::kind(&())), call).await?;
        self.basis.is_confirmed();
        Ok(written)
    }

    fn params(&self) -> PostParams {
        PostParams { field_manager: Some(self.manager.to_owned()), ..PostParams::default() }
    }
}

/// UID of the controlling owner.
fn controller(object: &impl ResourceExt) -> Option<String> {
    object.owner_references().iter().find(|owner| owner.controller == Some(true)).map(|owner| owner.uid.clone())
}

/// Lets `patch` hold for that version of the object alone.
fn expect(patch: &mut Value, seen: &Seen) {
    patch["metadata"]["uid"] = seen.uid.clone().into();
    patch["metadata"]["resourceVersion"] = seen.version.clone().into();
}

fn json<K: Serialize>(object: &K) -> Value {
    serde_json::to_value(object).unwrap_or_default()
}

/// The desired object with the hash of itself in an annotation.
fn stamped<K: Kind>(desired: &K) -> K {
    let hash = Sha256::digest(json(desired).to_string().as_bytes());
    let hash = hash.iter().take(8).fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    let mut desired = desired.clone();
    desired.annotations_mut().insert(APPLIED_ANNOTATION.to_owned(), hash);
    desired
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
mod tests;
