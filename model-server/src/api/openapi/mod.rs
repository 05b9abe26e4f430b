//! `GET /openapi.json`: the API of this very model, as OpenAPI 3.1.

mod schemas;

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde_json::{Map, Value, json};
use slipway_model::{Artefact, Field, Manifest, Unknown};
use slipway_spec::FeatureType;

use super::deadline;
use super::predict::example_reply;
use super::v2::input_metadata;
use super::{MODEL_HEADER, REQUEST_ID_HEADER, VERSION_HEADER};
use crate::state::App;

/// `GET /openapi.json`.
pub async fn show(State(app): State<Arc<App>>) -> Response {
    super::json(app.openapi.clone())
}

/// The document for a model.
pub fn document(artefact: &Artefact) -> Value {
    let manifest = &artefact.manifest;
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": manifest.model_name,
            "version": manifest.version,
            "summary": format!("Predicts {}", manifest.output.name()),
            "description": format!(
                "A {} trained by Slipway (digest {}). A field the model does not know is ignored and named in `warnings`.",
                manifest.estimator, artefact.digest
            ),
            "license": {"name": "The model's owner decides", "identifier": "LicenseRef-unspecified"},
        },
        "servers": [{"url": "."}],
        "tags": [
            {"name": "predict", "description": "Predictions"},
            {"name": "v1", "description": "KServe's V1 protocol"},
            {"name": "v2", "description": "Open Inference Protocol"},
        ],
        "security": [],
        "paths": paths(artefact),
        "components": {
            "schemas": schemas::all(manifest),
            "headers": {
                "Model": header("The model's name"),
                "Version": header("The model's version"),
                "RequestId": header("The caller's own identifier, or a new one"),
            },
            "parameters": {
                "RequestId": parameter(REQUEST_ID_HEADER, "Repeated in the reply", &json!({"type": "string", "maxLength": 128})),
                "Deadline": parameter(
                    deadline::HEADER,
                    "After so many milliseconds nobody waits for the reply any more",
                    &json!({"type": "integer", "minimum": 1, "maximum": 3_600_000}),
                ),
            },
        },
    })
}

fn header(description: &str) -> Value {
    json!({"description": description, "schema": {"type": "string"}})
}

fn parameter(name: &str, description: &str, schema: &Value) -> Value {
    json!({"name": name, "in": "header", "description": description, "schema": schema})
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

/// A reply with a JSON body.
fn response(description: &str, schema: &Value, example: Option<Value>) -> Value {
    let mut content = json!({"schema": schema});
    if let Some(example) = example {
        content["example"] = example;
    }
    let headers = json!({
        MODEL_HEADER: {"$ref": "#/components/headers/Model"},
        VERSION_HEADER: {"$ref": "#/components/headers/Version"},
        REQUEST_ID_HEADER: {"$ref": "#/components/headers/RequestId"},
    });
    json!({"description": description, "headers": headers, "content": {"application/json": content}})
}

/// An operation that reads something.
fn read(tag: &str, id: &str, summary: &str, schema: &Value) -> Value {
    json!({"get": {
        "tags": [tag],
        "operationId": id,
        "summary": summary,
        "responses": {"200": response(summary, schema, None), "default": response("An error", &reference("Error"), None)},
    }})
}

/// What a prediction takes and gives.
struct Prediction<'a> {
    tag: &'a str,
    id: &'a str,
    summary: &'a str,
    body: Value,
    body_example: Value,
    reply: Value,
    reply_example: Option<Value>,
}

impl Prediction<'_> {
    /// The operation.
    fn operation(self) -> Value {
        let mut responses = Map::new();
        responses.insert("200".to_owned(), response("The prediction", &self.reply, self.reply_example));
        for (code, description) in [
            ("400", "Not JSON, or not the protocol"),
            ("413", "The body or the list of rows is too large"),
            ("415", "Not said to be JSON"),
            ("422", "A row that does not fit the schema"),
            ("429", "No room now; try again after the seconds of the header Retry-After"),
            ("504", "The caller's own deadline passed"),
        ] {
            responses.insert(code.to_owned(), response(description, &reference("Error"), None));
        }
        json!({"post": {
            "tags": [self.tag],
            "operationId": self.id,
            "summary": self.summary,
            "parameters": [{"$ref": "#/components/parameters/RequestId"}, {"$ref": "#/components/parameters/Deadline"}],
            "requestBody": {
                "required": true,
                "content": {"application/json": {"schema": self.body, "example": self.body_example}},
            },
            "responses": responses,
        }})
    }
}

