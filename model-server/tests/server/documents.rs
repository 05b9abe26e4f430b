//! What people and generators of clients read.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use slipway_model_server::api::keys::Keys;
use slipway_model_server::config::Limits;
use slipway_model_server::state::Settings;

use crate::support::{Client, crime, dispatch, flats, iris, orders, twice};

#[tokio::test]
async fn the_api_description_is_made_from_the_model() {
    insta::assert_json_snapshot!("openapi_dispatch", Client::new(dispatch()).get("/openapi.json").await.json());
    let orders = Client::new(orders()).get("/openapi.json").await.json();
    insta::assert_json_snapshot!("openapi_orders_schemas", orders["components"]["schemas"]["Row"]);
    let crime = Client::new(crime()).get("/openapi.json").await.json();
    insta::assert_json_snapshot!("openapi_crime_prediction", crime["components"]["schemas"]["Prediction"]);
}

#[tokio::test]
async fn units_are_told_to_people_and_programs() {
    let client = Client::new(flats());
    let document = client.get("/openapi.json").await.json();
    let schemas = &document["components"]["schemas"];
    let fields = &schemas["Row"]["properties"];
    assert_eq!(fields["living_area"]["x-unit"], "m\u{b2}");
    assert_eq!(fields["living_area"]["description"], "Living area, m\u{b2}. In training from 20 to 310.");
    assert_eq!(fields["floor"]["description"], "In <floors>. In training from 0 to 40.");
    let price = json!({"type": "number", "description": "price, USD", "x-unit": "USD"});
    assert_eq!(schemas["Prediction"]["properties"]["prediction"], price);
    let metadata = client.get("/v2/models/flats").await.json();
    assert_eq!(metadata["inputs"][0]["parameters"], json!({"unit": "m\u{b2}"}));
    assert_eq!(metadata["outputs"][0]["parameters"], json!({"unit": "USD"}));
    let page = client.send(Request::get("/").header("accept", "text/html").body(Body::empty()).unwrap()).await;
    for part in [
        "<label for=\"f0\">living_area <span class=\"unit\">m\u{b2}</span></label>",
        "data-unit=\"&lt;floors&gt;\"",
        "Predicts price <span class=\"unit\">USD</span>.",
    ] {
        assert!(page.text.contains(part), "{part} is not in {}", page.text);
    }
    let plain = Client::new(twice());
    assert_eq!(
        plain.get("/v2/models/twice").await.json()["inputs"],
        json!([{"name": "x", "datatype": "FP64", "shape": [-1]}])
    );
    assert!(!plain.get("/openapi.json").await.text.contains("x-unit"));
}

#[tokio::test]
async fn every_example_of_a_request_is_answered() {
    for kit in [dispatch(), crime(), iris(), orders(), flats(), twice()] {
        let client = Client::new(kit);
        let document = client.get("/openapi.json").await.json();
        let mut examples = 0;
        for (path, operations) in document["paths"].as_object().unwrap() {
            if operations.get("get").is_some() {
                assert!(client.get(path).await.status.is_success(), "{path}");
            }
            let Some(post) = operations.get("post") else { continue };
            for (media_type, content) in post["requestBody"]["content"].as_object().unwrap() {
                let Some(example) = content.get("example") else { continue };
                let body = example.as_str().map_or_else(|| example.to_string(), str::to_owned);
                let request = Request::post(path).header("content-type", media_type).body(Body::from(body)).unwrap();
                let answer = client.send(request).await;
                assert!(answer.status.is_success() && !answer.text.contains("error\":"), "{path}: {}", answer.text);
                assert!(
                    media_type != "text/csv" || answer.text.lines().nth(1).unwrap().ends_with(','),
                    "{}",
                    answer.text
                );
                examples += 1;
            }
        }
        assert_eq!(examples, 7);
    }
}

#[tokio::test]
async fn every_address_of_the_description_is_a_route_and_takes_just_its_methods() {
    let client = Client::new(crime());
    let document = client.get("/openapi.json").await.json();
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 16);
    for (path, operations) in paths {
        let answer = client.method(Method::DELETE, path).await;
        let allowed = if operations.get("get").is_some() { "GET,HEAD" } else { "POST" };
        assert_eq!((answer.status, answer.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, allowed), "{path}");
    }
}

#[tokio::test]
async fn keys_and_deadlines_are_described_where_there_are_some() {
    let plain = Client::new(twice()).get("/openapi.json").await.json();
    assert_eq!((&plain["security"], plain["components"].get("securitySchemes")), (&json!([]), None));
    assert_eq!(plain["paths"]["/predict"]["post"]["responses"].get("401"), None);

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "secret\n").unwrap();
    let keys = Some(Arc::new(Keys::read(file.path().to_owned()).unwrap()));
    let limits = Limits { request_timeout_ms: Some(250), ..Limits::default() };
    let client = Client::of(twice().app_with(Settings { keys, limits, ..Settings::default() }));
    let ask = |path: &str, key: &str| {
        client.send(
            Request::get(path).header("authorization", key).header("accept", "text/html").body(Body::empty()).unwrap(),
        )
    };
    let document = ask("/openapi.json", "Bearer secret").await.json();
    assert_eq!(document["components"]["securitySchemes"]["ApiKey"]["name"], "x-api-key");
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let open = path.starts_with("/v2/health/");
            let described = operation["responses"].get("401").is_some();
            assert_eq!((described, operation.get("security").is_some()), (!open, open), "{path}");
            let answer = client.method(method.to_uppercase().parse().unwrap(), path).await;
            assert_eq!(answer.status == StatusCode::UNAUTHORIZED, !open, "{path}");
        }
    }
    assert_eq!(document["components"]["parameters"]["Deadline"]["schema"]["default"], 250);
    let late = &document["paths"]["/predict"]["post"]["responses"]["504"]["description"];
    assert!(late.as_str().unwrap().contains("250 ms"), "{late}");

    let page = ask("/", "Basic YW55Ym9keTpzZWNyZXQ=").await;
    assert!(page.text.contains("data-keyed=\"true\""), "{}", page.text);
    let challenges: Vec<_> = ask("/", "").await.headers.get_all("www-authenticate").iter().cloned().collect();
    assert_eq!(challenges.len(), 2, "a browser asks for the key: {challenges:?}");
    assert_eq!(client.get("/v2").await.headers.get_all("www-authenticate").iter().count(), 1, "a program is told");
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
        "<input type=\"range\" data-of=\"f0\" min=\"0\" max=\"10\"",
        "aria-label=\"amount, slider\"",
        "<dt>Data</dt><dd>s3://data/&lt;rows&gt;.csv</dd>",
        "<th scope=\"row\">r2</th><td class=\"number\">0.97</td>",
        "<th scope=\"row\">r2</th><td>passed</td><td>r2 is 0.97, at least 0.9</td>",
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
