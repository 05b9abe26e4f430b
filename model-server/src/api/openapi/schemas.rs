//! The schemas of the document.

use serde_json::{Map, Value, json};
use slipway_model::{Field, Manifest, Output, OutputScale, Unknown};
use slipway_spec::FeatureType;

use super::{example, example_row, reference};
use crate::api::json::combine::{COMBINE, ID, MAX_ID, MAX_LISTS};
use crate::api::v2::DECISION;
use crate::api::v2::batch::output_names;
use crate::api::v2::request::MAX_RANK;
use crate::api::wants::{self, Extra};

/// The extension that says what a number is measured in.
const UNIT: &str = "x-unit";

/// All schemas by their names.
pub fn all(manifest: &Manifest) -> Value {
    let mut schemas = Map::new();
    for group in [rows(manifest), streams(manifest), errors(manifest), tensors(manifest), about(manifest)] {
        schemas.extend(group.as_object().cloned().unwrap_or_default());
    }
    schemas.into()
}

fn rows(manifest: &Manifest) -> Value {
    let fields = manifest.input.fields();
    let properties: Map<_, _> = fields.iter().map(|field| (field.name.clone(), property(field))).collect();
    let required: Vec<_> = fields.iter().filter(|field| field.required()).map(|field| &field.name).collect();
    let text = json!({"type": "string"});
    let of_reply = json!({"model": text, "version": text, "warnings": reference("Warnings")});
    let of_reply = of_reply.as_object().cloned().unwrap_or_default();
    let predicted = predicted(&manifest.output);
    let predicted_keys: Vec<_> = predicted.keys().cloned().collect();
    let predicted: Map<_, _> = predicted.into_iter().chain(extras(manifest)).collect();
    let keys = [&predicted_keys[..], &["model".to_owned(), "version".to_owned()]].concat();
    let single: Map<_, _> = predicted.clone().into_iter().chain(of_reply.clone()).collect();
    let item = json!({"anyOf": [
        reference("Predicted"),
        {"type": "object", "required": ["error"], "properties": {"error": {
            "type": "object",
            "required": ["message"],
            "properties": {"message": text, "details": reference("Details")},
        }}},
    ]});
    let places = json!({
        "of": {
            "type": "array",
            "items": {"type": "integer", "minimum": 1},
            "description": "Of lists that were combined, the places of the elements that make the row",
        },
        "ids": {"type": "array", "description": "What these elements are told by, where they are"},
    });
    let item = json!({"allOf": [item, {"type": "object", "properties": places}]});
    let list = json!({"predictions": {"type": "array", "items": item}});
    let list: Map<_, _> = list.as_object().cloned().unwrap_or_default().into_iter().chain(of_reply).collect();
    json!({
        "Row": {
            "type": "object",
            "description": "One row. A number may be sent as text; null stands for a missing value.",
            "properties": properties,
            "required": required,
            "examples": [example_row(manifest)],
        },
        "Prediction": {"type": "object", "required": keys, "properties": single},
        "Predicted": {"type": "object", "required": predicted_keys, "properties": predicted},
        "Contributions": contributions(manifest),
        "Combinations": combinations(manifest),
        "Predictions": {"type": "object", "required": ["predictions", "model", "version"], "properties": list},
        "Warnings": {"type": "array", "items": text, "description": "Fields that were ignored"},
    })
}

/// Bodies of which a row is read or written at a time.
fn streams(manifest: &Manifest) -> Value {
    let probabilities = manifest.output.classes().iter().map(|class| format!("probability of {class}"));
    let [first, last] = [["row", "prediction"], ["prediction_id", "error"]].map(|names| names.map(str::to_owned));
    let columns: Vec<_> = first.into_iter().chain(probabilities).chain(last).collect();
    let more = "; where they are wanted, before prediction_id the columns decision, base and contribution of each field, low and high";
    let text = |description: &str| json!({"type": "string", "description": description});
    json!({
        "Table": text("RFC 4180 in UTF-8: a header with names of fields in any order, then a row a line; an empty cell is a missing value"),
        "Lines": text("A Row as JSON a line"),
        "PredictionTable": text(&format!("The columns {}{more}", columns.join(", "))),
        "PredictionLines": text("JSON a line: the number of the row as row, and what Predictions holds for it; error where the stream ended early"),
    })
}

/// What is said of the server and its model.
fn about(manifest: &Manifest) -> Value {
    let text = json!({"type": "string"});
    let truth = json!({"type": "boolean"});
    let name = json!({"const": manifest.model_name});
    let object = |properties: Value| {
        let required: Vec<_> = properties.as_object().into_iter().flat_map(Map::keys).cloned().collect();
        json!({"type": "object", "required": required, "properties": properties})
    };
    let texts = json!({"type": "array", "items": text});
    let shape =
        json!({"type": "array", "items": {"type": "integer"}, "description": "-1 stands for any number of rows"});
    let mut tensors = json!({
        "type": "array",
        "items": object(json!({"name": text, "datatype": text, "shape": shape})),
    });
    let unit = json!({"type": "string", "description": "What it is measured in, where that is known"});
    tensors["items"]["properties"]["parameters"] = json!({"type": "object", "properties": {"unit": unit}});
    json!({
        "Status": object(json!({"status": {"const": "alive"}, "model": name, "version": {"const": manifest.version}})),
        "Description": {"type": "object"},
        "ModelList": object(json!({"models": {"type": "array", "items": name}})),
        "ModelStatus": object(json!({"name": name, "ready": truth})),
        "Server": object(json!({"name": text, "version": text, "extensions": texts})),
        "Live": object(json!({"live": truth})),
        "Ready": object(json!({"ready": truth})),
        "Model": object(json!({"name": name, "versions": texts, "platform": text, "inputs": tensors, "outputs": tensors})),
    })
}

