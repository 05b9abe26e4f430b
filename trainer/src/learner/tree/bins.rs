//! The best splits by columns of few different values: rows are added up value by value, never sorted.

use std::ops::Range;

use super::criterion::Sums;
use super::criterion::sums::{Pair, gain, less, plus};
use super::presort::{FEW, LANES, Ranks};
use super::rules::{FEATURE_THRESHOLD, Rules, as_good_as};

/// Rows from which on every value is looked up, instead of only those seen.
const MANY_ROWS: usize = 128;
/// Rows of a node from which on all columns are added up, so that those of one child need not be: they are the rest.
pub(super) const SHARED_ROWS: usize = 512;

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

/// What is known of the rows of one value, or of several.
#[derive(Clone, Copy, Debug, Default)]
struct Bin {
    sums: Pair,
    rows: u32,
}

impl Bin {
    fn plus(self, other: Bin) -> Bin {
        Bin { sums: plus(self.sums, other.sums), rows: self.rows + other.rows }
    }

    fn less(self, other: Bin) -> Bin {
        Bin { sums: less(self.sums, other.sums), rows: self.rows - other.rows }
    }
}

/// The rows of a node, added up value by value in all columns.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    /// Group by group, lane by lane.
    sums: Vec<Pair>,
    /// Numbers of rows; empty where all rows weigh 1.
    counts: Vec<u32>,
}

impl Histogram {
    /// Takes away what is in another.
    pub(super) fn subtract(&mut self, other: &Histogram) {
        for (sums, other) in self.sums.iter_mut().zip(&other.sums) {
            *sums = less(*sums, *other);
        }
        for (count, other) in self.counts.iter_mut().zip(&other.counts) {
            *count -= other;
        }
    }
}

/// The rows of a node, added up value by value.
#[derive(Debug)]
pub(super) struct Bins {
    /// Of each group of columns, lane by lane the ranks that the node has, ascending.
    groups: Vec<[Vec<(usize, Bin)>; LANES]>,
    /// Whether they were added up for the node entered last.
    known: Vec<[bool; LANES]>,
    /// All columns of the node entered last, if they were added up.
    all: Option<Histogram>,
    sums: Box<[[Pair; FEW]; LANES]>,
    counts: Box<[[u32; FEW]; LANES]>,
}

impl Default for Bins {
    fn default() -> Self {
        let (sums, counts) = (Box::new([[[0.0; 2]; FEW]; LANES]), Box::new([[0; FEW]; LANES]));
        Bins { groups: Vec::new(), known: Vec::new(), all: None, sums, counts }
    }
}

impl Bins {
    /// Turns to another node, of which all columns were added up before, or none.
    pub(super) fn enter(&mut self, ranks: &[Ranks], all: Option<Histogram>) {
        self.groups.resize_with(ranks.len(), Default::default);
        self.known.clear();
        self.known.resize(ranks.len(), [all.is_some(); LANES]);
        self.all = all;
        self.list_all(ranks);
    }

    /// All columns of the node entered last, if they were added up.
    pub(super) fn take_all(&mut self) -> Option<Histogram> {
        self.all.take()
    }

    /// Adds up rows in all columns.
    pub(super) fn add_up_all(&mut self, ranks: &[Ranks], rows: (&[u32], &[Pair]), counts_rows: bool) -> Histogram {
        let mut all = Histogram::default();
        for ranks in ranks {
            self.add(0..LANES, ranks, rows, counts_rows);
            for (lane, &values) in ranks.values.iter().enumerate() {
                let (sums, counts) = (&mut self.sums[lane][..values], &mut self.counts[lane][..values]);
                all.sums.extend_from_slice(sums);
                sums.fill([0.0; 2]);
                if !counts_rows {
                    all.counts.extend_from_slice(counts);
                    counts.fill(0);
                }
            }
        }
        all
    }

    /// Lists what is in the histogram of all columns.
    fn list_all(&mut self, ranks: &[Ranks]) {
        let Some(Histogram { sums, counts }) = &self.all else { return };
        let mut bins = (0..).zip(sums);
        for (found, ranks) in self.groups.iter_mut().zip(ranks) {
            for (found, values) in found.iter_mut().zip(ranks.values) {
                found.clear();
                for (rank, (place, &sums)) in bins.by_ref().take(values).enumerate() {
                    let rows = counts.get::<usize>(place).copied().unwrap_or(sums[1] as u32);
                    if rows > 0 {
                        found.push((rank, Bin { sums, rows }));
                    }
                }
            }
        }
    }

