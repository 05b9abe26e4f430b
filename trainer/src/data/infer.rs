//! The type of a column, and its cells read as that type.

use std::collections::HashMap;

use slipway_model::schema::MAX_CATEGORIES;
use slipway_model::value::{parse_boolean, parse_timestamp};
use slipway_spec::FeatureType;

use super::number::Style;
use crate::error::DataError;
use crate::reader::{Column, Table};

/// From this share of cells on a type is taken as meant, and a cell that does not fit as a mistake.
const MEANT: f64 = 0.9;
/// So many different texts may be categories however few rows there are.
const ALWAYS_CATEGORIES: usize = 20;
/// Beyond this share of different texts a column is an identifier or free text.
const DISTINCT: f64 = 0.5;
/// Texts of this mean length, characters, are sentences rather than names.
const SENTENCE: f64 = 50.0;
/// Beyond this share of different texts sentences are free text.
const DISTINCT_SENTENCES: f64 = 0.1;

/// A column read as its type.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Typed {
    pub(crate) type_: FeatureType,
    /// One a row, as [`slipway_model::Field::decode`] gives it; NaN where it is missing.
    pub(crate) values: Vec<f64>,
    /// The categories, sorted; empty for other types.
    pub(crate) labels: Vec<String>,
    style: Style,
    labelling: Labelling,
}

/// What a column turned out to be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Inferred {
    /// A column that a model can use.
    Typed(Typed),
    /// Nothing but missing values.
    Empty,
    /// Texts that are nearly all different: an identifier or free text. Their number.
    Distinct(usize),
}

/// How a cell becomes a category.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Labelling {
    /// As it stands.
    Verbatim,
    /// Without `.0`: all cells are whole numbers, some of them written as a program that only knows fractions does.
    Whole,
}

impl Labelling {
    fn of(column: &Column) -> Labelling {
        let whole = |cell: &str| {
            let digits = cell.strip_prefix('-').unwrap_or(cell);
            let digits = digits.strip_suffix(".0").unwrap_or(digits);
            (digits == "0" || !digits.starts_with('0'))
                && !digits.is_empty()
                && digits.bytes().all(|b| b.is_ascii_digit())
        };
        if column.cells().all(|cell| cell.is_empty() || whole(cell)) { Labelling::Whole } else { Labelling::Verbatim }
    }

    fn label(self, cell: &str) -> &str {
        match self {
            Labelling::Verbatim => cell,
            Labelling::Whole => cell.strip_suffix(".0").unwrap_or(cell),
        }
    }
}

impl Typed {
    /// A cell as the served model reads it: what [`slipway_model::Field::decode`] takes, as text.
    pub(crate) fn canonical<'a>(&self, cell: &'a str, value: f64) -> std::borrow::Cow<'a, str> {
        match self.type_ {
            FeatureType::Number if self.style != Style::Plain && !cell.is_empty() => value.to_string().into(),
            FeatureType::Category => self.labelling.label(cell).into(),
            _ => cell.into(),
        }
    }

    /// The place of a category, which is added where it is new.
    pub(crate) fn place_of(&mut self, label: &str) -> f64 {
        let place = match self.labels.binary_search_by(|known| known.as_str().cmp(label)) {
            Ok(place) => place,
            Err(place) => {
                self.labels.insert(place, label.to_owned());
                for value in self.values.iter_mut().filter(|value| **value >= place as f64) {
                    *value += 1.0;
                }
                place
            }
        };
        place as f64
    }

    /// A row's value as a caller sends it; `cell` is its text.
    pub(crate) fn json(&self, cell: &str, row: u32) -> serde_json::Value {
        let value = self.values[row as usize];
        match self.type_ {
            _ if value.is_nan() => serde_json::Value::Null,
            FeatureType::Number => value.into(),
            FeatureType::Boolean => (value == 1.0).into(),
            FeatureType::Timestamp => cell.into(),
            FeatureType::Category => self.labels[value as usize].as_str().into(),
        }
    }

    /// Whether all present values are equal.
    pub(crate) fn constant(&self) -> bool {
        let mut present = self.values.iter().filter(|value| !value.is_nan());
        present.next().is_none_or(|first| present.all(|value| value == first))
    }
}

/// Finds the type of a column and reads it.
pub(crate) fn infer(table: &Table, column: &Column) -> Result<Inferred, DataError> {
    let present = column.cells().filter(|cell| !cell.is_empty()).count();
    if present == 0 {
        return Ok(Inferred::Empty);
    }
    let mut closest: Option<(usize, FeatureType)> = None;
    for (type_, count) in counts(column, table.delimiter) {
        if count == present {
            return read_as(table, column, type_).map(Inferred::Typed);
        }
        // A third text beside true and false rather makes three categories.
        let meant = type_ != FeatureType::Boolean && count as f64 >= MEANT * present as f64;
        if meant && closest.is_none_or(|(most, _)| count > most) {
            closest = Some((count, type_));
        }
    }
    if let Some((count, type_)) = closest {
        let hint = format!(
            "{count} of its {present} values are {}; correct the cell, or say `type: Category` for this column in features",
            plural(type_)
        );
        return match read_as(table, column, type_) {
            Ok(typed) => Ok(Inferred::Typed(typed)),
            Err(error) => Err(error.explained(&hint)),
        };
    }
    let distinct = distinct(column);
    let characters: usize = column.cells().map(|cell| cell.chars().count()).sum();
    let sentences = characters as f64 >= SENTENCE * present as f64;
    let most = if sentences { DISTINCT_SENTENCES } else { DISTINCT } * present as f64;
    let too_many = distinct > ALWAYS_CATEGORIES && distinct as f64 > most;
    if too_many || distinct > MAX_CATEGORIES {
        return Ok(Inferred::Distinct(distinct));
    }
    read_as(table, column, FeatureType::Category).map(Inferred::Typed)
}

