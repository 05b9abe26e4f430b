//! The Open Inference Protocol.

mod infer;
mod request;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use slipway_model::{Field, Manifest};
use slipway_spec::FeatureType;

use super::error::ApiError;
use super::reply;
use crate::state::{App, Phase};

pub use infer::infer;

/// The output that holds numbers or names of classes.
const PREDICTION: &str = "prediction";
/// The output that holds one probability a class.
const PROBABILITIES: &str = "probabilities";

/// The model that an address means.
#[derive(Debug, Deserialize)]
pub struct Target {
    model: String,
    version: Option<String>,
}

impl Target {
    /// Whether it is the model that is served.
    fn check(&self, manifest: &Manifest) -> Result<(), ApiError> {
        if self.model != manifest.model_name {
            return Err(ApiError::unknown_model(&self.model, &manifest.model_name));
        }
        match &self.version {
            Some(version) if *version != manifest.version => Err(ApiError::unknown_version(version, &manifest.version)),
            _ => Ok(()),
        }
    }
}

/// `GET /v2`.
pub async fn server() -> Response {
    reply(&json!({"name": "slipway-model-server", "version": env!("CARGO_PKG_VERSION"), "extensions": []}))
}

/// `GET /v2/health/live`.
pub async fn live() -> Response {
    reply(&json!({"live": true}))
}

/// `GET /v2/health/ready`.
pub async fn ready(State(app): State<Arc<App>>) -> Response {
    readiness(&app, json!({}))
}

/// `GET /v2/models/{model}[/versions/{version}]/ready`.
pub async fn model_ready(State(app): State<Arc<App>>, Path(target): Path<Target>) -> Result<Response, ApiError> {
    target.check(app.manifest())?;
    Ok(readiness(&app, json!({"name": target.model})))
}

/// Ready or, while the server is about to stop, not.
fn readiness(app: &App, mut body: Value) -> Response {
    let ready = app.lifecycle.phase() == Phase::Ready;
    body["ready"] = ready.into();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, reply(&body)).into_response()
}

/// `GET /v2/models/{model}[/versions/{version}]`.
pub async fn model(State(app): State<Arc<App>>, Path(target): Path<Target>) -> Result<Response, ApiError> {
    let manifest = app.manifest();
    target.check(manifest)?;
    let inputs: Vec<_> = manifest.input.fields().iter().map(input).collect();
    let classes = manifest.output.classes();
    let datatype = if classes.is_empty() { "FP64" } else { "BYTES" };
    let mut outputs = vec![json!({"name": PREDICTION, "datatype": datatype, "shape": [-1]})];
    if !classes.is_empty() {
        outputs.push(json!({"name": PROBABILITIES, "datatype": "FP64", "shape": [-1, classes.len()]}));
    }
    let body = json!({
        "name": manifest.model_name,
        "versions": [manifest.version],
        "platform": format!("slipway_v{}", manifest.format_version),
        "inputs": inputs,
        "outputs": outputs,
    });
    Ok(reply(&body))
}

fn input(field: &Field) -> Value {
    let datatype = match field.type_ {
        FeatureType::Number => "FP64",
        FeatureType::Boolean => "BOOL",
        FeatureType::Category | FeatureType::Timestamp => "BYTES",
    };
    json!({"name": field.name, "datatype": datatype, "shape": [-1]})
}
