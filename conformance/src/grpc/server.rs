//! Health and metadata.

use super::messages::{Empty, Model, ModelMetadata, ServerMetadata, TensorMetadata, Truth};
use super::{Failure, Status, answered, call, refused};
use crate::suite::Level::{Recommended, Required};
use crate::suite::{Check, Subject, check, hold};

pub(super) fn checks() -> Vec<Check> {
    vec![
        check(Required, "ServerLive says that it lives", |subject| holds(subject, "ServerLive", None)),
        check(Required, "ServerReady says that it is ready", |subject| holds(subject, "ServerReady", None)),
        check(Required, "ModelReady says that the model is ready", |subject| {
            holds(subject, "ModelReady", Some(model(subject)))
        }),
        check(Required, "ServerMetadata names the server and its version", |subject| {
            let told: ServerMetadata = answered(call(subject, "ServerMetadata", &Empty {}))?;
            hold(!told.name.is_empty() && !told.version.is_empty(), || format!("{told:?}"))
        }),
        check(
            Required,
            "ModelMetadata names the model, and each input and output with a datatype and a shape",
            metadata,
        ),
        check(Recommended, "ModelMetadata tells the inputs and outputs that REST tells", as_over_rest),
        check(Recommended, "a model that is not there is NOT_FOUND, or not ready", |subject| {
            let other = Model { name: "no-such-model-8a1f".to_owned(), ..Model::default() };
            refused(call::<ModelMetadata>(subject, "ModelMetadata", &other), &[Status::NOT_FOUND])?;
            not_ready(subject, &other)
        }),
        check(Recommended, "a version that is not there is NOT_FOUND, or not ready", |subject| {
            not_ready(subject, &Model { version: "no-such-version-8a1f".to_owned(), ..model(subject) })
        }),
        check(Recommended, "a method that is not there is UNIMPLEMENTED", |subject| {
            refused(call::<Empty>(subject, "NoSuchMethod", &Empty {}), &[Status::UNIMPLEMENTED])
        }),
    ]
}

fn model(subject: &Subject) -> Model {
    Model { name: subject.model.clone(), ..Model::default() }
}

fn holds(subject: &Subject, method: &str, model: Option<Model>) -> Result<(), String> {
    let answer = match model {
        Some(model) => call::<Truth>(subject, method, &model),
        None => call::<Truth>(subject, method, &Empty {}),
    };
    hold(answered(answer)?.holds, || "it says no".to_owned())
}

fn not_ready(subject: &Subject, model: &Model) -> Result<(), String> {
    match call::<Truth>(subject, "ModelReady", model) {
        Ok(Truth { holds: false }) => Ok(()),
        Err(Failure::Status(status)) if status.code == Status::NOT_FOUND => Ok(()),
        Ok(Truth { holds: true }) => Err("it is said to be ready".to_owned()),
        Err(failure) => Err(failure.to_string()),
    }
}

fn told(subject: &Subject) -> Result<ModelMetadata, String> {
    answered(call(subject, "ModelMetadata", &model(subject)))
}

fn metadata(subject: &Subject) -> Result<(), String> {
    let told = told(subject)?;
    hold(told.name == subject.model, || format!("{told:?}"))?;
    let whole =
        |tensor: &TensorMetadata| !(tensor.name.is_empty() || tensor.datatype.is_empty() || tensor.shape.is_empty());
    let lacking = told.inputs.iter().chain(&told.outputs).find(|tensor| !whole(tensor));
    lacking.map_or(Ok(()), |tensor| Err(format!("{tensor:?}")))
}

fn as_over_rest(subject: &Subject) -> Result<(), String> {
    let told = told(subject)?;
    for (key, tensors) in [("inputs", told.inputs), ("outputs", told.outputs)] {
        let over_rest = subject.metadata[key].as_array().cloned().unwrap_or_default();
        let same = over_rest.len() == tensors.len()
            && over_rest.iter().zip(&tensors).all(|(rest, tensor)| {
                rest["name"] == tensor.name.as_str()
                    && rest["datatype"] == tensor.datatype.as_str()
                    && rest["shape"] == serde_json::json!(tensor.shape)
            });
        hold(same, || format!("{key}: {tensors:?}"))?;
    }
    Ok(())
}
