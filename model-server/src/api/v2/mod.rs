//! The Open Inference Protocol.

pub mod batch;
pub mod binary;
mod infer;
pub mod request;

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

/// The server's name.
pub const SERVER: &str = "slipway-model-server";
/// The server's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The output that holds numbers or names of classes.
const PREDICTION: &str = "prediction";
/// The output that holds one probability a class.
const PROBABILITIES: &str = "probabilities";
/// The output that holds the class that a threshold decides for.
pub const DECISION: &str = "decision";
/// The output that holds what each field adds.
const CONTRIBUTIONS: &str = "contributions";
/// The output that holds what is predicted where nothing is known of a row.
const BASE: &str = "base";
/// The output that holds where the truth lay for rows with nearly the same prediction.
const RANGE: &str = "range";
/// The output that holds the identifiers of predictions.
const PREDICTION_ID: &str = "prediction_id";

/// The model that an address means.
#[derive(Debug, Default, Deserialize)]
pub struct Target {
    /// Its name.
    pub model: String,
    /// Its version; none stands for any.
    pub version: Option<String>,
}

impl Target {
    /// Whether it is the model that is served.
    pub fn check(&self, manifest: &Manifest) -> Result<(), ApiError> {
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
    reply(&json!({"name": SERVER, "version": VERSION, "extensions": ["binary_tensor_data"]}))
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
    target.check(app.manifest())?;
    Ok(reply(&model_metadata(app.manifest())))
}

/// What there is to say about the model.
pub fn model_metadata(manifest: &Manifest) -> Value {
    let measured = |mut tensor: Value, unit: Option<&str>| {
        if let Some(unit) = unit {
            tensor["parameters"] = json!({"unit": unit});
        }
        tensor
    };
    let fields = manifest.input.fields().iter();
    let inputs: Vec<_> = fields.map(|field| measured(input_metadata(field), field.unit.as_deref())).collect();
    let outputs = output_metadata(manifest).into_iter();
    let outputs: Vec<_> = outputs.map(|output| measured(output, manifest.output.unit())).collect();
    json!({
        "name": manifest.model_name,
        "versions": [manifest.version],
        "platform": format!("slipway_v{}", manifest.format_version),
        "inputs": inputs,
        "outputs": outputs,
    })
}

/// Name, datatype and shape of a field's tensor.
pub fn input_metadata(field: &Field) -> Value {
    let datatype = match field.type_ {
        FeatureType::Number => "FP64",
        FeatureType::Boolean => "BOOL",
        FeatureType::Category | FeatureType::Timestamp => "BYTES",
    };
    json!({"name": field.name, "datatype": datatype, "shape": [-1]})
}

/// Name, datatype and shape of the outputs.
pub fn output_metadata(manifest: &Manifest) -> Vec<Value> {
    let classes = manifest.output.classes().len();
    if classes == 0 {
        return vec![json!({"name": PREDICTION, "datatype": "FP64", "shape": [-1]})];
    }
    vec![
        json!({"name": PREDICTION, "datatype": "BYTES", "shape": [-1]}),
        json!({"name": PROBABILITIES, "datatype": "FP64", "shape": [-1, classes]}),
    ]
}
