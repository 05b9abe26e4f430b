//! Whether an encoder fits a schema. What passes never panics when it encodes a row.

use slipway_spec::FeatureType;
use slipway_spec::feature::MAX_BINS;

use super::{Block, Encoder, Form, MAX_WIDTH, Source};
use crate::schema::{Field, Unknown};

/// Most parts of a time.
const MAX_PARTS: usize = 16;

impl Encoder {
    /// Whether the encoder fits `fields`; otherwise why not.
    pub(crate) fn check(&self, fields: &[Field]) -> Result<(), String> {
        if self.blocks.len() > MAX_WIDTH || self.width() > MAX_WIDTH {
            return Err(format!("a row becomes {} columns; at most {MAX_WIDTH} are allowed", self.width()));
        }
        for block in &self.blocks {
            block.check(fields).map_err(|problem| format!("the encoder of {}: {problem}", block.name(fields)))?;
        }
        if !self.scales.is_empty() && self.scales.len() != self.width() {
            return Err(format!("{} scales for {} columns", self.scales.len(), self.width()));
        }
        let usable = |scale: &super::Scale| scale.mean.is_finite() && scale.scale.is_finite() && scale.scale > 0.0;
        if self.scales.iter().all(usable) { Ok(()) } else { Err("a scale is not a finite number above 0".to_owned()) }
    }

    /// Whether a column may be NaN, because a value is missing.
    pub(crate) fn leaves_missing(&self, fields: &[Field]) -> bool {
        self.blocks.iter().any(|block| {
            let hidden = matches!(block.form, Form::Missing | Form::OneHot { .. });
            !hidden && block.fill.is_none() && block.may_miss(fields)
        })
    }
}

impl Block {
    /// Whether the value may be missing before it is filled in.
    fn may_miss(&self, fields: &[Field]) -> bool {
        match &self.source {
            Source::Field { field } => !fields[*field].required || fields[*field].unknown == Unknown::AsMissing,
            Source::Ratio { .. } | Source::Difference { .. } => true,
        }
    }

    fn check(&self, fields: &[Field]) -> Result<(), String> {
        let type_ = self.source.check(fields)?;
        self.check_bins(type_)?;
        let codes = match &self.source {
            _ if !self.bins.is_empty() => Some(self.bins.len() + 1),
            Source::Field { field } if type_ == FeatureType::Category => Some(fields[*field].codes()),
            _ => None,
        };
        let fill_fits = self.fill.is_none_or(|fill| match type_ {
            FeatureType::Category => fill >= 0.0 && fill.fract() == 0.0 && (fill as usize) < codes.unwrap_or(0),
            _ => fill.is_finite(),
        });
        if !fill_fits || matches!(self.form, Form::Log) && self.fill.is_some_and(|fill| fill < 0.0) {
            return Err("the fill value is no value of it".to_owned());
        }
        self.form.check(type_, codes)
    }

    fn check_bins(&self, type_: FeatureType) -> Result<(), String> {
        if self.bins.is_empty() {
            return Ok(());
        }
        let ascending = self.bins.iter().all(|edge| edge.is_finite()) && self.bins.is_sorted_by(|a, b| a < b);
        if self.bins.len() >= MAX_BINS || !ascending {
            return Err(format!("{} edges of bins, which must be finite and ascending", self.bins.len()));
        }
        if type_ == FeatureType::Number { Ok(()) } else { Err(format!("bins of a {type_:?}")) }
    }
}

impl Source {
    /// The type of its values.
    fn check(&self, fields: &[Field]) -> Result<FeatureType, String> {
        let type_of = |place: usize| {
            let field = fields.get(place).ok_or_else(|| format!("there is no field {place}"))?;
            Ok::<_, String>(field.type_)
        };
        match *self {
            Source::Field { field } => type_of(field),
            Source::Ratio { of, to, .. } => match (type_of(of)?, type_of(to)?) {
                (FeatureType::Number, FeatureType::Number) => Ok(FeatureType::Number),
                (of, to) => Err(format!("the ratio of a {of:?} to a {to:?}")),
            },
            Source::Difference { of, minus, .. } => match (type_of(of)?, type_of(minus)?) {
                (FeatureType::Number, FeatureType::Number) | (FeatureType::Timestamp, FeatureType::Timestamp) => {
                    Ok(FeatureType::Number)
                }
                (of, minus) => Err(format!("the difference of a {of:?} and a {minus:?}")),
            },
        }
    }
}

impl Form {
    /// `codes` is the number of categories or bins.
    fn check(&self, type_: FeatureType, codes: Option<usize>) -> Result<(), String> {
        let fits = match self {
            Form::Identity | Form::Missing => true,
            Form::Log => type_ == FeatureType::Number && codes.is_none(),
            Form::Parts { parts } => type_ == FeatureType::Timestamp && (1..=MAX_PARTS).contains(&parts.len()),
            Form::OneHot { columns, places } => {
                let within = |codes: usize| {
                    if places.is_empty() { codes >= *columns } else { places.len() == codes }
                };
                *columns > 0 && codes.is_some_and(within)
            }
            Form::Table { columns, values } => {
                *columns > 0
                    && codes.is_some_and(|codes| codes.checked_mul(*columns) == Some(values.len()))
                    && values.iter().all(|value| value.is_finite())
            }
        };
        if fits { Ok(()) } else { Err(format!("its form does not fit a {type_:?} of {codes:?} categories or bins")) }
    }
}
