//! Splits of rows of two classes that weigh whole numbers: each node keeps its rows together as short records, and rows are
//! added up by one addition of whole numbers. That suits nodes that look at few of their columns, for no column is kept in
//! order.

mod coarse;
mod keys;
mod table;
mod tally;

use std::ops::Range;

use self::coarse::Coarse;
use self::keys::Keys;
pub(super) use self::table::Table;
use self::table::{At, Column, Rank};
use self::tally::Tally;
use super::draw::Order;
use super::grow::{Options, Splitter, grow};
use super::grower::{Columns, Split, Workspace};
use super::grown::{Grown, largest_not_above};
use super::presort::FEW;
use super::rules::{Rules, better_than, threshold};

/// Columns whose rows are added up side by side.
const TOGETHER: usize = 4;
/// TreeRows from which on all values between the least and the greatest are looked up, instead of only those seen.
const MANY_ROWS: usize = 96;

/// Rows from which on a column of many values is added up by buckets first.
const WORTH_ADDING: usize = 512;

/// Numbers that describe a node: its weight, and that of its second class.
const STATISTICS: usize = 2;

/// A row of a tree.
#[derive(Clone, Copy, Debug)]
struct Record<const BYTES: usize, const WIDE: bool> {
    tally: Tally,
    ranks: [u8; BYTES],
}

impl<const BYTES: usize, const WIDE: bool> Record<BYTES, WIDE> {
    /// The rank of its value in a column.
    fn rank(&self, at: At) -> Rank {
        let low = u16::from_le_bytes([self.ranks[at.start], self.ranks[at.start + 1]]);
        let high = if WIDE { u16::from_le_bytes([self.ranks[at.start + 2], self.ranks[at.start + 3]]) } else { 0 };
        (Rank::from(low) | Rank::from(high) << 16) & at.mask
    }

    /// What is known to be within a record, so that this needs no looking at record by record.
    fn within(at: At) -> At {
        At { start: at.start.min(BYTES - if WIDE { 4 } else { 2 }), ..at }
    }
}

/// Finds splits between records.
struct RecordSplits<'a, const BYTES: usize, const WIDE: bool> {
    columns: &'a [Column],
    /// Whether thresholds are drawn at random.
    random: bool,
    /// Those of each node together, in any order.
    records: Vec<Record<BYTES, WIDE>>,
    drawn: Vec<Drawn>,
    bins: Box<[Bins; TOGETHER]>,
    keys: Keys,
    /// The split found last: the place of the last value that goes left, and what is on its sides, by where these start.
    cut: Rank,
    sides: [(usize, Tally); 2],
}

/// TreeRows of a node by the places of their values, of which there are few.
type Bins = [Tally; FEW];

/// A column that was drawn for a node.
#[derive(Clone, Copy, Debug)]
struct Drawn {
    column: usize,
    /// Where it is to be split, if that is drawn, too, and the places of its least and its greatest value.
    threshold: f64,
    extent: [Rank; 2],
}

/// A split.
#[derive(Clone, Copy, Debug)]
struct Found {
    column: usize,
    left: Tally,
    /// The last one that goes left, and the first one that goes right, if that is known.
    ranks: [Rank; 2],
    /// Where it was drawn at random.
    threshold: f64,
}

/// The best split of those seen.
struct Best {
    all: Tally,
    /// Fewest rows of a leaf.
    leaf: usize,
    /// Whether only splits between values that can be told apart are seen; it takes long to look at them, and others are rare.
    tells_apart: bool,
    found: Option<Found>,
    /// What is better is worth more than this.
    above: f64,
}

impl Best {
    /// Whether both sides of a split have enough rows.
    fn allows(&self, left: Tally) -> bool {
        let rows = left.rows();
        rows >= self.leaf && self.all.rows() - rows >= self.leaf
    }

