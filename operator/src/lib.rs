//! The controllers of Slipway.
//!
//! One reconcile is observe (IO) → validate → decide → build (pure) → act (IO) → report. The pure stages take what was
//! observed and the time as arguments; [`kube_io`] holds all that talks to the API server.

pub mod config;
mod hardening;
pub mod http;
pub mod kube_io;
pub mod metrics;
pub mod model_deployment;
pub mod rollout;
pub mod run;
pub mod training_run;
