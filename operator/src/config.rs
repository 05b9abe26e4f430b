//! Flags and environment of the operator, parsed once.

use std::net::SocketAddr;

use clap::{Parser, ValueEnum};

/// The operator of Slipway: trains, judges and serves models by what its two kinds of object say.
#[derive(Clone, Debug, Parser)]
#[command(name = "slipway-operator", version)]
pub struct Config {
    /// Image of the trainer, for the `train` step of builtin runs.
    #[arg(long, env = "SLIPWAY_TRAINER_IMAGE")]
    pub trainer_image: String,

    /// Image with `slipway-store`, for the steps `fetch`, `publish`, `report` and `fetch-model`.
    #[arg(long, env = "SLIPWAY_STORE_IMAGE")]
    pub store_image: String,

    /// Image of the model server.
    #[arg(long, env = "SLIPWAY_SERVER_IMAGE")]
    pub server_image: String,

    /// When a node pulls these three images. A user's own image follows the rule of Kubernetes.
    #[arg(long, env = "SLIPWAY_IMAGE_PULL_POLICY", value_enum, default_value_t = PullPolicy::IfNotPresent)]
    pub image_pull_policy: PullPolicy,

    /// Service accounts that a run or a deployment may name beside `default`; several, separated by commas.
    #[arg(long, env = "SLIPWAY_ALLOWED_SERVICE_ACCOUNTS", value_delimiter = ',')]
    pub allowed_service_accounts: Vec<String>,

    /// The one namespace to look after. Default: all.
    #[arg(long, env = "SLIPWAY_NAMESPACE")]
    pub namespace: Option<String>,

    /// Namespace of the Lease by which several operators agree which of them writes. Without it this one writes at once.
    #[arg(long, env = "SLIPWAY_LEADER_ELECTION_NAMESPACE")]
    pub leader_election_namespace: Option<String>,

    /// Address of `/livez`, `/readyz` and `/metrics`.
    #[arg(long, env = "SLIPWAY_METRICS_LISTEN", default_value = "0.0.0.0:8081")]
    pub metrics_listen: SocketAddr,

    /// Form of the log on stderr; `RUST_LOG` filters it, `info` by default.
    #[arg(long, env = "SLIPWAY_LOG_FORMAT", value_enum, default_value_t = LogFormat::Json)]
    pub log_format: LogFormat,
}

/// `imagePullPolicy` of Kubernetes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
pub enum PullPolicy {
    /// Ask the registry each time.
    Always,
    /// Pull what is not there.
    IfNotPresent,
    /// Use only what is there.
    Never,
}

impl PullPolicy {
    /// As in a container's spec.
    pub const fn as_str(self) -> &'static str {
        match self {
            PullPolicy::Always => "Always",
            PullPolicy::IfNotPresent => "IfNotPresent",
            PullPolicy::Never => "Never",
        }
    }
}

/// Form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For reading.
    Text,
}
