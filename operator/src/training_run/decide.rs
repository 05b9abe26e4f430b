//! What to do next: a function of the spec, the status, what was observed, and the time. Pure.

use std::time::Duration;

use jiff::Timestamp;
use slipway_crds::condition::{self, SUCCEEDED};
use slipway_crds::training_run::{TrainingRunStatus, reason};
use slipway_spec::{ArtefactRef, Summary};

use super::facts::{Failure, JobFacts, JobState, Patience, PodState};
use super::validate::{Invalid, ValidRun};
use crate::kube_io::Seen;

/// How long a container may not be startable before the run fails.
pub const BLOCKED_GRACE: Duration = Duration::from_secs(60);
/// How long the news of a pod may come later than that of its Job: they come by different watches.
const NEWS_DELAY: Duration = Duration::from_secs(5);
/// How long a Job may take to end after its run has: longer only where foreign containers keep its pod alive.
const JOB_LINGER: Duration = Duration::from_secs(20);
/// A look from time to time even when nothing seems to happen.
const HEARTBEAT: Duration = Duration::from_secs(300);
/// Seconds that a Job, and with it the logs of its pods, stays after its run has ended, at most.
const JOB_TTL: i32 = 86_400;

/// What was observed about a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// The Job.
    pub job: JobFacts,
    /// The pod of the Job that tells most.
    pub pod: Option<PodState>,
    /// The Job that reads a lost report.
    pub report_job: JobFacts,
    /// Its pod that tells most.
    pub report_pod: Option<PodState>,
    /// Why the Job's next pod could not be created, in the API server's words.
    pub not_created: Option<String>,
    /// The champion, as of now.
    pub champion: Option<ArtefactRef>,
}

impl Observed {
    /// Nothing at all.
    pub const NOTHING: Observed = Observed {
        job: JobFacts::ABSENT,
        pod: None,
        report_job: JobFacts::ABSENT,
        report_pod: None,
        not_created: None,
        champion: None,
    };
}

/// How far a run has come.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// Under way.
    Underway {
        /// A constant of [`reason`].
        reason: &'static str,
        /// For a person.
        message: String,
    },
    /// Judged, one way or the other.
    Judged(Box<Summary>),
    /// Over without a verdict.
    Failed {
        /// A constant of [`reason`].
        reason: &'static str,
        /// For a person.
        message: String,
    },
}

/// A write to the cluster, each safe to repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Make the Job, from the champion in the status.
    CreateJob,
    /// Make the Job that reads a lost report.
    CreateReportJob,
    /// Delete the Job and its pods.
    DeleteJob,
    /// Delete the Job that read a lost report.
    DeleteReportJob,
    /// Delete a pod that failed but is kept alive by other people's containers, so that the Job sees its end.
    DeletePod(Seen),
    /// Hold the Job, or let it go on.
    SuspendJob(bool),
    /// Let the Job be deleted that many seconds after its end.
    SetJobTtl(i32),
    /// Delete the run.
    DeleteRun,
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What the status shall say; `None`: what it says already.
    pub progress: Option<Progress>,
    /// What to write, in this order, after the status.
    pub acts: Vec<Act>,
    /// When to look again if nothing happens; `None`: a change will come.
    pub again: Option<Duration>,
}

impl Plan {
    fn underway(reason: &'static str, message: impl Into<String>) -> Plan {
        Plan {
            progress: Some(Progress::Underway { reason, message: message.into() }),
            acts: vec![],
            again: Some(HEARTBEAT),
        }
    }

    fn failed(reason: &'static str, message: impl Into<String>) -> Plan {
        Plan { progress: Some(Progress::Failed { reason, message: message.into() }), acts: vec![], again: None }
    }

    fn judged(summary: &Summary) -> Plan {
        Plan { progress: Some(Progress::Judged(Box::new(summary.clone()))), acts: vec![], again: None }
    }

    fn unchanged(again: Duration) -> Plan {
        Plan { progress: None, acts: vec![], again: Some(again) }
    }

    fn and(mut self, act: Act) -> Plan {
        self.acts.push(act);
        self
    }

    fn again_in(mut self, again: Duration) -> Plan {
        self.again = Some(self.again.map_or(again, |other| other.min(again)));
        self
    }
}

