//! The port of the kubelet and of Prometheus: `/livez`, `/readyz`, `/metrics`.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::registry::Registry;

use crate::metrics;
use crate::state::{Lifecycle, Phase};

/// What the admin port tells of.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Where the server is in its life.
    pub lifecycle: Arc<Lifecycle>,
    /// Its metrics.
    pub registry: Arc<Mutex<Registry>>,
}

/// The routes.
pub fn router(admin: Admin) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(scrape))
        .with_state(admin)
}

async fn ready(State(admin): State<Admin>) -> Response {
    match admin.lifecycle.phase() {
        Phase::Ready => "ok\n".into_response(),
        Phase::Starting => (StatusCode::SERVICE_UNAVAILABLE, "the model is being read\n").into_response(),
        Phase::Draining => (StatusCode::SERVICE_UNAVAILABLE, "about to stop\n").into_response(),
    }
}

async fn scrape(State(admin): State<Admin>) -> Response {
    let registry = admin.registry.lock().unwrap_or_else(PoisonError::into_inner);
    match metrics::render(&registry) {
        Ok(text) => ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
            .into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
