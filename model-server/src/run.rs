//! From start to stop: probes first, then the model, then traffic; readiness off first, then the end.

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use slipway_model::{Artefact, ArtefactError, Kernels, Manifest};
use slipway_spec::contract::{Exit, file};
use tokio::net::TcpListener;
use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::admin::{self, Admin};
use crate::api::{self, keys::Keys};
use crate::config::{Config, Limits};
use crate::listen::tls::{Tls, TlsError};
use crate::listen::{self, Loops, Options, Stage, Watcher};
use crate::metrics::{self, Metrics, Refusal};
use crate::otlp::Exporter;
use crate::state::{App, Lifecycle, Phase, Settings};

/// Most connections of the admin port.
const ADMIN_CONNECTIONS: usize = 64;
/// How long a request that is on its way on an open connection is awaited before the connection is closed.
const LINGER: Duration = Duration::from_millis(500);
/// How often files that may change are read: keys and certificates.
const READ_EVERY: Duration = Duration::from_secs(2);
/// File descriptors that are not connections of the API.
const OTHER_FILES: usize = 128;

/// Why the server did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The artefact is not there or damaged.
    #[error(transparent)]
    Artefact(#[from] ArtefactError),
    /// An address cannot be used.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The file of keys cannot be used.
    #[error("{}: {source}", path.display())]
    Keys {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The system refuses threads, timers or signals.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

impl StartError {
    /// How the program ends.
    pub fn exit(&self) -> Exit {
        match self {
            StartError::Artefact(error) => error.exit(),
            StartError::Listen { .. } => Exit::Unavailable,
            StartError::Keys { source, .. } if source.kind() == io::ErrorKind::NotFound => Exit::NotFound,
            StartError::Tls(error) => error.exit(),
            StartError::Keys { .. } => Exit::Data,
            StartError::System(_) => Exit::Internal,
        }
    }
}

/// Serves until a signal ends it.
pub fn run(config: Config) -> Result<(), StartError> {
    tracing_subscriber::fmt().json().flatten_event(true).with_target(false).with_max_level(config.log).init();
    let threads = config.threads.map_or_else(|| thread::available_parallelism().map_or(1, usize::from), usize::from);
    // For what is done now and then; connections have threads of their own.
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(serve(config, threads));
    // What is still being calculated is for nobody any more.
    runtime.shutdown_background();
    result
}

async fn serve(mut config: Config, threads: usize) -> Result<(), StartError> {
    let mut signals = Signals::install()?;
    let lifecycle = Arc::new(Lifecycle::default());
    let registry = Arc::new(Mutex::new(Registry::default()));
    let metrics = Metrics::register(&mut registry.lock().unwrap_or_else(PoisonError::into_inner));
    let admin = Admin { lifecycle: lifecycle.clone(), registry: registry.clone() };
    let admin_address = start_admin(admin, config.admin_listen)?;

    let begun = Instant::now();
    let (artefact, kernels) = tokio::select! {
        loaded = load(&config) => loaded?,
        _ = signals.next() => return Ok(()),
    };
    metrics::register_model(&mut registry.lock().unwrap_or_else(PoisonError::into_inner), &artefact, begun.elapsed());

    config.limits = within_open_files(config.limits);
    let tls = config.tls_cert.clone().zip(config.tls_key.clone());
    let tls = tls.map(|(certificate, key)| read_tls(certificate, key)).transpose()?;
    let encrypted = tls.is_some();
    let options = Options { tls, loops: Some(Loops::start(threads)?), ..Options::new(&config.limits) };
    let settings = settings(&config, threads, &artefact.manifest, &metrics)?;
    let app = Arc::new(App::new(artefact, settings, metrics.clone(), lifecycle.clone()));
    let listener = bind(config.listen).await?;
    let address = listener.local_addr()?;
    let (stage, stages) = watch::channel(Stage::Open);
    let traffic = tokio::spawn(listen::serve(listener, api::router(app.clone()), options, stages, Traffic(metrics)));
    lifecycle.enter(Phase::Ready);
    tracing::info!(
        model = app.manifest().model_name,
        version = app.manifest().version,
        digest = %app.artefact.digest,
        %address,
        %admin_address,
        tls = encrypted,
        kernels = kernels.map(|kernels| format!("{}, {}", kernels.row.name(), kernels.rows.name())),
        load_seconds = begun.elapsed().as_secs_f64(),
        "serving"
    );

    let signal = signals.next().await;
    lifecycle.enter(Phase::Draining);
    let drain = match signal {
        Ending::Terminate => Duration::from_secs(config.drain_seconds),
        Ending::Interrupt => Duration::ZERO,
    };
    tracing::info!(drain_seconds = drain.as_secs(), "stopping");
    // A second signal means now.
    let _ = timeout(drain, signals.next()).await;
    end(&config, &stage, traffic, app.settings.exporter.as_ref()).await;
    Ok(())
}

/// Reads the artefact and finds the quickest kernels, on a thread of its own.
async fn load(config: &Config) -> Result<(Artefact, Option<Kernels>), StartError> {
    let (dir, digest, kernel) = (config.model.clone(), config.digest, config.kernel);
    let loading = tokio::task::spawn_blocking(move || {
        let mut artefact = Artefact::load(&dir, digest)?;
        let kernels = artefact.model.tune(kernel);
        Ok::<_, ArtefactError>((artefact, kernels))
    });
    Ok(loading.await.map_err(io::Error::other)??)
}

/// How a model is served, with what that takes.
fn settings(config: &Config, threads: usize, manifest: &Manifest, metrics: &Metrics) -> Result<Settings, StartError> {
    let endpoint = config.otlp_endpoint.as_ref();
    Ok(Settings {
        limits: config.limits.clone(),
        threads,
        access_log: config.access_log,
        keys: config.api_keys.clone().map(read_keys).transpose()?,
        origins: config.cors_origins.clone(),
        exporter: endpoint
            .map(|endpoint| Exporter::start(endpoint, &manifest.model_name, &manifest.version, metrics.clone())),
        report: Some(config.model.join(file::PAGE)).filter(|path| path.is_file()),
    })
}

/// Takes no new connections, and ends the open ones when they have been answered.
async fn end(config: &Config, stage: &watch::Sender<Stage>, traffic: JoinHandle<()>, exporter: Option<&Exporter>) {
    stage.send_replace(Stage::NoNew);
    tokio::time::sleep(LINGER).await;
    stage.send_replace(Stage::Closing);
    if timeout(Duration::from_secs(config.finish_seconds), traffic).await.is_err() {
        tracing::warn!("requests were still in flight at the end");
    }
    if let Some(exporter) = exporter {
        exporter.flush().await;
    }
    tracing::info!("stopped");
}

/// Reads the keys, now and then again.
fn read_keys(path: PathBuf) -> Result<Arc<Keys>, StartError> {
    let keys = Keys::read(path.clone()).map_err(|source| StartError::Keys { path: path.clone(), source })?;
    let keys = Arc::new(keys);
    let read = keys.clone();
    again_and_again(path, move || read.reload());
    Ok(keys)
}

/// Reads the certificate and its key, now and then again.
fn read_tls(certificate: PathBuf, key: PathBuf) -> Result<Arc<Tls>, StartError> {
    let tls = Arc::new(Tls::read(certificate.clone(), key)?);
    let read = tls.clone();
    again_and_again(certificate, move || read.reload());
    Ok(tls)
}

/// Has files read again for ever; `reload` says whether they have changed.
fn again_and_again<E: Display + Send>(path: PathBuf, reload: impl Fn() -> Result<bool, E> + Send + 'static) {
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(READ_EVERY).await;
            match reload() {
                Ok(false) => {}
                Ok(true) => tracing::info!(path = %path.display(), "read again"),
                Err(error) => tracing::warn!(path = %path.display(), %error, "all stays as it was"),
            }
        }
    });
}