/// The plan for a run that has not ended.
///
/// A Job that vanishes midway is made again: whatever an earlier attempt has committed, the next one finds.
pub fn decide(
    valid: &Result<ValidRun, Invalid>,
    status: &TrainingRunStatus,
    observed: &Observed,
    now: Timestamp,
) -> Plan {
    let valid = match valid {
        Ok(valid) => valid,
        Err(invalid) => return Plan::failed(reason::INVALID_SPEC, invalid.to_string()),
    };
    if let Some(PodState::Reported(summary)) = &observed.pod {
        return Plan::judged(summary);
    }
    if valid.spec.suspend && matches!(observed.job.state, JobState::Absent | JobState::Active) {
        let held = Plan::underway(reason::SUSPENDED, "held by spec.suspend; set it to false to let it run");
        let is_running = observed.job.state == JobState::Active && !observed.job.is_suspended;
        return if is_running { held.and(Act::SuspendJob(true)) } else { held };
    }
    match &observed.job.state {
        JobState::Absent if status.job.is_none() => {
            Plan::underway(reason::STARTING, "waiting for the pod to start").and(Act::CreateJob)
        }
        JobState::Absent => Plan::unchanged(HEARTBEAT).and(Act::CreateJob),
        JobState::Foreign => Plan::underway(
            reason::NAME_TAKEN,
            format!("the Job {} belongs to another object; delete it, or give this run another name", valid.name),
        )
        .again_in(NEWS_DELAY),
        JobState::Going => Plan::unchanged(NEWS_DELAY),
        JobState::Active => active(valid, status, observed, now),
        JobState::Complete { at } => match &observed.pod {
            Some(PodState::Unreadable) => read_report(observed, now),
            _ if age(*at, now) < NEWS_DELAY => Plan::unchanged(NEWS_DELAY),
            _ => read_report(observed, now),
        },
        JobState::Failed { at, reason, message } => given_up(valid, status, observed, (*at, reason, message), now),
    }
}

fn active(valid: &ValidRun, status: &TrainingRunStatus, observed: &Observed, now: Timestamp) -> Plan {
    if observed.job.is_suspended {
        return match &valid.spec.queue_name {
            Some(queue) => Plan::underway(reason::QUEUED, format!("waiting in the queue {queue}")),
            None => Plan::underway(reason::STARTING, "waiting for the pod to start").and(Act::SuspendJob(false)),
        };
    }
    if let Some(words) = &observed.not_created {
        let reason = if words.contains("exceeded quota") { reason::QUOTA_EXCEEDED } else { reason::POD_NOT_STARTED };
        return steady(status, reason, words);
    }
    match &observed.pod {
        // Between two pods: what was said about the last one holds until the next one says more.
        None if has_begun(status) => Plan::unchanged(HEARTBEAT),
        None | Some(PodState::Pending) => Plan::underway(reason::STARTING, "waiting for the pod to start"),
        Some(PodState::Running(step)) => {
            let (reason, doing) = match step {
                super::facts::Step::Fetch => (reason::FETCHING, "the data is being fetched"),
                super::facts::Step::Train => (reason::TRAINING, "the model is being trained"),
                super::facts::Step::Publish | super::facts::Step::Report => {
                    (reason::PUBLISHING, "the model is being judged and uploaded")
                }
            };
            Plan::underway(reason, doing)
        }
        Some(PodState::Blocked { reason, message, patience }) => blocked(status, reason, message, *patience, now),
        Some(PodState::Failed(failure)) => retrying(valid, observed, failure, now),
        // The Job is about to see it.
        Some(PodState::Unreadable | PodState::Reported(_)) => Plan::unchanged(NEWS_DELAY),
    }
}

/// Reasons that do not speak of a pod.
const BEFORE_A_POD: [&str; 4] = [reason::STARTING, reason::NAME_TAKEN, reason::SUSPENDED, reason::QUEUED];

/// Whether something was said about a pod already.
fn has_begun(status: &TrainingRunStatus) -> bool {
    condition::find(&status.conditions, SUCCEEDED).is_some_and(|said| !BEFORE_A_POD.contains(&said.reason.as_str()))
}

/// Says `words` the first time; the cluster puts the same thing in ever new words.
fn steady(status: &TrainingRunStatus, reason: &'static str, words: &str) -> Plan {
    let is_said = condition::find(&status.conditions, SUCCEEDED).is_some_and(|said| said.reason == reason);
    if is_said { Plan::unchanged(HEARTBEAT) } else { Plan::underway(reason, words) }
}

fn blocked(
    status: &TrainingRunStatus,
    reason: &'static str,
    message: &str,
    patience: Patience,
    now: Timestamp,
) -> Plan {
    match patience {
        Patience::None => Plan::failed(reason, message),
        Patience::Since(since) => match BLOCKED_GRACE.checked_sub(age(since, now)) {
            Some(left) if !left.is_zero() => steady(status, reason, message).again_in(left),
            _ => Plan::failed(reason, message),
        },
        Patience::Deadline => steady(status, reason, message),
    }
}

fn retrying(valid: &ValidRun, observed: &Observed, failure: &Failure, now: Timestamp) -> Plan {
    if failure.is_final {
        return Plan::failed(failure.reason, failure.message.clone());
    }
    let attempt = observed.job.attempts.max(1);
    // After the last attempt the Job says so itself, a moment later.
    let plan = if failure.is_disruption {
        Plan::underway(reason::RETRYING, format!("{}; starting again, this attempt does not count", failure.message))
    } else if attempt > valid.spec.retries {
        Plan::unchanged(NEWS_DELAY)
    } else {
        let message = format!("attempt {attempt} of {} failed: {}", valid.spec.retries + 1, failure.message);
        Plan::underway(reason::RETRYING, message)
    };
    match &failure.kept_alive {
        Some((pod, since)) if age(*since, now) >= NEWS_DELAY => plan.and(Act::DeletePod(pod.clone())),
        Some(_) => plan.again_in(NEWS_DELAY),
        None => plan,
    }
}

