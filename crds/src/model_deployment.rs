//! The `ModelDeployment` API: which model serves, and how a new one takes its place.
//!
//! The spec says policy or exact bytes; which bytes serve stands in the status alone. [`phase`] holds the part of the
//! status that the rollout continues from after any interruption.

#![expect(clippy::doc_markdown, reason = "kubectl explain shows descriptions as plain text")]

pub mod phase;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;
use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use slipway_spec::schema::{rule, union};
use slipway_spec::{ArtefactRef, EnvVar, Requirement};

use crate::pod::PodSettings;
use crate::training_run::Storage;
pub use phase::{
    Active, Attempt, Bake, Failure, FailureReason, Held, Phase, Readiness, Refusal, Revision, Rollback, Template,
};

/// Serves a model behind the Service of the same name, and replaces it by a newer one without breaking its callers: a
/// model that does not become ready, or does not stay so, is taken back.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "slipway.dev",
    version = "v1alpha1",
    kind = "ModelDeployment",
    plural = "modeldeployments",
    shortname = "mdep",
    category = "ml",
    namespaced,
    status = "ModelDeploymentStatus",
    derive = "PartialEq",
    doc = "Serves a model, replaces it by newer ones and takes bad ones back.",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Stable", type_ = "string", json_path = ".status.stable.version"),
    printcolumn(name = "Candidate", type_ = "string", json_path = ".status.candidate.version"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.rollout.state"),
    printcolumn(name = "URL", type_ = "string", json_path = ".status.url"),
    printcolumn(
        name = "Target-Served",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"TargetServed\")].reason",
        priority = 1
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"TargetServed\")].message",
        priority = 1
    ),
    printcolumn(name = "Digest", type_ = "string", json_path = ".status.stable.digest", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = crate::schema::name_rule()
)]
#[serde(rename_all = "camelCase")]
pub struct ModelDeploymentSpec {
    /// Which model: exactly one of `follow` and `pinned`.
    pub model: ModelSource,
    /// Number of server pods. An autoscaler sets it through the scale subresource.
    #[serde(default = "default_replicas")]
    #[schemars(range(min = 1, max = 1000))]
    pub replicas: i32,
    /// The server's pods.
    #[serde(default)]
    pub server: Server,
    /// How the pods reach object storage.
    #[serde(default)]
    pub storage: Storage,
    /// How a new model takes the place of the old one.
    #[serde(default)]
    pub rollout: RolloutSettings,
}

fn default_replicas() -> i32 {
    2
}

/// Which model serves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ModelSource {
    /// What a policy chooses among the runs of this namespace.
    Follow(Follow),
    /// Exactly these bytes.
    Pinned(ArtefactRef),
}

impl JsonSchema for ModelSource {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ModelSource".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        union(&[
            ("follow", "Serve what the TrainingRuns of this namespace produce.", Follow::json_schema(generator)),
            ("pinned", "Serve exactly these bytes.", ArtefactRef::json_schema(generator)),
        ])
    }
}

/// Follows the runs of a model: those that succeeded and have gates, or all that succeeded where `require` asks for
/// something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = follow_rules()))]
#[serde(rename_all = "camelCase")]
pub struct Follow {
    /// Runs with this modelName.
    #[schemars(schema_with = "slipway_spec::schema::model_name")]
    pub model_name: String,
    /// Which of them.
    #[serde(default)]
    pub policy: Policy,
    /// The metric that BestPassing compares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "slipway_spec::schema::known_metric")]
    pub metric: Option<String>,
    /// What a run must have reached, beside its own gates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub require: Vec<Requirement>,
}

fn follow_rules() -> Value {
    Value::from(vec![
        rule(
            "self.policy != 'BestPassing' || has(self.metric)",
            "BestPassing compares a metric; write metric: r2, for example",
        ),
        rule(
            "self.policy == 'BestPassing' || !has(self.metric)",
            "metric is for policy BestPassing; leave it out, or write policy: BestPassing",
        ),
    ])
}

/// Which of the passing runs is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum Policy {
    /// The one created last.
    #[default]
    NewestPassing,
    /// The best by a metric.
    BestPassing,
}

/// The server's pods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Server {
    /// Image of the server. Default: the one of the operator's own version when the revision was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub image: Option<String>,
    /// Environment variables of the server, as plain values. Its flags have names there too: `SLIPWAY_…`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub env: Vec<EnvVar>,
    /// What may be said about any pod.
    #[serde(flatten)]
    pub pod: PodSettings,
}

/// How a new model takes the place of the old one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = rollout_rules()))]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutSettings {
    /// Whether a model may be served whose inputs differ from those of the model that serves now. Default: Compatible
    /// when following, Any when pinned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inputs: Option<InputsPolicy>,
    /// Seconds that all new pods must have been ready without a break before they get traffic. The first model of a
    /// deployment gets it at once.
    #[schemars(range(min = 0, max = 3_600))]
    pub min_ready_seconds: i32,
    /// Seconds from the start of a rollout to its end at the latest; a new model that has not got traffic by then is
    /// taken back.
    #[schemars(range(min = 5, max = 86_400))]
    pub progress_deadline_seconds: i32,
    /// Seconds that the old model keeps running beside the new one after traffic has moved.
    #[schemars(range(min = 0, max = 86_400))]
    pub bake_seconds: i32,
    /// Number of earlier revisions to keep, scaled to zero.
    #[schemars(range(min = 0, max = 10))]
    pub history_limit: i32,
    /// Holds the rollout where it stands; its clock stops.
    pub paused: bool,
    /// What happens when another model is asked for while one is being rolled out.
    pub while_rolling: WhileRolling,
    /// Any new value tries a refused model again.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub retry_token: String,
}

