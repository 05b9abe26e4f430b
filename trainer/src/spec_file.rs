//! `run.yaml` on a laptop: a `TrainingRun` as for the cluster, or only its `spec`.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};
use slipway_model::Digest;
use slipway_spec::{Run, TrainingSpec, similar};

use crate::error::Error;

/// Largest `run.yaml`, bytes.
const MAX_BYTES: u64 = 1 << 20;

/// Fields of a `TrainingRun`'s spec that say how a cluster runs it; a laptop has no use for them.
const OPERATIONAL: [&str; 8] = [
    "activeDeadlineSeconds",
    "champion",
    "pod",
    "queueName",
    "retries",
    "storage",
    "suspend",
    "ttlSecondsAfterFinished",
];

/// Reads the run that `path` describes. `data` and `output` stand in for the same fields, which may be left out. The run has
/// no UID yet: [`version`] makes one when the data are known.
pub fn read(path: &Path, data: &Path, output: &Path) -> Result<Run, Error> {
    let metadata = fs::metadata(path).map_err(|error| Error::io(path, error))?;
    if metadata.len() > MAX_BYTES {
        return Err(Error::Spec(format!("{}: longer than {MAX_BYTES} bytes", path.display())));
    }
    let text = fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
    parse(&text, data, output).map_err(|problem| Error::Spec(format!("{}: {problem}", path.display())))
}

fn parse(text: &str, data: &Path, output: &Path) -> Result<Run, String> {
    let options = serde_saphyr::options! { with_snippet: false, strict_booleans: true };
    let document: Value = serde_saphyr::from_str_with_options(text, options).map_err(|error| error.to_string())?;
    let Value::Object(document) = document else {
        return Err("expected a TrainingRun, or its spec".to_owned());
    };
    let (name, mut spec) = unwrap(document)?;
    for field in OPERATIONAL {
        spec.remove(field);
    }
    spec.entry("data").or_insert_with(|| json!({"uri": data.display().to_string()}));
    spec.entry("output").or_insert_with(|| json!({"uri": output.display().to_string()}));
    let spec = typed(&Value::Object(spec))?;
    let name = name.unwrap_or_else(|| spec.model_name.clone());
    Ok(Run {
        name,
        namespace: "laptop".to_owned(),
        uid: String::new(),
        champion: None,
        image: None,
        code_revision: None,
        committed: false,
        spec,
    })
}

/// The version of what `spec` makes of the data with this digest: the same for the same, wherever the files are.
pub fn version(spec: &TrainingSpec, data_digest: &str) -> String {
    let mut spec = spec.clone();
    spec.data.uri.clear();
    spec.output.uri.clear();
    // A spec that was read can be written.
    let spec = serde_json::to_vec(&spec).unwrap_or_default();
    let digest = Digest::of(&[&spec, data_digest.as_bytes()].concat());
    digest.hex().chars().take(12).collect()
}

/// The name and the spec of a `TrainingRun`, or of a bare spec.
fn unwrap(mut document: Map<String, Value>) -> Result<(Option<String>, Map<String, Value>), String> {
    const KIND: &str = "TrainingRun";
    const API_VERSION: &str = "slipway.dev/v1alpha1";
    if !document.contains_key("kind") && !document.contains_key("apiVersion") && !document.contains_key("spec") {
        return Ok((None, document));
    }
    for (field, expected) in [("kind", KIND), ("apiVersion", API_VERSION)] {
        if document.get(field).and_then(Value::as_str) != Some(expected) {
            let given = document.get(field).map_or("nothing".to_owned(), Value::to_string);
            return Err(format!("{field}: expected {expected}, got {given}"));
        }
    }
    let name = document.get("metadata").and_then(|metadata| {
        let name = metadata.get("name").or_else(|| metadata.get("generateName"))?.as_str()?;
        Some(name.trim_end_matches('-').to_owned())
    });
    match document.remove("spec") {
        Some(Value::Object(spec)) => Ok((name, spec)),
        _ => Err("spec: expected the fields of a TrainingRun's spec".to_owned()),
    }
}

/// Reads the spec; a field that it does not have is refused by its path.
fn typed(spec: &Value) -> Result<TrainingSpec, String> {
    let mut track = serde_path_to_error::Track::new();
    let mut unknown: Vec<String> = Vec::new();
    let tracked = serde_path_to_error::Deserializer::new(spec, &mut track);
    let read: Result<TrainingSpec, _> = serde_ignored::deserialize(tracked, |path| {
        // What is in an option has a question mark before it.
        unknown.push(path.to_string().replace("?.", ""));
    });
    let read = read.map_err(|error| {
        let path = track.path().to_string();
        let message = explained(&error.to_string(), at(spec, &path));
        if path == "." { format!("spec: {message}") } else { format!("spec.{path}: {message}") }
    })?;
    match unknown.first() {
        None => Ok(read),
        Some(path) => {
            let path = complete(path, spec);
            Err(format!("spec.{path}: there is no such field; leave it out or correct its name"))
        }
    }
}

/// What is wrong, in words for somebody who does not know how it was read, and what to write instead. `value` is what was
/// found there.
fn explained(message: &str, value: Option<&Value>) -> String {
    if message.ends_with("expected a string") {
        return format!("{message}; write it in quotes");
    }
    if message.contains("map with a single key") {
        let names: Vec<&str> =
            value.and_then(Value::as_object).into_iter().flatten().map(|(name, _)| &**name).collect();
        return match names.as_slice() {
            [] => "expected one entry, got none".to_owned(),
            names => {
                format!("expected one entry, got {}; keep one, or correct the indentation", names.join(" and "))
            }
        };
    }
    if message.ends_with("expected a sequence") {
        let value = value.map_or(String::new(), |value| format!(", such as [{value}]"));
        return format!("{message}: write a list{value}");
    }
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    match quoted.split_first() {
        Some((name, known)) if message.starts_with("unknown variant") => {
            let nearest = similar::nearest(name, known.iter().copied());
            let hint = nearest.map_or(String::new(), |nearest| format!("; did you mean {nearest}?"));
            format!("there is no {name}; write one of {}{hint}", known.join(", "))
        }
        _ => message.to_owned(),
    }
}

/// What stands at a path such as `train.builtin.features[0].name`.
fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let mut names = path.split(['.', '[']).map(|name| name.trim_end_matches(']')).filter(|name| !name.is_empty());
    names.try_fold(value, |value, name| match value {
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        other => other.get(name),
    })
}

/// A path with the names of unions' variants, such as `builtin` and `random`, which it comes without.
fn complete(path: &str, mut value: &Value) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in path.split('.') {
        while let Value::Object(fields) = value
            && !fields.contains_key(name)
            && let Some((variant, inner)) = fields.iter().next().filter(|_| fields.len() == 1)
        {
            names.push(variant);
            value = inner;
        }
        names.push(name);
        let inner = name.parse::<usize>().ok().and_then(|place| value.get(place)).or_else(|| value.get(name));
        value = inner.unwrap_or(&Value::Null);
    }
    names.join(".")
}

#[cfg(test)]
mod tests;
