//! Growing one tree of exact splits, the best first.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::ops::Range;

use rayon::prelude::*;

use super::columns::{Columns, Sorted, rank, row};
use crate::rng::Rng;

/// A node whose variance is not above this is not split, as in scikit-learn.
const EPSILON: f64 = f64::EPSILON;
/// Gains that differ by no more than this share are equal.
const ROUNDING: f64 = 1e-12;
/// Rows times columns from which a node is worth several threads.
const WORTH_THREADS: usize = 1 << 15;

/// Where growth stops.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) leaves: usize,
    pub(super) depth: usize,
    /// Fewest rows of a node that is split.
    pub(super) split: usize,
    /// Fewest rows of a leaf.
    pub(super) leaf: usize,
    /// Least weight of a leaf.
    pub(super) leaf_weight: f64,
    /// What a split must bring, as a share of the weight of all rows times variance.
    pub(super) decrease: f64,
    /// Columns looked at for a split.
    pub(super) features: usize,
}

/// A tree on rows.
#[derive(Debug, Default)]
pub(in super::super) struct ExactTree {
    /// The root first; children stand together after their parent.
    pub(super) nodes: Vec<ExactNode>,
}

#[derive(Debug)]
pub(super) struct ExactNode {
    /// Its rows, among [`Grower::rows`].
    pub(super) rows: Range<usize>,
    /// Sums of the derivatives.
    pub(super) sums: [f64; 2],
    /// Weight of the rows times their variance.
    pub(super) spread: f64,
    /// None for a leaf.
    pub(super) split: Option<Split>,
}

/// A split of a node: rows go left up to the threshold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Split {
    pub(super) column: usize,
    pub(super) threshold: f64,
    /// Place of the left child.
    pub(super) left: usize,
    /// By how much the split lessens weight times variance.
    pub(super) gain: f64,
}

/// Grows trees on the same rows, one after the other.
pub(super) struct Grower<'a> {
    columns: &'a Columns,
    weights: Option<&'a [f64]>,
    limits: Limits,
    rows: Vec<u32>,
    /// The keys of each column, those of a node together and ascending: nodes of even depth in the first, those of odd depth
    /// in the second. A node's keys are there until its grandchildren's are.
    orders: [Vec<Vec<u64>>; 2],
    /// By row: whether it goes left. Of use within one step only.
    marks: Vec<bool>,
    scratch: Vec<u32>,
    /// Of each number of rows, one divided by it.
    shares: Vec<f64>,
}

/// A node that may be split, with its best split.
struct Open {
    place: usize,
    depth: usize,
    found: Found,
}

/// The best split of a node by one column.
#[derive(Clone, Copy)]
struct Found {
    column: usize,
    /// Rows that go left.
    left: usize,
    gain: f64,
}

/// What a node is, to find its splits.
#[derive(Clone, Copy)]
struct Sums {
    gradient: f64,
    weight: f64,
}

impl<'a> Grower<'a> {
    pub(super) fn new(columns: &'a Columns, weights: Option<&'a [f64]>, limits: Limits) -> Self {
        let rows = columns.trained();
        let empty = || vec![vec![0; rows]; columns.columns.len()];
        Grower {
            columns,
            weights,
            limits,
            rows: Vec::with_capacity(rows),
            orders: [empty(), empty()],
            marks: vec![false; rows],
            scratch: vec![0; rows],
            shares: (0..=rows).map(|rows| 1.0 / rows as f64).collect(),
        }
    }

    /// The rows of the tree grown last, those of each node together.
    pub(super) fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// Grows a tree on the slopes of some rows, by default of all of them.
    pub(super) fn grow(&mut self, slopes: &[[f64; 2]], sample: Option<&[u32]>, rng: &mut Rng) -> ExactTree {
        self.begin(sample);
        let mut tree = ExactTree { nodes: vec![self.node(slopes, 0..self.rows.len())] };
        let mut open = BinaryHeap::new();
        self.look(&mut open, &tree, 0, 0, slopes, rng);
        let mut leaves = 1;
        while let Some(Open { place, depth, found }) = open.pop() {
            leaves += 1;
            let deeper = leaves < self.limits.leaves && depth + 1 < self.limits.depth;
            let left = tree.nodes.len();
            let rows = tree.nodes[place].rows.clone();
            let threshold = self.partition(rows.clone(), depth, found, deeper);
            tree.nodes[place].split = Some(Split { column: found.column, threshold, left, gain: found.gain });
            let border = rows.start + found.left;
            tree.nodes.push(self.node(slopes, rows.start..border));
            tree.nodes.push(self.node(slopes, border..rows.end));
            if leaves >= self.limits.leaves {
                break;
            }
            for child in [left, left + 1] {
                self.look(&mut open, &tree, child, depth + 1, slopes, rng);
            }
        }
        tree
    }

