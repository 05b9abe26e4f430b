//! The `TrainingRun` controller: one Job, one verdict, never twice.
//!
//! The status is written before what it announces is done, so a crash at any point leaves either the old or the new
//! intent, and doing it again does no harm: the Job's name is fixed, and what an attempt has committed the next one finds.

pub mod build;
pub mod decide;
mod error;
pub mod facts;
#[cfg(test)]
mod fixture;
pub mod observe;
pub mod status;
pub mod validate;

use std::sync::Arc;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::runtime::controller::Action;
use serde_json::json;
use slipway_crds::training_run::{TrainingRun, TrainingRunStatus, reason};

use self::decide::{Act, Plan, Progress};
pub use self::error::Error;
use self::observe::Stores;
pub use self::observe::Watches;
use self::validate::{Invalid, ValidRun, validate};
use crate::kube_io::{Applier, Class, Classified, Context, Created, IoError, Note, Queue, Reconcile};

/// Field manager of Jobs.
const JOBS: &str = "slipway-operator/workload";
/// Field manager of the status.
const STATUS: &str = "slipway-operator/status";

/// Reconciles `TrainingRuns`.
pub struct TrainingRuns {
    stores: Stores,
}

impl TrainingRuns {
    /// Subscribes `queue` to the watches and reads from their stores; the caller runs them and waits until they are
    /// complete.
    pub fn new(queue: &Queue<TrainingRun>, watches: Watches<'_>) -> TrainingRuns {
        TrainingRuns { stores: Stores::subscribe(queue, watches) }
    }
}

impl Reconcile for TrainingRuns {
    type Object = TrainingRun;
    type Error = Error;

    const NAME: &'static str = "training-run";

    async fn reconcile(&self, run: Arc<TrainingRun>, context: &Context) -> Result<Action, Error> {
        if run.metadata.deletion_timestamp.is_some() {
            return Ok(Action::await_change());
        }
        let now = context.clock.now();
        let valid = validate(&run, &context.config);
        let champion = valid.as_ref().ok().and_then(|valid| valid.champion.as_ref());
        let observed = self.stores.observe(&run, champion);
        let before = run.status.clone().unwrap_or_default();
        let plan = if run.is_finished() {
            decide::decide_finished(&before, &observed, run.spec.ttl_seconds_after_finished, now)
        } else {
            decide::decide(&valid, &before, &observed, now)
        };
        let after = status::next(&run, plan.progress.as_ref(), &plan.acts, &observed, now);
        let run = persist(&run, after, plan.progress.as_ref(), context).await?;
        Box::pin(act(&run, &valid, &plan, context)).await?;
        Ok(plan.again.map_or_else(Action::await_change, Action::requeue))
    }
}

/// Writes the status where it differs, and tells of what it says.
async fn persist(
    run: &Arc<TrainingRun>,
    after: TrainingRunStatus,
    progress: Option<&Progress>,
    context: &Context,
) -> Result<Arc<TrainingRun>, IoError> {
    if run.status.as_ref() == Some(&after) {
        return Ok(run.clone());
    }
    let note = progress.and_then(|progress| status::note(run.status.as_ref(), progress, &after));
    let mut desired = run.as_ref().clone();
    desired.status = Some(after);
    let written = applier(run, context, STATUS).replace_status(&desired).await?;
    let said = written.status.as_ref().and_then(|status| status.conditions.first());
    tracing::info!(
        run = %run.name_any(),
        namespace = run.namespace().unwrap_or_default(),
        state = said.map_or("", |said| &said.status),
        reason = said.map_or("", |said| &said.reason),
        said = said.map_or("", |said| &said.message),
        "training run"
    );
    if written.is_finished() && !run.is_finished() {
        let reason = note.as_ref().map_or(reason::JOB_FAILED, |note| note.reason);
        context.metrics.training_run_finished(reason);
    }
    if let Some(note) = note {
        context.event(&written, note).await;
    }
    Ok(Arc::new(written))
}

async fn act(
    run: &Arc<TrainingRun>,
    valid: &Result<ValidRun, Invalid>,
    plan: &Plan,
    context: &Context,
) -> Result<(), IoError> {
    let jobs = applier(run, context, JOBS);
    let name = run.name_any();
    for act in &plan.acts {
        match (act, valid) {
            (Act::CreateJob, Ok(valid)) => {
                // The status was just written, or else an old view of a run that has ended must not train it again.
                if plan.progress.is_none() {
                    jobs.confirm(run.as_ref()).await?;
                }
                let champion = run.status.as_ref().and_then(|status| status.champion.as_ref());
                create(run, &build::job(valid, champion, &context.config), &jobs, context).await?;
            }
            (Act::CreateReportJob, Ok(valid)) => {
                let champion = run.status.as_ref().and_then(|status| status.champion.as_ref());
                create(run, &build::report_job(valid, champion, &context.config), &jobs, context).await?;
            }
            (Act::SetJobTtl(seconds), _) => {
                jobs.merge::<Job>(&name, &json!({"spec": {"ttlSecondsAfterFinished": seconds}})).await?;
            }
            (Act::DeleteJob, _) => jobs.delete_named::<Job>(&name).await?,
            (Act::DeleteReportJob, _) => {
                jobs.delete_named::<Job>(&format!("{name}{}", build::REPORT_SUFFIX)).await?;
            }
            (Act::DeletePod(pod), _) => jobs.delete_named::<Pod>(pod).await?,
            (Act::DeleteRun, _) => jobs.delete(run.as_ref()).await?,
            // No plan makes a Job of a run that is not valid.
            (Act::CreateJob | Act::CreateReportJob, Err(_)) => {}
        }
    }
    Ok(())
}

/// Makes a Job once. What the API server refuses for good fails the run; what it refuses for now is said.
async fn create(run: &Arc<TrainingRun>, job: &Job, jobs: &Applier, context: &Context) -> Result<(), IoError> {
    match jobs.create(job).await {
        Ok(Created::New(job)) => {
            let message = format!("created Job {}", job.name_any());
            context
                .event(run.as_ref(), Note { warning: false, reason: "JobCreated", action: "CreateJob", message })
                .await;
            Ok(())
        }
        Ok(Created::Existing(_)) => Ok(()),
        Err(error) => {
            let progress = match (error.class(), error.code()) {
                (Class::Invalid, _) => Progress::Failed { reason: reason::INVALID_SPEC, message: error.to_string() },
                (_, Some(403)) => {
                    let message = error.to_string();
                    let is_quota = message.contains("exceeded quota");
                    let reason = if is_quota { reason::QUOTA_EXCEEDED } else { reason::POD_NOT_STARTED };
                    Progress::Underway { reason, message }
                }
                _ => return Err(error),
            };
            let observed = decide::Observed::NOTHING;
            let after = status::next(run, Some(&progress), &[], &observed, context.clock.now());
            persist(run, after, Some(&progress), context).await?;
            if matches!(progress, Progress::Failed { .. }) { Ok(()) } else { Err(error) }
        }
    }
}

fn applier(run: &TrainingRun, context: &Context, manager: &'static str) -> Applier {
    Applier::new(&context.client, &run.namespace().unwrap_or_default(), manager)
}
