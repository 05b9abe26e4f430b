//! The Open Inference Protocol over gRPC, over real connections.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::http::{Request, StatusCode, Version};
use http_body_util::BodyExt;
use serde_json::Value;
use slipway_conformance::grpc::client::framed;
use slipway_conformance::grpc::messages::{
    Choice, Contents, Empty, InferRequest, InferResponse, Model, ModelMetadata, Parameter, Requested, ServerMetadata,
    Tensor, Truth,
};
use slipway_conformance::grpc::{Caller, Status};
use slipway_model_server::api::keys::Keys;
use slipway_model_server::config::Limits;
use slipway_model_server::listen::Stage;
use slipway_model_server::metrics;
use slipway_model_server::state::{Phase, Settings};

use crate::sockets::Server;
use crate::support::{VERSION, crime, dispatch, iris, twice};

fn caller(server: &Server) -> Caller {
    Caller::connect(&format!("http://{}", server.address)).unwrap()
}

fn tensor(name: &str, datatype: &str, shape: &[i64], contents: Contents) -> Tensor {
    let (name, datatype, shape) = (name.to_owned(), datatype.to_owned(), shape.to_vec());
    Tensor { name, datatype, shape, contents: Some(contents), ..Tensor::default() }
}

fn doubles(numbers: &[f64]) -> Contents {
    Contents { fp64s: numbers.to_vec(), ..Contents::default() }
}

fn texts(texts: &[&str]) -> Contents {
    Contents { bytes: texts.iter().map(|text| text.as_bytes().to_vec()).collect(), ..Contents::default() }
}

/// Two rows for `dispatch`, predicted as 1.5 and 3.5.
fn two_rows() -> InferRequest {
    InferRequest {
        model_name: "time-to-dispatch".to_owned(),
        id: "42".to_owned(),
        inputs: vec![
            tensor("orders_placed", "FP64", &[2], doubles(&[10.0, 20.0])),
            tensor("product_code", "BYTES", &[2, 1], texts(&["SKU001", "SKU002"])),
        ],
        ..InferRequest::default()
    }
}

fn infer(caller: &mut Caller, request: &InferRequest) -> Result<InferResponse, Status> {
    caller.call("ModelInfer", request).unwrap()
}

#[test]
fn health_and_metadata_are_told() {
    let server = Server::of(dispatch().app());
    let mut caller = caller(&server);
    for method in ["ServerLive", "ServerReady"] {
        assert_eq!(caller.call(method, &Empty {}).unwrap(), Ok(Truth { holds: true }), "{method}");
    }
    let told: ServerMetadata = caller.call("ServerMetadata", &Empty {}).unwrap().unwrap();
    assert_eq!((told.name.as_str(), told.version.as_str()), ("slipway-model-server", env!("CARGO_PKG_VERSION")));
    let model = |version: &str| Model { name: "time-to-dispatch".to_owned(), version: version.to_owned() };
    for version in ["", VERSION] {
        assert_eq!(caller.call("ModelReady", &model(version)).unwrap(), Ok(Truth { holds: true }));
        let told: ModelMetadata = caller.call("ModelMetadata", &model(version)).unwrap().unwrap();
        assert_eq!(
            (told.name.as_str(), told.versions, told.platform.as_str()),
            ("time-to-dispatch", vec![VERSION.to_owned()], "slipway_v1")
        );
        let inputs: Vec<_> =
            told.inputs.iter().map(|input| (input.name.as_str(), input.datatype.as_str(), &input.shape[..])).collect();
        assert_eq!(inputs, [("orders_placed", "FP64", &[-1][..]), ("product_code", "BYTES", &[-1])]);
        assert_eq!((told.outputs.len(), told.outputs[0].name.as_str()), (1, "prediction"));
    }
    for (method, request) in [("ModelReady", model("2")), ("ModelMetadata", Model::default())] {
        let status = caller.call::<Truth>(method, &request).unwrap().unwrap_err();
        assert_eq!(status.code, Status::NOT_FOUND, "{status}");
    }
    server.app.lifecycle.enter(Phase::Draining);
    assert_eq!(caller.call("ServerReady", &Empty {}).unwrap(), Ok(Truth { holds: false }));
    assert_eq!(self::caller(&server).call("ServerLive", &Empty {}).unwrap(), Ok(Truth { holds: true }));
}

