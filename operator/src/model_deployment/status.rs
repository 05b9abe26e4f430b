//! What a deployment says of itself. Pure: the same facts give the same bytes.

mod blocked;
mod conditions;
mod events;

use std::collections::BTreeMap;

use jiff::Timestamp;
use slipway_crds::condition::set_condition;
use slipway_crds::model_deployment::{Blocked, Candidate, ModelDeployment, ModelDeploymentStatus};

pub use blocked::{blocked, blocked_note};
pub use events::note;

use super::build;
use super::target::Resolved;
use super::validate::ValidDeployment;
use crate::rollout::{Health, Layout, State};

/// Everything that the status speaks of.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The spec.
    pub valid: &'a ValidDeployment,
    /// What it asks for.
    pub resolved: &'a Resolved,
    /// Where the rollout stands.
    pub state: &'a State,
    /// What that means.
    pub layout: &'a Layout,
    /// The pods of each revision.
    pub health: &'a BTreeMap<String, Health>,
    /// What keeps the cluster from being like that.
    pub blocked: Option<&'a Blocked>,
}

impl Facts<'_> {
    fn health_of(&self, revision: Option<&str>) -> Health {
        revision.and_then(|revision| self.health.get(revision)).cloned().unwrap_or_default()
    }
}

/// The state that the status remembers.
pub fn state(object: &ModelDeployment) -> State {
    let status = object.status.clone().unwrap_or_default();
    State {
        phase: status.rollout,
        stable: status.stable,
        denied: status.denied,
        history: status.history,
        retry_token: status.last_handled_retry_token,
    }
}

/// The status after this look.
pub fn status(object: &ModelDeployment, facts: &Facts<'_>, now: Timestamp) -> ModelDeploymentStatus {
    let Facts { valid, state, layout, .. } = *facts;
    let generation = object.metadata.generation;
    let route = layout.route.as_deref();
    let routed = facts.health_of(route);
    let mut conditions = object.status.as_ref().map(|status| status.conditions.clone()).unwrap_or_default();
    for says in conditions::conditions(facts) {
        set_condition(&mut conditions, says, generation, now);
    }
    ModelDeploymentStatus {
        observed_generation: generation,
        replicas: routed.pods,
        ready_replicas: routed.ready,
        selector: build::selector_text(&valid.name, route.unwrap_or(build::NO_REVISION)),
        url: Some(build::url(valid)),
        stable: state.stable.clone(),
        candidate: state.phase.candidate().map(Candidate::from),
        rollout: state.phase.clone(),
        denied: state.denied.clone(),
        history: state.history.clone(),
        last_handled_retry_token: state.retry_token.clone(),
        blocked: facts.blocked.cloned(),
        conditions,
    }
}
