//! Everything the learners and the manifest need to know of the data.

use std::collections::HashSet;

use rayon::prelude::*;
use slipway_model::{Field, Range};
use slipway_spec::{Builtin, Encoding, Feature, FeatureType, MissingPolicy, Split, Train, TrainingSpec};

use super::fill;
use super::infer::{self, Inferred, Typed};
use super::split::{self, Rows};
use super::target::{self, TargetColumn, no_such_column};
use super::weights;
use crate::error::DataError;
use crate::reader::{Column, Table};

/// Fewest rows from which on a column of consecutive numbers is taken for the rows' numbers.
const MIN_ROWS_OF_AN_INDEX: usize = 10;
/// Most columns a report warns of.
const MAX_WARNINGS: usize = 50;

/// A table with its target, its split, and the columns a model may use.
#[derive(Clone, Debug)]
pub(crate) struct Dataset {
    pub(crate) table: Table,
    pub(crate) target: TargetColumn,
    pub(crate) rows: Rows,
    /// How much each row counts in training; `None` where all count alike.
    pub(crate) weights: Option<Vec<f64>>,
    /// The fields, in the order of the table.
    pub(crate) features: Vec<FeatureColumn>,
    pub(crate) warnings: Vec<String>,
}

/// A column that is a feature.
#[derive(Clone, Debug)]
pub(crate) struct FeatureColumn {
    /// Place in the table.
    pub(crate) place: usize,
    pub(crate) typed: Typed,
    pub(crate) field: Field,
    /// As the spec says it.
    pub(crate) encoding: Option<Encoding>,
}

impl FeatureColumn {
    /// The value of a row, as [`Field::decode`] gives it.
    pub(crate) fn decoded(&self, row: u32) -> f64 {
        let value = self.typed.values[row as usize];
        // A required field has no missing value: such data are refused.
        if value.is_nan() { self.field.fill.unwrap_or(value) } else { value }
    }
}

impl Dataset {
    /// Types the columns of `table`, splits its rows, and decides what becomes of missing values.
    pub(crate) fn new(table: Table, spec: &TrainingSpec, builtin: &Builtin) -> Result<Dataset, DataError> {
        check_declared(&table, builtin)?;
        let target = target::read(&table, spec)?;
        let rows = split::split(&table, &target, &builtin.split)?;
        Dataset::of(table, target, rows, spec, builtin)
    }

    /// The same table with all rows that have a target to train on, and none to test.
    pub(crate) fn on_all_rows(self, spec: &TrainingSpec, builtin: &Builtin) -> Result<Dataset, DataError> {
        let Dataset { table, target, rows, .. } = self;
        let rows = rows.all(&target);
        Dataset::of(table, target, rows, spec, builtin)
    }

    fn of(
        table: Table,
        target: TargetColumn,
        rows: Rows,
        spec: &TrainingSpec,
        builtin: &Builtin,
    ) -> Result<Dataset, DataError> {
        let weighed_by = builtin.sample_weight.as_deref();
        let weights = weighed_by.map(|name| weights::read(&table, name, &rows)).transpose()?;
        let mut warnings = Vec::new();
        let missing = target.values.iter().filter(|value| value.is_nan()).count();
        if missing > 0 {
            warnings.push(format!("{missing} rows have no {} and are left out", spec.target));
        }
        let not_features = |name: &str| {
            let splits = matches!(&builtin.split, Split::Column(column) if column == name);
            name == spec.target || splits || weighed_by == Some(name)
        };
        let candidates: Vec<_> =
            table.columns.iter().enumerate().filter(|(_, column)| !not_features(&column.name)).collect();
        let found: Vec<(Option<FeatureColumn>, Option<String>)> = candidates
            .par_iter()
            .map(|&(place, column)| feature(&table, &rows, place, column, declared(spec, &column.name)))
            .collect::<Result<_, DataError>>()?;
        let mut features = Vec::new();
        for (feature, warning) in found {
            features.extend(feature);
            warnings.extend(warning);
        }
        let more = warnings.len().saturating_sub(MAX_WARNINGS);
        if more > 0 {
            warnings.truncate(MAX_WARNINGS);
            warnings.push(format!("and {more} more columns have something to know"));
        }
        if features.is_empty() {
            return Err(table.error("no column is left to learn from"));
        }
        Ok(Dataset { table, target, rows, weights, features, warnings })
    }

    /// The schema of a row.
    pub(crate) fn fields(&self) -> Vec<Field> {
        self.features.iter().map(|feature| feature.field.clone()).collect()
    }

    /// A row's values, as [`slipway_model::Model::decode`] gives them.
    pub(crate) fn decoded(&self, row: u32) -> Vec<f64> {
        self.features.iter().map(|feature| feature.decoded(row)).collect()
    }
}

/// What the spec says of a column.
pub(crate) fn declared<'a>(spec: &'a TrainingSpec, name: &str) -> Option<&'a Feature> {
    match &spec.train {
        Train::Builtin(builtin) => builtin.features.iter().find(|feature| feature.name == name),
        Train::Container(_) => None,
    }
}

/// Smallest and largest of `values`, missing ones aside.
pub(crate) fn range(values: impl Iterator<Item = f64>) -> Option<Range> {
    values.filter(|value| !value.is_nan()).fold(None, |range, value| {
        let Range { min, max } = range.unwrap_or(Range { min: value, max: value });
        Some(Range { min: min.min(value), max: max.max(value) })
    })
}

