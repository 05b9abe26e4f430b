//! From a decoded row to the numbers an estimator takes.
//!
//! Everything that was learnt about the features stands in here: what a missing value becomes, the edges of bins, the number a
//! category stands for, means and scales. The trainer fits it, and the same code runs in training and in serving.

mod calendar;
mod check;

use serde::{Deserialize, Serialize};
use slipway_spec::TimePart;

use crate::schema::Field;

/// Most numbers a row may become.
pub const MAX_WIDTH: usize = 100_000;

/// How the fields of a row become the columns of an estimator, in order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Encoder {
    /// Each makes one column or more.
    blocks: Vec<Block>,
    /// One for each column, or empty where columns are taken as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    scales: Vec<Scale>,
}

/// How one value becomes columns: it is taken from the row, filled in where it is missing, sorted into a bin where there are
/// bins, and given its form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Block {
    /// Where the value comes from.
    pub source: Source,
    /// What a missing value becomes. Absent: it stays missing, as NaN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fill: Option<f64>,
    /// Numbers between the bins, ascending: the value becomes how many of them it reaches. Empty: it stays as it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bins: Vec<f64>,
    /// From the value to columns.
    #[serde(default)]
    pub form: Form,
}

/// Where a value comes from. NaN stands for a missing one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all_fields = "camelCase")]
pub enum Source {
    /// A field as decoded.
    Field {
        /// Its place in the row.
        field: usize,
    },
    /// A number divided by another; missing where one of them is, and where the divisor is 0.
    Ratio {
        /// What people call it.
        name: String,
        /// Place of the field that is divided.
        of: usize,
        /// Place of the field it is divided by.
        to: usize,
    },
    /// A number or time minus another; missing where one of them is.
    Difference {
        /// What people call it.
        name: String,
        /// Place of the field that is subtracted from.
        of: usize,
        /// Place of the field that is subtracted.
        minus: usize,
    },
}

/// From a value to columns.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all_fields = "camelCase")]
pub enum Form {
    /// One column: the value.
    #[default]
    Identity,
    /// One column: the logarithm of 1 plus the value. Below 0 the value counts as missing.
    Log,
    /// One column: 1 where the value is missing, otherwise 0.
    Missing,
    /// A column for each part of a time.
    Parts {
        /// The parts, in order.
        parts: Vec<TimePart>,
    },
    /// Columns of zeros with at most one 1, for a category or a bin.
    OneHot {
        /// Number of columns.
        columns: usize,
        /// The column of each category; one beyond the last stands for none. Empty: its own place.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        places: Vec<u32>,
    },
    /// Numbers that were learnt for each category or bin.
    Table {
        /// Number of columns.
        columns: usize,
        /// The columns of each category, one after the other.
        values: Vec<f64>,
    },
}

/// Standardisation of a column: `(x - mean) / scale`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    /// What becomes 0: the mean of the training rows, for example.
    pub mean: f64,
    /// What becomes 1 from there: the population standard deviation of the training rows, for example; 1 for a constant
    /// column.
    pub scale: f64,
}

impl Encoder {
    /// An encoder without scaling.
    pub fn new(blocks: Vec<Block>) -> Encoder {
        Encoder { blocks, scales: Vec::new() }
    }

    /// One that gives `fields` decoded values as they are.
    pub fn identity(fields: usize) -> Encoder {
        Encoder::new((0..fields).map(Block::field).collect())
    }

    /// The same encoder with a [`Scale`] for each column.
    #[must_use]
    pub fn with_scales(self, scales: Vec<Scale>) -> Encoder {
        Encoder { scales, ..self }
    }

    /// What makes the columns.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// The scale of each column, or nothing where columns are taken as they are.
    pub fn scales(&self) -> &[Scale] {
        &self.scales
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        self.blocks.iter().map(Block::width).fold(0, usize::saturating_add)
    }

    /// Appends the columns of one row to `columns`. `row` holds one decoded value for each field, NaN where it is missing.
    pub fn encode(&self, row: &[f64], columns: &mut Vec<f64>) {
        let start = columns.len();
        for block in &self.blocks {
            block.encode(|field| row[field], columns);
        }
        for (column, scale) in columns[start..].iter_mut().zip(&self.scales) {
            *column = (*column - scale.mean) / scale.scale;
        }
    }
}

impl Block {
    /// One column: a field as decoded.
    pub fn field(field: usize) -> Block {
        Block { source: Source::Field { field }, fill: None, bins: Vec::new(), form: Form::Identity }
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        match &self.form {
            Form::Identity | Form::Log | Form::Missing => 1,
            Form::Parts { parts } => parts.len(),
            Form::OneHot { columns, .. } | Form::Table { columns, .. } => *columns,
        }
    }

    /// What people call the value: the field's name, or the name of a value made of two fields.
    pub fn name<'a>(&'a self, fields: &'a [Field]) -> &'a str {
        match &self.source {
            Source::Field { field } => fields.get(*field).map_or("", |field| &field.name),
            Source::Ratio { name, .. } | Source::Difference { name, .. } => name,
        }
    }

    /// The field whose decoded values are its only column, and what is put where one is missing, if that is all there is to it.
    pub fn as_field(&self) -> Option<(usize, Option<f64>)> {
        match self {
            Block { source: Source::Field { field }, fill, bins, form: Form::Identity } if bins.is_empty() => {
                Some((*field, *fill))
            }
            _ => None,
        }
    }

    /// Appends its columns of a row to `columns`; `field` gives the decoded value of a place.
    pub fn encode(&self, field: impl Fn(usize) -> f64, columns: &mut Vec<f64>) {
        let mut value = self.source.value(field);
        if matches!(self.form, Form::Log) && value < 0.0 {
            value = f64::NAN;
        }
        if let Some(fill) = self.fill
            && value.is_nan()
        {
            value = fill;
        }
        if !self.bins.is_empty() && !value.is_nan() {
            value = self.bins.partition_point(|edge| *edge <= value) as f64;
        }
        match &self.form {
            Form::Identity => columns.push(value),
            Form::Log => columns.push(value.ln_1p()),
            Form::Missing => columns.push(f64::from(u8::from(value.is_nan()))),
            Form::Parts { parts } => columns.extend(parts.iter().map(|part| calendar::part(value, *part))),
            Form::OneHot { columns: width, places } => {
                let first = columns.len();
                columns.resize(first + width, 0.0);
                // A missing value is no category.
                let code = if value.is_nan() { usize::MAX } else { value as usize };
                let place =
                    if places.is_empty() { code } else { places.get(code).map_or(*width, |place| *place as usize) };
                if place < *width {
                    columns[first + place] = 1.0;
                }
            }
            Form::Table { columns: width, values } => {
                let start = if value.is_nan() { usize::MAX } else { (value as usize).saturating_mul(*width) };
                match values.get(start..start.saturating_add(*width)) {
                    Some(values) => columns.extend_from_slice(values),
                    None => columns.extend(std::iter::repeat_n(f64::NAN, *width)),
                }
            }
        }
    }
}

impl Source {
    /// The value in a row, of which `field` gives the value of a place. A result beyond what trees can compare is missing.
    pub fn value(&self, field: impl Fn(usize) -> f64) -> f64 {
        let value = match *self {
            Source::Field { field: place } => return field(place),
            Source::Ratio { of, to, .. } => field(of) / field(to),
            Source::Difference { of, minus, .. } => field(of) - field(minus),
        };
        if value.abs() <= f64::from(f32::MAX) { value } else { f64::NAN }
    }
}

#[cfg(test)]
mod tests;