    /// The best split of `rows`, which stand at `start`, by a column of these values. `together` says whether the other columns
    /// of its group will be asked for, too.
    pub(super) fn best(
        &mut self,
        (values, group, lane): (&[f32], usize, usize),
        (ranks, together): (&[Ranks], bool),
        (start, rows): (usize, &[u32]),
        sums: &Sums,
        rules: &Rules<'_>,
        sign: i8,
    ) -> Offered {
        if !self.known[group][lane] {
            let pairs = sums.pairs(start, rows.len());
            if together && rows.len() >= SHARED_ROWS {
                self.known.fill([true; LANES]);
                self.all = Some(self.add_up_all(ranks, (rows, pairs), sums.counts_rows()));
                self.list_all(ranks);
            } else {
                let lanes = if together { 0..LANES } else { lane..lane + 1 };
                self.known[group][lanes.clone()].fill(true);
                self.add_up((group, lanes), &ranks[group], (rows, pairs), sums.counts_rows());
            }
        }
        let found = &self.groups[group][lane];
        let (Some(&(first, _)), Some(&(last, of_last))) = (found.first(), found.last()) else {
            return Offered::Constant;
        };
        let apart = |low: f32, high: f32| high > low + FEATURE_THRESHOLD || high.is_nan() && !low.is_nan();
        if !apart(values[first], values[last]) {
            return Offered::Constant;
        }
        let missing = if values[last].is_nan() { of_last } else { Bin::default() };
        let total = Bin { sums: sums.total(), rows: rows.len() as u32 };
        let (mut best, mut above) = (None, f64::NEG_INFINITY);
        let present = found.len() - usize::from(missing.rows > 0);
        // First with missing values on the right side.
        for start in [Bin::default(), missing] {
            let found = if start.rows > 0 { &found[..present] } else { &found[..] };
            let mut left = start;
            for (&(rank, bin), &(next, _)) in found.iter().zip(&found[1..]) {
                left = left.plus(bin);
                let right = total.less(left);
                let gain = gain(left.sums, right.sums);
                // What is better by no more than rounding is no better.
                if as_good_as(gain) <= above {
                    continue;
                }
                let between = [values[rank], values[next]];
                let weights = [left.sums[1], right.sums[1]];
                let fits = [left.rows, right.rows].iter().all(|&rows| rows as usize >= rules.leaf)
                    && weights.iter().all(|&weight| weight >= rules.weight);
                let predicted = || [sums.predicted(left.sums), sums.predicted(right.sums)];
                if fits && apart(between[0], between[1]) && (sign == 0 || rules.allow(sign, predicted())) {
                    let rows_left = left.rows as usize;
                    // Where no training row lacks a value, those that do so later follow the larger side.
                    let missing_left = if missing.rows > 0 { start.rows > 0 } else { 2 * rows_left > rows.len() };
                    best = Some(Between { gain, left: rows_left, values: between, missing_left });
                    above = gain;
                }
            }
            if missing.rows == 0 {
                break;
            }
        }
        best.map_or(Offered::Nothing, Offered::Split)
    }

    /// Adds up some columns of a group, side by side, so that one addition need not wait for the one before it.
    fn add_up(
        &mut self,
        (group, lanes): (usize, Range<usize>),
        ranks: &Ranks,
        (rows, pairs): (&[u32], &[Pair]),
        counts_rows: bool,
    ) {
        self.add(lanes.clone(), ranks, (rows, pairs), counts_rows);
        let (sums, counts) = (&mut *self.sums, &mut *self.counts);
        for lane in lanes.start..lanes.end.min(ranks.width()) {
            let found = &mut self.groups[group][lane];
            let (sums, counts) = (&mut sums[lane], &mut counts[lane]);
            found.clear();
            let mut take = |rank: usize| {
                let (sums, rows) = (std::mem::take(&mut sums[rank]), std::mem::take(&mut counts[rank]));
                // Where all rows weigh 1, their weight is their number, and nothing was counted.
                let rows = if rows == 0 && counts_rows { sums[1] as u32 } else { rows };
                if rows > 0 {
                    found.push((rank, Bin { sums, rows }));
                }
            };
            if rows.len() >= MANY_ROWS {
                (0..ranks.values[lane]).for_each(take);
            } else {
                let mut seen = [0_u64; FEW / 64];
                for &row in rows {
                    let rank = usize::from(ranks.rows[row as usize][lane]);
                    seen[rank / 64] |= 1 << (rank % 64);
                }
                for (word, mut seen) in seen.into_iter().enumerate() {
                    while seen != 0 {
                        take(word * 64 + seen.trailing_zeros() as usize);
                        seen &= seen - 1;
                    }
                }
            }
        }
    }

