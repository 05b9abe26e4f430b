//! `POST /predict`: a row, or a list of rows.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use slipway_model::{Model, Prediction};

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
                Ok(to_json(&RowReply { row: PredictedRow::new(app, &prediction), model, version, warnings }))
            }
            Some(Err(error)) => {
                Err(ApiError::bad_rows(StatusCode::UNPROCESSABLE_ENTITY, error.details, error.mistakes))
            }
            None => Err(ApiError::internal()),
        }
    })
    .await
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
    pub fn new(app: &'m App, prediction: &Prediction) -> Answer<'m> {
        match prediction {
            Prediction::Number(number) => Answer::Number(*number),
            Prediction::Class { class, .. } => {
                Answer::Class(app.model().output().classes().get(*class).map_or("", String::as_str))
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
    fn new(app: &'a App, prediction: &'a Prediction) -> PredictedRow<'a> {
        let probabilities = match prediction {
            Prediction::Number(_) => None,
            Prediction::Class { probabilities, .. } => {
                Some(Probabilities { classes: app.model().output().classes(), probabilities })
            }
        };
        PredictedRow { prediction: Answer::new(app, prediction), probabilities, prediction_id: app.ids.next() }
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
            Ok(prediction) => Item::Predicted(PredictedRow::new(app, prediction)),
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
