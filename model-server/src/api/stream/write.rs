//! The reply to a stream.

use std::fmt::Write as _;

use serde::Serialize;
use slipway_model::{Model, Prediction};

use super::Format;
use crate::api::json::rows::RowError;
use crate::api::predict::{Answer, Item};
use crate::api::to_json;
use crate::state::App;

/// Writes rows in one format.
#[derive(Debug)]
pub struct Writer {
    format: Format,
    started: bool,
    classes: usize,
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
    /// A writer in `format`.
    pub fn new(format: Format) -> Writer {
        Writer { format, started: false, classes: 0 }
    }

    /// Writes what comes before the rows, once.
    pub fn start(&mut self, output: &mut Vec<u8>, model: &Model) {
        if std::mem::replace(&mut self.started, true) || self.format == Format::Lines {
            return;
        }
        let classes = model.output().classes();
        self.classes = classes.len();
        output.extend_from_slice(b"row,prediction,");
        for class in classes {
            cell(output, &format!("probability of {class}"));
            output.push(b',');
        }
        output.extend_from_slice(b"prediction_id,error\n");
    }

    /// Writes a row's prediction, or what is wrong with the row.
    pub fn row(&self, output: &mut Vec<u8>, app: &App, number: usize, row: &Result<Prediction, RowError>) {
        if self.format == Format::Lines {
            output.extend(to_json(&Line { row: number, item: Item::new(app, row) }));
            output.push(b'\n');
            return;
        }
        let mut text = format!("{number},");
        match row {
            Err(error) => {
                output.extend_from_slice(text.as_bytes());
                self.refusal(output, &error.message);
            }
            Ok(prediction) => {
                output.extend_from_slice(text.as_bytes());
                text.clear();
                match Answer::new(app.model(), prediction) {
                    Answer::Number(number) => output.extend(to_json(&number)),
                    Answer::Class(class) => cell(output, class),
                }
                if let Prediction::Class { probabilities, .. } = prediction {
                    for probability in probabilities {
                        output.push(b',');
                        output.extend(to_json(probability));
                    }
                }
                // Writing to a text never fails.
                let _ = writeln!(text, ",{},", app.ids.next());
                output.extend_from_slice(text.as_bytes());
            }
        }
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
        output.resize(output.len() + self.classes + 2, b',');
        cell(output, message);
        output.push(b'\n');
    }
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
