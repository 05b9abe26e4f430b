//! `POST /predict` and KServe's V1 protocol.

use axum::http::StatusCode;
use serde_json::{Value, json};
use slipway_model_server::config::Limits;

use crate::support::{Client, VERSION, crime, dispatch, iris, orders, twice};

async fn predict(client: &Client, body: &Value) -> Value {
    let answer = client.post("/predict", body.to_string()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.json()
}

#[tokio::test]
async fn a_row_is_predicted() {
    let client = Client::new(dispatch());
    let mut reply = predict(&client, &json!({"product_code": "SKU002", "orders_placed": 10})).await;
    let id = reply["prediction_id"].take();
    assert_eq!(id.as_str().unwrap().len(), 32);
    let expected = json!({"prediction": 2.5, "model": "time-to-dispatch", "version": VERSION, "prediction_id": null});
    assert_eq!(reply, expected);
}

#[tokio::test]
async fn a_classifier_tells_the_class_and_all_probabilities() {
    let reply = predict(&Client::new(crime()), &json!({"x": 2, "y": 0})).await;
    assert_eq!(reply["prediction"], "not caught");
    let probabilities = reply["probabilities"].as_object().unwrap();
    let sum: f64 = probabilities.values().map(|value| value.as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-12);
    assert!((probabilities["not caught"].as_f64().unwrap() - 0.880_797_077_977_882_3).abs() < 1e-12);

    let flower = json!({"sepal_length": 0, "sepal_width": 1, "petal_length": 0, "petal_width": 0});
    let client = Client::new(iris());
    let answer = client.post("/predict", flower.to_string()).await;
    assert_eq!(answer.json()["prediction"], "versicolor");
    let places = ["setosa", "versicolor", "virginica"].map(|class| answer.text.rfind(class).unwrap());
    assert!(places.is_sorted(), "in the order of the classes: {}", answer.text);
}

#[tokio::test]
async fn every_type_of_value_is_read_as_in_training() {
    let client = Client::new(orders());
    let weekend = "<weekend> & \"more\"";
    for (row, expected) in [
        (json!({weekend: true, "sold_at": "1970-01-03"}), 5.0 + 100.0 + 2.0),
        (json!({weekend: "false", "sold_at": "1970-01-02T12:00:00Z", "amount": null, "colour": null}), 6.5),
        (json!({weekend: 0, "sold_at": "1970-01-01", "amount": "1e1", "colour": "red"}), 1010.0),
    ] {
        assert_eq!(predict(&client, &row).await["prediction"], json!(expected), "{row}");
    }
}

#[tokio::test]
async fn a_list_is_answered_row_by_row_and_a_bad_row_costs_only_itself() {
    let client = Client::new(dispatch());
    let good = json!({"orders_placed": 0, "product_code": "SKU001"});
    let rows = json!([good, {"orders_placed": "ten", "product_code": "SKU9"}, null, good]);
    for body in [rows.clone(), json!({"instances": rows})] {
        let reply = predict(&client, &body).await;
        assert_eq!((&reply["model"], &reply["version"]), (&json!("time-to-dispatch"), &json!(VERSION)));
        let predictions = reply["predictions"].as_array().unwrap();
        assert_eq!(predictions.len(), 4);
        assert_eq!(predictions[0]["prediction"], 0.5);
        assert_ne!(predictions[0]["prediction_id"], predictions[3]["prediction_id"]);
        assert_eq!(
            predictions[1]["error"],
            json!({
                "message": "row 2: orders_placed: expected a number, got \"ten\" (and 1 more mistake)",
                "details": [
                    {"row": 2, "field": "orders_placed", "expected": "a number", "got": "\"ten\""},
                    {"row": 2, "field": "product_code", "expected": "one of \"SKU001\", \"SKU002\", \"SKU003\"", "got": "\"SKU9\""},
                ],
            })
        );
        assert_eq!(predictions[2]["error"]["message"], "row 3: expected an object of fields, got nothing");
    }
    assert_eq!(predict(&client, &json!([])).await["predictions"], json!([]));
    let all_bad = predict(&client, &json!([{}, 1, "x", [], true, {"orders_placed": []}])).await;
    assert!(all_bad["predictions"].as_array().unwrap().iter().all(|row| row["error"].is_object()));
}

#[tokio::test]
async fn a_row_that_does_not_fit_is_422_with_every_mistake() {
    let client = Client::new(dispatch());
    for (row, error, mistakes) in [
        (json!({}), "row 1: orders_placed: expected a number, got nothing (and 1 more mistake)", 2),
        (
            json!({"product_code": "SKU001", "orders_placed": "ten"}),
            "row 1: orders_placed: expected a number, got \"ten\"",
            1,
        ),
        (
            json!({"product_code": "sku001", "orders_placed": 1}),
            "row 1: product_code: expected one of \"SKU001\", \"SKU002\", \"SKU003\", got \"sku001\"",
            1,
        ),
        (
            json!({"product_code": null, "orders_placed": [1]}),
            "row 1: orders_placed: expected a number, got a list (and 1 more mistake)",
            2,
        ),
    ] {
        let answer = client.post("/predict", row.to_string()).await;
        assert_eq!((answer.status, answer.error()), (StatusCode::UNPROCESSABLE_ENTITY, error.to_owned()));
        assert_eq!(answer.json()["details"].as_array().unwrap().len(), mistakes, "{}", answer.text);
    }
}

#[tokio::test]
async fn values_too_large_to_predict_are_the_rows_mistake() {
    let client = Client::new(twice());
    let answer = client.post("/predict", r#"{"x": 1.7e308}"#).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(answer.error(), "row 1: expected values with a finite prediction, got values that are too large");
}

#[tokio::test]
async fn what_is_no_row_is_400() {
    let client = Client::new(dispatch());
    let deep = format!("{{\"x\": {}1{}}}", "[".repeat(1000), "]".repeat(1000));
    for (body, error) in [
        ("", "the body is empty"),
        ("  ", "the body is empty"),
        ("5", "expected a row as an object, a list of rows"),
        ("null", "expected a row as an object, a list of rows"),
        ("\"x\"", "expected a row as an object, a list of rows"),
        ("{", "the body is not valid JSON: EOF"),
        ("{\"orders_placed\": NaN}", "the body is not valid JSON"),
        ("{\"orders_placed\": 1} x", "the body is not valid JSON: trailing characters"),
        ("{\"orders_placed\": 1, \"orders_placed\": 1}", "the key \"orders_placed\" stands twice"),
        ("{\"orders_placed\": 1, \"orders_\\u0070laced\": 1}", "the key \"orders_placed\" stands twice"),
        ("{\"x\": 1, \"x\": 1}", "the key \"x\" stands twice"),
        ("{\"x\": {\"y\": 1, \"y\": 1}}", "the key \"y\" stands twice"),
        ("{\"instances\": [], \"instances\": []}", "the key \"instances\" stands twice"),
        ("{\"instances\": {}}", "expected a list of rows"),
        (&deep, "recursion limit"),
        ("{\"orders_placed\": \"\u{0}\"}", "control character"),
    ] {
        let answer = client.post("/predict", body.to_owned()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}: {}", answer.text);
        assert!(answer.error().contains(error), "{body}: {}", answer.error());
    }
    let many: serde_json::Map<_, _> = (0..10_001).map(|key| (key.to_string(), json!(key))).collect();
    let answer = client.post("/predict", json!(many).to_string()).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.error().contains("more than 10000 unknown keys"), "{}", answer.error());
    let answer = client.post("/predict", &b"{\"x\": \"\xff\"}"[..]).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text);
}

