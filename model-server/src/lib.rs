//! The lean HTTP server of one model: its artefact in, predictions out.
//!
//! [`config`] is parsed once, [`run()`] starts and stops everything, [`listen`] owns connections and their timers, [`api`]
//! the routes, [`admin`] the probes and metrics, [`state`] what every request needs. [`probe`]
//! is a client, for trying an installation.

pub mod admin;
pub mod api;
pub mod config;
mod ids;
pub mod listen;
pub mod metrics;
pub mod otlp;
pub mod probe;
mod run;
pub mod state;

pub use config::Config;
pub use run::{StartError, run};
