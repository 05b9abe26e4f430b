//! All that became of the objects of one namespace, in the order in which the API server did it. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::kind::{DEPLOYMENT, Kind, POD, REPLICA_SET};

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// It was made.
    Added,
    /// It was changed.
    Modified,
    /// It is gone; what is told is its last state.
    Deleted,
}

/// One change of one object.
#[derive(Clone, Debug)]
pub struct Event {
    /// The API server's version: versions order the changes of all kinds.
    pub version: u64,
    /// What happened.
    pub what: What,
    /// Name of the kind.
    pub kind: &'static str,
    /// Name of the object.
    pub name: String,
    /// The object since then.
    pub object: Arc<Value>,
}

/// The changes, and what they add up to.
#[derive(Clone, Debug, Default)]
pub struct History {
    events: Vec<Event>,
    objects: BTreeMap<(&'static str, String), Arc<Value>>,
}

impl History {
    /// Adds a change; those of one kind must come in their order.
    pub fn push(&mut self, event: Event) {
        let key = (event.kind, event.name.clone());
        match event.what {
            What::Added | What::Modified => self.objects.insert(key, event.object.clone()),
            What::Deleted => self.objects.remove(&key),
        };
        self.events.push(event);
    }

    /// An object as it is.
    pub fn object(&self, kind: &Kind, name: &str) -> Option<&Value> {
        self.objects.get(&(kind.name, name.to_owned())).map(Arc::as_ref)
    }

    /// All objects of a kind, by name.
    pub fn all(&self, kind: &Kind) -> impl Iterator<Item = &Arc<Value>> {
        let name = kind.name;
        self.objects.range((name, String::new())..).take_while(move |((kind, _), _)| *kind == name).map(|(_, o)| o)
    }

    /// Names of all objects, with their kinds.
    pub fn names(&self) -> Vec<String> {
        self.objects.keys().map(|(kind, name)| format!("{kind} {name}")).collect()
    }

    /// Names of objects that Kubernetes has not done with: their owner is gone, or they have not as many pods as they should.
    pub fn unsettled(&self) -> Vec<String> {
        let uids: BTreeSet<&str> =
            self.objects.values().filter_map(|object| object["metadata"]["uid"].as_str()).collect();
        let is_orphan = |object: &Value| {
            let mut owners = object["metadata"]["ownerReferences"].as_array().into_iter().flatten();
            owners.any(|owner| owner["uid"].as_str().is_some_and(|uid| !uids.contains(uid)))
        };
        let is_scaling = |object: &Value| {
            let (wanted, found) = (&object["spec"]["replicas"], &object["status"]["replicas"]);
            wanted.as_i64().unwrap_or_default() != found.as_i64().unwrap_or_default()
                || object["metadata"]["generation"] != object["status"]["observedGeneration"]
        };
        // Pods are told of by a watch of their own, which may be behind.
        let has_other_pods = |set: &Value| {
            let is_owned = |pod: &&Arc<Value>| pod["metadata"]["ownerReferences"][0]["uid"] == set["metadata"]["uid"];
            self.all(&POD).filter(is_owned).count() as u64 != set["spec"]["replicas"].as_u64().unwrap_or_default()
        };
        let unsettled = self.objects.iter().filter(|((kind, _), object)| {
            let (is_deployment, is_set) = (*kind == DEPLOYMENT.name, *kind == REPLICA_SET.name);
            is_orphan(object) || ((is_deployment || is_set) && is_scaling(object)) || (is_set && has_other_pods(object))
        });
        unsettled.map(|((kind, name), _)| format!("{kind} {name}")).collect()
    }

    /// Number of changes.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether nothing has happened.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The changes of all kinds, in order.
    pub fn in_order(&self) -> Vec<&Event> {
        let mut events: Vec<&Event> = self.events.iter().collect();
        events.sort_by_key(|event| event.version);
        events
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;
    use crate::kind::SERVICE;

    /// A change, for tests.
    pub(crate) fn event(version: u64, what: What, kind: &Kind, name: &str, object: Value) -> Event {
        Event { version, what, kind: kind.name, name: name.to_owned(), object: Arc::new(object) }
    }

    #[test]
    fn orphans_and_what_is_being_scaled_are_unsettled() {
        let mut history = History::default();
        let deployment = |found: i64| {
            let metadata = json!({"uid": "1", "generation": 1});
            json!({"metadata": metadata, "spec": {"replicas": 2}, "status": {"replicas": found, "observedGeneration": 1}})
        };
        let pod = json!({"metadata": {"uid": "p", "ownerReferences": [{"uid": "1"}]}});
        history.push(event(1, What::Added, &DEPLOYMENT, "d", deployment(1)));
        history.push(event(2, What::Added, &POD, "p", pod));
        assert_eq!(history.unsettled(), ["Deployment d"]);
        history.push(event(3, What::Modified, &DEPLOYMENT, "d", deployment(2)));
        assert!(history.unsettled().is_empty());
        history.push(event(4, What::Deleted, &DEPLOYMENT, "d", deployment(2)));
        assert_eq!(history.unsettled(), ["Pod p"]);

        let mut history = History::default();
        history.push(event(1, What::Added, &REPLICA_SET, "r", deployment(2)));
        assert_eq!(history.unsettled(), ["ReplicaSet r"], "its pods are yet to be seen");
    }

    #[test]
    fn objects_are_what_the_changes_add_up_to() {
        let mut history = History::default();
        history.push(event(5, What::Added, &POD, "a", json!({"n": 1})));
        history.push(event(7, What::Modified, &POD, "a", json!({"n": 2})));
        history.push(event(6, What::Added, &SERVICE, "s", json!({})));
        history.push(event(9, What::Added, &POD, "b", json!({})));
        history.push(event(10, What::Deleted, &POD, "b", json!({})));
        assert_eq!(history.object(&POD, "a"), Some(&json!({"n": 2})));
        assert_eq!(history.names(), ["Pod a", "Service s"]);
        assert_eq!(history.all(&POD).count(), 1);
        assert_eq!(history.all(&DEPLOYMENT).count(), 0);
        let order: Vec<u64> = history.in_order().iter().map(|event| event.version).collect();
        assert_eq!(order, [5, 6, 7, 9, 10]);
    }
}
