//! The Open Inference Protocol over gRPC: `inference.GRPCInferenceService`.
//!
//! A call is a request over HTTP/2 like any other, so that limits, keys, deadlines and metrics are those of all requests;
//! this module reads the call's message, and dresses replies the way gRPC wants them. Metrics name the status that the same
//! answer has over REST.
//!
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>

mod messages;
mod wire;

use std::fmt::Write as _;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version, header};
use axum::response::{IntoResponse, Response};
use bytes::{Buf, Bytes};
use http_body_util::{BodyExt, Full};

use super::body::{self, Held};
use super::coding::Coding;
use super::error::{ApiError, Reason};
use super::v2::{self, batch};
use super::{Kind, answer, answer_at_once, naming};
use crate::state::{App, Phase};
use messages::Infer;
use wire::Writer;

const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/grpc");
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
/// The header that says how messages are compressed.
const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const UNIMPLEMENTED: u16 = 12;
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
/// Bytes before a message: whether it is compressed, and its length.
const PREFIX: usize = 5;
/// Longest reason that is told, bytes: clients bound the headers that they read.
const MAX_REASON: usize = 1 << 10;

/// `ServerLive`.
pub async fn server_live(State(app): State<Arc<App>>, request: Request) -> Response {
    call(app, request, |_, _| Ok(Writer::default().truth(1, true))).await
}

/// `ServerReady`.
pub async fn server_ready(State(app): State<Arc<App>>, request: Request) -> Response {
    call(app, request, |app, _| Ok(Writer::default().truth(1, is_ready(app)))).await
}

/// `ModelReady`.
pub async fn model_ready(State(app): State<Arc<App>>, request: Request) -> Response {
    call(app, request, |app, message| {
        messages::target(message)?.check(app.manifest())?;
        Ok(Writer::default().truth(1, is_ready(app)))
    })
    .await
}

/// `ServerMetadata`.
pub async fn server_metadata(State(app): State<Arc<App>>, request: Request) -> Response {
    call(app, request, |_, _| Ok(messages::server(v2::SERVER, v2::VERSION))).await
}

/// `ModelMetadata`.
pub async fn model_metadata(State(app): State<Arc<App>>, request: Request) -> Response {
    call(app, request, |app, message| {
        messages::target(message)?.check(app.manifest())?;
        Ok(messages::model(&v2::model_metadata(app.manifest())))
    })
    .await
}

/// `ModelInfer`.
pub async fn model_infer(State(app): State<Arc<App>>, request: Request) -> Response {
    let naming = naming(&app, request.headers());
    answer(app, request, Kind::Call, batch::may_be_slow, move |app, message, deadline| {
        let infer = Infer::read(message, app.max_rows, app.model().fields().len())?;
        let manifest = app.manifest();
        infer.target.check(manifest)?;
        let inferred = batch::infer(app, message, &infer.request, naming, deadline)?;
        Ok(reply(messages::inferred(&manifest.model_name, &manifest.version, &infer, &inferred)))
    })
    .await
    .into_response()
}

fn is_ready(app: &App) -> bool {
    app.lifecycle.phase() == Phase::Ready
}

/// Answers a call that asks nothing of the model.
async fn call(app: Arc<App>, request: Request, work: fn(&App, &[u8]) -> Result<Writer, ApiError>) -> Response {
    let result = answer_at_once(app, request, Kind::Call, |app, message| Ok(reply(work(app, message)?)));
    result.await.into_response()
}

/// Whether a request is a call.
pub fn is_call(request: &Request) -> bool {
    request.version() == Version::HTTP_2 && is_media_type(request.headers())
}

fn is_media_type(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let rest = value.strip_prefix("application/grpc").map(|rest| rest.strip_prefix("+proto").unwrap_or(rest));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(';'))
}

/// Refuses what is no call.
pub fn require(headers: &HeaderMap) -> Result<(), ApiError> {
    if is_media_type(headers) {
        return Ok(());
    }
    Err(ApiError::unsupported_media_type("this address is for gRPC: HTTP/2 with Content-Type: application/grpc"))
}

/// The one message of a body, unpacked where it is compressed.
pub async fn message(app: &App, headers: &HeaderMap, mut held: Held) -> Result<Held, ApiError> {
    let is_compressed = is_compressed(&held.bytes)?;
    held.bytes.advance(PREFIX);
    if !is_compressed {
        return Ok(held);
    }
    let coding = Coding::of(headers, &ENCODING)?;
    let coding = coding.ok_or_else(|| ApiError::bad_request(format!("a compressed message without {ENCODING}")))?;
    // The room that the packed message takes is given back when it has been read.
    let packed = Body::from(std::mem::take(&mut held.bytes));
    body::read(&HeaderMap::new(), packed, Some(coding), &app.settings.limits, &app.pending).await
}

