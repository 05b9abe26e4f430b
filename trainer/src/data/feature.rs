//! One column of the data as a feature: its type, its field, and what becomes of missing values.

use std::borrow::Cow;

use slipway_model::value::{parse_boolean, parse_number, parse_timestamp};
use slipway_model::{Field, Unknown};
use slipway_spec::{Encoding, Feature, FeatureType, Fill, MissingPolicy};

use super::dataset::range;
use super::fill;
use super::infer::{self, Inferred, Typed};
use super::split::Rows;
use crate::error::DataError;
use crate::reader::{Column, Table};

/// Fewest rows from which on a column of consecutive numbers is taken for the rows' numbers, and one of different values for
/// an identifier.
const MIN_ROWS_OF_AN_INDEX: usize = 10;
/// Words by which identifiers are called.
const IDENTIFIERS: [&str; 7] = ["id", "ids", "uuid", "guid", "identifier", "index", "unnamed"];

/// A column that is a feature.
#[derive(Clone, Debug)]
pub(crate) struct FeatureColumn {
    /// Place in the table.
    pub(crate) place: usize,
    pub(crate) typed: Typed,
    pub(crate) field: Field,
    /// What the spec says of it.
    pub(crate) declared: Feature,
    /// Whether a model sees it; otherwise only columns that are derived from it.
    pub(crate) used: bool,
    /// What a missing value becomes.
    pub(crate) policy: MissingPolicy,
    /// Under [`MissingPolicy::Constant`].
    pub(crate) constant: Option<f64>,
}

impl FeatureColumn {
    /// The value of a row, as [`Field::decode`] gives it: NaN where it is missing.
    pub(crate) fn decoded(&self, row: u32) -> f64 {
        self.typed.values[row as usize]
    }
}

/// What was found out of a column.
pub(super) struct Found {
    pub(super) feature: Option<FeatureColumn>,
    /// What a person should know of it.
    pub(super) warning: Option<String>,
}

/// What is looked at to find out.
#[derive(Clone, Copy)]
pub(super) struct Finder<'a> {
    pub(super) table: &'a Table,
    pub(super) rows: &'a Rows,
    pub(super) column: &'a Column,
    /// The spec's words on it, or none.
    pub(super) declared: &'a Feature,
    /// Whether another column is derived from it.
    pub(super) derived_from: bool,
}

