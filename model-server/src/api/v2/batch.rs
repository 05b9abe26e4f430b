//! Predictions for rows given as tensors, whichever way the tensors came.

use std::borrow::Cow;

use axum::http::StatusCode;
use serde::Serialize;
use slipway_model::value::parse_number;
use slipway_model::{FieldError, Prediction, Value};
use slipway_spec::FeatureType;

use super::request::{self, InferRequest, Tensor};
use super::{BASE, CONTRIBUTIONS, DECISION, PREDICTION, PREDICTION_ID, PROBABILITIES, RANGE, binary};
use crate::api::deadline::Deadline;
use crate::api::error::{ApiError, Detail};
use crate::api::json::Cell;
use crate::api::json::rows::{MAX_DETAILS, Unknown};
use crate::api::tell::{Teller, Told};
use crate::api::wants::{self, Rule, Wants};
use crate::ids::Naming;
use crate::state::App;

/// What is answered to a request.
#[derive(Debug)]
pub struct Inferred<'a> {
    /// The outputs, in the order they were asked for.
    pub outputs: Vec<Output<'a>>,
    /// About inputs that were ignored.
    pub warnings: Vec<String>,
}

/// One output.
#[derive(Debug)]
pub struct Output<'a> {
    /// Its name.
    pub name: &'static str,
    /// The name of its datatype.
    pub datatype: &'static str,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its values, row by row.
    pub data: Data<'a>,
    /// Whether it is wanted as bytes.
    pub as_bytes: bool,
}

/// The values of an output.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Data<'a> {
    /// Predicted numbers, or probabilities.
    Numbers(Vec<f64>),
    /// Names of predicted classes, or identifiers.
    Texts(Vec<Cow<'a, str>>),
}

impl Data<'_> {
    /// Appends the values as bytes.
    pub fn push_to(&self, bytes: &mut Vec<u8>) {
        match self {
            Data::Numbers(numbers) => bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes())),
            Data::Texts(texts) => texts.iter().for_each(|text| binary::push_text(bytes, text)),
        }
    }
}

/// Predicts what the request of a body asks for, and counts rows; `naming` names the predictions.
pub fn infer<'a>(
    app: &'a App,
    body: &[u8],
    request: &InferRequest<'_>,
    naming: Naming,
    deadline: Deadline,
) -> Result<Inferred<'a>, ApiError> {
    let wanted = wanted_outputs(app, request)?;
    let contributions = wanted.iter().any(|(wanted, _)| matches!(wanted, Wanted::Contributions | Wanted::Base));
    if contributions && app.explains_slowly() && !may_be_slow(app, body) {
        return Err(ApiError::bad_request("outputs: names are to be written without escapes"));
    }
    // Where nothing can be decided, a threshold is a mistake, whatever outputs are named.
    let decides = request.threshold.is_some() || wanted.iter().any(|(wanted, _)| *wanted == Wanted::Decision);
    let decision = decides.then(|| Rule::new(app.model().output(), request.threshold)).transpose()?;
    let range = wanted.iter().any(|(wanted, _)| *wanted == Wanted::Range);
    if range {
        app.check_ranges()?;
    }
    let by_id = || Naming::new(&app.artefact.digest, request.id.as_deref().map(str::as_bytes));
    let naming = if naming.by_request() { naming } else { by_id() };
    let teller = Teller { wants: Wants { contributions, range, decision, ..Wants::default() }, naming };
    let mut unknown = Unknown::default();
    let batch = Batch::new(app, &request.inputs, &mut unknown)?;
    if batch.rows > app.max_rows {
        return Err(ApiError::too_many_rows(app.max_rows));
    }
    teller.check_rows(app, batch.rows)?;
    let told = batch.predict(app, &teller, deadline)?;
    app.metrics.rows(told.len(), 0);
    app.metrics.unknown_fields.inc_by(unknown.count);
    let outputs = wanted.into_iter().map(|asked| output(app, &teller.wants, asked, &told)).collect();
    Ok(Inferred { outputs, warnings: unknown.warnings() })
}

/// Whether a body may ask for what is slow to find out. Of JSON that writes the name with escapes it does not tell.
pub fn may_be_slow(app: &App, body: &[u8]) -> bool {
    let named = |name: &str| body.windows(name.len()).any(|part| part == name.as_bytes());
    app.explains_slowly() && (named(CONTRIBUTIONS) || named(BASE))
}

