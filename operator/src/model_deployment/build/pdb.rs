//! The disruption budget: a drained node leaves one pod of the revision that has the traffic.

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{labels, selector};
use crate::model_deployment::validate::ValidDeployment;

/// The budget of `revision`; `None` for a single pod, which a budget would only keep from ever being moved.
pub fn budget(valid: &ValidDeployment, revision: Option<&str>) -> Option<PodDisruptionBudget> {
    let revision = revision.filter(|_| valid.replicas > 1)?;
    Some(PodDisruptionBudget {
        metadata: ObjectMeta {
            name: Some(valid.name.clone()),
            namespace: Some(valid.namespace.clone()),
            labels: Some(labels(valid)),
            owner_references: Some(vec![valid.owner.clone()]),
            ..ObjectMeta::default()
        },
        spec: Some(PodDisruptionBudgetSpec {
            min_available: Some(IntOrString::Int(1)),
            selector: Some(LabelSelector {
                match_labels: Some(selector(&valid.name, revision)),
                ..LabelSelector::default()
            }),
            // A pod that is not ready protects nobody.
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    })
}
