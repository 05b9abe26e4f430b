//! The Open Inference Protocol's inference.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};
use slipway_model_server::config::Limits;

use crate::support::{Client, VERSION, crime, dispatch, iris, orders, twice};

fn tensor(name: &str, datatype: &str, shape: &[i64], data: &Value) -> Value {
    json!({"name": name, "datatype": datatype, "shape": shape, "data": data})
}

async fn infer(client: &Client, request: &Value) -> Value {
    let path = format!("/v2/models/{}/infer", client.app.manifest().model_name);
    let answer = client.post(&path, request.to_string()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.json()
}

#[tokio::test]
async fn one_tensor_a_feature_is_predicted() {
    let client = Client::new(dispatch());
    let expected = json!({
        "model_name": "time-to-dispatch",
        "model_version": VERSION,
        "id": "42",
        "outputs": [{"name": "prediction", "datatype": "FP64", "shape": [2], "data": [1.5, 3.5]}],
    });
    let codes = tensor("product_code", "BYTES", &[2], &json!(["SKU001", "SKU003"]));
    for placed in [
        tensor("orders_placed", "FP64", &[2], &json!([10, 10.0])),
        tensor("orders_placed", "INT32", &[2, 1], &json!([10, 10])),
        tensor("orders_placed", "UINT8", &[2, 1], &json!([[10], [10]])),
        tensor("orders_placed", "FP32", &[2], &json!(["10", 10])),
    ] {
        let request = json!({"id": "42", "parameters": {"x": 1}, "inputs": [placed, codes]});
        assert_eq!(infer(&client, &request).await, expected, "{request}");
    }
    let path = format!("/v2/models/time-to-dispatch/versions/{VERSION}/infer");
    let request = json!({"inputs": [codes, tensor("orders_placed", "FP64", &[2], &json!([0, 0]))]});
    assert_eq!(client.post(&path, request.to_string()).await.json()["outputs"][0]["data"], json!([0.5, 2.5]));
}

#[tokio::test]
async fn a_matrix_of_any_name_is_predicted_where_all_features_are_numbers() {
    let client = Client::new(iris());
    for data in [json!([9, 0, 0, 0, 0, 0, 9, 0]), json!([[9, 0, 0, 0], [0, 0, 9, 0]])] {
        let reply = infer(&client, &json!({"inputs": [tensor("input-0", "FP32", &[2, 4], &data)]})).await;
        let outputs = reply["outputs"].as_array().unwrap();
        assert_eq!(
            outputs[0],
            json!({"name": "prediction", "datatype": "BYTES", "shape": [2], "data": ["setosa", "virginica"]})
        );
        assert_eq!((&outputs[1]["name"], &outputs[1]["shape"]), (&json!("probabilities"), &json!([2, 3])));
        let probabilities: Vec<f64> = serde_json::from_value(outputs[1]["data"].clone()).unwrap();
        assert_eq!(probabilities.len(), 6);
        assert!(probabilities.chunks(3).all(|row| (row.iter().sum::<f64>() - 1.0).abs() < 1e-12));
    }
    let single = infer(&Client::new(twice()), &json!({"inputs": [tensor("m", "FP64", &[2, 1], &json!([1, 2]))]})).await;
    assert_eq!(single["outputs"][0]["data"], json!([2.0, 4.0]));
}

#[tokio::test]
async fn only_the_outputs_asked_for_are_given() {
    let client = Client::new(crime());
    let inputs = json!([tensor("x", "FP64", &[1], &json!([1])), tensor("y", "FP64", &[1], &json!([0]))]);
    let names = async |outputs: Value| {
        let reply = infer(&client, &json!({"inputs": inputs, "outputs": outputs})).await;
        let names: Vec<_> = reply["outputs"].as_array().unwrap().iter().map(|output| output["name"].clone()).collect();
        json!(names)
    };
    assert_eq!(names(json!([])).await, json!(["prediction", "probabilities"]));
    assert_eq!(names(json!([{"name": "probabilities"}])).await, json!(["probabilities"]));
    let both = json!([{"name": "probabilities", "parameters": {"binary_data": false}}, {"name": "prediction"}]);
    assert_eq!(names(both).await, json!(["probabilities", "prediction"]));
}

#[tokio::test]
async fn missing_values_and_absent_inputs_are_filled_where_the_schema_allows() {
    let client = Client::new(orders());
    let inputs = json!([
        tensor("amount", "FP64", &[2], &json!([null, 1])),
        tensor("<weekend> & \"more\"", "BOOL", &[2], &json!([true, 0])),
        tensor("sold_at", "BYTES", &[2], &json!(["1970-01-01", "1970-01-02"])),
        tensor("unheard_of", "INT64", &[1], &json!([1])),
    ]);
    let reply = infer(&client, &json!({"inputs": inputs})).await;
    assert_eq!(reply["outputs"][0]["data"], json!([105.0, 2.0]));
    assert_eq!(
        reply["parameters"],
        json!({"warnings": "unheard_of: the model does not know this field; it was ignored"})
    );
}

#[tokio::test]
async fn faults_are_400_and_say_what_is_wrong() {
    let client = Client::new(dispatch());
    let placed = tensor("orders_placed", "FP64", &[1], &json!([1]));
    let code = tensor("product_code", "BYTES", &[1], &json!(["SKU001"]));
    let with = |other: Value| json!({"inputs": [code, other]});
    for (request, error) in [
        (json!(5), "expected an inference request as an object"),
        (json!([]), "expected an inference request as an object"),
        (json!({}), "there is no input \"orders_placed\""),
        (json!({"inputs": []}), "there is no input \"orders_placed\""),
        (json!({"inputs": 5}), "expected inputs, a list of tensors"),
        (json!({"inputs": [5]}), "expected a tensor as an object"),
        (json!({"inputs": [code]}), "there is no input \"orders_placed\", which the model requires"),
        (json!({"id": 5, "inputs": []}), "invalid type: integer `5`"),
        (json!({"inputs": [placed, code, code]}), "the input \"product_code\" stands twice"),
        (
            json!({"inputs": [placed, code], "outputs": [{"name": "x"}]}),
            "there is no output \"x\"; this model has prediction",
        ),
        (json!({"inputs": [placed, code], "outputs": [{}]}), "there is no output \"\""),
        (
            json!({"inputs": [placed, code], "outputs": [{"name": "prediction"}, {"name": "prediction"}]}),
            "the output prediction is asked for twice",
        ),
        (with(tensor("orders_placed", "FP64", &[2], &json!([1, 2]))), "2 rows, other inputs have another number"),
        (with(tensor("orders_placed", "FP64", &[2], &json!([1]))), "1 values in data do not fit the shape [2]"),
        (with(tensor("orders_placed", "FP64", &[1, 2], &json!([1, 2]))), "expected the shape [rows] or [rows, 1]"),
        (with(tensor("orders_placed", "FP64", &[1, 1], &json!([[[1]]]))), "nested as [1, 1, 1]"),
        (with(tensor("orders_placed", "FP64", &[1], &json!([[1]]))), "nested as [1, 1]"),
        (with(tensor("orders_placed", "FP64", &[2], &json!([1, [2]]))), "all nested alike"),
        (with(tensor("orders_placed", "FP64", &[3, 1], &json!([[1], [2, 3]]))), "differ in length"),
        (with(tensor("orders_placed", "FP64", &[1], &json!(1))), "expected a list of values"),
        (with(tensor("orders_placed", "FP64", &[-1], &json!([1]))), "invalid value: integer `-1`"),
        (with(tensor("orders_placed", "FP64", &[], &json!([1]))), "expected name, shape, datatype and data"),
        (with(tensor("orders_placed", "FP64", &[i64::MAX, i64::MAX], &json!([1]))), "more values than can be"),
        (with(tensor("orders_placed", "FP8", &[1], &json!([1]))), "there is no datatype \"FP8\""),
        (with(json!({"name": "orders_placed", "shape": [1], "data": [1]})), "expected name, shape, datatype and data"),
        (
            with(tensor("orders_placed", "FP32", &[1], &json!(["ten"]))),
            "row 1: orders_placed: expected a number, got \"ten\"",
        ),
        (
            with(tensor("orders_placed", "INT64", &[1], &json!([1.5]))),
            "row 1: orders_placed: expected a whole number, got 1.5",
        ),
        (
            with(tensor("orders_placed", "FP64", &[1], &json!([null]))),
            "row 1: orders_placed: expected a number, got nothing",
        ),
        (with(tensor("orders_placed", "FP64", &[1], &json!([{}]))), "invalid type: map"),
        (with(tensor("orders_placed", "BYTES", &[1], &json!([1]))), "row 1: orders_placed: expected a text, got 1"),
    ] {
        let answer = client.post("/v2/models/time-to-dispatch/infer", request.to_string()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{request}: {}", answer.text);
        assert!(answer.error().contains(error), "{request}: {}", answer.error());
    }
    let codes = tensor("product_code", "BYTES", &[3], &json!(["SKU001", "SKU9", "x"]));
    let request = json!({"inputs": [codes, tensor("orders_placed", "FP64", &[3], &json!([1, 2, null]))]});
    let details = client.post("/v2/models/time-to-dispatch/infer", request.to_string()).await.json()["details"].clone();
    let places: Vec<_> = details.as_array().unwrap().iter().map(|d| (d["row"].clone(), d["field"].clone())).collect();
    assert_eq!(json!(places), json!([[2, "product_code"], [3, "orders_placed"], [3, "product_code"]]));
}

#[tokio::test]
async fn keys_that_stand_twice_are_refused() {
    let client = Client::new(twice());
    for body in [
        r#"{"inputs": [], "inputs": []}"#,
        r#"{"inputs": [{"name": "x", "name": "x", "shape": [0], "datatype": "FP64", "data": []}]}"#,
        r#"{"parameters": {"a": 1, "a": 1}, "inputs": []}"#,
    ] {
        let answer = client.post("/v2/models/twice/infer", body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert!(answer.error().contains("stands twice"), "{}", answer.error());
    }
}

#[tokio::test]
async fn a_matrix_of_the_wrong_width_is_explained() {
    let client = Client::new(iris());
    let request = json!({"inputs": [tensor("input-0", "FP32", &[1, 3], &json!([1, 2, 3]))]});
    let answer = client.post("/v2/models/iris/infer", request.to_string()).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.error().contains("of the shape [rows, 4]"), "{}", answer.error());
}

#[tokio::test]
async fn a_tensor_without_a_name_is_refused() {
    let client = Client::new(twice());
    let mut nameless = tensor("", "FP64", &[1, 1], &json!([1]));
    for _ in 0..2 {
        let answer = client.post("/v2/models/twice/infer", json!({"inputs": [nameless]}).to_string()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text);
        assert!(answer.error().contains("expected name, shape, datatype and data"), "{}", answer.error());
        nameless.as_object_mut().unwrap().remove("name");
    }
}

#[tokio::test]
async fn no_rows_are_no_fault_and_too_many_are() {
    let limits = Limits { max_rows: 2, ..Limits::default() };
    let client = Client::of(twice().app_within(limits));
    let none = infer(&client, &json!({"inputs": [tensor("x", "FP64", &[0], &json!([]))]})).await;
    assert_eq!(none["outputs"][0], json!({"name": "prediction", "datatype": "FP64", "shape": [0], "data": []}));
    let three = json!({"inputs": [tensor("x", "FP64", &[3], &json!([1, 2, 3]))]});
    let answer = client.post("/v2/models/twice/infer", three.to_string()).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{}", answer.text);
}

/// A request of JSON with tensors behind it.
fn with_bytes(path: &str, json: &Value, bytes: &[u8], length: Option<usize>) -> Request<Body> {
    let mut body = serde_json::to_vec(json).unwrap();
    let length = length.unwrap_or(body.len());
    body.extend(bytes);
    let request = Request::post(path).header("content-type", "application/octet-stream");
    request.header("inference-header-content-length", length).body(Body::from(body)).unwrap()
}

#[tokio::test]
async fn tensors_as_bytes_are_taken_and_given() {
    let client = Client::new(dispatch());
    let path = "/v2/models/time-to-dispatch/infer";
    let request = json!({
        "inputs": [
            {"name": "orders_placed", "shape": [2], "datatype": "FP64", "parameters": {"binary_data_size": 16}},
            {"name": "product_code", "shape": [2, 1], "datatype": "BYTES", "parameters": {"binary_data_size": 20}},
        ],
        "outputs": [{"name": "prediction", "parameters": {"binary_data": true}}],
    });
    let mut bytes = [10_f64, 20.0].map(f64::to_le_bytes).concat();
    for text in ["SKU001", "SKU002"] {
        bytes.extend(6_u32.to_le_bytes());
        bytes.extend(text.as_bytes());
    }
    let (status, headers, reply) = client.send_bytes(with_bytes(path, &request, &bytes, None)).await;
    assert_eq!((status, &headers["content-type"]), (StatusCode::OK, &"application/octet-stream".parse().unwrap()));
    let length: usize = headers["inference-header-content-length"].to_str().unwrap().parse().unwrap();
    let (head, tail) = reply.split_at(length);
    let head: Value = serde_json::from_slice(head).unwrap();
    assert_eq!(
        head["outputs"],
        json!([{"name": "prediction", "datatype": "FP64", "shape": [2], "parameters": {"binary_data_size": 16}}])
    );
    assert_eq!(tail, [1.5_f64, 3.5].map(f64::to_le_bytes).concat());

    let (longer, zeros) = ([&bytes[..], &[0]].concat(), [0; 36]);
    for (bytes, length, error) in [
        (&bytes[..35], None, "input \"product_code\": binary_data_size is 20; only 19 bytes follow"),
        (&longer[..], None, "1 bytes follow that belong to no tensor"),
        (&bytes[..0], Some(9_999), "inference-header-content-length is 9999; the body has only"),
        (&zeros[..], None, "input \"product_code\": 20 bytes hold 3 values; its shape has 2"),
    ] {
        let answer = client.send(with_bytes(path, &request, bytes, length)).await;
        assert_eq!((answer.status, answer.error().contains(error)), (StatusCode::BAD_REQUEST, true), "{}", answer.text);
    }
}

#[tokio::test]
async fn classes_and_probabilities_come_as_bytes_where_all_are_asked_for() {
    let client = Client::new(crime());
    let request = json!({
        "inputs": [{"name": "m", "shape": [1, 2], "datatype": "FP32", "data": [1, 1]}],
        "parameters": {"binary_data_output": true},
    });
    let (_, headers, reply) = client.send_bytes(with_bytes("/v2/models/crime/infer", &request, &[], None)).await;
    let length: usize = headers["inference-header-content-length"].to_str().unwrap().parse().unwrap();
    let mut expected = 10_u32.to_le_bytes().to_vec();
    expected.extend(b"not caught");
    expected.extend([0.5_f64, 0.5].map(f64::to_le_bytes).concat());
    assert_eq!(&reply[length..], expected);
}
