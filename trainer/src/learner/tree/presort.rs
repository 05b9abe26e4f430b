//! Columns sorted once, for every tree that is grown on them.

use rayon::prelude::*;

use crate::learner::Samples;

/// The columns that trees split on.
#[derive(Debug)]
pub(super) struct Presorted {
    pub(super) columns: Vec<SortedColumn>,
    pub(super) rows: usize,
}

/// One column, as 32-bit floats.
#[derive(Debug)]
pub(super) struct SortedColumn {
    /// Its different values, ascending. A value's place is its rank.
    pub(super) ranked: Vec<f32>,
    /// `rank << 32 | row` of every row, ascending.
    keys: Vec<u64>,
    /// The rank of each row.
    ranks: Vec<u32>,
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
    pub(super) fn new(samples: &Samples) -> Presorted {
        let width = samples.encoder.width();
        let mut values: Vec<Vec<f32>> = vec![Vec::with_capacity(samples.rows()); width];
        let (mut decoded, mut columns) = (Vec::new(), Vec::with_capacity(width));
        for row in 0..samples.rows() as u32 {
            columns.clear();
            samples.encode(&samples.encoder, row, &mut decoded, &mut columns);
            for (column, value) in values.iter_mut().zip(&columns) {
                // Beyond the range of 32 bits there is nothing to tell apart; adding 0 makes -0 a 0.
                column.push((*value as f32).clamp(f32::MIN, f32::MAX) + 0.0);
            }
        }
        let columns = values.into_par_iter().map(|values| SortedColumn::new(&values)).collect();
        Presorted { columns, rows: samples.rows() }
    }
}

impl SortedColumn {
    fn new(values: &[f32]) -> SortedColumn {
        // The bits of a float, turned so that they sort as the floats do; the row makes every key different.
        let mut keys: Vec<u64> = (0..).zip(values).map(|(row, value)| sortable(*value) << 32 | row).collect();
        keys.sort_unstable();
        let mut ranked = Vec::new();
        let mut ranks = vec![0; values.len()];
        for key in &mut keys {
            let value = values[row(*key) as usize];
            if ranked.last() != Some(&value) {
                ranked.push(value);
            }
            let rank = ranked.len() as u32 - 1;
            ranks[row(*key) as usize] = rank;
            *key = u64::from(rank) << 32 | u64::from(row(*key));
        }
        SortedColumn { ranked, keys, ranks }
    }

    /// The value of a row.
    pub(super) fn value(&self, row: u32) -> f32 {
        self.ranked[self.ranks[row as usize] as usize]
    }

    /// The keys of some rows, ascending. `used` marks them.
    pub(super) fn order(&self, rows: &[u32], used: &[bool]) -> Vec<u64> {
        let mut order = Vec::with_capacity(rows.len());
        // Sorting a few rows is quicker than looking for them among all.
        if rows.len() * 16 > self.keys.len() {
            order.extend(self.keys.iter().copied().filter(|&key| used[row(key) as usize]));
        } else {
            order.extend(rows.iter().map(|&row| u64::from(self.ranks[row as usize]) << 32 | u64::from(row)));
            order.sort_unstable();
        }
        order
    }
}

fn sortable(value: f32) -> u64 {
    let bits = value.to_bits();
    u64::from(if bits >> 31 == 1 { !bits } else { bits | 1 << 31 })
}