#[test]
fn tensors_are_predicted_as_over_rest() {
    let server = Server::of(dispatch().app());
    let mut caller = caller(&server);
    let answer = infer(&mut caller, &two_rows()).unwrap();
    assert_eq!(
        (answer.model_name.as_str(), answer.model_version.as_str(), answer.id.as_str()),
        ("time-to-dispatch", VERSION, "42")
    );
    assert_eq!(answer.outputs, [tensor("prediction", "FP64", &[2], doubles(&[1.5, 3.5]))]);
    assert!(answer.raw_output_contents.is_empty());

    let contents = |datatype: &str, contents: Contents| {
        let mut request = two_rows();
        request.inputs[0].datatype = datatype.to_owned();
        request.inputs[0].contents = Some(contents);
        request
    };
    for request in [
        contents("FP32", Contents { fp32s: vec![10.0, 20.0], ..Contents::default() }),
        contents("INT8", Contents { ints: vec![10, 20], ..Contents::default() }),
        contents("INT64", Contents { int64s: vec![10, 20], ..Contents::default() }),
        contents("UINT16", Contents { uints: vec![10, 20], ..Contents::default() }),
        contents("UINT64", Contents { uint64s: vec![10, 20], ..Contents::default() }),
    ] {
        let answer = infer(&mut caller, &request).unwrap();
        assert_eq!(answer.outputs[0].contents, Some(doubles(&[1.5, 3.5])), "{}", request.inputs[0].datatype);
    }
    let mut extra = two_rows();
    extra.inputs.push(tensor("comment", "BYTES", &[2], texts(&["a", "b"])));
    extra.parameters = HashMap::from([("x".to_owned(), Parameter { choice: Some(Choice::Int64(1)) })]);
    let warnings = infer(&mut caller, &extra).unwrap().parameters.remove("warnings").unwrap();
    assert!(matches!(warnings.choice, Some(Choice::String(text)) if text.contains("comment")));
}

#[test]
fn values_as_bytes_are_answered_with_bytes() {
    let server = Server::of(dispatch().app());
    let mut raw = two_rows();
    raw.inputs.iter_mut().for_each(|input| input.contents = None);
    let mut codes = Vec::new();
    for text in ["SKU001", "SKU002"] {
        codes.extend(6_u32.to_le_bytes());
        codes.extend(text.as_bytes());
    }
    raw.raw_input_contents = vec![[10_f64, 20.0].map(f64::to_le_bytes).concat(), codes];
    let answer = infer(&mut caller(&server), &raw).unwrap();
    assert_eq!(answer.outputs[0].contents, None);
    assert_eq!(answer.raw_output_contents, [[1.5_f64, 3.5].map(f64::to_le_bytes).concat()]);
}

#[test]
fn classes_and_probabilities_are_outputs_and_only_those_asked_for_are_given() {
    let server = Server::of(crime().app());
    let mut caller = caller(&server);
    let mut request = InferRequest {
        model_name: "crime".to_owned(),
        model_version: VERSION.to_owned(),
        inputs: vec![tensor("m", "FP64", &[1, 2], doubles(&[1.0, 1.0]))],
        ..InferRequest::default()
    };
    let answer = infer(&mut caller, &request).unwrap();
    let [prediction, probabilities] = &answer.outputs[..] else { panic!("{answer:?}") };
    assert_eq!(prediction.contents, Some(texts(&["not caught"])));
    assert_eq!((&probabilities.shape[..], &probabilities.contents), (&[1, 2][..], &Some(doubles(&[0.5, 0.5]))));
    request.outputs = vec![Requested { name: "probabilities".to_owned(), ..Requested::default() }];
    let answer = infer(&mut caller, &request).unwrap();
    assert_eq!(answer.outputs, std::slice::from_ref(probabilities));
}

