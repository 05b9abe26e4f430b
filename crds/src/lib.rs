//! The API of Slipway: `TrainingRun` and `ModelDeployment`, group `slipway.dev`, version `v1alpha1`.
//!
//! What a run trains and how it is judged are the words of [`slipway_spec`]; here they become Kubernetes objects, with
//! what only a cluster knows: pods, retries, conditions. `crds/yaml` is generated from these types by
//! `slipway-crds-codegen`.

// Most of this documentation is what `kubectl explain` shows, where backticks are in the way.
#![allow(clippy::doc_markdown)]

pub mod cases;
pub mod condition;
pub mod model_deployment;
pub mod pod;
pub mod schema;
pub mod training_run;

/// API group of every kind.
pub const GROUP: &str = "slipway.dev";

/// Labels and annotations on the objects that Slipway makes.
pub mod label {
    /// `app.kubernetes.io/managed-by`; its value is [`OPERATOR`]. The operator watches children by it.
    pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
    /// Value of [`MANAGED_BY`], and the name under which the operator reports.
    pub const OPERATOR: &str = "slipway-operator";
    /// `app.kubernetes.io/name`: what the object is a kind of, such as `slipway-training`.
    pub const NAME: &str = "app.kubernetes.io/name";
    /// `app.kubernetes.io/instance`: the object it belongs to.
    pub const INSTANCE: &str = "app.kubernetes.io/instance";
    /// `app.kubernetes.io/component`: its role, such as `training` or `server`.
    pub const COMPONENT: &str = "app.kubernetes.io/component";
    /// `app.kubernetes.io/part-of`; its value is `slipway`.
    pub const PART_OF: &str = "app.kubernetes.io/part-of";
    /// The model an object is about.
    pub const MODEL: &str = "slipway.dev/model";
    /// The `TrainingRun` an object belongs to.
    pub const TRAINING_RUN: &str = "slipway.dev/training-run";
    /// The revision of a `ModelDeployment` an object belongs to.
    pub const REVISION: &str = "slipway.dev/revision";
    /// Annotation: the revision of the code or configuration behind a `TrainingRun`; goes into the artefact's lineage.
    pub const CODE_REVISION: &str = "slipway.dev/code-revision";
}

/// The API definitions: file name and YAML, as they stand in `crds/yaml`.
pub fn definitions() -> Result<Vec<(String, String)>, Box<dyn std::error::Error>> {
    use kube::CustomResourceExt;
    [training_run::TrainingRun::crd(), model_deployment::ModelDeployment::crd()]
        .iter()
        .map(|crd| Ok((format!("{}.yaml", crd.spec.names.plural), schema::to_yaml(crd)?)))
        .collect()
}
