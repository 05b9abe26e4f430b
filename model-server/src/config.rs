//! Flags and their environment equivalents.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use hyper::Uri;
use slipway_model::{Digest, Kernel};
use slipway_spec::contract::{Exit, reason_last};

use crate::api::cors::Origin;
use crate::probe;

const MIB: usize = 1 << 20;
/// Longest deadline of a request, milliseconds: an hour.
pub const MAX_DEADLINE: u64 = 3_600_000;

/// Serves a trained model over HTTP: predictions on one port, probes and metrics on another.
#[derive(Clone, Debug, Parser)]
#[command(name = "slipway-model-server", version)]
pub struct Config {
    /// Folder of the artefact: manifest.json and the files it lists
    #[arg(long, env = "SLIPWAY_MODEL", value_name = "DIR")]
    pub model: PathBuf,

    /// Digest that manifest.json must have, as sha256:… [default: any]
    #[arg(long, env = "SLIPWAY_DIGEST")]
    pub digest: Option<Digest>,

    /// Address of the API
    #[arg(long, env = "SLIPWAY_LISTEN", value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,

    /// Address of /livez, /readyz and /metrics
    #[arg(long, env = "SLIPWAY_ADMIN_LISTEN", value_name = "ADDRESS", default_value = "0.0.0.0:8081")]
    pub admin_listen: SocketAddr,

    /// Seconds to go on serving after SIGTERM, not ready, until nobody sends new requests
    #[arg(long, env = "SLIPWAY_DRAIN_SECONDS", value_name = "SECONDS", default_value_t = 5, value_parser = seconds(0))]
    pub drain_seconds: u64,

    /// Seconds that requests in flight get to finish after that
    #[arg(long, env = "SLIPWAY_FINISH_SECONDS", value_name = "SECONDS", default_value_t = 20, value_parser = seconds(0))]
    pub finish_seconds: u64,

    /// Threads that predict [default: one for each CPU]
    #[arg(long, env = "SLIPWAY_THREADS", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,

    /// How trees are walked: plain, arena, complete or bits [default: the quickest, found by timing]. All give the same answers
    #[arg(long, env = "SLIPWAY_KERNEL")]
    pub kernel: Option<Kernel>,

    /// File with the keys that callers must show, one a line; read again when it changes [default: anybody may call]
    #[arg(long, env = "SLIPWAY_API_KEYS", value_name = "FILE")]
    pub api_keys: Option<PathBuf>,

    /// File of the certificate, those of its authorities behind it, in PEM; with --tls-key the API is served over TLS, and
    /// both are read again when they change [default: no TLS]
    #[arg(long, env = "SLIPWAY_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// File of the certificate's private key, in PEM
    #[arg(long, env = "SLIPWAY_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// Origins whose pages may call from a browser, as https://example.org, or * for all; several with commas [default: only
    /// the server's own page]
    #[arg(long, env = "SLIPWAY_CORS_ORIGINS", value_name = "ORIGINS", value_delimiter = ',')]
    pub cors_origins: Vec<Origin>,

    /// Collector that gets the spans of requests whose traceparent says that they are recorded, as OTLP over HTTP, such as
    /// <http://collector:4318> [default: none]
    #[arg(long, env = "SLIPWAY_OTLP_ENDPOINT", value_name = "URL", value_parser = probe::address)]
    pub otlp_endpoint: Option<Uri>,

    /// Log every request
    #[arg(long, env = "SLIPWAY_ACCESS_LOG")]
    pub access_log: bool,

    /// Least severe messages to log, as error, warn, info or debug
    #[arg(long, env = "SLIPWAY_LOG", value_name = "LEVEL", default_value = "info")]
    pub log: tracing::Level,

    /// Bounds on what callers may send.
    #[command(flatten)]
    pub limits: Limits,
}

/// Bounds on what callers may send.
#[derive(Clone, Debug, clap::Args)]
pub struct Limits {
    /// Largest request body, bytes
    #[arg(long, env = "SLIPWAY_MAX_BODY_BYTES", value_name = "BYTES", default_value_t = 16 * MIB, value_parser = count(1 << 30))]
    pub max_body_bytes: usize,

    /// Most bytes of bodies that arrive, wait or are read, over all connections
    #[arg(long, env = "SLIPWAY_MAX_PENDING_BYTES", value_name = "BYTES", default_value_t = 32 * MIB, value_parser = count(1 << 40))]
    pub max_pending_bytes: usize,

    /// Most rows of a request; fewer where a row or its prediction is very wide
    #[arg(long, env = "SLIPWAY_MAX_ROWS", value_name = "ROWS", default_value_t = 100_000, value_parser = count(10_000_000))]
    pub max_rows: usize,