    /// Sees a split; `found` tells of it.
    fn see(&mut self, left: Tally, found: impl FnOnce() -> Found) {
        if self.allows(left) {
            let gain = left.gain(self.all);
            if gain > self.above {
                (self.found, self.above) = (Some(found()), better_than(gain));
            }
        }
    }

    /// Sees the split between two values of a column.
    fn see_between(&mut self, column: &Column, ranks: [Rank; 2], left: Tally) {
        if !self.tells_apart || column.are_apart(ranks) {
            self.see(left, || Found { column: column.place, left, ranks, threshold: f64::NAN });
        }
    }

    /// Sees the splits of a column between and within buckets, rows of which come as in [`Best::see_each`].
    fn see_some(&mut self, column: &Column, coarse: &Coarse, rows: impl Iterator<Item = (Rank, Tally)>) {
        let mut left = Tally::default();
        let mut last = None;
        for (rank, tally) in rows {
            let bucket = column.bucket(rank);
            if let Some(last) = last.filter(|&last| last != rank) {
                let before = column.bucket(last);
                if before != bucket {
                    left = coarse.starts[bucket];
                }
                if coarse.follows(bucket, before) {
                    self.see_between(column, [last, rank], left);
                }
            } else if last.is_none() {
                left = coarse.starts[bucket];
            }
            (left, last) = (left.plus(tally), Some(rank));
        }
    }

    /// Sees the splits of a column between rows, which come by the places of their values.
    fn see_each(&mut self, column: &Column, rows: impl Iterator<Item = (Rank, Tally)>) {
        let (mut left, mut last) = (Tally::default(), 0);
        for (rank, tally) in rows {
            if rank != last {
                self.see_between(column, [last, rank], left);
            }
            (left, last) = (left.plus(tally), rank);
        }
    }
}

/// The rows of a tree of two classes, ascending.
#[derive(Clone, Copy)]
pub(super) struct TreeRows<'r> {
    pub(super) rows: &'r [u32],
    /// By row of all; all 1 where there are none.
    pub(super) weights: Option<&'r [f64]>,
    pub(super) codes: &'r [u32],
}

impl Table {
    /// Grows a tree on some rows, `None` where these do not weigh whole numbers or too much.
    pub(super) fn grow(&self, rows: TreeRows<'_>, random: bool, options: &Options, seed: u32) -> Option<Grown> {
        match (self.bytes, self.is_wide()) {
            (8, false) => self.grow_records::<8, false>(rows, random, options, seed),
            (16, false) => self.grow_records::<16, false>(rows, random, options, seed),
            (32, false) => self.grow_records::<32, false>(rows, random, options, seed),
            (64, false) => self.grow_records::<64, false>(rows, random, options, seed),
            (8, true) => self.grow_records::<8, true>(rows, random, options, seed),
            (16, true) => self.grow_records::<16, true>(rows, random, options, seed),
            (32, true) => self.grow_records::<32, true>(rows, random, options, seed),
            (64, true) => self.grow_records::<64, true>(rows, random, options, seed),
            _ => None,
        }
    }

    fn grow_records<const BYTES: usize, const WIDE: bool>(
        &self,
        rows: TreeRows<'_>,
        random: bool,
        options: &Options,
        seed: u32,
    ) -> Option<Grown> {
        let mut total = rows.rows.len() as u64;
        let ranks = self.ranks.as_chunks::<BYTES>().0;
        let record = |&row: &u32| {
            let place = row as usize;
            let weight = rows.weights.map_or(1, |weights| weights[place] as u64);
            total = total.saturating_add(weight);
            let is_whole = rows.weights.is_none_or(|weights| weights[place] == weight as f64);
            let tally = Tally::new(1, weight, weight * u64::from(rows.codes[place]));
            (is_whole && total <= Tally::MOST).then(|| Record::<BYTES, WIDE> { tally, ranks: ranks[place] })
        };
        let records = RecordSplits {
            columns: &self.columns,
            random,
            records: rows.rows.iter().map(record).collect::<Option<_>>()?,
            drawn: Vec::with_capacity(self.columns.len()),
            bins: Box::new([[Tally::default(); FEW]; TOGETHER]),
            keys: Keys::default(),
            cut: 0,
            sides: Default::default(),
        };
        let order = Order::new(self.columns.len(), seed);
        Some(grow(records, rows.rows, options, order, &mut Workspace::default()))
    }
}

