//! What must hold of every run, whatever was done to it. Pure: they judge what was written down.
//!
//! - O1: the end is that of a run that nobody disturbed.
//! - O2: then nothing is written any more.
//! - O3: nothing is trained twice: one Job for each run and purpose, ever.
//! - O4: no model gets traffic that nobody asked for or that was refused.
//! - O5: once a model answers, at every moment the route leads to a pod that is ready.
//! - O6: what users delete leaves nothing behind.
//! - O7: at every moment the conditions speak of the present spec, and do not contradict each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use crate::history::{Event, History, What};
use crate::kind::{DEPLOYMENT, JOB, Kind, MODEL_DEPLOYMENT, POD, SERVICE, TRAINING_RUN};
use crate::normal::{differences, is_ready};

/// What is known when a run has ended.
#[derive(Clone, Debug, Default)]
pub struct Ended {
    /// All that happened until all was at rest.
    pub history: History,
    /// The end of an undisturbed run; `None` for that run itself.
    pub undisturbed: Option<BTreeMap<String, Value>>,
    /// The end of this one.
    pub end: BTreeMap<String, Value>,
    /// Writes in the time in which none must come, as they stand in the journal.
    pub restless: Vec<String>,
    /// What is left when all that users wrote has been deleted.
    pub left: Vec<String>,
    /// Digests of models that must never get traffic.
    pub never_served: Vec<String>,
}

/// An oracle that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Its number.
    pub oracle: u8,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "O{}: {}", self.oracle, self.what)
    }
}

/// All that does not hold.
pub fn judge(ended: &Ended) -> Vec<Violation> {
    let history = &ended.history;
    let undisturbed = ended.undisturbed.as_ref();
    let all = [
        (1, undisturbed.map(|undisturbed| differences(undisturbed, &ended.end)).unwrap_or_default()),
        (2, ended.restless.iter().map(|write| format!("written at rest: {write}")).collect()),
        (3, trained_twice(history)),
        (4, wrongly_served(history, &ended.never_served)),
        (5, unanswered(history)),
        (6, ended.left.iter().map(|name| format!("{name} is left")).collect()),
        (7, untrue(history)),
    ];
    all.into_iter().flat_map(|(oracle, found)| found.into_iter().map(move |what| Violation { oracle, what })).collect()
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn of<'a>(events: &'a [&Event], kind: &Kind) -> impl Iterator<Item = &'a Event> {
    let name = kind.name;
    events.iter().copied().filter(move |event| event.kind == name)
}

fn trained_twice(history: &History) -> Vec<String> {
    let mut jobs: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let events = history.in_order();
    for event in of(&events, &JOB) {
        jobs.entry(&event.name).or_default().insert(text(&event.object, "/metadata/uid"));
    }
    let many = jobs.into_iter().filter(|(_, uids)| uids.len() > 1);
    many.map(|(name, uids)| format!("there were {} Jobs {name}", uids.len())).collect()
}

/// The revision that a Service selects; empty where it selects none.
fn routed(service: &Value) -> &str {
    match text(service, "/spec/selector/slipway.dev~1revision") {
        "none" => "",
        revision => revision,
    }
}

fn wrongly_served(history: &History, never_served: &[String]) -> Vec<String> {
    let (mut asked, mut digests, mut wrong) = (BTreeSet::new(), BTreeMap::new(), vec![]);
    for event in history.in_order() {
        let object = event.object.as_ref();
        if event.kind == MODEL_DEPLOYMENT.name {
            asked.insert(text(object, "/spec/model/pinned/digest"));
        } else if event.kind == TRAINING_RUN.name {
            asked.insert(text(object, "/status/artefact/digest"));
        } else if event.kind == DEPLOYMENT.name {
            digests.insert(event.name.as_str(), text(object, "/metadata/annotations/slipway.dev~1artefact-digest"));
        } else if event.kind == SERVICE.name && !routed(object).is_empty() {
            let revision = routed(object);
            let digest = digests.get(revision).copied().unwrap_or_default();
            if never_served.iter().any(|never| never == digest) {
                wrong.push(format!("{revision} was refused and got traffic at version {}", event.version));
            } else if digest.is_empty() || !asked.contains(digest) {
                wrong.push(format!("nobody had asked for {revision}, which got traffic at version {}", event.version));
            }
        }
    }
    wrong.sort();
    wrong.dedup();
    wrong
}

