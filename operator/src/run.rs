//! Puts the watches and the controllers together and runs them.

use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Event, Pod, PodTemplateSpec, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::client::ClientBuilder;
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector::ObjectRef;
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use slipway_crds::label;
use slipway_crds::model_deployment::ModelDeployment;
use slipway_crds::training_run::TrainingRun;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::config::Config;
use crate::http::{self, Probes};
use crate::kube_io::{Candidate, Context, Gate, Gatekeeper, Queue, ServerClock, Watch, run_controller};
use crate::metrics::Metrics;
use crate::model_deployment::{self, ModelDeployments};
use crate::training_run::{self, TrainingRuns};

/// Longest wait for reconciles under way when the program is told to stop.
const DRAIN: Duration = Duration::from_secs(20);

/// Why the operator cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// There is no usable kubeconfig and no service account.
    #[error("no way to a cluster: {0}")]
    Config(#[from] kube::config::InferConfigError),
    /// The client cannot be made of it.
    #[error("client: {0}")]
    Client(#[from] Box<kube::Error>),
    /// The address of the probes is not free.
    #[error("listen on {address}: {source}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// The cause.
        source: std::io::Error,
    },
}

/// Longest silence of a connection that an answer is awaited on. Lists and watches are as long as they are, but a watch
/// is ended by the server before that.
const SILENCE: Duration = Duration::from_secs(50);

/// A client that never retries by itself: a create that was answered 504 may have happened.
async fn client(keeper: &Gatekeeper) -> Result<Client, StartError> {
    let mut config = kube::Config::infer().await?;
    config.default_retry = false;
    config.connect_timeout = Some(Duration::from_secs(5));
    config.read_timeout = Some(SILENCE);
    config.reset_reader_on_write = true;
    let builder = ClientBuilder::try_from(config).map_err(|error| StartError::Client(Box::new(error)))?;
    Ok(builder.with_layer(keeper).build())
}

/// Runs the operator until `stop` is true; then finishes what is under way.
pub async fn run(config: Config, stop: watch::Receiver<bool>) -> Result<(), StartError> {
    let metrics = Arc::new(Metrics::default());
    let gate = Arc::new(match config.leader_election_namespace {
        Some(_) => Gate::shut(stop.clone()),
        None => Gate::open(stop.clone()),
    });
    let clock = Arc::new(ServerClock::default());
    let client = client(&Gatekeeper { gate: gate.clone(), clock: clock.clone(), metrics: metrics.clone() }).await?;
    let address = config.metrics_listen;
    let listener = http::bind(address).await.map_err(|source| StartError::Listen { address, source })?;
    let reporter = Reporter { controller: label::OPERATOR.to_owned(), instance: std::env::var("HOSTNAME").ok() };
    let context = Arc::new(Context {
        recorder: Recorder::new(client.clone(), reporter),
        client,
        metrics: metrics.clone(),
        clock,
        gate,
        config: Arc::new(config),
    });
    tracing::info!(listen = %listener.local_addr().unwrap_or(address), "slipway-operator starts");
    control(context, listener, Arc::new(Probes::new(metrics)), stop).await;
    tracing::info!("slipway-operator has stopped");
    Ok(())
}

