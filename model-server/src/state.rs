//! What every request needs: the model, the bounds, where the server is in its life.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use axum::http::HeaderValue;
use bytes::Bytes;
use slipway_model::{Artefact, Estimator, Explainer, Field, Manifest, Model, Neighbours, NotExplainable, OutputScale};
use tokio::sync::Semaphore;

use crate::api::cors::Origin;
use crate::api::error::ApiError;
use crate::api::keys::Keys;
use crate::api::{openapi, page};
use crate::config::Limits;
use crate::ids::Ids;
use crate::metrics::Metrics;
use crate::otlp::Exporter;

/// Memory for bodies is counted in blocks of this many bytes.
pub const PENDING_BLOCK: usize = 16 << 10;
/// Most replies that are compressed at a time: each takes up to about 1 MiB.
const MAX_PACKERS: usize = 16;
/// Most values that the rows of one request may decode to.
const MAX_DECODED: usize = 10_000_000;
/// Most numbers that the predictions of one request may hold.
const MAX_PREDICTED: usize = 1_000_000;
/// Most steps that explaining the predictions of one request may take, some nanoseconds each.
const MAX_EXPLAINING: usize = 1_000_000_000;
/// Trees of more nodes are not explained between two other requests, but on a thread of their own.
const QUICKLY_EXPLAINED: usize = 1 << 10;

/// Where the server is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// The model is being read.
    Starting = 0,
    /// Predictions are welcome.
    Ready = 1,
    /// Still serving, but to be left alone: it is about to stop.
    Draining = 2,
}

/// The server's [`Phase`], shared by all threads.
#[derive(Debug, Default)]
pub struct Lifecycle(AtomicU8);

impl Lifecycle {
    /// The phase now.
    pub fn phase(&self) -> Phase {
        match self.0.load(Ordering::Acquire) {
            0 => Phase::Starting,
            1 => Phase::Ready,
            _ => Phase::Draining,
        }
    }

    /// Goes on to `phase`.
    pub fn enter(&self, phase: Phase) {
        self.0.store(phase as u8, Ordering::Release);
    }
}

/// How a model is served.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bounds on what callers may send.
    pub limits: Limits,
    /// Threads that predict.
    pub threads: usize,
    /// Whether every request is logged.
    pub access_log: bool,
    /// The keys that callers must show.
    pub keys: Option<Arc<Keys>>,
    /// Where pages may come from that call.
    pub origins: Vec<Origin>,
    /// What sends spans to a collector.
    pub exporter: Option<Exporter>,
    /// The report of the training, where it lies beside the model.
    pub report: Option<PathBuf>,
}

impl Default for Settings {
    /// The flags' defaults, with one thread.
    fn default() -> Self {
        Settings {
            limits: Limits::default(),
            threads: 1,
            access_log: false,
            keys: None,
            origins: Vec::new(),
            exporter: None,
            report: None,
        }
    }
}

/// Everything a request needs.
#[derive(Debug)]
pub struct App {
    /// The model and its manifest.
    pub artefact: Artefact,
    /// Places of the fields by their names.
    pub places: Places,
    /// How it is served.
    pub settings: Settings,
    /// Most rows of a request.
    pub max_rows: usize,
    /// Requests being predicted or waiting for it.
    pub in_flight: Semaphore,
    /// Large requests being predicted.
    pub large: Arc<Semaphore>,
    /// Streams being answered.
    pub streams: Arc<Semaphore>,
    /// Replies that are being compressed; beyond it they are sent as they are.
    pub packers: Arc<Semaphore>,
    /// Blocks of [`PENDING_BLOCK`] bytes that bodies may still take.
    pub pending: Arc<Semaphore>,
    /// What is counted.
    pub metrics: Metrics,
    /// Ready or not.
    pub lifecycle: Arc<Lifecycle>,
    /// New identifiers.
    pub ids: Ids,
    /// The value of the header `slipway-model`.
    pub model_header: HeaderValue,
    /// The value of the header `slipway-model-version`.
    pub version_header: HeaderValue,
    /// `GET /openapi.json`.
    pub openapi: Bytes,
    /// `GET /` for people.
    pub page: Bytes,
    /// How predictions are explained, found out when that is first asked for.
    explainer: OnceLock<Result<Explainer, NotExplainable>>,
}