async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, source })
}

/// Starts the admin port on a thread of its own, so that probes are answered however busy the others are.
fn start_admin(admin: Admin, address: SocketAddr) -> Result<SocketAddr, StartError> {
    let listener = std::net::TcpListener::bind(address)
        .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
        .map_err(|source| StartError::Listen { address, source })?;
    let address = listener.local_addr()?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("admin".to_owned()).spawn(move || {
        runtime.block_on(async {
            let options = Options { max_connections: ADMIN_CONNECTIONS, ..Options::new(&Limits::default()) };
            // It serves until the process ends.
            let (_open, stages) = watch::channel(Stage::Open);
            match TcpListener::from_std(listener) {
                Ok(listener) => {
                    listen::serve(listener, admin::router(admin), options, stages, Unwatched::default()).await;
                }
                Err(error) => tracing::error!(%error, "no probes and no metrics"),
            }
        });
    })?;
    Ok(address)
}

/// Less connections where the system allows few open files.
fn within_open_files(mut limits: Limits) -> Limits {
    if let Some(files) = max_open_files() {
        let room = files.saturating_sub(OTHER_FILES).max(1);
        if room < limits.max_connections {
            tracing::warn!(max_connections = room, max_open_files = files, "fewer connections than configured");
            limits.max_connections = room;
        }
    }
    limits
}

/// The limit of open files, from Linux.
fn max_open_files() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/self/limits").ok()?;
    text.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace().next()?.parse().ok()
}

/// Why the server is to end.
enum Ending {
    /// SIGTERM: take your time.
    Terminate,
    /// SIGINT: somebody waits at a terminal.
    Interrupt,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn install() -> io::Result<Signals> {
        Ok(Signals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> Ending {
        tokio::select! {
            _ = self.terminate.recv() => Ending::Terminate,
            _ = self.interrupt.recv() => Ending::Interrupt,
        }
    }
}

/// Counts the connections of the API.
#[derive(Clone)]
struct Traffic(Metrics);

impl Watcher for Traffic {
    fn connections(&self) -> &Gauge {
        &self.0.connections
    }

    fn refused(&self) {
        self.0.refused(Refusal::Connections);
    }
}

/// Nobody counts the connections of the admin port.
#[derive(Clone, Default)]
struct Unwatched(Gauge);

impl Watcher for Unwatched {
    fn connections(&self) -> &Gauge {
        &self.0
    }

    fn refused(&self) {}
}