impl<const BYTES: usize, const WIDE: bool> RecordSplits<'_, BYTES, WIDE> {
    /// Draws the columns to look at. Returns how many are known to be constant below.
    fn draw(&mut self, range: Range<usize>, order: &mut Order, Columns { known, most }: Columns) -> usize {
        let records = &self.records[range];
        self.drawn.clear();
        order.visit(known, most, |column, draw| {
            let column = column as usize;
            let mut drawn = Drawn { column, extent: [0; 2], threshold: f64::NAN };
            let column = &self.columns[column];
            if is_constant(records, column) {
                return true;
            }
            if self.random {
                drawn.extent = extent(records, column.at);
                let [smallest, largest] = column.values_of(drawn.extent);
                drawn.threshold = draw.threshold(smallest, largest);
            }
            self.drawn.push(drawn);
            false
        })
    }

    /// Sees every split of the columns that were drawn.
    fn see_all(&mut self, range: Range<usize>, best: &mut Best) {
        let (records, columns) = (&self.records[range], self.columns);
        for drawn in self.drawn.chunks(TOGETHER) {
            // Few rows by a column of many values are sorted at once.
            let is_added_up = |column: &&Column| column.is_few() || records.len() >= WORTH_ADDING;
            let added = drawn.iter().map(|drawn| &columns[drawn.column]).filter(is_added_up);
            add_up(records, added.map(Column::high), &mut self.bins);
            let mut bins = self.bins.iter_mut();
            for drawn in drawn {
                let column = &columns[drawn.column];
                let at = Record::<BYTES, WIDE>::within(column.at);
                let rank = |record: &Record<BYTES, WIDE>| record.rank(at);
                let entry = |record: &Record<BYTES, WIDE>| (rank(record), record.tally);
                if !is_added_up(&column) {
                    self.keys.sort(column.bytes(), records.iter().map(entry));
                    best.see_each(column, self.keys.each());
                    continue;
                }
                let Some(bins) = bins.next() else { continue };
                if column.is_few() {
                    let mut take = |rank| (rank, std::mem::take(&mut bins[rank as usize % FEW]));
                    if records.len() < MANY_ROWS {
                        best.see_each(column, each_seen(records.iter().map(rank)).map(take));
                    } else {
                        let taken = (0..column.values.len() as Rank).map(&mut take);
                        best.see_each(column, taken.filter(|(_, tally)| tally.rows() > 0));
                    }
                } else {
                    let coarse = Coarse::new(column, bins, best);
                    let is_wanted = |(rank, _): &(Rank, Tally)| coarse.wanted[column.bucket(*rank)];
                    self.keys.sort(column.bytes(), records.iter().map(entry).filter(is_wanted));
                    best.see_some(column, &coarse, self.keys.each());
                }
            }
        }
    }

    /// Sees one split, drawn at random, of each column that was drawn.
    fn see_drawn(&mut self, range: Range<usize>, best: &mut Best) {
        let records = &self.records[range];
        for drawn in self.drawn.chunks(TOGETHER) {
            let cut = |&Drawn { column, extent, threshold }: &Drawn| {
                let column = &self.columns[column];
                let [least, greatest] = extent.map(|rank| column.place_of(rank));
                let narrow = largest_not_above(threshold);
                let left = column.values[least..greatest].partition_point(|&value| value <= narrow);
                (Record::<BYTES, WIDE>::within(column.at), column.rank(least + left - 1))
            };
            let mut cuts = [(At::default(), 0); TOGETHER];
            cuts.iter_mut().zip(drawn).for_each(|(place, drawn)| *place = cut(drawn));
            let lefts = send_left(records, cuts, drawn.len());
            for ((&Drawn { column, threshold, .. }, (_, cut)), left) in drawn.iter().zip(cuts).zip(lefts) {
                best.see(left, || Found { column, left, ranks: [cut; 2], threshold });
            }
        }
    }
}

