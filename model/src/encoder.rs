//! From a decoded row to the numbers an estimator takes.

use serde::{Deserialize, Serialize};
use slipway_spec::{Encoding, FeatureType};

use crate::schema::Field;

/// Most numbers a row may become.
pub const MAX_WIDTH: usize = 100_000;

/// How the fields of a row become the columns of an estimator, in order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Encoder {
    /// One for each field.
    fields: Vec<FieldEncoding>,
    /// One for each column, or empty where columns are taken as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    scales: Vec<Scale>,
}

/// How one field becomes columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all_fields = "camelCase")]
pub enum FieldEncoding {
    /// One column: the decoded value.
    Identity,
    /// One column of 0 or 1 for each category.
    OneHot {
        /// Number of categories.
        categories: usize,
    },
}

impl FieldEncoding {
    /// The encoding of `field`. Only categories can be one-hot.
    pub fn new(field: &Field, encoding: Encoding) -> FieldEncoding {
        match (field.type_, encoding) {
            (FeatureType::Category, Encoding::OneHot) => FieldEncoding::OneHot { categories: field.categories.len() },
            _ => FieldEncoding::Identity,
        }
    }

    /// Number of columns.
    pub fn width(self) -> usize {
        match self {
            FieldEncoding::Identity => 1,
            FieldEncoding::OneHot { categories } => categories,
        }
    }
}

/// Standardisation of a column: `(x - mean) / scale`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    /// Mean of the training rows.
    pub mean: f64,
    /// Population standard deviation of the training rows; 1 for a constant column.
    pub scale: f64,
}

impl Encoder {
    /// An encoder without scaling.
    pub fn new(fields: Vec<FieldEncoding>) -> Encoder {
        Encoder { fields, scales: Vec::new() }
    }

    /// The same encoder with a [`Scale`] for each column.
    #[must_use]
    pub fn with_scales(self, scales: Vec<Scale>) -> Encoder {
        Encoder { scales, ..self }
    }

    /// The encoding of each field.
    pub fn fields(&self) -> &[FieldEncoding] {
        &self.fields
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        self.fields.iter().map(|field| field.width()).fold(0, usize::saturating_add)
    }

    /// Appends the columns of one row to `columns`. `row` holds one decoded value for each field.
    pub fn encode(&self, row: &[f64], columns: &mut Vec<f64>) {
        let start = columns.len();
        for (value, field) in row.iter().zip(&self.fields) {
            match *field {
                FieldEncoding::Identity => columns.push(*value),
                FieldEncoding::OneHot { categories } => {
                    let first = columns.len();
                    columns.resize(first + categories, 0.0);
                    if let Some(column) = columns.get_mut(first + *value as usize) {
                        *column = 1.0;
                    }
                }
            }
        }
        for (column, scale) in columns[start..].iter_mut().zip(&self.scales) {
            *column = (*column - scale.mean) / scale.scale;
        }
    }

    /// Whether the encoder fits `fields`; otherwise why not.
    pub(crate) fn check(&self, fields: &[Field]) -> Result<(), String> {
        if self.fields.len() != fields.len() {
            return Err(format!("the encoder has {} fields, the schema {}", self.fields.len(), fields.len()));
        }
        for (encoding, field) in self.fields.iter().zip(fields) {
            if let FieldEncoding::OneHot { categories } = *encoding
                && categories != field.categories.len()
            {
                return Err(format!(
                    "{} is encoded as {categories} categories and has {}",
                    field.name,
                    field.categories.len()
                ));
            }
        }
        if self.width() > MAX_WIDTH {
            return Err(format!("a row becomes {} columns; at most {MAX_WIDTH} are allowed", self.width()));
        }
        if !self.scales.is_empty() && self.scales.len() != self.width() {
            return Err(format!("{} scales for {} columns", self.scales.len(), self.width()));
        }
        let usable = |scale: &Scale| scale.mean.is_finite() && scale.scale.is_finite() && scale.scale > 0.0;
        if self.scales.iter().all(usable) { Ok(()) } else { Err("a scale is not a finite number above 0".to_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_hot_and_scaling_follow_the_order_of_fields() {
        let encoder = Encoder::new(vec![FieldEncoding::Identity, FieldEncoding::OneHot { categories: 3 }]);
        let mut columns = Vec::new();
        encoder.encode(&[5.0, 1.0], &mut columns);
        assert_eq!(columns, [5.0, 0.0, 1.0, 0.0]);

        let scale = |mean, scale| Scale { mean, scale };
        let scaled = encoder.with_scales(vec![scale(3.0, 2.0), scale(0.0, 1.0), scale(0.5, 0.5), scale(0.0, 1.0)]);
        columns.clear();
        scaled.encode(&[5.0, 1.0], &mut columns);
        assert_eq!(columns, [1.0, 0.0, 1.0, 0.0]);
    }
}
