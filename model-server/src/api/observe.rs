//! What all requests have in common: they are let in, counted, logged and traced, and their replies have the same headers.

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;

use super::coding::Coding;
use super::error::ApiError;
use super::route::{self, Route};
use super::trace::{self, Trace};
use super::{MODEL_HEADER, REQUEST_ID_HEADER, VERSION_HEADER, cors, grpc, keys, pack, page, refuse};
use crate::metrics::Present;
use crate::otlp::Span;
use crate::state::{App, Phase};

/// Longest identifier of a request that is repeated, bytes.
pub const MAX_REQUEST_ID: usize = 128;

/// Answers a request as its route does, and does what is to be done for all.
pub async fn observe(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let seen = Seen::new(&app, &request);
    let present = Present::of(&app.metrics.in_flight);
    let response = seen.let_in(&app, request, next).await;
    drop(present);
    seen.note(&app, response.status());
    seen.finish(&app, response)
}

/// What is known of a request when its headers have come.
struct Seen {
    begun: Instant,
    route: Option<&'static Route>,
    /// Its own name, or a new one.
    id: HeaderValue,
    trace: Option<Trace>,
    /// Method and path, where they are logged.
    line: Option<(Method, String)>,
    /// The method, where the span is sent to a collector.
    recorded: Option<&'static str>,
    /// Whether it is a call of gRPC.
    is_call: bool,
    /// How its reply may be compressed.
    coding: Option<Coding>,
    /// The page that may read the reply.
    origin: Option<HeaderValue>,
}

impl Seen {
    fn new(app: &App, request: &Request) -> Seen {
        let headers = request.headers();
        let trace = Trace::of(headers, || app.ids.span());
        let is_recorded = app.settings.exporter.is_some() && trace.as_ref().is_some_and(Trace::is_sampled);
        let path = request.extensions().get::<MatchedPath>();
        Seen {
            begun: Instant::now(),
            route: path.and_then(|path| route::find(path.as_str())),
            id: request_id(app, headers),
            trace,
            line: app.settings.access_log.then(|| (request.method().clone(), request.uri().path().to_owned())),
            recorded: is_recorded.then(|| known_method(request.method())),
            is_call: grpc::is_call(request),
            coding: Coding::wanted(headers),
            origin: if app.settings.origins.is_empty() { None } else { cors::allowed(&app.settings.origins, headers) },
        }
    }

    /// Answers the request, if it shows a key where one is wanted.
    async fn let_in(&self, app: &App, request: Request, next: Next) -> Response {
        if self.origin.is_some() && cors::is_preflight(&request) {
            // Browsers ask without a key.
            return cors::preflight();
        }
        let is_open = self.route.is_some_and(|route| route.open);
        if let Some(keys) = &app.settings.keys
            && !is_open
            && !keys.admit(request.headers())
        {
            return turn_away(request).await;
        }
        let Some(trace) = &self.trace else { return next.run(request).await };
        // What is said about the request meanwhile names its trace, however little is logged.
        let span = tracing::error_span!("request", trace_id = trace.id(), span_id = trace.span());
        next.run(request).instrument(span).await
    }

    /// Counts the request, sends its span, and logs it.
    fn note(&self, app: &App, status: StatusCode) {
        let (duration, status) = (self.begun.elapsed(), status.as_u16());
        let route = self.route.map_or("other", |route| route.path);
        app.metrics.answered(route, status, duration);
        if let (Some(exporter), Some(trace), Some(method)) = (&app.settings.exporter, self.trace, self.recorded) {
            let begun = SystemTime::now().checked_sub(duration).unwrap_or(UNIX_EPOCH);
            exporter.export(Span { trace, route, method, status, begun, duration });
        }
        if let Some((method, path)) = &self.line {
            let (seconds, request_id) = (duration.as_secs_f64(), self.id.to_str().unwrap_or_default());
            let (trace_id, span_id) = (self.trace.as_ref().map(Trace::id), self.trace.as_ref().map(Trace::span));
            tracing::info!(%method, path, status, seconds, request_id, trace_id, span_id, "answered");
        }
    }

    /// The reply with all that replies have.
    fn finish(self, app: &App, mut response: Response) -> Response {
        if self.is_call {
            response = grpc::dress(response, self.route.is_some());
        } else if let Some(coding) = self.coding {
            response = pack::pack(response, coding, || app.packers.clone().try_acquire_owned().ok());
        }
        let headers = response.headers_mut();
        headers.insert(MODEL_HEADER, app.model_header.clone());
        headers.insert(VERSION_HEADER, app.version_header.clone());
        headers.insert(REQUEST_ID_HEADER, self.id);
        if let Some(value) = self.trace.and_then(|trace| trace.header()) {
            headers.insert(trace::HEADER, value);
        }
        if let Some(origin) = self.origin {
            cors::allow(headers, origin);
        }
        if app.lifecycle.phase() == Phase::Draining {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
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

/// The name that a caller gave its request.
pub fn given_id(headers: &HeaderMap) -> Option<&HeaderValue> {
    headers.get(REQUEST_ID_HEADER).filter(|value| {
        (1..=MAX_REQUEST_ID).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic)
    })
}

fn request_id(app: &App, headers: &HeaderMap) -> HeaderValue {
    given_id(headers).cloned().unwrap_or_else(|| {
        HeaderValue::from_bytes(&app.ids.next().digits()).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
    })
}

/// A method as spans name it: callers may make up others.
fn known_method(method: &Method) -> &'static str {
    let known = [Method::GET, Method::POST, Method::HEAD, Method::OPTIONS, Method::PUT, Method::PATCH, Method::DELETE];
    let names = ["GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"];
    known.iter().zip(names).find(|(known, _)| *known == method).map_or("_OTHER", |(_, name)| name)
}
