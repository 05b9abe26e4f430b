//! The values of all rows by their places among those of their columns.

use crate::learner::tree::presort::{FEW, Presorted, SortedColumn, is_same, row, value};
use crate::learner::tree::rules::FEATURE_THRESHOLD;

/// Where a value is among those of its column: in few bits where these are few. Of more than [`FEW`] values the bits from the
/// eighth or, of very many, the sixteenth on say which bucket of them it is in, the others where it is there.
pub(super) type Rank = u32;

/// How many bytes the ranks of a row may take.
const SIZES: [usize; 4] = [8, 16, 32, 64];

/// Bytes of a row's ranks above which it is dearer to keep records together than to look values up by column.
const LONG: usize = 32;

/// The ranks of all rows' values.
#[derive(Debug)]
pub(in super::super) struct Table {
    /// Row by row.
    pub(super) ranks: Vec<u8>,
    /// Bytes of a row: one of [`SIZES`].
    pub(super) bytes: usize,
    pub(super) columns: Vec<Column>,
}

/// A column of records.
#[derive(Debug)]
pub(super) struct Column {
    /// Its place among all.
    pub(super) place: usize,
    /// Its values, ascending.
    pub(super) values: Vec<f32>,
    /// Values of a bucket; the last has what is left.
    bucket: usize,
    /// Bytes of a rank but the last.
    low_bytes: usize,
    pub(super) at: At,
}

/// Where a rank is in the bytes of a row, lowest first.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct At {
    pub(super) start: usize,
    /// The bits that are of it.
    pub(super) mask: Rank,
}

impl Column {
    fn new(place: usize, values: Vec<f32>, start: usize) -> Column {
        let low_bytes = match values.len() {
            0..=FEW => 0,
            257..=0x1_0000 => 1,
            _ => 2,
        };
        let mask = (1 << (8 * (low_bytes + 1))) - 1;
        Column { place, bucket: values.len().div_ceil(FEW), values, low_bytes, at: At { start, mask } }
    }

    /// Whether its ranks take one byte.
    pub(super) fn is_few(&self) -> bool {
        self.low_bytes == 0
    }

    /// Bytes of a rank.
    pub(super) fn bytes(&self) -> usize {
        self.low_bytes + 1
    }

    /// The byte of a row that has the rank, or the bucket of it.
    pub(super) fn high(&self) -> usize {
        self.at.start + self.low_bytes
    }

    /// The bucket of a rank.
    pub(super) fn bucket(&self, rank: Rank) -> usize {
        (rank >> (8 * self.low_bytes)) as usize
    }

    /// The rank of the value at a place.
    pub(super) fn rank(&self, place: usize) -> Rank {
        if self.is_few() {
            place as Rank
        } else {
            ((place / self.bucket) << (8 * self.low_bytes) | (place % self.bucket)) as Rank
        }
    }

    /// The place of the value of a rank.
    pub(super) fn place_of(&self, rank: Rank) -> usize {
        let low = rank & ((1 << (8 * self.low_bytes)) - 1);
        if self.is_few() { rank as usize } else { self.bucket(rank) * self.bucket + low as usize }
    }

    /// The values of two ranks.
    pub(super) fn values_of(&self, ranks: [Rank; 2]) -> [f32; 2] {
        ranks.map(|rank| self.values[self.place_of(rank)])
    }

    /// Whether the values of two ranks, of which the first is the lower one, can be told apart.
    pub(super) fn are_apart(&self, ranks: [Rank; 2]) -> bool {
        are_apart(self.values_of(ranks))
    }

    /// Whether all values of a bucket, which is not the first, can be told from those below it.
    pub(super) fn is_between(&self, bucket: usize) -> bool {
        let start = bucket * self.bucket;
        are_apart([self.values[start - 1], self.values[start]])
    }
}

fn are_apart([low, high]: [f32; 2]) -> bool {
    high > low + FEATURE_THRESHOLD
}

impl Table {
    /// The table of all rows; `None` where a value is missing, columns are not kept in order, or
    /// there are too many.
    pub(in super::super) fn new(sorted: &Presorted) -> Option<Table> {
        if sorted.matrix.has_missing {
            return None;
        }
        let mut columns: Vec<Column> = Vec::new();
        for (place, column) in sorted.columns.iter().enumerate() {
            let values = match column {
                SortedColumn::Few { values, .. } => values.clone(),
                SortedColumn::Many { keys } if keys.len() < sorted.matrix.rows => return None,
                SortedColumn::Many { keys } => {
                    keys.chunk_by(|&a, &b| is_same(a, b)).map(|keys| value(keys[0])).collect()
                }
            };
            columns.push(Column::new(place, values, columns.last().map_or(0, |last| last.high() + 1)));
        }
        // As many bytes as the widest has are read of every column.
        let read = columns.iter().map(|column| 2 * column.low_bytes.max(1)).max()?;
        let least = columns.last()?.at.start + read;
        let bytes = SIZES.into_iter().find(|&bytes| bytes >= least)?;
        let mut table = Table { ranks: vec![0; bytes * sorted.matrix.rows], bytes, columns };
        for (column, sorted_column) in table.columns.iter().zip(&sorted.columns) {
            let start = column.at.start;
            match sorted_column {
                SortedColumn::Few { group, lane, .. } => {
                    for (ranks, all) in table.ranks.chunks_exact_mut(bytes).zip(&sorted.ranks[*group].rows) {
                        ranks[start] = all[*lane];
                    }
                }
                SortedColumn::Many { keys } => {
                    for (place, keys) in keys.chunk_by(|&a, &b| is_same(a, b)).enumerate() {
                        let rank = column.rank(place).to_le_bytes();
                        let rank = &rank[..=column.low_bytes];
                        for &key in keys {
                            table.ranks[row(key) as usize * bytes + start..][..rank.len()].copy_from_slice(rank);
                        }
                    }
                }
            }
        }
        Some(table)
    }

    /// Whether ranks may take three bytes.
    pub(in super::super) fn is_wide(&self) -> bool {
        self.columns.iter().any(|column| column.low_bytes > 1)
    }

    /// Whether a row takes longer to be moved than its columns to be looked at one by one.
    pub(in super::super) fn is_long(&self) -> bool {
        self.bytes > LONG
    }
}
