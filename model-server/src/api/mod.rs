//! The routes of a user's traffic.

pub mod body;
pub mod coding;
pub mod cors;
pub mod deadline;
pub mod error;
mod grpc;
pub mod json;
pub mod keys;
pub mod openapi;
mod pack;
pub mod page;
mod predict;
mod route;
mod stream;
pub mod trace;
mod v1;
mod v2;

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;
use tracing::Instrument;

use crate::otlp::Span;
use crate::state::{App, Phase};
use body::Held;
use coding::Coding;
use deadline::Deadline;
use error::ApiError;
use trace::Trace;

/// The header that names the model, on every reply.
pub const MODEL_HEADER: HeaderName = HeaderName::from_static("slipway-model");
/// The header that names the model's version, on every reply.
pub const VERSION_HEADER: HeaderName = HeaderName::from_static("slipway-model-version");
/// The header that identifies a request; the caller's own is repeated, otherwise one is made.
pub const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");
const NOTHING_HERE: &str = "there is nothing at this address; /openapi.json lists what there is";
/// Longest identifier of a request that is repeated, bytes.
const MAX_REQUEST_ID: usize = 128;
/// Bodies for which this times the fields is more are not read between two other requests, but on a thread of their own.
const SMALL: usize = 1 << 20;
/// As are bodies larger than this, bytes.
const SMALL_BODY: usize = 64 << 10;

/// The routes of a user's traffic.
pub fn router(app: Arc<App>) -> Router {
    route::router()
        .method_not_allowed_fallback(|request| refuse(request, ApiError::method_not_allowed()))
        .fallback(|request| refuse(request, ApiError::not_found(NOTHING_HERE)))
        .layer(from_fn_with_state(app.clone(), observe))
        .with_state(app)
}

/// Refuses a request before its body is read.
async fn refuse(request: Request, error: ApiError) -> Response {
    let (parts, body) = request.into_parts();
    body::refuse(&parts.headers, body, error).await.into_response()
}

/// Counts a request and gives its reply the headers that all replies have.
async fn observe(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let route = request.extensions().get::<MatchedPath>().and_then(|matched| route::find(matched.as_str()));
    let is_call = grpc::is_call(&request);
    let packed = Coding::wanted(request.headers());
    let id = request_id(&app, request.headers());
    let trace = Trace::of(request.headers(), || app.ids.span());
    let line = app.access_log.then(|| (request.method().clone(), request.uri().path().to_owned()));

    let recorded = trace.filter(|trace| app.exporter.is_some() && trace.is_sampled());
    let recorded = recorded.map(|trace| (trace, request.method().to_string()));

    app.metrics.in_flight.inc();
    let open = route.is_some_and(|route| route.open);
    let origin = if app.origins.is_empty() { None } else { cors::allowed(&app.origins, request.headers()) };
    let mut response = match &app.keys {
        // Browsers ask without a key.
        _ if origin.is_some() && cors::is_preflight(&request) => cors::preflight(),
        Some(keys) if !open && !keys.admit(request.headers()) => turn_away(request).await,
        _ => match &trace {
            None => next.run(request).await,
            Some(trace) => {
                // What is said about the request meanwhile names its trace, however little is logged.
                let span = tracing::error_span!("request", trace_id = trace.id(), span_id = trace.span());
                next.run(request).instrument(span).await
            }
        },
    };
    app.metrics.in_flight.dec();

    let status = response.status();
    let label = route.map_or("other", |route| route.path);
    app.metrics.answered(label, status.as_u16(), begun.elapsed());
    if let (Some(exporter), Some((trace, method))) = (&app.exporter, recorded) {
        let duration = begun.elapsed();
        let begun = SystemTime::now().checked_sub(duration).unwrap_or(UNIX_EPOCH);
        exporter.export(Span { trace, route: label, method, status: status.as_u16(), begun, duration });
    }
    if let Some((method, path)) = line {
        let (status, seconds) = (status.as_u16(), begun.elapsed().as_secs_f64());
        let request_id = id.to_str().unwrap_or_default();
        let (trace_id, span_id) = (trace.as_ref().map(Trace::id), trace.as_ref().map(Trace::span));
        tracing::info!(%method, path, status, seconds, request_id, trace_id, span_id, "answered");
    }
    if is_call {
        response = grpc::dress(response, route.is_some());
    } else if let Some(coding) = packed {
        response = pack::pack(response, coding, || app.packers.clone().try_acquire_owned().ok());
    }
    let headers = response.headers_mut();
    headers.insert(MODEL_HEADER, app.model_header.clone());
    headers.insert(VERSION_HEADER, app.version_header.clone());
    headers.insert(REQUEST_ID_HEADER, id);
    if let Some(value) = trace.and_then(|trace| trace.header()) {
        headers.insert(trace::HEADER, value);
    }
    if let Some(origin) = origin {
        cors::allow(headers, origin);
    }
    if app.lifecycle.phase() == Phase::Draining {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Refuses a request without a key. Browsers ask their user for one.
async fn turn_away(request: Request) -> Response {
    let by_browser = page::is_wanted(request.headers());
    let mut response = refuse(request, ApiError::unauthorised()).await;
    if by_browser {
        response.headers_mut().append(header::WWW_AUTHENTICATE, HeaderValue::from_static(keys::BASIC));
    }
    response
}

fn request_id(app: &App, headers: &HeaderMap) -> HeaderValue {
    let given = headers.get(REQUEST_ID_HEADER).filter(|value| {
        (1..=MAX_REQUEST_ID).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic)
    });
    given.cloned().unwrap_or_else(|| {
        HeaderValue::try_from(app.ids.next()).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
    })
}

/// Answers a request with a body of a kind: reads it within all bounds, has `work` make the reply of it.
async fn answer(
    app: Arc<App>,
    request: Request,
    kind: Kind,
    work: impl FnOnce(&App, &[u8], Deadline) -> Result<Response, ApiError> + Send + 'static,
) -> Result<Response, ApiError> {
    let metrics = app.metrics.clone();
    let result = answer_within(app, request, kind, work).await;
    if let Some(refusal) = result.as_ref().err().and_then(ApiError::refusal) {
        metrics.refused(refusal);
    }
    result
}

async fn answer_within(
    app: Arc<App>,
    request: Request,
    kind: Kind,
    work: impl FnOnce(&App, &[u8], Deadline) -> Result<Response, ApiError> + Send + 'static,
) -> Result<Response, ApiError> {
    let (body, deadline) = receive(&app, request, kind).await?;
    let _admitted = app.in_flight.try_acquire().map_err(|_| ApiError::too_many_requests())?;
    let fields = app.model().fields().len();
    let length = body.bytes.len();
    if length <= SMALL_BODY && length.saturating_mul(fields) <= SMALL {
        return work(&app, &body.bytes, deadline);
    }
    let slot = app.large.clone().acquire_owned();
    let slot = deadline.limit(slot).await?.map_err(|_| ApiError::internal())?;
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
        Ok((coding, Deadline::of(headers, app.limits.request_timeout_ms)?))
    });
    let (coding, deadline) = match known {
        Ok(known) => known,
        Err(error) => return Err(body::refuse(headers, body, error).await),
    };
    let mut held = deadline.limit(body::read(headers, body, coding, &app.limits, &app.pending)).await??;
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

/// A JSON reply.
fn json(body: impl Into<Bytes>) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body.into()).into_response()
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
