//! The best splits of a node of few rows and of all below it: its rows are kept in the order of every column, some columns side
//! by side, in so little memory that it stays near.

use std::ops::Range;

use super::criterion::Sums;
use super::criterion::sums::{MOST_SHARES, Pair, SHARES, gain};
use super::grower::Split;
use super::presort::{FEW, Presorted, SortedColumn, is_same, row, value};
use super::rules::{FEATURE_THRESHOLD, as_good_as, threshold};

/// Most rows of a subtree; a power of two.
pub(super) const MOST_ROWS: usize = 512;
const _: () = assert!(MOST_ROWS.is_power_of_two() && MOST_ROWS <= MOST_SHARES);

/// A row of the subtree, counted from its first, and before it the place of its value among those of a column.
type Key = u32;

/// The keys of some columns, each on its own.
type Keys<const LANES: usize> = [Key; LANES];

/// What each row adds to sums.
type Pairs = [Pair; MOST_ROWS];

fn row_of(key: Key) -> usize {
    key as usize % MOST_ROWS
}

fn rank_of(key: Key) -> u32 {
    key >> 16
}

/// What a column offers to a node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Offered {
    Constant,
    /// What its best split is worth; below every gain where none is allowed.
    Gain(f64),
}

/// A node of few rows and all below it, of one such node after the other.
#[derive(Debug)]
pub(super) struct Subtree {
    /// Where its rows stand.
    root: Range<usize>,
    rows: Box<[u32; MOST_ROWS]>,
    pairs: Box<Pairs>,
    orders: Orders,
    /// Of each column the value of each rank.
    values: Vec<[f32; MOST_ROWS]>,
    /// By row of the tree, which one of these it is.
    places: Vec<u16>,
    marks: Box<[bool; MOST_ROWS]>,
    /// The node looked at last, and what each lane offers to it; behind them, what columns of one value do.
    node: Node,
    offers: Vec<Offered>,
    /// Of each column, its lane among the orders.
    lanes: Vec<usize>,
}

/// The rows in the order of each column.
#[derive(Debug)]
enum Orders {
    Threes(Groups<3>),
    Fours(Groups<4>),
}

/// The orders of so many columns side by side, so that each step is done for all of them. Lanes that are no column have one
/// value only.
#[derive(Debug)]
struct Groups<const LANES: usize> {
    /// Group by group.
    keys: Vec<Vec<Keys<LANES>>>,
    scratch: Vec<Keys<LANES>>,
    /// How many of the lanes are columns: those that have more than one value.
    lanes: usize,
}

/// A node of a subtree.
#[derive(Clone, Debug, Default)]
struct Node {
    /// Its rows in every order.
    range: Range<usize>,
    total: Pair,
    counts_rows: bool,
    /// Fewest rows of a leaf.
    leaf: usize,
}

impl Subtree {
    /// For trees on the rows of `sorted`; of none yet.
    pub(super) fn new(sorted: &Presorted) -> Self {
        let width = sorted.columns.len();
        Subtree {
            root: 0..0,
            rows: Box::new([0; MOST_ROWS]),
            pairs: Box::new([[0.0; 2]; MOST_ROWS]),
            // As few lanes as can be are no column.
            orders: if width.next_multiple_of(3) < width.next_multiple_of(4) {
                Orders::Threes(Groups::new(width))
            } else {
                Orders::Fours(Groups::new(width))
            },
            values: vec![[0.0; MOST_ROWS]; width],
            places: vec![0; sorted.matrix.rows],
            marks: Box::new([false; MOST_ROWS]),
            node: Node::default(),
            offers: vec![Offered::Constant; width + 1],
            lanes: vec![width; width],
        }
    }

    /// Whether a node is part of it.
    pub(super) fn holds(&self, range: &Range<usize>) -> bool {
        self.root.start <= range.start && range.end <= self.root.end
    }

