//! Which addresses there are, and what all answers have in common.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use slipway_model_server::state::Phase;
use tokio::time::timeout;

use crate::support::{Client, VERSION, crime, dispatch, iris};

#[tokio::test]
async fn what_can_be_read_is_read() {
    let client = Client::new(dispatch());
    let model = json!({
        "name": "time-to-dispatch",
        "versions": [VERSION],
        "platform": "slipway_v1",
        "inputs": [
            {"name": "orders_placed", "datatype": "FP64", "shape": [-1]},
            {"name": "product_code", "datatype": "BYTES", "shape": [-1]},
        ],
        "outputs": [{"name": "prediction", "datatype": "FP64", "shape": [-1]}],
    });
    let named_ready = json!({"name": "time-to-dispatch", "ready": true});
    let of_version = format!("/v2/models/time-to-dispatch/versions/{VERSION}");
    for (path, expected) in [
        ("/", json!({"status": "alive", "model": "time-to-dispatch", "version": VERSION})),
        ("/v1/models", json!({"models": ["time-to-dispatch"]})),
        ("/v1/models/time-to-dispatch", named_ready.clone()),
        (
            "/v2",
            json!({"name": "slipway-model-server", "version": env!("CARGO_PKG_VERSION"), "extensions": ["binary_tensor_data"]}),
        ),
        ("/v2/health/live", json!({"live": true})),
        ("/v2/health/ready", json!({"ready": true})),
        ("/v2/models/time-to-dispatch", model.clone()),
        (&of_version, model),
        ("/v2/models/time-to-dispatch/ready", named_ready.clone()),
        (&format!("{of_version}/ready"), named_ready),
    ] {
        let answer = client.get(path).await;
        assert_eq!((answer.status, answer.json()), (StatusCode::OK, expected), "{path}");
        assert_eq!(answer.header("content-type"), "application/json", "{path}");
        assert_eq!(client.method(Method::HEAD, path).await.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn a_classifier_names_its_probabilities() {
    let outputs = Client::new(iris()).get("/v2/models/iris").await.json()["outputs"].clone();
    assert_eq!(
        outputs,
        json!([
            {"name": "prediction", "datatype": "BYTES", "shape": [-1]},
            {"name": "probabilities", "datatype": "FP64", "shape": [-1, 3]},
        ])
    );
}

#[tokio::test]
async fn what_is_not_there_is_404() {
    let client = Client::new(dispatch());
    for path in [
        "/nothing",
        "/predict/",
        "/metrics",
        "/v1/models/other",
        "/v2/models/other",
        "/v2/models/other/ready",
        "/v2/models/time-to-dispatch/versions/2",
        "/v2/models/time-to-dispatch/versions/2/ready",
    ] {
        let answer = client.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert!(!answer.error().is_empty(), "{path}");
    }
    for path in ["/v1/models/other:predict", "/v2/models/other/infer", "/v2/models/time-to-dispatch/versions/2/infer"] {
        let answer = client.post(path, "{}").await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert!(answer.error().contains("this server serves"), "{}", answer.error());
    }
}

#[tokio::test]
async fn a_wrong_method_is_405_and_told_the_right_one() {
    let client = Client::new(dispatch());
    for (path, allowed) in [
        ("/", "GET,HEAD"),
        ("/predict", "POST"),
        ("/openapi.json", "GET,HEAD"),
        ("/v1/models", "GET,HEAD"),
        ("/v1/models/time-to-dispatch", "GET,HEAD"),
        ("/v1/models/time-to-dispatch:predict", "POST"),
        ("/v2", "GET,HEAD"),
        ("/v2/health/ready", "GET,HEAD"),
        ("/v2/models/time-to-dispatch", "GET,HEAD"),
        ("/v2/models/time-to-dispatch/infer", "POST"),
    ] {
        let answer = client.method(Method::DELETE, path).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(answer.header("allow"), allowed, "{path}");
        assert!(answer.error().contains("Allow"), "{path}");
    }
}

#[tokio::test]
async fn every_reply_says_which_model_and_which_request_it_is() {
    let client = Client::new(crime());
    for path in ["/", "/nothing", "/predict", "/v2/models/other"] {
        let answer = client.get(path).await;
        assert_eq!(answer.header("slipway-model"), "crime", "{path}");
        assert_eq!(answer.header("slipway-model-version"), VERSION, "{path}");
        assert_eq!(answer.header("x-request-id").len(), 32, "{path}");
    }
    let with_id = |id: &str| Request::get("/v2").header("x-request-id", id).body(Body::empty()).unwrap();
    assert_eq!(client.send(with_id("order-7")).await.header("x-request-id"), "order-7");
    for bad in ["", "with space", &"x".repeat(129)] {
        assert_eq!(client.send(with_id(bad)).await.header("x-request-id").len(), 32, "{bad:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_about_to_stop_answers_on_but_wants_no_more() {
    let client = Client::new(dispatch());
    client.app.lifecycle.enter(Phase::Draining);
    let row = r#"{"orders_placed": 10, "product_code": "SKU001"}"#;
    let answer = client.post("/predict", row).await;
    assert_eq!((answer.status, answer.header("connection")), (StatusCode::OK, "close"));
    for path in ["/v2/health/ready", "/v2/models/time-to-dispatch/ready"] {
        let answer = client.get(path).await;
        assert_eq!((answer.status, &answer.json()["ready"]), (StatusCode::SERVICE_UNAVAILABLE, &json!(false)));
    }
    assert_eq!(client.get("/v1/models/time-to-dispatch").await.json()["ready"], json!(false));
    assert_eq!(client.get("/v2/health/live").await.json(), json!({"live": true}));
}

#[tokio::test]
async fn only_what_is_said_to_be_json_is_read() {
    let client = Client::new(dispatch());
    let row = r#"{"orders_placed": 10, "product_code": "SKU001"}"#;
    let post = |headers: &[(&str, &str)]| {
        let request =
            headers.iter().fold(Request::post("/predict"), |request, (name, value)| request.header(*name, *value));
        request.body(Body::from(row)).unwrap()
    };
    for (name, value) in [
        ("content-type", "application/json"),
        ("content-type", "Application/JSON; charset=utf-8"),
        ("content-type", "application/vnd.rows+json"),
        ("accept", "*/*"),
    ] {
        assert_eq!(client.send(post(&[(name, value)])).await.status, StatusCode::OK, "{value}");
    }
    for (name, value, error) in [
        ("content-type", "text/plain", "expected the header Content-Type: application/json, got \"text/plain\""),
        ("content-type", "application/x-www-form-urlencoded", "Content-Type"),
        ("content-encoding", "br", "content-encoding: expected gzip, deflate or zstd, got \"br\""),
        ("inference-header-content-length", "10", "tensors as bytes are for the Open Inference Protocol"),
    ] {
        let answer = client.send(post(&[(name, value)])).await;
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{value}");
        assert!(answer.error().contains(error), "{}", answer.error());
    }
}

#[tokio::test]
async fn a_passed_deadline_is_504_and_a_senseless_one_400() {
    let client = Client::new(dispatch());
    let post = |deadline: &str, body: Body| {
        Request::post("/predict").header("x-request-timeout-ms", deadline).body(body).unwrap()
    };
    let never = Body::new(http_body_util::StreamBody::new(futures::stream::pending::<
        Result<hyper::body::Frame<bytes::Bytes>, std::io::Error>,
    >()));
    let answer = client.send(post("20", never)).await;
    assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT);
    for bad in ["0", "-1", "soon", "3600001"] {
        let answer = client.send(post(bad, Body::from("{}"))).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{bad}");
        assert!(answer.error().contains("expected milliseconds"), "{}", answer.error());
    }
}

#[tokio::test]
async fn where_there_is_no_room_the_caller_is_told_to_come_back() {
    let client = Client::new(dispatch());
    let app = client.app.clone();
    let all = app.in_flight.acquire_many(app.settings.limits.max_in_flight as u32).await.unwrap();
    let row = r#"{"orders_placed": 10, "product_code": "SKU001"}"#;
    let answer = client.post("/predict", row).await;
    assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, "1"));
    assert_eq!(client.get("/v2/health/ready").await.json(), json!({"ready": true}));
    drop(all);
    assert_eq!(client.post("/predict", row).await.status, StatusCode::OK);
}

#[tokio::test]
async fn who_gives_up_waiting_is_not_counted_for_ever() {
    let client = Client::new(dispatch());
    let app = client.app.clone();
    let counted = || (app.metrics.in_flight.get(), app.metrics.queued.get());
    let all = app.large.acquire_many(app.settings.threads as u32).await.unwrap();
    let row = json!({"orders_placed": 10, "product_code": "SKU001", "comment": "x".repeat(100_000)}).to_string();
    let asked = timeout(Duration::from_millis(50), async {
        let asking = client.post("/predict", row.clone());
        tokio::join!(asking, async { assert_eq!(counted(), (1, 1)) })
    });
    assert!(asked.await.is_err());
    assert_eq!(counted(), (0, 0));
    drop(all);
    assert_eq!(client.post("/predict", row).await.status, StatusCode::OK);
    assert_eq!(counted(), (0, 0));
}

#[tokio::test]
async fn only_who_accepts_html_gets_the_page() {
    let client = Client::new(dispatch());
    let get = |accept: &str| Request::get("/").header("accept", accept).body(Body::empty()).unwrap();
    let page = client.send(get("text/html,application/xhtml+xml,*/*;q=0.8")).await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    for accept in ["application/json", "*/*"] {
        let answer = client.send(get(accept)).await;
        assert_eq!(answer.json()["status"], Value::from("alive"), "{accept}");
        assert_eq!(answer.header("vary"), "accept");
    }
}