/// Reads a column as a type that was given; a cell that does not fit is an error.
pub(crate) fn read_as(table: &Table, column: &Column, type_: FeatureType) -> Result<Typed, DataError> {
    let style = if type_ == FeatureType::Number { style_of(column, table.delimiter) } else { Style::Plain };
    let mismatch = |row: usize, cell: &str| {
        let shown = slipway_model::Value::Text(cell);
        table.error(format!("expected {}, got {shown}", expected(type_))).at_row(row).in_column(&column.name)
    };
    let read = |parse: &dyn Fn(&str) -> Option<f64>| {
        let cells = column.cells().enumerate();
        cells
            .map(
                |(row, cell)| {
                    if cell.is_empty() { Ok(f64::NAN) } else { parse(cell).ok_or_else(|| mismatch(row, cell)) }
                },
            )
            .collect::<Result<Vec<f64>, DataError>>()
    };
    let (values, labels, labelling) = match type_ {
        FeatureType::Number => (read(&|cell| style.parse(cell))?, Vec::new(), Labelling::Verbatim),
        FeatureType::Timestamp => (read(&parse_timestamp)?, Vec::new(), Labelling::Verbatim),
        FeatureType::Boolean => {
            let parse = |cell: &str| parse_boolean(cell).map(|value| f64::from(u8::from(value)));
            (read(&parse)?, Vec::new(), Labelling::Verbatim)
        }
        FeatureType::Category => {
            let labelling = Labelling::of(column);
            let (values, labels) = categories(column, labelling);
            if labels.len() > MAX_CATEGORIES {
                let problem = format!("{} categories; at most {MAX_CATEGORIES} are possible", labels.len());
                return Err(table.error(problem).in_column(&column.name));
            }
            (values, labels, labelling)
        }
    };
    Ok(Typed { type_, values, labels, style, labelling })
}

/// How many cells are of each type but Category.
fn counts(column: &Column, delimiter: u8) -> [(FeatureType, usize); 3] {
    let style = style_of(column, delimiter);
    let count = |fits: &dyn Fn(&str) -> bool| column.cells().filter(|cell| !cell.is_empty() && fits(cell)).count();
    let numbers = count(&|cell| style.parse(cell).is_some());
    if numbers == column.len() {
        return [(FeatureType::Number, numbers), (FeatureType::Boolean, 0), (FeatureType::Timestamp, 0)];
    }
    [
        (FeatureType::Number, numbers),
        (FeatureType::Boolean, count(&|cell| parse_boolean(cell).is_some())),
        (FeatureType::Timestamp, count(&|cell| looks_like_a_date(cell) && parse_timestamp(cell).is_some())),
    ]
}

/// Dates begin with a year; whatever else might be read as one is rather a name.
fn looks_like_a_date(cell: &str) -> bool {
    let bytes = cell.as_bytes();
    bytes.len() >= 10 && bytes[..4].iter().all(u8::is_ascii_digit) && bytes[4] == b'-'
}

/// The style in which most of the column's cells are numbers, plain among equals.
fn style_of(column: &Column, delimiter: u8) -> Style {
    let [plain, other] = Style::possible(delimiter);
    let marked = |cell: &str| cell.contains(',');
    if !column.cells().any(marked) {
        return plain;
    }
    let count = |style: Style| column.cells().filter(|cell| style.parse(cell).is_some()).count();
    if count(other) > count(plain) { other } else { plain }
}

fn distinct(column: &Column) -> usize {
    let mut seen = std::collections::HashSet::new();
    seen.extend(column.cells().filter(|cell| !cell.is_empty()));
    seen.len()
}

/// The place of each cell among the sorted labels, and the labels.
fn categories(column: &Column, labelling: Labelling) -> (Vec<f64>, Vec<String>) {
    let mut places: HashMap<&str, usize> = HashMap::new();
    for cell in column.cells().filter(|cell| !cell.is_empty()) {
        places.insert(labelling.label(cell), 0);
    }
    let mut labels: Vec<&str> = places.keys().copied().collect();
    labels.sort_unstable();
    for (place, label) in labels.iter().enumerate() {
        places.insert(label, place);
    }
    let values = column.cells().map(|cell| places.get(labelling.label(cell)).map_or(f64::NAN, |&place| place as f64));
    (values.collect(), labels.iter().map(|&label| label.to_owned()).collect())
}

fn expected(type_: FeatureType) -> &'static str {
    match type_ {
        FeatureType::Number => "a number",
        FeatureType::Category => "a category",
        FeatureType::Boolean => "true or false",
        FeatureType::Timestamp => "a date or time such as 2024-05-01T06:30:00Z",
    }
}

fn plural(type_: FeatureType) -> &'static str {
    match type_ {
        FeatureType::Number => "numbers",
        FeatureType::Category => "categories",
        FeatureType::Boolean => "true or false",
        FeatureType::Timestamp => "times",
    }
}

#[cfg(test)]
mod tests;