    /// Begins with another node; `orders` has its keys by every column that is kept in order. Returns whether that can be
    /// done: not where two values differ by too little to be told apart.
    pub(super) fn begin(
        &mut self,
        range: &Range<usize>,
        (rows, sums): (&[u32], &Sums),
        sorted: &Presorted,
        orders: &[Vec<u64>],
    ) -> bool {
        self.root = 0..0;
        for (place, &row) in (0..).zip(rows) {
            self.places[row as usize] = place;
        }
        let (mut keys, mut lanes) = (vec![0; rows.len()], 0);
        for (column, (sorted_column, values_of)) in sorted.columns.iter().zip(&mut self.values).enumerate() {
            let is_apart = match sorted_column {
                SortedColumn::Few { values, group, lane } => {
                    let ranks = &sorted.ranks[*group].rows;
                    by_rank(rows.iter().map(|&row| ranks[row as usize][*lane]), values, (&mut keys, values_of))
                }
                SortedColumn::Many { .. } => {
                    by_order(&orders[column][range.clone()], &self.places, (&mut keys, values_of))
                }
            };
            if !is_apart {
                return false;
            }
            let is_constant = rank_of(keys[0]) == rank_of(keys[keys.len() - 1]);
            self.lanes[column] = if is_constant { sorted.columns.len() } else { lanes };
            if !is_constant {
                match &mut self.orders {
                    Orders::Threes(groups) => groups.fill(lanes, &keys),
                    Orders::Fours(groups) => groups.fill(lanes, &keys),
                }
                lanes += 1;
            }
        }
        match &mut self.orders {
            Orders::Threes(groups) => groups.lanes = lanes,
            Orders::Fours(groups) => groups.lanes = lanes,
        }
        self.root = range.clone();
        self.rows[..rows.len()].copy_from_slice(rows);
        self.pairs[..rows.len()].copy_from_slice(sums.pairs(range.start, rows.len()));
        true
    }

    /// Forgets all rows.
    pub(super) fn clear(&mut self) {
        self.root = 0..0;
    }

    /// Looks at a node, whose sums are entered and whose leaves need `leaf` rows, by all columns.
    pub(super) fn look(&mut self, range: &Range<usize>, sums: &Sums, leaf: usize) {
        let range = self.local(range);
        self.node = Node { range, total: sums.total(), counts_rows: sums.counts_rows(), leaf };
        match &self.orders {
            Orders::Threes(groups) => groups.look(&self.node, &self.pairs, &mut self.offers),
            Orders::Fours(groups) => groups.look(&self.node, &self.pairs, &mut self.offers),
        }
    }

    /// What a column offers to the node looked at last.
    pub(super) fn offer(&self, column: usize) -> Offered {
        self.offers[self.lanes[column]]
    }

    /// The best split of the node looked at last by a column that offers one; of equally good ones the first.
    pub(super) fn split(&self, column: usize) -> Split {
        let worth = if let Offered::Gain(gain) = self.offer(column) { gain } else { f64::NEG_INFINITY };
        let enough = as_good_as(worth);
        let (left, keys) = match &self.orders {
            Orders::Threes(groups) => groups.first(&self.node, &self.pairs, self.lanes[column], enough),
            Orders::Fours(groups) => groups.first(&self.node, &self.pairs, self.lanes[column], enough),
        };
        let values = keys.map(|key| self.values[column][rank_of(key) as usize % MOST_ROWS]);
        // Where no training row lacks a value, those that do so later follow the larger side.
        let missing_left = 2 * left > self.node.range.len();
        Split { column, threshold: threshold(values), missing_left, left }
    }

    /// Marks the rows of a node that its split sends left, here and by row of the tree.
    pub(super) fn mark(&mut self, range: &Range<usize>, split: &Split, goes_left: &mut [bool]) {
        let (range, lane) = (self.local(range), self.lanes[split.column]);
        let see = |(place, row): (usize, usize)| {
            let is_left = place < split.left;
            self.marks[row] = is_left;
            goes_left[self.rows[row] as usize] = is_left;
        };
        match &self.orders {
            Orders::Threes(groups) => groups.rows(lane, range).enumerate().for_each(see),
            Orders::Fours(groups) => groups.rows(lane, range).enumerate().for_each(see),
        }
    }