async fn control(context: Arc<Context>, listener: TcpListener, probes: Arc<Probes>, stop: watch::Receiver<bool>) {
    let managed = format!("{}={}", label::MANAGED_BY, label::OPERATOR);
    let mut runs: Watch<TrainingRun> = watch(&context, "").strip(strip_meta);
    let mut objects: Watch<ModelDeployment> = watch(&context, "").strip(strip_meta);
    let mut jobs: Watch<Job> = watch(&context, &managed).strip(strip_job);
    let mut pods: Watch<Pod> = watch(&context, &managed).strip(strip_pod);
    let mut deployments: Watch<Deployment> = watch(&context, &managed);
    let mut services: Watch<Service> = watch(&context, &managed);
    let mut budgets: Watch<PodDisruptionBudget> = watch(&context, &managed);
    let mut events: Watch<Event> =
        watch(&context, "").fields("involvedObject.kind=Job,reason=FailedCreate").strip(strip_event);

    let (run_queue, run_keys) = Queue::new();
    let training = TrainingRuns::new(
        &run_queue,
        training_run::Watches {
            runs: &mut runs,
            jobs: &mut jobs,
            pods: &mut pods,
            events: &mut events,
            deployments: &mut objects,
        },
    );
    let (object_queue, object_keys) = Queue::new();
    let serving = ModelDeployments::new(
        &object_queue,
        model_deployment::Watches {
            objects: &mut objects,
            runs: &mut runs,
            deployments: &mut deployments,
            pods: &mut pods,
            services: &mut services,
            budgets: &mut budgets,
        },
    );
    let (run_store, object_store) = (runs.store(), objects.store());
    let filled = join_all([
        filled(&runs),
        filled(&objects),
        filled(&jobs),
        filled(&pods),
        filled(&deployments),
        filled(&services),
        filled(&budgets),
        filled(&events),
    ]);

    // The watches outlive the controllers, which read their stores to the end.
    let (end, ended) = watch::channel(false);
    let watching = tokio::spawn(join_all([
        watch_until(runs, &ended),
        watch_until(objects, &ended),
        watch_until(jobs, &ended),
        watch_until(pods, &ended),
        watch_until(deployments, &ended),
        watch_until(services, &ended),
        watch_until(budgets, &ended),
        watch_until(events, &ended),
    ]));
    let candidate = context.config.leader_election_namespace.as_deref();
    let candidate = candidate.map(|namespace| Candidate::new(&context.client, namespace, context.gate.clone()));
    let standing = tokio::spawn({
        let ended = ended.clone();
        async move {
            if let Some(candidate) = candidate {
                candidate.stand(until(ended)).await;
            }
        }
    });
    let answering = tokio::spawn(http::serve(listener, probes.clone(), until(ended)));

    let controlling = async {
        tokio::select! {
            _ = filled => {}
            () = until(stop.clone()) => return,
        }
        probes.set_ready(true);
        tracing::info!("all objects are known, the controllers start");
        futures::join!(
            run_controller(Arc::new(training), context.clone(), run_store, run_keys, until(stop.clone())),
            run_controller(Arc::new(serving), context.clone(), object_store, object_keys, until(stop.clone())),
        );
    };
    let drained = async {
        until(stop.clone()).await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        () = controlling => {}
        () = drained => tracing::warn!("reconciles under way are given up"),
    }
    probes.set_ready(false);
    let _ = end.send(true);
    let _ = futures::join!(watching, answering, standing);
}

fn watch<K>(context: &Context, labels: &str) -> Watch<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static,
    ObjectRef<K>: Hash + Eq,
{
    Watch::new(&context.client, context.config.namespace.as_deref(), labels)
}

/// When the first list of a watch is complete.
fn filled<K>(watch: &Watch<K>) -> BoxFuture<'static, ()>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    ObjectRef<K>: Hash + Eq,
{
    let store = watch.store();
    async move {
        // An error means that the watch has been stopped.
        let _ = store.wait_until_ready().await;
    }
    .boxed()
}

fn watch_until<K>(watch: Watch<K>, ended: &watch::Receiver<bool>) -> BoxFuture<'static, ()>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    ObjectRef<K>: Hash + Eq,
{
    watch.run(until(ended.clone())).boxed()
}

/// When the flag is set, or nobody can set it any more.
async fn until(mut flag: watch::Receiver<bool>) {
    let _ = flag.wait_for(|is_set| *is_set).await;
}

/// What `kubectl apply` keeps for itself is as long as the object.
fn strip_meta<K: Resource>(object: &mut K) {
    if let Some(annotations) = &mut object.meta_mut().annotations {
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    }
}

fn strip_job(job: &mut Job) {
    if let Some(spec) = &mut job.spec {
        spec.template = PodTemplateSpec::default();
    }
    job.metadata.annotations = None;
}

fn strip_pod(pod: &mut Pod) {
    pod.spec = None;
    pod.metadata.annotations = None;
}

fn strip_event(event: &mut Event) {
    event.metadata.annotations = None;
    event.metadata.labels = None;
}
