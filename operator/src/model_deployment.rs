//! The `ModelDeployment` controller.
//!
//! One look: observe (stores) → validate, resolve, decide (pure) → persist → build (pure) and act → report. What was
//! decided is in the status before anything is done about it, so that whoever comes after a crash does the same.

mod act;
mod build;
mod error;
mod observe;
mod status;
mod target;
mod validate;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::controller::Action;
use slipway_crds::model_deployment::{Blocked, ModelDeployment, ModelDeploymentStatus};

use crate::kube_io::{Applier, Basis, Context, IoError, Queue, Reconcile};
use crate::rollout::{self, Happening, Inputs};
pub use error::Error;
pub use observe::Watches;

/// Field manager of the status.
const STATUS: &str = "slipway-operator/status";
/// How long to wait for the watch to show what was written last.
const CATCH_UP: Duration = Duration::from_millis(50);

/// Reconciles `ModelDeployments`.
pub struct ModelDeployments {
    stores: observe::Stores,
    written: Written,
    failing: Failing,
}

impl ModelDeployments {
    /// Subscribes `queue` to the watches and reads from their stores; the caller runs them and waits until they are
    /// complete.
    pub fn new(queue: &Queue<ModelDeployment>, watches: Watches<'_>) -> ModelDeployments {
        ModelDeployments {
            stores: observe::Stores::subscribe(queue, watches),
            written: Written::default(),
            failing: Failing::default(),
        }
    }

    /// Writes the status if it says anything new.
    async fn persist(
        &self,
        basis: &Basis,
        object: &Arc<ModelDeployment>,
        status: ModelDeploymentStatus,
    ) -> Result<Arc<ModelDeployment>, Error> {
        if object.status.as_ref() == Some(&status) {
            return Ok(object.clone());
        }
        let desired = ModelDeployment { status: Some(status), ..object.as_ref().clone() };
        let written = Applier::new(basis, STATUS).replace_status(&desired).await.map_err(Error::Persist)?;
        self.written.remember(&written);
        Ok(Arc::new(written))
    }

    /// What keeps the writes of this pass from coming about, in the words of the status.
    fn blocked(
        &self,
        object: &ModelDeployment,
        done: &Result<(), IoError>,
        before: Option<&Blocked>,
        now: Timestamp,
    ) -> Option<Blocked> {
        let uid = object.uid().unwrap_or_default();
        match done {
            Ok(()) => {
                self.failing.forget(&uid);
                None
            }
            Err(error) => status::blocked(error, self.failing.since(uid, now), before),
        }
    }
}

impl Reconcile for ModelDeployments {
    type Object = ModelDeployment;
    type Error = Error;

    const NAME: &'static str = "model-deployment";

    async fn reconcile(&self, object: Arc<ModelDeployment>, context: &Context) -> Result<Action, Error> {
        if object.metadata.deletion_timestamp.is_some() {
            return Ok(Action::await_change());
        }
        if self.written.is_newer_than(&object) {
            return Ok(Action::requeue(CATCH_UP));
        }
        let now = context.clock.now();
        let observed = self.stores.observe(&object);
        let valid = validate::validate(&object, &context.config.allowed_service_accounts)?;

        let state = status::state(&object);
        let resolved = target::resolve(&valid, &observed.runs, &state);
        let health = observed.health(&state);
        let inputs = Inputs {
            target: resolved.target.as_ref(),
            replicas: valid.replicas,
            settings: &valid.settings,
            health: &health,
            routed: observed.routed(),
        };
        let plan = rollout::step(&state, &inputs, now);
        let layout = rollout::layout(&plan.next, &inputs);

        let before = object.status.as_ref().and_then(|status| status.blocked.as_ref());
        let says = |object: &ModelDeployment, blocked: Option<&Blocked>| {
            let (valid, resolved, state, layout, health) = (&valid, &resolved, &plan.next, &layout, &health);
            status::status(object, &status::Facts { valid, resolved, state, layout, health, blocked }, now)
        };
        let basis = Basis::new(&context.client, object.as_ref());
        let persisted = self.persist(&basis, &object, says(&object, before)).await?;
        plan.events.iter().for_each(|happening| tell(context, &object, happening));

        let pass = act::Pass {
            valid: &valid,
            state: &plan.next,
            layout: &layout,
            observed: &observed,
            config: &context.config,
        };
        let done = pass.act(&basis).await;
        for happening in &plan.events {
            let revision = build::reference(&valid, happening.revision());
            context.event_with(object.as_ref(), Some(revision), status::note(happening)).await;
        }
        let blocked = self.blocked(&object, &done, before, now);
        self.persist(&basis, &persisted, says(&persisted, blocked.as_ref())).await?;
        if let Some(note) = status::blocked_note(before, blocked.as_ref()) {
            context.event(object.as_ref(), note).await;
        }
        let again = plan.requeue_after.map(jiff::SignedDuration::unsigned_abs);
        done.map_err(|source| Error::Act { source, due_in: again })?;
        Ok(again.map_or_else(Action::await_change, Action::requeue))
    }
}

/// Counts what happened, and logs it.
fn tell(context: &Context, object: &ModelDeployment, happening: &Happening) {
    let note = status::note(happening);
    let (name, namespace) = (object.name_any(), object.namespace().unwrap_or_default());
    tracing::info!(object = name, namespace, action = note.action, message = note.message, "rollout");
    match happening {
        Happening::Promoted(_) => context.metrics.rollout("promoted", ""),
        Happening::Failed(_, failure) => context.metrics.rollout("failed", failure.reason.as_str()),
        Happening::RolledBack(_) => context.metrics.rollout("rolled_back", ""),
        Happening::Stalled(_) => context.metrics.rollout("stalled", ""),
        Happening::Started { .. }
        | Happening::Verified(_)
        | Happening::TrafficMoved(_)
        | Happening::Cancelled(_)
        | Happening::Held(_)
        | Happening::Resumed(_) => {}
    }
}

/// The version of each object that this program wrote last: decisions are not made on older ones, which would undo, for a
/// moment, what was decided since.
#[derive(Default)]
struct Written(Mutex<HashMap<String, u64>>);

impl Written {
    fn remember(&self, object: &ModelDeployment) {
        if let (Some(uid), Some(version)) = (object.uid(), version(object)) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(uid, version);
        }
    }

    /// Whether `object`, from a store, is from before the last write. Forgets the write once the store has caught up.
    fn is_newer_than(&self, object: &ModelDeployment) -> bool {
        let (Some(uid), Some(seen)) = (object.uid(), version(object)) else { return false };
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match written.get(&uid) {
            Some(&version) if seen < version => true,
            Some(_) => {
                written.remove(&uid);
                false
            }
            None => false,
        }
    }
}

/// Since when the writes for each object have been failing without a break.
#[derive(Default)]
struct Failing(Mutex<HashMap<String, Timestamp>>);

impl Failing {
    /// For how long, as of `now`.
    fn since(&self, uid: String, now: Timestamp) -> Duration {
        let since = *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(uid).or_insert(now);
        Duration::try_from(now.duration_since(since)).unwrap_or(Duration::ZERO)
    }

    fn forget(&self, uid: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }
}

/// Versions of one kind can be compared as numbers (Kubernetes API conventions, since 1.35).
fn version(object: &ModelDeployment) -> Option<u64> {
    object.resource_version()?.parse().ok()
}

#[cfg(test)]
mod tests;