impl App {
    /// What requests to `artefact` need.
    pub fn new(artefact: Artefact, settings: Settings, metrics: Metrics, lifecycle: Arc<Lifecycle>) -> App {
        let manifest = &artefact.manifest;
        let max_rows = max_rows(&artefact.model, &settings.limits);
        let description = openapi::document(&artefact, &settings, max_rows);
        let limits = &settings.limits;
        App {
            places: Places::new(artefact.model.fields()),
            max_rows,
            in_flight: Semaphore::new(limits.max_in_flight),
            large: Arc::new(Semaphore::new(settings.threads)),
            streams: Arc::new(Semaphore::new(limits.max_streams)),
            packers: Arc::new(Semaphore::new(MAX_PACKERS)),
            pending: Arc::new(Semaphore::new(limits.max_pending_bytes.div_ceil(PENDING_BLOCK))),
            metrics,
            lifecycle,
            ids: Ids::default(),
            model_header: header(&manifest.model_name),
            version_header: header(&manifest.version),
            openapi: Bytes::from(description.to_string()),
            page: Bytes::from(page::html(&artefact, &settings)),
            settings,
            artefact,
            explainer: OnceLock::new(),
        }
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.artefact.model
    }

    /// Its manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.artefact.manifest
    }

    /// How predictions are explained, if they can be.
    pub fn explainer(&self) -> Option<&Explainer> {
        self.explanations().as_ref().ok()
    }

    /// What contributions are measured on, where predictions have been explained.
    pub fn scale(&self) -> Option<OutputScale> {
        Some(self.explainer.get()?.as_ref().ok()?.scale())
    }

    /// Why predictions cannot be explained, where they cannot. The first time it looks at all of the model, which takes
    /// milliseconds where [`App::explains_slowly`].
    pub fn check_explains(&self) -> Result<(), ApiError> {
        let explainer = self.explanations().as_ref();
        explainer.map(|_| ()).map_err(|error| ApiError::bad_request(error.to_string()))
    }

    /// Why it is not known how far the truth lies from predictions, where it is not.
    pub fn check_ranges(&self) -> Result<(), ApiError> {
        let reason = match (self.model().output().classes().is_empty(), self.neighbours().is_empty()) {
            (true, false) => return Ok(()),
            (false, _) => "this model predicts classes: there is no range",
            (true, true) => "this model does not hold what came of its test rows; train it again, with 20 or more",
        };
        Err(ApiError::bad_request(reason))
    }

    /// What came of test rows.
    pub fn neighbours(&self) -> &Neighbours {
        &self.manifest().distributions.neighbours
    }

    fn explanations(&self) -> &Result<Explainer, NotExplainable> {
        self.explainer.get_or_init(|| Explainer::new(self.model()))
    }

    /// Whether explaining takes so long that nothing else may wait for it.
    pub fn explains_slowly(&self) -> bool {
        matches!(&self.model().learned().estimator, Estimator::Trees(trees) if trees.nodes() > QUICKLY_EXPLAINED)
    }

    /// Steps that explaining one row takes.
    pub fn explaining_steps(&self) -> usize {
        self.explainer().map_or(0, Explainer::steps)
    }

    /// Most rows of a request that are explained.
    pub fn max_explained(&self) -> usize {
        let by_steps = MAX_EXPLAINING / self.explaining_steps().max(1);
        let by_numbers = MAX_PREDICTED / (self.model().fields().len() + 1);
        self.max_rows.min(by_steps).min(by_numbers).max(1)
    }
}

/// Most rows of a request, within `limits` and memory.
fn max_rows(model: &Model, limits: &Limits) -> usize {
    let decoded = MAX_DECODED / model.fields().len();
    let predicted = MAX_PREDICTED / model.output().width();
    limits.max_rows.min(decoded).min(predicted)
}

/// A text as the value of a header; what a header cannot hold becomes `?`.
fn header(text: &str) -> HeaderValue {
    let text: String = text.chars().map(|c| if matches!(c, ' '..='~') { c } else { '?' }).collect();
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("?"))
}

/// Places of fields by their names, which are sorted: there are few of them, and a row asks for each.
#[derive(Debug)]
pub struct Places(Vec<(String, usize)>);

impl Places {
    /// Of `fields`.
    pub fn new(fields: &[Field]) -> Places {
        let mut places: Vec<_> = fields.iter().map(|field| field.name.clone()).zip(0..).collect();
        places.sort_unstable();
        Places(places)
    }

    /// The place of the field `name`.
    pub fn get(&self, name: &str) -> Option<usize> {
        let found = self.0.binary_search_by(|(known, _)| known.as_str().cmp(name)).ok()?;
        Some(self.0[found].1)
    }
}
