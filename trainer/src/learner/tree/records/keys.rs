//! Rows sorted by a column of many values.

use super::tally::Tally;

/// Rows from which on sorting by digits is quicker than by comparison.
const MANY_ROWS: usize = 128;

/// Rows of a node by the places of their values, of which there are many: these first, and then all but the number of rows.
#[derive(Debug, Default)]
pub(super) struct Keys {
    keys: Vec<u64>,
    scratch: Vec<u64>,
}

impl Keys {
    /// Bits of a key below the place of its value.
    const BELOW: u32 = 48;

    /// Sorts rows by the places of their values.
    pub(super) fn sort(&mut self, rows: impl Iterator<Item = (u16, Tally)>) {
        let Keys { keys, scratch } = self;
        keys.clear();
        keys.extend(rows.map(|(rank, tally)| (u64::from(rank) << Keys::BELOW) | (tally.0 % Tally::ROW)));
        if keys.len() < MANY_ROWS {
            return keys.sort_unstable();
        }
        scratch.resize(keys.len(), 0);
        for shift in [Keys::BELOW, Keys::BELOW + 8] {
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
    pub(super) fn each(&self) -> impl Iterator<Item = (u16, Tally)> {
        let tally = |key: u64| Tally(Tally::ROW + key % Tally::ROW);
        self.keys.iter().map(move |&key| ((key >> Keys::BELOW) as u16, tally(key)))
    }
}
