//! A conformance suite for the Open Inference Protocol, version 2, over REST and gRPC: it asks any server what the protocol says,
//! and what a client's mistakes are answered.
//!
//! The protocol: <https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol>.

mod client;
pub mod grpc;
mod rest;
mod show;
mod suite;

use anyhow::Result;
use serde_json::Value;

use client::Client;
use grpc::Caller;
use suite::Subject;

pub use show::text;
pub use suite::{Finding, Findings, Level};

/// Asks the server at a URL everything, over gRPC, too, where the URL of that is given.
///
/// `model` is the name of a model that is ready; left out, the only one that the server lists. `request` is the body of a
/// request over REST that the model answers; left out, it is made from the model's metadata.
///
/// # Errors
///
/// Where there is no server, no such model, or no request that it answers: then there is nothing to ask.
pub fn examine(url: &str, grpc: Option<&str>, model: Option<&str>, request: Option<Value>) -> Result<Findings> {
    let caller = grpc.map(Caller::connect).transpose()?;
    let subject = Subject::find(Client::new(url)?, caller, model, request)?;
    let mut checks = rest::checks();
    if grpc.is_some() {
        checks.extend(grpc::checks());
    }
    Ok(Findings(checks.iter().map(|check| check.run(&subject)).collect()))
}
