//! What a client's mistakes are answered: never with a success that hides them, never with a fault of the server's, and
//! always with the reason.

use serde_json::{Value, json};
use ureq::http::Method;

use super::{asked, text};
use crate::client::Answer;
use crate::suite::Level::{Recommended, Required};
use crate::suite::{Check, Subject, check, hold};

/// Depth of lists that no parser should follow on its stack.
const DEEP: usize = 100_000;

pub(super) fn checks() -> Vec<Check> {
    let mut checks = vec![
        check(Required, "an error has a body {\"error\": text}", |subject| {
            let answer = asked(subject.client.post(&subject.path("/infer"), b"{"))?;
            answer.json().and_then(|body| text(&body, "error").map(drop))
        }),
        check(Recommended, "GET of an address for predictions is 405, or 404", |subject| {
            let answer = asked(subject.client.get(&subject.path("/infer")))?;
            hold([404, 405].contains(&answer.status), || format!("answered {}", answer.status))
        }),
        check(Recommended, "predictions of a model that is not there are 404", |subject| {
            let body = subject.request.to_string();
            let answer = asked(subject.client.post("/v2/models/no-such-model-8a1f/infer", body.as_bytes()))?;
            hold(answer.status == 404, || format!("answered {}: {}", answer.status, answer.text()))
        }),
        check(Recommended, "a body of another type is refused with 4xx, or taken", |subject| {
            let (path, body) = (subject.path("/infer"), subject.request.to_string());
            let answer = asked(subject.client.send(&Method::POST, &path, Some("text/plain"), body.as_bytes()))?;
            hold(answer.status < 500, || format!("answered {}: {}", answer.status, answer.text()))
        }),
    ];
    for (says, body) in texts() {
        checks.push(refused(says, move |_| body.clone()));
    }
    for (says, change) in changes() {
        checks.push(refused(says, move |subject| {
            let mut request = subject.request.clone();
            change(&mut request);
            request.to_string().into_bytes()
        }));
    }
    for (says, change) in unclear() {
        checks.push(check(Recommended, says, move |subject| {
            let mut request = subject.request.clone();
            change(&mut request);
            let answer = asked(subject.infer(&request))?;
            hold(answer.status < 500, || format!("answered {}: {}", answer.status, answer.text()))
        }));
    }
    checks.push(check(Required, "after all of this, the model still answers", |subject| {
        asked(subject.infer(&subject.request))?.success().map(drop)
    }));
    checks
}

fn refused(says: &str, body: impl Fn(&Subject) -> Vec<u8> + 'static) -> Check {
    check(Recommended, format!("{says} is refused with 4xx and a reason"), move |subject| {
        is_refusal(&asked(subject.client.post(&subject.path("/infer"), &body(subject)))?)
    })
}

fn is_refusal(answer: &Answer) -> Result<(), String> {
    hold((400..500).contains(&answer.status), || format!("answered {}: {}", answer.status, answer.text()))?;
    let body = answer.json()?;
    hold(!text(&body, "error")?.is_empty(), || "the reason is empty".to_owned())
}

/// Bodies that are no request at all.
fn texts() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("an empty body", Vec::new()),
        ("half a body", b"{\"inputs\": [".to_vec()),
        ("a list", b"[]".to_vec()),
        ("null", b"null".to_vec()),
        ("an empty object", b"{}".to_vec()),
        ("text that is not UTF-8", b"{\"inputs\": \"\xff\xfe\"}".to_vec()),
        (
            "a number that JSON does not have",
            b"{\"inputs\": [{\"name\": \"x\", \"shape\": [1], \"datatype\": \"FP64\", \"data\": [NaN]}]}".to_vec(),
        ),
        (
            "lists in lists in lists",
            [b"{\"inputs\": ".to_vec(), vec![b'['; DEEP], vec![b']'; DEEP], b"}".to_vec()].concat(),
        ),
    ]
}

type Change = fn(&mut Value);

/// Requests that are wrong, made from one that is right.
fn changes() -> Vec<(&'static str, Change)> {
    vec![
        ("inputs that are no list", |request| request["inputs"] = json!({})),
        ("no input", |request| request["inputs"] = json!([])),
        ("an input that is no object", |request| request["inputs"] = json!([1])),
        ("an input without a name", |request| remove(request, "name")),
        ("an input without a shape", |request| remove(request, "shape")),
        ("an input without a datatype", |request| remove(request, "datatype")),
        ("an input without data", |request| remove(request, "data")),
        ("a datatype that is none", |request| first(request)["datatype"] = json!("FLOAT128")),
        ("a shape with text", |request| first(request)["shape"] = json!(["one"])),
        ("a shape with a negative size", |request| first(request)["shape"][0] = json!(-1)),
        ("a shape of more elements than there are", |request| first(request)["shape"][0] = json!(1000)),
        ("a shape of more elements than can be", |request| {
            first(request)["shape"] = json!([i64::MAX, i64::MAX]);
        }),
        ("a shape of fewer elements than there are", |request| first(request)["shape"][0] = json!(0)),
        ("data of another type", |request| {
            let wrong = if first(request)["datatype"] == "BYTES" { json!({"a": 1}) } else { json!("not a number") };
            for value in first(request)["data"].as_array_mut().into_iter().flatten() {
                *value = wrong.clone();
            }
        }),
        ("data that are no list", |request| first(request)["data"] = json!({"a": 1})),
        ("an output that there is not", |request| request["outputs"] = json!([{"name": "no-such-output-8a1f"}])),
        ("an id that is no text", |request| request["id"] = json!({"a": 1})),
    ]
}

/// Requests of which the protocol does not say whether they are right.
fn unclear() -> Vec<(&'static str, Change)> {
    vec![
        ("null in the data is no fault of the server's", |request| {
            if let Some(data) = first(request)["data"].as_array_mut() {
                data.fill(Value::Null);
            }
        }),
        ("an input that the model does not know is no fault of the server's", |request| {
            first(request)["name"] = json!("no-such-input-8a1f");
        }),
        ("an input twice is no fault of the server's", |request| {
            let again = first(request).clone();
            if let Some(inputs) = request["inputs"].as_array_mut() {
                inputs.push(again);
            }
        }),
        ("the largest number is no fault of the server's", |request| {
            if first(request)["datatype"] != "BYTES"
                && let Some(data) = first(request)["data"].as_array_mut()
            {
                data.fill(json!(f64::MAX));
            }
        }),
        ("no row at all is no fault of the server's", |request| {
            for input in request["inputs"].as_array_mut().into_iter().flatten() {
                input["shape"][0] = json!(0);
                input["data"] = json!([]);
            }
        }),
        ("an id of a megabyte is no fault of the server's", |request| request["id"] = json!("x".repeat(1 << 20))),
    ]
}

fn first(request: &mut Value) -> &mut Value {
    &mut request["inputs"][0]
}

fn remove(request: &mut Value, key: &str) {
    if let Some(input) = first(request).as_object_mut() {
        input.remove(key);
    }
}
