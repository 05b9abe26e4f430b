//! One watch for each kind, shared by the controllers.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;

use futures::channel::mpsc;
use futures::{Stream, StreamExt, pin_mut};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::DeserializeGuard;
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

/// Seconds after which the server ends a watch and a new one begins, so that a connection that has silently died is
/// noticed: at the latest 5 s after that, by the client's own count.
const WATCH_SECONDS: u32 = 45;

/// Objects to list at once; bounds the memory of a start in a large cluster.
const PAGE_SIZE: u32 = 100;

/// Keys of objects to reconcile. Cloned into as many watches as can make an object of kind `K` worth another look.
pub struct Queue<K: Resource<DynamicType = ()> + 'static> {
    sender: mpsc::UnboundedSender<ObjectRef<K>>,
}

impl<K: Resource<DynamicType = ()> + 'static> Clone for Queue<K> {
    fn clone(&self) -> Self {
        Queue { sender: self.sender.clone() }
    }
}

impl<K: Resource<DynamicType = ()> + 'static> fmt::Debug for Queue<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Queue")
    }
}

impl<K: Resource<DynamicType = ()> + 'static> Queue<K> {
    /// A queue and the end that [`super::run_controller`] takes. It is drained at once by a scheduler that holds each
    /// key once, so it cannot grow.
    pub fn new() -> (Queue<K>, impl Stream<Item = ObjectRef<K>> + Send + 'static) {
        let (sender, receiver) = mpsc::unbounded();
        (Queue { sender }, receiver)
    }

    /// Asks for a look at that object.
    pub fn push(&self, key: ObjectRef<K>) {
        // An error means that the controller has stopped.
        let _ = self.sender.unbounded_send(key);
    }
}

/// The controlling owner of that kind, to subscribe a controller to its children: `watch.subscribe(&queue, owner)`.
pub fn owner<K: Resource<DynamicType = ()>, C: Resource>(child: &C) -> Option<ObjectRef<K>> {
    let meta: &ObjectMeta = child.meta();
    let owner = meta.owner_references.as_deref()?.iter().find(|owner| owner.controller == Some(true))?;
    ObjectRef::from_owner_ref(meta.namespace.as_deref(), owner, ())
}

type Subscriber<K> = Box<dyn Fn(&K) + Send + Sync>;

/// A watch of one kind. Build it, hand out its [`Watch::store`], subscribe the queues, then run it.
pub struct Watch<K: Resource<DynamicType = ()> + Clone + 'static> {
    api: Api<DeserializeGuard<K>>,
    config: watcher::Config,
    strip: fn(&mut K),
    store: Store<K>,
    writer: reflector::store::Writer<K>,
    subscribers: Vec<Subscriber<K>>,
}

impl<K: Resource<DynamicType = ()> + Clone> fmt::Debug for Watch<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watch<{}>", K::kind(&()))
    }
}

impl<K> Watch<K>
where
    K: Resource<DynamicType = ()> + Clone + fmt::Debug + DeserializeOwned + Send + Sync + 'static,
    ObjectRef<K>: Hash + Eq,
{
    /// A watch of what has `labels` (a label selector; empty for all) in one namespace or, without one, in all.
    pub fn new(client: &Client, namespace: Option<&str>, labels: &str) -> Watch<K>
    where
        K: Resource<Scope = NamespaceResourceScope>,
    {
        let api = match namespace {
            Some(namespace) => Api::namespaced(client.clone(), namespace),
            None => Api::all(client.clone()),
        };
        let (store, writer) = reflector::store();
        let mut config = watcher::Config::default().timeout(WATCH_SECONDS).page_size(PAGE_SIZE);
        if !labels.is_empty() {
            config = config.labels(labels);
        }
        Watch { api, config, strip: |_| {}, store, writer, subscribers: vec![] }
    }

    /// Only objects that match this field selector.
    #[must_use]
    pub fn fields(mut self, selector: &str) -> Watch<K> {
        self.config = self.config.fields(selector);
        self
    }

    /// Drops from each object, before it is stored, what nobody reads. `managedFields` always go.
    #[must_use]
    pub fn strip(mut self, strip: fn(&mut K)) -> Watch<K> {
        self.strip = strip;
        self
    }

    /// What is known of the cluster. Empty until the first list is complete: the controllers wait for that.
    pub fn store(&self) -> Store<K> {
        self.store.clone()
    }

    /// Every change, deletion included, puts the keys that `keys` makes of the object into `queue`.
    pub fn subscribe<T, I>(&mut self, queue: &Queue<T>, keys: impl Fn(&K) -> I + Send + Sync + 'static)
    where
        T: Resource<DynamicType = ()> + Send + Sync + 'static,
        I: IntoIterator<Item = ObjectRef<T>>,
    {
        let queue = queue.clone();
        self.subscribers.push(Box::new(move |object| keys(object).into_iter().for_each(|key| queue.push(key))));
    }

    /// Watches until `shutdown`, coming back with backoff after errors. An object that vanished while the watch was
    /// broken is told to the subscribers like any deletion.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let Watch { api, config, strip, store, writer, subscribers } = self;
        let tell = |object: &K| subscribers.iter().for_each(|subscriber| subscriber(object));
        let stream = watch(api, config).default_backoff().filter_map(move |event| {
            let event = event.map(|event| {
                readable(event).map(|event| {
                    event.modify(|object| {
                        object.managed_fields_mut().clear();
                        strip(object);
                    })
                })
            });
            futures::future::ready(event.transpose())
        });
        let stream = reflector::reflector(writer, stream).take_until(shutdown);
        pin_mut!(stream);
        let mut before: HashMap<ObjectRef<K>, Arc<K>> = HashMap::new();
        while let Some(event) = stream.next().await {
            match event {
                Ok(Event::Init) => {
                    before = store
                        .state()
                        .into_iter()
                        .map(|object| (ObjectRef::from_obj(object.as_ref()), object))
                        .collect();
                }
                Ok(Event::Apply(object) | Event::Delete(object)) => tell(&object),
                Ok(Event::InitApply(object)) => {
                    before.remove(&ObjectRef::from_obj(&object));
                }
                Ok(Event::InitDone) => {
                    for vanished in std::mem::take(&mut before).values() {
                        tell(vanished);
                    }
                    for object in store.state() {
                        tell(&object);
                    }
                }
                Err(error) => tracing::warn!(kind = %K::kind(&()), %error, "watch interrupted"),
            }
        }
    }
}

/// Leaves out an object that does not fit its type, such as one written by a newer version: it must not stop the watch of
/// all others.
fn readable<K: Resource<DynamicType = ()>>(event: Event<DeserializeGuard<K>>) -> Option<Event<K>> {
    let read = |DeserializeGuard(object): DeserializeGuard<K>| {
        let tell = |invalid: &kube::core::error_boundary::InvalidObject| {
            let (name, namespace) = (invalid.metadata.name.as_deref(), invalid.metadata.namespace.as_deref());
            tracing::error!(kind = %K::kind(&()), name, namespace, error = %invalid, "object cannot be read and is left alone");
        };
        object.inspect_err(tell).ok()
    };
    Some(match event {
        Event::Init => Event::Init,
        Event::InitDone => Event::InitDone,
        Event::InitApply(object) => Event::InitApply(read(object)?),
        Event::Apply(object) => Event::Apply(read(object)?),
        Event::Delete(object) => Event::Delete(read(object)?),
    })
}
