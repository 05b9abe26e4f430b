//! Compressed bodies and replies.

use std::convert::Infallible;
use std::io::{Read, Write};

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use bytes::Bytes;
use flate2::Compression;
use flate2::read::{GzDecoder, GzEncoder, ZlibEncoder};
use futures::StreamExt;
use serde_json::{Value, json};
use slipway_conformance::grpc::client::framed;
use slipway_conformance::grpc::messages::{InferRequest, InferResponse, Tensor};
use slipway_conformance::grpc::{Caller, Status};
use slipway_model_server::config::Limits;

use crate::sockets::Server;
use crate::support::{Client, twice};

/// Packed as the header `content-encoding` will say.
fn packed(coding: &str, plain: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    match coding {
        "gzip" => drop(GzEncoder::new(plain, Compression::best()).read_to_end(&mut packed).unwrap()),
        "deflate" => drop(ZlibEncoder::new(plain, Compression::best()).read_to_end(&mut packed).unwrap()),
        _ => packed = zstd::encode_all(plain, 3).unwrap(),
    }
    packed
}

fn unpacked(headers: &HeaderMap, bytes: &[u8]) -> String {
    let mut text = String::new();
    match headers.get("content-encoding").map(|coding| coding.to_str().unwrap()) {
        Some("gzip") => drop(GzDecoder::new(bytes).read_to_string(&mut text).unwrap()),
        Some("zstd") => text = String::from_utf8(zstd::decode_all(bytes).unwrap()).unwrap(),
        _ => String::from_utf8(bytes.to_vec()).unwrap().clone_into(&mut text),
    }
    text
}

fn post(format: &str, coding: &str, body: impl Into<Body>) -> Request<Body> {
    let request = Request::post("/predict").header("content-type", format).header("content-encoding", coding);
    request.body(body.into()).unwrap()
}

const CODINGS: [&str; 3] = ["gzip", "deflate", "zstd"];