    /// Adds rows to the sums of some lanes.
    fn add(&mut self, lanes: Range<usize>, ranks: &Ranks, (rows, pairs): (&[u32], &[Pair]), counts_rows: bool) {
        let width = ranks.width();
        let (sums, counts) = (&mut *self.sums, &mut *self.counts);
        match (lanes.len(), width, counts_rows) {
            (1, ..) => {
                // The room of the lanes that are not asked for is free.
                let places = [lanes.start, (lanes.start + 1) % LANES];
                if let (Ok(sums), Ok(counts)) = (sums.get_disjoint_mut(places), counts.get_disjoint_mut(places)) {
                    add_one(lanes.start, ranks, (rows, pairs), sums, counts);
                }
            }
            (_, 1, true) => add::<1, false>(&ranks.rows, rows, pairs, sums, counts),
            (_, 2, true) => add::<2, false>(&ranks.rows, rows, pairs, sums, counts),
            (_, 3, true) => add::<3, false>(&ranks.rows, rows, pairs, sums, counts),
            (_, _, true) => add::<LANES, false>(&ranks.rows, rows, pairs, sums, counts),
            (_, 1, false) => add::<1, true>(&ranks.rows, rows, pairs, sums, counts),
            (_, 2, false) => add::<2, true>(&ranks.rows, rows, pairs, sums, counts),
            (_, 3, false) => add::<3, true>(&ranks.rows, rows, pairs, sums, counts),
            (_, _, false) => add::<LANES, true>(&ranks.rows, rows, pairs, sums, counts),
        }
    }
}

/// Adds rows to the sums of the values that the column in `lane` has, and counts them, in the first of `sums` and `counts`. Many
/// rows are added to the first and the second in turns, so that one addition need not wait for the one before it.
fn add_one(
    lane: usize,
    ranks: &Ranks,
    (rows, pairs): (&[u32], &[Pair]),
    [sums, other_sums]: [&mut [Pair; FEW]; 2],
    [counts, other_counts]: [&mut [u32; FEW]; 2],
) {
    let rank = |row: u32| usize::from(ranks.rows[row as usize][lane]);
    let mut rest = 0;
    if rows.len() >= MANY_ROWS {
        rest = rows.len() / 2 * 2;
        for (rows, pairs) in rows.as_chunks::<2>().0.iter().zip(pairs.as_chunks::<2>().0) {
            let [first, second] = rows.map(rank);
            sums[first] = plus(sums[first], pairs[0]);
            other_sums[second] = plus(other_sums[second], pairs[1]);
            counts[first] += 1;
            other_counts[second] += 1;
        }
        for place in 0..ranks.values[lane] {
            sums[place] = plus(sums[place], std::mem::take(&mut other_sums[place]));
            counts[place] += std::mem::take(&mut other_counts[place]);
        }
    }
    for (&row, &pair) in rows[rest..].iter().zip(&pairs[rest..]) {
        let rank = rank(row);
        sums[rank] = plus(sums[rank], pair);
        counts[rank] += 1;
    }
}

/// Adds rows to the sums of their values, and counts them where that is asked for.
fn add<const WIDTH: usize, const COUNTED: bool>(
    ranks: &[[u8; LANES]],
    rows: &[u32],
    pairs: &[Pair],
    sums: &mut [[Pair; FEW]; LANES],
    counts: &mut [[u32; FEW]; LANES],
) {
    for (&row, &pair) in rows.iter().zip(pairs) {
        let ranks = ranks[row as usize];
        for lane in 0..WIDTH {
            let rank = usize::from(ranks[lane]);
            sums[lane][rank] = plus(sums[lane][rank], pair);
            if COUNTED {
                counts[lane][rank] += 1;
            }
        }
    }
}
