//! `GET /`: a page to try the model.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use slipway_model::Manifest;

use crate::state::App;

/// `GET /`.
pub async fn show(State(app): State<Arc<App>>) -> Response {
    app.page.clone().into_response()
}

/// The page for a model.
pub fn html(_manifest: &Manifest) -> String {
    String::new()
}