fn paths(artefact: &Artefact) -> Value {
    let manifest = &artefact.manifest;
    let name = &manifest.model_name;
    let row = example_row(manifest);
    let object = json!({"type": "object"});
    let rows = json!({"type": "array", "items": reference("Row")});
    let instances = json!({"type": "object", "required": ["instances"], "properties": {"instances": rows}});
    let predict = Prediction {
        tag: "predict",
        id: "predict",
        summary: "Predict one row, or a list of rows; in a list, a bad row costs only itself",
        body: json!({"anyOf": [reference("Row"), rows, instances]}),
        body_example: row.clone(),
        reply: json!({"anyOf": [reference("Prediction"), reference("Predictions")]}),
        reply_example: example_reply(artefact, row.as_object()),
    };
    let v1_predict = Prediction {
        tag: "v1",
        id: "predictV1",
        summary: "Predict a list of rows; a bad row refuses the whole list",
        body: instances,
        body_example: json!({"instances": [row]}),
        reply: json!({
            "type": "object",
            "required": ["predictions"],
            "properties": {"predictions": {"type": "array", "items": schemas::answer(&manifest.output)}, "warnings": reference("Warnings")},
        }),
        reply_example: None,
    };
    let mut paths = Map::new();
    let mut add = |path: String, operation: Value| drop(paths.insert(path, operation));
    add("/predict".to_owned(), predict.operation());
    add("/v1/models".to_owned(), read("v1", "listModelsV1", "The models of this server", &object));
    add(format!("/v1/models/{name}"), read("v1", "getModelV1", "Whether the model is ready", &object));
    add(format!("/v1/models/{name}:predict"), v1_predict.operation());
    add("/v2".to_owned(), read("v2", "getServer", "The server's name and version", &object));
    add("/v2/health/live".to_owned(), read("v2", "getLive", "Whether the server lives", &object));
    add("/v2/health/ready".to_owned(), read("v2", "getReady", "Whether the server is ready", &object));
    for (suffix, base) in
        [("", format!("/v2/models/{name}")), ("OfVersion", format!("/v2/models/{name}/versions/{}", manifest.version))]
    {
        add(base.clone(), read("v2", &format!("getModel{suffix}"), "The model's inputs and outputs", &object));
        add(
            format!("{base}/ready"),
            read("v2", &format!("getModelReady{suffix}"), "Whether the model is ready", &object),
        );
        let infer = Prediction {
            tag: "v2",
            id: &format!("infer{suffix}"),
            summary: "Predict rows given as tensors",
            body: reference("InferRequest"),
            body_example: example_tensors(manifest, &row),
            reply: reference("InferReply"),
            reply_example: None,
        };
        add(format!("{base}/infer"), infer.operation());
    }
    Value::Object(paths)
}

/// A typical value of a field that the field takes.
pub fn example(field: &Field) -> Value {
    let given = &field.example;
    if !given.is_null() && field.decode(given.into()).is_ok() {
        return given.clone();
    }
    match field.type_ {
        FeatureType::Number => field.range.map_or(json!(0), |range| json!(f64::midpoint(range.min, range.max))),
        FeatureType::Boolean => json!(true),
        FeatureType::Category => json!(field.categories.first()),
        FeatureType::Timestamp => json!("2024-05-01T06:30:00Z"),
    }
}

/// What becomes of a category that training did not know, where it is taken.
pub fn others(unknown: Unknown) -> &'static str {
    match unknown {
        Unknown::AsMissing => "Any other text counts as missing.",
        Unknown::Reject | Unknown::Other => "Any other text counts as a category of its own.",
    }
}

/// A typical row.
pub fn example_row(manifest: &Manifest) -> Value {
    manifest.input.fields().iter().map(|field| (field.name.clone(), example(field))).collect::<Map<_, _>>().into()
}

fn example_tensors(manifest: &Manifest, row: &Value) -> Value {
    let tensors: Vec<_> = manifest
        .input
        .fields()
        .iter()
        .map(|field| {
            let mut tensor = input_metadata(field);
            tensor["shape"] = json!([1]);
            tensor["data"] = json!([row[&field.name]]);
            tensor
        })
        .collect();
    json!({"inputs": tensors})
}
