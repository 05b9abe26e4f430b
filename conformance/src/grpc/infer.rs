//! Predictions.

use std::collections::HashMap;

use serde_json::Value;

use super::messages::{Choice, InferRequest, InferResponse, Parameter, Requested};
use super::{answered, infer, values};
use crate::suite::Level::{Recommended, Required};
use crate::suite::{Check, Subject, check, hold};

pub(super) fn checks() -> Vec<Check> {
    vec![
        check(Required, "an answer has the model's name and outputs with name, datatype and shape", shape),
        check(Required, "an output holds as many values as its shape says, in contents or as bytes", elements),
        check(Required, "the id of a request comes back", |subject| {
            let answer = asked(subject, |request| "conformance-1".clone_into(&mut request.id))?;
            hold(answer.id == "conformance-1", || format!("the id is {:?}", answer.id))
        }),
        check(Required, "values as bytes are predicted as values in contents are", |subject| {
            let bytes = answered(infer(subject, &values::raw(&request(subject)?)))?;
            same(&all(&asked(subject, |_| ())?)?, &all(&bytes)?)
        }),
        check(Recommended, "predictions are those of REST", as_over_rest),
        check(Required, "only the outputs that are asked for are given", requested_outputs),
        check(Required, "parameters of requests, inputs and outputs are taken", parameters),
        check(Required, "a version that the metadata list predicts, too", version),
    ]
}

/// The request that the model answers over REST.
pub(super) fn request(subject: &Subject) -> Result<InferRequest, String> {
    values::request(&subject.model, &subject.request)
}

fn asked(subject: &Subject, change: impl FnOnce(&mut InferRequest)) -> Result<InferResponse, String> {
    let mut request = request(subject)?;
    change(&mut request);
    answered(infer(subject, &request))
}

/// The values of all outputs.
fn all(answer: &InferResponse) -> Result<Vec<Vec<Value>>, String> {
    (0..answer.outputs.len()).map(|place| values::of_output(answer, place)).collect()
}

fn same(expected: &[Vec<Value>], given: &[Vec<Value>]) -> Result<(), String> {
    hold(expected == given, || format!("{given:?} instead of {expected:?}"))
}

fn shape(subject: &Subject) -> Result<(), String> {
    let answer = asked(subject, |_| ())?;
    hold(answer.model_name == subject.model, || format!("model_name is {:?}", answer.model_name))?;
    hold(!answer.outputs.is_empty(), || "there are no outputs".to_owned())?;
    let lacking = answer
        .outputs
        .iter()
        .find(|output| output.name.is_empty() || output.datatype.is_empty() || output.shape.is_empty());
    lacking.map_or(Ok(()), |output| Err(format!("{output:?}")))
}

fn elements(subject: &Subject) -> Result<(), String> {
    let answer = asked(subject, |_| ())?;
    let raw = answer.raw_output_contents.len();
    hold(raw == 0 || raw == answer.outputs.len(), || {
        format!("{raw} raw_output_contents for {} outputs", answer.outputs.len())
    })?;
    for (output, values) in answer.outputs.iter().zip(all(&answer)?) {
        let wanted: i64 = output.shape.iter().product();
        hold(i64::try_from(values.len()) == Ok(wanted), || format!("{} values in {output:?}", values.len()))?;
    }
    Ok(())
}

fn as_over_rest(subject: &Subject) -> Result<(), String> {
    let answer = subject.infer(&subject.request).map_err(|error| format!("{error:#}"))?.success()?;
    let over_rest: Vec<Vec<Value>> = answer["outputs"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|output| output["data"].as_array().cloned().unwrap_or_default())
        .collect();
    let given = all(&asked(subject, |_| ())?)?;
    let as_numbers = |outputs: &[Vec<Value>]| -> Vec<Vec<Value>> {
        // JSON does not tell 1 from 1.0, nor a float of 32 bits from its neighbours among those of 64.
        let plain = |value: &Value| value.as_f64().map_or_else(|| value.clone(), |number| Value::from(number as f32));
        outputs.iter().map(|values| values.iter().map(plain).collect()).collect()
    };
    same(&as_numbers(&over_rest), &as_numbers(&given))
}

fn requested_outputs(subject: &Subject) -> Result<(), String> {
    for output in asked(subject, |_| ())?.outputs {
        let requested = Requested { name: output.name.clone(), ..Requested::default() };
        let answer = asked(subject, |request| request.outputs = vec![requested])?;
        let given: Vec<&str> = answer.outputs.iter().map(|output| output.name.as_str()).collect();
        hold(given == [output.name.as_str()], || format!("asked for {}, given {given:?}", output.name))?;
    }
    Ok(())
}

fn parameters(subject: &Subject) -> Result<(), String> {
    let parameter = |choice| Parameter { choice: Some(choice) };
    let some = HashMap::from([
        ("text".to_owned(), parameter(Choice::String("a".to_owned()))),
        ("number".to_owned(), parameter(Choice::Int64(1))),
        ("flag".to_owned(), parameter(Choice::Bool(true))),
    ]);
    let name = asked(subject, |_| ())?.outputs.first().map(|output| output.name.clone()).unwrap_or_default();
    let changed = asked(subject, |request| {
        request.inputs.iter_mut().for_each(|input| input.parameters.clone_from(&some));
        request.outputs = vec![Requested { name, parameters: some.clone() }];
        request.parameters = some;
    });
    changed.map(drop)
}

fn version(subject: &Subject) -> Result<(), String> {
    let Some(version) = subject.metadata["versions"][0].as_str() else { return Ok(()) };
    let answer = asked(subject, |request| version.clone_into(&mut request.model_version))?;
    let given = &answer.model_version;
    hold(given.is_empty() || given == version, || format!("model_version is {given:?}"))
}
