//! How much each row counts.

use std::sync::Arc;

use slipway_spec::FeatureType;

use super::infer;
use super::split::Rows;
use super::target::no_such_column;
use crate::error::DataError;
use crate::reader::Table;

/// Reads the column that says how much each row counts in training: of every row of the table, NaN where it has none. The
/// training rows have finite weights, none below 0, not all 0.
pub(super) fn read(table: &Table, name: &str, rows: &Rows) -> Result<Vec<f64>, DataError> {
    let Some((_, column)) = table.column(name) else {
        return Err(no_such_column(table, name, "sampleWeight"));
    };
    let weights = infer::read_as(table, column, FeatureType::Number)?.values;
    let error = |problem: &str| table.error(problem).in_column(name);
    for &row in &rows.train {
        let weight = weights[row as usize];
        let problem = match weight {
            _ if weight.is_nan() => "the weight is missing; write how much this row counts, 0 for not at all",
            _ if weight.is_infinite() => "the weight is infinite; write a finite number from 0 on",
            _ if weight < 0.0 => "the weight is below 0; write 0 for a row that does not count",
            _ => continue,
        };
        return Err(error(problem).at_row(row as usize));
    }
    let total: f64 = rows.train.iter().map(|&row| weights[row as usize]).sum();
    if total == 0.0 {
        return Err(error("the weights of all training rows are 0, so there is nothing to learn from"));
    }
    if total.is_infinite() {
        return Err(error("the weights are so large that their sum is infinite; divide them all by the same number"));
    }
    Ok(Arc::unwrap_or_clone(weights))
}
