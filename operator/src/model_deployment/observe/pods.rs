//! The pods of one revision, summed up.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStateWaiting, ContainerStatus, Pod, PodStatus};
use kube::ResourceExt;
use slipway_crds::label;
use slipway_spec::contract::Exit;

use crate::model_deployment::build::{FETCH, SERVER, has_users_image};
use crate::rollout::{End, Health, Trouble};

/// Waiting reasons of an image that does not come.
const IMAGE_REASONS: [&str; 6] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "ErrImageNeverPull",
    "ImageInspectError",
    "RegistryUnavailable",
    "InvalidImageName",
];
/// Waiting reasons of a container whose turn has not come, or whose last end tells more.
const PATIENT_REASONS: [&str; 4] = ["ContainerCreating", "PodInitializing", "CrashLoopBackOff", "RunContainerError"];

/// What the pods of `deployment` among `pods` are up to. Pods on their way out, and those of an earlier Deployment of the
/// same name, do not count.
pub fn health(deployment: &Deployment, pods: &[Arc<Pod>]) -> Health {
    let name = deployment.name_any();
    let is_users_image = has_users_image(deployment);
    let mut health = Health::default();
    health.troubles.extend(replica_failure(deployment));
    let born = deployment.creation_timestamp();
    for pod in pods {
        let is_gone = pod.metadata.deletion_timestamp.is_some();
        let is_older = pod.creation_timestamp() < born;
        let is_ours = pod.labels().get(label::REVISION).is_some_and(|revision| *revision == name);
        let Some(status) = pod.status.as_ref().filter(|_| is_ours && !is_gone && !is_older) else { continue };
        // An evicted pod is nobody's fault; another takes its place.
        if matches!(status.phase.as_deref(), Some("Failed" | "Succeeded")) {
            continue;
        }
        let made = pod.creation_timestamp().map_or(Timestamp::UNIX_EPOCH, |time| time.0);
        add(&mut health, status, made, is_users_image);
    }
    health.troubles.sort_by_key(|trouble| (rank(trouble), trouble.words().to_owned()));
    health.troubles.dedup();
    health
}

fn add(health: &mut Health, status: &PodStatus, made: Timestamp, is_users_image: bool) {
    health.pods += 1;
    let is_true = |type_: &str| {
        status.conditions.iter().flatten().any(|condition| condition.type_ == type_ && condition.status == "True")
    };
    if is_true("Ready") {
        health.ready += 1;
    }
    let unschedulable =
        status.conditions.iter().flatten().find(|condition| {
            condition.type_ == "PodScheduled" && condition.reason.as_deref() == Some("Unschedulable")
        });
    if let Some(condition) = unschedulable {
        health.troubles.push(Trouble::NoRoom { words: condition.message.clone().unwrap_or_default() });
    }
    if let Some(fetch) = container(status.init_container_statuses.as_deref(), FETCH) {
        health.verified |= fetch.ready;
        add_container(health, fetch, made, false);
    }
    if let Some(server) = container(status.container_statuses.as_deref(), SERVER) {
        add_container(health, server, made, is_users_image);
    }
}

fn container<'a>(statuses: Option<&'a [ContainerStatus]>, name: &str) -> Option<&'a ContainerStatus> {
    statuses?.iter().find(|status| status.name == name)
}

fn add_container(health: &mut Health, status: &ContainerStatus, pod_made: Timestamp, is_users_image: bool) {
    let state = status.state.clone().unwrap_or_default();
    let waiting = state.waiting.as_ref();
    if let Some(trouble) = waiting.and_then(|waiting| waiting_trouble(&status.name, waiting, is_users_image)) {
        health.troubles.push(trouble);
    }
    let last = status.last_state.as_ref().and_then(|last| last.terminated.as_ref());
    let Some(end) = state.terminated.as_ref().or(last).filter(|end| is_failure(&status.name, end)) else { return };
    let words = last_words(&status.name, end);
    // The count rises when the container starts again; until then its last end is not yet in it.
    let times = status.restart_count + i32::from(state.running.is_none());
    if !is_nodes_doing(end) {
        let at = end.finished_at.as_ref().map_or(pod_made, |time| time.0);
        health.ends.push(End { at, pod_made, times, words: words.clone() });
    }
    health.troubles.push(if Exit::NEVER_RETRIED.contains(&end.exit_code) {
        Trouble::Exit { code: end.exit_code, words }
    } else if status.name == FETCH && end.exit_code == i32::from(Exit::Unavailable.code()) {
        Trouble::Storage { words }
    } else {
        Trouble::FailedStart { times, words }
    });
}

/// A container that its node lost sight of: a reboot, or a container runtime that was started anew.
fn is_nodes_doing(end: &ContainerStateTerminated) -> bool {
    matches!(end.reason.as_deref(), Some("ContainerStatusUnknown" | "Unknown"))
}

/// A server has no reason to end; fetching ends well.
fn is_failure(container: &str, end: &ContainerStateTerminated) -> bool {
    container == SERVER || end.exit_code != 0
}

fn waiting_trouble(container: &str, waiting: &ContainerStateWaiting, is_users_image: bool) -> Option<Trouble> {
    let reason = waiting.reason.as_deref()?;
    let message = waiting.message.as_deref().unwrap_or(reason);
    if IMAGE_REASONS.contains(&reason) {
        let is_name_invalid = reason == "InvalidImageName";
        // The kubelet tells of the error and of waiting in turns; what went wrong is the same.
        let message = message.split_once("ErrImagePull: ").map_or(message, |(_, error)| error);
        let words = format!("{container}: {message}");
        return Some(Trouble::Image { is_name_invalid, is_users: is_users_image, words });
    }
    let words = format!("{container}: {reason}: {message}");
    (!PATIENT_REASONS.contains(&reason)).then_some(Trouble::Waiting { words })
}

/// The last line a container left, or how it ended.
fn last_words(container: &str, end: &ContainerStateTerminated) -> String {
    let message = end.message.as_deref().unwrap_or_default();
    if let Some(line) = message.lines().map(str::trim).rfind(|line| !line.is_empty()) {
        return format!("{container}: {line}");
    }
    let reason = end.reason.as_deref().unwrap_or("Error");
    format!("{container}: exit code {} ({reason})", end.exit_code)
}

/// Pods that could not even be created: a quota, or a policy of the cluster.
fn replica_failure(deployment: &Deployment) -> Option<Trouble> {
    let conditions = deployment.status.as_ref()?.conditions.as_ref()?;
    let failure =
        conditions.iter().find(|condition| condition.type_ == "ReplicaFailure" && condition.status == "True")?;
    let message = failure.message.as_deref().unwrap_or_default();
    // The name of the pod that was refused is another one each time.
    let words = message.split_once(" is forbidden: ").map_or(message, |(_, why)| why);
    Some(Trouble::NoRoom { words: words.to_owned() })
}

/// What tells most comes first.
fn rank(trouble: &Trouble) -> u8 {
    match trouble {
        Trouble::Exit { .. } => 0,
        Trouble::FailedStart { times: 2.., .. } => 1,
        Trouble::Image { .. } => 2,
        Trouble::NoRoom { .. } => 3,
        Trouble::Storage { .. } => 4,
        Trouble::FailedStart { .. } => 5,
        Trouble::Waiting { .. } => 6,
    }
}
