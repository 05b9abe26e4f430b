//! The Jobs of a run. Pure: the same run makes the same Job.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::{
    Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyOnPodConditionsPattern,
    PodFailurePolicyRule,
};
use k8s_openapi::api::core::v1::{
    Container, EmptyDirVolumeSource, EnvVar, PodSpec, PodTemplateSpec, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use slipway_crds::label;
use slipway_spec::contract::{Exit, env, path};
use slipway_spec::{ArtefactRef, Train};

use super::facts::Step;
use super::validate::ValidRun;
use crate::config::Config;
use crate::hardening;

/// Label by which Kueue knows the Jobs of its queues.
const QUEUE_LABEL: &str = "kueue.x-k8s.io/queue-name";
/// Suffix of the Job that reads a lost report.
pub const REPORT_SUFFIX: &str = "-report";
/// What a step may use where the run does not say: resource, request, limit.
const DEFAULT_RESOURCES: &[(&str, &str, Option<&str>)] = &[("cpu", "100m", None), ("memory", "128Mi", Some("1Gi"))];
/// Volume with the data, what is known of it, and the output.
const WORK: &str = "work";
/// Volume for /tmp, a folder of its own for each step.
const TMP: &str = "tmp";
/// Attempts to read a lost report: with the Job's own backoff, about ten minutes.
const REPORT_RETRIES: i32 = 6;
/// Longest that reading a lost report may take, seconds.
const REPORT_DEADLINE_SECONDS: i64 = 1_800;

/// The Job of a run: fetch, train, publish.
pub fn job(run: &ValidRun, champion: Option<&ArtefactRef>, config: &Config) -> Job {
    let init = vec![store_step(Step::Fetch, run, champion, config), train_step(run, config)];
    let publish = store_step(Step::Publish, run, champion, config);
    let mut pod = pod(run, vec![publish]);
    pod.init_containers = Some(init);
    let spec = JobSpec {
        backoff_limit: Some(run.spec.retries),
        active_deadline_seconds: Some(i64::from(run.spec.active_deadline_seconds)),
        pod_failure_policy: Some(PodFailurePolicy {
            rules: [Step::Fetch, Step::Train, Step::Publish]
                .into_iter()
                .map(never_retried)
                .chain([disruption_is_no_failure()])
                .collect(),
        }),
        // The queue lets it go.
        suspend: run.spec.queue_name.is_some().then_some(true),
        template: template(run, Step::Train, pod),
        ..JobSpec::default()
    };
    let mut metadata = metadata(run, run.name.clone());
    if let Some(queue) = &run.spec.queue_name {
        metadata.labels.get_or_insert_default().insert(QUEUE_LABEL.to_owned(), queue.clone());
    }
    Job { metadata, spec: Some(spec), status: None }
}

/// The Job that reads the report of a run from the store.
pub fn report_job(run: &ValidRun, champion: Option<&ArtefactRef>, config: &Config) -> Job {
    let report = store_step(Step::Report, run, champion, config);
    let spec = JobSpec {
        backoff_limit: Some(REPORT_RETRIES),
        active_deadline_seconds: Some(REPORT_DEADLINE_SECONDS),
        pod_failure_policy: Some(PodFailurePolicy {
            rules: vec![never_retried(Step::Report), disruption_is_no_failure()],
        }),
        template: template(run, Step::Report, pod(run, vec![report])),
        ..JobSpec::default()
    };
    Job { metadata: metadata(run, format!("{}{REPORT_SUFFIX}", run.name)), spec: Some(spec), status: None }
}

fn metadata(run: &ValidRun, name: String) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: Some(run.run.namespace.clone()),
        labels: Some(labels(run)),
        owner_references: Some(vec![run.owner.clone()]),
        ..ObjectMeta::default()
    }
}

fn labels(run: &ValidRun) -> BTreeMap<String, String> {
    [
        (label::MANAGED_BY, label::OPERATOR),
        (label::NAME, "slipway-training"),
        (label::INSTANCE, &run.name),
        (label::COMPONENT, "training"),
        (label::PART_OF, "slipway"),
        (label::MODEL, &run.run.spec.model_name),
        (label::TRAINING_RUN, &run.name),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .collect()
}

fn template(run: &ValidRun, default_container: Step, spec: PodSpec) -> PodTemplateSpec {
    let annotation = ("kubectl.kubernetes.io/default-container".to_owned(), default_container.name().to_owned());
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels(run)),
            annotations: Some(BTreeMap::from([annotation])),
            ..ObjectMeta::default()
        }),
        spec: Some(spec),
    }
}

