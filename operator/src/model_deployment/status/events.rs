//! What happened, as events.

use super::conditions::named;
use crate::kube_io::Note;
use crate::rollout::Happening;

/// The event of a happening.
pub fn note(happening: &Happening) -> Note {
    let note = |warning, reason, action, message| Note { warning, reason, action, message };
    match happening {
        Happening::Started { candidate, superseded } => {
            let instead =
                superseded.as_ref().map(|old| format!(", in the place of {}", named(old))).unwrap_or_default();
            note(false, "RolloutStarted", "StartRollout", format!("rolling out {}{instead}", named(candidate)))
        }
        Happening::Verified(candidate) => {
            note(false, "ArtefactVerified", "VerifyArtefact", format!("{} was fetched and verified", named(candidate)))
        }
        Happening::TrafficMoved(candidate) => {
            note(false, "TrafficMoved", "SwitchRoute", format!("{} gets the traffic", named(candidate)))
        }
        Happening::Promoted(candidate) => {
            note(false, "RolloutSucceeded", "Promote", format!("{} is stable", named(candidate)))
        }
        Happening::Cancelled(candidate) => {
            note(false, "RolloutCancelled", "CancelRollout", format!("{} is no longer asked for", named(candidate)))
        }
        Happening::Held(candidate) => note(false, "RolloutHeld", "Hold", format!("{} is held", named(candidate))),
        Happening::Resumed(candidate) => {
            note(false, "RolloutResumed", "Resume", format!("{} goes on", named(candidate)))
        }
        Happening::Failed(failed, failure) => {
            let why = format!("{}: {}", failure.reason.as_str(), failure.message);
            note(true, "RolloutFailed", "StartRollback", format!("taking back {}: {why}", named(failed)))
        }
        Happening::RolledBack(failed) => {
            note(true, ROLLED_BACK, "Rollback", format!("the stable model serves, not {}", named(failed)))
        }
        Happening::Stalled(failed) => {
            note(true, "RolloutStalled", "Stall", format!("nothing serves in the place of {}", named(failed)))
        }
    }
}

const ROLLED_BACK: &str = "RolledBack";
