//! What follows from a signal: the table.

use jiff::{SignedDuration, Timestamp};
use slipway_crds::model_deployment::{
    Active, Attempt, Bake, Denial, Earlier, Failure, Held, Phase, Readiness, Refusal, Revision, Rollback, Stable,
};

use super::{Happening, Settings, Signal, State};

/// Refused targets to remember.
const MAX_DENIED: usize = 10;
/// First and longest wait before a target is tried again that other systems' trouble kept from being served.
const RETRY: (SignedDuration, SignedDuration) = (SignedDuration::from_secs(60), SignedDuration::from_secs(1_800));

/// The state after `signal`, and what happened. Every pair of phase and signal is written out: a new one of either does
/// not compile until somebody has thought about it.
pub fn transition(mut state: State, signal: Signal, settings: &Settings, now: Timestamp) -> (State, Vec<Happening>) {
    use Signal::{
        Baked, Condemned, Expired, Failed, Pause, Quiet, Ready, Resume, Reverted, StableServes, Target, Verified,
    };
    let phase = std::mem::take(&mut state.phase);
    let mut change = Change { state, settings, now, events: vec![] };
    let next = match (phase, signal) {
        (Phase::Idle | Phase::RollingBack(_), Target(target)) => change.begin(target, 1, None),
        (Phase::Idle | Phase::RolledBack(_) | Phase::Stalled(_), Condemned(target, failure)) => {
            change.refuse(target, failure)
        }

        (Phase::Verifying(attempt), Verified) => {
            change.tell(Happening::Verified(attempt.candidate.clone()));
            Phase::Progressing(attempt)
        }
        (Phase::Verifying(attempt), Pause) => change.hold(Active::Verifying(attempt)),
        (Phase::Progressing(attempt), Pause) => change.hold(Active::Progressing(attempt)),
        (Phase::Verifying(attempt) | Phase::Progressing(attempt), Ready) => change.take_traffic(attempt),
        (Phase::Verifying(attempt) | Phase::Progressing(attempt), Failed(failure)) => {
            change.roll_back(attempt.candidate, failure, attempt.attempt)
        }
        (Phase::Verifying(attempt) | Phase::Progressing(attempt), Target(target)) => {
            change.begin(target, 1, Some(attempt.candidate))
        }
        (Phase::Verifying(attempt) | Phase::Progressing(attempt), Condemned(target, failure)) => {
            change.tell(Happening::Cancelled(attempt.candidate));
            change.refuse(target, failure)
        }
        (Phase::Verifying(attempt) | Phase::Progressing(attempt), Reverted) => change.cancel(attempt.candidate),

        (Phase::Baking(bake), Baked) => change.promote(bake.candidate),
        (Phase::Baking(bake), Pause) => change.hold(Active::Baking(bake)),
        (Phase::Baking(bake), Failed(failure)) => change.roll_back(bake.candidate, failure, bake.attempt),
        (Phase::Baking(bake), Target(target)) => change.begin(target, 1, Some(bake.candidate)),
        (Phase::Baking(bake), Condemned(target, failure)) => {
            change.tell(Happening::Cancelled(bake.candidate));
            change.refuse(target, failure)
        }
        (Phase::Baking(bake), Reverted) => change.cancel(bake.candidate),

        (Phase::Held(held), Resume) => change.resume(held),
        (Phase::Held(held), Failed(failure)) => {
            let attempt = match &held.resume {
                Active::Verifying(attempt) | Active::Progressing(attempt) => attempt.attempt,
                Active::Baking(bake) => bake.attempt,
            };
            change.roll_back(held.resume.candidate().clone(), failure, attempt)
        }

        (Phase::RollingBack(rollback), StableServes) => {
            change.tell(Happening::RolledBack(rollback.failed.clone()));
            Phase::RolledBack(change.refusal(rollback.failed, rollback.failure, rollback.attempt))
        }
        (Phase::RollingBack(rollback), Expired) => {
            change.tell(Happening::Stalled(rollback.failed.clone()));
            Phase::Stalled(change.refusal(rollback.failed, rollback.failure, rollback.attempt))
        }

        (Phase::RolledBack(refusal) | Phase::Stalled(refusal), Target(target)) => {
            let is_same = target.revision == refusal.failed.revision && !refusal.failure.reason.condemns();
            change.begin(target, if is_same { refusal.attempt + 1 } else { 1 }, None)
        }
        (Phase::RolledBack(_) | Phase::Stalled(_), Reverted) => Phase::Idle,

        // What changes nothing.
        (
            phase @ Phase::Idle,
            Quiet | Reverted | Pause | Resume | Verified | Ready | Baked | Failed(_) | StableServes | Expired,
        )
        | (phase @ Phase::Verifying(_), Quiet | Resume | Baked | StableServes | Expired)
        | (phase @ Phase::Progressing(_), Quiet | Resume | Verified | Baked | StableServes | Expired)
        | (phase @ Phase::Baking(_), Quiet | Resume | Verified | Ready | StableServes | Expired)
        | (
            phase @ Phase::Held(_),
            Quiet | Target(_) | Reverted | Condemned(..) | Pause | Verified | Ready | Baked | StableServes | Expired,
        )
        | (
            phase @ Phase::RollingBack(_),
            Quiet | Reverted | Condemned(..) | Pause | Resume | Verified | Ready | Baked | Failed(_),
        )
        | (
            phase @ (Phase::RolledBack(_) | Phase::Stalled(_)),
            Quiet | Pause | Resume | Verified | Ready | Baked | Failed(_) | StableServes | Expired,
        ) => phase,
    };
    change.state.phase = next;
    (change.state, change.events)
}