fn pod(run: &ValidRun, containers: Vec<Container>) -> PodSpec {
    let settings = &run.spec.pod;
    PodSpec {
        containers,
        restart_policy: Some("Never".to_owned()),
        service_account_name: settings.service_account_name.clone(),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        termination_grace_period_seconds: Some(10),
        image_pull_secrets: some(settings.image_pull_secrets.clone()),
        node_selector: (!settings.node_selector.is_empty()).then(|| settings.node_selector.clone()),
        tolerations: some(settings.tolerations.clone()),
        security_context: Some(hardening::pod_security()),
        volumes: Some(vec![volume(WORK, "50Gi"), volume(TMP, "10Gi")]),
        ..PodSpec::default()
    }
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

fn volume(name: &str, limit: &str) -> Volume {
    Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource { medium: None, size_limit: Some(Quantity(limit.to_owned())) }),
        ..Volume::default()
    }
}

/// A step of `slipway-store`: it sees the whole working volume and may have credentials.
fn store_step(step: Step, run: &ValidRun, champion: Option<&ArtefactRef>, config: &Config) -> Container {
    let mut container = base(step, run);
    container.image = Some(config.store_image.clone());
    container.image_pull_policy = Some(config.image_pull_policy.as_str().to_owned());
    container.args = Some(vec![step.name().to_owned()]);
    let run_json = value(env::RUN, &run.run_json(champion));
    let credentials = hardening::storage(&run.spec.storage.secret_name);
    container.env.get_or_insert_default().extend([run_json].into_iter().chain(credentials));
    container.volume_mounts.get_or_insert_default().push(mount(WORK, path::ROOT, None, false));
    container
}

/// The step that trains: no credentials, and of the working volume only what it needs.
fn train_step(run: &ValidRun, config: &Config) -> Container {
    let mut container = base(Step::Train, run);
    match &run.spec.training.train {
        Train::Builtin(_) => {
            container.image = Some(config.trainer_image.clone());
            container.image_pull_policy = Some(config.image_pull_policy.as_str().to_owned());
            container.args = Some(vec!["step".to_owned()]);
        }
        Train::Container(user) => {
            container.image = Some(user.image.clone());
            container.command = some(user.command.clone());
            container.args = some(user.args.clone());
            let variables = user.env.iter().map(|variable| value(&variable.name, &variable.value));
            container.env.get_or_insert_default().extend(variables);
        }
    }
    let inside = |folder: &str| folder.strip_prefix(path::ROOT).map(|path| path.trim_start_matches('/').to_owned());
    container.volume_mounts.get_or_insert_default().extend([
        mount(WORK, path::INPUT, inside(path::INPUT), true),
        mount(WORK, path::RUN, inside(path::RUN), true),
        mount(WORK, path::OUTPUT, inside(path::OUTPUT), false),
    ]);
    container
}

fn base(step: Step, run: &ValidRun) -> Container {
    Container {
        name: step.name().to_owned(),
        env: Some(vec![value("HOME", "/tmp")]),
        resources: Some(run.spec.pod.resources.with_defaults(DEFAULT_RESOURCES)),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        security_context: Some(hardening::container_security()),
        volume_mounts: Some(vec![mount(TMP, "/tmp", Some(step.name().to_owned()), false)]),
        ..Container::default()
    }
}

fn mount(volume: &str, at: &str, sub_path: Option<String>, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: volume.to_owned(),
        mount_path: at.to_owned(),
        sub_path,
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    }
}

/// A variable with exactly this value: Kubernetes would expand `$(NAME)` in it.
fn value(name: &str, value: &str) -> EnvVar {
    EnvVar { name: name.to_owned(), value: Some(value.replace('$', "$$")), value_from: None }
}

/// The exit codes that another attempt cannot change end the Job.
fn never_retried(step: Step) -> PodFailurePolicyRule {
    PodFailurePolicyRule {
        action: "FailJob".to_owned(),
        on_exit_codes: Some(PodFailurePolicyOnExitCodesRequirement {
            container_name: Some(step.name().to_owned()),
            operator: "In".to_owned(),
            values: Exit::NEVER_RETRIED.to_vec(),
        }),
        on_pod_conditions: None,
    }
}

/// An evicted or preempted pod is replaced, and no attempt is counted.
fn disruption_is_no_failure() -> PodFailurePolicyRule {
    let pattern = PodFailurePolicyOnPodConditionsPattern {
        type_: "DisruptionTarget".to_owned(),
        status: Some("True".to_owned()),
    };
    PodFailurePolicyRule { action: "Ignore".to_owned(), on_exit_codes: None, on_pod_conditions: Some(vec![pattern]) }
}

#[cfg(test)]
mod tests;
