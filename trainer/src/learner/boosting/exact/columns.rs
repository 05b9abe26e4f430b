//! Columns sorted once for all trees of a fit.

use rayon::prelude::*;

use super::super::rows::Column;

/// Two values of a column no further apart than this are not told apart, as in scikit-learn.
const FEATURE_THRESHOLD: f32 = 1e-7;

/// The rows of a fit, column by column.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) columns: Vec<Sorted>,
}

/// One column.
#[derive(Debug)]
pub(super) struct Sorted {
    /// The value of each row, training rows first. What is missing is not a number, and above all numbers.
    pub(super) values: Vec<f32>,
    /// `rank << 32 | row` of every training row, ascending. Rows with the same rank are not told apart.
    pub(super) order: Vec<u64>,
}

/// The row of a key.
pub(super) fn row(key: u64) -> usize {
    key as u32 as usize
}

/// The rank of a key.
pub(super) fn rank(key: u64) -> u32 {
    (key >> 32) as u32
}

impl Columns {
    /// `rows` are places in the columns; the first `trained` of them are to learn from.
    pub(super) fn new(columns: &[Column<'_>], rows: &[u32], trained: usize) -> Columns {
        let sorted = |column: &Column<'_>| Sorted::new(&column.values, rows, trained);
        Columns { columns: columns.par_iter().map(sorted).collect() }
    }

    /// Number of training rows.
    pub(super) fn trained(&self) -> usize {
        self.columns.first().map_or(0, |column| column.order.len())
    }
}

impl Sorted {
    fn new(column: &[f64], rows: &[u32], trained: usize) -> Sorted {
        let values: Vec<f32> = rows.iter().map(|&row| narrow(column[row as usize])).collect();
        let keys = values[..trained].iter().zip(0_u64..).map(|(&value, row)| sortable(value) << 32 | row);
        let mut order: Vec<u64> = keys.collect();
        order.sort_unstable();
        let (mut before, mut rank) = (f32::NEG_INFINITY, 0);
        for key in &mut order {
            let value = values[row(*key)];
            let apart = value > before + FEATURE_THRESHOLD || value.is_nan() && !before.is_nan();
            rank += u64::from(apart);
            before = value;
            *key = rank << 32 | row(*key) as u64;
        }
        Sorted { values, order }
    }

    /// What lies between two keys that follow each other.
    pub(super) fn threshold(&self, below: u64, above: u64) -> f64 {
        let (below, above) = (self.values[row(below)], self.values[row(above)]);
        if above.is_nan() { f64::from(f32::MAX) } else { f64::from(below) / 2.0 + f64::from(above) / 2.0 }
    }
}

/// As models compare columns: as 32-bit floats. Beyond their range there is nothing to tell apart; adding 0 makes -0 a 0.
fn narrow(value: f64) -> f32 {
    if value.is_nan() { f32::NAN } else { (value as f32).clamp(f32::MIN, f32::MAX) + 0.0 }
}

/// The bits of a float, turned so that they sort as the floats do, and what is not a number comes last.
fn sortable(value: f32) -> u64 {
    let bits = value.to_bits();
    u64::from(if bits >> 31 == 1 { !bits } else { bits | 1 << 31 })
}