/// What a reply says of one row.
fn predicted(output: &Output) -> Map<String, Value> {
    let id = json!({
        "type": "string",
        "pattern": "^[0-9a-f]{32}$",
        "description": "Names this prediction, wherever it is spoken of later",
    });
    let mut predicted = Map::new();
    predicted.insert("prediction".to_owned(), answer(output));
    let classes = output.classes();
    if !classes.is_empty() {
        let probability = json!({"type": "number", "minimum": 0, "maximum": 1});
        let properties: Map<_, _> = classes.iter().map(|class| (class.clone(), probability.clone())).collect();
        let probabilities = json!({"type": "object", "required": classes, "properties": properties});
        predicted.insert("probabilities".to_owned(), probabilities);
    }
    predicted.insert("prediction_id".to_owned(), id);
    predicted
}

/// What else a reply says of one row, where it is wanted.
fn extras(manifest: &Manifest) -> Map<String, Value> {
    let mut extras = Map::new();
    if Extra::of(&manifest.output).contains(&Extra::Decision) {
        let description = "The class that the threshold decides for";
        let decision = json!({"type": "string", "enum": manifest.output.classes(), "description": description});
        extras.insert(Extra::Decision.name().to_owned(), decision);
    }
    if Extra::of(&manifest.output).contains(&Extra::Range) {
        let number = |description: &str| json!({"type": "number", "description": description});
        let range = json!({
            "type": "object",
            "required": ["low", "high", "rows"],
            "description": "Where the truth lay for test rows with nearly the same prediction",
            "properties": {
                "low": number("Below it for one of ten"),
                "high": number("Above it for one of ten"),
                "rows": {"type": "integer", "minimum": 1, "description": "How many rows there were"},
            },
        });
        extras.insert(Extra::Range.name().to_owned(), range);
    }
    extras.insert(Extra::Contributions.name().to_owned(), reference("Contributions"));
    extras
}

/// Lists of which every combination is a row.
fn combinations(manifest: &Manifest) -> Value {
    let fields = manifest.input.fields();
    let mut properties: Map<_, _> = fields.iter().map(|field| (field.name.clone(), property(field))).collect();
    let id = json!({
        "type": ["string", "number", "null"],
        "maxLength": MAX_ID,
        "description": "Repeated in ids",
    });
    properties.entry(ID).or_insert(id);
    let part = json!({"type": "object", "properties": properties, "description": "Some of a row's fields"});
    let lists = json!({
        "type": "array",
        "items": {"type": "array", "items": part},
        "minItems": 2,
        "maxItems": MAX_LISTS,
        "description": "Every combination of an element of each list is a row; of the rows, the last list goes by first",
    });
    json!({"type": "object", "required": [COMBINE], "properties": {COMBINE: lists}})
}

fn contributions(manifest: &Manifest) -> Value {
    let number = |description: &str| json!({"type": "number", "description": description});
    let fields = manifest.input.fields().iter();
    let fields: Map<_, _> = fields.map(|field| (field.name.clone(), json!({"type": "number"}))).collect();
    let names: Vec<_> = fields.keys().cloned().collect();
    let mut properties = json!({
        "scale": {
            "type": "string",
            "enum": OutputScale::ALL.map(OutputScale::name),
            "description": "What the numbers are measured on",
        },
        "base": number("What is predicted where nothing is known of the row"),
        "total": number("The prediction on that scale: the base and all contributions"),
        "fields": {"type": "object", "required": names, "properties": fields, "description": "What each field adds"},
    });
    let classes = manifest.output.classes();
    if !classes.is_empty() {
        let description = "The class that is explained: the positive one of two, of more the predicted one";
        properties["class"] = json!({"type": "string", "enum": classes, "description": description});
    }
    let required: Vec<_> = properties.as_object().into_iter().flat_map(Map::keys).cloned().collect();
    json!({"type": "object", "required": required, "properties": properties})
}

fn errors(manifest: &Manifest) -> Value {
    json!({
        "Error": {
            "type": "object",
            "required": ["error"],
            "properties": {"error": {"type": "string"}, "details": reference("Details")},
            "examples": [example_error(manifest.input.fields())],
        },
        "Details": {"type": "array", "items": reference("Detail"), "description": "Every mistake"},
        "Detail": {
            "type": "object",
            "required": ["row", "expected", "got"],
            "properties": {
                "row": {"type": "integer", "minimum": 0, "description": "The row, from 1; 0 for the header of a table"},
                "field": {"type": "string", "description": "The field; absent where the whole row is meant"},
                "expected": {"type": "string"},
                "got": {"type": "string"},
            },
        },
    })
}

