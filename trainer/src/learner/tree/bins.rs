//! The best split by a column of few different values: its rows are added up value by value, never sorted.

use super::grower::{FEATURE_THRESHOLD, Rules, better_than};
use super::presort::FEW;

/// Rows from which on every value is looked up, instead of only those seen.
const MANY_ROWS: usize = 64;

/// What is known of the rows of one value, or of several.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    /// Targets times weights.
    target: f64,
    weight: f64,
    rows: u32,
}

impl Sums {
    fn add(&mut self, [target, weight]: [f64; 2]) {
        self.target += target;
        self.weight += weight;
        self.rows += 1;
    }

    fn plus(self, other: Sums) -> Sums {
        Sums { target: self.target + other.target, weight: self.weight + other.weight, rows: self.rows + other.rows }
    }

    fn less(self, other: Sums) -> Sums {
        Sums { target: self.target - other.target, weight: self.weight - other.weight, rows: self.rows - other.rows }
    }
}

/// A split between two values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Between {
    pub(super) gain: f64,
    /// Rows that go left.
    pub(super) left: usize,
    /// The value that goes left and the one above it, NaN where that is missing.
    pub(super) values: [f32; 2],
    pub(super) missing_left: bool,
}

/// What the values of a column offer to a node.
pub(super) enum Offered {
    Constant,
    Nothing,
    Split(Between),
}

/// Adds up the rows of nodes by value.
#[derive(Debug)]
pub(super) struct Bins {
    /// Rows are added to both in turns, so that one need not wait for the one before it.
    sums: [Vec<Sums>; 2],
    /// The ranks that the node has, ascending.
    found: Vec<(usize, Sums)>,
}

impl Default for Bins {
    fn default() -> Self {
        Bins { sums: [vec![Sums::default(); FEW], vec![Sums::default(); FEW]], found: Vec::new() }
    }
}

impl Bins {
    /// The best split of `rows` by a column of these values and ranks; `pairs` and `offset` are those of the criterion.
    pub(super) fn best(
        &mut self,
        (values, ranks): (&[f32], &[u8]),
        rows: &[u32],
        (pairs, offset): (&[[f64; 2]], f64),
        rules: &Rules<'_>,
        sign: i8,
    ) -> Offered {
        self.add_up(values.len(), ranks, rows, pairs);
        let (Some(&(first, _)), Some(&(last, of_last))) = (self.found.first(), self.found.last()) else {
            return Offered::Constant;
        };
        let apart = |low: f32, high: f32| high > low + FEATURE_THRESHOLD || high.is_nan() && !low.is_nan();
        if !apart(values[first], values[last]) {
            return Offered::Constant;
        }
        let missing = if values[last].is_nan() { of_last } else { Sums::default() };
        let total = self.found.iter().fold(Sums::default(), |sum, &(_, sums)| sum.plus(sums));
        let rows = total.rows as usize;
        let (mut best, mut above) = (None, f64::NEG_INFINITY);
        let present = self.found.len() - usize::from(missing.rows > 0);
        // First with missing values on the right side.
        for start in [Sums::default(), missing] {
            let found = if start.rows > 0 { &self.found[..present] } else { &self.found[..] };
            let mut left = start;
            for (&(rank, sums), &(next, _)) in found.iter().zip(&found[1..]) {
                left = left.plus(sums);
                let right = total.less(left);
                let gain = (left.target * left.target * right.weight + right.target * right.target * left.weight)
                    / (left.weight * right.weight);
                let fits = left.rows as usize >= rules.leaf
                    && right.rows as usize >= rules.leaf
                    && left.weight >= rules.weight
                    && right.weight >= rules.weight;
                let predicted = || [offset + left.target / left.weight, offset + right.target / right.weight];
                let between = [values[rank], values[next]];
                if gain > above
                    && fits
                    && apart(between[0], between[1])
                    && (sign == 0 || rules.allow(sign, predicted()))
                {
                    let rows_left = left.rows as usize;
                    // Where no training row lacks a value, those that do so later follow the larger side.
                    let missing_left = if missing.rows > 0 { start.rows > 0 } else { 2 * rows_left > rows };
                    best = Some(Between { gain, left: rows_left, values: between, missing_left });
                    above = better_than(gain);
                }
            }
            if missing.rows == 0 {
                break;
            }
        }
        best.map_or(Offered::Nothing, Offered::Split)
    }

    fn add_up(&mut self, values: usize, ranks: &[u8], rows: &[u32], pairs: &[[f64; 2]]) {
        self.found.clear();
        let [even, odd] = &mut self.sums;
        if rows.len() >= MANY_ROWS {
            let (two, rest) = rows.as_chunks::<2>();
            for &[first, second] in two {
                even[usize::from(ranks[first as usize])].add(pairs[first as usize]);
                odd[usize::from(ranks[second as usize])].add(pairs[second as usize]);
            }
            for &row in rest {
                even[usize::from(ranks[row as usize])].add(pairs[row as usize]);
            }
            for (rank, (even, odd)) in even[..values].iter_mut().zip(odd).enumerate() {
                let sums = std::mem::take(even).plus(std::mem::take(odd));
                if sums.rows > 0 {
                    self.found.push((rank, sums));
                }
            }
        } else {
            let mut seen = [0_u64; FEW / 64];
            for &row in rows {
                let rank = usize::from(ranks[row as usize]);
                seen[rank / 64] |= 1 << (rank % 64);
                even[rank].add(pairs[row as usize]);
            }
            for (word, mut seen) in seen.into_iter().enumerate() {
                while seen != 0 {
                    let rank = word * 64 + seen.trailing_zeros() as usize;
                    seen &= seen - 1;
                    self.found.push((rank, std::mem::take(&mut even[rank])));
                }
            }
        }
    }
}
