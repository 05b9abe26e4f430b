//! Rows counted and weighed by whole numbers.

use crate::learner::tree::criterion::sums::gain;

/// How many rows, what they weigh, and what those of the second class weigh: side by side, so that one addition does for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally(pub(super) u64);

impl Tally {
    const BITS: u32 = 21;
    /// The largest of each of its numbers.
    pub(super) const MOST: u64 = (1 << Tally::BITS) - 1;
    /// One row that weighs nothing.
    pub(super) const ROW: u64 = 1 << (2 * Tally::BITS);

    pub(super) fn new(rows: usize, weight: u64, second: u64) -> Tally {
        Tally((rows as u64 * Tally::ROW) | (weight << Tally::BITS) | second)
    }

    /// The lowest bits of what a row weighs, and of whether it is of the second class.
    pub(super) fn to_row(self) -> u64 {
        (self.0 >> Tally::BITS & Tally::MOST) << 1 | u64::from(self.0 & Tally::MOST > 0)
    }

    /// A row of these bits, whatever is above them.
    pub(super) fn of_row(bits: u64) -> Tally {
        let weight = bits >> 1 & Tally::MOST;
        Tally::new(1, weight, weight & (bits & 1).wrapping_neg())
    }

    pub(super) fn plus(self, other: Tally) -> Tally {
        Tally(self.0 + other.0)
    }

    pub(super) fn less(self, other: Tally) -> Tally {
        Tally(self.0 - other.0)
    }

    pub(super) fn rows(self) -> usize {
        (self.0 >> (2 * Tally::BITS)) as usize
    }

    /// The weight of the second class, and of all.
    pub(super) fn sums(self) -> [f64; 2] {
        [self.0, self.0 >> Tally::BITS].map(|number| f64::from((number & Tally::MOST) as u32))
    }

    /// What splitting this off from `all` is worth.
    pub(super) fn gain(self, all: Tally) -> f64 {
        gain(self.sums(), all.less(self).sums())
    }
}