fn check_declared(table: &Table, builtin: &Builtin) -> Result<(), DataError> {
    let mut seen = HashSet::new();
    for feature in &builtin.features {
        if table.column(&feature.name).is_none() {
            return Err(no_such_column(table, &feature.name, "features"));
        }
        if !seen.insert(&feature.name) {
            return Err(table.error("features names it twice").in_column(&feature.name));
        }
    }
    Ok(())
}

/// The feature that a column is, or why it is none.
fn feature(
    table: &Table,
    rows: &Rows,
    place: usize,
    column: &Column,
    declared: Option<&Feature>,
) -> Result<(Option<FeatureColumn>, Option<String>), DataError> {
    let unknown = Feature::default();
    let declared = declared.unwrap_or(&unknown);
    let name = &column.name;
    let left_out = |why: String| Ok((None, Some(format!("{name} is left out: {why}"))));
    if declared.use_ == Some(false) {
        return Ok((None, None));
    }
    let typed = match declared.type_ {
        Some(type_) => infer::read_as(table, column, type_)?,
        None => match infer::infer(table, column)? {
            Inferred::Typed(typed) => typed,
            Inferred::Empty => return left_out("it has no value in any row".to_owned()),
            Inferred::Distinct(count) => {
                return left_out(format!(
                    "{count} different texts look like an identifier or free text; if they are categories, say `type: Category` in features"
                ));
            }
        },
    };
    check_against_type(table, name, declared, typed.type_)?;
    refuse_enormous(table, name, &typed)?;
    let Some(policy) = policy(table, rows, column, declared, &typed)? else {
        return left_out("it has no value in any training row".to_owned());
    };
    let training = || rows.train.iter().map(|&row| typed.values[row as usize]);
    let is_number = matches!(typed.type_, FeatureType::Number | FeatureType::Timestamp);
    let field = Field {
        name: name.clone(),
        type_: typed.type_,
        categories: typed.labels.clone(),
        range: if is_number { range(training()) } else { None },
        fill: fill::fill(policy, training()),
        description: declared.description.clone(),
        example: example(column, rows, &typed),
    };
    let warning = note(name, &typed);
    Ok((Some(FeatureColumn { place, typed, field, encoding: declared.encoding }), warning))
}

fn check_against_type(table: &Table, name: &str, declared: &Feature, type_: FeatureType) -> Result<(), DataError> {
    let error = |problem: String| Err(table.error(problem).in_column(name));
    if let Some(encoding) = declared.encoding
        && type_ != FeatureType::Category
    {
        return error(format!(
            "encoding {encoding:?} is for categories, and this is a {type_:?}; say `type: Category` or leave encoding out"
        ));
    }
    let numeric = matches!(type_, FeatureType::Number | FeatureType::Timestamp);
    match declared.missing {
        Some(policy @ (MissingPolicy::Mean | MissingPolicy::Median)) if !numeric => error(format!(
            "missing: {policy:?} is for numbers and times, and this is a {type_:?}; write MostFrequent or Reject"
        )),
        _ => Ok(()),
    }
}

/// Trees compare 32-bit floats, and squares of numbers must stay finite.
pub(crate) fn refuse_enormous(table: &Table, name: &str, typed: &Typed) -> Result<(), DataError> {
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

/// What becomes of missing values; `None` where there is no value to learn from.
fn policy(
    table: &Table,
    rows: &Rows,
    column: &Column,
    declared: &Feature,
    typed: &Typed,
) -> Result<Option<MissingPolicy>, DataError> {
    let missing = |row: &&u32| typed.values[**row as usize].is_nan();
    let first_missing = rows.train.iter().chain(&rows.test).filter(missing).min();
    let policy = declared.missing.unwrap_or_else(|| fill::default_policy(typed.type_, first_missing.is_some()));
    match first_missing {
        Some(&row) if policy == MissingPolicy::Reject => {
            let problem = "the value is missing, and `missing: Reject` is said of this column; write Mean, Median or MostFrequent \
                           to fill it in";
            Err(table.error(problem).at_row(row as usize).in_column(&column.name))
        }
        _ if rows.train.iter().filter(missing).count() == rows.train.len() => Ok(None),
        _ => Ok(Some(policy)),
    }
}

/// A typical value: the lower median of numbers and times, the most frequent of others, as a caller writes it.
fn example(column: &Column, rows: &Rows, typed: &Typed) -> serde_json::Value {
    let mut present: Vec<(f64, u32)> =
        rows.train.iter().map(|&row| (typed.values[row as usize], row)).filter(|(value, _)| !value.is_nan()).collect();
    present.sort_by(|a, b| a.0.total_cmp(&b.0));
    let typical = match typed.type_ {
        FeatureType::Number | FeatureType::Timestamp => present.get(present.len().saturating_sub(1) / 2).copied(),
        FeatureType::Category | FeatureType::Boolean => {
            let most = fill::fill(MissingPolicy::MostFrequent, present.iter().map(|(value, _)| *value));
            present.iter().find(|(value, _)| Some(*value) == most).copied()
        }
    };
    typical.map_or(serde_json::Value::Null, |(_, row)| typed.json(&column.cell(row as usize), row))
}

/// What a person should know of a column that is used.
fn note(name: &str, typed: &Typed) -> Option<String> {
    if typed.constant() {
        return Some(format!("{name} has the same value in every row, so the model learns nothing from it"));
    }
    let counts_rows = typed.type_ == FeatureType::Number
        && typed.values.len() >= MIN_ROWS_OF_AN_INDEX
        && typed.values.windows(2).all(|pair| pair[1] - pair[0] == 1.0);
    counts_rows.then(|| format!("{name} counts the rows; if it is an identifier, say `use: false` in features"))
}