    /// Takes the rows of the root: those of the sample that weigh anything.
    fn begin(&mut self, sample: Option<&[u32]>) {
        let trained = self.columns.trained() as u32;
        let heavy = |row: &u32| self.weights.is_none_or(|weights| weights[*row as usize] > 0.0);
        self.rows.clear();
        match sample {
            Some(sample) => self.rows.extend(sample.iter().copied().filter(heavy)),
            None => self.rows.extend((0..trained).filter(heavy)),
        }
        self.marks.fill(false);
        for &row in &self.rows {
            self.marks[row as usize] = true;
        }
        let (marks, orders) = (&self.marks, &mut self.orders[0]);
        let all = self.rows.len() == trained as usize;
        orders.par_iter_mut().zip(&self.columns.columns).for_each(|(order, column)| {
            if all {
                order.copy_from_slice(&column.order);
                return;
            }
            let taken = column.order.iter().copied().filter(|&key| marks[row(key)]);
            order.iter_mut().zip(taken).for_each(|(place, key)| *place = key);
        });
    }

    fn weight(&self, row: u32) -> f64 {
        self.weights.map_or(1.0, |weights| weights[row as usize])
    }

    fn node(&self, slopes: &[[f64; 2]], rows: Range<usize>) -> ExactNode {
        let (mut sums, mut squares, mut weight) = ([0.0; 2], 0.0, 0.0);
        for &row in &self.rows[rows.clone()] {
            let [gradient, hessian] = slopes[row as usize];
            let own = self.weight(row);
            sums = [sums[0] + gradient, sums[1] + hessian];
            squares += gradient * gradient / own;
            weight += own;
        }
        ExactNode { rows, sums, spread: squares - sums[0] * sums[0] / weight, split: None }
    }

    /// Looks for the best split of a node.
    fn look(
        &self,
        open: &mut BinaryHeap<Open>,
        tree: &ExactTree,
        place: usize,
        depth: usize,
        slopes: &[[f64; 2]],
        rng: &mut Rng,
    ) {
        let node = &tree.nodes[place];
        let rows = node.rows.len();
        if depth >= self.limits.depth || rows < self.limits.split.max(2 * self.limits.leaf) || self.limits.leaves < 2 {
            return;
        }
        let weight = match self.weights {
            None => rows as f64,
            Some(weights) => self.rows[node.rows.clone()].iter().map(|&row| weights[row as usize]).sum(),
        };
        if node.spread <= EPSILON * weight {
            return;
        }
        let sums = Sums { gradient: node.sums[0], weight };
        let orders = &self.orders[depth % 2];
        let keys = |column: usize| &orders[column][node.rows.clone()];
        let chosen = self.choose(rng, |column| {
            let keys = keys(column);
            rank(keys[0]) == rank(keys[keys.len() - 1])
        });
        let best = |&column: &usize| self.best(column, keys(column), slopes, sums);
        let found: Vec<Option<Found>> = if rows * chosen.len() >= WORTH_THREADS {
            chosen.par_iter().map(best).collect()
        } else {
            chosen.iter().map(best).collect()
        };
        // Sums of the same rows in another order differ by rounding; columns that do are equally good.
        let better = |best: Found, other: Found| {
            if other.gain - best.gain > ROUNDING * best.gain.abs() { other } else { best }
        };
        let Some(mut found) = found.into_iter().flatten().reduce(better) else { return };
        found.gain -= sums.gradient * sums.gradient / sums.weight;
        if found.gain + EPSILON >= self.limits.decrease {
            open.push(Open { place, depth, found });
        }
    }

    /// The columns looked at for a split, ascending: as many as there may be of those that vary.
    fn choose(&self, rng: &mut Rng, is_constant: impl Fn(usize) -> bool) -> Vec<usize> {
        let varying = (0..self.columns.columns.len()).filter(|&column| !is_constant(column));
        let mut chosen: Vec<usize> = varying.collect();
        if chosen.len() > self.limits.features {
            rng.shuffle(&mut chosen);
            chosen.truncate(self.limits.features);
            chosen.sort_unstable();
        }
        chosen
    }

    /// The best split by a column; of equal ones the first. Its gain lacks what the node itself is worth.
    fn best(&self, column: usize, keys: &[u64], slopes: &[[f64; 2]], sums: Sums) -> Option<Found> {
        match self.weights {
            None => self.best_by_rows(column, keys, slopes, sums),
            Some(weights) => self.best_by_weight(column, keys, slopes, sums, weights),
        }
    }

