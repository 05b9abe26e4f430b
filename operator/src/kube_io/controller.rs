//! The loop around a reconciler.

use std::collections::HashMap;
use std::fmt::Debug;
use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::{FutureExt, Stream, StreamExt};
use kube::Resource;
use kube::runtime::applier;
use kube::runtime::controller::{Action, Config, Error as ControllerError};
use kube::runtime::reflector::{ObjectRef, Store};
use thiserror::Error;

use super::context::Context;
use super::error::{Class, Classified};

/// Objects reconciled at the same time by one controller.
const CONCURRENCY: u16 = 8;
/// Longest reconcile; each API call has a shorter deadline of its own.
const RECONCILE_DEADLINE: Duration = Duration::from_secs(60);
/// How long changes that come together are gathered before one reconcile looks at all of them.
const DEBOUNCE: Duration = Duration::from_millis(20);
/// Wait after a conflict: the watch delivers the newer object meanwhile.
const CONFLICT_WAIT: Duration = Duration::from_millis(100);
/// First and longest wait after a transient error; it doubles in between.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

/// A controller's reconciler. It owns the stores it reads.
pub trait Reconcile: Send + Sync + 'static {
    /// The kind it reconciles.
    type Object: Resource<DynamicType = ()> + Clone + Debug + Send + Sync + 'static;
    /// Its error, wrapping those of its stages.
    type Error: Classified;

    /// Name for logs and metrics, such as `training-run`.
    const NAME: &'static str;

    /// Brings one object a step closer to its spec, and says when to look again if nothing changes. It must write nothing
    /// when there is nothing to change, and it must write status on the unhappy paths too. It never waits for anything
    /// to happen: it asks to be called again.
    fn reconcile(
        &self,
        object: Arc<Self::Object>,
        context: &Context,
    ) -> impl Future<Output = Result<Action, Self::Error>> + Send;
}

/// Why a reconcile failed.
#[derive(Debug, Error)]
enum Failure<E: Classified> {
    #[error(transparent)]
    Reconcile(E),
    #[error("reconcile took longer than {} s", RECONCILE_DEADLINE.as_secs())]
    Deadline,
    #[error("reconcile panicked: this is a bug in the operator; other objects go on")]
    Panic,
}

impl<E: Classified> Failure<E> {
    fn class(&self) -> Class {
        match self {
            Failure::Reconcile(error) => error.class(),
            Failure::Deadline | Failure::Panic => Class::Transient,
        }
    }

    fn due_in(&self) -> Option<Duration> {
        match self {
            Failure::Reconcile(error) => error.due_in(),
            Failure::Deadline | Failure::Panic => None,
        }
    }
}

/// Reconciles every key that comes out of `queue` until `shutdown`, then finishes those under way. Waits for `store` to be
/// complete before the first; stores that the reconciler reads beside it must be awaited by the caller.
pub async fn run_controller<R: Reconcile>(
    reconciler: Arc<R>,
    context: Arc<Context>,
    store: Store<R::Object>,
    queue: impl Stream<Item = ObjectRef<R::Object>> + Send + 'static,
    shutdown: impl Future<Output = ()> + Send + 'static,
) {
    let attempts: Arc<Attempts<R::Object>> = Arc::default();
    let failed = attempts.clone();
    let reconcile = move |object: Arc<R::Object>, context: Arc<Context>| {
        let (reconciler, attempts) = (reconciler.clone(), attempts.clone());
        // A task of its own, so that a reconcile that panics or computes for long harms no other.
        let attempt = tokio::spawn(async move { attempt(reconciler.as_ref(), object, &context, &attempts).await });
        async move { attempt.await.unwrap_or(Err(Failure::Panic)) }.boxed()
    };
    let error_policy = move |object: Arc<R::Object>, error: &Failure<R::Error>, _| match error.class() {
        Class::Invalid => Action::await_change(),
        Class::Conflict => Action::requeue(CONFLICT_WAIT),
        Class::Transient => {
            let wait = failed.next_wait(ObjectRef::from_obj(object.as_ref()));
            Action::requeue(error.due_in().map_or(wait, |due| wait.min(due.max(BACKOFF.0))))
        }
    };
    let queue = queue.take_until(shutdown).map(Ok::<_, std::convert::Infallible>);
    let config = Config::default().concurrency(CONCURRENCY).debounce(DEBOUNCE);
    applier(reconcile, error_policy, context, store, queue, config)
        .for_each(|result| {
            match result {
                Ok(_) | Err(ControllerError::ObjectNotFound(_)) => {}
                Err(ControllerError::ReconcilerFailed(error, object)) => {
                    let class = error.class().as_str();
                    tracing::warn!(controller = R::NAME, %object, class, error = %chain(&error), "reconcile failed");
                }
                Err(error) => tracing::error!(controller = R::NAME, %error, "controller"),
            }
            futures::future::ready(())
        })
        .await;
}

