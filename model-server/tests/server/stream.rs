//! Rows as streams of CSV and NDJSON.

use std::convert::Infallible;
use std::fmt::Write;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::support::{Answer, Client, crime, dispatch, orders};

async fn post(client: &Client, format: &str, body: impl Into<Body>) -> Answer {
    client.send(Request::post("/predict").header("content-type", format).body(body.into()).unwrap()).await
}

/// The lines of a reply, without the identifiers of predictions.
fn lines(answer: &Answer) -> Vec<Value> {
    let line = |line: &str| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        line.as_object_mut().unwrap().remove("prediction_id");
        line
    };
    answer.text.lines().map(line).collect()
}

/// The cells of a reply but the identifiers.
fn cells(answer: &Answer) -> Vec<String> {
    let rows = answer.text.lines().skip(1);
    rows.map(|row| {
        let (before, error) = row.split_at(row.find('"').unwrap_or(row.len()));
        let mut cells: Vec<&str> = before.split(',').collect();
        if let [.., id, _] = &mut cells[..] {
            *id = if id.len() == 32 { "id" } else { id };
        }
        format!("{}{error}", cells.join(","))
    })
    .collect()
}

#[tokio::test]
async fn a_table_is_answered_row_by_row() {
    let client = Client::new(dispatch());
    let table = "product_code,comment,orders_placed\r\nSKU001,\"a \"\"b\"\", c\",10\nSKU002,,20\nSKU009,,ten\n\nSKU001,,\nSKU001\nSKU003,x,0";
    let answer = post(&client, "text/csv; charset=utf-8", table).await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "text/csv; charset=utf-8"));
    assert!(answer.header("slipway-warnings").contains("comment"), "{:?}", answer.headers);
    assert!(answer.text.starts_with("row,prediction,prediction_id,error\n"), "{}", answer.text);
    assert_eq!(
        cells(&answer),
        [
            "1,1.5,id,",
            "2,3.5,id,",
            "3,,,\"row 3: orders_placed: expected a number, got \"\"ten\"\" (and 1 more mistake)\"",
            "4,,,\"row 4: orders_placed: expected a number, got nothing\"",
            "5,,,\"row 5: expected 3 cells, as in the header, got 1\"",
            "6,2.5,id,",
        ]
    );
}

#[tokio::test]
async fn json_lines_are_answered_line_by_line() {
    let client = Client::new(crime());
    let body = "{\"x\": 1, \"y\": 1}\n\n  {\"x\": 1}\r\n[1]\n{\"x\": 1\n{\"x\": 2, \"y\": 1, \"z\": 0}";
    let answer = post(&client, "application/x-ndjson", body).await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/x-ndjson"));
    let lines = lines(&answer);
    assert_eq!(
        lines[0],
        json!({"row": 1, "prediction": "not caught", "probabilities": {"caught": 0.5, "not caught": 0.5}})
    );
    assert_eq!(lines[1]["error"]["message"], "row 2: y: expected a number, got nothing");
    assert_eq!(lines[2]["error"]["message"], "row 3: expected an object of fields, got a list");
    assert!(
        lines[3]["error"]["message"].as_str().unwrap().starts_with("row 4: expected a row as JSON"),
        "{}",
        lines[3]
    );
    assert_eq!((&lines[4]["row"], &lines[4]["prediction"]), (&json!(5), &json!("not caught")));
    assert_eq!(lines.len(), 5);
}

#[tokio::test]
async fn the_caller_chooses_the_format_of_the_reply() {
    let client = Client::new(crime());
    let ask = |format: &str, accept: &str, body: &'static str| {
        let request = Request::post("/predict").header("content-type", format).header("accept", accept);
        client.send(request.body(Body::from(body)).unwrap())
    };
    let answer = ask("text/csv", "application/x-ndjson, */*", "x,y\n1,1\n").await;
    assert_eq!(lines(&answer)[0]["probabilities"], json!({"caught": 0.5, "not caught": 0.5}));
    let answer = ask("application/jsonl", "text/csv", "{\"x\":1,\"y\":1}").await;
    assert!(
        answer.text.starts_with(
            "row,prediction,probability of caught,probability of not caught,prediction_id,error\n1,not caught,0.5,0.5,"
        ),
        "{}",
        answer.text
    );
}

#[tokio::test]
async fn a_header_that_does_not_fit_is_refused_before_anything_is_predicted() {
    let client = Client::new(dispatch());
    for (table, status, error) in [
        ("", StatusCode::BAD_REQUEST, "the body is empty"),
        ("orders_placed,orders_placed\n", StatusCode::BAD_REQUEST, "the column \"orders_placed\" stands twice"),
        (
            "orders_placed\n1\n",
            StatusCode::UNPROCESSABLE_ENTITY,
            "header: product_code: expected a column of this name in the header, got none",
        ),
    ] {
        let answer = post(&client, "text/csv", table).await;
        assert_eq!((answer.status, answer.error().contains(error)), (status, true), "{}", answer.text);
    }
    // What byte order marks and quotes inside of names are worth.
    let table = "\u{feff}<weekend> & \"more\",sold_at\ntrue,1970-01-02\n";
    let answer = post(&Client::new(orders()), "text/csv", table).await;
    assert_eq!(cells(&answer), ["1,106.0,id,"], "{}", answer.text);
}

#[tokio::test]
async fn how_a_stream_is_cut_does_not_matter() {
    let client = Client::new(dispatch());
    let mut table = "orders_placed,product_code,note\n".to_owned();
    let mut objects = String::new();
    for row in 0..700 {
        let orders = if row % 50 == 7 { "\"many, or \"\"few\"\"\"".to_owned() } else { row.to_string() };
        write!(table, "{orders},SKU00{},\"é\n\"\r\n", row % 3 + 1).unwrap();
        writeln!(objects, "{{\"orders_placed\": {row}, \"product_code\": \"SKU00{}\"}}", row % 4 + 1).unwrap();
    }
    for (format, body) in [("text/csv", table), ("application/x-ndjson", objects)] {
        let accept = |body: Body| {
            let request = Request::post("/predict").header("content-type", format);
            client.send(request.header("accept", "application/x-ndjson").body(body).unwrap())
        };
        let whole = lines(&accept(Body::from(body.clone())).await);
        assert_eq!(whole.len(), 700);
        for size in [1, 7, 1000] {
            let pieces: Vec<_> =
                body.as_bytes().chunks(size).map(Bytes::copy_from_slice).map(Ok::<_, Infallible>).collect();
            assert_eq!(
                lines(&accept(Body::from_stream(futures::stream::iter(pieces))).await),
                whole,
                "{format} {size}"
            );
        }
    }
}

#[tokio::test]
async fn a_row_without_end_and_too_many_streams_are_refused() {
    let client = Client::new(dispatch());
    let endless = format!("{{\"orders_placed\": {}", " ".repeat(2 << 20));
    let answer = post(&client, "application/x-ndjson", endless).await;
    assert_eq!(lines(&answer), [json!({"error": "row 1: expected a line of at most 1048576 bytes"})]);
    let _all = client.app.streams.acquire_many(client.app.settings.limits.max_streams as u32).await.unwrap();
    let answer = post(&client, "text/csv", "x\n").await;
    assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, "1"));
}