impl Finder<'_> {
    /// Types the column and decides what becomes of it.
    pub(super) fn find(self, place: usize) -> Result<Found, DataError> {
        let Finder { table, column, declared, .. } = self;
        if declared.use_ == Some(false) && !self.derived_from {
            return Ok(Found { feature: None, warning: None });
        }
        let asked_for = self.derived_from || is_told_how_to_use(declared);
        let mut typed = match declared.type_ {
            Some(type_) => infer::read_as(table, column, type_)?,
            None => match infer::infer(table, column)? {
                Inferred::Typed(typed) => typed,
                Inferred::Empty => return Ok(self.left_out("it has no value in any row")),
                Inferred::Distinct(_) if asked_for => infer::read_as(table, column, FeatureType::Category)?,
                Inferred::Distinct(count) => {
                    return Ok(self.left_out(&format!(
                        "{count} different texts look like an identifier or free text; if they are categories, say `use: true` in \
                         features"
                    )));
                }
            },
        };
        if !asked_for && is_identifier(&column.name, &typed) {
            return Ok(self.left_out(
                "it is different in every row and called like an identifier; if the model shall learn from it, say `use: true` in \
                 features",
            ));
        }
        check_against_type(declared, typed.type_).map_err(|problem| self.error(problem))?;
        refuse_enormous(table, &column.name, &typed)?;
        if self.rows.train.iter().all(|&row| typed.values[row as usize].is_nan()) {
            return Ok(self.left_out("it has no value in any training row"));
        }
        let policy = self.policy(&typed)?;
        let constant = match &declared.fill {
            Some(fill) if policy == MissingPolicy::Constant => {
                Some(constant(fill, &mut typed).map_err(|problem| self.error(problem))?)
            }
            _ => None,
        };
        let minimum = self.minimum(&typed)?;
        let warning = self.note(&typed);
        let field = self.field(&typed, policy, minimum);
        let used = declared.use_ != Some(false);
        let feature = FeatureColumn { place, typed, field, declared: declared.clone(), used, policy, constant };
        Ok(Found { feature: Some(feature), warning })
    }

    fn field(self, typed: &Typed, policy: MissingPolicy, minimum: Option<f64>) -> Field {
        let is_number = matches!(typed.type_, FeatureType::Number | FeatureType::Timestamp);
        let training = self.rows.train.iter().map(|&row| typed.values[row as usize]);
        let name = &self.declared.name;
        Field {
            name: if name.is_empty() { self.column.name.clone() } else { name.clone() },
            type_: typed.type_,
            categories: typed.labels.clone(),
            range: if is_number { range(training) } else { None },
            required: policy == MissingPolicy::Reject,
            unknown: self.declared.unknown.unwrap_or_default(),
            minimum,
            description: self.declared.description.clone(),
            unit: self.declared.unit.clone(),
            example: self.example(typed),
        }
    }

    fn error(self, problem: impl Into<String>) -> DataError {
        self.table.error(problem).in_column(&self.column.name)
    }

    fn left_out(self, why: &str) -> Found {
        Found { feature: None, warning: Some(format!("{} is left out: {why}", self.column.name)) }
    }

    /// What becomes of missing values.
    fn policy(self, typed: &Typed) -> Result<MissingPolicy, DataError> {
        let missing = |row: &&u32| typed.values[**row as usize].is_nan();
        let first_missing = self.rows.train.iter().chain(&self.rows.test).filter(missing).min();
        let may_miss = first_missing.is_some() || self.declared.unknown == Some(Unknown::AsMissing);
        let policy = self.declared.missing.unwrap_or_else(|| fill::default_policy(typed.type_, may_miss));
        match first_missing {
            Some(&row) if policy == MissingPolicy::Reject => {
                let problem = "the value is missing, and `missing: Reject` is said of this column; write Mean, Median, MostFrequent \
                               or Constant to fill it in";
                Err(self.error(problem).at_row(row as usize))
            }
            _ => Ok(policy),
        }
    }

    /// The smallest number the field takes: 0 where its logarithm is taken.
    fn minimum(self, typed: &Typed) -> Result<Option<f64>, DataError> {
        if self.declared.log != Some(true) {
            return Ok(None);
        }
        let below = |row: &&u32| typed.values[**row as usize] < 0.0;
        match self.rows.train.iter().chain(&self.rows.test).filter(below).min() {
            None => Ok(Some(0.0)),
            Some(&row) => {
                let problem =
                    "the number is below 0 and has no logarithm of 1 plus it; correct the cell, or leave `log` out";
                Err(self.error(problem).at_row(row as usize))
            }
        }
    }

    /// A typical value: the lower median of numbers and times, the most frequent of others, as a caller writes it.
    fn example(self, typed: &Typed) -> serde_json::Value {
        let training = self.rows.train.iter().map(|&row| (typed.values[row as usize], row));
        let mut present: Vec<(f64, u32)> = training.filter(|(value, _)| !value.is_nan()).collect();
        present.sort_by(|a, b| a.0.total_cmp(&b.0));
        let typical = match typed.type_ {
            FeatureType::Number | FeatureType::Timestamp => present.get(present.len().saturating_sub(1) / 2).copied(),
            FeatureType::Category | FeatureType::Boolean => {
                let most = fill::fill(MissingPolicy::MostFrequent, present.iter().map(|(value, _)| *value));
                present.iter().find(|(value, _)| Some(*value) == most).copied()
            }
        };
        typical.map_or(serde_json::Value::Null, |(_, row)| typed.json(&self.column.cell(row as usize), row))
    }

    /// What a person should know of a column that is used.
    fn note(self, typed: &Typed) -> Option<String> {
        let name = &self.column.name;
        if typed.constant() {
            return Some(format!("{name} has the same value in every row, so the model learns nothing from it"));
        }
        let counts_rows = typed.type_ == FeatureType::Number
            && typed.values.len() >= MIN_ROWS_OF_AN_INDEX
            && typed.values.windows(2).all(|pair| pair[1] - pair[0] == 1.0);
        let said = self.declared.use_.is_some();
        (counts_rows && !said)
            .then(|| format!("{name} counts the rows; if it is an identifier, say `use: false` in features"))
    }
}

/// Trees compare 32-bit floats, and squares of numbers must stay finite.
pub(super) fn refuse_enormous(table: &Table, name: &str, typed: &Typed) -> Result<(), DataError> {
    let enormous = |value: &f64| value.abs() > f64::from(f32::MAX);
    match typed.values.iter().position(enormous) {
        Some(row) if typed.type_ == FeatureType::Number => {
            let problem = format!(
                "{:e} is too large; numbers up to {:e} can be learned from: correct the cell, or leave it empty",
                typed.values[row],
                f32::MAX
            );
            Err(table.error(problem).at_row(row).in_column(name))
        }
        _ => Ok(()),
    }
}