/// The moments at which a route that had a ready pod before has none, for as long as its deployment is there.
fn unanswered(history: &History) -> Vec<String> {
    let mut ready: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut routes: BTreeMap<&str, (&str, bool)> = BTreeMap::new();
    let mut deployments: BTreeSet<&str> = BTreeSet::new();
    let mut moments = vec![];
    for event in history.in_order() {
        let (object, name) = (event.object.as_ref(), event.name.as_str());
        let is_gone = event.what == What::Deleted || !object["metadata"]["deletionTimestamp"].is_null();
        if event.kind == POD.name {
            let pods = ready.entry(text(object, "/metadata/labels/slipway.dev~1revision")).or_default();
            if is_ready(object) && !is_gone {
                pods.insert(name)
            } else {
                pods.remove(name)
            };
        } else if event.kind == MODEL_DEPLOYMENT.name {
            if is_gone {
                deployments.remove(name)
            } else {
                deployments.insert(name)
            };
        } else if event.kind == SERVICE.name && !is_gone {
            routes.entry(name).or_default().0 = routed(object);
        } else if event.kind == SERVICE.name {
            routes.remove(name);
        }
        routes.retain(|service, _| deployments.contains(service));
        for (service, (revision, has_answered)) in &mut routes {
            let answers = !revision.is_empty() && ready.get(revision).is_some_and(|pods| !pods.is_empty());
            if *has_answered && !answers {
                let (version, kind) = (event.version, event.kind);
                moments.push(format!(
                    "{service} led to no ready pod of {revision} since version {version}, a {kind} {name}"
                ));
            }
            *has_answered = answers;
        }
    }
    moments
}

fn untrue(history: &History) -> Vec<String> {
    let events = history.in_order();
    let mut untrue = vec![];
    for kind in [MODEL_DEPLOYMENT, TRAINING_RUN] {
        let mut before: BTreeMap<(&str, &str), &Value> = BTreeMap::new();
        for event in of(&events, &kind).filter(|event| event.what != What::Deleted) {
            let object = event.object.as_ref();
            let key = (event.name.as_str(), text(object, "/metadata/uid"));
            let old = before.insert(key, object).map_or(&Value::Null, |old| &old["status"]);
            if *old != object["status"] {
                let lies = lies(old, object);
                untrue.extend(
                    lies.iter().map(|lie| format!("{} {} at version {}: {lie}", kind.name, event.name, event.version)),
                );
            }
        }
    }
    untrue
}

/// What is wrong with a status that was written over another.
fn lies(old: &Value, object: &Value) -> Vec<String> {
    let status = &object["status"];
    let (generation, is_true) = (&object["metadata"]["generation"], |type_| says(status, type_) == "True");
    let mut lies = vec![];
    for condition in status["conditions"].as_array().into_iter().flatten() {
        let type_ = text(condition, "/type");
        if condition["observedGeneration"] != *generation {
            lies.push(format!("{type_} speaks of generation {}, not {generation}", condition["observedGeneration"]));
        }
        let same = find(old, type_).filter(|old| old["status"] == condition["status"]);
        if same.is_some_and(|old| old["lastTransitionTime"] != condition["lastTransitionTime"]) {
            lies.push(format!("lastTransitionTime of {type_} changed without its status"));
        }
    }
    for (one, other) in [("Reconciling", "Stalled"), ("Ready", "Stalled")] {
        if is_true(one) && is_true(other) {
            lies.push(format!("both {one} and {other}"));
        }
    }
    if is_true("Ready") && status["readyReplicas"] == 0 {
        lies.push("Ready without a ready pod".to_owned());
    }
    lies
}

fn find<'a>(status: &'a Value, type_: &str) -> Option<&'a Value> {
    status["conditions"].as_array()?.iter().find(|condition| condition["type"] == *type_)
}

fn says<'a>(status: &'a Value, type_: &str) -> &'a str {
    find(status, type_).map(|condition| text(condition, "/status")).unwrap_or_default()
}

#[cfg(test)]
mod tests;
