//! Where a scenario acts as users do: objects in, status out.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::api::Api;
use crate::history::History;
use crate::kind::{Kind, MODEL_DEPLOYMENT, TRAINING_RUN};
use crate::play::{address, digest};
use crate::recorder::Feed;

/// Longest wait for one thing that should take seconds: the operator gives up after 15 on an answer that does not come,
/// notices a watch that has died after a minute, and this machine may be busy.
const PATIENCE: Duration = Duration::from_secs(120);

/// A namespace with an operator, a kubelet and a user.
#[derive(Debug)]
pub struct Stage {
    /// The user's client.
    pub api: Api,
    /// The namespace.
    pub namespace: String,
    /// What happens in it.
    pub feed: Arc<Feed>,
}

impl Stage {
    /// A deployment named `orders` that serves exactly that model.
    pub async fn deploy_pinned(&self, model: &str) -> Result<()> {
        self.deploy(json!({"pinned": pinned(model)})).await
    }

    /// A deployment named `orders` that follows the runs of the model `orders`.
    pub async fn deploy_following(&self) -> Result<()> {
        self.deploy(json!({"follow": {"modelName": "orders"}})).await
    }

    async fn deploy(&self, model: Value) -> Result<()> {
        let deployment = json!({
            "apiVersion": MODEL_DEPLOYMENT.version,
            "kind": MODEL_DEPLOYMENT.name,
            "metadata": {"name": "orders"},
            "spec": {
                "model": model,
                "replicas": 2,
                "rollout": {"minReadySeconds": 1, "bakeSeconds": 1, "progressDeadlineSeconds": 90},
            },
        });
        self.api.create(&MODEL_DEPLOYMENT, &self.namespace, &deployment).await.map(drop)
    }

    /// Lets `orders` serve another model.
    pub async fn pin(&self, model: &str) -> Result<()> {
        self.change(&json!({"spec": {"model": {"pinned": pinned(model)}}})).await
    }

    /// Changes `orders`.
    pub async fn change(&self, change: &Value) -> Result<()> {
        self.api.patch(&MODEL_DEPLOYMENT, &self.namespace, "orders", change).await.map(drop)
    }

    /// Trains the model `orders`.
    pub async fn train(&self, run: &str) -> Result<()> {
        let run = json!({
            "apiVersion": TRAINING_RUN.version,
            "kind": TRAINING_RUN.name,
            "metadata": {"name": run},
            "spec": {
                "modelName": "orders",
                "data": {"uri": "s3://rig/data/orders.csv"},
                "target": "hours",
                "train": {"builtin": {"estimator": "DecisionTree"}},
                "gates": [{"metric": "r2", "atLeast": 0.9}],
                "output": {"uri": "s3://rig/models/"},
            },
        });
        self.api.create(&TRAINING_RUN, &self.namespace, &run).await.map(drop)
    }

    /// Deletes an object and what it owns.
    pub async fn delete(&self, kind: &Kind, name: &str) -> Result<()> {
        self.api.delete(kind, &self.namespace, name).await.map(drop)
    }

    /// Waits until `orders` serves that model and is at rest.
    pub async fn served(&self, model: &str) -> Result<()> {
        let digest = digest(model);
        self.until(&MODEL_DEPLOYMENT, "orders", &format!("{model} to be served"), |orders| {
            is_at_rest(orders)
                && has(orders, "TargetServed", "True")
                && has(orders, "Ready", "True")
                && orders["status"]["stable"]["digest"] == *digest
        })
        .await
    }

    /// Waits until `orders` tries that model.
    pub async fn tried(&self, model: &str) -> Result<()> {
        let digest = digest(model);
        self.until(&MODEL_DEPLOYMENT, "orders", &format!("{model} to be tried"), |orders| {
            orders["status"]["candidate"]["digest"] == *digest
        })
        .await
    }

    /// Waits until `orders` has gone back from its target to that model and is at rest.
    pub async fn rolled_back_to(&self, model: &str) -> Result<()> {
        let digest = digest(model);
        self.until(&MODEL_DEPLOYMENT, "orders", &format!("a rollback to {model}"), |orders| {
            is_at_rest(orders)
                && orders["status"]["rollout"]["state"] == "RolledBack"
                && orders["status"]["stable"]["digest"] == *digest
        })
        .await
    }

