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
use super::stream::{self, Format};
use super::{Kind, answer, reply};
use crate::state::App;

/// Rows that are predicted together; then the deadline is looked at.
pub const TOGETHER: usize = 256;

/// `POST /predict`.
pub async fn predict(State(app): State<Arc<App>>, request: Request) -> Result<Response, ApiError> {
    if let Some(format) = Format::of_body(request.headers()) {
        return stream::answer(app, request, format).await;
    }
    answer(app, request, Kind::Json, |app, body, deadline| {
        let rows = rows::read(app, body, Form::Any, deadline)?;
        let single = rows.single;
        let Predicted { rows, warnings } = predict_rows(app, rows, deadline)?;
        let manifest = app.manifest();
        let (model, version) = (manifest.model_name.as_str(), manifest.version.as_str());
        if !single {
            let predictions = rows.iter().map(|row| Item::new(app, row)).collect();
            return Ok(reply(&ListReply { predictions, model, version, warnings }));
        }
        match rows.into_iter().next() {
            Some(Ok(prediction)) => {
                let row = PredictedRow::new(app.model(), &prediction, app.ids.next());
                Ok(reply(&RowReply { row, model, version, warnings }))
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
    let decoded = model.decode_json(row?).ok()?;
    let prediction = predict_together(model, [decoded.as_slice()]).pop()??;
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
    let mut rest = rows.rows.into_iter();
    while rest.len() > 0 {
        deadline.check()?;
        let together: Vec<_> = rest.by_ref().take(TOGETHER).collect();
        let good = together.iter().flatten().map(Vec::as_slice);
        let mut predictions = predict_together(app.model(), good).into_iter();
        for row in together {
            let number = predicted.len() + 1;
            predicted.push(row.and_then(|_| match predictions.next().flatten() {
                Some(prediction) => Ok(prediction),
                None => Err(RowError::one(too_large(number))),
            }));
        }
    }
    let good = predicted.iter().filter(|row| row.is_ok()).count();
    app.metrics.rows(good, predicted.len() - good);
    app.metrics.unknown_fields.inc_by(rows.unknown.count);
    Ok(Predicted { rows: predicted, warnings: rows.unknown.warnings() })
}

/// Predicts rows; none where a row has no finite prediction.
pub fn predict_together<'r>(model: &Model, rows: impl IntoIterator<Item = &'r [f64]>) -> Vec<Option<Prediction>> {
    let numbers = model.predict_rows(rows);
    let finite = |raw: &[f64]| raw.iter().all(|number| number.is_finite());
    let rows = numbers.chunks_exact(model.output().width());
    rows.map(|raw| finite(raw).then(|| model.prediction(raw.to_vec()))).collect()
}

/// The mistake of a row whose values are so large that there is no finite prediction.
pub fn too_large(number: usize) -> Detail {
    Detail::of_row(number, "values with a finite prediction", "values that are too large")
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

/// A row's prediction as callers see it.
#[derive(Serialize)]
pub struct PredictedRow<'a> {
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
pub enum Item<'a> {
    /// A prediction.
    Predicted(PredictedRow<'a>),
    /// No prediction.
    Refused {
        /// Why not.
        error: Mistakes<'a>,
    },
}

impl<'a> Item<'a> {
    /// As callers see it, with an identifier of its own.
    pub fn new(app: &'a App, row: &'a Result<Prediction, RowError>) -> Item<'a> {
        match row {
            Ok(prediction) => Item::Predicted(PredictedRow::new(app.model(), prediction, app.ids.next())),
            Err(RowError { message, details, .. }) => Item::Refused { error: Mistakes { message, details } },
        }
    }
}

/// What is wrong with a row.
#[derive(Serialize)]
pub struct Mistakes<'a> {
    message: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    details: &'a [Detail],
}