    /// Sorts the orders of a node into those of its children, as they were marked.
    pub(super) fn partition(&mut self, range: &Range<usize>) {
        let range = self.local(range);
        match &mut self.orders {
            Orders::Threes(groups) => groups.partition(range, &self.marks),
            Orders::Fours(groups) => groups.partition(range, &self.marks),
        }
    }

    /// Where the rows of a node stand in every order.
    fn local(&self, range: &Range<usize>) -> Range<usize> {
        range.start - self.root.start..range.end - self.root.start
    }
}

impl<const LANES: usize> Groups<LANES> {
    fn new(width: usize) -> Self {
        let none = vec![[0; LANES]; MOST_ROWS];
        Groups { keys: vec![none.clone(); width.div_ceil(LANES)], scratch: none, lanes: 0 }
    }

    fn fill(&mut self, lane: usize, keys: &[Key]) {
        let (group, lane) = (lane / LANES, lane % LANES);
        for (lanes, &key) in self.keys[group].iter_mut().zip(keys) {
            lanes[lane] = key;
            // What is no column has all rows, too.
            lanes[lane + 1..].fill(key & 0xffff);
        }
    }

    /// The rows of a node in the order of a lane.
    fn rows(&self, lane: usize, range: Range<usize>) -> impl Iterator<Item = usize> {
        self.keys[lane / LANES][range].iter().map(move |keys| row_of(keys[lane % LANES]))
    }

    /// How many rows of a node go left by the first split of a lane that is worth enough, and the keys on both sides of it.
    fn first(&self, node: &Node, pairs: &Pairs, lane: usize, enough: f64) -> (usize, [Key; 2]) {
        let (keys, lane) = (&self.keys[lane / LANES][node.range.clone()], lane % LANES);
        let mut left = 1;
        each_gain(
            (node, pairs),
            |place| [keys[place][lane]],
            |rows, [gain]| {
                left = rows;
                gain >= enough
            },
        );
        (left, [keys[left - 1][lane], keys[left][lane]])
    }

    fn look(&self, node: &Node, pairs: &Pairs, offers: &mut [Offered]) {
        let offers = offers[..self.lanes].chunks_mut(LANES);
        for (keys, offers) in self.keys.iter().zip(offers) {
            let keys = &keys[node.range.clone()];
            let mut best = [f64::NEG_INFINITY; LANES];
            each_gain(
                (node, pairs),
                |place| keys[place],
                |_, gains| {
                    for lane in 0..LANES {
                        best[lane] = if gains[lane] > best[lane] { gains[lane] } else { best[lane] };
                    }
                    false
                },
            );
            let (first, last) = (keys[0], keys[keys.len() - 1]);
            for (lane, offer) in offers.iter_mut().enumerate() {
                let is_constant = rank_of(first[lane]) == rank_of(last[lane]);
                *offer = if is_constant { Offered::Constant } else { Offered::Gain(best[lane]) };
            }
        }
    }

    /// Moves what goes left to the front, keeping the order on both sides.
    fn partition(&mut self, range: Range<usize>, goes_left: &[bool; MOST_ROWS]) {
        let scratch = &mut self.scratch[..range.len()];
        for keys in &mut self.keys[..self.lanes.div_ceil(LANES)] {
            let keys = &mut keys[range.clone()];
            let mut left = [0; LANES];
            for place in 0..keys.len() {
                let at = keys[place];
                for lane in 0..LANES {
                    // Written to both sides, and counted on one: no branch to mispredict.
                    keys[left[lane]][lane] = at[lane];
                    scratch[place - left[lane]][lane] = at[lane];
                    left[lane] += usize::from(goes_left[row_of(at[lane])]);
                }
            }
            let rest = keys.len() - left[0];
            keys[left[0]..].copy_from_slice(&scratch[..rest]);
        }
    }
}