/// Whether no values of a column can be told apart.
fn is_constant<const BYTES: usize, const WIDE: bool>(records: &[Record<BYTES, WIDE>], column: &Column) -> bool {
    let at = Record::<BYTES, WIDE>::within(column.at);
    let first = records[0].rank(at);
    let Some(other) = records.iter().map(|record| record.rank(at)).find(|&rank| rank != first) else { return true };
    // Most often these two can be.
    !column.are_apart([first.min(other), first.max(other)]) && !column.are_apart(extent(records, at))
}

/// The least and the greatest place of a value in a column.
fn extent<const BYTES: usize, const WIDE: bool>(records: &[Record<BYTES, WIDE>], at: At) -> [Rank; 2] {
    let (at, mut least, mut greatest) = (Record::<BYTES, WIDE>::within(at), Rank::MAX, 0);
    for record in records {
        let rank = record.rank(at);
        (least, greatest) = (least.min(rank), greatest.max(rank));
    }
    [least, greatest]
}

/// Adds up rows by some of their bytes, no more than there are bins.
fn add_up<const BYTES: usize, const WIDE: bool>(
    records: &[Record<BYTES, WIDE>],
    columns: impl Iterator<Item = usize>,
    bins: &mut [Bins; TOGETHER],
) {
    fn add<const BYTES: usize, const WIDE: bool, const WIDTH: usize>(
        records: &[Record<BYTES, WIDE>],
        starts: [usize; TOGETHER],
        bins: &mut [Bins; TOGETHER],
    ) {
        for Record { tally, ranks } in records {
            for lane in 0..WIDTH {
                let bin = &mut bins[lane][usize::from(ranks[starts[lane]])];
                *bin = bin.plus(*tally);
            }
        }
    }
    let (mut starts, mut width) = ([0; TOGETHER], 0);
    for (start, column) in starts.iter_mut().zip(columns) {
        *start = column.min(BYTES - 1);
        width += 1;
    }
    match width {
        0 => {}
        1 => add::<BYTES, WIDE, 1>(records, starts, bins),
        2 => add::<BYTES, WIDE, 2>(records, starts, bins),
        3 => add::<BYTES, WIDE, 3>(records, starts, bins),
        _ => add::<BYTES, WIDE, TOGETHER>(records, starts, bins),
    }
}

/// What goes left of some columns' cuts, each the place of the last value that does so.
fn send_left<const BYTES: usize, const WIDE: bool>(
    records: &[Record<BYTES, WIDE>],
    cuts: [(At, Rank); TOGETHER],
    width: usize,
) -> [Tally; TOGETHER] {
    fn send<const BYTES: usize, const WIDE: bool, const WIDTH: usize>(
        records: &[Record<BYTES, WIDE>],
        cuts: [(At, Rank); TOGETHER],
    ) -> [Tally; TOGETHER] {
        let mut lefts = [Tally::default(); TOGETHER];
        for record in records {
            for lane in 0..WIDTH {
                let (at, cut) = cuts[lane];
                let goes_left = u64::from(record.rank(at) <= cut);
                lefts[lane] = lefts[lane].plus(Tally(record.tally.0 & goes_left.wrapping_neg()));
            }
        }
        lefts
    }
    match width {
        1 => send::<BYTES, WIDE, 1>(records, cuts),
        2 => send::<BYTES, WIDE, 2>(records, cuts),
        3 => send::<BYTES, WIDE, 3>(records, cuts),
        _ => send::<BYTES, WIDE, TOGETHER>(records, cuts),
    }
}

