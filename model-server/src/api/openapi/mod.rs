//! `GET /openapi.json`: the API of this very model, as OpenAPI 3.1.

mod schemas;

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderName;
use axum::response::Response;
use serde_json::{Map, Value, json};
use slipway_model::{Artefact, Field, Manifest, Output, Unknown};
use slipway_spec::FeatureType;

use super::observe::MAX_REQUEST_ID;
use super::predict::example_reply;
use super::route::{Exchange, Operation, ROUTES};
use super::stream::write_cell;
use super::v2::{binary, input_metadata};
use super::wants::{self, Extra};
use super::{MODEL_HEADER, REQUEST_ID_HEADER, VERSION_HEADER, deadline, keys, trace};
use crate::config::{Limits, MAX_DEADLINE};
use crate::state::{App, Settings};

/// `GET /openapi.json`.
pub async fn show(State(app): State<Arc<App>>) -> Response {
    super::json(app.openapi.clone())
}

/// The document for a model that is served so.
pub fn document(artefact: &Artefact, settings: &Settings, max_rows: usize) -> Value {
    let manifest = &artefact.manifest;
    let keyed = settings.keys.is_some();
    let mut paths = Map::new();
    let describer = Describer { artefact, settings, max_rows, row: example_row(manifest) };
    for route in &ROUTES {
        for operation in route.operations {
            let address = paths.entry(route.address(operation, manifest)).or_insert_with(|| json!({}));
            let (method, mut description) = describer.describe(operation);
            if keyed && route.open {
                description["security"] = json!([]);
            } else if keyed {
                description["responses"]["401"] = response("No key, or not one of those", &error(), None);
            }
            address[method] = description;
        }
    }
    let mut document = json!({
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
            {"name": "about", "description": "What there is"},
        ],
        "security": [],
        "paths": paths,
        "components": {
            "schemas": schemas::all(manifest),
            "headers": {
                "Model": header("The model's name"),
                "Version": header("The model's version"),
                "RequestId": header("The caller's own identifier, or a new one"),
                "Warnings": header("Columns that were ignored"),
            },
            "parameters": {
                "RequestId": parameter(
                    &REQUEST_ID_HEADER,
                    &format!("Repeated in the reply; one of more than {MAX_REQUEST_ID} characters is replaced"),
                    &json!({"type": "string"}),
                ),
                "Deadline": deadline_parameter(settings.limits.request_timeout_ms),
                "TraceParent": parameter(&trace::HEADER, "The trace that the request is a part of (W3C)", &json!({"type": "string"})),
                "With": with_parameter(&manifest.output),
                "Threshold": {
                    "name": wants::THRESHOLD,
                    "in": "query",
                    "schema": wants::threshold_schema(),
                },
                "JsonLength": parameter(
                    &binary::HEADER,
                    "How many bytes of the body are JSON, where tensors follow as bytes",
                    &json!({"type": "integer", "minimum": 0}),
                ),
            },
        },
    });
    if keyed {
        document["security"] = json!([{"Bearer": []}, {"ApiKey": []}, {"Basic": []}]);
        document["components"]["securitySchemes"] = json!({
            "Bearer": {"type": "http", "scheme": "bearer", "description": "The key"},
            "ApiKey": {"type": "apiKey", "in": "header", "name": keys::HEADER.as_str(), "description": "The key"},
            "Basic": {"type": "http", "scheme": "basic", "description": "For browsers: any user, and the key as the password"},
        });
    }
    document
}

fn header(description: &str) -> Value {
    json!({"description": description, "schema": {"type": "string"}})
}

fn parameter(name: &HeaderName, description: &str, schema: &Value) -> Value {
    json!({"name": name.as_str(), "in": "header", "description": description, "schema": schema})
}

fn with_parameter(output: &Output) -> Value {
    let names: Vec<_> = Extra::of(output).into_iter().map(Extra::name).collect();
    json!({
        "name": wants::WITH,
        "in": "query",
        "description": "What is wanted beside the prediction, parted by commas",
        "style": "form",
        "explode": false,
        "schema": {"type": "array", "items": {"type": "string", "enum": names}},
    })
}