/// Shows what each split of a node is worth, by how many rows go left: no number where it would part rows of one value. `keys`
/// are those at a place of the node, in some orders; `see` says when it has seen enough.
fn each_gain<const LANES: usize>(
    (node, pairs): (&Node, &Pairs),
    keys: impl Fn(usize) -> Keys<LANES>,
    see: impl FnMut(usize, [f64; LANES]) -> bool,
) {
    if node.counts_rows {
        each::<LANES, true>((node, pairs), keys, see);
    } else {
        each::<LANES, false>((node, pairs), keys, see);
    }
}

fn each<const LANES: usize, const COUNTED: bool>(
    (node, pairs): (&Node, &Pairs),
    keys: impl Fn(usize) -> Keys<LANES>,
    mut see: impl FnMut(usize, [f64; LANES]) -> bool,
) {
    let rows = node.range.len();
    let [all, all_weight] = node.total;
    let (mut sums, mut weights) = ([0.0; LANES], [0.0; LANES]);
    let mut at = keys(0);
    for left in 1..=rows - node.leaf {
        for lane in 0..LANES {
            let [sum, weight] = pairs[row_of(at[lane])];
            sums[lane] += sum;
            if !COUNTED {
                weights[lane] += weight;
            }
        }
        let next = keys(left);
        if left >= node.leaf {
            let shares = if COUNTED { [SHARES[left], SHARES[rows - left]] } else { [0.0; 2] };
            let mut gains = [0.0; LANES];
            for lane in 0..LANES {
                let (low, high) = (sums[lane], all - sums[lane]);
                let gain = if COUNTED {
                    low * low * shares[0] + high * high * shares[1]
                } else {
                    gain([low, weights[lane]], [high, all_weight - weights[lane]])
                };
                let same = u64::from(rank_of(at[lane]) == rank_of(next[lane]));
                gains[lane] = f64::from_bits(gain.to_bits() | same.wrapping_neg());
            }
            if see(left, gains) {
                return;
            }
        }
        at = next;
    }
}

/// Writes the keys of rows by the ranks of their values among all of a column, and the value of each key's rank; `false` where
/// two of them are too close.
fn by_rank(
    ranks: impl Iterator<Item = u8> + Clone,
    values: &[f32],
    (keys, values_of): (&mut [Key], &mut [f32; MOST_ROWS]),
) -> bool {
    let mut places = [0_u16; FEW];
    for rank in ranks.clone() {
        places[usize::from(rank)] += 1;
    }
    let (mut start, mut below) = (0, f32::NEG_INFINITY);
    for (place, &value) in places.iter_mut().zip(values).filter(|(rows, _)| **rows > 0) {
        if value <= below + FEATURE_THRESHOLD {
            return false;
        }
        below = value;
        (*place, start) = (start, start + *place);
    }
    values_of[..values.len()].copy_from_slice(values);
    for (row, rank) in (0..).zip(ranks) {
        let place = &mut places[usize::from(rank)];
        keys[usize::from(*place)] = Key::from(rank) << 16 | row;
        *place += 1;
    }
    true
}

/// The same from keys of all rows in order, of which `places` says which of these they are.
fn by_order(order: &[u64], places: &[u16], (keys, values_of): (&mut [Key], &mut [f32; MOST_ROWS])) -> bool {
    let (mut rank, mut before) = (0, f32::NEG_INFINITY);
    let mut last = u64::MAX;
    for (&at, key) in order.iter().zip(keys) {
        if !is_same(at, last) {
            let value = value(at);
            if value <= before + FEATURE_THRESHOLD {
                return false;
            }
            values_of[rank as usize] = value;
            (before, last) = (value, at);
            rank += 1;
        }
        *key = (rank - 1) << 16 | Key::from(places[row(at) as usize]);
    }
    true
}
