//! Test rows as the train step writes them: `test.csv`.
//!
//! Columns `truth` and `prediction`; for a classifier, if it likes, `probability:<class>` for every class; and, so that the
//! model itself can be asked, the row as `input:<column>`. An empty cell is a missing value. A column `group:<column>` names
//! each row's group where the inputs do not. Other columns are ignored.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::Path;

use serde_json::Map;

use crate::metrics::Scored;
use crate::predictor::{Model, Prediction};
use crate::schema::{MAX_CATEGORIES, MAX_FIELDS, Output};
use crate::value::{Value, parse_number};

/// Largest `test.csv`, bytes. A trainer with more test rows leaves the inputs out, or writes fewer rows.
pub const MAX_TEST_BYTES: u64 = 256 << 20;

const TRUTH: &str = "truth";
const PREDICTION: &str = "prediction";
const PROBABILITY: &str = "probability:";
const INPUT: &str = "input:";
const GROUP: &str = "group:";

/// Truth and predictions, one entry a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Answers {
    /// Of a regression.
    Numbers {
        /// The target.
        truth: Vec<f64>,
        /// The prediction.
        predicted: Vec<f64>,
    },
    /// Of a classifier, classes as places in the output's classes.
    Classes {
        /// The target.
        truth: Vec<usize>,
        /// The prediction.
        predicted: Vec<usize>,
        /// One probability a class, row after row, where they are known.
        probabilities: Option<Vec<f64>>,
    },
}

impl Answers {
    /// To compute metrics of.
    pub fn scored(&self) -> Scored<'_> {
        match self {
            Answers::Numbers { truth, predicted } => Scored::Numbers { truth, predicted },
            Answers::Classes { truth, predicted, probabilities } => {
                Scored::Classes { truth, predicted, probabilities: probabilities.as_deref() }
            }
        }
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        match self {
            Answers::Numbers { truth, .. } => truth.is_empty(),
            Answers::Classes { truth, .. } => truth.is_empty(),
        }
    }

    /// Predictions of a regression; empty for a classifier.
    pub fn numbers(&self) -> &[f64] {
        match self {
            Answers::Numbers { predicted, .. } => predicted,
            Answers::Classes { .. } => &[],
        }
    }

    /// The same truth with what `model` answers to `rows`, which are places in the truth and the row there.
    #[must_use]
    pub fn by<'a>(&self, model: &Model, rows: impl IntoIterator<Item = (usize, &'a [f64])>) -> Answers {
        match self {
            Answers::Numbers { truth, .. } => {
                let (truth, predicted) =
                    rows.into_iter().map(|(place, row)| (truth[place], model.predict_raw(row)[0])).unzip();
                Answers::Numbers { truth, predicted }
            }
            Answers::Classes { truth, .. } => {
                let (mut kept, mut predicted, mut all) = (Vec::new(), Vec::new(), Vec::new());
                for (place, row) in rows {
                    if let Prediction::Class { class, probabilities } = model.predict(row) {
                        kept.push(truth[place]);
                        predicted.push(class);
                        all.extend(probabilities);
                    }
                }
                Answers::Classes { truth: kept, predicted, probabilities: Some(all) }
            }
        }
    }
}

/// The content of `test.csv`.
#[derive(Clone, Debug)]
pub struct TestRows {
    /// Truth and the train step's own predictions.
    pub answers: Answers,
    /// The rows themselves, where they are there.
    pub inputs: Option<Inputs>,
    /// The group of each row, where one was asked for and is there.
    pub groups: Option<Vec<String>>,
}

/// The rows as text.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// Place of each column in a record.
    columns: HashMap<String, usize>,
    records: Vec<csv::StringRecord>,
}

impl Inputs {
    /// Names of the columns, in no particular order.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.columns.keys().map(String::as_str)
    }

    /// Each row as `model` reads it, or every mistake in it.
    pub fn decode(&self, model: &Model) -> impl Iterator<Item = Result<Vec<f64>, String>> {
        let places: Vec<_> = model.fields().iter().map(|field| self.columns.get(&field.name).copied()).collect();
        self.records.iter().enumerate().map(move |(row, record)| {
            let value = |place: usize| match places[place].and_then(|place| record.get(place)) {
                None | Some("") => Value::Missing,
                Some(text) => Value::Text(text),
            };
            model.decode(|place, _| value(place)).map_err(|errors| {
                let errors: Vec<_> = errors.iter().map(|error| format!("{INPUT}{error}")).collect();
                format!("row {}: {}", row + 1, errors.join("; "))
            })
        })
    }
}

impl Inputs {
    /// The first `count` rows as callers of `model` would send them.
    pub fn as_sent(&self, model: &Model, count: usize) -> impl Iterator<Item = Map<String, serde_json::Value>> {
        self.records.iter().take(count).map(move |record| {
            let cell = |name: &String| record.get(*self.columns.get(name)?).filter(|text| !text.is_empty());
            let fields = model.fields().iter().map(|field| &field.name);
            fields.filter_map(|name| Some((name.clone(), cell(name)?.into()))).collect()
        })
    }
}

/// Where the columns of `test.csv` stand.
struct Header {
    truth: usize,
    prediction: usize,
    /// In the order of the output's classes.
    probabilities: Option<Vec<usize>>,
    inputs: HashMap<String, usize>,
    group: Option<usize>,
}