fn tensors(manifest: &Manifest) -> Value {
    let outputs = output_names(&manifest.output);
    let text = json!({"type": "string"});
    let binary = json!({"type": "boolean", "description": "Whether outputs are wanted as bytes behind the JSON"});
    let mut parameters = json!({"binary_data_output": binary});
    if outputs.contains(&DECISION) {
        parameters[wants::THRESHOLD] = wants::threshold_schema();
    }
    json!({
        "Tensor": {
            "type": "object",
            "required": ["name", "shape", "datatype"],
            "properties": {
                "name": {"type": "string", "minLength": 1},
                "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1, "maxItems": MAX_RANK},
                "datatype": {"type": "string", "examples": ["FP64", "INT64", "BOOL", "BYTES"]},
                "data": {"type": "array", "description": "Flat, row by row, or nested as the shape says"},
                "parameters": {"type": "object", "properties": {"binary_data_size": {
                    "type": "integer",
                    "minimum": 0,
                    "description": "How many bytes behind the JSON hold the values, where data do not",
                }}},
            },
        },
        "InferRequest": {
            "type": "object",
            "required": ["inputs"],
            "properties": {
                "id": text,
                "parameters": {"type": "object", "properties": parameters},
                "inputs": {"type": "array", "items": reference("Tensor"), "minItems": 1},
                "outputs": {"type": "array", "items": {
                    "type": "object",
                    "required": ["name"],
                    "properties": {
                        "name": {"type": "string", "enum": outputs},
                        "parameters": {"type": "object", "properties": {"binary_data": binary}},
                    },
                }},
            },
        },
        "InferReply": {
            "type": "object",
            "required": ["model_name", "model_version", "outputs"],
            "properties": {
                "model_name": text,
                "model_version": text,
                "id": text,
                "parameters": {"type": "object"},
                "outputs": {"type": "array", "items": reference("Tensor")},
            },
        },
    })
}

/// The schema of a field. The range seen in training is no bound: the server takes any number.
fn property(field: &Field) -> Value {
    let type_ = match field.type_ {
        FeatureType::Number => "number",
        FeatureType::Boolean => "boolean",
        FeatureType::Category | FeatureType::Timestamp => "string",
    };
    let mut property = json!({"type": type_, "examples": [example(field)]});
    if !field.required() {
        property["type"] = json!([type_, "null"]);
    }
    if field.type_ == FeatureType::Timestamp {
        property["format"] = "date-time".into();
    }
    // A set is closed only where other categories are refused.
    let open = field.type_ == FeatureType::Category && field.unknown != Unknown::Reject;
    if open {
        property["x-known-categories"] = json!(field.categories);
    } else if field.type_ == FeatureType::Category {
        let mut categories: Vec<_> = field.categories.iter().map(|category| json!(category)).collect();
        if !field.required() {
            categories.push(Value::Null);
        }
        property["enum"] = categories.into();
    }
    if let Some(minimum) = field.minimum {
        property["minimum"] = minimum.into();
    }
    let range = field.range.filter(|_| field.type_ == FeatureType::Number);
    if let Some(range) = range {
        property["x-training-range"] = json!({"min": range.min, "max": range.max});
    }
    let seen = range.map(|range| format!("In training from {} to {}.", range.min, range.max));
    let others = open.then(|| super::others(field.unknown).to_owned());
    if let Some(unit) = &field.unit {
        property[UNIT] = unit.as_str().into();
    }
    let description: Vec<_> = meaning(field).into_iter().chain(seen).chain(others).collect();
    if !description.is_empty() {
        property["description"] = description.join(" ").into();
    }
    property
}

/// What a field means and is measured in.
fn meaning(field: &Field) -> Option<String> {
    match (&field.description, &field.unit) {
        (Some(meaning), Some(unit)) => Some(format!("{}, {unit}.", meaning.trim_end_matches('.'))),
        (Some(meaning), None) => Some(meaning.clone()),
        (None, Some(unit)) => Some(format!("In {unit}.")),
        (None, None) => None,
    }
}

/// The schema of a prediction.
pub fn answer(output: &Output) -> Value {
    match output {
        Output::Regression { name, unit: Some(unit), .. } => {
            json!({"type": "number", "description": format!("{name}, {unit}"), (UNIT): unit})
        }
        Output::Regression { name, .. } => json!({"type": "number", "description": name}),
        Output::Classification { name, classes, .. } => {
            json!({"type": "string", "enum": classes, "description": name})
        }
    }
}

fn example_error(fields: &[Field]) -> Value {
    let mistake = fields.iter().find_map(|field| field.decode(slipway_model::Value::Text("?")).err());
    mistake.map_or(Value::Null, |error| {
        json!({
            "error": format!("row 1: {error}"),
            "details": [{"row": 1, "field": error.field, "expected": error.expected, "got": error.got}],
        })
    })
}
