//! Where a rollout stands: what the operator continues from after any interruption.

use k8s_openapi::jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Server;

/// A model with all that its pods are made of: one Deployment, never changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Revision {
    /// Name of its Deployment: the name of the ModelDeployment, and a hash of artefact and template.
    #[schemars(length(max = 63))]
    pub revision: String,
    /// The model's version: the last part of the artefact's address, of a followed run its UID.
    #[schemars(length(max = 256))]
    pub version: String,
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
    /// What is remembered of that run when it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub followed: Option<Followed>,
    /// Hash of what the spec said about the pods and about inputs when this revision was tried.
    #[schemars(length(max = 32))]
    pub template_hash: String,
    /// What the pods are made of, beside the artefact.
    #[schemars(schema_with = "template_schema")]
    pub template: Template,
}

/// A followed run, as far as later choices need it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Followed {
    /// Its modelName.
    #[schemars(length(max = 52))]
    pub model_name: String,
    /// Its UID.
    #[schemars(length(max = 64))]
    pub uid: String,
    /// When it was created: a deployment that follows the newest run never goes back.
    #[schemars(schema_with = "timestamp")]
    pub created_at: Timestamp,
    /// The metric that BestPassing compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<Score>,
}

/// Value of a metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Score {
    /// The metric.
    #[schemars(length(max = 64))]
    pub metric: String,
    /// Its value.
    pub value: f64,
}

/// What the pods of a revision are made of, beside the artefact: as the spec had it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Template {
    /// The server's pods.
    pub server: Server,
    /// Secret of the storage.
    pub secret_name: String,
}

/// A time, RFC 3339.
pub(super) fn timestamp(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "format": "date-time"})
}

fn template_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "description": "What the pods are made of, beside the artefact: spec.server and spec.storage as they were.",
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": true,
    })
}

/// Where the rollout stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state")]
pub enum Phase {
    /// Nothing is being rolled out.
    #[default]
    Idle,
    /// The candidate's pods fetch the artefact and check its digest and inputs.
    Verifying(Attempt),
    /// The candidate's servers start and have to stay ready.
    Progressing(Attempt),
    /// The candidate has the traffic; the old revision still runs.
    Baking(Bake),
    /// Paused; the clock of what it goes on with stands still.
    Held(Held),
    /// The traffic goes back to the stable revision.
    RollingBack(Rollback),
    /// The stable revision serves, the target was refused.
    RolledBack(Refusal),
    /// The target was refused and there is nothing that serves in its place: a person has to act.
    Stalled(Refusal),
}

/// A phase that a pause can hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state")]
pub enum Active {
    /// See [`Phase::Verifying`].
    Verifying(Attempt),
    /// See [`Phase::Progressing`].
    Progressing(Attempt),
    /// See [`Phase::Baking`].
    Baking(Bake),
}

/// How steadily the pods of a candidate are ready.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Readiness {
    /// Since when all its pods are ready without a break.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "timestamp")]
    pub ready_since: Option<Timestamp>,
    /// The pods that have been ready since then.
    pub ready_pods: i32,
    /// How often some of them became unready without being taken away.
    pub unready_times: i32,
}

/// A candidate that has no traffic yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// The candidate.
    pub candidate: Revision,
    /// When it was begun; names the attempt too.
    #[schemars(schema_with = "timestamp")]
    pub started_at: Timestamp,
    /// When it fails unless it has got the traffic.
    #[schemars(schema_with = "timestamp")]
    pub deadline: Timestamp,
    /// Which attempt of this target it is, from 1 on.
    pub attempt: i32,
    /// How steadily its pods are ready.
    #[serde(flatten)]
    pub readiness: Readiness,
    /// Since when an image cannot be pulled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "timestamp")]
    pub pull_fails_since: Option<Timestamp>,
}

/// A candidate that has the traffic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Bake {
    /// The candidate.
    pub candidate: Revision,
    /// When it got the traffic.
    #[schemars(schema_with = "timestamp")]
    pub since: Timestamp,
    /// When it has proven itself.
    #[schemars(schema_with = "timestamp")]
    pub until: Timestamp,
    /// When it fails unless it has proven itself.
    #[schemars(schema_with = "timestamp")]
    pub deadline: Timestamp,
    /// Which attempt of this target it is, from 1 on.
    pub attempt: i32,
    /// How steadily its pods are ready.
    #[serde(flatten)]
    pub readiness: Readiness,
    /// Whether none of its pods was ready under traffic: it gets none before all have been for minReadySeconds again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub on_probation: bool,
    /// Since when none of its pods is ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "timestamp")]
    pub unready_since: Option<Timestamp>,
}

/// A rollout that is paused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// Since when.
    #[schemars(schema_with = "timestamp")]
    pub held_since: Timestamp,
    /// What it goes on with.
    #[schemars(schema_with = "active_schema")]
    pub resume: Active,
}

/// A candidate that is being taken back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rollback {
    /// The refused revision.
    pub failed: Revision,
    /// Why.
    pub failure: Failure,
    /// When the stable revision must serve at the latest.
    #[schemars(schema_with = "timestamp")]
    pub deadline: Timestamp,
    /// Which attempt of this target it was.
    pub attempt: i32,
}