    /// Most connections
    #[arg(long, env = "SLIPWAY_MAX_CONNECTIONS", value_name = "COUNT", default_value_t = 4_096, value_parser = count(1 << 20))]
    pub max_connections: usize,

    /// Most requests being predicted or waiting for it
    #[arg(long, env = "SLIPWAY_MAX_IN_FLIGHT", value_name = "COUNT", default_value_t = 256, value_parser = count(1 << 20))]
    pub max_in_flight: usize,

    /// Most streams of rows (CSV, NDJSON) being answered; each takes a few hundred KiB at most
    #[arg(long, env = "SLIPWAY_MAX_STREAMS", value_name = "COUNT", default_value_t = 32, value_parser = count(1 << 20))]
    pub max_streams: usize,

    /// Milliseconds a request may take where its header x-request-timeout-ms does not say [default: as many as it takes]
    #[arg(long, env = "SLIPWAY_REQUEST_TIMEOUT_MS", value_name = "MILLISECONDS", value_parser = clap::value_parser!(u64).range(1..=MAX_DEADLINE))]
    pub request_timeout_ms: Option<u64>,

    /// Seconds a request's headers may take
    #[arg(long, env = "SLIPWAY_HEADER_TIMEOUT", value_name = "SECONDS", default_value_t = 5, value_parser = seconds(1))]
    pub header_timeout: u64,

    /// Seconds a request's body or its reply may stand still
    #[arg(long, env = "SLIPWAY_BODY_TIMEOUT", value_name = "SECONDS", default_value_t = 30, value_parser = seconds(1))]
    pub body_timeout: u64,

    /// Seconds a connection may wait for its next request
    #[arg(long, env = "SLIPWAY_IDLE_TIMEOUT", value_name = "SECONDS", default_value_t = 90, value_parser = seconds(1))]
    pub idle_timeout: u64,
}

fn seconds(least: u64) -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(least..=86_400)
}

fn count(most: u64) -> clap::builder::RangedU64ValueParser<usize> {
    clap::builder::RangedU64ValueParser::new().range(1..=most)
}

impl Limits {
    /// Longest a body may stand still.
    pub fn body_timeout(&self) -> Duration {
        Duration::from_secs(self.body_timeout)
    }
}

impl Default for Limits {
    /// The flags' defaults.
    fn default() -> Self {
        Limits {
            max_body_bytes: 16 * MIB,
            max_pending_bytes: 32 * MIB,
            max_rows: 100_000,
            max_connections: 4_096,
            max_in_flight: 256,
            max_streams: 32,
            request_timeout_ms: None,
            header_timeout: 5,
            body_timeout: 30,
            idle_timeout: 90,
        }
    }
}

/// Why there is no configuration: help was asked for, or the usage is wrong.
#[derive(Debug)]
pub struct Stop(pub(crate) clap::Error);

impl Stop {
    /// Prints what there is to say, the reason last, and how the program ends.
    pub fn report(&self) -> ExitCode {
        if self.0.use_stderr() {
            eprintln!("{}", reason_last(&self.0.to_string()));
            return ExitCode::from(Exit::Usage.code());
        }
        // Where help cannot be printed, nothing can.
        let _ = self.0.print();
        ExitCode::SUCCESS
    }
}

impl Config {
    /// Reads the flags, the program's name first, and the environment.
    pub fn from_arguments(arguments: impl IntoIterator<Item = OsString>) -> Result<Config, Stop> {
        Config::try_parse_from(arguments).map_err(Stop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Config, Stop> {
        Config::from_arguments([&["slipway-model-server"], arguments].concat().into_iter().map(OsString::from))
    }

    #[test]
    fn the_defaults_are_those_of_the_flags() {
        let limits = parse(&["--model", "m"]).unwrap().limits;
        assert_eq!(format!("{limits:?}"), format!("{:?}", Limits::default()));
    }

    #[test]
    fn wrong_usage_is_told_in_one_line() {
        for (arguments, reason) in [
            (&[][..], "the following required arguments were not provided: --model <DIR>"),
            (&["--model", "m", "--digest", "md5:0"], "is no digest; write sha256: and 64 hexadecimal digits"),
            (&["--model", "m", "--header-timeout", "0"], "0 is not in 1..=86400"),
            (&["--model", "m", "--cors-origins", "https://a,b"], "\"b\" is no origin; write https://example.org"),
            (&["--model", "m", "--tls-cert", "c"], "--tls-key <FILE>"),
            (&["--model", "m", "--modle"], "unexpected argument '--modle'"),
        ] {
            let stop = parse(arguments).unwrap_err();
            let message = reason_last(&stop.0.to_string());
            assert!(message.lines().last().unwrap().contains(reason), "{message}");
        }
    }
}