/// A transition in the making.
struct Change<'a> {
    state: State,
    settings: &'a Settings,
    now: Timestamp,
    events: Vec<Happening>,
}

impl Change<'_> {
    fn tell(&mut self, happening: Happening) {
        self.events.push(happening);
    }

    fn begin(&mut self, candidate: Revision, attempt: i32, superseded: Option<Revision>) -> Phase {
        self.tell(Happening::Started { candidate: candidate.clone(), superseded: superseded.map(Box::new) });
        Phase::Verifying(Attempt {
            candidate,
            started_at: self.now,
            deadline: self.now + self.settings.progress_deadline,
            attempt,
            readiness: Readiness::default(),
            pull_fails_since: None,
        })
    }

    /// The first model has nothing to prove: nothing else could serve in its place.
    fn take_traffic(&mut self, attempt: Attempt) -> Phase {
        self.tell(Happening::TrafficMoved(attempt.candidate.clone()));
        if self.state.stable.is_none() {
            return self.promote(attempt.candidate);
        }
        let until = self.now + self.settings.bake;
        Phase::Baking(Bake {
            candidate: attempt.candidate,
            since: self.now,
            until,
            deadline: until + self.settings.progress_deadline,
            attempt: attempt.attempt,
            readiness: attempt.readiness,
            on_probation: false,
            unready_since: None,
        })
    }

    fn promote(&mut self, candidate: Revision) -> Phase {
        self.tell(Happening::Promoted(candidate.clone()));
        let name = candidate.revision.clone();
        let old = self.state.stable.replace(Stable { revision: candidate, since: self.now });
        let history = &mut self.state.history;
        if let Some(old) = old {
            let Revision { revision, uri, digest, training_run, .. } = old.revision;
            history.insert(0, Earlier { revision, uri, digest, training_run, until: self.now });
        }
        history.retain(|kept| kept.revision != name);
        history.truncate(self.settings.history_limit);
        Phase::Idle
    }

    fn cancel(&mut self, candidate: Revision) -> Phase {
        self.tell(Happening::Cancelled(candidate));
        Phase::Idle
    }

    /// What has to last begins anew after the pause.
    fn hold(&mut self, mut active: Active) -> Phase {
        match &mut active {
            Active::Verifying(attempt) | Active::Progressing(attempt) => {
                attempt.readiness.ready_since = None;
                attempt.pull_fails_since = None;
            }
            Active::Baking(bake) => {
                bake.readiness.ready_since = None;
                bake.unready_since = None;
            }
        }
        self.tell(Happening::Held(active.candidate().clone()));
        Phase::Held(Held { held_since: self.now, resume: active })
    }

    /// The clock stood still.
    fn resume(&mut self, held: Held) -> Phase {
        let paused = self.now.duration_since(held.held_since).max(SignedDuration::ZERO);
        self.tell(Happening::Resumed(held.resume.candidate().clone()));
        let mut active = held.resume;
        match &mut active {
            Active::Verifying(attempt) | Active::Progressing(attempt) => attempt.deadline += paused,
            Active::Baking(bake) => {
                bake.until += paused;
                bake.deadline += paused;
            }
        }
        active.into()
    }

    fn roll_back(&mut self, failed: Revision, failure: Failure, attempt: i32) -> Phase {
        self.tell(Happening::Failed(failed.clone(), failure.clone()));
        if failure.reason.condemns() {
            self.deny(&failed, &failure);
        }
        self.state.history.retain(|kept| kept.revision != failed.revision);
        Phase::RollingBack(Rollback { failed, failure, deadline: self.now + self.settings.progress_deadline, attempt })
    }

    fn deny(&mut self, failed: &Revision, failure: &Failure) {
        let denied = &mut self.state.denied;
        denied.retain(|denial| denial.digest != failed.digest || denial.template_hash != failed.template_hash);
        denied.push(Denial {
            digest: failed.digest.clone(),
            template_hash: failed.template_hash.clone(),
            failure: failure.clone(),
        });
        if denied.len() > MAX_DENIED {
            denied.remove(0);
        }
    }

    /// The target was refused before: nothing is tried.
    fn refuse(&self, target: Revision, failure: Failure) -> Phase {
        let refusal = Refusal { failed: target, failure, attempt: 1, retry_at: None };
        if self.state.stable.is_some() { Phase::RolledBack(refusal) } else { Phase::Stalled(refusal) }
    }

    fn refusal(&self, failed: Revision, failure: Failure, attempt: i32) -> Refusal {
        let (first, longest) = RETRY;
        let wait = first.saturating_mul(1 << (attempt - 1).clamp(0, 16)).min(longest);
        let retry_at = (!failure.reason.condemns()).then(|| self.now + wait);
        Refusal { failed, failure, attempt, retry_at }
    }
}
