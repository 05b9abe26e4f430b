//! What Jobs and pods say, in the words of a run. Pure.

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ContainerState, ContainerStateTerminated, ContainerStatus, Pod};
use kube::ResourceExt;
use slipway_crds::condition::cut;
use slipway_crds::training_run::reason;
use slipway_spec::{Summary, Verdict};

use crate::kube_io::Seen;

/// Most lines of a failed step's log in the status, and the longest, bytes.
const LOG_LINES: usize = 10;
const LOG_LINE_BYTES: usize = 250;

/// A container of a run's pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Brings the data.
    Fetch,
    /// Trains.
    Train,
    /// Judges and uploads.
    Publish,
    /// Reads a report that got lost, in a pod of its own.
    Report,
}

impl Step {
    /// In the order in which they run.
    const ALL: [Step; 4] = [Step::Fetch, Step::Train, Step::Publish, Step::Report];

    /// Name of the container.
    pub const fn name(self) -> &'static str {
        match self {
            Step::Fetch => "fetch",
            Step::Train => "train",
            Step::Publish => "publish",
            Step::Report => "report",
        }
    }

    /// Whether it ends with a [`Summary`] in its termination message.
    const fn reports(self) -> bool {
        matches!(self, Step::Publish | Step::Report)
    }
}

/// State of a Job.
#[derive(Clone, Debug, PartialEq)]
pub enum JobState {
    /// There is none.
    Absent,
    /// There is one of that name, but not of this run.
    Foreign,
    /// It is being deleted.
    Going,
    /// It has not ended.
    Active,
    /// All done, or about to be called so.
    Complete {
        /// Since when.
        at: Timestamp,
    },
    /// Given up, though its pods may still be stopping.
    Failed {
        /// Since when.
        at: Timestamp,
        /// The Job's reason, such as `DeadlineExceeded`.
        reason: String,
        /// The Job's message.
        message: String,
    },
}

/// A Job.
#[derive(Clone, Debug, PartialEq)]
pub struct JobFacts {
    /// Its state.
    pub state: JobState,
    /// Attempts begun.
    pub attempts: i32,
    /// Whether it is held: by the run's spec or by a queue.
    pub is_suspended: bool,
    /// Whether it will be deleted by its own clock.
    pub has_ttl: bool,
    /// Which Job this is, where there is one.
    pub seen: Option<Seen>,
}

impl JobFacts {
    /// No Job.
    pub const ABSENT: JobFacts =
        JobFacts { state: JobState::Absent, attempts: 0, is_suspended: false, has_ttl: false, seen: None };
}

/// How long to wait before a blocked pod fails its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// It cannot get better.
    None,
    /// A while, counted from then.
    Since(Timestamp),
    /// Until the run's deadline: room may come, or the image be pushed.
    Deadline,
}

/// State of the pod that tells most.
#[derive(Clone, Debug, PartialEq)]
pub enum PodState {
    /// Nothing runs yet, and nothing is wrong.
    Pending,
    /// Something keeps it from running.
    Blocked {
        /// A constant of [`reason`].
        reason: &'static str,
        /// The pod's own words.
        message: String,
        /// How long to bear it.
        patience: Patience,
    },
    /// A step runs.
    Running(Step),
    /// It has ended badly.
    Failed(Failure),
    /// It has said what became of the run.
    Reported(Box<Summary>),
    /// It came to its end, but what it said is lost or cut.
    Unreadable,
}

/// How an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// A constant of [`reason`].
    pub reason: &'static str,
    /// The step's last line.
    pub message: String,
    /// The step's last lines.
    pub log: Vec<String>,
    /// Trying again is pointless, and the Job will not.
    pub is_final: bool,
    /// The cluster took the pod away: no attempt is counted.
    pub is_disruption: bool,
    /// The pod, and since when, where other containers keep the failed pod running.
    pub kept_alive: Option<(Seen, Timestamp)>,
}

/// What a Job says about itself; `uid` is the run's.
pub fn job(job: Option<&Job>, uid: &str) -> JobFacts {
    let Some(job) = job else { return JobFacts::ABSENT };
    let is_ours = job.owner_references().iter().any(|owner| owner.uid == uid && owner.controller == Some(true));
    let status = job.status.as_ref();
    let condition = |type_: &str| {
        let conditions = status.and_then(|status| status.conditions.as_deref()).unwrap_or_default();
        conditions.iter().find(|condition| condition.type_ == type_ && condition.status == "True").cloned()
    };
    let at = |time: Option<Timestamp>| time.unwrap_or(Timestamp::UNIX_EPOCH);
    let state = if !is_ours {
        JobState::Foreign
    } else if job.metadata.deletion_timestamp.is_some() {
        JobState::Going
    } else if let Some(complete) = condition("SuccessCriteriaMet").or_else(|| condition("Complete")) {
        JobState::Complete { at: at(complete.last_transition_time.map(|time| time.0)) }
    } else if let Some(failed) = condition("FailureTarget").or_else(|| condition("Failed")) {
        JobState::Failed {
            at: at(failed.last_transition_time.map(|time| time.0)),
            reason: failed.reason.unwrap_or_default(),
            message: failed.message.unwrap_or_default(),
        }
    } else {
        JobState::Active
    };
    let count = |count: fn(&k8s_openapi::api::batch::v1::JobStatus) -> Option<i32>| status.and_then(count).unwrap_or(0);
    JobFacts {
        state,
        attempts: count(|s| s.active) + count(|s| s.failed) + count(|s| s.succeeded),
        is_suspended: job.spec.as_ref().is_some_and(|spec| spec.suspend == Some(true)),
        has_ttl: job.spec.as_ref().is_some_and(|spec| spec.ttl_seconds_after_finished.is_some()),
        seen: Some(Seen::of(job)),
    }
}

