//! What was measured, and what was promised of it.

use serde::Serialize;

use super::contender::Contender;

/// How one server did with one kind of request.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// The server.
    pub server: &'static str,
    /// The model: `tree` or `forest`.
    pub model: &'static str,
    /// Rows of a request.
    pub rows: usize,
    /// Connections that send at the same time.
    pub connections: usize,
    /// CPU microseconds of the server for a request.
    pub cpu_microseconds: f64,
    /// Requests answered in a second.
    pub requests_per_second: f64,
    /// The median latency in milliseconds.
    pub p50_milliseconds: f64,
    /// The latency that 99 of 100 answers stay within, in milliseconds.
    pub p99_milliseconds: f64,
}

impl Measured {
    /// Each figure of the better of two turns.
    pub fn better(self, other: &Measured) -> Measured {
        Measured {
            cpu_microseconds: self.cpu_microseconds.min(other.cpu_microseconds),
            requests_per_second: self.requests_per_second.max(other.requests_per_second),
            p50_milliseconds: self.p50_milliseconds.min(other.p50_milliseconds),
            p99_milliseconds: self.p99_milliseconds.min(other.p99_milliseconds),
            ..self
        }
    }
}

/// How one server starts with one model.
#[derive(Clone, Debug, Serialize)]
pub struct Started {
    /// The server.
    pub server: &'static str,
    /// The model.
    pub model: &'static str,
    /// From its start to the first prediction.
    pub ready_seconds: f64,
    /// Memory after all measurements, children included.
    pub memory_bytes: u64,
}

/// Everything.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Results {
    /// Where it was measured.
    pub machine: String,
    /// Of what.
    pub versions: String,
    /// How often each figure was measured; the best counts.
    pub rounds: usize,
    /// Requests.
    pub measured: Vec<Measured>,
    /// Starts.
    pub started: Vec<Started>,
    /// Promises.
    pub promises: Vec<Promise>,
}

/// Something that is promised of the server.
#[derive(Clone, Debug, Serialize)]
pub struct Promise {
    /// What.
    pub what: String,
    /// The figure.
    pub measured: f64,
    /// The bound.
    pub promised: String,
    /// Whether it is kept.
    pub kept: bool,
}

/// CPU of a request on the tree, at most this share of a peer's.
const CPU: [(Contender, f64); 2] = [(Contender::MlServer, 50.0), (Contender::FastApi, 10.0)];
/// Requests per second on the tree, at least this many times a peer's.
const RATE: [(Contender, f64); 2] = [(Contender::MlServer, 20.0), (Contender::FastApi, 8.0)];
/// Longest start, seconds, and most memory, bytes.
const READY_SECONDS: f64 = 0.1;
const MEMORY_BYTES: f64 = 15e6;

impl Results {
    /// Holds what was measured against what is promised.
    pub fn judge(&mut self) {
        let at_least = |what: String, measured: f64, bound: f64| Promise {
            what,
            measured,
            promised: format!("at least {bound} times"),
            kept: measured >= bound,
        };
        let mut promises = Vec::new();
        for (peer, times) in CPU {
            if let Some([ours, theirs]) = self.pair(peer, 1, |measured| measured.cpu_microseconds) {
                promises.push(at_least(format!("CPU of a request: {} ÷ Slipway", peer.name()), theirs / ours, times));
            }
        }
        for (peer, times) in RATE {
            for connections in [1, 16] {
                if let Some([ours, theirs]) = self.pair(peer, connections, |measured| measured.requests_per_second) {
                    let what = format!("requests/s at {connections} connections: Slipway ÷ {}", peer.name());
                    promises.push(at_least(what, ours / theirs, times));
                }
            }
        }
        for started in self.started.iter().filter(|started| started.server == Contender::Slipway.name()) {
            promises.push(Promise {
                what: format!("seconds to the first prediction, {}", started.model),
                measured: started.ready_seconds,
                promised: format!("at most {READY_SECONDS}"),
                kept: started.ready_seconds <= READY_SECONDS,
            });
            let memory = started.memory_bytes as f64;
            promises.push(Promise {
                what: format!("MB of memory after all requests, {}", started.model),
                measured: memory / 1e6,
                promised: format!("at most {}", MEMORY_BYTES / 1e6),
                kept: memory <= MEMORY_BYTES,
            });
        }
        self.promises = promises;
    }

    /// A figure of ours and of a peer, for one row through the tree. Ours is asked as the peer is.
    fn pair(&self, peer: Contender, connections: usize, figure: impl Fn(&Measured) -> f64) -> Option<[f64; 2]> {
        let ours = if peer == Contender::MlServer { Contender::SlipwayV2 } else { Contender::Slipway };
        let of = |server: Contender| {
            let is_it = |measured: &&Measured| {
                measured.server == server.name()
                    && measured.model == "tree"
                    && measured.rows == 1
                    && measured.connections == connections
            };
            self.measured.iter().find(is_it).map(&figure)
        };
        Some([of(ours)?, of(peer)?])
    }
}
