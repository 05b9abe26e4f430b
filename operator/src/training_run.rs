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
use serde_json::{Value, json};
use slipway_crds::training_run::{TrainingRun, TrainingRunStatus, reason};

use self::decide::{Act, Observed, Plan, Progress};
pub use self::error::Error;
use self::observe::Stores;
pub use self::observe::Watches;
use self::validate::{Invalid, ValidRun, validate};
use crate::kube_io::{Applier, Basis, Class, Classified, Context, IoError, Queue, Reconcile, Seen};

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
        let basis = Basis::new(&context.client, run.as_ref());
        let run = persist(&run, after, plan.progress.as_ref(), &basis, context).await?;
        let pass = Pass { run: &run, observed: &observed, basis: &basis, context };
        Box::pin(pass.act(&valid, &plan)).await?;
        Ok(plan.again.map_or_else(Action::await_change, Action::requeue))
    }
}

/// Writes the status where it differs, and tells of what it says.
async fn persist(
    run: &Arc<TrainingRun>,
    after: TrainingRunStatus,
    progress: Option<&Progress>,
    basis: &Basis,
    context: &Context,
) -> Result<Arc<TrainingRun>, IoError> {
    if run.status.as_ref() == Some(&after) {
        return Ok(run.clone());
    }
    let note = progress.and_then(|progress| status::note(run.status.as_ref(), progress, &after));
    let mut desired = run.as_ref().clone();
    desired.status = Some(after);
    let written = Applier::new(basis, STATUS).replace_status(&desired).await?;
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

/// One look at a run, after its status was written.
struct Pass<'a> {
    run: &'a Arc<TrainingRun>,
    observed: &'a Observed,
    basis: &'a Basis,
    context: &'a Context,
}

impl Pass<'_> {
    async fn act(&self, valid: &Result<ValidRun, Invalid>, plan: &Plan) -> Result<(), IoError> {
        let jobs = Applier::new(self.basis, JOBS);
        let champion = self.run.status.as_ref().and_then(|status| status.champion.as_ref());
        let config = &self.context.config;
        for act in &plan.acts {
            match (act, valid) {
                (Act::CreateJob, Ok(valid)) => self.create(jobs, act, &build::job(valid, champion, config)).await?,
                (Act::CreateReportJob, Ok(valid)) => {
                    self.create(jobs, act, &build::report_job(valid, champion, config)).await?;
                }
                (Act::SuspendJob(suspend), _) => self.change_job(jobs, json!({"spec": {"suspend": suspend}})).await?,
                (Act::SetJobTtl(seconds), _) => {
                    self.change_job(jobs, json!({"spec": {"ttlSecondsAfterFinished": seconds}})).await?;
                }
                (Act::DeleteJob, _) => delete_job(jobs, self.observed.job.seen.as_ref()).await?,
                (Act::DeleteReportJob, _) => delete_job(jobs, self.observed.report_job.seen.as_ref()).await?,
                (Act::DeletePod(pod), _) => jobs.delete::<Pod>(pod).await?,
                (Act::DeleteRun, _) => jobs.delete::<TrainingRun>(&Seen::of(self.run.as_ref())).await?,
                // No plan makes a Job of a run that is not valid.
                (Act::CreateJob | Act::CreateReportJob, Err(_)) => {}
            }
        }
        Ok(())
    }

    async fn change_job(&self, jobs: Applier<'_>, patch: Value) -> Result<(), IoError> {
        match &self.observed.job.seen {
            Some(job) => jobs.merge::<Job>(job, patch).await,
            None => Ok(()),
        }
    }

    /// Makes a Job once. What the API server refuses for good fails the run; what it refuses for now is said.
    async fn create(&self, jobs: Applier<'_>, act: &Act, job: &Job) -> Result<(), IoError> {
        let Err(error) = jobs.create(job).await else { return Ok(()) };
        let Some(progress) = refused(act, &error) else { return Err(error) };
        let after = status::next(self.run, Some(&progress), &[], &Observed::NOTHING, self.context.clock.now());
        persist(self.run, after, Some(&progress), self.basis, self.context).await?;
        if matches!(progress, Progress::Failed { .. }) { Ok(()) } else { Err(error) }
    }
}

async fn delete_job(jobs: Applier<'_>, job: Option<&Seen>) -> Result<(), IoError> {
    match job {
        Some(job) => jobs.delete::<Job>(job).await,
        None => Ok(()),
    }
}

/// What a Job that could not be made means for its run; `None` where trying again is all there is to do.
fn refused(act: &Act, error: &IoError) -> Option<Progress> {
    let message = error.to_string();
    Some(match error {
        IoError::Foreign { .. } if *act == Act::CreateReportJob => {
            Progress::Failed { reason: reason::REPORT_LOST, message }
        }
        IoError::Foreign { .. } => Progress::Underway { reason: reason::NAME_TAKEN, message },
        _ if error.class() == Class::Invalid => Progress::Failed { reason: reason::INVALID_SPEC, message },
        _ if error.code() == Some(403) => {
            let is_quota = message.contains("exceeded quota");
            Progress::Underway {
                reason: if is_quota { reason::QUOTA_EXCEEDED } else { reason::POD_NOT_STARTED },
                message,
            }
        }
        _ => return None,
    })
}
