//! Columns sorted once, for every tree that is grown on them.

use std::borrow::Cow;

use rayon::prelude::*;

use crate::learner::Samples;

/// Columns of no more different values than this are counted value by value, and never sorted.
pub(super) const FEW: usize = 256;
/// Rows from which on sorting by digits is quicker than by comparison.
const MANY_ROWS: usize = 2048;

/// The columns that trees split on.
#[derive(Debug)]
pub(crate) struct Presorted {
    pub(super) columns: Vec<SortedColumn>,
    pub(super) matrix: Matrix,
}

/// The columns row by row, as 32-bit floats, NaN where a value is missing: a row is in one place of memory when all its
/// columns are looked at.
#[derive(Debug)]
pub(super) struct Matrix {
    values: Vec<f32>,
    pub(super) width: usize,
    pub(super) rows: usize,
    pub(super) has_missing: bool,
}

/// The rows of one column by their values.
#[derive(Debug)]
pub(super) enum SortedColumn {
    /// Of no more than [`FEW`] different values, missing ones included.
    Few {
        /// Its values, ascending, missing ones last.
        values: Vec<f32>,
        /// The place of each row's value.
        ranks: Vec<u8>,
    },
    /// Of more.
    Many {
        /// The rows by their values, ascending, missing ones last.
        order: Vec<u32>,
    },
}

/// A key sorts rows by their values, missing ones last, then by their numbers.
pub(super) fn key(value: f32, row: u32) -> u64 {
    sortable(value) << 32 | u64::from(row)
}

/// The row of a key.
pub(super) fn row(key: u64) -> u32 {
    key as u32
}

/// The value of a key, NaN where it is missing.
pub(super) fn value(key: u64) -> f32 {
    let bits = (key >> 32) as u32;
    f32::from_bits(if bits >> 31 == 1 { bits ^ 1 << 31 } else { !bits })
}

/// Whether two keys have the same value.
pub(super) fn is_same(a: u64, b: u64) -> bool {
    (a ^ b) >> 32 == 0
}

impl Presorted {
    /// Sorts the columns of all samples.
    pub(crate) fn new(samples: &Samples) -> Presorted {
        let columns = samples.column_values();
        let matrix = Matrix::new(&columns, samples.rows());
        Presorted { columns: columns.par_iter().map(|column| SortedColumn::new(column)).collect(), matrix }
    }
}

/// Beyond the range of 32 bits there is nothing to tell apart; adding 0 makes -0 a 0.
fn narrow(value: f64) -> f32 {
    (value as f32).clamp(f32::MIN, f32::MAX) + 0.0
}

impl Matrix {
    fn new(columns: &[Cow<'_, [f64]>], rows: usize) -> Matrix {
        let width = columns.len();
        let mut values = vec![0.0; width * rows];
        if width > 0 {
            for (row, values) in values.chunks_exact_mut(width).enumerate() {
                values.iter_mut().zip(columns).for_each(|(value, column)| *value = narrow(column[row]));
            }
        }
        let has_missing = values.iter().any(|value: &f32| value.is_nan());
        Matrix { values, width, rows, has_missing }
    }

    /// The columns of a row.
    pub(super) fn row(&self, row: u32) -> &[f32] {
        let start = row as usize * self.width;
        &self.values[start..start + self.width]
    }

    /// The value of a row.
    pub(super) fn value(&self, row: u32, column: usize) -> f32 {
        self.values[row as usize * self.width + column]
    }
}

impl SortedColumn {
    fn new(values: &[f64]) -> SortedColumn {
        let mut keys: Vec<u64> = (0..).zip(values).map(|(row, &value)| key(narrow(value), row)).collect();
        sort(&mut keys);
        let mut different: Vec<f32> = Vec::with_capacity(FEW);
        for runs in keys.chunk_by(|&a, &b| is_same(a, b)) {
            if different.len() == FEW {
                return SortedColumn::Many { order: keys.into_iter().map(row).collect() };
            }
            different.push(value(runs[0]));
        }
        let mut ranks = vec![0; values.len()];
        for (rank, run) in keys.chunk_by(|&a, &b| is_same(a, b)).enumerate() {
            for &key in run {
                ranks[row(key) as usize] = rank as u8;
            }
        }
        SortedColumn::Few { values: different, ranks }
    }

    /// Whether no rows can be told apart by it.
    pub(super) fn is_constant(&self) -> bool {
        matches!(self, SortedColumn::Few { values, .. } if values.len() < 2)
    }

    /// Writes the keys of some rows, which are ascending, into `keys`, ascending too. `used` marks the rows, `value` is that of
    /// a row.
    pub(super) fn order(&self, rows: &[u32], used: &[bool], value: impl Fn(u32) -> f32, keys: &mut Vec<u64>) {
        keys.clear();
        match self {
            // Sorting a few rows is quicker than looking for them among all.
            SortedColumn::Many { order } if rows.len() * 16 > order.len() => {
                keys.extend(order.iter().filter(|&&row| used[row as usize]).map(|&row| key(value(row), row)));
            }
            _ => {
                keys.extend(rows.iter().map(|&row| key(value(row), row)));
                sort(keys);
            }
        }
    }
}

/// How many of these keys, which are ascending, have a value.
pub(super) fn present(keys: &[u64]) -> usize {
    match keys.last() {
        Some(&last) if value(last).is_nan() => keys.partition_point(|&key| !value(key).is_nan()),
        _ => keys.len(),
    }
}

/// Sorts keys of ascending rows, by three digits of what is before the row.
fn sort(keys: &mut Vec<u64>) {
    const DIGITS: usize = 1 << 11;
    if keys.len() < MANY_ROWS {
        return keys.sort_unstable();
    }
    let mut sorted = vec![0; keys.len()];
    for shift in [32, 43, 54] {
        let digit = |key: u64| (key >> shift) as usize % DIGITS;
        let mut places = [0; DIGITS];
        for &key in keys.iter() {
            places[digit(key)] += 1;
        }
        if places[digit(keys[0])] == keys.len() {
            continue;
        }
        let mut start = 0;
        for place in &mut places {
            (*place, start) = (start, start + *place);
        }
        for &key in keys.iter() {
            let place = &mut places[digit(key)];
            sorted[*place] = key;
            *place += 1;
        }
        std::mem::swap(keys, &mut sorted);
    }
}

/// Bits that sort as the floats do, missing values last.
fn sortable(value: f32) -> u64 {
    let bits = value.to_bits();
    if value.is_nan() {
        return u64::from(u32::MAX);
    }
    u64::from(if bits >> 31 == 1 { !bits } else { bits | 1 << 31 })
}