/// Each of these numbers below [`FEW`] once, ascending.
fn each_seen(numbers: impl Iterator<Item = Rank>) -> impl Iterator<Item = Rank> {
    const BITS: usize = u64::BITS as usize;
    let mut seen = [0_u64; FEW / BITS];
    for number in numbers.map(|number| number as usize) {
        seen[number / BITS % (FEW / BITS)] |= 1 << (number % BITS);
    }
    (0..).zip(seen).flat_map(|(word, mut seen): (Rank, u64)| {
        std::iter::from_fn(move || {
            let bit = seen.trailing_zeros() as Rank;
            seen &= seen.wrapping_sub(1);
            (bit < BITS as Rank).then_some(word * BITS as Rank + bit)
        })
    })
}

impl<const BYTES: usize, const WIDE: bool> Splitter for RecordSplits<'_, BYTES, WIDE> {
    fn width(&self) -> usize {
        2
    }

    fn statistics(&self) -> usize {
        STATISTICS
    }

    fn begin(&mut self, _rows: &[u32]) {}

    fn measure(&mut self, range: Range<usize>, statistics: &mut [f64]) -> f64 {
        let known = |(start, tally): &&(usize, Tally)| *start == range.start && tally.rows() == range.len();
        let tally = match self.sides.iter().find(known) {
            Some((_, tally)) => *tally,
            None => self.records[range].iter().fold(Tally::default(), |sum, record| sum.plus(record.tally)),
        };
        let [second, weight] = tally.sums();
        statistics.copy_from_slice(&[weight, second]);
        let share = second / weight;
        if second == 0.0 || second == weight { 0.0 } else { 2.0 * share * (1.0 - share) }
    }

    fn value(&self, statistics: &[f64], value: &mut [f64]) {
        let [weight, second] = [statistics[0], statistics[1]];
        value.copy_from_slice(&[(weight - second) / weight, second / weight]);
    }

    fn find(
        &mut self,
        range: Range<usize>,
        statistics: &[f64],
        rules: &Rules<'_>,
        order: &mut Order,
        columns: Columns,
    ) -> (Option<Split>, usize) {
        let all = Tally::new(range.len(), statistics[0] as u64, statistics[1] as u64);
        let known = self.draw(range.clone(), order, columns);
        if range.len() == 2 && rules.leaf < 2 {
            // The first of them is as good as any other.
            self.drawn.truncate(1);
        }
        let mut best = Best { all, leaf: rules.leaf, tells_apart: false, found: None, above: f64::NEG_INFINITY };
        if self.random {
            self.see_drawn(range.clone(), &mut best);
        } else {
            self.see_all(range.clone(), &mut best);
            if best.found.is_some_and(|found| !self.columns[found.column].are_apart(found.ranks)) {
                best = Best { tells_apart: true, found: None, above: f64::NEG_INFINITY, ..best };
                self.see_all(range.clone(), &mut best);
            }
        }
        let Some(Found { column, left, ranks, threshold: drawn }) = best.found else { return (None, known) };
        let threshold = if self.random { drawn } else { threshold(self.columns[column].values_of(ranks)) };
        let rows = left.rows();
        self.cut = ranks[0];
        self.sides = [(range.start, left), (range.start + rows, all.less(left))];
        // Where no training row lacks a value, those that do so later follow the larger side.
        (Some(Split { column, threshold, missing_left: 2 * rows > range.len(), left: rows }), known)
    }

    fn split_rows(&mut self, range: Range<usize>, split: &Split) {
        let (records, mut left) = (&mut self.records[range], 0);
        let at = Record::<BYTES, WIDE>::within(self.columns[split.column].at);
        for place in 0..records.len() {
            // Exchanged in any case, and counted where it goes left: no branch to mispredict.
            let goes_left = records[place].rank(at) <= self.cut;
            records.swap(place, left);
            left += usize::from(goes_left);
        }
    }

    fn split_orders(&mut self, _range: Range<usize>, _split: &Split, _at_once: bool, _goes_on: [bool; 2]) {}

    fn finish(self, _workspace: &mut Workspace) {}
}

#[cfg(test)]
mod tests;