fn output<'a>(app: &'a App, wants: &Wants, (wanted, as_bytes): Asked, told: &[Told]) -> Output<'a> {
    let rows = told.len();
    let classes = app.model().output().classes();
    let numbers = |name, width: Option<usize>, numbers: Vec<f64>| {
        let shape = [rows].into_iter().chain(width).collect();
        Output { name, datatype: "FP64", shape, data: Data::Numbers(numbers), as_bytes }
    };
    let texts = |name, texts: Vec<Cow<'a, str>>| Output {
        name,
        datatype: "BYTES",
        shape: vec![rows],
        data: Data::Texts(texts),
        as_bytes,
    };
    let names = |places: &mut dyn Iterator<Item = usize>| {
        places.filter_map(|class| Some(Cow::Borrowed(classes.get(class)?.as_str()))).collect()
    };
    let explanations = || told.iter().filter_map(|told| told.explanation.as_ref());
    match wanted {
        Wanted::Prediction if classes.is_empty() => {
            let number = |told: &Told| match &told.prediction {
                Prediction::Number(number) => Some(*number),
                Prediction::Class { .. } => None,
            };
            numbers(PREDICTION, None, told.iter().filter_map(number).collect())
        }
        Wanted::Prediction => {
            let class = |told: &Told| match &told.prediction {
                Prediction::Number(_) => None,
                Prediction::Class { class, .. } => Some(*class),
            };
            texts(PREDICTION, names(&mut told.iter().filter_map(class)))
        }
        Wanted::Probabilities => {
            let all = told.iter().flat_map(|told| probabilities(&told.prediction)).copied().collect();
            numbers(PROBABILITIES, Some(classes.len()), all)
        }
        Wanted::Decision => {
            let rule = |told: &Told| Some(wants.decision?.decide(probabilities(&told.prediction)));
            texts(DECISION, names(&mut told.iter().filter_map(rule)))
        }
        Wanted::Contributions => {
            let all = explanations().flat_map(|explanation| &explanation.contributions).copied().collect();
            numbers(CONTRIBUTIONS, Some(app.model().fields().len()), all)
        }
        Wanted::Base => numbers(BASE, None, explanations().map(|explanation| explanation.base).collect()),
        Wanted::Range => {
            let ranges = told.iter().filter_map(|told| told.range);
            numbers(RANGE, Some(2), ranges.flat_map(|range| [range.low, range.high]).collect())
        }
        Wanted::PredictionId => texts(PREDICTION_ID, told.iter().map(|told| Cow::Owned(told.id.to_string())).collect()),
    }
}

fn probabilities(prediction: &Prediction) -> &[f64] {
    match prediction {
        Prediction::Number(_) => &[],
        Prediction::Class { probabilities, .. } => probabilities,
    }
}

/// An output of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Prediction,
    Probabilities,
    Decision,
    Contributions,
    Base,
    Range,
    PredictionId,
}

impl Wanted {
    const ALL: [(Wanted, &'static str); 7] = [
        (Wanted::Prediction, PREDICTION),
        (Wanted::Probabilities, PROBABILITIES),
        (Wanted::Decision, DECISION),
        (Wanted::Contributions, CONTRIBUTIONS),
        (Wanted::Base, BASE),
        (Wanted::Range, RANGE),
        (Wanted::PredictionId, PREDICTION_ID),
    ];

    /// Whether it is given to who names no outputs, but maybe a threshold.
    fn is_usual(self, threshold: Option<f64>) -> bool {
        match self {
            Wanted::Prediction | Wanted::Probabilities => true,
            Wanted::Decision => threshold.is_some(),
            Wanted::Contributions | Wanted::Base | Wanted::Range | Wanted::PredictionId => false,
        }
    }
}

/// The names of the outputs that can be asked for.
pub fn output_names(output: &slipway_model::Output) -> Vec<&'static str> {
    there_are(output).map(|(_, name)| name).collect()
}

fn there_are(output: &slipway_model::Output) -> impl Iterator<Item = (Wanted, &'static str)> {
    let (is_classifier, decides) = (!output.classes().is_empty(), wants::positive(output).is_some());
    Wanted::ALL.into_iter().filter(move |(wanted, _)| match wanted {
        Wanted::Probabilities => is_classifier,
        Wanted::Decision => decides,
        Wanted::Range => !is_classifier,
        Wanted::Prediction | Wanted::Contributions | Wanted::Base | Wanted::PredictionId => true,
    })
}