fn deadline_parameter(usual: Option<u64>) -> Value {
    let mut schema = json!({"type": "integer", "minimum": 1, "maximum": MAX_DEADLINE});
    if let Some(usual) = usual {
        schema["default"] = usual.into();
    }
    parameter(&deadline::HEADER, "After so many milliseconds nobody waits for the reply any more", &schema)
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

fn error() -> Value {
    reference("Error")
}

/// A reply with a JSON body.
fn response(description: &str, schema: &Value, example: Option<Value>) -> Value {
    let mut content = json!({"schema": schema});
    if let Some(example) = example {
        content["example"] = example;
    }
    let headers = json!({
        (MODEL_HEADER.as_str()): {"$ref": "#/components/headers/Model"},
        (VERSION_HEADER.as_str()): {"$ref": "#/components/headers/Version"},
        (REQUEST_ID_HEADER.as_str()): {"$ref": "#/components/headers/RequestId"},
    });
    json!({"description": description, "headers": headers, "content": {"application/json": content}})
}

/// Describes operations.
struct Describer<'a> {
    artefact: &'a Artefact,
    settings: &'a Settings,
    max_rows: usize,
    /// A typical row.
    row: Value,
}

/// What a prediction takes and gives, as JSON.
struct Prediction {
    body: Value,
    body_example: Value,
    reply: Value,
    reply_example: Option<Value>,
}

