//! The objects of a deployment, from what was decided. Pure.

mod deployment;
mod pdb;
mod service;

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::ResourceExt;
use slipway_crds::label;
use slipway_crds::model_deployment::Revision;

pub use deployment::{Built, deployment};
pub use pdb::budget;
pub use service::{service, url};

use super::validate::ValidDeployment;

/// Name of the container that fetches the artefact.
pub const FETCH: &str = "fetch-model";
/// Name of the container that serves.
pub const SERVER: &str = "server";
/// In the place of a revision's name in the Service's selector: no pod has it.
pub const NO_REVISION: &str = "none";

/// `app.kubernetes.io/name` of everything that serves.
const NAME: &str = "slipway-model-server";
/// Annotation of a Deployment: the attempt it was made for.
const ATTEMPT: &str = "slipway.dev/attempt";
/// Annotation of a Deployment: digest of the model it was compared with, empty for none.
const COMPARED_WITH: &str = "slipway.dev/compared-with";
/// Annotation of a Deployment: the user chose the server's image.
const USERS_IMAGE: &str = "slipway.dev/users-image";

/// The attempt that a Deployment was made for.
pub fn attempt_of(deployment: &Deployment) -> Option<Timestamp> {
    deployment.annotations().get(ATTEMPT)?.parse().ok()
}

/// Digest of the model that a Deployment's own is compared with.
pub fn compared_with(deployment: &Deployment) -> Option<&str> {
    deployment.annotations().get(COMPARED_WITH).map(String::as_str).filter(|digest| !digest.is_empty())
}

/// Whether the user chose the image of a Deployment's server.
pub fn has_users_image(deployment: &Deployment) -> bool {
    deployment.annotations().contains_key(USERS_IMAGE)
}

/// What marks an attempt on a Deployment, for a patch.
pub fn attempt_annotation(attempt: Timestamp) -> (&'static str, String) {
    (ATTEMPT, attempt.to_string())
}

/// The Deployment of a revision, for events.
pub fn reference(valid: &ValidDeployment, revision: &Revision) -> ObjectReference {
    ObjectReference {
        api_version: Some("apps/v1".to_owned()),
        kind: Some("Deployment".to_owned()),
        namespace: Some(valid.namespace.clone()),
        name: Some(revision.revision.clone()),
        ..ObjectReference::default()
    }
}

/// Labels that select the pods of one revision.
fn selector(name: &str, revision: &str) -> BTreeMap<String, String> {
    [(label::NAME, NAME), (label::INSTANCE, name), (label::REVISION, revision)]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

/// The selector of one revision's pods as text, for the scale subresource.
pub fn selector_text(name: &str, revision: &str) -> String {
    selector(name, revision).iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

/// Labels of an object of this deployment.
fn labels(valid: &ValidDeployment) -> BTreeMap<String, String> {
    [
        (label::NAME, NAME),
        (label::INSTANCE, valid.name.as_str()),
        (label::COMPONENT, "server"),
        (label::PART_OF, "slipway"),
        (label::MANAGED_BY, label::OPERATOR),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}
