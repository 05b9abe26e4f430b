//! The best split of many rows in order: what a block of rows can be worth at most is found from its ends alone, and only
//! blocks that may hold the best split are looked at row by row.

use super::Found;
use super::sums::{Pair, first_of_best, gain, less, plus};
use crate::learner::tree::presort::{is_same, row};
use crate::learner::tree::rules::as_good_as;

/// Rows of a block.
const BLOCK: usize = 16;
/// Rows from which on blocks are worth their while.
pub(super) const MANY_ROWS: usize = 256;
/// By what share bounds are raised, so that rounding never hides a split.
const MARGIN: f64 = 1e-9;

/// Rows in order, and where they may be split.
pub(super) struct Scan<'a> {
    pub(super) keys: &'a [u64],
    /// Fewest and most keys that may go left.
    pub(super) first: usize,
    pub(super) last: usize,
    /// What goes left before the first of them, and all there is.
    pub(super) before: Pair,
    pub(super) total: Pair,
    /// Least and greatest target.
    pub(super) targets: [f64; 2],
    /// Splits that are worth no more than this are of no use.
    pub(super) above: f64,
}

/// Memory for scans.
#[derive(Clone, Debug, Default)]
pub(super) struct Blocks {
    /// What goes left up to the end of each block; the first is what goes left before any.
    ends: Vec<Pair>,
    gains: Vec<f64>,
    /// Where the gains of each block that was looked at begin: keys that go left.
    starts: Vec<usize>,
    row_gains: Vec<f64>,
}

impl Blocks {
    /// The best split; `pair` is what a row adds to either side.
    pub(super) fn best(&mut self, scan: &Scan<'_>, pair: impl Fn(u32) -> Pair) -> Option<Found> {
        self.add_up(scan, &pair);
        let most = self.weigh_ends(scan);
        let enough = as_good_as(most).max(scan.above);
        self.starts.clear();
        self.row_gains.clear();
        for block in 1..self.ends.len() {
            // What is no number is not known to be less.
            if self.bound(scan, block) < enough {
                continue;
            }
            let start = scan.first - 1 + (block - 1) * BLOCK;
            let keys = &scan.keys[start..=(start + BLOCK).min(scan.last)];
            self.starts.push(start + 1);
            let mut left = self.ends[block - 1];
            let gains = keys.windows(2).map(|keys| {
                left = plus(left, pair(row(keys[0])));
                if is_same(keys[0], keys[1]) { f64::NEG_INFINITY } else { gain(left, less(scan.total, left)) }
            });
            self.row_gains.extend(gains);
        }
        let best = self.row_gains.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if best <= scan.above {
            return None;
        }
        let Found { gain, left } = first_of_best(&self.row_gains, best, 0)?;
        Some(Found { gain, left: self.starts[left / BLOCK] + left % BLOCK })
    }

    /// Adds up what goes left, block by block.
    fn add_up(&mut self, scan: &Scan<'_>, pair: impl Fn(u32) -> Pair) {
        self.ends.clear();
        let mut left = scan.before;
        self.ends.push(left);
        let (blocks, rest) = scan.keys[scan.first - 1..scan.last].as_chunks::<BLOCK>();
        for block in blocks {
            // Side by side, so that one addition need not wait for the one before it.
            let mut sums = [[0.0; 2]; 4];
            for keys in block.as_chunks::<4>().0 {
                for (sum, &key) in sums.iter_mut().zip(keys) {
                    *sum = plus(*sum, pair(row(key)));
                }
            }
            left = plus(left, plus(plus(sums[0], sums[1]), plus(sums[2], sums[3])));
            self.ends.push(left);
        }
        if !rest.is_empty() {
            self.ends.push(rest.iter().fold(left, |left, &key| plus(left, pair(row(key)))));
        }
    }

    /// Finds what splits at the ends of blocks are worth, and the most of those that are possible.
    fn weigh_ends(&mut self, scan: &Scan<'_>) -> f64 {
        self.gains.clear();
        self.gains.extend(self.ends.iter().map(|&left| gain(left, less(scan.total, left))));
        let mut most = f64::NEG_INFINITY;
        for (block, &gain) in self.gains.iter().enumerate().skip(1) {
            let left = (scan.first - 1 + block * BLOCK).min(scan.last);
            if gain > most && !is_same(scan.keys[left - 1], scan.keys[left]) {
                most = gain;
            }
        }
        most
    }

    /// What a split within a block can be worth at most. A gain is a convex function of the sum and the weight on the left
    /// side, and these lie in a parallelogram: targets are between the least and the greatest, and both ends are known. So it
    /// is nowhere larger than at one of the corners.
    fn bound(&self, scan: &Scan<'_>, block: usize) -> f64 {
        let [start, end] = [self.ends[block - 1], self.ends[block]];
        let [least, greatest] = scan.targets;
        let [sum, weight] = less(end, start);
        // The weight of all greatest targets, were there only least and greatest.
        let great = (sum - least * weight) / (greatest - least);
        let corner = |target: f64, weight: f64| {
            let left = plus(start, [target * weight, weight]);
            gain(left, less(scan.total, left))
        };
        let corners = [corner(greatest, great), corner(least, weight - great)];
        let [low, high] = [self.gains[block - 1], self.gains[block]];
        let most = larger(larger(corners[0], corners[1]), larger(low, high));
        most + MARGIN * most.abs()
    }
}

/// The larger one; no number where one is none.
fn larger(a: f64, b: f64) -> f64 {
    if a > b || a.is_nan() { a } else { b }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::learner::tree::presort::key;

    proptest! {
        #[test]
        fn blocks_hide_no_split(
            rows in proptest::collection::vec((0..40_u8, -9..9_i8, 1..4_u8), 2..400),
            leaf in 1..30_usize,
            weighted: bool,
            known in 0..3_u8,
        ) {
            let mut keys: Vec<u64> =
                (0..).zip(&rows).map(|(row, (value, ..))| key(f32::from(*value), row)).collect();
            keys.sort_unstable();
            let pair = |row: u32| {
                let (_, target, weight) = rows[row as usize];
                let weight = if weighted { f64::from(weight) } else { 1.0 };
                [f64::from(target) * weight, weight]
            };
            let sum = |keys: &[u64]| keys.iter().fold([0.0; 2], |sum, &key| plus(sum, pair(row(key))));
            let (first, last) = (leaf, rows.len().saturating_sub(leaf));
            prop_assume!(first <= last);
            let total = sum(&keys);
            let targets = rows.iter().map(|(_, target, _)| f64::from(*target));
            let targets = [targets.clone().fold(9.0, f64::min), targets.fold(-9.0, f64::max)];
            let gains: Vec<f64> = (first..=last)
                .map(|left| {
                    let apart = !is_same(keys[left - 1], keys[left]);
                    let below = sum(&keys[..left]);
                    if apart { gain(below, less(total, below)) } else { f64::NEG_INFINITY }
                })
                .collect();
            let best = gains.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let above = [f64::NEG_INFINITY, best / 2.0, best][usize::from(known)];
            let expected = first_of_best(&gains, best, first).filter(|found| found.gain > above);
            let scan = Scan { keys: &keys, first, last, before: sum(&keys[..first - 1]), total, targets, above };
            let found = Blocks::default().best(&scan, pair);
            let told = |found: Found| (found.left, found.gain);
            prop_assert_eq!(found.map(told), expected.map(told));
        }
    }
}
