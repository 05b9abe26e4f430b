//! Pages of other origins.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use std::sync::Arc;

use slipway_model_server::api::keys::Keys;
use slipway_model_server::state::Settings;

use crate::support::{Answer, Client, twice};

/// A server that pages of `origins` may call with a key.
fn client(origins: &[&str]) -> Client {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "secret\n").unwrap();
    let keys = Some(Arc::new(Keys::read(file.path().to_owned()).unwrap()));
    let origins = origins.iter().map(|origin| origin.parse().unwrap()).collect();
    Client::of(twice().app_with(Settings { keys, origins, ..Settings::default() }))
}

async fn ask(client: &Client, method: &str, origin: &str, headers: &[(&str, &str)]) -> Answer {
    let request = Request::builder().method(method).uri("/predict").header("origin", origin);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    client.send(request.body(Body::from(if method == "POST" { r#"{"x": 21}"# } else { "" })).unwrap()).await
}

const PREFLIGHT: [(&str, &str); 2] =
    [("access-control-request-method", "POST"), ("access-control-request-headers", "content-type,x-api-key")];

#[tokio::test]
async fn pages_of_a_named_origin_may_call_with_a_key() {
    let client = client(&["https://one.example", "https://two.example:8443"]);
    for origin in ["https://one.example", "https://two.example:8443"] {
        let preflight = ask(&client, "OPTIONS", origin, &PREFLIGHT).await;
        assert_eq!(
            (preflight.status, preflight.header("access-control-allow-origin")),
            (StatusCode::NO_CONTENT, origin)
        );
        assert!(preflight.header("access-control-allow-headers").contains("x-api-key"));
        assert!(preflight.header("access-control-allow-methods").contains("POST"));
        assert_eq!((preflight.header("vary"), preflight.header("access-control-allow-credentials")), ("origin", ""));
        for (headers, status) in [(&[("x-api-key", "secret")][..], StatusCode::OK), (&[], StatusCode::UNAUTHORIZED)] {
            let answer = ask(&client, "POST", origin, headers).await;
            assert_eq!((answer.status, answer.header("access-control-allow-origin")), (status, origin));
            assert!(answer.header("access-control-expose-headers").contains("x-request-id"));
        }
    }
    for origin in ["https://other.example", "http://one.example", "https://one.example.org", "null", ""] {
        let preflight = ask(&client, "OPTIONS", origin, &PREFLIGHT).await;
        assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (StatusCode::UNAUTHORIZED, ""));
        let answer = ask(&client, "POST", origin, &[("x-api-key", "secret")]).await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (StatusCode::OK, ""), "{origin}");
    }
}

#[tokio::test]
async fn all_pages_may_call_where_that_is_said_and_none_where_nothing_is() {
    let all = client(&["*"]);
    assert_eq!(
        ask(&all, "OPTIONS", "https://any.example", &PREFLIGHT).await.header("access-control-allow-origin"),
        "*"
    );
    let none = client(&[]);
    let answer = ask(&none, "POST", "https://any.example", &[("x-api-key", "secret")]).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (StatusCode::OK, ""));
}