/// An output to give, and whether as bytes.
type Asked = (Wanted, bool);

/// The outputs to give, in the order they were asked for.
fn wanted_outputs(app: &App, request: &InferRequest<'_>) -> Result<Vec<Asked>, ApiError> {
    let there_are = || there_are(app.model().output());
    if request.outputs.is_empty() {
        let usual = there_are().filter(|(output, _)| output.is_usual(request.threshold));
        return Ok(usual.map(|(output, _)| (output, request.binary_outputs)).collect());
    }
    let mut wanted: Vec<Asked> = Vec::new();
    for request::Wanted { name, binary } in &request.outputs {
        let Some((output, _)) = there_are().find(|(_, known)| known == name) else {
            let names: Vec<_> = there_are().map(|(_, name)| name).collect();
            let (name, names) = (Value::Text(name), names.join(", "));
            return Err(ApiError::bad_request(format!("there is no output {name}; this model has {names}")));
        };
        if wanted.iter().any(|(wanted, _)| *wanted == output) {
            return Err(ApiError::bad_request(format!("the output {name} is asked for twice")));
        }
        wanted.push((output, binary.unwrap_or(request.binary_outputs)));
    }
    Ok(wanted)
}

/// Rows as tensors hold them.
struct Batch<'r, 'de> {
    rows: usize,
    columns: Columns<'r, 'de>,
}

enum Columns<'r, 'de> {
    /// One tensor holds all fields of each row.
    Matrix(&'r Tensor<'de>, Datatype),
    /// One tensor a field, at the field's place; a field without one is missing in all rows.
    Fields(Vec<Option<(&'r Tensor<'de>, Datatype)>>),
}

impl<'r, 'de> Batch<'r, 'de> {
    fn new(app: &App, inputs: &'r [Tensor<'de>], unknown: &mut Unknown) -> Result<Batch<'r, 'de>, ApiError> {
        let fields = app.model().fields();
        let numbers = fields.iter().all(|field| field.type_ == FeatureType::Number);
        if let [tensor] = inputs
            && numbers
            && app.places.get(&tensor.name).is_none()
        {
            let datatype = Datatype::of(tensor)?;
            return match tensor.shape[..] {
                [rows, width] if width == fields.len() && datatype.is_numeric() => {
                    Ok(Batch { rows, columns: Columns::Matrix(tensor, datatype) })
                }
                _ => Err(ApiError::bad_request(format!(
                    "input {}: expected a matrix of numbers of the shape [rows, {}], or one tensor for each field; got {} {:?}",
                    Value::Text(&tensor.name),
                    fields.len(),
                    tensor.datatype,
                    tensor.shape
                ))),
            };
        }
        let mut columns = vec![None; fields.len()];
        let mut rows = None;
        for tensor in inputs {
            let name = Value::Text(&tensor.name);
            let Some(place) = app.places.get(&tensor.name) else {
                unknown.add(&tensor.name);
                continue;
            };
            let ([length] | [length, 1]) = tensor.shape[..] else {
                let shape = &tensor.shape;
                return Err(ApiError::bad_request(format!(
                    "input {name}: expected the shape [rows] or [rows, 1], got {shape:?}"
                )));
            };
            if *rows.get_or_insert(length) != length {
                return Err(ApiError::bad_request(format!(
                    "input {name}: {length} rows, other inputs have another number"
                )));
            }
            if columns[place].replace((tensor, Datatype::of(tensor)?)).is_some() {
                return Err(ApiError::bad_request(format!("the input {name} stands twice")));
            }
        }
        for (field, column) in fields.iter().zip(&columns) {
            if column.is_none() && field.required() {
                return Err(ApiError::bad_request(format!(
                    "there is no input {:?}, which the model requires",
                    field.name
                )));
            }
        }
        match rows {
            Some(rows) => Ok(Batch { rows, columns: Columns::Fields(columns) }),
            None => Err(ApiError::bad_request("inputs: expected one tensor for each field")),
        }
    }

    /// The value of a field in a row, counted from 0.
    fn cell(&self, row: usize, place: usize, width: usize) -> Option<(&Cell<'de>, Datatype)> {
        match &self.columns {
            Columns::Matrix(tensor, datatype) => tensor.cells.get(row * width + place).map(|cell| (cell, *datatype)),
            Columns::Fields(columns) => {
                columns[place].and_then(|(tensor, datatype)| tensor.cells.get(row).map(|cell| (cell, datatype)))
            }
        }
    }

    fn predict(&self, app: &App, teller: &Teller, deadline: Deadline) -> Result<Vec<Told>, ApiError> {
        let fields = app.model().fields();
        let together = teller.together(app);
        let mut predictions = Vec::with_capacity(self.rows);
        let mut details: Vec<Detail> = Vec::new();
        let mut mistakes = 0;
        let mut values = Vec::with_capacity(fields.len() * together.min(self.rows));
        for row in 0..self.rows {
            if row % together == 0 {
                deadline.check()?;
            }
            for (place, field) in fields.iter().enumerate() {
                let value = match self.cell(row, place, fields.len()) {
                    Some((cell, datatype)) if !datatype.holds(cell) => Err(FieldError {
                        field: field.name.clone(),
                        expected: datatype.expectation().to_owned(),
                        got: cell.value().to_string(),
                    }),
                    Some((cell, _)) => field.decode(cell.value()),
                    None => field.decode(Value::Missing),
                };
                match value {
                    Ok(value) => values.push(value),
                    Err(error) => {
                        mistakes += 1;
                        if details.len() < MAX_DETAILS {
                            details.push(Detail::of_field(row + 1, error));
                        }
                    }
                }
            }
            if mistakes == 0 && ((row + 1) % together == 0 || row + 1 == self.rows) {
                let numbered: Vec<_> = (predictions.len() + 1..).zip(values.chunks_exact(fields.len())).collect();
                for told in teller.tell(app, &numbered) {
                    let bad = |detail| ApiError::bad_rows(StatusCode::BAD_REQUEST, vec![detail], 1);
                    predictions.push(told.map_err(bad)?);
                }
                values.clear();
            }
        }
        if mistakes > 0 {
            return Err(ApiError::bad_rows(StatusCode::BAD_REQUEST, details, mistakes));
        }
        Ok(predictions)
    }
}