/// Whether the one whole message that a body is to be is compressed.
fn is_compressed(body: &[u8]) -> Result<bool, ApiError> {
    let Some((&[compressed, length @ ..], message)) = body.split_first_chunk::<PREFIX>() else {
        return Err(ApiError::bad_request("the body holds no message"));
    };
    if message.len() == u32::from_be_bytes(length) as usize && compressed <= 1 {
        Ok(compressed == 1)
    } else {
        Err(ApiError::bad_request("expected one whole message"))
    }
}

/// A message as the reply to a call.
fn reply(message: Writer) -> Response {
    let message = message.finish();
    let mut framed = Vec::with_capacity(PREFIX + message.len());
    framed.push(0);
    framed.extend((message.len() as u32).to_be_bytes());
    framed.extend(message);
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(STATUS, HeaderValue::from_static("0"));
    let body = Full::new(Bytes::from(framed)).with_trailers(std::future::ready(Some(Ok(trailers))));
    ([(header::CONTENT_TYPE, MEDIA_TYPE)], Body::new(body)).into_response()
}

/// The reply to a call, as gRPC wants it: what is no success has a status of gRPC's own, and no body.
pub fn dress(response: Response, is_known: bool) -> Response {
    if response.status().is_success() {
        return response;
    }
    let (mut parts, _) = response.into_parts();
    let status = status(parts.status, is_known);
    let reason = parts.extensions.remove::<Reason>().unwrap_or_default();
    let mut headers = parts.headers;
    headers.clear();
    headers.insert(header::CONTENT_TYPE, MEDIA_TYPE);
    headers.insert(STATUS, status.into());
    headers.insert(MESSAGE, escape(&reason.0));
    if status == UNIMPLEMENTED {
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity,gzip,deflate,zstd"));
    }
    headers.into_response()
}

/// gRPC's status for a failure; `is_known` where the method is one of ours.
fn status(status: StatusCode, is_known: bool) -> u16 {
    match status {
        StatusCode::NOT_FOUND if !is_known => UNIMPLEMENTED,
        StatusCode::METHOD_NOT_ALLOWED | StatusCode::UNSUPPORTED_MEDIA_TYPE => UNIMPLEMENTED,
        // NOT_FOUND
        StatusCode::NOT_FOUND => 5,
        // UNAUTHENTICATED
        StatusCode::UNAUTHORIZED => 16,
        // RESOURCE_EXHAUSTED
        StatusCode::PAYLOAD_TOO_LARGE => 8,
        // UNAVAILABLE
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => 14,
        // DEADLINE_EXCEEDED
        StatusCode::GATEWAY_TIMEOUT | StatusCode::REQUEST_TIMEOUT => 4,
        // INVALID_ARGUMENT
        status if status.is_client_error() => 3,
        // INTERNAL
        _ => 13,
    }
}

/// A text in the letters that gRPC allows in a message.
fn escape(reason: &str) -> HeaderValue {
    let reason = &reason[..reason.floor_char_boundary(MAX_REASON)];
    let mut escaped = String::with_capacity(reason.len());
    for byte in reason.bytes() {
        if matches!(byte, b' '..=b'~') && byte != b'%' {
            escaped.push(char::from(byte));
        } else {
            // Writing to a text never fails.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    HeaderValue::try_from(escaped).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_told_in_the_letters_that_are_allowed() {
        assert_eq!(escape("50 % of \u{e9}\n"), "50 %25 of %C3%A9%0A");
        let long = escape(&"\u{e9}".repeat(1000));
        assert_eq!(long.len(), 512 * 6);
    }

    #[test]
    fn a_body_is_one_whole_message() {
        assert!(!is_compressed(&[0, 0, 0, 0, 2, 7, 8]).unwrap());
        assert!(is_compressed(&[1, 0, 0, 0, 0]).unwrap());
        for bad in [&[][..], &[0, 0, 0, 0], &[0, 0, 0, 0, 2, 7], &[0, 0, 0, 0, 1, 7, 8], &[2, 0, 0, 0, 0]] {
            assert!(is_compressed(bad).is_err(), "{bad:?}");
        }
    }
}
