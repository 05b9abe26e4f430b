//! The conditions of a deployment.

use slipway_crds::condition::{READY, RECONCILING, STALLED, Says, Status, TARGET_SERVED};
use slipway_crds::model_deployment::{Active, Failure, Phase, Revision};

use super::Facts;
use crate::model_deployment::target::Finding;
use crate::model_deployment::validate::Source;
use crate::rollout::Health;

/// Pods that are ready have the traffic.
const AVAILABLE: &str = "Available";
/// A rollout is under way.
const PROGRESSING: &str = "Progressing";
/// It is known what the spec asks for.
const SOURCE_RESOLVED: &str = "SourceResolved";

const NO_PASSING_RUN: &str = "NoPassingRun";
const INVALID_SPEC: &str = "InvalidSpec";
const NO_READY_POD: &str = "NoReadyPod";
const PAUSED: &str = "Paused";
const SERVING: &str = "Serving";
const ROLLED_BACK: &str = "RolledBack";

/// Status, reason and message.
type Verdict = (Status, &'static str, String);

/// All conditions, in the order of the list.
pub fn conditions(facts: &Facts<'_>) -> [Says; 7] {
    let say = |type_, (status, reason, message)| Says { type_, status, reason, message };
    [
        say(READY, ready(facts)),
        say(AVAILABLE, available(facts)),
        say(PROGRESSING, progressing(facts)),
        say(TARGET_SERVED, target_served(facts)),
        say(SOURCE_RESOLVED, source_resolved(facts)),
        say(RECONCILING, reconciling(facts)),
        say(STALLED, stalled(facts)),
    ]
}

fn pods(health: &Health, replicas: i32) -> String {
    format!("{} of {replicas} pods ready", health.ready)
}

fn refused(revision: &Revision, failure: &Failure) -> String {
    format!("{} was refused: {}: {}", named(revision), failure.reason.as_str(), failure.message)
}

/// What a person knows a revision by.
pub fn named(revision: &Revision) -> String {
    match &revision.training_run {
        Some(run) => format!("the model of run {run}"),
        None => format!("the model {}", revision.uri),
    }
}

fn is_target_stable(facts: &Facts<'_>) -> bool {
    let target = facts.resolved.target.as_ref();
    target.is_some_and(|target| facts.state.stable_name() == Some(target.revision.as_str()))
}

/// Speaks of the spec: of exact bytes that are refused, it is False; a policy is fulfilled while a stable model serves.
fn ready(facts: &Facts<'_>) -> Verdict {
    let serving = facts.health_of(facts.layout.route.as_deref());
    let is_unfulfilled = facts.state.stable.is_none()
        || match facts.valid.source {
            Source::Pinned(_) => !is_target_stable(facts),
            Source::Followed(_) => facts.resolved.target.is_none(),
            Source::Invalid(_) => true,
        };
    if is_unfulfilled {
        let (_, reason, message) = target_served(facts);
        (Status::False, reason, message)
    } else if serving.ready == 0 {
        (Status::False, NO_READY_POD, no_ready_pod(facts, &serving))
    } else {
        (Status::True, SERVING, pods(&serving, facts.valid.replicas))
    }
}

fn no_ready_pod(facts: &Facts<'_>, health: &Health) -> String {
    let words = health.troubles.first().map(|trouble| format!(": {}", trouble.words())).unwrap_or_default();
    format!("{}{words}", pods(health, facts.valid.replicas))
}

fn available(facts: &Facts<'_>) -> Verdict {
    match facts.layout.route.as_deref() {
        None => (Status::False, "NothingServed", "no model has been served yet".to_owned()),
        Some(route) => {
            let health = facts.health_of(Some(route));
            if health.ready > 0 {
                (Status::True, SERVING, pods(&health, facts.valid.replicas))
            } else {
                (Status::False, NO_READY_POD, no_ready_pod(facts, &health))
            }
        }
    }
}

fn progressing(facts: &Facts<'_>) -> Verdict {
    let state = facts.state.phase.state();
    match &facts.state.phase {
        Phase::Verifying(attempt) => {
            (Status::True, state, progress(facts, &attempt.candidate, "fetching and verifying"))
        }
        Phase::Progressing(attempt) => (Status::True, state, progress(facts, &attempt.candidate, "starting")),
        Phase::Baking(bake) => {
            let message =
                format!("{} has the traffic and has to prove itself until {}", named(&bake.candidate), bake.until);
            (Status::True, state, message)
        }
        Phase::RollingBack(rollback) => (Status::True, state, refused(&rollback.failed, &rollback.failure)),
        Phase::Held(held) => {
            let what = match &held.resume {
                Active::Verifying(_) | Active::Progressing(_) => "before it gets traffic",
                Active::Baking(_) => "with the traffic",
            };
            let message =
                format!("{} is held {what}; set spec.rollout.paused to false to go on", named(held.resume.candidate()));
            (Status::False, PAUSED, message)
        }
        Phase::RolledBack(refusal) | Phase::Stalled(refusal) => {
            (Status::False, state, refused(&refusal.failed, &refusal.failure))
        }
        Phase::Idle if facts.state.stable.is_none() => (Status::False, "NothingServed", waiting(facts)),
        Phase::Idle => (Status::False, "Complete", "no rollout is under way".to_owned()),
    }
}

fn progress(facts: &Facts<'_>, candidate: &Revision, doing: &str) -> String {
    let health = facts.health_of(Some(&candidate.revision));
    let blocked = facts.blocked.map(|blocked| format!("; {}", blocked.message)).unwrap_or_default();
    format!("{doing} {}: {}{blocked}", named(candidate), no_ready_pod(facts, &health))
}

fn target_served(facts: &Facts<'_>) -> Verdict {
    match &facts.state.phase {
        Phase::Verifying(_) | Phase::Progressing(_) | Phase::Baking(_) | Phase::Held(_) | Phase::RollingBack(_) => {
            let (_, reason, message) = progressing(facts);
            (Status::False, reason, message)
        }
        Phase::RolledBack(refusal) => (Status::False, ROLLED_BACK, refused(&refusal.failed, &refusal.failure)),
        Phase::Stalled(refusal) => {
            (Status::False, refusal.failure.reason.as_str(), refused(&refusal.failed, &refusal.failure))
        }
        Phase::Idle if is_target_stable(facts) => {
            let name = facts.resolved.target.as_ref().map(named).unwrap_or_default();
            (Status::True, "Served", format!("{name} serves"))
        }
        Phase::Idle if facts.resolved.target.is_none() => {
            let (_, reason, message) = source_resolved(facts);
            (Status::False, reason, message)
        }
        Phase::Idle if facts.valid.settings.paused => {
            (Status::False, PAUSED, "a rollout is waiting; set spec.rollout.paused to false to begin it".to_owned())
        }
        Phase::Idle => (Status::False, "Pending", "a rollout is about to begin".to_owned()),
    }
}

fn waiting(facts: &Facts<'_>) -> String {
    match &facts.resolved.finding {
        Finding::Nothing(message) | Finding::Invalid(message) => message.clone(),
        Finding::Pinned | Finding::Run(_) | Finding::Kept => "a rollout is about to begin".to_owned(),
    }
}

fn source_resolved(facts: &Facts<'_>) -> Verdict {
    match &facts.resolved.finding {
        Finding::Pinned => (Status::True, "Pinned", "the spec names the bytes".to_owned()),
        Finding::Run(run) => (Status::True, "RunChosen", format!("run {run}")),
        Finding::Kept => (Status::True, "Kept", "no run comes after the model that is served".to_owned()),
        Finding::Nothing(message) => (Status::False, NO_PASSING_RUN, message.clone()),
        Finding::Invalid(message) => (Status::False, INVALID_SPEC, message.clone()),
    }
}

fn reconciling(facts: &Facts<'_>) -> Verdict {
    if let Some(blocked) = facts.blocked {
        return (Status::True, blocked.reason.as_str(), blocked.message.clone());
    }
    let health = facts.health_of(facts.state.stable_name());
    match &facts.state.phase {
        Phase::Verifying(_) | Phase::Progressing(_) | Phase::Baking(_) | Phase::RollingBack(_) => progressing(facts),
        Phase::Idle if matches!(facts.resolved.finding, Finding::Nothing(_)) => {
            (Status::True, NO_PASSING_RUN, waiting(facts))
        }
        Phase::Idle | Phase::RolledBack(_) if facts.state.stable.is_some() && health.ready < facts.valid.replicas => {
            (Status::True, "Scaling", no_ready_pod(facts, &health))
        }
        Phase::Idle | Phase::Held(_) | Phase::RolledBack(_) | Phase::Stalled(_) => {
            (Status::False, "Settled", String::new())
        }
    }
}

fn stalled(facts: &Facts<'_>) -> Verdict {
    if let Source::Invalid(message) = &facts.valid.source {
        return (Status::True, INVALID_SPEC, message.clone());
    }
    let is_pinned = matches!(facts.valid.source, Source::Pinned(_));
    match &facts.state.phase {
        Phase::Stalled(refusal) => {
            (Status::True, refusal.failure.reason.as_str(), refused(&refusal.failed, &refusal.failure))
        }
        Phase::RolledBack(refusal) if is_pinned => {
            (Status::True, refusal.failure.reason.as_str(), refused(&refusal.failed, &refusal.failure))
        }
        Phase::RolledBack(_)
        | Phase::Idle
        | Phase::Verifying(_)
        | Phase::Progressing(_)
        | Phase::Baking(_)
        | Phase::Held(_)
        | Phase::RollingBack(_) => (Status::False, "NotStalled", String::new()),
    }
}
