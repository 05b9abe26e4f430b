//! The reply to a stream.

use serde::Serialize;
use slipway_model::{Model, Prediction};

use super::Format;
use crate::api::json::rows::RowError;
use crate::api::predict::{Answer, Item};
use crate::api::tell::Told;
use crate::api::to_json;
use crate::api::wants::Wants;
use crate::state::App;

/// Writes rows in one format.
#[derive(Debug)]
pub struct Writer {
    format: Format,
    started: bool,
    wants: Wants,
    /// How many cells stand between the prediction and its identifier.
    cells: usize,
}

#[derive(Serialize)]
struct Line<'a> {
    row: usize,
    #[serde(flatten)]
    item: Item<'a>,
}

#[derive(Serialize)]
struct Failure<'a> {
    error: &'a str,
}

impl Writer {
    /// A writer in `format` of what a caller wants.
    pub fn new(format: Format, wants: Wants) -> Writer {
        Writer { format, started: false, wants, cells: 0 }
    }

    /// Writes what comes before the rows, once.
    pub fn start(&mut self, output: &mut Vec<u8>, model: &Model) {
        if std::mem::replace(&mut self.started, true) || self.format == Format::Lines {
            return;
        }
        let columns = columns(model, &self.wants);
        self.cells = columns.len();
        output.extend_from_slice(b"row,prediction,");
        for column in columns {
            cell(output, &column);
            output.push(b',');
        }
        output.extend_from_slice(b"prediction_id,error\n");
    }

    /// Writes a row's prediction, or what is wrong with the row.
    pub fn row(&self, output: &mut Vec<u8>, app: &App, number: usize, row: &Result<Told, RowError>) {
        if self.format == Format::Lines {
            output.extend(to_json(&Line { row: number, item: Item::new(app, &self.wants, row) }));
            output.push(b'\n');
            return;
        }
        output.extend(to_json(&number));
        output.push(b',');
        match row {
            Err(error) => self.refusal(output, &error.message),
            Ok(told) => self.cells(output, app.model(), told),
        }
    }

    /// A line of a table with a prediction, after its first cell.
    fn cells(&self, output: &mut Vec<u8>, model: &Model, told: &Told) {
        match Answer::new(model, &told.prediction) {
            Answer::Number(number) => output.extend(to_json(&number)),
            Answer::Class(class) => cell(output, class),
        }
        if let Prediction::Class { probabilities, .. } = &told.prediction {
            numbers(output, probabilities);
            if let Some(rule) = self.wants.decision {
                output.push(b',');
                cell(output, &model.output().classes()[rule.decide(probabilities)]);
            }
        }
        if let Some(explanation) = &told.explanation {
            numbers(output, &[explanation.base]);
            numbers(output, &explanation.contributions);
        }
        if let Some(range) = told.range {
            numbers(output, &[range.low, range.high]);
        }
        output.push(b',');
        output.extend_from_slice(&told.id.digits());
        output.extend_from_slice(b",\n");
    }

    /// Writes why nothing follows.
    pub fn failure(&self, output: &mut Vec<u8>, message: &str) {
        match self.format {
            Format::Lines => {
                output.extend(to_json(&Failure { error: message }));
                output.push(b'\n');
            }
            Format::Csv => {
                output.push(b',');
                self.refusal(output, message);
            }
        }
    }

    /// A line of a table without a prediction, after its first cell.
    fn refusal(&self, output: &mut Vec<u8>, message: &str) {
        output.resize(output.len() + self.cells + 2, b',');
        cell(output, message);
        output.push(b'\n');
    }
}

/// Writes cells of numbers, with what parts them from those before.
fn numbers(output: &mut Vec<u8>, numbers: &[f64]) {
    for number in numbers {
        output.push(b',');
        output.extend(to_json(number));
    }
}

/// The columns of a table between the prediction and its identifier.
pub fn columns(model: &Model, wants: &Wants) -> Vec<String> {
    let mut columns: Vec<String> =
        model.output().classes().iter().map(|class| format!("probability of {class}")).collect();
    columns.extend(wants.decision.map(|_| "decision".to_owned()));
    if wants.contributions {
        columns.push("base".to_owned());
        columns.extend(model.fields().iter().map(|field| format!("contribution of {}", field.name)));
    }
    if wants.range {
        columns.extend(["low", "high"].map(str::to_owned));
    }
    columns
}

/// Writes a cell of a table, in quotes where it needs them.
pub fn cell(output: &mut Vec<u8>, text: &str) {
    if text.contains([',', '"', '\n', '\r']) {
        output.push(b'"');
        output.extend_from_slice(text.replace('"', "\"\"").as_bytes());
        output.push(b'"');
    } else {
        output.extend_from_slice(text.as_bytes());
    }
}