/// A target that is not served.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// The refused revision.
    pub failed: Revision,
    /// Why.
    pub failure: Failure,
    /// Which attempt of this target it was.
    pub attempt: i32,
    /// When it is tried again, where the model is not to blame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "timestamp")]
    pub retry_at: Option<Timestamp>,
}

/// Why a revision was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// The class of the failure.
    pub reason: FailureReason,
    /// The pod's own words where there are any.
    #[schemars(length(max = 2_048))]
    pub message: String,
    /// When it was seen.
    #[schemars(schema_with = "timestamp")]
    pub at: Timestamp,
}

/// Classes of failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum FailureReason {
    /// The artefact is damaged or not what its digest says: exit code 65.
    ArtefactInvalid,
    /// The artefact does not exist: exit code 66.
    ArtefactNotFound,
    /// The model would break callers of the one that serves now: exit code 67.
    InputsIncompatible,
    /// A container was started wrongly: exit code 64.
    InvalidSpec,
    /// A container failed to start twice.
    CrashLoop,
    /// The server's image cannot be pulled, or its name is none.
    ImagePull,
    /// The servers run but did not become ready, or not all, in time.
    ReadinessProbe,
    /// No room, no quota, no storage, no image of Slipway's own: other systems' trouble. Tried again later.
    Infrastructure,
    /// The candidate failed after it got the traffic.
    PostRolloutRegression,
}

impl FailureReason {
    /// The name in conditions and events.
    pub const fn as_str(self) -> &'static str {
        match self {
            FailureReason::ArtefactInvalid => "ArtefactInvalid",
            FailureReason::ArtefactNotFound => "ArtefactNotFound",
            FailureReason::InputsIncompatible => "InputsIncompatible",
            FailureReason::InvalidSpec => "InvalidSpec",
            FailureReason::CrashLoop => "CrashLoop",
            FailureReason::ImagePull => "ImagePull",
            FailureReason::ReadinessProbe => "ReadinessProbe",
            FailureReason::Infrastructure => "Infrastructure",
            FailureReason::PostRolloutRegression => "PostRolloutRegression",
        }
    }

    /// Whether the model or its template is to blame, so that trying again would fail again.
    pub const fn condemns(self) -> bool {
        !matches!(self, FailureReason::Infrastructure)
    }
}

impl Phase {
    /// Name of the state.
    pub const fn state(&self) -> &'static str {
        match self {
            Phase::Idle => "Idle",
            Phase::Verifying(_) => "Verifying",
            Phase::Progressing(_) => "Progressing",
            Phase::Baking(_) => "Baking",
            Phase::Held(_) => "Held",
            Phase::RollingBack(_) => "RollingBack",
            Phase::RolledBack(_) => "RolledBack",
            Phase::Stalled(_) => "Stalled",
        }
    }

    /// The revision being rolled out.
    pub fn candidate(&self) -> Option<&Revision> {
        match self {
            Phase::Verifying(attempt) | Phase::Progressing(attempt) => Some(&attempt.candidate),
            Phase::Baking(bake) => Some(&bake.candidate),
            Phase::Held(held) => Some(held.resume.candidate()),
            Phase::Idle | Phase::RollingBack(_) | Phase::RolledBack(_) | Phase::Stalled(_) => None,
        }
    }

    /// The revision that was refused.
    pub fn failed(&self) -> Option<&Revision> {
        match self {
            Phase::RollingBack(rollback) => Some(&rollback.failed),
            Phase::RolledBack(refusal) | Phase::Stalled(refusal) => Some(&refusal.failed),
            Phase::Idle | Phase::Verifying(_) | Phase::Progressing(_) | Phase::Baking(_) | Phase::Held(_) => None,
        }
    }
}

impl Active {
    /// The revision being rolled out.
    pub fn candidate(&self) -> &Revision {
        match self {
            Active::Verifying(attempt) | Active::Progressing(attempt) => &attempt.candidate,
            Active::Baking(bake) => &bake.candidate,
        }
    }
}

impl From<Active> for Phase {
    fn from(active: Active) -> Phase {
        match active {
            Active::Verifying(attempt) => Phase::Verifying(attempt),
            Active::Progressing(attempt) => Phase::Progressing(attempt),
            Active::Baking(bake) => Phase::Baking(bake),
        }
    }
}

/// The properties of every variant side by side, as a structural schema needs it.
fn tagged(states: &[&str], variants: &[Schema]) -> Schema {
    let mut properties = Map::new();
    properties
        .insert("state".to_owned(), json!({"description": "Name of the state.", "type": "string", "enum": states}));
    for variant in variants {
        let fields = variant.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
        properties.extend(fields);
    }
    json_schema!({"type": "object", "required": ["state"], "properties": properties})
}

fn active_schema(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = tagged(
        &["Verifying", "Progressing", "Baking"],
        &[Attempt::json_schema(generator), Bake::json_schema(generator)],
    );
    schema.insert("description".to_owned(), "What it goes on with.".into());
    schema
}

impl JsonSchema for Phase {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Phase".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        tagged(
            &["Idle", "Verifying", "Progressing", "Baking", "Held", "RollingBack", "RolledBack", "Stalled"],
            &[
                Attempt::json_schema(generator),
                Bake::json_schema(generator),
                Held::json_schema(generator),
                Rollback::json_schema(generator),
                Refusal::json_schema(generator),
            ],
        )
    }
}
