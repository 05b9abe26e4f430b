//! What the server counts, for Prometheus.

use std::fmt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use slipway_model::Artefact;

/// From 0.1 ms, an ordinary prediction, to 10 s.
const BUCKETS: [f64; 12] = [0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 2.5, 10.0];

/// A finished request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reply {
    route: &'static str,
    code: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

/// Why a request or a connection was turned away to protect the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Too many connections.
    Connections,
    /// Too many requests in flight.
    InFlight,
    /// Too many bytes of bodies arriving.
    PendingBytes,
    /// A body or a list of rows over its limit.
    TooLarge,
    /// A body that stood still.
    Slow,
    /// The caller's deadline passed.
    Deadline,
}

impl Refusal {
    fn name(self) -> &'static str {
        match self {
            Refusal::Connections => "connections",
            Refusal::InFlight => "in_flight",
            Refusal::PendingBytes => "pending_bytes",
            Refusal::TooLarge => "too_large",
            Refusal::Slow => "slow",
            Refusal::Deadline => "deadline",
        }
    }
}

/// One more of what a gauge shows, as long as this lives: whoever gives up waiting is not counted for ever.
#[derive(Debug)]
pub struct Present(Gauge);

impl Present {
    /// One more of these.
    pub fn of(gauge: &Gauge) -> Present {
        gauge.inc();
        Present(gauge.clone())
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The server's metrics. Labels are bounded: routes, not paths.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: Family<Reply, Counter>,
    durations: Family<Route, Histogram, fn() -> Histogram>,
    refused: Family<Reason, Counter>,
    rows_predicted: Counter,
    rows_refused: Counter,
    spans: Family<Outcome, Counter>,
    /// Fields of rows that the model does not know.
    pub unknown_fields: Counter,
    /// Requests being answered.
    pub in_flight: Gauge,
    /// Those of them, large ones, that wait for others to be predicted.
    pub queued: Gauge,
    /// Open connections of the API.
    pub connections: Gauge,
}

impl Metrics {
    /// Metrics, registered in `registry`.
    pub fn register(registry: &mut Registry) -> Metrics {
        let rows = Family::<Outcome, Counter>::default();
        let metrics = Metrics {
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            refused: Family::default(),
            rows_predicted: rows.get_or_create_owned(&Outcome { outcome: "predicted" }),
            rows_refused: rows.get_or_create_owned(&Outcome { outcome: "refused" }),
            spans: Family::default(),
            unknown_fields: Counter::default(),
            in_flight: Gauge::default(),
            queued: Gauge::default(),
            connections: Gauge::default(),
        };
        let server = registry.sub_registry_with_prefix("slipway_server");
        server.register("requests", "Requests answered", metrics.requests.clone());
        server.register_with_unit(
            "request_duration",
            "From a request's headers to its reply",
            Unit::Seconds,
            metrics.durations.clone(),
        );
        server.register("rows", "Rows of requests", rows);
        server.register(
            "refused",
            "Requests and connections turned away to protect the server",
            metrics.refused.clone(),
        );
        server.register(
            "unknown_fields",
            "Fields of rows that the model does not know",
            metrics.unknown_fields.clone(),
        );
        server.register("spans", "Spans of traces for the collector", metrics.spans.clone());
        server.register("requests_in_flight", "Requests being answered", metrics.in_flight.clone());
        server.register(
            "requests_queued",
            "Large requests that wait for others to be predicted",
            metrics.queued.clone(),
        );
        server.register("connections", "Open connections of the API", metrics.connections.clone());
        registry.register_collector(Box::new(Process::new()));
        metrics
    }

    /// Counts an answered request.
    pub fn answered(&self, route: &'static str, code: u16, duration: Duration) {
        self.requests.get_or_create(&Reply { route, code }).inc();
        self.durations.get_or_create(&Route { route }).observe(duration.as_secs_f64());
    }

    /// Counts a refusal.
    pub fn refused(&self, refusal: Refusal) {
        self.refused.get_or_create(&Reason { reason: refusal.name() }).inc();
    }

    /// Counts spans of traces.
    pub fn spans(&self, sent: usize, dropped: usize) {
        for (outcome, count) in [("sent", sent), ("dropped", dropped)] {
            self.spans.get_or_create(&Outcome { outcome }).inc_by(count as u64);
        }
    }

    /// Counts rows.
    pub fn rows(&self, predicted: usize, refused: usize) {
        self.rows_predicted.inc_by(predicted as u64);
        self.rows_refused.inc_by(refused as u64);
    }
}

/// Registers which model is served and how long it took to load.
pub fn register_model(registry: &mut Registry, artefact: &Artefact, load: Duration) {
    let server = registry.sub_registry_with_prefix("slipway_server");
    let labels = vec![
        ("name", artefact.manifest.model_name.clone()),
        ("version", artefact.manifest.version.clone()),
        ("digest", artefact.digest.to_string()),
    ];
    server.register("model", "The model that is served", Info::new(labels));
    let seconds: Gauge<f64, std::sync::atomic::AtomicU64> = Gauge::default();
    seconds.set(load.as_secs_f64());
    server.register_with_unit("model_load", "Time to read and verify the model", Unit::Seconds, seconds);
}

/// The registry as Prometheus reads it.
pub fn render(registry: &Registry) -> Result<String, fmt::Error> {
    let mut text = String::with_capacity(4096);
    text::encode(&mut text, registry)?;
    Ok(text)
}

/// Memory and age of the process, read when asked.
#[derive(Debug)]
struct Process {
    started: Instant,
    start_time: f64,
}

impl Process {
    fn new() -> Process {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Process { started: Instant::now(), start_time: now.as_secs_f64() }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let mut gauge = |name: &str, help: &str, unit: &Unit, value: f64| {
            let metric = ConstGauge::new(value);
            metric.encode(encoder.encode_descriptor(name, help, Some(unit), metric.metric_type())?)
        };
        gauge("process_uptime", "Age of the process", &Unit::Seconds, self.started.elapsed().as_secs_f64())?;
        gauge("process_start_time", "When the process started, since 1970", &Unit::Seconds, self.start_time)?;
        match resident_bytes() {
            Some(bytes) => gauge("process_resident_memory", "Memory in use", &Unit::Bytes, bytes),
            None => Ok(()),
        }
    }
}

fn resident_bytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024.0)
}