/// Whether the spec's words fit the type of the column.
pub(super) fn check_against_type(declared: &Feature, type_: FeatureType) -> Result<(), String> {
    // The spec was checked by itself; now the type is known.
    declared.check_for(Some(type_)).map_err(|problem| format!("this is a {type_:?}; {problem}"))?;
    let numeric = matches!(type_, FeatureType::Number | FeatureType::Timestamp);
    match declared.missing {
        Some(policy @ (MissingPolicy::Mean | MissingPolicy::Median)) if !numeric => Err(format!(
            "missing: {policy:?} is for numbers and times, and this is a {type_:?}; write MostFrequent, Constant or Reject"
        )),
        Some(MissingPolicy::Native) if declared.encoding == Some(Encoding::OneHot) => {
            Err("missing: Native leaves no column to see it in under encoding: OneHot; write Ordinal, Count or Target"
                .to_owned())
        }
        _ => Ok(()),
    }
}

/// The value that the spec gives for missing ones. A category that the data does not have is added.
fn constant(fill: &Fill, typed: &mut Typed) -> Result<f64, String> {
    let text = fill.0.as_str();
    match typed.type_ {
        FeatureType::Category => return Ok(typed.place_of(text)),
        FeatureType::Number => number(text),
        FeatureType::Timestamp => parse_timestamp(text),
        FeatureType::Boolean => parse_boolean(text).map(|value| f64::from(u8::from(value))),
    }
    .ok_or_else(|| {
        let such = match typed.type_ {
            FeatureType::Number => "a number such as 0",
            FeatureType::Timestamp => "a time such as 2024-05-01T06:30:00Z",
            FeatureType::Boolean | FeatureType::Category => "true or false",
        };
        format!("fill is {text:?}, and this is a {:?}; write {such}", typed.type_)
    })
}

/// A number that trees can compare.
pub(super) fn number(text: &str) -> Option<f64> {
    parse_number(text).filter(|number| number.abs() <= f64::from(f32::MAX))
}

/// Whether the spec says more of a column than what it is called, means and is measured in.
fn is_told_how_to_use(declared: &Feature) -> bool {
    let Feature { name, description, unit, .. } = declared.clone();
    let silent = Feature { name, description, unit, ..Feature::default() };
    *declared != silent
}

/// Whether a column is called like an identifier and holds whole numbers or texts that are all different.
fn is_identifier(name: &str, typed: &Typed) -> bool {
    let kind = match typed.type_ {
        FeatureType::Number => typed.values.iter().all(|value| value.is_nan() || value.fract() == 0.0),
        FeatureType::Category => true,
        FeatureType::Boolean | FeatureType::Timestamp => false,
    };
    if !kind || typed.values.len() < MIN_ROWS_OF_AN_INDEX || !words(name).any(|word| IDENTIFIERS.contains(&&*word)) {
        return false;
    }
    let mut present: Vec<f64> = typed.values.iter().copied().filter(|value| !value.is_nan()).collect();
    present.sort_unstable_by(f64::total_cmp);
    present.windows(2).all(|pair| pair[0] != pair[1])
}

/// The words of a column's name in lower case: `customerId`, `customer_id` and `CUSTOMER ID` have two.
fn words(name: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let mut starts = vec![0];
    let mut before = ' ';
    for (place, character) in name.char_indices() {
        if character.is_uppercase() && before.is_lowercase() {
            starts.push(place);
        }
        before = character;
    }
    starts.push(name.len());
    let parts: Vec<&str> = starts.windows(2).map(|pair| &name[pair[0]..pair[1]]).collect();
    parts
        .into_iter()
        .flat_map(|part| part.split(|c: char| !c.is_alphanumeric()))
        .filter(|word| !word.is_empty())
        .map(|word| Cow::Owned(word.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fall_into_words() {
        let split = |name| words(name).map(Cow::into_owned).collect::<Vec<_>>();
        assert_eq!(split("customerId"), ["customer", "id"]);
        assert_eq!(split("CUSTOMER-ID"), ["customer", "id"]);
        assert_eq!(split("Unnamed: 0"), ["unnamed", "0"]);
        assert_eq!(split("width"), ["width"]);
    }
}