/// Of the pods of one Job, what the one that tells most says: one that has reported, otherwise the youngest.
pub fn pods<'a>(pods: impl IntoIterator<Item = &'a Pod>) -> Option<PodState> {
    let mut pods: Vec<&Pod> = pods.into_iter().collect();
    pods.sort_by_key(|pod| (pod.creation_timestamp().map(|time| time.0), pod.name_any()));
    let mut states = pods.into_iter().map(pod).rev();
    let youngest = states.next()?;
    if matches!(youngest, PodState::Reported(_)) {
        return Some(youngest);
    }
    Some(states.find(|state| matches!(state, PodState::Reported(_))).unwrap_or(youngest))
}

/// Containers of other people's making are not looked at.
fn steps(pod: &Pod) -> Vec<(Step, &ContainerStatus)> {
    let Some(status) = &pod.status else { return vec![] };
    let all = status.init_container_statuses.iter().flatten().chain(status.container_statuses.iter().flatten());
    let statuses: Vec<_> = all.collect();
    let of = |step: Step| statuses.iter().find(|status| status.name == step.name()).map(|status| (step, *status));
    Step::ALL.into_iter().filter_map(of).collect()
}

fn pod(pod: &Pod) -> PodState {
    if let Some(disrupted) = disrupted(pod) {
        return disrupted;
    }
    let steps = steps(pod);
    let terminated = |status: &ContainerStatus| state(status).and_then(|state| state.terminated.clone());
    for (step, status) in &steps {
        if let Some(end) = terminated(status)
            && let Some(outcome) = ended(pod, *step, status, &end)
        {
            return outcome;
        }
    }
    if let Some(failed) = failed_as_a_whole(pod) {
        return failed;
    }
    if let Some((step, _)) = steps.iter().rev().find(|(_, status)| state(status).is_some_and(|s| s.running.is_some())) {
        return PodState::Running(*step);
    }
    let last_end = steps.iter().filter_map(|(_, status)| terminated(status)?.finished_at).map(|time| time.0).max();
    let started = pod.status.as_ref().and_then(|status| status.start_time.as_ref()).map(|time| time.0);
    let created = pod.creation_timestamp().map(|time| time.0);
    let since = last_end.or(started).or(created).unwrap_or(Timestamp::UNIX_EPOCH);
    if let Some(blocked) = steps.iter().find_map(|(step, status)| blocked(*step, status, since)) {
        return blocked;
    }
    if let Some(message) = unschedulable(pod) {
        return PodState::Blocked { reason: reason::UNSCHEDULABLE, message, patience: Patience::Deadline };
    }
    // Between two steps: the one that ended last is named until the next one runs.
    match steps.iter().rev().find(|(_, status)| terminated(status).is_some()) {
        Some((step, _)) => PodState::Running(*step),
        None => PodState::Pending,
    }
}

fn state(status: &ContainerStatus) -> Option<&ContainerState> {
    status.state.as_ref()
}

/// What the end of a step means; `None` where the next step simply follows.
fn ended(pod: &Pod, step: Step, status: &ContainerStatus, end: &ContainerStateTerminated) -> Option<PodState> {
    let message = end.message.as_deref().unwrap_or_default();
    if step.reports() && matches!(end.exit_code, 0 | 67) {
        return Some(summary(message).map_or(PodState::Unreadable, |summary| PodState::Reported(Box::new(summary))));
    }
    if end.exit_code == 0 {
        return None;
    }
    let is_oom = end.reason.as_deref() == Some("OOMKilled");
    let reason = if is_oom { reason::OOM_KILLED } else { reason_of(end.exit_code) };
    let log = last_lines(message);
    let message = match (is_oom, log.last()) {
        (true, said) => {
            let limit = memory_limit(status).map(|limit| format!(" of {limit}")).unwrap_or_default();
            let said = said.map(|line| format!("; before that it said: {line}")).unwrap_or_default();
            format!(
                "{}: used all the memory of its limit{limit} and was killed; write a larger \
                 pod.resources.limits.memory{said}",
                step.name()
            )
        }
        (false, Some(line)) => format!("{}: {line}", step.name()),
        (false, None) => format!("{}: ended with exit code {} and no words", step.name(), end.exit_code),
    };
    let is_running = pod.status.as_ref().is_some_and(|status| status.phase.as_deref() == Some("Running"));
    let kept_alive =
        is_running.then(|| (Seen::of(pod), end.finished_at.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0)));
    let is_final = !is_oom && step != Step::Report && (64..=67).contains(&end.exit_code);
    Some(PodState::Failed(Failure { reason, message, log, is_final, is_disruption: false, kept_alive }))
}