#[test]
fn mistakes_of_a_caller_are_told_as_such() {
    let server = Server::of(dispatch().app());
    let mut caller = caller(&server);
    let changed = |change: fn(&mut InferRequest)| {
        let mut request = two_rows();
        change(&mut request);
        request
    };
    for (request, code, reason) in [
        (changed(|r| r.model_name = "other".to_owned()), Status::NOT_FOUND, "there is no model \"other\""),
        (changed(|r| r.model_version = "2".to_owned()), Status::NOT_FOUND, "there is no version \"2\""),
        (changed(|r| r.inputs.clear()), Status::INVALID_ARGUMENT, "there is no input"),
        (changed(|r| r.inputs[0].name.clear()), Status::INVALID_ARGUMENT, "expected name, shape, datatype and data"),
        (
            changed(|r| r.inputs[0].shape = vec![3]),
            Status::INVALID_ARGUMENT,
            "2 values in data do not fit the shape [3]",
        ),
        (changed(|r| r.inputs[0].shape = vec![-1]), Status::INVALID_ARGUMENT, "shape: expected lengths of 0 or more"),
        (
            changed(|r| r.inputs[0].shape = vec![i64::MAX, i64::MAX]),
            Status::INVALID_ARGUMENT,
            "more values than can be",
        ),
        (changed(|r| r.inputs[0].shape = vec![1; 9]), Status::INVALID_ARGUMENT, "more than 8 lengths in shape"),
        (
            changed(|r| r.inputs[0].datatype = "INT64".to_owned()),
            Status::INVALID_ARGUMENT,
            "the values of INT64 are to be in int64_contents",
        ),
        (
            changed(|r| r.inputs[0].datatype = "FP16".to_owned()),
            Status::INVALID_ARGUMENT,
            "the values of FP16 are to be in raw_input_contents",
        ),
        (
            changed(|r| r.inputs[1].contents = Some(texts(&["SKU001", "SKU009"]))),
            Status::INVALID_ARGUMENT,
            "row 2: product_code",
        ),
        (
            changed(|r| r.inputs[0].contents = Some(doubles(&[10.0, f64::NAN]))),
            Status::INVALID_ARGUMENT,
            "row 2: orders_placed: expected a number",
        ),
        (changed(|r| r.inputs.push(r.inputs[0].clone())), Status::INVALID_ARGUMENT, "stands twice"),
        (changed(|r| r.outputs = vec![Requested::default()]), Status::INVALID_ARGUMENT, "there is no output"),
        (
            changed(|r| r.raw_input_contents = vec![vec![]]),
            Status::INVALID_ARGUMENT,
            "raw_input_contents has 1 elements for 2 inputs",
        ),
        (changed(|r| r.raw_input_contents = vec![vec![], vec![]]), Status::INVALID_ARGUMENT, "not in both"),
    ] {
        let status = infer(&mut caller, &request).unwrap_err();
        assert_eq!((status.code, status.message.contains(reason)), (code, true), "{reason}: {status}");
    }
    for (body, reason) in [
        (&b"\0\0\0\0\x02\xff\xff"[..], "not valid protobuf"),
        (b"", "no message"),
        (b"\0\0\0\0\x09\0", "one whole message"),
    ] {
        let status = caller.send::<InferResponse>("ModelInfer", body.to_vec().into()).unwrap().unwrap_err();
        assert_eq!((status.code, status.message.contains(reason)), (Status::INVALID_ARGUMENT, true), "{status}");
    }
    let unknown = caller.call::<Truth>("ModelStreamInfer", &Empty {}).unwrap().unwrap_err();
    assert_eq!(unknown.code, Status::UNIMPLEMENTED);
    assert!(infer(&mut caller, &two_rows()).is_ok(), "and the connection goes on");
}