    /// Waits until a run has ended, well or not, and its Job knows when to go.
    pub async fn finished(&self, run: &str, succeeded: &str) -> Result<()> {
        self.until(&TRAINING_RUN, run, &format!("Succeeded {succeeded}"), |run| has(run, "Succeeded", succeeded))
            .await?;
        self.until(&crate::kind::JOB, run, "its time to live", |job| job["spec"]["ttlSecondsAfterFinished"].is_number())
            .await
    }

    /// Waits until an object is as it should be; the error shows how it is.
    pub async fn until(&self, kind: &Kind, name: &str, what: &str, is_met: impl Fn(&Value) -> bool) -> Result<()> {
        let look = |history: &History| history.object(kind, name).filter(|o| is_met(o)).map(drop);
        let waited = self.feed.until(&format!("{} {name}: {what}", kind.name), PATIENCE, look).await;
        waited.with_context(|| {
            let shown =
                self.feed.read(|history| history.object(kind, name).map(|object| format!("{:#}", object["status"])));
            shown.unwrap_or_else(|| format!("there is no {} {name}", kind.name))
        })
    }

    /// Changes an object that is not the user's, and waits until it `is_whole` again.
    pub async fn mended(
        &self,
        kind: &Kind,
        name: &str,
        change: &Value,
        is_whole: impl Fn(&Value) -> bool,
    ) -> Result<()> {
        let broken = self.api.patch(kind, &self.namespace, name, change).await?;
        let is_mended = |object: &Value| version(object) > version(&broken) && is_whole(object);
        self.until(kind, name, "what was broken to be mended", is_mended).await
    }

    /// Deletes an object that is not the user's, and waits until there is another in its place.
    pub async fn made_again(&self, kind: &Kind, name: &str) -> Result<()> {
        let uid = |object: &Value| object["metadata"]["uid"].clone();
        let before = self.feed.read(|history| history.object(kind, name).map(uid));
        self.delete(kind, name).await?;
        self.until(kind, name, "another one", |object| Some(uid(object)) != before).await
    }

    /// Names of all objects of a kind.
    pub fn names(&self, kind: &Kind) -> Vec<String> {
        let name = |object: &Arc<Value>| object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        self.feed.read(|history| history.all(kind).map(name).collect())
    }

    /// Waits until Kubernetes has done what the operator asked for.
    pub async fn settled(&self) -> Result<()> {
        let look = |history: &History| history.unsettled().is_empty().then_some(());
        let left = || self.feed.read(|history| history.unsettled().join(", "));
        self.feed.until("Kubernetes to settle", PATIENCE, look).await.with_context(left)
    }

    /// Waits until nothing is left of what users and controllers made.
    pub async fn empty(&self) -> Result<()> {
        let look = |history: &History| history.names().is_empty().then_some(());
        let left = || self.feed.read(|history| history.names().join(", "));
        self.feed.until("the end of all objects", PATIENCE, look).await.with_context(left)
    }
}

fn pinned(model: &str) -> Value {
    json!({"uri": address(model), "digest": digest(model)})
}

/// The API server's version of an object.
fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().and_then(|version| version.parse().ok()).unwrap_or_default()
}

/// Whether the condition says so about the present spec.
pub fn has(object: &Value, condition: &str, status: &str) -> bool {
    let mut conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    conditions.any(|found| {
        found["type"] == *condition
            && found["status"] == *status
            && found["observedGeneration"] == object["metadata"]["generation"]
    })
}

/// Whether the operator has nothing more to do about the present spec.
fn is_at_rest(object: &Value) -> bool {
    has(object, "Reconciling", "False")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_about_an_older_spec_says_nothing() {
        let object = |generation: i64| {
            json!({
                "metadata": {"generation": 2},
                "status": {"conditions": [{"type": "Ready", "status": "True", "observedGeneration": generation}]},
            })
        };
        assert!(has(&object(2), "Ready", "True"));
        assert!(!has(&object(2), "Ready", "False"));
        assert!(!has(&object(1), "Ready", "True"));
        assert!(!is_at_rest(&object(2)));
    }
}
