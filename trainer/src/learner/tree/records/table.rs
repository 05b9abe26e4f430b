//! The values of all rows by their places among those of their columns.

use crate::learner::tree::presort::{FEW, Presorted, SortedColumn, is_same, row, value};
use crate::learner::tree::rules::FEATURE_THRESHOLD;

/// Most bytes of a record's columns.
pub(super) const MOST_BYTES: usize = 64;

/// The places of all rows' values among those of their columns.
#[derive(Debug)]
pub(in super::super) struct Table {
    /// Row by row.
    pub(super) ranks: Vec<u8>,
    /// Bytes of a row: a power of two from 8 on.
    pub(super) bytes: usize,
    pub(super) columns: Vec<Column>,
}

/// A column of records.
#[derive(Debug)]
pub(super) struct Column {
    /// Its values, ascending.
    pub(super) values: Vec<f32>,
    pub(super) at: At,
}

/// Where the place of a value is in the bytes of a row: in one, or in two where a column has more values.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct At {
    pub(super) start: usize,
    /// The bits that are of this column.
    pub(super) mask: u16,
}

impl At {
    /// The same, known to be within a record, so that this needs no looking at record by record.
    pub(super) fn within<const BYTES: usize>(self) -> At {
        At { start: self.start.min(BYTES - 2), ..self }
    }
}

impl Column {
    /// Whether its places take one byte.
    pub(super) fn is_few(&self) -> bool {
        self.values.len() <= FEW
    }
}

impl Table {
    /// The table of all rows; `None` where there are too many columns or values, or a value is missing or too near to another
    /// to be told apart.
    pub(in super::super) fn new(sorted: &Presorted) -> Option<Table> {
        let sizes =
            || sorted.columns.iter().map(|column| if matches!(column, SortedColumn::Few { .. }) { 1 } else { 2 });
        // Two bytes are read of every column.
        let bytes = (sizes().sum::<usize>() + 1).next_power_of_two().max(8);
        if bytes > MOST_BYTES || sorted.matrix.has_missing {
            return None;
        }
        let mut table = Table { ranks: vec![0; bytes * sorted.matrix.rows], bytes, columns: Vec::new() };
        let mut start = 0;
        for (column, size) in sorted.columns.iter().zip(sizes()) {
            let values = match column {
                SortedColumn::Few { values, group, lane } => {
                    for (ranks, all) in table.ranks.chunks_exact_mut(bytes).zip(&sorted.ranks[*group].rows) {
                        ranks[start] = all[*lane];
                    }
                    values.clone()
                }
                SortedColumn::Many { keys } if keys.len() < sorted.matrix.rows => return None,
                SortedColumn::Many { keys } => {
                    let mut values = Vec::new();
                    for keys in keys.chunk_by(|&a, &b| is_same(a, b)) {
                        let rank = u16::try_from(values.len()).ok()?.to_le_bytes();
                        values.push(value(keys[0]));
                        for &key in keys {
                            table.ranks[row(key) as usize * bytes + start..][..2].copy_from_slice(&rank);
                        }
                    }
                    values
                }
            };
            if values.windows(2).any(|pair| pair[1] <= pair[0] + FEATURE_THRESHOLD) {
                return None;
            }
            let mask = if values.len() <= FEW { 0xff } else { 0xffff };
            table.columns.push(Column { values, at: At { start, mask } });
            start += size;
        }
        Some(table)
    }
}
