//! `POST /predict`: a row, or a list of rows.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use slipway_model::{Artefact, Field, Model, OutputScale, Prediction, TruthRange};

use super::deadline::Deadline;
use super::error::{ApiError, Detail};
use super::json::combine::{Id, Lists};
use super::json::rows::{self, Form, RowError, Rows, Shape};
use super::json::table::Table;
use super::stream::{self, Format};
use super::tell::{Teller, Told, too_large};
use super::wants::Wants;
use super::{Kind, answer, body, naming, reply};
use crate::ids::Identifier;
use crate::state::App;

/// `POST /predict`.
pub async fn predict(State(app): State<Arc<App>>, request: Request) -> Result<Response, ApiError> {
    let teller = match teller(&app, &request) {
        Ok(teller) => teller,
        Err(error) => {
            let (parts, body) = request.into_parts();
            return Err(body::refuse(&parts.headers, body, error).await);
        }
    };
    if let Some(format) = Format::of_body(request.headers()) {
        return stream::answer(app, request, format, teller).await;
    }
    let contributes = teller.wants.contributions;
    let slow = move |app: &App, _: &[u8]| contributes && app.explains_slowly();
    answer(app, request, Kind::Json, slow, move |app, body, deadline| {
        let mut read = rows::read(app, body, Form::Any, deadline)?;
        let shape = std::mem::replace(&mut read.shape, Shape::List);
        let Predicted { rows, warnings } = predict_rows(app, &teller, read, deadline)?;
        let manifest = app.manifest();
        let (model, version) = (manifest.model_name.as_str(), manifest.version.as_str());
        let items = || rows.iter().map(|row| Item::new(app, &teller.wants, row));
        match shape {
            Shape::List => {
                return Ok(reply(&ListReply { predictions: items().collect::<Vec<_>>(), model, version, warnings }));
            }
            Shape::Combined(lists) => {
                let predictions: Vec<_> =
                    items().enumerate().map(|(row, item)| Combination::new(&lists, row, item)).collect();
                return Ok(reply(&ListReply { predictions, model, version, warnings }));
            }
            Shape::Single => {}
        }
        match rows.into_iter().next() {
            Some(Ok(told)) => {
                let row = PredictedRow::new(app.model(), app.scale(), &teller.wants, &told);
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

/// What tells a request's rows as its address and headers say.
pub fn teller(app: &App, request: &Request) -> Result<Teller, ApiError> {
    Ok(Teller { wants: Wants::of(app, request.uri())?, naming: naming(app, request.headers()) })
}

/// The reply to a row, for documentation.
pub fn example_reply(artefact: &Artefact, row: Option<&Map<String, Value>>) -> Option<Value> {
    let Artefact { manifest, model, .. } = artefact;
    let prediction = model.predict(&model.decode_json(row?).ok()?);
    let told = Told { prediction, explanation: None, range: None, id: Identifier::default() };
    let row = PredictedRow::new(model, None, &Wants::default(), &told);
    let (model, version) = (manifest.model_name.as_str(), manifest.version.as_str());
    serde_json::to_value(RowReply { row, model, version, warnings: Vec::new() }).ok()
}

/// The predictions of a request.
pub struct Predicted {
    /// Of each row, or what is wrong with it.
    pub rows: Vec<Result<Told, RowError>>,
    /// About fields that were ignored.
    pub warnings: Vec<String>,
}

/// Predicts the rows of a body and counts them.
pub fn predict_rows(app: &App, teller: &Teller, rows: Rows, deadline: Deadline) -> Result<Predicted, ApiError> {
    teller.check_rows(app, rows.rows.count())?;
    let together = teller.together(app);
    let mut predicted = Vec::with_capacity(rows.rows.count());
    let mut rest = rows.rows;
    while rest.count() > 0 {
        deadline.check()?;
        predict_together(app, teller, predicted.len() + 1, rest.take(together), |row| predicted.push(row));
    }
    let good = predicted.iter().filter(|row| row.is_ok()).count();
    app.metrics.rows(good, predicted.len() - good);
    app.metrics.unknown_fields.inc_by(rows.unknown.count);
    Ok(Predicted { rows: predicted, warnings: rows.unknown.warnings() })
}

/// Predicts rows, the first of which has this number; calls `see` with what is said of each, in their order.
pub fn predict_together(
    app: &App,
    teller: &Teller,
    first: usize,
    rows: Table,
    mut see: impl FnMut(Result<Told, RowError>),
) {
    let good: Vec<_> = (first..).zip(rows.rows()).filter_map(|(number, row)| Some((number, row?))).collect();
    let mut told = teller.tell(app, &good).into_iter();
    for row in rows.into_errors() {
        let of_row = row.and_then(|()| match told.next() {
            Some(told) => told.map_err(RowError::one),
            None => Err(RowError::one(too_large(first))),
        });
        see(of_row);
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
        serializer.collect_map(self.classes.iter().zip(self.probabilities))
    }
}

/// What each field adds, in the order of the fields.
struct ByField<'a> {
    fields: &'a [Field],
    contributions: &'a [f64],
}

impl Serialize for ByField<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.fields.iter().map(|field| &field.name).zip(self.contributions))
    }
}

/// What the fields of a row add to its prediction.
#[derive(Serialize)]
struct Contributions<'a> {
    scale: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<&'a str>,
    base: f64,
    total: f64,
    fields: ByField<'a>,
}

/// A row's prediction as callers see it.
#[derive(Serialize)]
pub struct PredictedRow<'a> {
    prediction: Answer<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    probabilities: Option<Probabilities<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contributions: Option<Contributions<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<TruthRange>,
    prediction_id: Identifier,
}

impl<'a> PredictedRow<'a> {
    /// As a caller wants it; `scale` is what contributions are measured on.
    pub fn new(model: &'a Model, scale: Option<OutputScale>, wants: &Wants, told: &'a Told) -> PredictedRow<'a> {
        let classes = model.output().classes();
        let (probabilities, decision) = match &told.prediction {
            Prediction::Number(_) => (None, None),
            Prediction::Class { probabilities, .. } => (
                Some(Probabilities { classes, probabilities }),
                wants.decision.and_then(|rule| classes.get(rule.decide(probabilities)).map(String::as_str)),
            ),
        };
        let contributions = told.explanation.as_ref().zip(scale).map(|(explanation, scale)| Contributions {
            scale: scale.name(),
            class: explanation.class.and_then(|class| classes.get(class).map(String::as_str)),
            base: explanation.base,
            total: explanation.total(),
            fields: ByField { fields: model.fields(), contributions: &explanation.contributions },
        });
        let prediction = Answer::new(model, &told.prediction);
        PredictedRow { prediction, probabilities, decision, contributions, range: told.range, prediction_id: told.id }
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
struct ListReply<'a, T> {
    predictions: Vec<T>,
    model: &'a str,
    version: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// One combination of the elements of several lists.
#[derive(Serialize)]
struct Combination<'a> {
    of: Vec<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ids: Option<Vec<Option<&'a Id>>>,
    #[serde(flatten)]
    item: Item<'a>,
}

impl<'a> Combination<'a> {
    fn new(lists: &'a Lists, row: usize, item: Item<'a>) -> Combination<'a> {
        let of = lists.places(row);
        Combination { ids: lists.ids(&of), of, item }
    }
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
    /// As a caller wants it.
    pub fn new(app: &'a App, wants: &Wants, row: &'a Result<Told, RowError>) -> Item<'a> {
        match row {
            Ok(told) => Item::Predicted(PredictedRow::new(app.model(), app.scale(), wants, told)),
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
