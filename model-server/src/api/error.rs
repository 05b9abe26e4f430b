//! The one shape of an error.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use slipway_model::{FieldError, Value};

use crate::metrics::Refusal;

/// An error as a caller sees it: `{"error": "…", "details": […]}`.
#[derive(Clone, Debug)]
pub struct ApiError {
    status: StatusCode,
    message: String,
    details: Vec<Detail>,
    refusal: Option<Refusal>,
    close: bool,
}

/// What is wrong, beside the reply for protocols that write errors in their own way.
#[derive(Clone, Debug, Default)]
pub struct Reason(pub String);

/// One mistake of a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Detail {
    /// The row, from 1; 0 for the header of a table.
    pub row: usize,
    /// The field; absent where the row as a whole is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What would fit.
    pub expected: String,
    /// What was given.
    pub got: String,
}

impl Detail {
    /// A mistake in a field.
    pub fn of_field(row: usize, error: FieldError) -> Detail {
        Detail { row, field: Some(error.field), expected: error.expected, got: error.got }
    }

    /// A mistake of the whole row.
    pub fn of_row(row: usize, expected: &str, got: impl Into<String>) -> Detail {
        Detail { row, field: None, expected: expected.to_owned(), got: got.into() }
    }
}

/// Mistakes in one line: the first, and how many more there are.
pub fn summary(details: &[Detail], mistakes: usize) -> String {
    let Some(Detail { row, field, expected, got }) = details.first() else {
        return format!("{mistakes} mistakes");
    };
    let field = field.as_ref().map(|field| format!("{field}: ")).unwrap_or_default();
    // Row 0 is a table's header.
    let row = if *row == 0 { "header".to_owned() } else { format!("row {row}") };
    let more = match mistakes.saturating_sub(1) {
        0 => String::new(),
        1 => " (and 1 more mistake)".to_owned(),
        more => format!(" (and {more} more mistakes)"),
    };
    format!("{row}: {field}expected {expected}, got {got}{more}")
}

impl ApiError {
    fn new(status: StatusCode, message: impl Into<String>) -> ApiError {
        ApiError { status, message: message.into(), details: Vec::new(), refusal: None, close: false }
    }

    fn refused(status: StatusCode, refusal: Refusal, message: impl Into<String>) -> ApiError {
        ApiError { refusal: Some(refusal), ..ApiError::new(status, message) }
    }

    /// 400: not JSON, or not the protocol.
    pub fn bad_request(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::BAD_REQUEST, message)
    }

    /// 400 or 422: rows that do not fit the schema; `mistakes` counts those that `details` has no room for, too.
    pub fn bad_rows(status: StatusCode, details: Vec<Detail>, mistakes: usize) -> ApiError {
        let message = summary(&details, mistakes);
        ApiError { details, ..ApiError::new(status, message) }
    }

    /// 401: no key, or not one of those.
    pub fn unauthorised() -> ApiError {
        ApiError::new(
            StatusCode::UNAUTHORIZED,
            "this server wants a key, in the header Authorization: Bearer KEY or X-Api-Key: KEY",
        )
    }

    /// 404.
    pub fn not_found(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::NOT_FOUND, message)
    }

    /// 404: not the model that is served.
    pub fn unknown_model(name: &str, served: &str) -> ApiError {
        ApiError::not_found(format!("there is no model {}; this server serves {served:?}", Value::Text(name)))
    }

    /// 404: not the version that is served.
    pub fn unknown_version(version: &str, served: &str) -> ApiError {
        ApiError::not_found(format!("there is no version {}; this server serves {served:?}", Value::Text(version)))
    }

    /// 405; the router adds `Allow`.
    pub fn method_not_allowed() -> ApiError {
        ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "this method is not for this address; see the header Allow")
    }

    /// 408: the body stood still.
    pub fn too_slow(seconds: u64) -> ApiError {
        let message = format!("nothing of the body came for {seconds} seconds");
        ApiError { close: true, ..ApiError::refused(StatusCode::REQUEST_TIMEOUT, Refusal::Slow, message) }
    }

    /// 413: a body over its limit.
    pub fn body_too_large(limit: usize) -> ApiError {
        let message = format!("the body is larger than {limit} bytes; send fewer rows at a time");
        ApiError { close: true, ..ApiError::refused(StatusCode::PAYLOAD_TOO_LARGE, Refusal::TooLarge, message) }
    }

    /// 413: more rows than allowed.
    pub fn too_many_rows(limit: usize) -> ApiError {
        let message = format!("more than {limit} rows; send fewer rows at a time");
        ApiError::refused(StatusCode::PAYLOAD_TOO_LARGE, Refusal::TooLarge, message)
    }

    /// 413: more rows than can be explained.
    pub fn too_many_explained(limit: usize) -> ApiError {
        let message = format!("contributions of more than {limit} rows; send fewer rows at a time, or a stream");
        ApiError::refused(StatusCode::PAYLOAD_TOO_LARGE, Refusal::TooLarge, message)
    }

    /// 415.
    pub fn unsupported_media_type(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message)
    }

    /// 429: too many requests are being answered.
    pub fn too_many_requests() -> ApiError {
        let message = "too many requests are in flight; try again";
        ApiError::refused(StatusCode::TOO_MANY_REQUESTS, Refusal::InFlight, message)
    }

    /// 429: too many large bodies are arriving; this one is left unread.
    pub fn too_many_bytes() -> ApiError {
        let message = "too many large requests are arriving; try again";
        ApiError { close: true, ..ApiError::refused(StatusCode::TOO_MANY_REQUESTS, Refusal::PendingBytes, message) }
    }

    /// 500: a bug.
    pub fn internal() -> ApiError {
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "this is a bug in the server; its log says more")
    }

    /// 504: the request's deadline passed.
    pub fn deadline() -> ApiError {
        let message = "the request took longer than its deadline; x-request-timeout-ms sets another one";
        ApiError::refused(StatusCode::GATEWAY_TIMEOUT, Refusal::Deadline, message)
    }

    /// Whether the connection ends with it.
    pub fn closes(&self) -> bool {
        self.close
    }

    /// What is wrong, in one line.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Why the request was turned away, where that protects the server.
    pub fn refusal(&self) -> Option<Refusal> {
        self.refusal
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Body {
            error: String,
            #[serde(skip_serializing_if = "Vec::is_empty")]
            details: Vec<Detail>,
        }
        let reason = Reason(self.message.clone());
        let body = super::to_json(&Body { error: self.message, details: self.details });
        let mut response = super::json(body);
        response.extensions_mut().insert(reason);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if self.status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            headers.insert(header::ACCEPT_ENCODING, super::coding::TAKEN);
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.close {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