impl Default for RolloutSettings {
    fn default() -> Self {
        RolloutSettings {
            inputs: None,
            min_ready_seconds: 10,
            progress_deadline_seconds: 120,
            bake_seconds: 60,
            history_limit: 2,
            paused: false,
            while_rolling: WhileRolling::default(),
            retry_token: String::new(),
        }
    }
}

fn rollout_rules() -> Value {
    Value::from(vec![rule(
        "self.progressDeadlineSeconds > self.minReadySeconds",
        "no model could be ready for minReadySeconds within progressDeadlineSeconds; write a larger progressDeadlineSeconds",
    )])
}

/// What happens when another model is asked for while one is being rolled out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum WhileRolling {
    /// The new one takes the place of the candidate at once.
    #[default]
    Supersede,
    /// A followed run waits until the candidate has proven itself or failed, so that frequent training never keeps every
    /// model from being served. What a person writes into the spec does not wait.
    Queue,
}

/// What a new model may ask of the callers of the old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum InputsPolicy {
    /// Nothing new: no new required field, no changed type, no lost category, the same classes.
    Compatible,
    /// Anything.
    Any,
}

/// What serves, and where a rollout stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelDeploymentStatus {
    /// The metadata.generation that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Pods of the revision that gets traffic.
    #[serde(default)]
    pub replicas: i32,
    /// Those that are ready.
    #[serde(default)]
    pub ready_replicas: i32,
    /// Label selector of the pods that get the traffic, for autoscalers.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub selector: String,
    /// Where predictions are answered, within the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub url: Option<String>,
    /// The revision that has proven itself: what a rollback goes back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stable: Option<Stable>,
    /// The revision being rolled out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate: Option<Candidate>,
    /// Where the rollout stands.
    #[serde(default)]
    pub rollout: Phase,
    /// Models that were refused and are not tried again until the server's spec, `rollout.inputs` or
    /// `rollout.retryToken` changes. The latest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub denied: Vec<Denial>,
    /// Earlier revisions, scaled to zero, the latest first. To go back to one of them, write its address and digest into
    /// `model.pinned`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub history: Vec<Earlier>,
    /// The value of `rollout.retryToken` that was acted on.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub last_handled_retry_token: String,
    /// What keeps the operator from making the cluster as this status says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked: Option<Blocked>,
    /// Conditions: Ready, Available, Progressing, TargetServed, SourceResolved, Reconciling and Stalled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::condition::conditions_schema")]
    pub conditions: Vec<Condition>,
}

/// The revision that has proven itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stable {
    /// The revision.
    #[serde(flatten)]
    pub revision: Revision,
    /// Since when.
    #[schemars(schema_with = "phase::timestamp")]
    pub since: Timestamp,
}

/// A revision that served before the present one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Earlier {
    /// Name of its Deployment.
    #[schemars(length(max = 63))]
    pub revision: String,
    /// The artefact's folder.
    #[schemars(length(max = 2_048))]
    pub uri: String,
    /// The artefact's digest.
    #[schemars(length(max = 71))]
    pub digest: String,
    /// The run that made it, where one was followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub training_run: Option<String>,
    /// Until when it was the stable one.
    #[schemars(schema_with = "phase::timestamp")]
    pub until: Timestamp,
}

/// The revision being rolled out, for people; `rollout` has all of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// Name of its Deployment.
    #[schemars(length(max = 63))]
    pub revision: String,
    /// The model's version.
    #[schemars(length(max = 256))]
    pub version: String,
    /// The artefact's digest.
    #[schemars(length(max = 71))]
    pub digest: String,
    /// The run that made it, where one was followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub training_run: Option<String>,
}

impl From<&Revision> for Candidate {
    fn from(revision: &Revision) -> Candidate {
        Candidate {
            revision: revision.revision.clone(),
            version: revision.version.clone(),
            digest: revision.digest.clone(),
            training_run: revision.training_run.clone(),
        }
    }
}

/// A write of the operator that did not come about. It is tried again until it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Blocked {
    /// Why.
    pub reason: BlockedReason,
    /// The API server's words.
    #[schemars(length(max = 1_024))]
    pub message: String,
}

/// Why a write did not come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum BlockedReason {
    /// The operator lacks a right, or a quota is used up.
    Forbidden,
    /// An object of that name belongs to somebody else.
    NameTaken,
    /// The API server calls the object invalid.
    Refused,
    /// The API server answers with errors, or not at all.
    Unavailable,
}

impl BlockedReason {
    /// As in the status.
    pub const fn as_str(self) -> &'static str {
        match self {
            BlockedReason::Forbidden => "Forbidden",
            BlockedReason::NameTaken => "NameTaken",
            BlockedReason::Refused => "Refused",
            BlockedReason::Unavailable => "Unavailable",
        }
    }
}

/// A model that was refused under one template of its pods.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Denial {
    /// The artefact's digest.
    #[schemars(length(max = 71))]
    pub digest: String,
    /// Hash of what the spec said about the pods and about inputs.
    #[schemars(length(max = 32))]
    pub template_hash: String,
    /// Why.
    #[serde(flatten)]
    pub failure: Failure,
}
