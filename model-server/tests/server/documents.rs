//! What people and generators of clients read.

use axum::body::Body;
use axum::http::Request;
use serde_json::Value;

use crate::support::{Client, crime, dispatch, iris, orders, twice};

#[tokio::test]
async fn the_api_description_is_made_from_the_model() {
    insta::assert_json_snapshot!("openapi_dispatch", Client::new(dispatch()).get("/openapi.json").await.json());
    let orders = Client::new(orders()).get("/openapi.json").await.json();
    insta::assert_json_snapshot!("openapi_orders_schemas", orders["components"]["schemas"]["Row"]);
    let crime = Client::new(crime()).get("/openapi.json").await.json();
    insta::assert_json_snapshot!("openapi_crime_prediction", crime["components"]["schemas"]["Prediction"]);
}

#[tokio::test]
async fn every_example_of_a_request_is_answered() {
    for kit in [dispatch(), crime(), iris(), orders(), twice()] {
        let client = Client::new(kit);
        let document = client.get("/openapi.json").await.json();
        let mut examples = 0;
        for (path, operations) in document["paths"].as_object().unwrap() {
            let Some(post) = operations.get("post") else {
                assert!(client.get(path).await.status.is_success(), "{path}");
                continue;
            };
            let content = &post["requestBody"]["content"]["application/json"];
            let answer = client.post(path, content["example"].to_string()).await;
            assert!(answer.status.is_success(), "{path}: {}", answer.text);
            examples += 1;
        }
        assert_eq!(examples, 4);
    }
}

#[tokio::test]
async fn every_reference_leads_somewhere() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(object) => {
                found.extend(object.get("$ref").and_then(Value::as_str));
                object.values().for_each(|value| references(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = Client::new(iris()).get("/openapi.json").await.json();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 20);
    for reference in found {
        assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
    }
}

#[tokio::test]
async fn the_page_has_a_control_for_every_field_and_loads_nothing() {
    let client = Client::new(orders());
    let page = client.send(Request::get("/").header("accept", "text/html").body(Body::empty()).unwrap()).await;
    for part in [
        "<title>orders</title>",
        "<label for=\"f0\">amount</label>",
        "type=\"number\" step=\"any\" value=\"5.0\"",
        "<label for=\"f1\">&lt;weekend&gt; &amp; &quot;more&quot;</label>",
        "<option value=\"true\" selected>true</option>",
        "value=\"2024-05-01\"",
        "<option value=\"\"></option><option value=\"blue\" selected>blue</option><option value=\"red\">red</option>",
    ] {
        assert!(page.text.contains(part), "{part} is not in {}", page.text);
    }
    assert!(!page.text.contains("{{"), "{}", page.text);
    for elsewhere in ["http://", "https://", "//cdn", "src=", "@import"] {
        assert!(!page.text.contains(elsewhere), "{elsewhere}");
    }
    assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
}