async fn attempt<R: Reconcile>(
    reconciler: &R,
    object: Arc<R::Object>,
    context: &Context,
    attempts: &Attempts<R::Object>,
) -> Result<Action, Failure<R::Error>> {
    // Another operator does the work; what changes meanwhile is looked at when this one has to.
    if !context.gate.entered().await {
        return Ok(Action::await_change());
    }
    let begin = Instant::now();
    let key = ObjectRef::from_obj(object.as_ref());
    let result = match tokio::time::timeout(RECONCILE_DEADLINE, reconciler.reconcile(object, context)).await {
        Ok(result) => result.map_err(Failure::Reconcile),
        Err(_) => Err(Failure::Deadline),
    };
    let outcome = match &result {
        Ok(_) => {
            attempts.forget(&key);
            "ok"
        }
        Err(failure) => failure.class().as_str(),
    };
    context.metrics.reconciled(R::NAME, outcome, begin.elapsed());
    result
}

/// Consecutive transient failures of each object.
struct Attempts<K: Resource<DynamicType = ()>>(Mutex<HashMap<ObjectRef<K>, u32>>);

impl<K: Resource<DynamicType = ()>> Default for Attempts<K> {
    fn default() -> Self {
        Attempts(Mutex::new(HashMap::new()))
    }
}

impl<K: Resource<DynamicType = ()>> Attempts<K> {
    fn forget(&self, key: &ObjectRef<K>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    fn next_wait(&self, key: ObjectRef<K>) -> Duration {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.entry(key).or_default();
        *count = count.saturating_add(1);
        count.hash(&mut hasher);
        backoff(*count, hasher.finish())
    }
}

/// Doubles from the first wait to the longest; up to a quarter less by `salt`, so that objects that failed together do
/// not come back together.
fn backoff(failures: u32, salt: u64) -> Duration {
    let (first, longest) = BACKOFF;
    let wait = first.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(longest);
    wait.mul_f64(1.0 - 0.25 * (salt % 1_000) as f64 / 1_000.0)
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::runtime::events::{Recorder, Reporter};
    use kube::runtime::reflector;
    use kube::runtime::watcher::Event;
    use tokio::sync::watch;

    use super::super::gate::{Gate, ServerClock};
    use super::super::watch::Queue;
    use super::*;
    use crate::config::Config;

    /// Panics over the object `poison`, and counts the others.
    struct Panicking(watch::Sender<(usize, usize)>);

    #[derive(Debug, Error)]
    #[error("never")]
    struct Never;

    impl Classified for Never {
        fn class(&self) -> Class {
            Class::Invalid
        }
    }

    impl Reconcile for Panicking {
        type Object = ConfigMap;
        type Error = Never;

        const NAME: &'static str = "panicking";

        async fn reconcile(&self, object: Arc<ConfigMap>, _: &Context) -> Result<Action, Never> {
            let is_poison = object.metadata.name.as_deref() == Some("poison");
            self.0.send_modify(|(poisoned, others)| *(if is_poison { poisoned } else { others }) += 1);
            assert!(!is_poison, "poisoned");
            Ok(Action::await_change())
        }
    }

    fn context(stop: watch::Receiver<bool>) -> Context {
        let client = kube::Client::new(
            tower::service_fn(|_: hyper::Request<kube::client::Body>| async {
                Ok::<_, tower::BoxError>(hyper::Response::new(kube::client::Body::empty()))
            }),
            "ml",
        );
        let flags = ["operator", "--trainer-image=t", "--store-image=s", "--server-image=m"];
        Context {
            recorder: Recorder::new(client.clone(), Reporter::from("test")),
            client,
            metrics: Arc::default(),
            clock: Arc::new(ServerClock::default()),
            gate: Arc::new(Gate::open(stop)),
            config: Arc::new(Config::try_parse_from(flags).unwrap()),
        }
    }

    #[tokio::test]
    async fn an_object_that_makes_the_operator_panic_is_tried_again_and_harms_no_other() {
        let (stop, stopped) = watch::channel(false);
        let (store, mut writer) = reflector::store::<ConfigMap>();
        let (queue, keys) = Queue::new();
        writer.apply_watcher_event(&Event::Init);
        for name in ["poison", "good", "better"] {
            let mut object = ConfigMap::default();
            object.metadata.name = Some(name.to_owned());
            object.metadata.namespace = Some("ml".to_owned());
            writer.apply_watcher_event(&Event::InitApply(object.clone()));
            queue.push(ObjectRef::from_obj(&object));
        }
        writer.apply_watcher_event(&Event::InitDone);
        let (sender, mut seen) = watch::channel((0, 0));
        let until_stop = {
            let mut stopped = stopped.clone();
            async move {
                let _ = stopped.wait_for(|is_set| *is_set).await;
            }
        };
        let context = Arc::new(context(stopped));
        let running = tokio::spawn(run_controller(Arc::new(Panicking(sender)), context, store, keys, until_stop));
        seen.wait_for(|(poisoned, others)| *poisoned >= 2 && *others == 2).await.unwrap();
        stop.send_replace(true);
        running.await.unwrap();
    }

    #[test]
    fn backoff_grows_to_a_limit_and_spreads() {
        assert_eq!(backoff(1, 0), Duration::from_secs(1));
        assert_eq!(backoff(4, 0), Duration::from_secs(8));
        assert_eq!(backoff(u32::MAX, 0), Duration::from_secs(300));
        assert!(backoff(4, 999) >= Duration::from_secs(6) && backoff(4, 999) < Duration::from_secs(8));
    }
}
