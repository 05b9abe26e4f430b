//! What a prediction can carry beside itself: contributions, probabilities, decisions, and identifiers that are the same again.

use axum::body::Body;
use axum::http::{Request, StatusCode, Version};
use prost::Message;
use serde_json::{Value, json};
use slipway_conformance::grpc::client::framed;
use slipway_conformance::grpc::messages::{
    Choice, Contents, InferRequest, InferResponse, Parameter, Requested, Tensor,
};

use crate::support::{Answer, Client, crime, dispatch, forest, iris, orders};

async fn ask(client: &Client, path: &str, body: Value) -> Value {
    let answer = client.post(path, body.to_string()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.json()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_object().unwrap().values().map(|value| value.as_f64().unwrap()).collect()
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9
}

#[tokio::test]
async fn contributions_sum_up_to_the_prediction_and_go_by_the_names_of_the_fields() {
    let client = Client::new(dispatch());
    let row = json!({"product_code": "SKU003", "orders_placed": 10});
    let reply = ask(&client, "/predict?with=contributions", row.clone()).await;
    let told = &reply["contributions"];
    assert_eq!(told["scale"], "prediction");
    assert_eq!(told["class"], Value::Null);
    assert_eq!(told["fields"], json!({"orders_placed": 1.0, "product_code": 2.0}));
    assert_eq!((told["base"].as_f64(), told["total"].as_f64()), (Some(0.5), reply["prediction"].as_f64()));
    let plain = ask(&client, "/predict", row).await;
    assert!(plain.get("contributions").is_none(), "only where it is asked for: {plain}");
}

#[tokio::test]
async fn trees_are_explained_on_the_scale_they_add_up() {
    let client = Client::new(forest());
    for (row, expected) in
        [(json!({"x": 1, "y": 1}), 1.0), (json!({"x": 0, "y": 0}), 0.25), (json!({"x": null, "y": 1}), 0.5)]
    {
        let reply = ask(&client, "/predict?with=contributions,decision&threshold=0.3", row.clone()).await;
        let told = &reply["contributions"];
        assert_eq!((&told["scale"], &told["class"]), (&json!("probability"), &json!("yes")), "{reply}");
        let total = told["base"].as_f64().unwrap() + numbers(&told["fields"]).iter().sum::<f64>();
        assert!(close(total, expected) && close(told["total"].as_f64().unwrap(), expected), "{row} {reply}");
        assert_eq!(reply["probabilities"]["yes"], json!(expected));
        assert_eq!(reply["decision"], if expected >= 0.3 { "yes" } else { "no" });
    }
}

#[tokio::test]
async fn a_class_among_many_is_explained_where_it_is_predicted() {
    let client = Client::new(iris());
    let row = json!({"sepal_length": 0, "sepal_width": 1, "petal_length": 0, "petal_width": 0});
    let reply = ask(&client, "/predict?with=contributions", row).await;
    let told = &reply["contributions"];
    assert_eq!((&told["scale"], &told["class"]), (&json!("score"), &json!("versicolor")));
    assert_eq!(told["fields"]["sepal_width"], json!(1.0));
}

#[tokio::test]
async fn decisions_follow_the_callers_threshold_or_the_models_own() {
    let client = Client::new(crime());
    // The probability of not being caught is 0.88.
    let row = json!({"x": 2, "y": 0});
    for (query, expected) in
        [("threshold=0.9", "caught"), ("threshold=0.5", "not caught"), ("with=decision", "not caught")]
    {
        assert_eq!(ask(&client, &format!("/predict?{query}"), row.clone()).await["decision"], expected, "{query}");
    }
}

#[tokio::test]
async fn the_range_of_the_truth_is_told_of_numbers() {
    let client = Client::new(dispatch());
    let row = json!({"product_code": "SKU003", "orders_placed": 100});
    let reply = ask(&client, "/predict?with=range", row.clone()).await;
    assert_eq!(reply["prediction"], 12.5);
    let told = &reply["range"];
    let [low, high] = ["low", "high"].map(|end| told[end].as_f64().unwrap());
    assert!((6.0..12.0).contains(&low) && (13.0..19.0).contains(&high) && told["rows"] == 25, "{reply}");
    let tensor =
        |name: &str, kind: &str, value: Value| json!({"name": name, "datatype": kind, "shape": [1], "data": [value]});
    let inputs = json!([tensor("product_code", "BYTES", json!("SKU003")), tensor("orders_placed", "FP64", json!(100))]);
    let reply =
        ask(&client, "/v2/models/time-to-dispatch/infer", json!({"inputs": inputs, "outputs": [{"name": "range"}]}))
            .await;
    assert_eq!((&reply["outputs"][0]["shape"], &reply["outputs"][0]["data"]), (&json!([1, 2]), &json!([low, high])));
    let request = Request::post("/predict?with=range").header("content-type", "text/csv");
    let table = client.send(request.body(Body::from("product_code,orders_placed\nSKU003,100\n")).unwrap()).await;
    assert!(
        table.text.starts_with(&format!("row,prediction,low,high,prediction_id,error\n1,12.5,{low:?},{high:?},")),
        "{}",
        table.text
    );
    let answer = Client::new(crime()).post("/predict?with=range", r#"{"x": 1, "y": 1}"#).await;
    assert!(answer.error().contains("predicts classes"), "{}", answer.error());
}

#[tokio::test]
async fn a_list_and_the_first_protocol_carry_the_same() {
    let client = Client::new(crime());
    let rows = json!({"instances": [{"x": 2, "y": 0}, {"x": "much", "y": 0}]});
    let reply = ask(&client, "/predict?with=contributions%2Cdecision", rows).await;
    assert_eq!(reply["predictions"][0]["contributions"]["fields"], json!({"x": 2.0, "y": 0.0}));
    assert!(reply["predictions"][1]["error"].is_object());
    let rows = json!({"instances": [{"x": 2, "y": 0}]});
    let reply = ask(&client, "/v1/models/crime:predict", rows.clone()).await;
    assert_eq!(reply["predictions"], json!(["not caught"]));
    let reply = ask(&client, "/v1/models/crime:predict?with=probabilities", rows).await;
    assert!(close(reply["predictions"][0]["probabilities"]["not caught"].as_f64().unwrap(), 0.880_797_077_977_882_3));
    assert_eq!(reply["predictions"][0]["prediction_id"].as_str().unwrap().len(), 32);
    let rows = json!({"instances": [{"x": 2, "y": 0}]});
    let reply = ask(&client, "/v1/models/crime:explain", rows.clone()).await;
    assert_eq!(reply["explanations"][0]["contributions"]["fields"], json!({"x": 2.0, "y": 0.0}));
    assert!(reply.get("predictions").is_none());
    let answer = client.post("/v1/models/other:explain", rows.to_string()).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn streams_carry_the_same() {
    let client = Client::new(crime());
    let post = async |format: &str, body: &'static str| -> Answer {
        let request = Request::post("/predict?with=contributions&threshold=0.9").header("content-type", format);
        client.send(request.body(Body::from(body)).unwrap()).await
    };
    let answer = post("text/csv", "x,y\n2,0\nmuch,0\n").await;
    let mut lines = answer.text.lines();
    let columns = "row,prediction,probability of caught,probability of not caught,decision,base,contribution of x,contribution of y,prediction_id,error";
    assert_eq!(lines.next(), Some(columns));
    let cells: Vec<&str> = lines.next().unwrap().split(',').collect();
    assert_eq!(cells[4..8], ["caught", "0.0", "2.0", "0.0"]);
    let refused = lines.next().unwrap();
    assert!(refused.starts_with("2,,,,,,,,,\"row 2: x:"), "{refused}");
    let answer = post("application/x-ndjson", "{\"x\": 2, \"y\": 0}\n").await;
    let line: Value = serde_json::from_str(&answer.text).unwrap();
    assert_eq!(line["contributions"]["fields"], json!({"x": 2.0, "y": 0.0}));
    assert_eq!(line["decision"], "caught");
}

#[tokio::test]
async fn tensors_carry_contributions_and_identifiers_where_they_are_asked_for() {
    let client = Client::new(crime());
    let tensor = |name: &str, data: Value| json!({"name": name, "datatype": "FP64", "shape": [2], "data": data});
    let inputs = json!([tensor("x", json!([2, 1])), tensor("y", json!([0, 1]))]);
    let outputs: Vec<_> = ["contributions", "base", "prediction_id"].map(|name| json!({"name": name})).into();
    let body = json!({"id": "mine", "inputs": inputs, "outputs": outputs});
    let reply = ask(&client, "/v2/models/crime/infer", body.clone()).await;
    assert_eq!(reply["outputs"][0]["shape"], json!([2, 2]));
    assert_eq!(reply["outputs"][0]["data"], json!([2.0, 0.0, 1.0, -1.0]));
    assert_eq!(reply["outputs"][1]["data"], json!([0.0, 0.0]));
    let again = ask(&client, "/v2/models/crime/infer", body).await;
    assert_eq!(reply["outputs"][2], again["outputs"][2], "the request has a name");
    let usual = ask(&client, "/v2/models/crime/infer", json!({"inputs": inputs})).await;
    let names: Vec<_> = usual["outputs"].as_array().unwrap().iter().map(|output| &output["name"]).collect();
    assert_eq!(names, ["prediction", "probabilities"]);
}

#[tokio::test]
async fn tensors_carry_decisions_where_they_or_a_threshold_are_asked_for() {
    let client = Client::new(crime());
    // The probability of not being caught is 0.88, and 0.5.
    let tensor = |name: &str, data: Value| json!({"name": name, "datatype": "FP64", "shape": [2], "data": data});
    let inputs = json!([tensor("x", json!([2, 0])), tensor("y", json!([0, 0]))]);
    let decision = |threshold: Value| {
        let body = json!({"inputs": inputs, "outputs": [{"name": "decision"}], "parameters": {"threshold": threshold}});
        let client = client.clone();
        async move { client.post("/v2/models/crime/infer", body.to_string()).await }
    };
    for (threshold, decisions) in [
        (json!(0.9), ["caught", "caught"]),
        (json!("0.6"), ["not caught", "caught"]),
        (json!(0), ["not caught", "not caught"]),
    ] {
        let output = decision(threshold.clone()).await.json()["outputs"][0].clone();
        assert_eq!((&output["datatype"], &output["data"]), (&json!("BYTES"), &json!(decisions)), "{threshold}");
    }
    for threshold in [json!(1.5), json!("half"), json!(true), json!([])] {
        let answer = decision(threshold.clone()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert!(answer.error().contains("a number from 0 to 1"), "{threshold}: {}", answer.error());
    }
    let body = json!({"inputs": inputs, "parameters": {"threshold": 0.9}});
    let reply = ask(&client, "/v2/models/crime/infer", body).await;
    let names: Vec<_> = reply["outputs"].as_array().unwrap().iter().map(|output| &output["name"]).collect();
    assert_eq!(names, ["prediction", "probabilities", "decision"]);

    let body = json!({"inputs": [], "outputs": [{"name": "decision"}]}).to_string();
    let answer = Client::new(iris()).post("/v2/models/iris/infer", body).await;
    assert!(answer.error().ends_with("this model has prediction, probabilities, contributions, base, prediction_id"));
}

#[tokio::test]
async fn calls_carry_decisions() {
    let client = Client::new(crime());
    for (parameter, decision) in [
        (None, "not caught"),
        (Some(Choice::Double(0.9)), "caught"),
        (Some(Choice::String("0.9".to_owned())), "caught"),
        (Some(Choice::Int64(0)), "not caught"),
    ] {
        let parameter = parameter.map(|choice| ("threshold".to_owned(), Parameter { choice: Some(choice) }));
        let message = InferRequest {
            model_name: "crime".to_owned(),
            inputs: vec![input("x", 2.0), input("y", 0.0)],
            outputs: vec![Requested { name: "decision".to_owned(), ..Requested::default() }],
            parameters: parameter.into_iter().collect(),
            ..InferRequest::default()
        };
        let reply = call(&client, &message).await;
        assert_eq!(reply.outputs[0].contents.as_ref().unwrap().bytes, [decision.as_bytes()]);
    }
}

fn input(name: &str, value: f64) -> Tensor {
    Tensor {
        name: name.to_owned(),
        datatype: "FP64".to_owned(),
        shape: vec![1],
        contents: Some(Contents { fp64s: vec![value], ..Contents::default() }),
        ..Tensor::default()
    }
}

/// Sends a request over gRPC that is named `mine`.
async fn call(client: &Client, message: &InferRequest) -> InferResponse {
    let request = Request::post("/inference.GRPCInferenceService/ModelInfer").version(Version::HTTP_2);
    let request = request.header("content-type", "application/grpc").header("x-request-id", "mine");
    let body = Body::from(framed(&message.encode_to_vec()));
    let (_, headers, bytes) = client.send_bytes(request.body(body).unwrap()).await;
    assert!(headers.get("grpc-message").is_none(), "{headers:?}");
    InferResponse::decode(&bytes[5..]).unwrap()
}

#[tokio::test]
async fn calls_carry_contributions_and_identifiers() {
    let client = Client::new(crime());
    let output = |name: &str| Requested { name: name.to_owned(), ..Requested::default() };
    let message = InferRequest {
        model_name: "crime".to_owned(),
        inputs: vec![input("x", 2.0), input("y", 0.5)],
        outputs: vec![output("contributions"), output("prediction_id")],
        ..InferRequest::default()
    };
    let reply = call(&client, &message).await;
    assert_eq!(reply.outputs[0].contents.as_ref().unwrap().fp64s, [2.0, -0.5]);
    let id = &reply.outputs[1].contents.as_ref().unwrap().bytes[0];
    let row = json!({"x": 2, "y": 0.5});
    let request = Request::post("/predict").header("content-type", "application/json").header("x-request-id", "mine");
    let same = client.send(request.body(Body::from(row.to_string())).unwrap()).await.json();
    assert_eq!(same["prediction_id"].as_str().unwrap().as_bytes(), id, "whatever protocol the request comes in");
}

#[tokio::test]
async fn a_request_sent_again_gets_the_same_identifiers() {
    let (client, other) = (Client::new(dispatch()), Client::new(dispatch()));
    let rows =
        json!([{"product_code": "SKU001", "orders_placed": 10}, {"product_code": "SKU001", "orders_placed": 10}]);
    let post = async |client: &Client, id: Option<&str>| {
        let mut request = Request::post("/predict").header("content-type", "application/json");
        if let Some(id) = id {
            request = request.header("x-request-id", id);
        }
        let reply = client.send(request.body(Body::from(rows.to_string())).unwrap()).await.json();
        [0, 1].map(|row| reply["predictions"][row]["prediction_id"].as_str().unwrap().to_owned())
    };
    let first = post(&client, Some("a1")).await;
    assert_ne!(first[0], first[1], "each row has its own");
    assert_eq!(first, post(&other, Some("a1")).await, "also from another server of the model");
    assert_ne!(first, post(&client, Some("a2")).await);
    assert_ne!(post(&client, None).await, post(&client, None).await);
}

#[tokio::test]
async fn what_cannot_be_had_is_refused_with_what_can() {
    let (regression, classes) = (Client::new(orders()), Client::new(iris()));
    for (client, query, reason) in [
        (
            &regression,
            "with=everything",
            "there is nothing named \"everything\"; this model has contributions, range, prediction_id",
        ),
        (&regression, "with=probabilities", "this model predicts a number"),
        (&regression, "threshold=0.5", "two classes"),
        (&classes, "with=decision", "two classes"),
        (&classes, "threshold=2", "a number from 0 to 1"),
        (&classes, "threshold=0.1&threshold=0.2", "twice"),
    ] {
        let answer = client.post(&format!("/predict?{query}"), "{}").await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        assert!(answer.error().contains(reason), "{query}: {}", answer.error());
    }
    let mut old = forest();
    old.forget_weights();
    let answer = Client::new(old).post("/predict?with=contributions", r#"{"x": 1, "y": 1}"#).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.error().contains("train it again"), "{}", answer.error());
}
