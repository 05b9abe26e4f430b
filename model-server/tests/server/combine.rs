//! Lists of which every combination is a row.

use axum::http::StatusCode;
use serde_json::{Value, json};
use slipway_model_server::config::Limits;

use crate::support::{Answer, Client, dispatch};

async fn post(client: &Client, body: &Value) -> Answer {
    client.post("/predict", body.to_string()).await
}

#[tokio::test]
async fn every_combination_is_a_row() {
    let client = Client::new(dispatch());
    let products = json!([{"id": "b1", "product_code": "SKU001"}, {"id": 2, "product_code": "SKU003"}]);
    let orders = json!([{"orders_placed": "10"}, {"orders_placed": 20, "comment": "?"}, {"orders_placed": null}]);
    let answer = post(&client, &json!({"combine": [products, orders]})).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let reply = answer.json();
    let predictions = reply["predictions"].as_array().unwrap();
    let told: Vec<_> = predictions
        .iter()
        .map(|row| json!([row["of"], row["ids"], row.get("prediction").unwrap_or(&row["error"]["message"])]))
        .collect();
    let missing = |row: usize| format!("row {row}: orders_placed: expected a number, got nothing");
    assert_eq!(
        told,
        [
            json!([[1, 1], ["b1", null], 1.5]),
            json!([[1, 2], ["b1", null], 2.5]),
            json!([[1, 3], ["b1", null], missing(3)]),
            json!([[2, 1], [2, null], 3.5]),
            json!([[2, 2], [2, null], 4.5]),
            json!([[2, 3], [2, null], missing(6)]),
        ]
    );
    assert_eq!(predictions[0]["prediction_id"].as_str().unwrap().len(), 32);
    assert!(reply["warnings"][0].as_str().unwrap().contains("comment"), "{reply}");
}

#[tokio::test]
async fn mistakes_of_an_element_cost_only_what_it_is_part_of() {
    let client = Client::new(dispatch());
    let lists = json!([
        [{"product_code": "SKU001"}, {"product_code": "SKU9"}],
        [{"orders_placed": 0}, {"orders_placed": 0, "product_code": "SKU002"}],
    ]);
    let reply = post(&client, &json!({"combine": lists})).await.json();
    let told: Vec<_> =
        reply["predictions"].as_array().unwrap().iter().map(|row| row["error"]["message"].to_string()).collect();
    assert_eq!(told[0], "null");
    assert!(told[1].contains("expected a value in one of the lists, got values in several"), "{told:?}");
    assert!(told[2].contains("SKU9") && told[3].contains("in several"), "{told:?}");
    assert!(reply["predictions"][0].get("ids").is_none());
}

#[tokio::test]
async fn lists_of_another_form_or_too_many_combinations_are_refused() {
    let client = Client::of(dispatch().app_within(Limits { max_rows: 11, ..Limits::default() }));
    let lists = |lengths: &[usize]| {
        let lists: Vec<_> = lengths.iter().map(|&length| vec![json!({"orders_placed": 1}); length]).collect();
        json!({"combine": lists})
    };
    for (body, status, reason) in [
        (json!({"combine": {}}), 400, "a list of lists"),
        (json!({"combine": [1]}), 400, "a list of rows' parts"),
        (json!({"combine": [[1], []]}), 400, "an object of fields"),
        (json!({"combine": []}), 400, "2 to 4 lists"),
        (lists(&[2]), 400, "2 to 4 lists"),
        (lists(&[1; 5]), 400, "more than 4 lists"),
        (json!({"combine": [[{"id": {}}], []]}), 400, "a number or a text"),
        (json!({"combine": [[], []], "instances": []}), 400, "stands twice"),
        (lists(&[3, 4]), 413, "more than 11 rows"),
        (lists(&[12, 0]), 413, "more than 11 rows"),
        (lists(&[4, 0]), 200, ""),
    ] {
        let answer = post(&client, &body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text);
        assert!(answer.text.contains(reason), "{body}: {}", answer.text);
    }
    let twice = client.post("/predict", r#"{"combine": [[{"id": 1, "id": 2}], []]}"#).await;
    assert_eq!(twice.status, StatusCode::BAD_REQUEST, "{}", twice.text);
}