#[tokio::test]
async fn fields_the_model_does_not_know_are_ignored_and_named() {
    let client = Client::new(twice());
    let reply = predict(&client, &json!([{"x": 1, "b": 1, "a": {"deep": [1]}}, {"x": 2, "b": 2}])).await;
    assert_eq!(reply["predictions"][1]["prediction"], 4.0);
    let ignored = |name: &str| format!("{name}: the model does not know this field; it was ignored");
    assert_eq!(reply["warnings"], json!([ignored("a"), ignored("b")]));
    assert_eq!(client.app.metrics.unknown_fields.get(), 3);

    let many: serde_json::Map<_, _> = (0..500).map(|n| (format!("{n:0200}"), json!(n))).collect();
    let reply = predict(&client, &json!({"x": 1, "instances": [many]})).await;
    let warnings = reply["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 2, "names are cut, so that all look alike, and x belongs to no row: {warnings:?}");
}

#[tokio::test]
async fn no_more_rows_than_allowed() {
    let limits = Limits { max_rows: 3, ..Limits::default() };
    let client = Client::of(twice().app_within(limits));
    let rows = |count: usize| json!(vec![json!({"x": 1}); count]);
    assert_eq!(predict(&client, &rows(3)).await["predictions"].as_array().unwrap().len(), 3);
    for (path, body) in [("/predict", rows(4)), ("/v1/models/twice:predict", json!({"instances": rows(4)}))] {
        let answer = client.post(path, body.to_string()).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{path}");
        assert_eq!(answer.error(), "more than 3 rows; send fewer rows at a time");
    }
}

#[tokio::test]
async fn many_mistakes_do_not_make_a_huge_reply() {
    let client = Client::new(dispatch());
    let rows = json!({"instances": vec![json!({}); 20_000]});
    let answer = client.post("/v1/models/time-to-dispatch:predict", rows.to_string()).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(answer.json()["details"].as_array().unwrap().len(), 10_000);
    assert!(answer.error().ends_with("(and 39999 more mistakes)"), "{}", answer.error());
}

#[tokio::test]
async fn a_large_body_is_answered_like_a_small_one() {
    let client = Client::new(twice());
    let rows: Vec<_> = (0..50_000).map(|x| json!({"x": x})).collect();
    let reply = predict(&client, &json!(rows)).await;
    let predictions = reply["predictions"].as_array().unwrap();
    assert_eq!(predictions.len(), 50_000);
    assert!(predictions.iter().enumerate().all(|(x, row)| row["prediction"] == json!(2.0 * x as f64)));
}

#[tokio::test]
async fn kserve_v1_predicts_lists_as_a_whole() {
    let dispatch = Client::new(dispatch());
    let path = "/v1/models/time-to-dispatch:predict";
    let good = json!({"orders_placed": 10, "product_code": "SKU001"});
    let answer = dispatch.post(path, json!({"instances": [good, good]}).to_string()).await;
    assert_eq!((answer.status, answer.json()), (StatusCode::OK, json!({"predictions": [1.5, 1.5]})));
    let answer = dispatch.post(path, json!({"signature_name": "x", "instances": []}).to_string()).await;
    assert_eq!(answer.json(), json!({"predictions": []}));

    let answer = dispatch.post(path, json!({"instances": [good, {"orders_placed": 1}, 5]}).to_string()).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let rows: Vec<_> =
        answer.json()["details"].as_array().unwrap().iter().map(|detail| detail["row"].clone()).collect();
    assert_eq!(rows, [2, 3]);

    for body in ["{}", "[]", "5", r#"{"instances": 1}"#, r#"{"instances": [], "a": {"b": 1, "b": 1}}"#] {
        let answer = dispatch.post(path, body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}: {}", answer.text);
    }

    let crime = Client::new(crime());
    let answer = crime.post("/v1/models/crime:predict", r#"{"instances": [{"x": 1, "y": 9}]}"#).await;
    assert_eq!(answer.json(), json!({"predictions": ["caught"]}));
}