    fn best_by_rows(&self, column: usize, keys: &[u64], slopes: &[[f64; 2]], sums: Sums) -> Option<Found> {
        let least = self.limits.leaf.max(self.limits.leaf_weight.ceil() as usize).max(1);
        let last = keys.len().checked_sub(least)?;
        if least > last {
            return None;
        }
        let (mut best, mut best_left) = (f64::NEG_INFINITY, 0);
        let (first, rest) = keys.split_at(least - 1);
        let mut left: f64 = first.iter().map(|&key| slopes[row(key)][0]).sum();
        let counts =
            self.shares[least..=last].iter().zip(self.shares[keys.len() - last..=keys.len() - least].iter().rev());
        for (place, ((&key, &next), (left_share, right_share))) in rest.iter().zip(&rest[1..]).zip(counts).enumerate() {
            left += slopes[row(key)][0];
            let right = sums.gradient - left;
            let gain = left * left * left_share + right * right * right_share;
            if gain > best && rank(key) != rank(next) {
                best = gain;
                best_left = least + place;
            }
        }
        (best_left > 0).then_some(Found { column, left: best_left, gain: best })
    }

    fn best_by_weight(
        &self,
        column: usize,
        keys: &[u64],
        slopes: &[[f64; 2]],
        sums: Sums,
        weights: &[f64],
    ) -> Option<Found> {
        let Limits { leaf, leaf_weight, .. } = self.limits;
        let (mut best, mut left, mut weight) = (None, 0.0, 0.0);
        for (place, (&key, &next)) in keys.iter().zip(&keys[1..]).enumerate() {
            left += slopes[row(key)][0];
            weight += weights[row(key)];
            let (count, right, rest) = (place + 1, sums.gradient - left, sums.weight - weight);
            let fits = count >= leaf && keys.len() - count >= leaf && weight >= leaf_weight && rest >= leaf_weight;
            if fits && rest > 0.0 && rank(key) != rank(next) {
                let gain = left * left / weight + right * right / rest;
                if best.is_none_or(|best: Found| gain > best.gain) {
                    best = Some(Found { column, left: count, gain });
                }
            }
        }
        best
    }

    /// Sorts the rows of a node into its children's, in every order where these may be split; returns the threshold.
    fn partition(&mut self, rows: Range<usize>, depth: usize, found: Found, deeper: bool) -> f64 {
        let Found { column, left, .. } = found;
        let [even, odd] = &mut self.orders;
        let (from, to) = if depth.is_multiple_of(2) { (even, odd) } else { (odd, even) };
        let keys = &from[column][rows.clone()];
        for (place, &key) in keys.iter().enumerate() {
            self.marks[row(key)] = place < left;
        }
        let threshold = self.columns.columns[column].threshold(keys[left - 1], keys[left]);
        let marks = &self.marks;
        if deeper {
            let sort = |(place, (from, to)): (usize, (&Vec<u64>, &mut Vec<u64>))| {
                let (from, to) = (&from[rows.clone()], &mut to[rows.clone()]);
                if place == column {
                    to.copy_from_slice(from);
                } else {
                    partition(from, to, left, |key| marks[row(key)]);
                }
            };
            if rows.len() * from.len() >= WORTH_THREADS {
                from.par_iter().zip(to).enumerate().for_each(sort);
            } else {
                from.iter().zip(to).enumerate().for_each(sort);
            }
        }
        let scratch = &mut self.scratch[..rows.len()];
        partition(&self.rows[rows.clone()], scratch, left, |row| marks[row as usize]);
        self.rows[rows].copy_from_slice(scratch);
        threshold
    }
}

/// Writes those that go left, `left` in number, before the others, keeping their order.
fn partition<T: Copy>(from: &[T], to: &mut [T], left: usize, goes_left: impl Fn(T) -> bool) {
    let (mut next_left, mut next_right) = (0, left);
    for &item in from {
        let is_left = goes_left(item);
        // No branch to mispredict.
        to[if is_left { next_left } else { next_right }] = item;
        next_left += usize::from(is_left);
        next_right += usize::from(!is_left);
    }
}

impl ExactTree {
    /// The leaf of a row.
    pub(super) fn leaf(&self, columns: &[Sorted], row: usize) -> usize {
        let mut place = 0;
        while let Some(Split { column, threshold, left, .. }) = self.nodes[place].split {
            let goes_left = f64::from(columns[column].values[row]) <= threshold;
            place = left + usize::from(!goes_left);
        }
        place
    }
}

impl PartialEq for Open {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Open {}

impl PartialOrd for Open {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Open {
    /// By gain; of equal ones the earlier node is greater.
    fn cmp(&self, other: &Self) -> Ordering {
        self.found.gain.total_cmp(&other.found.gain).then(other.place.cmp(&self.place))
    }
}
