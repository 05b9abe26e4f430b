//! The type of a column, and its cells read as that type.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use slipway_model::schema::MAX_CATEGORIES;
use slipway_model::value::{parse_boolean, parse_timestamp};
use slipway_spec::FeatureType;

use crate::error::DataError;
use crate::reader::dictionary::{self, Dictionary};
use crate::reader::number::Style;
use crate::reader::{Cells, Column, Table, Texts, parse_date};

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
    pub(crate) values: Arc<Vec<f64>>,
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
    fn of(texts: &Dictionary) -> Labelling {
        let whole = |cell: &str| {
            let digits = cell.strip_prefix('-').unwrap_or(cell);
            let digits = digits.strip_suffix(".0").unwrap_or(digits);
            (digits == "0" || !digits.starts_with('0'))
                && !digits.is_empty()
                && digits.bytes().all(|b| b.is_ascii_digit())
        };
        if texts.iter().all(whole) { Labelling::Whole } else { Labelling::Verbatim }
    }

    fn label(self, cell: &str) -> &str {
        match self {
            Labelling::Verbatim => cell,
            Labelling::Whole => cell.strip_suffix(".0").unwrap_or(cell),
        }
    }
}

impl Typed {
    /// Values that are no categories.
    fn plain(type_: FeatureType, values: Arc<Vec<f64>>) -> Typed {
        Typed { type_, values, labels: Vec::new(), style: Style::Plain, labelling: Labelling::Verbatim }
    }

    /// A cell as the served model reads it: what [`slipway_model::Field::decode`] takes, as text.
    pub(crate) fn canonical<'a>(&self, cell: &'a str, value: f64) -> Cow<'a, str> {
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
                for value in Arc::make_mut(&mut self.values).iter_mut().filter(|value| **value >= place as f64) {
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
    let (type_, values) = match &column.cells {
        Cells::Texts(texts) => return infer_texts(table, column, texts),
        Cells::Numbers(values) => (FeatureType::Number, values),
        Cells::Times(values) => (FeatureType::Timestamp, values),
    };
    if values.iter().all(|value| value.is_nan()) {
        return Ok(Inferred::Empty);
    }
    Ok(Inferred::Typed(Typed::plain(type_, Arc::clone(values))))
}

fn infer_texts(table: &Table, column: &Column, texts: &Texts) -> Result<Inferred, DataError> {
    let counts = texts.counts();
    let present: usize = counts.iter().sum();
    if present == 0 {
        return Ok(Inferred::Empty);
    }
    let style = Style::of(&texts.dictionary.iter(), table.delimiter);
    let mut closest: Option<(usize, FeatureType)> = None;
    for type_ in [FeatureType::Number, FeatureType::Boolean, FeatureType::Timestamp] {
        let fits = |text: &str| match type_ {
            FeatureType::Timestamp => parse_date(text),
            _ => parse(type_, style, text),
        };
        let fitting = texts.dictionary.iter().zip(&counts).filter(|(text, _)| fits(text).is_some());
        let count: usize = fitting.map(|(_, count)| count).sum();
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
            "{count} of its {present} values are {}; correct the cell, leave it empty where nothing is known, or say \
             `type: Category` for this column in features",
            plural(type_)
        );
        return match read_as(table, column, type_) {
            Ok(typed) => Ok(Inferred::Typed(typed)),
            Err(error) => Err(error.explained(&hint)),
        };
    }
    let distinct = counts.len();
    let lengths = texts.dictionary.iter().map(|text| text.chars().count());
    let characters: usize = lengths.zip(&counts).map(|(length, count)| length * count).sum();
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
    match (&column.cells, type_) {
        (Cells::Numbers(values), FeatureType::Number) | (Cells::Times(values), FeatureType::Timestamp) => {
            return Ok(Typed::plain(type_, Arc::clone(values)));
        }
        _ => {}
    }
    let texts = column.texts();
    if type_ == FeatureType::Category {
        return categories(table, column, &texts);
    }
    let style = match type_ {
        FeatureType::Number => Style::of(&texts.dictionary.iter(), table.delimiter),
        _ => Style::Plain,
    };
    let parsed: Vec<Option<f64>> = texts.dictionary.iter().map(|text| parse(type_, style, text)).collect();
    let value = |(row, &code): (usize, &u32)| {
        if code == dictionary::MISSING {
            return Ok(f64::NAN);
        }
        parsed[code as usize].ok_or_else(|| {
            let shown = slipway_model::Value::Text(texts.dictionary.get(code));
            table.error(format!("expected {}, got {shown}", expected(type_))).at_row(row).in_column(&column.name)
        })
    };
    let values = texts.codes.iter().enumerate().map(value).collect::<Result<Vec<f64>, DataError>>()?;
    Ok(Typed { style, ..Typed::plain(type_, Arc::new(values)) })
}

/// The value of a text of that type, which is no category.
fn parse(type_: FeatureType, style: Style, text: &str) -> Option<f64> {
    match type_ {
        FeatureType::Number => style.parse(text),
        FeatureType::Boolean => parse_boolean(text).map(|value| f64::from(u8::from(value))),
        FeatureType::Timestamp => parse_timestamp(text),
        FeatureType::Category => None,
    }
}

/// Texts as places among the sorted labels.
fn categories(table: &Table, column: &Column, texts: &Texts) -> Result<Typed, DataError> {
    let labelling = Labelling::of(&texts.dictionary);
    let mut places: BTreeMap<&str, usize> = texts.dictionary.iter().map(|text| (labelling.label(text), 0)).collect();
    if places.len() > MAX_CATEGORIES {
        let problem = format!(
            "{} categories; at most {MAX_CATEGORIES} are possible: leave `type` out where they are numbers, or say `use: false` \
             in features",
            places.len()
        );
        return Err(table.error(problem).in_column(&column.name));
    }
    for (number, place) in places.values_mut().enumerate() {
        *place = number;
    }
    let of_text: Vec<f64> = texts.dictionary.iter().map(|text| places[labelling.label(text)] as f64).collect();
    let values = texts.codes.iter().map(|&code| of_text.get(code as usize).copied().unwrap_or(f64::NAN));
    let labels = places.keys().map(|&label| label.to_owned()).collect();
    let values = Arc::new(values.collect());
    Ok(Typed { labels, labelling, ..Typed::plain(FeatureType::Category, values) })
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
