//! Rows sorted by a column of many values.

use super::table::Rank;
use super::tally::Tally;

/// Rows from which on sorting by digits is quicker than by comparison.
const MANY_ROWS: usize = 128;

/// Rows of a node by their ranks, which come first in a key; then what the row weighs.
#[derive(Debug, Default)]
pub(super) struct Keys {
    keys: Vec<u64>,
    scratch: Vec<u64>,
}

impl Keys {
    /// Bits of a key below the rank.
    const BELOW: u32 = 40;

    /// Sorts rows by their ranks, of so many bytes.
    pub(super) fn sort(&mut self, bytes: usize, rows: impl Iterator<Item = (Rank, Tally)>) {
        let Keys { keys, scratch } = self;
        keys.clear();
        keys.extend(rows.map(|(rank, tally)| (u64::from(rank) << Keys::BELOW) | tally.to_row()));
        if keys.len() < MANY_ROWS {
            return keys.sort_unstable();
        }
        scratch.resize(keys.len(), 0);
        for shift in (Keys::BELOW..).step_by(8).take(bytes) {
            let digit = |key: u64| (key >> shift) as usize % 256;
            let mut places = [0; 256];
            for &key in keys.iter() {
                places[digit(key)] += 1;
            }
            let mut start = 0;
            for place in &mut places {
                (*place, start) = (start, start + *place);
            }
            for &key in keys.iter() {
                let place = &mut places[digit(key)];
                scratch[*place] = key;
                *place += 1;
            }
            std::mem::swap(keys, scratch);
        }
    }

    /// The rows that were sorted.
    pub(super) fn each(&self) -> impl Iterator<Item = (Rank, Tally)> {
        self.keys.iter().map(|&key| ((key >> Keys::BELOW) as Rank, Tally::of_row(key)))
    }
}
