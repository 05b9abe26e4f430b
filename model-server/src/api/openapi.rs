//! `GET /openapi.json`: the API of this very model, as OpenAPI 3.1.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};
use slipway_model::Manifest;

use crate::state::App;

/// `GET /openapi.json`.
pub async fn show(State(app): State<Arc<App>>) -> Response {
    super::json(app.openapi.clone())
}

/// The document for a model.
pub fn document(_manifest: &Manifest) -> Value {
    json!({})
}
