//! What every controller is given.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder};
use kube::{Client, Resource, ResourceExt};
use slipway_crds::condition::cut;

use super::gate::Gate;
use crate::config::Config;
use crate::metrics::Metrics;

/// Where the time comes from. Pure stages take a [`Timestamp`] instead.
pub trait Clock: Send + Sync {
    /// The time.
    fn now(&self) -> Timestamp;
}

/// Shared by all controllers.
#[derive(Clone)]
pub struct Context {
    /// Client without retries of its own; wrap calls in [`super::within_deadline`] or use [`super::Applier`].
    pub client: Client,
    /// Writes events; it joins repeated ones, so there is one for the whole program.
    pub recorder: Recorder,
    /// Prometheus metrics.
    pub metrics: Arc<Metrics>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Whether this operator is the one that writes.
    pub gate: Arc<Gate>,
    /// Flags and environment.
    pub config: Arc<Config>,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("config", &self.config).finish_non_exhaustive()
    }
}

/// An event, before it is about an object. Emitted on transitions only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Whether somebody should look.
    pub warning: bool,
    /// Why: a constant in CamelCase.
    pub reason: &'static str,
    /// What the operator did or decided, a verb in CamelCase, such as `CreateJob`.
    pub action: &'static str,
    /// For a person.
    pub message: String,
}

/// Longest note of an event, bytes: the API's limit is 1 KiB.
const MAX_NOTE_BYTES: usize = 1_000;

impl Context {
    /// Writes an event about `object`. Events are a courtesy: one that cannot be written is logged and forgotten.
    pub async fn event<K: Resource<DynamicType = ()>>(&self, object: &K, note: Note) {
        self.event_with(object, None, note).await;
    }

    /// As [`Context::event`], with a second object that it is about. Events are joined where they differ in nothing but
    /// their message, so this also keeps apart what happened to different things.
    pub async fn event_with<K: Resource<DynamicType = ()>>(
        &self,
        object: &K,
        secondary: Option<ObjectReference>,
        note: Note,
    ) {
        let text = cut(note.message, MAX_NOTE_BYTES);
        let event = Event {
            type_: if note.warning { EventType::Warning } else { EventType::Normal },
            reason: note.reason.to_owned(),
            note: Some(text),
            action: note.action.to_owned(),
            secondary,
        };
        let about = object.object_ref(&());
        let publish = self.recorder.publish(&event, &about);
        if let Err(error) = super::within_deadline(|| format!("write event {}", note.reason), publish).await {
            tracing::warn!(object = object.name_any(), %error, "event not written");
        }
    }
}
