//! `POST /v2/models/{model}[/versions/{version}]/infer`.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::batch::{self, Data, Inferred};
use super::{Target, binary, request};
use crate::api::{Kind, answer, json, naming, refuse, to_json};
use crate::state::App;

/// `POST /v2/models/{model}[/versions/{version}]/infer`.
pub async fn infer(State(app): State<Arc<App>>, Path(target): Path<Target>, request: Request) -> Response {
    if let Err(error) = target.check(app.manifest()) {
        return refuse(request, error).await;
    }
    let json_length = match binary::json_length(request.headers()) {
        Ok(length) => length,
        Err(error) => return refuse(request, error).await,
    };
    let naming = naming(&app, request.headers());
    answer(app, request, Kind::Tensors, batch::may_be_slow, move |app, body, deadline| {
        let request = request::read(body, json_length, app.max_rows, app.model().fields().len())?;
        let inferred = batch::infer(app, body, &request, naming, deadline)?;
        Ok(reply(app, request.id.as_deref(), &inferred))
    })
    .await
    .into_response()
}

#[derive(Serialize)]
struct Reply<'a> {
    model_name: &'a str,
    model_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<serde_json::Value>,
    outputs: Vec<Output<'a>>,
}

#[derive(Serialize)]
struct Output<'a> {
    name: &'static str,
    datatype: &'static str,
    shape: &'a [usize],
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Parameters>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Data<'a>>,
}

#[derive(Serialize)]
struct Parameters {
    binary_data_size: usize,
}

fn reply(app: &App, id: Option<&str>, inferred: &Inferred<'_>) -> Response {
    let mut bytes = Vec::new();
    let mut outputs = Vec::with_capacity(inferred.outputs.len());
    for batch::Output { name, datatype, shape, data, as_bytes } in &inferred.outputs {
        let before = bytes.len();
        if *as_bytes {
            data.push_to(&mut bytes);
        }
        let parameters = as_bytes.then(|| Parameters { binary_data_size: bytes.len() - before });
        let data = (!as_bytes).then_some(data);
        outputs.push(Output { name, datatype, shape, parameters, data });
    }
    let warnings = &inferred.warnings;
    let mut body = to_json(&Reply {
        model_name: &app.manifest().model_name,
        model_version: &app.manifest().version,
        id,
        // The protocol has no place for warnings but parameters, which are single values.
        parameters: (!warnings.is_empty()).then(|| serde_json::json!({"warnings": warnings.join("; ")})),
        outputs,
    });
    if !inferred.outputs.iter().any(|output| output.as_bytes) {
        return json(body);
    }
    let length = HeaderValue::from(body.len());
    body.append(&mut bytes);
    let media_type = HeaderValue::from_static("application/octet-stream");
    let headers = [(header::CONTENT_TYPE, media_type), (binary::HEADER, length)];
    (headers, body).into_response()
}