/// What a tensor's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Datatype {
    Boolean,
    Integer,
    Float,
    Bytes,
}

impl Datatype {
    fn of(tensor: &Tensor<'_>) -> Result<Datatype, ApiError> {
        match &*tensor.datatype {
            "BOOL" => Ok(Datatype::Boolean),
            "INT8" | "INT16" | "INT32" | "INT64" | "UINT8" | "UINT16" | "UINT32" | "UINT64" => Ok(Datatype::Integer),
            "FP16" | "FP32" | "FP64" => Ok(Datatype::Float),
            "BYTES" => Ok(Datatype::Bytes),
            other => {
                let (name, other) = (Value::Text(&tensor.name), Value::Text(other));
                Err(ApiError::bad_request(format!(
                    "input {name}: there is no datatype {other}; FP64, INT64, BOOL and BYTES are some"
                )))
            }
        }
    }

    fn is_numeric(self) -> bool {
        matches!(self, Datatype::Integer | Datatype::Float)
    }

    /// Whether a tensor of this type may hold `cell`. A number sent as text is taken where all of it is a number.
    fn holds(self, cell: &Cell<'_>) -> bool {
        match (self, cell) {
            (_, Cell::Missing)
            | (Datatype::Boolean, Cell::Boolean(_))
            | (Datatype::Bytes, Cell::Text(_))
            | (Datatype::Float, Cell::Number(_)) => true,
            (Datatype::Float, Cell::Text(text)) => parse_number(text).is_some(),
            (Datatype::Integer, Cell::Number(number)) => number.fract() == 0.0,
            (Datatype::Integer, Cell::Text(text)) => parse_number(text).is_some_and(|number| number.fract() == 0.0),
            (Datatype::Boolean, Cell::Number(number)) => [0.0, 1.0].contains(number),
            _ => false,
        }
    }

    fn expectation(self) -> &'static str {
        match self {
            Datatype::Boolean => "true or false",
            Datatype::Integer => "a whole number",
            Datatype::Float => "a number",
            Datatype::Bytes => "a text",
        }
    }
}
