//! One revision: a Deployment whose template never changes.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment};
use k8s_openapi::api::core::v1::{
    Container, ContainerPort, EmptyDirVolumeSource, EnvVar, HTTPGetAction, PodSpec, PodTemplateSpec, Probe,
    TopologySpreadConstraint, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use slipway_crds::label;
use slipway_crds::model_deployment::{InputsPolicy, Revision, Stable};
use slipway_spec::contract::path;

use super::{ATTEMPT, COMPARED_WITH, FETCH, SERVER, USERS_IMAGE, labels, selector};
use crate::config::Config;
use crate::hardening;
use crate::model_deployment::validate::ValidDeployment;
use crate::rollout::Workload;

/// How long a server goes on answering after it was told to end: kube-proxy takes up to two seconds to notice.
const DRAIN_SECONDS: i64 = 8;
/// How long after that requests under way have to finish.
const FINISH_SECONDS: i64 = 22;
/// What a container gets unless the user says otherwise: name, request, limit.
const RESOURCES: &[(&str, &str, Option<&str>)] = &[("cpu", "20m", None), ("memory", "32Mi", Some("256Mi"))];
/// Largest artefact.
const MODEL_SIZE: &str = "4Gi";
/// Largest scratch space of a container.
const SCRATCH_SIZE: &str = "64Mi";

/// What a Deployment is built from.
#[derive(Clone, Copy, Debug)]
pub struct Built<'a> {
    /// The object it belongs to.
    pub valid: &'a ValidDeployment,
    /// The revision, and how many pods of it.
    pub workload: &'a Workload,
    /// What a candidate is compared with.
    pub stable: Option<&'a Stable>,
    /// Images of Slipway's own.
    pub config: &'a Config,
}

impl Built<'_> {
    /// The revision whose callers a candidate must not break.
    pub fn compared_with(&self) -> Option<&Revision> {
        let is_candidate = self.workload.attempt.is_some() && self.valid.inputs == InputsPolicy::Compatible;
        self.stable.filter(|_| is_candidate).map(|stable| &stable.revision)
    }
}

/// The Deployment of a revision.
pub fn deployment(built: &Built<'_>) -> Deployment {
    let Built { valid, workload, .. } = *built;
    let revision = &workload.revision;
    let selector = selector(&valid.name, &revision.revision);
    let mut labels = labels(valid);
    labels.extend(selector.clone());
    if let Some(followed) = &revision.followed {
        labels.insert(label::MODEL.to_owned(), followed.model_name.clone());
    }
    let mut annotations = artefact_annotations(revision);
    annotations.insert(COMPARED_WITH.to_owned(), built.compared_with().map(|r| r.digest.clone()).unwrap_or_default());
    if let Some(attempt) = workload.attempt {
        annotations.insert(ATTEMPT.to_owned(), attempt.to_string());
    }
    if revision.template.server.image.is_some() {
        annotations.insert(USERS_IMAGE.to_owned(), "true".to_owned());
    }
    Deployment {
        metadata: ObjectMeta {
            name: Some(revision.revision.clone()),
            namespace: Some(valid.namespace.clone()),
            labels: Some(labels.clone()),
            annotations: Some(annotations),
            owner_references: Some(vec![valid.owner.clone()]),
            ..ObjectMeta::default()
        },
        spec: Some(DeploymentSpec {
            replicas: Some(workload.replicas),
            revision_history_limit: Some(0),
            selector: LabelSelector { match_labels: Some(selector.clone()), ..LabelSelector::default() },
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: Some(RollingUpdateDeployment {
                    max_surge: Some(IntOrString::Int(1)),
                    max_unavailable: Some(IntOrString::Int(0)),
                }),
            }),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(labels),
                    annotations: Some(pod_annotations(revision)),
                    ..ObjectMeta::default()
                }),
                spec: Some(pod(built, selector)),
            },
            ..DeploymentSpec::default()
        }),
        status: None,
    }
}

fn artefact_annotations(revision: &Revision) -> BTreeMap<String, String> {
    [("slipway.dev/artefact-uri", &revision.uri), ("slipway.dev/artefact-digest", &revision.digest)]
        .map(|(key, value)| (key.to_owned(), value.clone()))
        .into()
}

fn pod_annotations(revision: &Revision) -> BTreeMap<String, String> {
    let mut annotations = artefact_annotations(revision);
    annotations.insert("kubectl.kubernetes.io/default-container".to_owned(), SERVER.to_owned());
    annotations
}