#[test]
fn limits_keys_and_deadlines_hold_and_metrics_count() {
    let limits = Limits { max_rows: 1, max_body_bytes: 100_000, max_in_flight: 1, ..Limits::default() };
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "secret\n").unwrap();
    let keys = Some(Arc::new(Keys::read(file.path().to_owned()).unwrap()));
    let (app, registry) = dispatch().counted_app_with(Settings { limits, keys, ..Settings::default() });
    let server = Server::of(app);
    let mut caller = caller(&server);
    let code = |caller: &mut Caller, request: &InferRequest| infer(caller, request).unwrap_err().code;

    assert_eq!(code(&mut caller, &two_rows()), Status::UNAUTHENTICATED);
    assert_eq!(caller.call("ServerLive", &Empty {}).unwrap(), Ok(Truth { holds: true }), "open to all");
    caller.metadata.insert("authorization", "Bearer secret".parse().unwrap());
    assert_eq!(code(&mut caller, &two_rows()), Status::RESOURCE_EXHAUSTED, "two rows");
    let mut large = two_rows();
    large.id = "x".repeat(200_000);
    assert_eq!(code(&mut caller, &large), Status::RESOURCE_EXHAUSTED);

    let mut one = two_rows();
    one.inputs = vec![
        tensor("orders_placed", "FP64", &[1], doubles(&[10.0])),
        tensor("product_code", "BYTES", &[1], texts(&["SKU001"])),
    ];
    let held = server.app.in_flight.try_acquire().unwrap();
    assert_eq!(code(&mut caller, &one), Status::UNAVAILABLE);
    drop(held);
    assert!(infer(&mut caller, &one).is_ok());
    caller.metadata.insert("grpc-timeout", "1n".parse().unwrap());
    assert_eq!(code(&mut caller, &one), Status::DEADLINE_EXCEEDED);
    caller.metadata.insert("grpc-timeout", "soon".parse().unwrap());
    assert_eq!(code(&mut caller, &one), Status::INVALID_ARGUMENT);

    let text = metrics::render(&registry).unwrap();
    for (status, count) in [(200, 1), (400, 1), (401, 1), (413, 2), (429, 1), (504, 1)] {
        let line = format!(
            "requests_total{{route=\"/inference.GRPCInferenceService/ModelInfer\",code=\"{status}\"}} {count}\n"
        );
        assert!(text.contains(&line), "{line}{text}");
    }
}

#[test]
fn what_a_message_claims_takes_no_memory() {
    let server = Server::of(twice().app());
    let mut caller = caller(&server);
    // 2 bytes each: an input without anything in it, and an element without anything in it.
    let inputs = [0x2a, 0].repeat(1_000_000);
    let status = caller.send::<InferResponse>("ModelInfer", framed(&inputs)).unwrap().unwrap_err();
    assert!(status.message.contains("more than 10000 inputs"), "{status}");
    let request = InferRequest {
        model_name: "twice".to_owned(),
        inputs: vec![tensor("x", "BYTES", &[200_000], texts(&[""; 200_000]))],
        ..InferRequest::default()
    };
    assert_eq!(infer(&mut caller, &request).unwrap_err().code, Status::RESOURCE_EXHAUSTED);
}

#[test]
fn a_large_matrix_is_predicted_beside_small_ones() {
    let server = Server::of(iris().app());
    let mut caller = caller(&server);
    let rows = 20_000;
    let request = InferRequest {
        model_name: "iris".to_owned(),
        inputs: vec![tensor("m", "FP64", &[rows, 4], doubles(&vec![0.0; 4 * rows as usize]))],
        ..InferRequest::default()
    };
    let answer = infer(&mut caller, &request).unwrap();
    assert_eq!((&answer.outputs[0].shape[..], &answer.outputs[1].shape[..]), (&[rows][..], &[rows, 3][..]));
    assert_eq!(answer.outputs[1].contents.as_ref().unwrap().fp64s.len(), 3 * rows as usize);
}

