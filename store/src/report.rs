//! `report`: a run's outcome read again from storage, where the message about it was lost.

use std::path::Path;

use slipway_spec::Run;

use crate::outcome;
use crate::step::StepError;
use crate::store::Store;

/// Announces the outcome that is in storage, be it a model or a refusal, and completes it.
pub async fn report(store: &Store, run: &Run, termination_log: Option<&Path>) -> Result<(), StepError> {
    let folder = outcome::folder(run)?;
    let summary = outcome::complete(store, &folder)
        .await?
        .ok_or_else(|| StepError::NotFound(format!("{folder}: this run has no outcome there")))?;
    outcome::announce(&summary, run, termination_log);
    Ok(())
}
