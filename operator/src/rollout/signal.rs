//! What was observed, reduced to the one thing that matters in the present phase.

use jiff::Timestamp;
use slipway_crds::model_deployment::{Active, Attempt, Bake, Failure, FailureReason, Phase, Refusal, Revision};

use super::health::{UNREADY_PATIENCE, deadline_failure, definite_failure, end_under_traffic, flapping};
use super::{Inputs, State, WhileRolling};

/// What matters now.
#[derive(Clone, Debug, PartialEq)]
pub enum Signal {
    /// Nothing.
    Quiet,
    /// The spec asks for a revision that neither serves nor is being tried.
    Target(Revision),
    /// The spec asks for the stable revision.
    Reverted,
    /// The spec asks for a revision that was refused before.
    Condemned(Revision, Failure),
    /// The spec asks to hold.
    Pause,
    /// The spec no longer asks to hold.
    Resume,
    /// The artefact was fetched and verified.
    Verified,
    /// The candidate may have the traffic.
    Ready,
    /// The candidate has proven itself.
    Baked,
    /// The candidate failed.
    Failed(Failure),
    /// The stable revision has the traffic and answers.
    StableServes,
    /// The stable revision does not answer in time, or there is none.
    Expired,
}

/// The one signal of this look. A pause comes before a new target, a new target before the fate of the old one, but a
/// candidate that has failed for certain is taken back even from a pause.
pub fn perceive(state: &State, inputs: &Inputs<'_>, now: Timestamp) -> Signal {
    match &state.phase {
        Phase::Idle => target(state, inputs, None),
        Phase::Verifying(attempt) => perceive_attempt(state, attempt, inputs, now, false),
        Phase::Progressing(attempt) => perceive_attempt(state, attempt, inputs, now, true),
        Phase::Baking(bake) => perceive_bake(state, bake, inputs, now),
        Phase::Held(held) => {
            let failure = match &held.resume {
                Active::Verifying(attempt) | Active::Progressing(attempt) => attempt_failure(attempt, inputs, now),
                Active::Baking(bake) => regression(bake, inputs, now),
            };
            match failure {
                Some(failure) => Signal::Failed(failure),
                None if inputs.settings.paused => Signal::Quiet,
                None => Signal::Resume,
            }
        }
        Phase::RollingBack(rollback) => {
            let serves = state.stable_name().is_some_and(|name| inputs.is_serving(name) && inputs.routed == Some(name));
            match target(state, inputs, Some(&rollback.failed)) {
                Signal::Target(target) => Signal::Target(target),
                _ if serves => Signal::StableServes,
                _ if state.stable.is_none() || now >= rollback.deadline => Signal::Expired,
                _ => Signal::Quiet,
            }
        }
        Phase::RolledBack(refusal) | Phase::Stalled(refusal) => perceive_refusal(state, refusal, inputs, now),
    }
}

/// What the spec asks for, seen from a state in which `tried` is being tried or was refused.
fn target(state: &State, inputs: &Inputs<'_>, tried: Option<&Revision>) -> Signal {
    let Some(target) = inputs.target else { return Signal::Quiet };
    if tried.is_some_and(|tried| is_same(tried, target)) {
        return Signal::Quiet;
    }
    if state.stable_name() == Some(target.revision.as_str()) {
        return if tried.is_some() { Signal::Reverted } else { Signal::Quiet };
    }
    match state.denial(target) {
        Some(denial) => Signal::Condemned(target.clone(), denial.failure.clone()),
        None if inputs.settings.paused => Signal::Quiet,
        None => Signal::Target(target.clone()),
    }
}

/// What the spec asks for while `candidate` is being rolled out. A run that is followed may have to wait for its turn.
fn meanwhile(state: &State, inputs: &Inputs<'_>, candidate: &Revision) -> Signal {
    let waits = |target: &Revision| {
        inputs.settings.while_rolling == WhileRolling::Queue
            && target.training_run.is_some()
            && target.template_hash == candidate.template_hash
    };
    match target(state, inputs, Some(candidate)) {
        Signal::Target(target) if waits(&target) => Signal::Quiet,
        signal => signal,
    }
}

fn is_same(one: &Revision, other: &Revision) -> bool {
    one.revision == other.revision && one.template_hash == other.template_hash
}

