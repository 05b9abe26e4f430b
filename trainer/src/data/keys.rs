//! Columns by which rows are divided: groups that stay together, and times.

use std::collections::BTreeMap;

use slipway_spec::FeatureType;

use super::infer::{self, Inferred};
use super::target::no_such_column;
use crate::error::DataError;
use crate::reader::Table;

/// The group of each of `rows`, counted from 0 in the order of the column's sorted texts. `field` says which part of the spec
/// names the column.
pub(crate) fn groups(table: &Table, name: &str, rows: &[u32], field: &str) -> Result<Vec<u32>, DataError> {
    let Some((_, column)) = table.column(name) else { return Err(no_such_column(table, name, field)) };
    let texts = column.texts();
    let text = |row: u32| texts.dictionary.get(texts.codes[row as usize]);
    let mut places: BTreeMap<&str, u32> = BTreeMap::new();
    for &row in rows {
        if column.is_missing(row as usize) {
            let problem = "the group of this row is missing";
            return Err(table.error(problem).at_row(row as usize).in_column(name));
        }
        places.entry(text(row)).or_default();
    }
    for (place, group) in places.values_mut().enumerate() {
        *group = place as u32;
    }
    Ok(rows.iter().map(|&row| places[text(row)]).collect())
}

/// The time of each of `rows`: seconds since 1970-01-01 UTC, or the number where the column holds numbers, which then cannot
/// be counted in `days`.
pub(crate) fn times(table: &Table, name: &str, rows: &[u32], field: &str, days: bool) -> Result<Vec<f64>, DataError> {
    let Some((_, column)) = table.column(name) else { return Err(no_such_column(table, name, field)) };
    let error = |problem: &str| table.error(problem).in_column(name);
    let typed = match infer::infer(table, column)? {
        Inferred::Typed(typed) if typed.type_ == FeatureType::Timestamp => typed,
        Inferred::Typed(typed) if typed.type_ == FeatureType::Number && !days => typed,
        Inferred::Typed(typed) if typed.type_ == FeatureType::Number => {
            return Err(error("embargoDays needs dates or times, and these are numbers"));
        }
        _ => return Err(error("expected dates or times such as 2024-05-01 or 2024-05-01T06:30:00Z, or numbers")),
    };
    let time = |&row: &u32| match typed.values[row as usize] {
        time if time.is_nan() => Err(error("the time of this row is missing").at_row(row as usize)),
        time => Ok(time),
    };
    rows.iter().map(time).collect()
}
