//! `POST /predict`: a row, or a list of rows.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use slipway_model::{Artefact, Model, Prediction};

use super::deadline::Deadline;
use super::error::{ApiError, Detail};
use super::json::rows::{self, Form, RowError, Rows};
use super::{answer, to_json};
use crate::state::App;

/// How often the deadline is looked at, rows.
const DEADLINE_EVERY: usize = 64;

/// `POST /predict`.
pub async fn predict(State(app): State<Arc<App>>, request: Request) -> Result<Response, ApiError> {
    answer(app, request, |app, body, deadline| {
        let rows = rows::read(app, body, Form::Any, deadline)?;
        let single = rows.single;
        let Predicted { rows, warnings } = predict_rows(app, rows, deadline)?;
        let manifest = app.manifest();
        let (model, version) = (manifest.model_name.as_str(), manifest.version.as_str());
        if !single {
            let predictions = rows.iter().map(|row| Item::new(app, row)).collect();
            return Ok(to_json(&ListReply { predictions, model, version, warnings }));
        }
        match rows.into_iter().next() {
            Some(Ok(prediction)) => {
                let row = PredictedRow::new(app.model(), &prediction, app.ids.next());
                Ok(to_json(&RowReply { row, model, version, warnings }))
            }
            Some(Err(error)) => {
                Err(ApiError::bad_rows(StatusCode::UNPROCESSABLE_ENTITY, error.details, error.mistakes))
            }
            None => Err(ApiError::internal()),
        }
    })
    .await
}

/// The reply to a row, for documentation.
pub fn example_reply(artefact: &Artefact, row: Option<&Map<String, Value>>) -> Option<Value> {
    let Artefact { manifest, model, .. } = artefact;
    let prediction = predict_row(model, 1, &model.decode_json(row?).ok()?).ok()?;
    let row = PredictedRow::new(model, &prediction, "0".repeat(32));
    let (model, version) = (manifest.model_name.as_str(), manifest.version.as_str());
    serde_json::to_value(RowReply { row, model, version, warnings: Vec::new() }).ok()
}

/// The predictions of a request.
pub struct Predicted {
    /// Of each row, or what is wrong with it.
    pub rows: Vec<Result<Prediction, RowError>>,
    /// About fields that were ignored.
    pub warnings: Vec<String>,
}

/// Predicts the rows of a body and counts them.
pub fn predict_rows(app: &App, rows: Rows, deadline: Deadline) -> Result<Predicted, ApiError> {
    let mut predicted = Vec::with_capacity(rows.rows.len());
    for (place, row) in rows.rows.into_iter().enumerate() {
        if place % DEADLINE_EVERY == 0 {
            deadline.check()?;
        }
        predicted.push(row.and_then(|row| predict_row(app.model(), place + 1, &row).map_err(RowError::one)));
    }
    let good = predicted.iter().filter(|row| row.is_ok()).count();
    app.metrics.rows(good, predicted.len() - good);
    app.metrics.unknown_fields.inc_by(rows.unknown.count);
    Ok(Predicted { rows: predicted, warnings: rows.unknown.warnings() })
}

/// Predicts one row. Values so large that there is no finite prediction are the row's mistake.
pub fn predict_row(model: &Model, number: usize, row: &[f64]) -> Result<Prediction, Detail> {
    let prediction = model.predict(row);
    let finite = match &prediction {
        Prediction::Number(number) => number.is_finite(),
        Prediction::Class { probabilities, .. } => probabilities.iter().all(|number| number.is_finite()),
    };
    if finite {
        Ok(prediction)
    } else {
        Err(Detail::of_row(number, "values with a finite prediction", "values that are too large"))
    }
}

/// What is predicted: a number or the name of a class.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Answer<'m> {
    /// Of a regression.
    Number(f64),
    /// Of a classification.
    Class(&'m str),
}

impl<'m> Answer<'m> {
    /// As callers see it.
    pub fn new(model: &'m Model, prediction: &Prediction) -> Answer<'m> {
        match prediction {
            Prediction::Number(number) => Answer::Number(*number),
            Prediction::Class { class, .. } => {
                Answer::Class(model.output().classes().get(*class).map_or("", String::as_str))
            }
        }
    }
}

/// Probabilities by class, in the order of the classes.
struct Probabilities<'m> {
    classes: &'m [String],
    probabilities: &'m [f64],
}

impl Serialize for Probabilities<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.classes.len()))?;
        for (class, probability) in self.classes.iter().zip(self.probabilities) {
            map.serialize_entry(class, probability)?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct PredictedRow<'a> {
    prediction: Answer<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    probabilities: Option<Probabilities<'a>>,
    prediction_id: String,
}

impl<'a> PredictedRow<'a> {
    fn new(model: &'a Model, prediction: &'a Prediction, prediction_id: String) -> PredictedRow<'a> {
        let probabilities = match prediction {
            Prediction::Number(_) => None,
            Prediction::Class { probabilities, .. } => {
                Some(Probabilities { classes: model.output().classes(), probabilities })
            }
        };
        PredictedRow { prediction: Answer::new(model, prediction), probabilities, prediction_id }
    }
}

#[derive(Serialize)]
struct RowReply<'a> {
    #[serde(flatten)]
    row: PredictedRow<'a>,
    model: &'a str,
    version: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct ListReply<'a> {
    predictions: Vec<Item<'a>>,
    model: &'a str,
    version: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// One row of a list: a prediction, or what is wrong with the row.
#[derive(Serialize)]
#[serde(untagged)]
enum Item<'a> {
    Predicted(PredictedRow<'a>),
    Refused { error: Mistakes<'a> },
}

impl<'a> Item<'a> {
    fn new(app: &'a App, row: &'a Result<Prediction, RowError>) -> Item<'a> {
        match row {
            Ok(prediction) => Item::Predicted(PredictedRow::new(app.model(), prediction, app.ids.next())),
            Err(RowError { message, details, .. }) => Item::Refused { error: Mistakes { message, details } },
        }
    }
}

#[derive(Serialize)]
struct Mistakes<'a> {
    message: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    details: &'a [Detail],
}
