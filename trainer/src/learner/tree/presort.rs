//! Columns sorted once, for every tree that is grown on them.

use rayon::prelude::*;

use crate::learner::Samples;

/// The columns that trees split on.
#[derive(Debug)]
pub(crate) struct Presorted {
    pub(super) columns: Vec<SortedColumn>,
    pub(super) rows: usize,
}

/// One column, as 32-bit floats.
#[derive(Debug)]
pub(super) struct SortedColumn {
    /// Its different values, ascending. A value's place is its rank; missing values have the rank behind the last.
    pub(super) ranked: Vec<f32>,
    /// `rank << 32 | row` of every row, ascending.
    keys: Vec<u64>,
    /// The rank of each row.
    ranks: Vec<u32>,
    /// Whether a value is missing.
    has_missing: bool,
}

/// The row of a key.
pub(super) fn row(key: u64) -> u32 {
    key as u32
}

/// The rank of a key's value.
pub(super) fn rank(key: u64) -> usize {
    (key >> 32) as usize
}

impl Presorted {
    /// Sorts the columns of all samples.
    pub(crate) fn new(samples: &Samples) -> Presorted {
        // Beyond the range of 32 bits there is nothing to tell apart; adding 0 makes -0 a 0.
        let narrow = |value: &f64| (*value as f32).clamp(f32::MIN, f32::MAX) + 0.0;
        let values = samples.column_values();
        let columns = values.par_iter().map(|values| SortedColumn::new(&values.iter().map(narrow).collect::<Vec<_>>()));
        let columns = columns.collect();
        Presorted { columns, rows: samples.rows() }
    }
}

impl SortedColumn {
    fn new(values: &[f32]) -> SortedColumn {
        // The bits of a float, turned so that they sort as the floats do; the row makes every key different.
        let mut keys: Vec<u64> = (0..).zip(values).map(|(row, value)| sortable(*value) << 32 | row).collect();
        keys.sort_unstable();
        let mut ranked: Vec<f32> = Vec::new();
        let mut ranks = vec![0; values.len()];
        let mut has_missing = false;
        for key in &mut keys {
            let value = values[row(*key) as usize];
            let rank = if value.is_nan() {
                has_missing = true;
                ranked.len()
            } else {
                if ranked.last() != Some(&value) {
                    ranked.push(value);
                }
                ranked.len() - 1
            };
            ranks[row(*key) as usize] = rank as u32;
            *key = (rank as u64) << 32 | u64::from(row(*key));
        }
        SortedColumn { ranked, keys, ranks, has_missing }
    }

    /// The value of a row, NaN where it is missing.
    pub(super) fn value(&self, row: u32) -> f32 {
        self.ranked.get(self.ranks[row as usize] as usize).copied().unwrap_or(f32::NAN)
    }

    /// Whether no rows can be told apart by it.
    pub(super) fn is_constant(&self) -> bool {
        self.ranked.len() < 2 && !(self.has_missing && self.ranked.len() == 1)
    }

    /// How many of these keys, which are ascending, are those of present values.
    pub(super) fn present(&self, keys: &[u64]) -> usize {
        if self.has_missing { keys.partition_point(|&key| rank(key) < self.ranked.len()) } else { keys.len() }
    }

    /// Writes the keys of some rows, ascending, into `order`. `used` marks the rows.
    pub(super) fn order(&self, rows: &[u32], used: &[bool], order: &mut Vec<u64>) {
        order.clear();
        // Sorting a few rows is quicker than looking for them among all.
        if rows.len() * 16 > self.keys.len() {
            order.resize(rows.len() + 1, 0);
            let mut taken = 0;
            for &key in &self.keys {
                // Written in any case, and counted if it is used: no branch to mispredict.
                order[taken] = key;
                taken += usize::from(used[row(key) as usize]);
            }
            order.truncate(rows.len());
        } else {
            order.extend(rows.iter().map(|&row| u64::from(self.ranks[row as usize]) << 32 | u64::from(row)));
            order.sort_unstable();
        }
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