fn given_up(
    valid: &ValidRun,
    status: &TrainingRunStatus,
    observed: &Observed,
    (at, job_reason, job_message): (Timestamp, &str, &str),
    now: Timestamp,
) -> Plan {
    if job_reason == "DeadlineExceeded" {
        let before = condition::find(&status.conditions, SUCCEEDED).map(|said| said.message.as_str());
        let before = before.map(|before| format!("; before that: {before}")).unwrap_or_default();
        let seconds = valid.spec.active_deadline_seconds;
        return Plan::failed(reason::DEADLINE_EXCEEDED, format!("not done within {seconds} s{before}"));
    }
    match &observed.pod {
        Some(PodState::Failed(failure)) => {
            let attempts = status.job.as_ref().map_or(0, |job| job.attempts).max(observed.job.attempts);
            let message = if attempts > 1 && !failure.is_final {
                format!("{attempts} attempts failed, the last with {}", failure.message)
            } else {
                failure.message.clone()
            };
            let hint = if failure.reason == reason::STORAGE_UNAVAILABLE {
                format!("; credentials and address come from Secret {}", valid.spec.storage.secret_name)
            } else {
                String::new()
            };
            Plan::failed(failure.reason, message + &hint)
        }
        Some(PodState::Unreadable) => read_report(observed, now),
        _ if age(at, now) < NEWS_DELAY => Plan::unchanged(NEWS_DELAY),
        // The pod is gone, and with it its words: the Job has the exit code.
        _ => match exit_code(job_message) {
            Some(67) => read_report(observed, now),
            Some(code) => Plan::failed(super::facts::reason_of(code), job_message),
            None => Plan::failed(reason::JOB_FAILED, job_message),
        },
    }
}

/// The exit code in a Job's message: `Container publish for pod … failed with exit code 67 matching FailJob rule …`.
fn exit_code(message: &str) -> Option<i32> {
    let (_, rest) = message.split_once("exit code ")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// The Job is done but what it said is lost: a small Job reads it from the store. Training is never repeated for that.
fn read_report(observed: &Observed, now: Timestamp) -> Plan {
    let reading = || Plan::underway(reason::READING_REPORT, "the Job is done; its report is read from the store");
    let lost = |why: &str| Plan::failed(reason::REPORT_LOST, format!("the Job is done, but its report is lost: {why}"));
    if let Some(PodState::Reported(summary)) = &observed.report_pod {
        return Plan::judged(summary);
    }
    match (&observed.report_job.state, &observed.report_pod) {
        (JobState::Absent, _) => reading().and(Act::CreateReportJob),
        (JobState::Foreign, _) => lost("a Job of another object has the name of the one that would read it"),
        (JobState::Going, _) => reading().again_in(NEWS_DELAY),
        (JobState::Active, Some(PodState::Blocked { patience: Patience::Since(since), message, .. }))
            if age(*since, now) >= BLOCKED_GRACE =>
        {
            lost(message)
        }
        (JobState::Active, Some(PodState::Blocked { patience: Patience::None, message, .. })) => lost(message),
        (JobState::Active, _) => reading().again_in(BLOCKED_GRACE),
        (JobState::Complete { at } | JobState::Failed { at, .. }, None) if age(*at, now) < NEWS_DELAY => {
            reading().again_in(NEWS_DELAY)
        }
        (_, Some(PodState::Failed(failure))) => lost(&failure.message),
        (JobState::Failed { message, .. }, _) => lost(message),
        (JobState::Complete { .. }, _) => lost("the step report said nothing that can be read"),
    }
}

/// The plan for a run that has ended: tidy up, and delete it when its time has come. Never a new Job.
pub fn decide_finished(status: &TrainingRunStatus, observed: &Observed, ttl_seconds: i32, now: Timestamp) -> Plan {
    let ended = status.completion_time.as_ref().map_or(now, |time| time.0);
    let ttl = Duration::from_secs(u64::try_from(ttl_seconds).unwrap_or(0));
    let since = age(ended, now);
    let Some(left) = ttl.checked_sub(since).filter(|left| !left.is_zero()) else {
        return Plan { progress: None, acts: vec![Act::DeleteRun], again: None };
    };
    let mut plan = Plan::unchanged(left.min(Duration::from_secs(86_400)));
    match &observed.job.state {
        JobState::Complete { .. } | JobState::Failed { .. } if !observed.job.has_ttl => {
            plan = plan.and(Act::SetJobTtl(JOB_TTL.min(ttl_seconds)));
        }
        JobState::Active if since >= JOB_LINGER || is_blocked(observed) => plan = plan.and(Act::DeleteJob),
        JobState::Active => plan = plan.again_in(JOB_LINGER),
        _ => {}
    }
    if !matches!(observed.report_job.state, JobState::Absent | JobState::Going | JobState::Foreign) {
        plan = plan.and(Act::DeleteReportJob);
    }
    plan
}

/// Whether the Job would go on trying what its run has given up.
fn is_blocked(observed: &Observed) -> bool {
    matches!(observed.pod, Some(PodState::Blocked { .. }))
}

fn age(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests;
