//! Writes that did not come about, in the words of the status.

use std::time::Duration;

use slipway_crds::condition::cut;
use slipway_crds::model_deployment::{Blocked, BlockedReason};

use crate::kube_io::{Class, Classified, IoError, Note};

/// How long the API server may answer with errors, or not at all, before the status says so.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest message, bytes.
const MAX_BYTES: usize = 1_000;

/// What the status says after `failed`, which has been failing for so long; `before` is what it said. What passes by
/// itself changes nothing.
pub fn blocked(failed: &IoError, failing_for: Duration, before: Option<&Blocked>) -> Option<Blocked> {
    let reason = match failed {
        IoError::Foreign { .. } => BlockedReason::NameTaken,
        _ if failed.code() == Some(403) => BlockedReason::Forbidden,
        _ => match failed.class() {
            Class::Invalid => BlockedReason::Refused,
            Class::Transient if failing_for >= PATIENCE => BlockedReason::Unavailable,
            Class::Transient | Class::Conflict => return before.cloned(),
        },
    };
    // The words of an outage differ each time.
    let is_said = reason == BlockedReason::Unavailable && before.is_some_and(|before| before.reason == reason);
    if is_said { before.cloned() } else { Some(Blocked { reason, message: cut(failed.to_string(), MAX_BYTES) }) }
}

/// The event of a write that is blocked for another reason than before.
pub fn blocked_note(before: Option<&Blocked>, now: Option<&Blocked>) -> Option<Note> {
    let now = now?;
    let is_new = before.is_none_or(|before| before.reason != now.reason);
    is_new.then(|| Note { warning: true, reason: now.reason.as_str(), action: "Write", message: now.message.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(code: u16, message: &str) -> IoError {
        let status = kube::core::Status::failure(message, "").with_code(code);
        IoError::Kube { action: "create Deployment a".to_owned(), source: Box::new(kube::Error::Api(Box::new(status))) }
    }

    fn said(reason: BlockedReason, message: &str) -> Blocked {
        Blocked { reason, message: message.to_owned() }
    }

    #[test]
    fn a_write_that_needs_somebodys_help_is_told_at_once_and_an_outage_when_it_lasts() {
        let (now, later) = (Duration::ZERO, PATIENCE);
        let forbidden = answered(403, "no right");
        let says = |error: &IoError, after| blocked(error, after, None);
        assert_eq!(says(&forbidden, now), Some(said(BlockedReason::Forbidden, "create Deployment a: no right")));
        assert_eq!(says(&answered(422, "odd"), now), Some(said(BlockedReason::Refused, "create Deployment a: odd")));
        let foreign = IoError::Foreign { kind: "Service".to_owned(), name: "a".to_owned() };
        assert_eq!(says(&foreign, now).map(|blocked| blocked.reason), Some(BlockedReason::NameTaken));
        assert_eq!(says(&answered(500, "etcd"), now), None);
        assert_eq!(
            says(&answered(500, "etcd"), later),
            Some(said(BlockedReason::Unavailable, "create Deployment a: etcd"))
        );
        assert_eq!(says(&answered(409, "conflict"), later), None, "a conflict is tried again at once");
    }

    #[test]
    fn ever_new_words_of_one_outage_are_told_once() {
        let before = Some(said(BlockedReason::Unavailable, "create Deployment a: etcd"));
        assert_eq!(blocked(&answered(503, "other words"), PATIENCE, before.as_ref()), before);
        assert_eq!(blocked_note(before.as_ref(), before.as_ref()), None);
        assert!(blocked_note(None, before.as_ref()).is_some());
    }
}