fn perceive_attempt(
    state: &State,
    attempt: &Attempt,
    inputs: &Inputs<'_>,
    now: Timestamp,
    is_verified: bool,
) -> Signal {
    if inputs.settings.paused {
        return attempt_failure(attempt, inputs, now).map_or(Signal::Pause, Signal::Failed);
    }
    match meanwhile(state, inputs, &attempt.candidate) {
        Signal::Quiet => {}
        changed => return changed,
    }
    if let Some(failure) = attempt_failure(attempt, inputs, now) {
        return Signal::Failed(failure);
    }
    let health = inputs.health_of(&attempt.candidate.revision);
    let has_traffic_to_protect = state.stable_name().is_some_and(|name| inputs.is_serving(name));
    let is_ready = if has_traffic_to_protect {
        attempt.readiness.ready_since.is_some_and(|since| now >= since + inputs.settings.min_ready)
    } else {
        health.ready > 0
    };
    if health.verified && !is_verified {
        Signal::Verified
    } else if is_ready {
        Signal::Ready
    } else if now >= attempt.deadline {
        let waited = attempt.deadline.duration_since(attempt.started_at);
        Signal::Failed(deadline_failure(&health, inputs.replicas, waited, now))
    } else {
        Signal::Quiet
    }
}

fn attempt_failure(attempt: &Attempt, inputs: &Inputs<'_>, now: Timestamp) -> Option<Failure> {
    let health = inputs.health_of(&attempt.candidate.revision);
    definite_failure(&health, attempt.pull_fails_since, now).or_else(|| {
        let message = flapping(&attempt.readiness, attempt.started_at, now)?;
        Some(Failure { reason: FailureReason::ReadinessProbe, message, at: now })
    })
}

fn perceive_bake(state: &State, bake: &Bake, inputs: &Inputs<'_>, now: Timestamp) -> Signal {
    if inputs.settings.paused {
        return regression(bake, inputs, now).map_or(Signal::Pause, Signal::Failed);
    }
    match meanwhile(state, inputs, &bake.candidate) {
        Signal::Quiet => {}
        changed => return changed,
    }
    if let Some(failure) = regression(bake, inputs, now) {
        return Signal::Failed(failure);
    }
    let health = inputs.health_of(&bake.candidate.revision);
    let has_traffic = inputs.routed == Some(bake.candidate.revision.as_str());
    let steady = inputs.settings.min_ready.min(inputs.settings.bake);
    let is_steady = bake.readiness.ready_since.is_some_and(|since| now >= since + steady);
    if now >= bake.until && has_traffic && is_steady {
        Signal::Baked
    } else if now >= bake.deadline {
        Signal::Failed(deadline_failure(&health, inputs.replicas, bake.deadline.duration_since(bake.since), now))
    } else {
        Signal::Quiet
    }
}

/// Whether the candidate got worse after it got the traffic.
fn regression(bake: &Bake, inputs: &Inputs<'_>, now: Timestamp) -> Option<Failure> {
    let health = inputs.health_of(&bake.candidate.revision);
    let words = health.troubles.first().map(|trouble| format!(": {}", trouble.words())).unwrap_or_default();
    let unready = bake.unready_since.filter(|since| now >= *since + UNREADY_PATIENCE);
    let message = if let Some(end) = end_under_traffic(&health, bake.since) {
        format!("a server ended after it got traffic: {}", end.words)
    } else if let Some(flaps) = flapping(&bake.readiness, bake.since, now) {
        flaps
    } else if unready.is_some() {
        format!("no pod has been ready for {} s{words}", UNREADY_PATIENCE.as_secs())
    } else {
        return None;
    };
    Some(Failure { reason: FailureReason::PostRolloutRegression, message, at: now })
}

fn perceive_refusal(state: &State, refusal: &Refusal, inputs: &Inputs<'_>, now: Timestamp) -> Signal {
    let is_tried_again = inputs.target.is_some_and(|target| {
        is_same(target, &refusal.failed)
            && state.denial(target).is_none()
            && !inputs.settings.paused
            && refusal.retry_at.is_none_or(|at| now >= at)
    });
    if is_tried_again {
        return inputs.target.cloned().map_or(Signal::Quiet, Signal::Target);
    }
    target(state, inputs, Some(&refusal.failed))
}
