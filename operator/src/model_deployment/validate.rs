//! The object as the later stages need it: parsed, with every default resolved.

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Resource, ResourceExt};
use serde::Serialize;
use sha2::{Digest, Sha256};
use slipway_crds::model_deployment::{
    Follow, InputsPolicy, ModelDeployment, ModelSource, Policy, RolloutSettings, Template,
};
use slipway_spec::{ArtefactRef, Gate, Metric};

use super::error::ValidateError;
use crate::rollout::Settings;

/// A deployment that can be acted on.
#[derive(Clone, Debug)]
pub struct ValidDeployment {
    /// Name; also that of its Service.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// What its children point at.
    pub owner: OwnerReference,
    /// Which model.
    pub source: Source,
    /// Server pods.
    pub replicas: i32,
    /// What the pods are made of, beside the artefact.
    pub template: Template,
    /// What a new model may ask of the old one's callers.
    pub inputs: InputsPolicy,
    /// How a new model takes the place of the old one.
    pub settings: Settings,
}

/// Which model.
#[derive(Clone, Debug)]
pub enum Source {
    /// The runs of a model.
    Followed(Followed),
    /// Exact bytes.
    Pinned(ArtefactRef),
    /// The spec cannot be served, and why: what serves already goes on.
    Invalid(String),
}

/// Which runs are followed.
#[derive(Clone, Debug)]
pub struct Followed {
    /// Their modelName.
    pub model_name: String,
    /// What makes one of them the target.
    pub choice: Choice,
    /// What they must have reached.
    pub require: Vec<Gate>,
}

/// What makes a run the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Being the newest.
    Newest,
    /// Being the best by this metric.
    Best(Metric),
}

/// Parses the object. `allowed_service_accounts`: those that may be named beside `default`.
pub fn validate(
    object: &ModelDeployment,
    allowed_service_accounts: &[String],
) -> Result<ValidDeployment, ValidateError> {
    let spec = &object.spec;
    let source = match service_account_refused(object, allowed_service_accounts) {
        Some(message) => Source::Invalid(message),
        None => source(&spec.model),
    };
    let default_inputs = match &spec.model {
        ModelSource::Follow(_) => InputsPolicy::Compatible,
        ModelSource::Pinned(_) => InputsPolicy::Any,
    };
    Ok(ValidDeployment {
        name: object.name_any(),
        namespace: object.namespace().ok_or(ValidateError::Namespace)?,
        owner: object.controller_owner_ref(&()).ok_or(ValidateError::Uid)?,
        source,
        replicas: spec.replicas.max(1),
        template: Template { server: spec.server.clone(), secret_name: spec.storage.secret_name.clone() },
        inputs: spec.rollout.inputs.unwrap_or(default_inputs),
        settings: settings(&spec.rollout),
    })
}

fn service_account_refused(object: &ModelDeployment, allowed: &[String]) -> Option<String> {
    let name = object.spec.server.pod.service_account_name.as_ref()?;
    if name == "default" || allowed.contains(name) {
        return None;
    }
    let known = allowed.join(", ");
    let write = if known.is_empty() { "leave it out".to_owned() } else { format!("write one of default, {known}") };
    Some(format!(
        "spec.server.serviceAccountName: {name} is not among the service accounts the operator allows; {write}"
    ))
}

fn source(model: &ModelSource) -> Source {
    let follow: &Follow = match model {
        ModelSource::Pinned(artefact) => return Source::Pinned(artefact.clone()),
        ModelSource::Follow(follow) => follow,
    };
    let choice = match (follow.policy, follow.metric.as_deref().map(Metric::parse)) {
        (Policy::NewestPassing, _) => Choice::Newest,
        (Policy::BestPassing, Some(Some(metric))) => Choice::Best(metric),
        (Policy::BestPassing, None | Some(None)) => {
            return Source::Invalid(
                "spec.model.follow.metric: BestPassing compares a metric; write metric: r2, for example".to_owned(),
            );
        }
    };
    Source::Followed(Followed {
        model_name: follow.model_name.clone(),
        choice,
        require: follow.require.iter().map(Gate::from).collect(),
    })
}

fn settings(rollout: &RolloutSettings) -> Settings {
    let seconds = |seconds: i32| SignedDuration::from_secs(i64::from(seconds.max(0)));
    Settings {
        min_ready: seconds(rollout.min_ready_seconds),
        progress_deadline: seconds(rollout.progress_deadline_seconds),
        bake: seconds(rollout.bake_seconds),
        history_limit: usize::try_from(rollout.history_limit).unwrap_or(0),
        while_rolling: rollout.while_rolling,
        paused: rollout.paused,
        retry_token: rollout.retry_token.clone(),
    }
}

impl ValidDeployment {
    /// Name of the Deployment of that artefact under the present template: what the operator itself adds does not count,
    /// so that another version of it restarts nothing.
    pub fn revision_name(&self, artefact: &ArtefactRef) -> String {
        format!("{}-{}", self.name, hash(&(&artefact.uri, &artefact.digest, &self.template)))
    }

    /// Hash of what the spec says about the pods and about inputs: with the digest, what a refusal is remembered by.
    pub fn template_hash(&self) -> String {
        hash(&(&self.template, self.inputs))
    }
}

/// Ten hexadecimal digits.
fn hash(value: &impl Serialize) -> String {
    let text = serde_json::to_string(value).unwrap_or_default();
    let digest = Sha256::digest(text.as_bytes());
    let number = digest.iter().take(5).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    format!("{number:010x}")
}
