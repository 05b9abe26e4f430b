//! Everything the learners and the manifest need to know of the data.

use std::collections::HashSet;

use rayon::prelude::*;
use slipway_model::{Field, Range};
use slipway_spec::{Builtin, Feature, Split, Train, TrainingSpec};

use super::derive;
use super::feature::{Finder, Found};
use super::split::{self, Rows};
use super::target::{self, TargetColumn, no_such_column};
use super::weights;
use crate::error::DataError;
use crate::reader::Table;

pub(crate) use super::derive::DerivedColumn;
pub(crate) use super::feature::FeatureColumn;

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
    /// Columns made of them.
    pub(crate) derived: Vec<DerivedColumn>,
    pub(crate) warnings: Vec<String>,
}

impl Dataset {
    /// Types the columns of `table`, splits its rows, and decides what becomes of missing values.
    pub(crate) fn new(table: Table, spec: &TrainingSpec, builtin: &Builtin) -> Result<Dataset, DataError> {
        check_declared(&table, builtin, &spec.target)?;
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
        let unknown = Feature::default();
        let candidates: Vec<_> =
            table.columns.iter().enumerate().filter(|(_, column)| !not_features(&column.name)).collect();
        let found: Vec<Found> = candidates
            .par_iter()
            .map(|&(place, column)| {
                let said = declared(spec, &column.name);
                let name = said.map_or(&column.name, |feature| &feature.name);
                let derived_from =
                    builtin.derive.iter().any(|derived| derive::operands(derived).any(|other| other == name));
                let said = said.unwrap_or(&unknown);
                Finder { table: &table, rows: &rows, column, declared: said, derived_from }.find(place)
            })
            .collect::<Result<_, DataError>>()?;
        let mut features = Vec::new();
        for Found { feature, warning } in found {
            features.extend(feature);
            warnings.extend(warning);
        }
        let derived = derive::derive(&table, builtin, &features)?;
        check_names(&table, &features, &derived)?;
        let more = warnings.len().saturating_sub(MAX_WARNINGS);
        if more > 0 {
            warnings.truncate(MAX_WARNINGS);
            warnings.push(format!("and {more} more columns have something to know"));
        }
        if features.iter().all(|feature| !feature.used) && derived.is_empty() {
            const TOLD: usize = 3;
            let why: Vec<String> = warnings.into_iter().take(TOLD).collect();
            let why = if why.is_empty() { String::new() } else { format!(": {}", why.join("; ")) };
            return Err(table.error(format!("no column is left to learn from{why}")));
        }
        Ok(Dataset { table, target, rows, weights, features, derived, warnings })
    }

    /// The schema of a row.
    pub(crate) fn fields(&self) -> Vec<Field> {
        self.features.iter().map(|feature| feature.field.clone()).collect()
    }

    /// A row's values, as [`slipway_model::Model::decode`] gives them: NaN where one is missing.
    pub(crate) fn decoded(&self, row: u32) -> Vec<f64> {
        self.features.iter().map(|feature| feature.decoded(row)).collect()
    }
}

/// What the spec says of a column.
pub(crate) fn declared<'a>(spec: &'a TrainingSpec, name: &str) -> Option<&'a Feature> {
    match &spec.train {
        Train::Builtin(builtin) => builtin.features.iter().find(|feature| feature.column() == name),
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

fn check_declared(table: &Table, builtin: &Builtin, target: &str) -> Result<(), DataError> {
    let (mut names, mut columns) = (HashSet::new(), HashSet::new());
    let is_derived = |name: &str| builtin.derive.iter().any(|derived| derived.name == name);
    for feature in &builtin.features {
        let column = feature.column();
        if feature.name == target || column == target {
            return Err(table.error("the target is no feature; take it out of features").in_column(target));
        }
        if is_derived(&feature.name) {
            if feature.from.is_some() {
                return Err(table
                    .error("it is derived, so `from` has no meaning; leave it out")
                    .in_column(&feature.name));
            }
        } else if table.column(column).is_none() {
            return Err(no_such_column(table, column, "features"));
        }
        if !names.insert(&feature.name) || !columns.insert(column) {
            return Err(table.error("features names it twice").in_column(column));
        }
    }
    match builtin.derive.iter().find(|derived| table.column(&derived.name).is_some()) {
        None => Ok(()),
        Some(derived) => Err(table
            .error("derive makes a column that is there already; give it another name")
            .in_column(&derived.name)),
    }
}

/// Every name stands for one thing.
fn check_names(table: &Table, features: &[FeatureColumn], derived: &[DerivedColumn]) -> Result<(), DataError> {
    let mut names = HashSet::new();
    let all =
        features.iter().map(|feature| &feature.field.name).chain(derived.iter().map(|derived| &derived.declared.name));
    for name in all {
        if !names.insert(name) {
            return Err(table.error("two features have this name; give one of them another").in_column(name));
        }
    }
    Ok(())
}
