//! From a plan to the status and the events that tell of it. Pure.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use slipway_crds::condition::{self, READY, RECONCILING, STALLED, SUCCEEDED, Says, Status, set_condition};
use slipway_crds::training_run::{
    ArtefactStatus, DataStatus, JobStatus, JudgementStatus, MetricValue, TrainingRun, TrainingRunStatus, reason,
};
use slipway_spec::judge::Short;
use slipway_spec::{Metric, Summary, Verdict};

use super::decide::{Act, Observed, Progress};
use super::facts::PodState;
use crate::kube_io::Note;

/// Most metrics in a status.
const MAX_METRICS: usize = 64;

/// The status after `progress`; of a run that has none, what it was with the facts that are new.
pub fn next(
    run: &TrainingRun,
    progress: Option<&Progress>,
    acts: &[Act],
    observed: &Observed,
    now: Timestamp,
) -> TrainingRunStatus {
    let mut status = run.status.clone().unwrap_or_default();
    let begins = status.job.is_none() && acts.contains(&Act::CreateJob);
    if begins {
        let name = run.metadata.name.clone().unwrap_or_default();
        status.job = Some(JobStatus { name, attempts: 0 });
        status.champion.clone_from(&observed.champion);
    }
    if progress.is_some() {
        status.start_time.get_or_insert(Time(now));
    }
    status.observed_generation = run.metadata.generation;
    match (&observed.pod, progress) {
        (_, Some(Progress::Judged(_))) => status.log_tail.clear(),
        (Some(PodState::Failed(failure)), _) if !failure.log.is_empty() => status.log_tail.clone_from(&failure.log),
        _ => {}
    }
    if let Some(job) = &mut status.job {
        job.attempts = job.attempts.max(observed.job.attempts);
    }
    match progress {
        None => {}
        Some(Progress::Underway { reason, message }) => {
            set_conditions(&mut status, run, Status::Unknown, reason, message, now);
        }
        Some(Progress::Failed { reason, message }) => {
            status.completion_time = Some(Time(now));
            set_conditions(&mut status, run, Status::False, reason, message, now);
        }
        Some(Progress::Judged(summary)) => {
            status.completion_time = Some(Time(now));
            record(&mut status, run, summary);
            let (succeeded, reason, message) = verdict(run, &status, summary);
            set_conditions(&mut status, run, succeeded, reason, &message, now);
        }
    }
    status
}

fn record(status: &mut TrainingRunStatus, run: &TrainingRun, summary: &Summary) {
    status.task = Some(summary.task);
    status.data = Some(DataStatus { uri: summary.data_uri.clone(), digest: summary.data_digest.clone() });
    status.artefact = summary.digest.as_ref().map(|digest| ArtefactStatus {
        uri: summary.uri.clone(),
        digest: digest.clone(),
        size_bytes: summary.size_bytes,
    });
    status.report = Some(summary.report.clone());
    let finite = summary.metrics.iter().filter(|(_, value)| value.is_finite()).take(MAX_METRICS);
    status.metrics = finite.map(|(name, value)| MetricValue { name: name.clone(), value: *value }).collect();
    status.score = score(run, summary);
    status.judgement = Some(JudgementStatus {
        verdict: summary.verdict,
        failed: i32::try_from(summary.failed).unwrap_or(i32::MAX),
        warnings: i32::try_from(summary.warnings).unwrap_or(i32::MAX),
        message: summary.message.clone(),
    });
}

/// The metric of the first gate, otherwise the first one the task is usually judged by.
fn score(run: &TrainingRun, summary: &Summary) -> Option<String> {
    let gated = run.spec.training.gates.first().map(|gate| gate.metric.as_str());
    let usual = Metric::ALL.iter().filter(|metric| metric.task() == summary.task).map(|metric| metric.name());
    let name = gated.into_iter().chain(usual).find(|name| summary.metrics.contains_key(*name))?;
    Some(format!("{name} {}", Short(summary.metrics[name])))
}

fn verdict(run: &TrainingRun, status: &TrainingRunStatus, summary: &Summary) -> (Status, &'static str, String) {
    let score = status.score.as_deref().map(|score| format!(", {score}")).unwrap_or_default();
    match summary.verdict {
        Verdict::Passed => {
            let spec = &run.spec.training;
            let judged = spec.gates.len() + spec.checks.len();
            let warned = match (summary.warnings, &summary.message) {
                (0, _) => String::new(),
                (1, Some(message)) => format!("; a warning: {message}"),
                (count, Some(message)) => format!("; {count} warnings, the first: {message}"),
                (count, None) => format!("; warnings: {count}"),
            };
            if judged == 0 {
                (Status::True, reason::PUBLISHED, format!("published without gates{score}{warned}"))
            } else {
                let passed = if judged == 1 {
                    "its gate passed".to_owned()
                } else {
                    format!("all {judged} gates and checks passed")
                };
                (Status::True, reason::GATES_PASSED, format!("published, {passed}{score}{warned}"))
            }
        }
        Verdict::Refused => {
            let first = summary.message.as_deref().unwrap_or("a gate or a check failed");
            let more = match summary.failed {
                0 | 1 => String::new(),
                failed => format!(" (and {} more)", failed - 1),
            };
            (
                Status::False,
                reason::GATE_FAILED,
                format!("{first}{more}; the model is not published, {} says all", summary.report),
            )
        }
    }
}

fn set_conditions(
    status: &mut TrainingRunStatus,
    run: &TrainingRun,
    succeeded: Status,
    reason: &'static str,
    message: &str,
    now: Timestamp,
) {
    let generation = run.metadata.generation;
    let mut set = |type_, status_is, message: &str| {
        let says = Says { type_, status: status_is, reason, message: message.to_owned() };
        set_condition(&mut status.conditions, says, generation, now);
    };
    let (reconciling, stalled) = (succeeded == Status::Unknown, succeeded == Status::False);
    set(SUCCEEDED, succeeded, message);
    set(READY, succeeded, message);
    set(RECONCILING, reconciling.into(), if reconciling { message } else { "" });
    set(STALLED, stalled.into(), if stalled { message } else { "" });
}

/// The event of a transition: none where the reason is the one before, or is a step that simply follows.
pub fn note(before: Option<&TrainingRunStatus>, progress: &Progress, after: &TrainingRunStatus) -> Option<Note> {
    let said = condition::find(&after.conditions, SUCCEEDED)?;
    let was = before.and_then(|before| condition::find(&before.conditions, SUCCEEDED));
    if was.is_some_and(|was| was.reason == said.reason && was.message == said.message) {
        return None;
    }
    let (reason, warning, action) = match progress {
        Progress::Underway { reason, .. } => match *reason {
            reason::STARTING | reason::FETCHING | reason::TRAINING | reason::PUBLISHING => return None,
            reason::READING_REPORT | reason::SUSPENDED | reason::QUEUED => (*reason, false, "Wait"),
            reason => (reason, true, "Wait"),
        },
        Progress::Judged(summary) => match summary.verdict {
            Verdict::Passed => (reason::GATES_PASSED, false, "Publish"),
            Verdict::Refused => (reason::GATE_FAILED, true, "Refuse"),
        },
        Progress::Failed { reason, .. } => (*reason, true, "GiveUp"),
    };
    Some(Note { warning, reason, action, message: said.message.clone() })
}

#[cfg(test)]
mod tests;
