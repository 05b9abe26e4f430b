//! Which rows are trained on and which are tested on.

use std::borrow::Cow;
use std::collections::BTreeMap;

use slipway_spec::{GroupSplit, RandomSplit, Split, Task, TimeSplit};

use super::keys;
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

impl Rows {
    /// All rows that have a target to train on: the training rows in their order, then those that were tested on or under an
    /// embargo.
    pub(crate) fn all(self, target: &TargetColumn) -> Rows {
        let has_target = |row: &u32| !target.values[*row as usize].is_nan();
        let (more, left_out): (Vec<u32>, Vec<u32>) = self.left_out.into_iter().partition(has_target);
        Rows { train: [self.train, more, self.test].concat(), test: Vec::new(), left_out }
    }
}

/// Splits the rows that have a target. Rows keep their order; under [`Split::Time`] they are in the order of time.
pub(crate) fn split(table: &Table, target: &TargetColumn, by: &Split) -> Result<Rows, DataError> {
    let has_target = |row: &u32| !target.values[*row as usize].is_nan();
    let (usable, without): (Vec<u32>, Vec<u32>) = (0..table.rows as u32).partition(has_target);
    let mut rows = match by {
        Split::Random(random) => split_at_random(table, target, random, &usable)?,
        Split::Group(group) => split_by_group(table, group, &usable)?,
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
    let mut groups: BTreeMap<Cow<'_, str>, Vec<u32>> = BTreeMap::new();
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
        match &*column.cell(row as usize) {
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

/// Groups in random order become the test while each brings its size nearer to the wanted one. One group at least is tested,
/// and one trained on.
fn split_by_group(table: &Table, by: &GroupSplit, usable: &[u32]) -> Result<Rows, DataError> {
    let codes = keys::groups(table, &by.column, usable, "split.group.column")?;
    let mut groups: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (&row, &group) in usable.iter().zip(&codes) {
        groups.entry(group).or_default().push(row);
    }
    if groups.len() < 2 {
        let problem = format!("all rows are of {} group; split.group needs two groups or more", groups.len());
        return Err(table.error(problem).in_column(&by.column));
    }
    let mut groups: Vec<Vec<u32>> = groups.into_values().collect();
    Rng::new(by.seed).shuffle(&mut groups);
    let wanted = by.test_fraction * usable.len() as f64;
    let most = groups.len() - 1;
    let (mut rows, mut tested) = (Rows::default(), 0);
    for group in groups {
        let size = rows.test.len() as f64;
        let nearer = size + group.len() as f64 / 2.0 <= wanted;
        if tested == 0 || nearer && tested < most {
            tested += 1;
            rows.test.extend(group);
        } else {
            rows.train.extend(group);
        }
    }
    rows.train.sort_unstable();
    rows.test.sort_unstable();
    Ok(rows)
}

fn split_by_time(table: &Table, time: &TimeSplit, usable: &[u32]) -> Result<Rows, DataError> {
    let times = keys::times(table, &time.column, usable, "split.time.column", time.embargo_days > 0)?;
    let mut sorted: Vec<(f64, u32)> = times.into_iter().zip(usable.iter().copied()).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let tested = (time.test_fraction * sorted.len() as f64).ceil() as usize;
    // Rows of one moment stay together, so the test starts with all of its first moment.
    let Some(&(start, _)) = sorted.get(sorted.len().saturating_sub(tested)) else { return Ok(Rows::default()) };
    let embargo = start - f64::from(time.embargo_days) * SECONDS_A_DAY;
    let mut rows = Rows::default();
    for (time_of_row, row) in sorted {
        match time_of_row {
            at if at >= start => rows.test.push(row),
            at if at < embargo || time.embargo_days == 0 => rows.train.push(row),
            _ => rows.left_out.push(row),
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests;
