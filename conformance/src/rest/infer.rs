//! Predictions.

use serde_json::{Value, json};

use super::{asked, list, tensor, text};
use crate::suite::Level::{Recommended, Required};
use crate::suite::{Check, Subject, check, hold};

pub(super) fn checks() -> Vec<Check> {
    vec![
        check(Required, "an answer has the model's name and outputs with name, shape, datatype and data", shape),
        check(Required, "an output holds as many elements as its shape says, each of its datatype", |subject| {
            answered(subject, &subject.request).and_then(|answer| outputs(&answer)?.iter().try_for_each(elements))
        }),
        check(Required, "the id of a request comes back", id),
        check(Recommended, "an id of any letters comes back as it was", |subject| {
            comes_back(subject, "näme-\"\\\u{1F6A2}")
        }),
        check(Required, "data may be nested as the shape is", nested),
        check(Required, "only the outputs that are asked for are given", requested_outputs),
        check(Required, "parameters of requests, inputs and outputs are taken", parameters),
        check(Recommended, "two rows give two predictions, the same as each alone", batch),
        check(Recommended, "fields that the protocol does not know are passed over", |subject| {
            let mut request = subject.request.clone();
            request["made_up"] = json!({"a": [1]});
            answered(subject, &request).map(drop)
        }),
        check(Required, "a version's own address predicts, too", version),
    ]
}

fn answered(subject: &Subject, request: &Value) -> Result<Value, String> {
    asked(subject.infer(request))?.success()
}

fn outputs(answer: &Value) -> Result<&Vec<Value>, String> {
    list(answer, "outputs")
}

fn shape(subject: &Subject) -> Result<(), String> {
    let answer = answered(subject, &subject.request)?;
    let name = text(&answer, "model_name")?;
    hold(name == subject.model, || format!("model_name is {name}"))?;
    let outputs = outputs(&answer)?;
    hold(!outputs.is_empty(), || "there are no outputs".to_owned())?;
    outputs.iter().try_for_each(tensor)
}

fn elements(output: &Value) -> Result<(), String> {
    let mut flat = Vec::new();
    flatten(list(output, "data")?, &mut flat);
    let wanted: i64 = list(output, "shape")?.iter().filter_map(Value::as_i64).product();
    hold(i64::try_from(flat.len()) == Ok(wanted), || format!("{} elements in {output}", flat.len()))?;
    let fits = |value: &&Value| match output["datatype"].as_str().unwrap_or_default() {
        "BOOL" => value.is_boolean(),
        "BYTES" => value.is_string(),
        datatype if datatype.contains("INT") => value.is_i64() || value.is_u64(),
        _ => value.is_number(),
    };
    flat.into_iter().find(|value| !fits(value)).map_or(Ok(()), |value| Err(format!("{value} in {output}")))
}

fn flatten<'a>(data: &'a [Value], flat: &mut Vec<&'a Value>) {
    for value in data {
        match value {
            Value::Array(inner) => flatten(inner, flat),
            element => flat.push(element),
        }
    }
}

fn id(subject: &Subject) -> Result<(), String> {
    comes_back(subject, "conformance-1")
}

fn comes_back(subject: &Subject, id: &str) -> Result<(), String> {
    let mut request = subject.request.clone();
    request["id"] = json!(id);
    let answer = answered(subject, &request)?;
    hold(answer["id"] == id, || format!("the id is {}", answer["id"]))
}

fn nested(subject: &Subject) -> Result<(), String> {
    let mut request = subject.request.clone();
    for input in request["inputs"].as_array_mut().into_iter().flatten() {
        let sizes: Vec<usize> = input["shape"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_u64)
            .map(|size| size as usize)
            .collect();
        let mut data = input["data"].as_array().cloned().unwrap_or_default();
        for size in sizes.iter().skip(1).rev() {
            data = data.chunks((*size).max(1)).map(|part| Value::Array(part.to_vec())).collect();
        }
        input["data"] = Value::Array(data);
    }
    let (flat, nested) = (answered(subject, &subject.request)?, answered(subject, &request)?);
    hold(flat["outputs"] == nested["outputs"], || format!("{} instead of {}", nested["outputs"], flat["outputs"]))
}

fn requested_outputs(subject: &Subject) -> Result<(), String> {
    let all = answered(subject, &subject.request)?;
    for output in outputs(&all)? {
        let mut request = subject.request.clone();
        request["outputs"] = json!([{"name": output["name"]}]);
        let answer = answered(subject, &request)?;
        let given: Vec<&Value> = outputs(&answer)?.iter().map(|output| &output["name"]).collect();
        hold(given == [&output["name"]], || format!("asked for {}, given {given:?}", output["name"]))?;
    }
    Ok(())
}

fn parameters(subject: &Subject) -> Result<(), String> {
    let some = json!({"text": "a", "number": 1, "flag": true});
    let mut request = subject.request.clone();
    let name = outputs(&answered(subject, &request)?)?[0]["name"].clone();
    request["parameters"] = some.clone();
    request["outputs"] = json!([{"name": name, "parameters": some}]);
    for input in request["inputs"].as_array_mut().into_iter().flatten() {
        input["parameters"] = some.clone();
    }
    answered(subject, &request).map(drop)
}

fn batch(subject: &Subject) -> Result<(), String> {
    let mut request = subject.request.clone();
    for input in request["inputs"].as_array_mut().into_iter().flatten() {
        if input["shape"][0] != 1 {
            // What is sent is no single row.
            return Ok(());
        }
        input["shape"][0] = json!(2);
        let data = input["data"].as_array().cloned().unwrap_or_default();
        input["data"] = data.iter().chain(&data).cloned().collect();
    }
    let (one, two) = (answered(subject, &subject.request)?, answered(subject, &request)?);
    for (one, two) in outputs(&one)?.iter().zip(outputs(&two)?) {
        let (mut alone, mut both) = (Vec::new(), Vec::new());
        flatten(list(one, "data")?, &mut alone);
        flatten(list(two, "data")?, &mut both);
        let twice: Vec<&Value> = alone.iter().chain(&alone).copied().collect();
        hold(both == twice, || format!("{both:?} instead of {twice:?}"))?;
    }
    Ok(())
}

fn version(subject: &Subject) -> Result<(), String> {
    let Some(version) = subject.metadata["versions"][0].as_str() else { return Ok(()) };
    let path = subject.path(&format!("/versions/{version}/infer"));
    let answer = asked(subject.client.post(&path, subject.request.to_string().as_bytes()))?.success()?;
    let given = &answer["model_version"];
    hold(given.is_null() || given == version, || format!("model_version is {given}"))
}
