//! Conditions: one way to set them, and the names that the two kinds share.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use schemars::{Schema, SchemaGenerator, json_schema};

/// The result is there and good; of a run, the same as [`SUCCEEDED`].
pub const READY: &str = "Ready";
/// Of a run: Unknown while it runs, then True or False for good.
pub const SUCCEEDED: &str = "Succeeded";
/// kstatus: True while the operator works towards the spec, otherwise False.
pub const RECONCILING: &str = "Reconciling";
/// kstatus: True where nothing moves until a person acts, otherwise False.
pub const STALLED: &str = "Stalled";
/// Of a deployment: the target of the spec is what serves.
pub const TARGET_SERVED: &str = "TargetServed";

/// Longest message, bytes; longer ones are cut.
pub const MAX_MESSAGE_BYTES: usize = 2_048;

/// Status of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Not known yet.
    Unknown,
}

impl Status {
    /// As in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Status::True => "True",
            Status::False => "False",
            Status::Unknown => "Unknown",
        }
    }
}

impl From<bool> for Status {
    fn from(holds: bool) -> Self {
        if holds { Status::True } else { Status::False }
    }
}

/// What a condition says; when it began to say so is [`set_condition`]'s business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Says {
    /// Type, one of the constants of this module.
    pub type_: &'static str,
    /// Status.
    pub status: Status,
    /// Reason: a constant in CamelCase.
    pub reason: &'static str,
    /// Message for a person, without a full stop at the end.
    pub message: String,
}

/// Sets one condition and leaves the others and their order alone. `lastTransitionTime` becomes `now` only where the
/// status changes, so that the same facts give the same bytes. `generation` is the object's `metadata.generation`.
pub fn set_condition(conditions: &mut Vec<Condition>, says: Says, generation: Option<i64>, now: Timestamp) {
    let message = cut(says.message, MAX_MESSAGE_BYTES);
    let place = conditions.iter().position(|condition| condition.type_ == says.type_);
    let since = place
        .map(|place| &conditions[place])
        .filter(|old| old.status == says.status.as_str())
        .map_or(Time(now), |old| old.last_transition_time.clone());
    let condition = Condition {
        type_: says.type_.to_owned(),
        status: says.status.as_str().to_owned(),
        reason: says.reason.to_owned(),
        message,
        observed_generation: generation,
        last_transition_time: since,
    };
    match place {
        Some(place) => conditions[place] = condition,
        None => conditions.push(condition),
    }
}

/// The text in at most `max` bytes, cut at a character and marked where it was cut.
pub fn cut(mut text: String, max: usize) -> String {
    if text.len() > max {
        let room = max.saturating_sub('…'.len_utf8());
        let end = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= room).last().unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

/// The condition of that type.
pub fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// Whether the condition of that type is there and True.
pub fn is_true(conditions: &[Condition], type_: &str) -> bool {
    find(conditions, type_).is_some_and(|condition| condition.status == Status::True.as_str())
}

/// Schema of a list of conditions, for `#[schemars(schema_with = "…")]`: a map by type, bounded.
pub fn conditions_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "description": "Conditions of this object, one of each type.",
        "type": "array",
        "maxItems": 16,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["type", "status", "reason", "message", "lastTransitionTime"],
            "properties": {
                "type": {"description": "Type, in CamelCase.", "type": "string", "maxLength": 316},
                "status": {"description": "True, False or Unknown.", "type": "string", "enum": ["True", "False", "Unknown"]},
                "reason": {"description": "Reason of the last change, in CamelCase.", "type": "string", "minLength": 1, "maxLength": 1024},
                "message": {"description": "What happened, for a person.", "type": "string", "maxLength": 32768},
                "lastTransitionTime": {"description": "When the status last changed.", "type": "string", "format": "date-time"},
                "observedGeneration": {
                    "description": "The metadata.generation that this speaks of.",
                    "type": "integer", "format": "int64", "minimum": 0,
                },
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(status: Status, message: &str) -> Says {
        Says { type_: READY, status, reason: "Testing", message: message.to_owned() }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_transition_time_moves_only_with_the_status() {
        let mut conditions = vec![];
        set_condition(&mut conditions, says(Status::Unknown, "waiting"), Some(1), at(10));
        set_condition(&mut conditions, says(Status::Unknown, "still waiting"), Some(2), at(20));
        assert_eq!(conditions[0].last_transition_time, Time(at(10)));
        assert_eq!((conditions[0].message.as_str(), conditions[0].observed_generation), ("still waiting", Some(2)));
        set_condition(&mut conditions, says(Status::True, "done"), Some(2), at(30));
        assert_eq!(conditions.len(), 1);
        assert_eq!(conditions[0].last_transition_time, Time(at(30)));
        assert!(is_true(&conditions, READY));
    }

    #[test]
    fn a_long_message_is_cut_at_a_character() {
        let mut conditions = vec![];
        set_condition(&mut conditions, says(Status::False, &"ä".repeat(2_000)), None, at(0));
        assert!(conditions[0].message.len() <= MAX_MESSAGE_BYTES);
        assert!(conditions[0].message.ends_with('…'));
    }
}
