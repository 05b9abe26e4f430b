//! The rollout state machine: no client, no clock, no async.
//!
//! ```text
//!           target          artefact fetched       ready long enough       proven
//!   Idle ──────────▶ Verifying ──────────▶ Progressing ──────────▶ Baking ─────────▶ Idle
//!                        └──────────┬───────────┴────────────────────┘
//!                              failure or deadline
//!                                   ▼         stable serves
//!                              RollingBack ───────────────▶ RolledBack   ─┐ new target,
//!                                   └─────────────────────▶ Stalled      ─┘ or retry ▶ Verifying
//!                                     it does not, or there is none
//! ```
//!
//! One [`step`] reads the persisted [`State`] and what was observed ([`Inputs`]), and says what to persist. [`layout`] says
//! what the persisted state means for the cluster: which revisions run, and which one gets the traffic. Both are functions
//! of their arguments, so a crash between any two writes loses nothing: the next reconcile computes the same again.

mod health;
mod layout;
mod signal;
mod transition;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
pub use slipway_crds::model_deployment::WhileRolling;
use slipway_crds::model_deployment::{
    Active, Attempt, Bake, Denial, Earlier, Failure, Phase, Readiness, Revision, Stable,
};

pub use health::{End, Health, Trouble, deadline_failure, definite_failure};
pub use layout::{Layout, Workload, layout};
pub use signal::Signal;

/// What is remembered between two looks, all of it in the status.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Where the rollout stands.
    pub phase: Phase,
    /// What a rollback goes back to.
    pub stable: Option<Stable>,
    /// Refused targets, the latest last.
    pub denied: Vec<Denial>,
    /// Earlier revisions, the latest first.
    pub history: Vec<Earlier>,
    /// The retry token that was acted on.
    pub retry_token: String,
}

impl State {
    /// Name of the stable revision.
    pub fn stable_name(&self) -> Option<&str> {
        self.stable.as_ref().map(|stable| stable.revision.revision.as_str())
    }

    /// The entry that refuses this target.
    pub fn denial(&self, target: &Revision) -> Option<&Denial> {
        self.denied.iter().find(|denial| denial.digest == target.digest && denial.template_hash == target.template_hash)
    }
}

/// What the spec says about rollouts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long all pods must have been ready before they get traffic.
    pub min_ready: SignedDuration,
    /// How long a candidate may take to get traffic.
    pub progress_deadline: SignedDuration,
    /// How long the old revision keeps running beside the new one.
    pub bake: SignedDuration,
    /// Number of earlier revisions to keep.
    pub history_limit: usize,
    /// What happens when another model is asked for meanwhile.
    pub while_rolling: WhileRolling,
    /// Whether rollouts are held.
    pub paused: bool,
    /// A new value tries a refused target again.
    pub retry_token: String,
}

/// What one step looks at.
#[derive(Clone, Debug)]
pub struct Inputs<'a> {
    /// What the spec asks for now; `None` where it follows and there is nothing to follow.
    pub target: Option<&'a Revision>,
    /// Pods that a revision should have.
    pub replicas: i32,
    /// What the spec says about rollouts.
    pub settings: &'a Settings,
    /// The pods of each revision, by its name. One that is absent has none.
    pub health: &'a BTreeMap<String, Health>,
    /// Name of the revision that the Service selects now.
    pub routed: Option<&'a str>,
}

impl Inputs<'_> {
    /// The pods of that revision.
    pub fn health_of(&self, revision: &str) -> Health {
        self.health.get(revision).cloned().unwrap_or_default()
    }

    fn is_serving(&self, revision: &str) -> bool {
        self.health.get(revision).is_some_and(|health| health.ready > 0)
    }
}

/// What to persist, what to tell, and when to look again if nothing happens.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The state to persist before anything is done about it.
    pub next: State,
    /// What happened, in order.
    pub events: Vec<Happening>,
    /// When to look again at the latest. Zero after a transition; `None` where only a change can matter.
    pub requeue_after: Option<SignedDuration>,
}

/// What happened in a step, for events and metrics.
#[derive(Clone, Debug, PartialEq)]
pub enum Happening {
    /// A rollout of this revision began; the revision in whose place it came is given up, if any.
    Started {
        /// The new candidate.
        candidate: Revision,
        /// The candidate before it.
        superseded: Option<Box<Revision>>,
    },
    /// The candidate's artefact was fetched and verified.
    Verified(Revision),
    /// The candidate gets the traffic.
    TrafficMoved(Revision),
    /// The candidate is the stable revision now.
    Promoted(Revision),
    /// The spec asks for the stable revision again; the candidate was given up.
    Cancelled(Revision),
    /// The rollout is held.
    Held(Revision),
    /// The rollout goes on.
    Resumed(Revision),
    /// The candidate failed and is being taken back.
    Failed(Revision, Failure),
    /// The stable revision serves again, or still.
    RolledBack(Revision),
    /// Nothing serves in the place of what failed.
    Stalled(Revision),
}

impl Happening {
    /// The revision that it happened to.
    pub fn revision(&self) -> &Revision {
        match self {
            Happening::Started { candidate: revision, .. }
            | Happening::Verified(revision)
            | Happening::TrafficMoved(revision)
            | Happening::Promoted(revision)
            | Happening::Cancelled(revision)
            | Happening::Held(revision)
            | Happening::Resumed(revision)
            | Happening::Failed(revision, _)
            | Happening::RolledBack(revision)
            | Happening::Stalled(revision) => revision,
        }
    }
}

