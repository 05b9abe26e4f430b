//! Splits of rows of two classes that weigh whole numbers: each node keeps its rows together as short records, and rows are
//! added up by one addition of whole numbers. That suits nodes that look at few of their columns, for no column is kept in
//! order.

mod keys;
mod table;
mod tally;

use std::ops::Range;

use self::keys::Keys;
pub(super) use self::table::Table;
use self::table::{At, Column, MOST_BYTES};
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

/// Numbers that describe a node: its weight, and that of its second class.
const STATISTICS: usize = 2;

/// A row of a tree.
#[derive(Clone, Copy, Debug)]
struct Record<const BYTES: usize> {
    tally: Tally,
    ranks: [u8; BYTES],
}

impl<const BYTES: usize> Record<BYTES> {
    /// The place of its value in a column.
    fn rank(&self, at: At) -> u16 {
        u16::from_le_bytes([self.ranks[at.start], self.ranks[at.start + 1]]) & at.mask
    }
}

/// Finds splits between records.
struct RecordSplits<'a, const BYTES: usize> {
    columns: &'a [Column],
    /// Whether thresholds are drawn at random.
    random: bool,
    /// Those of each node together, in any order.
    records: Vec<Record<BYTES>>,
    drawn: Vec<Drawn>,
    bins: Box<[Bins; TOGETHER]>,
    keys: Keys,
    /// The split found last: the place of the last value that goes left, and what is on its sides, by where these start.
    cut: u16,
    sides: [(usize, Tally); 2],
}

/// TreeRows of a node by the places of their values, of which there are few.
type Bins = [Tally; FEW];

/// A column that was drawn for a node.
#[derive(Clone, Copy, Debug)]
struct Drawn {
    column: usize,
    /// Places of its least and its greatest value.
    extent: [u16; 2],
    /// Where it is to be split, if that is drawn, too.
    threshold: f64,
}

/// A split.
#[derive(Clone, Copy, Debug)]
struct Found {
    column: usize,
    left: Tally,
    /// The place of the last value that goes left.
    cut: u16,
    threshold: f64,
}

/// The best split of those seen.
struct Best {
    all: Tally,
    /// Fewest rows of a leaf.
    leaf: usize,
    found: Option<Found>,
    /// What is better is worth more than this.
    above: f64,
}

impl Best {
    /// Sees a split; `found` tells of it.
    fn see(&mut self, left: Tally, found: impl FnOnce() -> Found) {
        let rows = left.rows();
        if rows >= self.leaf && self.all.rows() - rows >= self.leaf {
            let gain = left.gain(self.all);
            if gain > self.above {
                (self.found, self.above) = (Some(found()), better_than(gain));
            }
        }
    }