fn pod(built: &Built<'_>, selector: BTreeMap<String, String>) -> PodSpec {
    let settings = &built.workload.revision.template.server.pod;
    PodSpec {
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        service_account_name: settings.service_account_name.clone(),
        image_pull_secrets: Some(settings.image_pull_secrets.clone()),
        node_selector: Some(settings.node_selector.clone()),
        tolerations: Some(settings.tolerations.clone()),
        termination_grace_period_seconds: Some(DRAIN_SECONDS + FINISH_SECONDS),
        security_context: Some(hardening::pod_security()),
        topology_spread_constraints: Some(vec![TopologySpreadConstraint {
            max_skew: 1,
            topology_key: "kubernetes.io/hostname".to_owned(),
            when_unsatisfiable: "ScheduleAnyway".to_owned(),
            label_selector: Some(LabelSelector { match_labels: Some(selector), ..LabelSelector::default() }),
            ..TopologySpreadConstraint::default()
        }]),
        init_containers: Some(vec![fetch(built)]),
        containers: vec![server(built)],
        volumes: Some(vec![empty_dir("model", MODEL_SIZE), empty_dir("tmp", SCRATCH_SIZE)]),
        ..PodSpec::default()
    }
}

/// Brings the artefact; a wrong digest or a model that would break callers ends it.
fn fetch(built: &Built<'_>) -> Container {
    let revision = &built.workload.revision;
    let mut args = vec![
        "fetch-model".to_owned(),
        format!("--uri={}", revision.uri),
        format!("--digest={}", revision.digest),
        format!("--output={}", path::MODEL),
    ];
    if let Some(stable) = built.compared_with() {
        args.push(format!("--compatible-with={}", stable.uri));
        args.push(format!("--compatible-digest={}", stable.digest));
    }
    let mut variables = vec![home()];
    variables.extend(hardening::storage(&revision.template.secret_name));
    Container {
        name: FETCH.to_owned(),
        image: Some(built.config.store_image.clone()),
        image_pull_policy: Some(built.config.image_pull_policy.as_str().to_owned()),
        args: Some(args),
        env: Some(variables),
        volume_mounts: Some(vec![mount("model", path::MODEL, false), mount("tmp", "/tmp", false)]),
        ..container(built)
    }
}

fn server(built: &Built<'_>) -> Container {
    let server = &built.workload.revision.template.server;
    let port = |name: &str, port| ContainerPort {
        name: Some(name.to_owned()),
        container_port: port,
        ..ContainerPort::default()
    };
    let probe = |path: &str, period_seconds, failure_threshold| Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String("admin".to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period_seconds),
        failure_threshold: Some(failure_threshold),
        timeout_seconds: Some(1),
        ..Probe::default()
    };
    let (image, image_pull_policy) = match &server.image {
        Some(image) => (image.clone(), None),
        None => (built.config.server_image.clone(), Some(built.config.image_pull_policy.as_str().to_owned())),
    };
    let mut variables = vec![home()];
    let users = server.env.iter().map(|variable| EnvVar {
        name: variable.name.clone(),
        value: Some(variable.value.clone()),
        value_from: None,
    });
    variables.extend(users);
    Container {
        name: SERVER.to_owned(),
        image: Some(image),
        image_pull_policy,
        args: Some(vec![
            format!("--model={}", path::MODEL),
            format!("--digest={}", built.workload.revision.digest),
            format!("--drain-seconds={DRAIN_SECONDS}"),
        ]),
        env: Some(variables),
        ports: Some(vec![port("http", 8080), port("admin", 8081)]),
        volume_mounts: Some(vec![mount("model", path::MODEL, true), mount("tmp", "/tmp", false)]),
        // A large model may take minutes to decode; the rollout's own deadline is what limits it.
        startup_probe: Some(probe("/livez", 1, 600)),
        readiness_probe: Some(probe("/readyz", 1, 2)),
        liveness_probe: Some(probe("/livez", 2, 10)),
        ..container(built)
    }
}

/// What both containers have in common.
fn container(built: &Built<'_>) -> Container {
    let settings = &built.workload.revision.template.server.pod;
    Container {
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        resources: Some(settings.resources.with_defaults(RESOURCES)),
        security_context: Some(hardening::container_security()),
        ..Container::default()
    }
}

fn home() -> EnvVar {
    EnvVar { name: "HOME".to_owned(), value: Some("/tmp".to_owned()), value_from: None }
}

fn mount(name: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: Some(read_only),
        ..VolumeMount::default()
    }
}

fn empty_dir(name: &str, size: &str) -> Volume {
    Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource { size_limit: Some(Quantity(size.to_owned())), medium: None }),
        ..Volume::default()
    }
}