#[test]
fn a_server_that_stops_answers_what_is_under_way_and_says_goodbye() {
    let limits = Limits { header_timeout: 1, ..Limits::default() };
    let mut server = Server::of(dispatch().app_within(limits));
    let mut old = caller(&server);
    assert!(infer(&mut old, &two_rows()).is_ok());
    server.app.lifecycle.enter(Phase::Draining);
    assert!(infer(&mut old, &two_rows()).is_ok(), "as over REST, the reply comes first");
    server.await_connections(0);
    assert!(infer(&mut caller(&server), &two_rows()).is_ok(), "new connections are served");
    let _idle = caller(&server);
    server.stage.send_replace(Stage::Closing);
    let begun = Instant::now();
    server.join();
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[test]
fn idle_and_silent_connections_are_closed() {
    let limits = Limits { header_timeout: 1, body_timeout: 1, idle_timeout: 1, ..Limits::default() };
    let server = Server::of(twice().app_within(limits));
    let _silent = caller(&server);
    let mut idle = caller(&server);
    assert_eq!(idle.call("ServerLive", &Empty {}).unwrap(), Ok(Truth { holds: true }));
    server.await_connections(2);
    server.await_connections(0);
    assert!(idle.call::<Truth>("ServerLive", &Empty {}).is_err());
}

#[tokio::test]
async fn rest_is_spoken_over_http2_too() {
    let server = Server::of(twice().app());
    let stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let io = hyper_util::rt::TokioIo::new(stream);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    tokio::spawn(connection);
    let ask = |format: &str, body: String| {
        let request = Request::post(format!("http://{}/predict", server.address)).header("content-type", format);
        sender.send_request(request.body(body).unwrap())
    };
    // Side by side, and one of them larger than what is handed over at a time.
    let [json, table] =
        [("application/json", "{\"x\": 2}".to_owned()), ("text/csv", format!("x\n{}", "2\n".repeat(50_000)))].map({
            let mut ask = ask;
            move |(format, body)| ask(format, body)
        });
    let (table, json) = (table.await.unwrap(), json.await.unwrap());
    assert_eq!((json.status(), json.version()), (StatusCode::OK, Version::HTTP_2));
    let json: Value = serde_json::from_slice(&json.into_body().collect().await.unwrap().to_bytes()).unwrap();
    assert_eq!(json["prediction"], 4.0);
    let table = table.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(table.split(|&byte| byte == b'\n').filter(|row| row.ends_with(b",")).count(), 50_000);
}

#[tokio::test]
async fn a_caller_that_takes_nothing_is_given_up_while_others_are_served() {
    let limits = Limits { body_timeout: 1, ..Limits::default() };
    let server = Server::of(twice().app_within(limits));
    let stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let io = hyper_util::rt::TokioIo::new(stream);
    let mut builder = hyper::client::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new());
    builder.initial_stream_window_size(1 << 16);
    let (mut sender, connection) = builder.handshake(io).await.unwrap();
    tokio::spawn(connection);
    let mut ask = |rows: usize| {
        let body = format!("[{}]", vec!["{\"x\": 2}"; rows].join(","));
        let request =
            Request::post(format!("http://{}/predict", server.address)).header("content-type", "application/json");
        sender.send_request(request.body(body).unwrap())
    };
    // Several megabytes, of which the client takes nothing.
    let stuck = ask(50_000).await.unwrap();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(2500) {
        assert!(ask(1).await.unwrap().into_body().collect().await.unwrap().to_bytes().len() > 10);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(stuck.into_body().collect().await.is_err(), "it was given up");
}

#[test]
fn no_request_of_a_shared_connection_fails_when_the_server_stops() {
    let limits = Limits { max_in_flight: 1000, ..Limits::default() };
    let server = Server::of(twice().app_within(limits));
    let (address, answered) = (server.address, Arc::new(AtomicUsize::new(0)));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let connect = move || async move {
        let io = hyper_util::rt::TokioIo::new(tokio::net::TcpStream::connect(address).await.unwrap());
        let executor = hyper_util::rt::TokioExecutor::new();
        let (sender, connection) = hyper::client::conn::http2::handshake::<_, _, String>(executor, io).await.unwrap();
        tokio::spawn(connection);
        sender
    };
    let shared = Arc::new(tokio::sync::Mutex::new(runtime.block_on(connect())));
    let stop = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..16)
        .map(|_| {
            let (shared, stop, answered) = (shared.clone(), stop.clone(), answered.clone());
            runtime.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let mut sender = shared.lock().await.clone();
                    let request = Request::post(format!("http://{address}/predict")).body("{\"x\": 2}".to_owned());
                    match sender.send_request(request.unwrap()).await {
                        Ok(reply) => assert_eq!(reply.status(), StatusCode::OK),
                        // A request that was not sent, as the connection takes no more: no error of the connection.
                        Err(error) if error.is_canceled() || format!("{error:?}").contains("NO_ERROR") => {
                            let mut sender = shared.lock().await;
                            if sender.ready().await.is_err() {
                                *sender = connect().await;
                            }
                            continue;
                        }
                        Err(error) => panic!("{error:?}"),
                    }
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let await_answers = |count: usize| {
        let until = answered.load(Ordering::Relaxed) + count;
        while answered.load(Ordering::Relaxed) < until && callers.iter().all(|caller| !caller.is_finished()) {
            std::thread::yield_now();
        }
    };
    await_answers(500);
    server.app.lifecycle.enter(Phase::Draining);
    await_answers(2_000);
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        runtime.block_on(caller).unwrap();
    }
}