    /// Sees the splits of a column between rows, which come by the places of their values.
    fn see_each(&mut self, column: usize, values: &[f32], rows: impl Iterator<Item = (u16, Tally)>) {
        let (mut left, mut last) = (Tally::default(), 0);
        for (rank, tally) in rows {
            if rank != last {
                let between = [last, rank].map(|rank| values[usize::from(rank)]);
                self.see(left, || Found { column, left, cut: last, threshold: threshold(between) });
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
        match self.bytes {
            8 => self.grow_records::<8>(rows, random, options, seed),
            16 => self.grow_records::<16>(rows, random, options, seed),
            32 => self.grow_records::<32>(rows, random, options, seed),
            MOST_BYTES => self.grow_records::<MOST_BYTES>(rows, random, options, seed),
            _ => None,
        }
    }

    fn grow_records<const BYTES: usize>(
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
            (is_whole && total <= Tally::MOST).then(|| Record { tally, ranks: ranks[place] })
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

impl<const BYTES: usize> RecordSplits<'_, BYTES> {
    /// Draws the columns to look at. Returns how many are known to be constant below.
    fn draw(&mut self, range: Range<usize>, order: &mut Order, Columns { known, most }: Columns) -> usize {
        let records = &self.records[range];
        self.drawn.clear();
        order.visit(known, most, |column, draw| {
            let column = column as usize;
            let Column { values, at } = &self.columns[column];
            let extent = extent(records, *at);
            if extent[0] == extent[1] {
                return true;
            }
            let [smallest, largest] = extent.map(|rank| values[usize::from(rank)]);
            let threshold = if self.random { draw.threshold(smallest, largest) } else { 0.0 };
            self.drawn.push(Drawn { column, extent, threshold });
            false
        })
    }

    /// Sees every split of the columns that were drawn.
    fn see_all(&mut self, range: Range<usize>, best: &mut Best) {
        let (records, columns) = (&self.records[range], self.columns);
        for drawn in self.drawn.chunks(TOGETHER) {
            let few = drawn.iter().map(|drawn| &columns[drawn.column]).filter(|column| column.is_few());
            add_up(records, few.map(|column| column.at), &mut self.bins);
            let mut bins = self.bins.iter_mut();
            for drawn in drawn {
                let &Drawn { column, extent: [least, greatest], .. } = drawn;
                let Column { values, at } = &columns[column];
                let at = at.within::<BYTES>();
                let rank = |record: &Record<BYTES>| record.rank(at);
                if !columns[column].is_few() {
                    self.keys.sort(records.iter().map(|record| (rank(record), record.tally)));
                    best.see_each(column, values, self.keys.each());
                } else if let Some(bins) = bins.next() {
                    let mut take = |rank| (rank, std::mem::take(&mut bins[usize::from(rank) % FEW]));
                    if records.len() < MANY_ROWS {
                        best.see_each(column, values, each_seen(records.iter().map(rank)).map(take));
                    } else {
                        let taken = (least..=greatest).map(&mut take);
                        best.see_each(column, values, taken.filter(|(_, tally)| tally.rows() > 0));
                    }
                }
            }
        }
    }

    /// Sees one split, drawn at random, of each column that was drawn.
    fn see_drawn(&mut self, range: Range<usize>, best: &mut Best) {
        let records = &self.records[range];
        for drawn in self.drawn.chunks(TOGETHER) {
            let cut = |&Drawn { column, extent: [least, greatest], threshold }: &Drawn| {
                let Column { values, at } = &self.columns[column];
                let values = &values[usize::from(least)..usize::from(greatest)];
                let narrow = largest_not_above(threshold);
                (at.within::<BYTES>(), least + values.partition_point(|&value| value <= narrow) as u16 - 1)
            };
            let mut cuts = [(At::default(), 0); TOGETHER];
            cuts.iter_mut().zip(drawn).for_each(|(place, drawn)| *place = cut(drawn));
            let lefts = send_left(records, cuts, drawn.len());
            for ((&Drawn { column, threshold, .. }, (_, cut)), left) in drawn.iter().zip(cuts).zip(lefts) {
                best.see(left, || Found { column, left, cut, threshold });
            }
        }
    }
}

/// The least and the greatest place of a value in a column.
fn extent<const BYTES: usize>(records: &[Record<BYTES>], at: At) -> [u16; 2] {
    let (at, mut least, mut greatest) = (at.within::<BYTES>(), u16::MAX, 0);
    for record in records {
        let rank = record.rank(at);
        (least, greatest) = (least.min(rank), greatest.max(rank));
    }
    [least, greatest]
}

/// Adds up rows by the places of their values in some columns of few values, no more than there are bins.
fn add_up<const BYTES: usize>(
    records: &[Record<BYTES>],
    columns: impl Iterator<Item = At>,
    bins: &mut [Bins; TOGETHER],
) {
    fn add<const BYTES: usize, const WIDTH: usize>(
        records: &[Record<BYTES>],
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
        *start = column.within::<BYTES>().start;
        width += 1;
    }
    match width {
        0 => {}
        1 => add::<BYTES, 1>(records, starts, bins),
        2 => add::<BYTES, 2>(records, starts, bins),
        3 => add::<BYTES, 3>(records, starts, bins),
        _ => add::<BYTES, TOGETHER>(records, starts, bins),
    }
}

/// What goes left of some columns' cuts, each the place of the last value that does so.
fn send_left<const BYTES: usize>(
    records: &[Record<BYTES>],
    cuts: [(At, u16); TOGETHER],
    width: usize,
) -> [Tally; TOGETHER] {
    fn send<const BYTES: usize, const WIDTH: usize>(
        records: &[Record<BYTES>],
        cuts: [(At, u16); TOGETHER],
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
        1 => send::<BYTES, 1>(records, cuts),
        2 => send::<BYTES, 2>(records, cuts),
        3 => send::<BYTES, 3>(records, cuts),
        _ => send::<BYTES, TOGETHER>(records, cuts),
    }
}

/// Each of these numbers below [`FEW`] once, ascending.
fn each_seen(numbers: impl Iterator<Item = u16>) -> impl Iterator<Item = u16> {
    const BITS: usize = u64::BITS as usize;
    let mut seen = [0_u64; FEW / BITS];
    for number in numbers.map(usize::from) {
        seen[number / BITS % (FEW / BITS)] |= 1 << (number % BITS);
    }
    (0..).zip(seen).flat_map(|(word, mut seen): (u16, u64)| {
        std::iter::from_fn(move || {
            let bit = seen.trailing_zeros() as u16;
            seen &= seen.wrapping_sub(1);
            (bit < BITS as u16).then_some(word * BITS as u16 + bit)
        })
    })
}

impl<const BYTES: usize> Splitter for RecordSplits<'_, BYTES> {
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
        let mut best = Best { all, leaf: rules.leaf, found: None, above: f64::NEG_INFINITY };
        if self.random {
            self.see_drawn(range.clone(), &mut best);
        } else {
            self.see_all(range.clone(), &mut best);
        }
        let Some(Found { column, left, cut, threshold }) = best.found else { return (None, known) };
        let rows = left.rows();
        self.cut = cut;
        self.sides = [(range.start, left), (range.start + rows, all.less(left))];
        // Where no training row lacks a value, those that do so later follow the larger side.
        (Some(Split { column, threshold, missing_left: 2 * rows > range.len(), left: rows }), known)
    }

    fn split_rows(&mut self, range: Range<usize>, split: &Split) {
        let (records, mut left) = (&mut self.records[range], 0);
        let at = self.columns[split.column].at.within::<BYTES>();
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
