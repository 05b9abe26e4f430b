//! KServe's V1 protocol: `GET /v1/models`, `GET /v1/models/{model}`, `POST /v1/models/{model}:predict` and `:explain`.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any};
use serde::Serialize;
use serde_json::json;

use super::error::{ApiError, Detail};
use super::json::rows::{self, Form, MAX_DETAILS};
use super::predict::{Answer, PredictedRow, predict_rows, teller};
use super::wants::Wants;
use super::{Kind, answer, body, refuse, reply};
use crate::state::{App, Phase};

/// What follows a model's name where it is to predict.
pub const PREDICT: &str = ":predict";
/// What follows it where predictions are to be explained.
pub const EXPLAIN: &str = ":explain";

/// `GET /v1/models`.
pub async fn list(State(app): State<Arc<App>>) -> Response {
    reply(&json!({"models": [app.manifest().model_name]}))
}

/// Everything under `/v1/models/`: the router takes a segment as a whole, so that the verb is told apart here.
pub fn model() -> MethodRouter<Arc<App>> {
    any(dispatch)
}

async fn dispatch(State(app): State<Arc<App>>, Path(segment): Path<String>, request: Request) -> Response {
    let verb = [PREDICT, EXPLAIN].into_iter().find(|verb| segment.ends_with(verb));
    let name = verb.and_then(|verb| segment.strip_suffix(verb)).unwrap_or(&segment);
    let allowed = if verb.is_some() { "POST" } else { "GET,HEAD" };
    if !allowed.split(',').any(|method| request.method() == method) {
        return ([(header::ALLOW, allowed)], refuse(request, ApiError::method_not_allowed()).await).into_response();
    }
    if name != app.manifest().model_name {
        return refuse(request, ApiError::unknown_model(name, &app.manifest().model_name)).await;
    }
    if request.method() == Method::POST {
        predict(app, request, verb == Some(EXPLAIN)).await.into_response()
    } else {
        reply(&json!({"name": name, "ready": app.lifecycle.phase() == Phase::Ready}))
    }
}

/// Predictions have no place for an error of their own in this protocol, so that one bad row refuses the request. They are bare
/// numbers or classes, unless more is wanted, as it is where they are explained.
async fn predict(app: Arc<App>, request: Request, explain: bool) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    #[serde(untagged)]
    enum One<'a> {
        Bare(Answer<'a>),
        Full(PredictedRow<'a>),
    }
    #[derive(Serialize)]
    struct Reply<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        predictions: Option<Vec<One<'a>>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        explanations: Option<Vec<One<'a>>>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        warnings: Vec<String>,
    }
    let teller = teller(&app, &request).map(|mut teller| {
        if explain {
            teller.wants = Wants { anything: true, contributions: true, ..teller.wants };
        }
        teller
    });
    let teller = match teller {
        Ok(teller) => teller,
        Err(error) => {
            let (parts, body) = request.into_parts();
            return Err(body::refuse(&parts.headers, body, error).await);
        }
    };
    let Wants { anything, contributions, .. } = teller.wants;
    let slow = move |app: &App, _: &[u8]| contributions && app.explains_slowly();
    answer(app, request, Kind::Json, slow, move |app, body, deadline| {
        let rows = rows::read(app, body, Form::Instances, deadline)?;
        let predicted = predict_rows(app, &teller, rows, deadline)?;
        let mut predictions = Vec::with_capacity(predicted.rows.len());
        let mut details: Vec<Detail> = Vec::new();
        let mut mistakes = 0;
        for row in &predicted.rows {
            match row {
                Ok(told) if anything => {
                    let row = PredictedRow::new(app.model(), app.scale(), &teller.wants, told);
                    predictions.push(One::Full(row));
                }
                Ok(told) => predictions.push(One::Bare(Answer::new(app.model(), &told.prediction))),
                Err(error) => {
                    mistakes += error.mistakes;
                    details.extend(error.details.iter().take(MAX_DETAILS - details.len()).cloned());
                }
            }
        }
        if mistakes > 0 {
            return Err(ApiError::bad_rows(StatusCode::UNPROCESSABLE_ENTITY, details, mistakes));
        }
        let warnings = predicted.warnings;
        let (predictions, explanations) = if explain { (None, Some(predictions)) } else { (Some(predictions), None) };
        Ok(reply(&Reply { predictions, explanations, warnings }))
    })
    .await
}