#[tokio::test]
async fn compressed_rows_are_predicted() {
    let client = Client::new(twice());
    let table = format!("x\n{}", "21\n".repeat(10_000));
    for coding in CODINGS {
        let answer = client.send(post("application/json", coding, packed(coding, br#"{"x": 21}"#))).await;
        assert_eq!((answer.status, &answer.json()["prediction"]), (StatusCode::OK, &json!(42.0)), "{coding}");
        let pieces: Vec<_> = packed(coding, table.as_bytes()).chunks(11).map(Bytes::copy_from_slice).collect();
        let body = Body::from_stream(futures::stream::iter(pieces.into_iter().map(Ok::<_, Infallible>)));
        let answer = client.send(post("text/csv", coding, body)).await;
        assert_eq!(answer.text.lines().filter(|line| line.contains(",42.0,")).count(), 10_000, "{coding}");
    }
    let plain = client.send(post("application/json", "identity", r#"{"x": 21}"#)).await;
    assert_eq!(plain.status, StatusCode::OK);
}

#[tokio::test]
async fn what_is_too_large_when_unpacked_or_not_whole_is_refused() {
    let limits = Limits { max_body_bytes: 1 << 20, ..Limits::default() };
    let client = Client::of(twice().app_within(limits));
    let bomb = [br#"{"x": 21}"#.to_vec(), vec![b' '; 50 << 20]].concat();
    for coding in CODINGS {
        let small = packed(coding, &bomb);
        assert!(small.len() < 100_000, "{}", small.len());
        let answer = client.send(post("application/json", coding, small)).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{coding}: {}", answer.text);

        let mut half = packed(coding, br#"{"x": 21, "filler": "some text that is not so short"}"#);
        half.truncate(half.len() - 5);
        let answer = client.send(post("application/json", coding, half.clone())).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{coding}");
        assert!(answer.error().contains("is not valid"), "{}", answer.error());
        let answer = client.send(post("application/x-ndjson", coding, half)).await;
        assert!(answer.text.lines().last().unwrap().contains("is not valid"), "{coding}: {}", answer.text);
    }
    let answer = client.send(post("application/json", "gzip, zstd", "")).await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(answer.header("accept-encoding"), "gzip, deflate, zstd");
    let free = client.app.settings.limits.max_pending_bytes.div_ceil(16 << 10);
    assert_eq!(client.app.pending.available_permits(), free, "what was held is given back");
}

#[tokio::test]
async fn replies_are_compressed_for_who_takes_it() {
    let client = Client::new(twice());
    let rows = format!("[{}]", vec![r#"{"x": 21}"#; 500].join(","));
    for (accepted, coding) in [("gzip, deflate", "gzip"), ("gzip, zstd", "zstd"), ("br", ""), ("gzip;q=0", "")] {
        let request = |path: &str| Request::post(path).header("accept-encoding", accepted);
        let (_, headers, bytes) = client.send_bytes(request("/predict").body(Body::from(rows.clone())).unwrap()).await;
        assert_eq!(headers.get("content-encoding").map_or("", |value| value.to_str().unwrap()), coding);
        assert_eq!(headers.contains_key("vary"), !coding.is_empty());
        let reply: Value = serde_json::from_str(&unpacked(&headers, &bytes)).unwrap();
        assert_eq!(reply["predictions"].as_array().unwrap().len(), 500);
        assert!(coding.is_empty() || bytes.len() < 20_000, "{}", bytes.len());

        let small = client.send(request("/predict").body(Body::from(r#"{"x": 21}"#)).unwrap()).await;
        assert_eq!(small.json()["prediction"], 42.0, "too small to gain anything");
    }
    let get = |path: &str| Request::get(path).header("accept-encoding", "gzip").header("accept", "text/html");
    for path in ["/openapi.json", "/"] {
        let (_, headers, bytes) = client.send_bytes(get(path).body(Body::empty()).unwrap()).await;
        assert_eq!(headers["content-encoding"], "gzip", "{path}");
        assert!(unpacked(&headers, &bytes).len() > bytes.len());
    }
    let all = client.app.packers.acquire_many(16).await.unwrap();
    let answer = client.send(get("/openapi.json").body(Body::empty()).unwrap()).await;
    assert_eq!(answer.json()["openapi"], "3.1.0", "without room it comes as it is");
    drop(all);
}

#[tokio::test]
async fn a_compressed_stream_is_answered_while_it_comes() {
    let client = Client::new(twice());
    for coding in ["gzip", "zstd"] {
        let (sender, receiver) = futures::channel::mpsc::unbounded::<Result<Bytes, Infallible>>();
        let request = Request::post("/predict").header("content-type", "application/x-ndjson");
        let request = request.header("content-encoding", "gzip").header("accept-encoding", coding);
        let request = request.body(Body::from_stream(receiver)).unwrap();
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), Compression::fast());
        let mut send = |row: &str| {
            packer.write_all(row.as_bytes()).unwrap();
            packer.flush().unwrap();
            sender.unbounded_send(Ok(std::mem::take(packer.get_mut()).into())).unwrap();
        };
        send("{\"x\": 1}\n");
        let response = tower::ServiceExt::oneshot(slipway_model_server::api::router(client.app.clone()), request);
        let (head, body) = response.await.unwrap().into_parts();
        let mut pieces = body.into_data_stream();
        let mut packed = Vec::new();
        for row in 1..=3 {
            // Without waiting for the next row or the end.
            packed.extend(pieces.next().await.unwrap().unwrap());
            let mut begun = Vec::new();
            let _ = match coding {
                "gzip" => GzDecoder::new(&packed[..]).read_to_end(&mut begun),
                _ => zstd::Decoder::new(&packed[..]).unwrap().read_to_end(&mut begun),
            };
            let text = String::from_utf8(begun).unwrap();
            assert_eq!(text.lines().count(), row, "{coding}: {text}");
            send("{\"x\": 1}\n");
        }
        assert_eq!(head.headers["content-encoding"], coding);
    }
}

#[test]
fn compressed_messages_are_taken_from_grpc() {
    let server = Server::of(twice().app_within(Limits { max_body_bytes: 1 << 20, ..Limits::default() }));
    let mut caller = Caller::connect(&format!("http://{}", server.address)).unwrap();
    let tensor = Tensor { name: "x".to_owned(), datatype: "FP64".to_owned(), shape: vec![1], ..Tensor::default() };
    let raw_input_contents = vec![21_f64.to_le_bytes().to_vec()];
    let request =
        InferRequest { model_name: "twice".to_owned(), inputs: vec![tensor], raw_input_contents, ..Default::default() };
    let message = prost::Message::encode_to_vec(&request);
    let mut send = |coding: &str, message: &[u8]| {
        caller.metadata.insert("grpc-encoding", coding.parse().unwrap());
        let mut body = framed(message).to_vec();
        body[0] = 1;
        caller.send::<InferResponse>("ModelInfer", body.into()).unwrap()
    };
    for coding in CODINGS {
        let answer = send(coding, &packed(coding, &message)).unwrap();
        assert_eq!(answer.raw_output_contents, [42_f64.to_le_bytes()], "{coding}");
        assert_eq!(send(coding, &message).unwrap_err().code, Status::INVALID_ARGUMENT);
        let bomb = packed(coding, &vec![0; 50 << 20]);
        assert_eq!(send(coding, &bomb).unwrap_err().code, Status::RESOURCE_EXHAUSTED);
    }
    assert_eq!(send("identity", &message).unwrap_err().code, Status::INVALID_ARGUMENT);
    assert_eq!(send("snappy", &message).unwrap_err().code, Status::UNIMPLEMENTED);
}