/// The reason for an exit code of our programs, or of a user's that follows the same convention.
pub fn reason_of(exit_code: i32) -> &'static str {
    match exit_code {
        64 => reason::INVALID_SPEC,
        65 => reason::BAD_DATA,
        66 => reason::DATA_NOT_FOUND,
        69 => reason::STORAGE_UNAVAILABLE,
        _ => reason::JOB_FAILED,
    }
}

/// The report in a termination message. One that contradicts itself is none.
fn summary(message: &str) -> Option<Summary> {
    let line = message.lines().rev().find(|line| line.trim_start().starts_with('{'))?;
    let summary: Summary = serde_json::from_str(line.trim()).ok()?;
    let is_published = summary.digest.is_some();
    (is_published == (summary.verdict == Verdict::Passed)).then_some(summary)
}

/// The last lines that say something, the latest last.
fn last_lines(message: &str) -> Vec<String> {
    let lines = message.lines().rev().map(str::trim_end).filter(|line| !line.trim().is_empty());
    let mut lines: Vec<_> = lines.take(LOG_LINES).map(|line| cut(line.to_owned(), LOG_LINE_BYTES)).collect();
    lines.reverse();
    lines
}

fn memory_limit(status: &ContainerStatus) -> Option<&str> {
    let limits = status.resources.as_ref()?.limits.as_ref()?;
    limits.get("memory").map(|limit| limit.0.as_str())
}

/// A pod that the cluster took away: evicted, preempted, its node drained. Its steps were stopped, they did not fail.
fn disrupted(pod: &Pod) -> Option<PodState> {
    let conditions = pod.status.as_ref()?.conditions.as_deref()?;
    let target =
        conditions.iter().find(|condition| condition.type_ == "DisruptionTarget" && condition.status == "True")?;
    let words = target.message.as_deref().or(target.reason.as_deref()).unwrap_or("no reason given");
    Some(failed(format!("the cluster stopped the pod: {words}"), true))
}

/// A pod that failed without any step saying why: evicted, its node lost, or stopped before it began.
fn failed_as_a_whole(pod: &Pod) -> Option<PodState> {
    let status = pod.status.as_ref().filter(|status| status.phase.as_deref() == Some("Failed"))?;
    let words = [status.reason.as_deref(), status.message.as_deref()];
    let words: Vec<_> = words.into_iter().flatten().filter(|text| !text.is_empty()).collect();
    let message = if words.is_empty() { "the pod failed without a reason".to_owned() } else { words.join(": ") };
    Some(failed(message, false))
}

fn failed(message: String, is_disruption: bool) -> PodState {
    let reason = reason::JOB_FAILED;
    PodState::Failed(Failure { reason, message, log: vec![], is_final: false, is_disruption, kept_alive: None })
}

fn blocked(step: Step, status: &ContainerStatus, since: Timestamp) -> Option<PodState> {
    let waiting = state(status)?.waiting.as_ref()?;
    let word = waiting.reason.as_deref()?;
    let reason = match word {
        "ErrImagePull"
        | "ImagePullBackOff"
        | "InvalidImageName"
        | "ErrImageNeverPull"
        | "ImageInspectError"
        | "RegistryUnavailable"
        | "SignatureValidationFailed" => reason::IMAGE_PULL,
        "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => reason::POD_NOT_STARTED,
        _ => return None,
    };
    let patience = match (word, reason) {
        ("InvalidImageName", _) => Patience::None,
        (_, reason::IMAGE_PULL) => Patience::Deadline,
        _ => Patience::Since(since),
    };
    let detail = waiting.message.as_deref().filter(|text| !text.is_empty()).map(|text| format!(": {text}"));
    let message = format!("{}: {word}: image {}{}", step.name(), status.image, detail.unwrap_or_default());
    Some(PodState::Blocked { reason, message, patience })
}

fn unschedulable(pod: &Pod) -> Option<String> {
    let conditions = pod.status.as_ref()?.conditions.as_deref()?;
    let scheduled = conditions.iter().find(|condition| condition.type_ == "PodScheduled")?;
    (scheduled.status == "False" && scheduled.reason.as_deref() == Some("Unschedulable"))
        .then(|| scheduled.message.clone().unwrap_or_else(|| "no node has room".to_owned()))
}

#[cfg(test)]
mod tests;