impl Header {
    fn new(header: &csv::StringRecord, output: &Output, group_by: Option<&str>) -> Result<Header, String> {
        if header.len() > MAX_FIELDS + MAX_CATEGORIES {
            return Err(format!("{} columns, more than are read", header.len()));
        }
        let mut places = HashMap::new();
        for (place, name) in header.iter().enumerate() {
            if places.insert(name.trim_start_matches('\u{feff}'), place).is_some() {
                return Err(format!("two columns have the name {name:?}"));
            }
        }
        let need = |name: &str| places.get(name).copied().ok_or_else(|| format!("there is no column {name:?}"));
        let has_probabilities = places.keys().any(|name| name.starts_with(PROBABILITY));
        let is_classifier = !output.classes().is_empty();
        let probabilities = if is_classifier && has_probabilities {
            let classes = output.classes().iter().map(|class| need(&format!("{PROBABILITY}{class}")));
            Some(classes.collect::<Result<Vec<_>, _>>()?)
        } else {
            None
        };
        let inputs =
            places.iter().filter_map(|(name, place)| Some((name.strip_prefix(INPUT)?.to_owned(), *place))).collect();
        let group = group_by.and_then(|column| {
            let place = |prefix: &str| places.get(&*format!("{prefix}{column}")).copied();
            place(GROUP).or_else(|| place(INPUT))
        });
        Ok(Header { truth: need(TRUTH)?, prediction: need(PREDICTION)?, probabilities, inputs, group })
    }
}

impl TestRows {
    /// Reads `path`, with the groups of the column `group_by`. The message of an error names the row, counted from 1 after the
    /// header, and the column.
    pub fn read(path: &Path, output: &Output, group_by: Option<&str>) -> Result<TestRows, String> {
        let metadata = fs::metadata(path).map_err(|error| error.to_string())?;
        if !metadata.is_file() {
            return Err("it is no file".to_owned());
        }
        let file = File::open(path).map_err(|error| error.to_string())?;
        let size = metadata.len();
        if size > MAX_TEST_BYTES {
            return Err(format!("{size} bytes, more than the {MAX_TEST_BYTES} that are read; write fewer rows"));
        }
        let mut reader = csv::ReaderBuilder::new().has_headers(true).from_reader(file);
        let header = Header::new(reader.headers().map_err(|error| error.to_string())?, output, group_by)?;
        let mut answers = match output {
            Output::Regression { .. } => Answers::Numbers { truth: Vec::new(), predicted: Vec::new() },
            Output::Classification { .. } => Answers::Classes {
                truth: Vec::new(),
                predicted: Vec::new(),
                probabilities: header.probabilities.as_ref().map(|_| Vec::new()),
            },
        };
        let classes: HashMap<&str, usize> =
            output.classes().iter().enumerate().map(|(place, class)| (class.as_str(), place)).collect();
        let mut records = Vec::new();
        let mut groups = header.group.map(|_| Vec::new());
        for (place, record) in reader.records().enumerate() {
            let record = record.map_err(|error| error.to_string())?;
            push(&mut answers, &header, &classes, &record).map_err(|reason| format!("row {}: {reason}", place + 1))?;
            if let Some((groups, place)) = groups.as_mut().zip(header.group) {
                groups.push(record.get(place).unwrap_or_default().to_owned());
            }
            if !header.inputs.is_empty() {
                records.push(record);
            }
        }
        let inputs = (!header.inputs.is_empty()).then_some(Inputs { columns: header.inputs, records });
        Ok(TestRows { answers, inputs, groups })
    }
}

fn push(
    answers: &mut Answers,
    header: &Header,
    classes: &HashMap<&str, usize>,
    record: &csv::StringRecord,
) -> Result<(), String> {
    let cell = |place: usize| record.get(place).unwrap_or_default();
    let number = |name: &str, place: usize| {
        parse_number(cell(place)).ok_or_else(|| format!("{name}: expected a number, got {}", Value::Text(cell(place))))
    };
    let class = |name: &str, place: usize| {
        let text = cell(place);
        classes.get(text).copied().ok_or_else(|| format!("{name}: {} is no class of the model", Value::Text(text)))
    };
    match answers {
        Answers::Numbers { truth, predicted } => {
            truth.push(number(TRUTH, header.truth)?);
            predicted.push(number(PREDICTION, header.prediction)?);
        }
        Answers::Classes { truth, predicted, probabilities } => {
            truth.push(class(TRUTH, header.truth)?);
            predicted.push(class(PREDICTION, header.prediction)?);
            if let Some((all, places)) = probabilities.as_mut().zip(header.probabilities.as_ref()) {
                let start = all.len();
                for place in places {
                    all.push(number("probability", *place)?);
                }
                check_probabilities(&all[start..])?;
            }
        }
    }
    Ok(())
}

/// Far enough from 1 to be a mistake, and not the rounding of 32-bit floats.
const SUM_TOLERANCE: f64 = 1e-4;

fn check_probabilities(row: &[f64]) -> Result<(), String> {
    let sum: f64 = row.iter().sum();
    if row.iter().all(|p| (0.0..=1.0).contains(p)) && (sum - 1.0).abs() <= SUM_TOLERANCE {
        Ok(())
    } else {
        Err(format!("the probabilities are not between 0 and 1 with sum 1; the sum is {sum}"))
    }
}
