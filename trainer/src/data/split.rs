//! Which rows are trained on and which are tested on.

use std::collections::BTreeMap;

use slipway_spec::{FeatureType, RandomSplit, Split, Task, TimeSplit};

use super::infer::{self, Inferred};
use super::target::{TargetColumn, no_such_column};
use crate::error::DataError;
use crate::reader::Table;
use crate::rng::Rng;

const SECONDS_A_DAY: f64 = 86_400.0;

/// Rows of the table by their use, each list in the order in which the rows are used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rows {
    pub(crate) train: Vec<u32>,
    pub(crate) test: Vec<u32>,
    /// Rows in neither: without a target, or under an embargo.
    pub(crate) left_out: Vec<u32>,
}

/// Splits the rows that have a target. Rows keep their order; under [`Split::Time`] they are in the order of time.
pub(crate) fn split(table: &Table, target: &TargetColumn, by: &Split) -> Result<Rows, DataError> {
    let has_target = |row: &u32| !target.values[*row as usize].is_nan();
    let (usable, without): (Vec<u32>, Vec<u32>) = (0..table.rows as u32).partition(has_target);
    let mut rows = match by {
        Split::Random(random) => split_at_random(table, target, random, &usable)?,
        Split::Column(column) => split_by_column(table, column, &usable)?,
        Split::Time(time) => split_by_time(table, time, &usable)?,
    };
    rows.left_out.extend(without);
    rows.left_out.sort_unstable();
    for (part, name) in [(&rows.train, "training"), (&rows.test, "test")] {
        if part.is_empty() {
            let problem = format!("the split leaves no {name} rows of {} with a target; change split", usable.len());
            return Err(table.error(problem));
        }
    }
    Ok(rows)
}

fn split_at_random(
    table: &Table,
    target: &TargetColumn,
    random: &RandomSplit,
    usable: &[u32],
) -> Result<Rows, DataError> {
    let strata = match &random.stratify_by {
        Some(name) => strata_of_column(table, name, usable)?,
        None if target.task == Task::Classification => group(usable, |row| target.values[row as usize] as u64),
        None => vec![usable.to_vec()],
    };
    let wanted = ((random.test_fraction * usable.len() as f64).ceil() as usize).min(usable.len().saturating_sub(1));
    let mut rng = Rng::new(random.seed);
    let mut rows = Rows::default();
    for (mut stratum, tested) in strata.iter().cloned().zip(allot(&strata, wanted, usable.len())) {
        rng.shuffle(&mut stratum);
        rows.train.extend(stratum.split_off(tested));
        rows.test.extend(stratum);
    }
    rows.train.sort_unstable();
    rows.test.sort_unstable();
    Ok(rows)
}

/// Test rows of each stratum: its share of `wanted` by largest remainder, the larger stratum first among equals. A stratum
/// of a single row is trained on.
fn allot(strata: &[Vec<u32>], wanted: usize, rows: usize) -> Vec<usize> {
    let exact: Vec<f64> = strata.iter().map(|stratum| (stratum.len() * wanted) as f64 / rows as f64).collect();
    let most = |stratum: usize| strata[stratum].len().saturating_sub(1);
    let mut tested: Vec<usize> =
        (0..strata.len()).map(|stratum| (exact[stratum] as usize).min(most(stratum))).collect();
    let mut order: Vec<usize> = (0..strata.len()).collect();
    order.sort_by(|&a, &b| {
        let remainder = |stratum: usize| exact[stratum].fract();
        remainder(b).total_cmp(&remainder(a)).then(strata[b].len().cmp(&strata[a].len()))
    });
    let mut missing = wanted.saturating_sub(tested.iter().sum());
    for &stratum in order.iter().cycle().take(2 * order.len()) {
        if missing > 0 && tested[stratum] < most(stratum) {
            tested[stratum] += 1;
            missing -= 1;
        }
    }
    tested
}

/// Rows with the same key together, by ascending key.
fn group(rows: &[u32], key: impl Fn(u32) -> u64) -> Vec<Vec<u32>> {
    let mut groups: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
    for &row in rows {
        groups.entry(key(row)).or_default().push(row);
    }
    groups.into_values().collect()
}

fn strata_of_column(table: &Table, name: &str, usable: &[u32]) -> Result<Vec<Vec<u32>>, DataError> {
    let Some((_, column)) = table.column(name) else {
        return Err(no_such_column(table, name, "split.random.stratifyBy"));
    };
    let mut groups: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for &row in usable {
        groups.entry(column.cell(row as usize)).or_default().push(row);
    }
    if groups.len() > 1 && groups.len() * 2 > usable.len() {
        let problem = format!(
            "{} different values in {} rows; stratifyBy needs a column of few values",
            groups.len(),
            usable.len()
        );
        return Err(table.error(problem).in_column(name));
    }
    Ok(groups.into_values().collect())
}

fn split_by_column(table: &Table, name: &str, usable: &[u32]) -> Result<Rows, DataError> {
    let Some((_, column)) = table.column(name) else { return Err(no_such_column(table, name, "split.column")) };
    let mut rows = Rows::default();
    for &row in usable {
        match column.cell(row as usize) {
            "train" => rows.train.push(row),
            "test" => rows.test.push(row),
            other => {
                let shown = slipway_model::Value::Text(other);
                let problem = format!("expected \"train\" or \"test\", got {shown}");
                return Err(table.error(problem).at_row(row as usize).in_column(name));
            }
        }
    }
    Ok(rows)
}

fn split_by_time(table: &Table, time: &TimeSplit, usable: &[u32]) -> Result<Rows, DataError> {
    let Some((_, column)) = table.column(&time.column) else {
        return Err(no_such_column(table, &time.column, "split.time.column"));
    };
    let error = |problem: &str| table.error(problem).in_column(&time.column);
    let typed = match infer::infer(table, column)? {
        Inferred::Typed(typed) if typed.type_ == FeatureType::Timestamp => typed,
        Inferred::Typed(typed) if typed.type_ == FeatureType::Number && time.embargo_days == 0 => typed,
        Inferred::Typed(typed) if typed.type_ == FeatureType::Number => {
            return Err(error("embargoDays needs dates or times, and these are numbers"));
        }
        _ => return Err(error("expected dates or times such as 2024-05-01 or 2024-05-01T06:30:00Z, or numbers")),
    };
    let when = |row: u32| typed.values[row as usize];
    if let Some(&row) = usable.iter().find(|&&row| when(row).is_nan()) {
        return Err(error("the time of this row is missing").at_row(row as usize));
    }
    let mut sorted = usable.to_vec();
    sorted.sort_by(|&a, &b| when(a).total_cmp(&when(b)));
    let tested = (time.test_fraction * sorted.len() as f64).ceil() as usize;
    let Some(&first) = sorted.get(sorted.len().saturating_sub(tested)) else { return Ok(Rows::default()) };
    // Rows of one moment stay together, so the test starts with all of its first moment.
    let start = when(first);
    let embargo = start - f64::from(time.embargo_days) * SECONDS_A_DAY;
    let mut rows = Rows::default();
    for row in sorted {
        match when(row) {
            at if at >= start => rows.test.push(row),
            at if at < embargo || time.embargo_days == 0 => rows.train.push(row),
            _ => rows.left_out.push(row),
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests;
