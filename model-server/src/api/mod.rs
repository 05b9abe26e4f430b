//! The routes of a user's traffic.

pub mod body;
pub mod coding;
pub mod cors;
pub mod deadline;
pub mod error;
mod grpc;
pub mod json;
pub mod keys;
mod observe;
pub mod openapi;
mod pack;
pub mod page;
mod predict;
mod route;
mod stream;
mod tell;
pub mod trace;
mod v1;
mod v2;
pub mod wants;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;

use crate::ids::Naming;
use crate::metrics::Present;
use crate::state::App;
use body::Held;
use coding::Coding;
use deadline::Deadline;
use error::ApiError;

/// The header that names the model, on every reply.
pub const MODEL_HEADER: HeaderName = HeaderName::from_static("slipway-model");
/// The header that names the model's version, on every reply.
pub const VERSION_HEADER: HeaderName = HeaderName::from_static("slipway-model-version");
/// The header that identifies a request; the caller's own is repeated, otherwise one is made.
pub const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// Headers of most replies.
const HEADERS: usize = 6;
const NOTHING_HERE: &str = "there is nothing at this address; /openapi.json lists what there is";
/// Bodies for which this times the fields is more are not read between two other requests, but on a thread of their own.
const SMALL: usize = 1 << 20;
/// As are bodies larger than this, bytes.
const SMALL_BODY: usize = 64 << 10;

/// The routes of a user's traffic.
pub fn router(app: Arc<App>) -> Router {
    route::router()
        .method_not_allowed_fallback(|request| refuse(request, ApiError::method_not_allowed()))
        .fallback(|request| refuse(request, ApiError::not_found(NOTHING_HERE)))
        .layer(from_fn_with_state(app.clone(), observe::observe))
        .with_state(app)
}

/// Refuses a request before its body is read.
async fn refuse(request: Request, error: ApiError) -> Response {
    let (parts, body) = request.into_parts();
    body::refuse(&parts.headers, body, error).await.into_response()
}

/// Answers a request with a body of a kind: reads it within all bounds, has `work` make the reply of it. A body that is
/// `slow` to answer, however small, is not answered between two other requests.
async fn answer(
    app: Arc<App>,
    request: Request,
    kind: Kind,
    slow: impl FnOnce(&App, &[u8]) -> bool + Send,
    work: impl FnOnce(&App, &[u8], Deadline) -> Result<Response, ApiError> + Send + 'static,
) -> Result<Response, ApiError> {
    let metrics = app.metrics.clone();
    let result = answer_within(app, request, kind, slow, work).await;
    if let Some(refusal) = result.as_ref().err().and_then(ApiError::refusal) {
        metrics.refused(refusal);
    }
    result
}

async fn answer_within(
    app: Arc<App>,
    request: Request,
    kind: Kind,
    slow: impl FnOnce(&App, &[u8]) -> bool + Send,
    work: impl FnOnce(&App, &[u8], Deadline) -> Result<Response, ApiError> + Send + 'static,
) -> Result<Response, ApiError> {
    let (body, deadline) = receive(&app, request, kind).await?;
    let _admitted = app.in_flight.try_acquire().map_err(|_| ApiError::too_many_requests())?;
    let fields = app.model().fields().len();
    let length = body.bytes.len();
    if length <= SMALL_BODY && length.saturating_mul(fields) <= SMALL && !slow(&app, &body.bytes) {
        return work(&app, &body.bytes, deadline);
    }
    let queued = Present::of(&app.metrics.queued);
    let slot = app.large.clone().acquire_owned();
    let slot = deadline.limit(slot).await?.map_err(|_| ApiError::internal())?;
    drop(queued);
    let worker = app.clone();
    let working = tokio::task::spawn_blocking(move || {
        let _slot = slot;
        work(&worker, &body.bytes, deadline)
    });
    deadline.limit(working).await?.map_err(|error| {
        tracing::error!(%error, "a prediction failed");
        ApiError::internal()
    })?
}

/// Answers a request with a body that asks nothing of the model, however busy that is.
async fn answer_at_once(
    app: Arc<App>,
    request: Request,
    kind: Kind,
    work: impl FnOnce(&App, &[u8]) -> Result<Response, ApiError>,
) -> Result<Response, ApiError> {
    let received = receive(&app, request, kind).await;
    if let Some(refusal) = received.as_ref().err().and_then(ApiError::refusal) {
        app.metrics.refused(refusal);
    }
    work(&app, &received?.0.bytes)
}

/// Reads a body of a kind, within all bounds.
async fn receive(app: &App, request: Request, kind: Kind) -> Result<(Held, Deadline), ApiError> {
    let (parts, body) = request.into_parts();
    let headers = &parts.headers;
    let known = kind.require(headers).and_then(|()| {
        let coding = Coding::of(headers, &header::CONTENT_ENCODING)?;
        Ok((coding, Deadline::of(headers, app.settings.limits.request_timeout_ms)?))
    });
    let (coding, deadline) = match known {
        Ok(known) => known,
        Err(error) => return Err(body::refuse(headers, body, error).await),
    };
    let mut held = deadline.limit(body::read(headers, body, coding, &app.settings.limits, &app.pending)).await??;
    if kind == Kind::Call {
        held = deadline.limit(grpc::message(app, headers, held)).await??;
    }
    Ok((held, deadline))
}

/// What a body is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// JSON.
    Json,
    /// JSON, or JSON with tensors behind it.
    Tensors,
    /// A message of gRPC.
    Call,
}

impl Kind {
    /// Refuses what is said to be something else.
    fn require(self, headers: &HeaderMap) -> Result<(), ApiError> {
        match self {
            Kind::Json => body::require_json(headers),
            Kind::Tensors => v2::binary::require(headers),
            Kind::Call => grpc::require(headers),
        }
    }
}

/// How the predictions of a request are named.
fn naming(app: &App, headers: &HeaderMap) -> Naming {
    Naming::new(&app.artefact.digest, observe::given_id(headers).map(HeaderValue::as_bytes))
}

/// A JSON reply.
fn json(body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(Body::from(body.into()));
    // Room for those that all replies have.
    response.headers_mut().reserve(HEADERS);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// `value` as a JSON reply.
fn reply(value: &impl Serialize) -> Response {
    json(to_json(value))
}

/// `value` as JSON. Replies are made of texts, lists, maps and finite numbers, which always are.
fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_else(|error| {
        tracing::error!(%error, "a reply cannot be written");
        b"{}".to_vec()
    })
}
