//! Which pages of other origins may call: the protocol of browsers (<https://fetch.spec.whatwg.org/#http-cors-protocol>).
//!
//! Pages never get to use what a browser knows of its user: they show a key themselves.

use std::str::FromStr;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

/// Headers that pages may send.
const TAKEN: HeaderValue = HeaderValue::from_static(
    "authorization, content-encoding, content-type, inference-header-content-length, traceparent, tracestate, x-api-key, \
     x-request-id, x-request-timeout-ms",
);
/// Headers that pages may read.
const GIVEN: HeaderValue = HeaderValue::from_static(
    "inference-header-content-length, retry-after, slipway-model, slipway-model-version, slipway-warnings, traceparent, \
     x-request-id",
);
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST");
/// How long browsers need not ask again, seconds.
const REMEMBERED: HeaderValue = HeaderValue::from_static("600");
const ANY: HeaderValue = HeaderValue::from_static("*");

/// Where a page comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Anywhere.
    Any,
    /// Of one scheme, host and port.
    One(HeaderValue),
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Origin, String> {
        if text == "*" {
            return Ok(Origin::Any);
        }
        let wrong = || format!("{text:?} is no origin; write https://example.org, with a port if need be, or *");
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let scheme = uri.scheme_str().filter(|scheme| ["http", "https"].contains(scheme)).ok_or_else(wrong)?;
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@')).ok_or_else(wrong)?;
        if text != format!("{scheme}://{authority}") {
            return Err(wrong());
        }
        HeaderValue::try_from(text.to_ascii_lowercase()).map(Origin::One).map_err(|_| wrong())
    }
}

/// The value of `Access-Control-Allow-Origin` in the reply to a request of a page; none where `origins` do not let it call.
pub fn allowed(origins: &[Origin], headers: &HeaderMap) -> Option<HeaderValue> {
    let asking = headers.get(header::ORIGIN)?;
    origins.iter().find_map(|origin| match origin {
        Origin::Any => Some(ANY),
        Origin::One(one) if one == asking => Some(one.clone()),
        Origin::One(_) => None,
    })
}

/// Whether a browser asks what it may ask.
pub fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// What it may ask.
pub fn preflight() -> Response {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, TAKEN),
        (header::ACCESS_CONTROL_MAX_AGE, REMEMBERED),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// Lets the page read a reply.
pub fn allow(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, GIVEN);
    headers.append(header::VARY, HeaderValue::from_static("origin"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_a_host_and_perhaps_a_port() {
        assert_eq!("*".parse(), Ok(Origin::Any));
        assert_eq!("https://Example.org:8443".parse(), Ok(Origin::One("https://example.org:8443".parse().unwrap())));
        for wrong in
            ["", "example.org", "https://", "https://example.org/", "https://me@example.org", "ftp://a", "null"]
        {
            let error = wrong.parse::<Origin>().unwrap_err();
            assert!(error.contains("is no origin"), "{error}");
        }
    }
}