impl Describer<'_> {
    /// An operation's method and description.
    fn describe(&self, operation: &Operation) -> (&'static str, Value) {
        let (method, rest) = match operation.exchange {
            Exchange::Read(schema) => ("get", Self::read(operation, schema)),
            Exchange::Ask(schema) => {
                let mut read = Self::read(operation, schema);
                read["responses"]["503"] = response("It is not", &reference(schema), None);
                ("get", read)
            }
            Exchange::Page(schema) => {
                let mut read = Self::read(operation, schema);
                read["responses"]["200"]["content"]["text/html"] = json!({"schema": {"type": "string"}});
                ("get", read)
            }
            Exchange::PredictRows => ("post", self.predict_rows()),
            Exchange::PredictInstances => {
                let answer = schemas::answer(&self.artefact.manifest.output);
                let items = json!({"anyOf": [answer, reference("Predicted")]});
                ("post", self.predict_instances("predictions", &items))
            }
            Exchange::ExplainInstances => ("post", self.predict_instances("explanations", &reference("Predicted"))),
            Exchange::PredictTensors => ("post", self.predict_tensors()),
        };
        let mut description =
            json!({"tags": [operation.tag], "operationId": operation.id, "summary": operation.summary});
        if let (Value::Object(description), Value::Object(rest)) = (&mut description, rest) {
            description.extend(rest);
        }
        (method, description)
    }

    fn read(operation: &Operation, schema: &str) -> Value {
        let given = response(operation.summary, &reference(schema), None);
        json!({"responses": {"200": given, "default": response("An error", &error(), None)}})
    }

    fn predict_rows(&self) -> Value {
        let rows = json!({"type": "array", "items": reference("Row")});
        let mut description = self.predict(
            Prediction {
                body: json!({"anyOf": [reference("Row"), rows, instances(), reference("Combinations")]}),
                body_example: self.row.clone(),
                reply: json!({"anyOf": [reference("Prediction"), reference("Predictions")]}),
                reply_example: example_reply(self.artefact, self.row.as_object()),
            },
            &[("422", "A row that does not fit the schema, or a table without a column that the model requires")],
        );
        let taken = json!({
            "text/csv": {"schema": reference("Table"), "example": example_table(&self.row)},
            "application/x-ndjson": {"schema": reference("Lines"), "example": format!("{}\n", self.row)},
        });
        let given = json!({
            "text/csv": {"schema": reference("PredictionTable")},
            "application/x-ndjson": {"schema": reference("PredictionLines")},
        });
        self.add_wants(&mut description);
        extend(&mut description["requestBody"]["content"], taken);
        extend(&mut description["responses"]["200"]["content"], given);
        description["responses"]["200"]["headers"]["slipway-warnings"] =
            json!({"$ref": "#/components/headers/Warnings"});
        description
    }

    /// Rows given as a list, whose answers stand under `key`.
    fn predict_instances(&self, key: &str, items: &Value) -> Value {
        let prediction = Prediction {
            body: instances(),
            body_example: json!({"instances": [self.row]}),
            reply: json!({
                "type": "object",
                "required": [key],
                "properties": {(key): {"type": "array", "items": items}, "warnings": reference("Warnings")},
            }),
            reply_example: None,
        };
        let mut description = self.predict(prediction, &[("422", "A row that does not fit the schema")]);
        self.add_wants(&mut description);
        description
    }

    /// Adds the parameters that say what is wanted beside predictions.
    fn add_wants(&self, description: &mut Value) {
        let decides = Extra::of(&self.artefact.manifest.output).contains(&Extra::Decision);
        let names = [Some("With"), decides.then_some("Threshold")];
        let wants = names.into_iter().flatten().map(|name| json!({"$ref": format!("#/components/parameters/{name}")}));
        if let Some(parameters) = description["parameters"].as_array_mut() {
            parameters.extend(wants);
        }
    }

    fn predict_tensors(&self) -> Value {
        let prediction = Prediction {
            body: reference("InferRequest"),
            body_example: example_tensors(&self.artefact.manifest, &self.row),
            reply: reference("InferReply"),
            reply_example: None,
        };
        let mut description = self.predict(prediction, &[]);
        let bytes = json!({"application/octet-stream": {"schema": {
            "type": "string",
            "format": "binary",
            "description": format!("JSON of as many bytes as the header {} says, then tensors as bytes", binary::HEADER),
        }}});
        extend(&mut description["requestBody"]["content"], bytes.clone());
        extend(&mut description["responses"]["200"]["content"], bytes);
        if let Some(parameters) = description["parameters"].as_array_mut() {
            parameters.push(json!({"$ref": "#/components/parameters/JsonLength"}));
        }
        description
    }

    /// A prediction; `refusals` are those that are not every prediction's.
    fn predict(&self, prediction: Prediction, refusals: &[(&str, &str)]) -> Value {
        let Limits { max_body_bytes, request_timeout_ms, .. } = self.settings.limits;
        let too_large =
            format!("More than {max_body_bytes} bytes or {} rows; a stream has no such limit", self.max_rows);
        let too_late = match request_timeout_ms {
            Some(usual) => format!("The deadline passed, {usual} ms where {} does not say another", deadline::HEADER),
            None => "The caller's own deadline passed".to_owned(),
        };
        let mut responses = Map::new();
        let given = response("The prediction", &prediction.reply, prediction.reply_example);
        responses.insert("200".to_owned(), given);
        let usual = [
            ("400", "Not JSON, or not the protocol"),
            ("408", "The body stood still"),
            ("413", &too_large),
            ("415", "A body of another type, or compressed in another way"),
            ("429", "No room now; try again after the seconds of the header Retry-After"),
            ("504", &too_late),
        ];
        for (code, description) in usual.iter().chain(refusals) {
            responses.insert((*code).to_owned(), response(description, &error(), None));
        }
        let parameters = ["RequestId", "Deadline", "TraceParent"];
        let parameters = parameters.map(|name| json!({"$ref": format!("#/components/parameters/{name}")}));
        responses["429"]["headers"]["Retry-After"] = json!({"schema": {"type": "integer"}});
        json!({
            "parameters": parameters,
            "requestBody": {
                "required": true,
                "description": "May be compressed, with the header Content-Encoding: gzip, deflate or zstd",
                "content": {"application/json": {"schema": prediction.body, "example": prediction.body_example}},
            },
            "responses": responses,
        })
    }
}

fn extend(object: &mut Value, more: Value) {
    if let (Value::Object(object), Value::Object(more)) = (object, more) {
        object.extend(more);
    }
}

fn instances() -> Value {
    let rows = json!({"type": "array", "items": reference("Row")});
    json!({"type": "object", "required": ["instances"], "properties": {"instances": rows}})
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

/// A table of one row.
fn example_table(row: &Value) -> String {
    let mut table = Vec::new();
    let columns: Vec<_> = row.as_object().into_iter().flatten().collect();
    for (place, (name, _)) in columns.iter().enumerate() {
        table.extend_from_slice(if place == 0 { b"" } else { b"," });
        write_cell(&mut table, name);
    }
    for (place, (_, value)) in columns.iter().enumerate() {
        table.extend_from_slice(if place == 0 { b"\n" } else { b"," });
        write_cell(&mut table, value.as_str().map_or_else(|| value.to_string(), str::to_owned).as_str());
    }
    table.push(b'\n');
    String::from_utf8_lossy(&table).into_owned()
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