/// Looks once. Takes at most one transition; `now` counts in whole milliseconds, as the status does.
pub fn step(state: &State, inputs: &Inputs<'_>, now: Timestamp) -> Plan {
    let now = Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now);
    let mut state = state.clone();
    acknowledge_retry(&mut state, &inputs.settings.retry_token);
    track(&mut state.phase, inputs, now);
    let signal = signal::perceive(&state, inputs, now);
    let before = state.phase.clone();
    let (next, events) = transition::transition(state, signal, inputs.settings, now);
    let requeue_after = if next.phase == before {
        wake_up(&next.phase, inputs.settings, now).map(|at| at.duration_since(now))
    } else {
        Some(SignedDuration::ZERO)
    };
    Plan { next, events, requeue_after }
}

/// A new token forgives everything that was refused.
fn acknowledge_retry(state: &mut State, token: &str) {
    if state.retry_token == token {
        return;
    }
    token.clone_into(&mut state.retry_token);
    state.denied.clear();
    if let Phase::RolledBack(refusal) | Phase::Stalled(refusal) = &mut state.phase {
        refusal.retry_at = None;
    }
}

/// Remembers since when what has to last lasts.
fn track(phase: &mut Phase, inputs: &Inputs<'_>, now: Timestamp) {
    match phase {
        Phase::Verifying(attempt) | Phase::Progressing(attempt) => {
            track_attempt(attempt, inputs, now);
            track_readiness(
                &mut attempt.readiness,
                &inputs.health_of(&attempt.candidate.revision),
                inputs.replicas,
                now,
            );
        }
        Phase::Baking(bake) => {
            track_bake(bake, inputs, now);
            let health = inputs.health_of(&bake.candidate.revision);
            track_readiness(&mut bake.readiness, &health, inputs.replicas, now);
            let is_steady = bake.readiness.ready_since.is_some_and(|since| now >= since + inputs.settings.min_ready);
            bake.on_probation = health.ready == 0 || (bake.on_probation && !is_steady);
        }
        // What ends a rollout even from a pause.
        Phase::Held(held) => match &mut held.resume {
            Active::Verifying(attempt) | Active::Progressing(attempt) => track_attempt(attempt, inputs, now),
            Active::Baking(bake) => track_bake(bake, inputs, now),
        },
        Phase::Idle | Phase::RollingBack(_) | Phase::RolledBack(_) | Phase::Stalled(_) => {}
    }
}

fn track_attempt(attempt: &mut Attempt, inputs: &Inputs<'_>, now: Timestamp) {
    let health = inputs.health_of(&attempt.candidate.revision);
    attempt.pull_fails_since = since(attempt.pull_fails_since, health.pull_trouble().is_some(), now);
}

fn track_bake(bake: &mut Bake, inputs: &Inputs<'_>, now: Timestamp) {
    let health = inputs.health_of(&bake.candidate.revision);
    bake.unready_since = since(bake.unready_since, health.ready == 0, now);
}

/// More pods that are asked for, or a pod that is taken away, are no loss; a pod that turns unready is.
fn track_readiness(readiness: &mut Readiness, health: &Health, replicas: i32, now: Timestamp) {
    if health.ready >= replicas {
        readiness.ready_since.get_or_insert(now);
        readiness.ready_pods = health.ready;
    } else if readiness.ready_since.take().is_some()
        && health.pods >= readiness.ready_pods
        && health.ready < readiness.ready_pods
    {
        readiness.unready_times += 1;
    }
}

fn since(since: Option<Timestamp>, holds: bool, now: Timestamp) -> Option<Timestamp> {
    if holds { since.or(Some(now)) } else { None }
}

/// When time alone may change something, after `now`.
fn wake_up(phase: &Phase, settings: &Settings, now: Timestamp) -> Option<Timestamp> {
    let impatient = |attempt: &Attempt| attempt.pull_fails_since.map(|since| since + health::PULL_PATIENCE);
    let unready = |bake: &Bake| bake.unready_since.map(|since| since + health::UNREADY_PATIENCE);
    let steady = |readiness: &Readiness| readiness.ready_since.map(|since| since + settings.min_ready);
    let times = match phase {
        Phase::Verifying(attempt) | Phase::Progressing(attempt) => {
            [Some(attempt.deadline), None, steady(&attempt.readiness), impatient(attempt)]
        }
        Phase::Baking(bake) => [Some(bake.until), Some(bake.deadline), steady(&bake.readiness), unready(bake)],
        Phase::Held(held) => match &held.resume {
            Active::Verifying(attempt) | Active::Progressing(attempt) => [None, None, None, impatient(attempt)],
            Active::Baking(bake) => [None, None, None, unready(bake)],
        },
        Phase::RollingBack(rollback) => [Some(rollback.deadline), None, None, None],
        Phase::RolledBack(refusal) | Phase::Stalled(refusal) => [refusal.retry_at, None, None, None],
        Phase::Idle => [None; 4],
    };
    times.into_iter().flatten().filter(|at| *at > now).min()
}

#[cfg(test)]
mod tests;
