//! Growing one tree, the best split first.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::ops::Range;

use rayon::prelude::*;

use super::bins::{BLOCK, Binned};
use super::histogram::{Bin, Histogram, Layout, subtract};
use super::split::{MIN_HESSIAN, Node, Rules, Split};
use crate::rng::Rng;

/// Rows times columns from which a node is worth several threads.
const WORTH_THREADS: usize = 1 << 15;
/// Rows whose slopes are summed together, so that the sum does not depend on the number of threads.
const CHUNK: usize = 1 << 14;

/// Where growth stops.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) leaves: usize,
    pub(super) depth: usize,
    pub(super) rules: Rules,
    /// Columns that a split may choose from.
    pub(super) features: usize,
}

/// A tree on bins.
#[derive(Debug)]
pub(in super::super) struct HistTree {
    /// The root first; children stand together after their parent.
    pub(super) nodes: Vec<HistNode>,
}

#[derive(Debug)]
pub(in super::super) struct HistNode {
    /// Its value as a leaf, before the learning rate.
    pub(super) value: f64,
    /// Its rows, among [`Grower::rows`].
    pub(super) rows: Range<usize>,
    /// The split and the place of the left child; None for a leaf.
    pub(super) split: Option<(Split, usize)>,
}

/// Grows trees on the same rows, one after the other.
pub(super) struct Grower<'a> {
    binned: &'a Binned,
    layout: Layout,
    limits: Limits,
    /// By column: 1 where predictions may not fall as it rises, -1 where they may not rise, otherwise 0.
    monotonic: &'a [i8],
    /// The rows of each node together, ascending.
    rows: Vec<u32>,
    trained: usize,
    spare: Vec<Histogram>,
    ordered: Vec<[f32; 2]>,
    scratch: Vec<u32>,
}

/// A node that may be split.
struct Open {
    place: usize,
    depth: usize,
    node: Node,
    split: Split,
    histogram: Histogram,
}

/// A node that was found and not looked at.
#[derive(Clone, Copy)]
struct Child {
    place: usize,
    depth: usize,
    node: Node,
}

impl<'a> Grower<'a> {
    /// For the first `trained` of the binned rows.
    pub(super) fn new(
        binned: &'a Binned,
        trained: usize,
        limits: Limits,
        monotonic: &'a [i8],
        unit_hessian: bool,
    ) -> Self {
        Grower {
            binned,
            layout: Layout::new(binned, unit_hessian),
            limits,
            monotonic,
            rows: Vec::with_capacity(trained),
            trained,
            spare: Vec::new(),
            ordered: Vec::new(),
            scratch: vec![0; trained],
        }
    }

    /// The rows of the tree grown last.
    pub(super) fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// Grows a tree that steps against `slopes`, of each row the derivatives of the loss.
    pub(super) fn grow(&mut self, slopes: &[[f32; 2]], rng: &mut Rng) -> HistTree {
        self.rows.clear();
        self.rows.extend(0..self.trained as u32);
        let sums = total(slopes);
        let bounds = [f64::NEG_INFINITY, f64::INFINITY];
        let rules = self.limits.rules;
        let root = Node { sums, rows: self.trained as u32, value: rules.value(sums, bounds), bounds };
        let mut tree = HistTree { nodes: vec![HistNode { value: root.value, rows: 0..self.trained, split: None }] };
        let mut open = BinaryHeap::new();
        if self.may_split(&root, 0) && sums[1] >= MIN_HESSIAN && self.limits.leaves > 1 {
            let chosen = self.choose(rng);
            let mut histogram = self.spare.pop().unwrap_or_else(|| self.layout.empty());
            let split = self.look(slopes, &self.rows, &root, &mut histogram, &chosen);
            self.open(&mut open, Child { place: 0, depth: 0, node: root }, split, histogram);
        }
        let mut leaves = 1;
        while let Some(best) = open.pop() {
            leaves += 1;
            let children = self.split(&mut tree, &best);
            if leaves >= self.limits.leaves {
                self.spare.push(best.histogram);
                break;
            }
            self.expand(&mut open, best.histogram, children, slopes, &tree, rng);
        }
        self.spare.extend(open.into_iter().map(|open| open.histogram));
        tree
    }

    fn may_split(&self, node: &Node, depth: usize) -> bool {
        depth < self.limits.depth && node.rows >= 2 * self.limits.rules.min_rows
    }

    /// The columns that the next split may choose from.
    fn choose(&self, rng: &mut Rng) -> Vec<bool> {
        let all = self.binned.features.len();
        if self.limits.features >= all {
            return vec![true; all];
        }
        let mut chosen: Vec<bool> = (0..all).map(|place| place < self.limits.features).collect();
        rng.shuffle(&mut chosen);
        chosen
    }

    /// Makes the children of a node, and returns them.
    fn split(&mut self, tree: &mut HistTree, open: &Open) -> [Child; 2] {
        let Open { place, depth, node, split, .. } = open;
        let rows = tree.nodes[*place].rows.clone();
        let rules = self.limits.rules;
        self.partition(rows.clone(), split);
        let (sums, count) = split.left;
        let rest = [node.sums[0] - sums[0], node.sums[1] - sums[1]];
        let values = [rules.value(sums, node.bounds), rules.value(rest, node.bounds)];
        let middle = f64::midpoint(values[0], values[1]);
        let [low, high] = node.bounds;
        let bounds = match self.monotonic[split.feature] {
            0 => [node.bounds; 2],
            direction if direction > 0 => [[low, middle], [middle, high]],
            _ => [[middle, high], [low, middle]],
        };
        let left = tree.nodes.len();
        tree.nodes[*place].split = Some((*split, left));
        let border = rows.start + count as usize;
        let parts = [(sums, count, rows.start..border), (rest, node.rows - count, border..rows.end)];
        let mut children = [Child { place: left, depth: depth + 1, node: *node }; 2];
        for (side, (sums, rows, range)) in parts.into_iter().enumerate() {
            tree.nodes.push(HistNode { value: values[side], rows: range, split: None });
            children[side].place += side;
            children[side].node = Node { sums, rows, value: values[side], bounds: bounds[side] };
        }
        children
    }

    /// Looks for the best splits of two children: sums the rows of the smaller, and subtracts them from the parent's.
    fn expand(
        &mut self,
        open: &mut BinaryHeap<Open>,
        mut parent: Histogram,
        children: [Child; 2],
        slopes: &[[f32; 2]],
        tree: &HistTree,
        rng: &mut Rng,
    ) {
        let [left, right] = children;
        let (small, large) = if left.node.rows < right.node.rows { (left, right) } else { (right, left) };
        let splits = [&small, &large].map(|child| self.may_split(&child.node, child.depth));
        if splits == [false, false] {
            self.spare.push(parent);
            return;
        }
        let chosen = splits.map(|splits| if splits { self.choose(rng) } else { Vec::new() });
        let rows = &self.rows[tree.nodes[small.place].rows.clone()];
        let mut ordered = std::mem::take(&mut self.ordered);
        ordered.clear();
        ordered.extend(rows.iter().map(|&row| slopes[row as usize]));
        let mut histogram = self.spare.pop().unwrap_or_else(|| self.layout.empty());
        let found = self.look_at_both(&ordered, rows, [&small, &large], [&mut histogram, &mut parent], &chosen);
        self.ordered = ordered;
        let [small_split, large_split] = found;
        self.open(open, small, small_split, histogram);
        self.open(open, large, large_split, parent);
    }

    fn open(&mut self, open: &mut BinaryHeap<Open>, child: Child, split: Option<Split>, histogram: Histogram) {
        let Child { place, depth, node } = child;
        match split {
            Some(split) => open.push(Open { place, depth, node, split, histogram }),
            None => self.spare.push(histogram),
        }
    }

    /// Sums the rows of a node, and finds its best split.
    fn look(
        &self,
        slopes: &[[f32; 2]],
        rows: &[u32],
        node: &Node,
        histogram: &mut [Bin],
        chosen: &[bool],
    ) -> Option<Split> {
        let look = |(block, bins): (usize, &mut [Bin])| {
            self.layout.fill(block, &self.binned.blocks[block], rows, slopes, bins);
            self.best_of_block(block, bins, node, chosen)
        };
        let blocks = self.layout.blocks(histogram);
        let found: Vec<_> = if self.worth_threads(rows.len()) {
            blocks.into_par_iter().enumerate().map(look).collect()
        } else {
            blocks.into_iter().enumerate().map(look).collect()
        };
        found.into_iter().fold(None, better)
    }

    /// The same for the smaller child, and by its parent's histogram for the larger one.
    fn look_at_both(
        &self,
        slopes: &[[f32; 2]],
        rows: &[u32],
        [small, large]: [&Child; 2],
        [histogram, parent]: [&mut [Bin]; 2],
        [small_chosen, large_chosen]: &[Vec<bool>; 2],
    ) -> [Option<Split>; 2] {
        let look = |((block, bins), parent): ((usize, &mut [Bin]), &mut [Bin])| {
            self.layout.fill(block, &self.binned.blocks[block], rows, slopes, bins);
            subtract(parent, bins);
            [
                self.best_of_block(block, bins, &small.node, small_chosen),
                self.best_of_block(block, parent, &large.node, large_chosen),
            ]
        };
        let (blocks, parents) = (self.layout.blocks(histogram), self.layout.blocks(parent));
        let found: Vec<_> = if self.worth_threads(rows.len()) {
            blocks.into_par_iter().enumerate().zip(parents).map(look).collect()
        } else {
            blocks.into_iter().enumerate().zip(parents).map(look).collect()
        };
        found.into_iter().fold([None, None], |best, found| [better(best[0], found[0]), better(best[1], found[1])])
    }

    fn worth_threads(&self, rows: usize) -> bool {
        rows * self.binned.features.len() >= WORTH_THREADS
    }

    /// The best split by one of the chosen columns of a block.
    fn best_of_block(&self, block: usize, bins: &[Bin], node: &Node, chosen: &[bool]) -> Option<Split> {
        let features = self.layout.features(block, bins).filter(|(feature, _)| chosen.get(*feature) == Some(&true));
        let splits = features.map(|(place, bins)| {
            self.limits.rules.best(node, place, &self.binned.features[place], bins, self.monotonic[place])
        });
        splits.fold(None, better)
    }

    /// Sorts the rows of a node into those that go left and the others, keeping their order.
    fn partition(&mut self, range: Range<usize>, split: &Split) {
        let goes_left = split.goes_left(&self.binned.features[split.feature]);
        let bins = &self.binned.blocks[split.feature / BLOCK];
        let place = split.feature % BLOCK;
        let (mut left, mut right) = (range.start, 0);
        for from in range.clone() {
            let row = self.rows[from];
            // Written to both sides, and counted on one: no branch to mispredict.
            self.rows[left] = row;
            self.scratch[right] = row;
            let is_left = usize::from(goes_left[usize::from(bins[row as usize][place])]);
            left += is_left;
            right += 1 - is_left;
        }
        self.rows[left..range.end].copy_from_slice(&self.scratch[..right]);
    }
}

impl HistTree {
    /// The leaf of a row.
    pub(super) fn leaf(&self, sides: &[Option<[bool; 256]>], binned: &Binned, row: usize) -> usize {
        let mut place = 0;
        while let (Some((split, left)), Some(goes_left)) = (&self.nodes[place].split, &sides[place]) {
            let bin = binned.bin(split.feature, row);
            place = left + usize::from(!goes_left[usize::from(bin)]);
        }
        place
    }

    /// Of each node that is split, which bins go left.
    pub(super) fn sides(&self, binned: &Binned) -> Vec<Option<[bool; 256]>> {
        let side =
            |node: &HistNode| node.split.as_ref().map(|(split, _)| split.goes_left(&binned.features[split.feature]));
        self.nodes.iter().map(side).collect()
    }
}

fn total(slopes: &[[f32; 2]]) -> [f64; 2] {
    let add = |sums: [f64; 2], slope: [f64; 2]| [sums[0] + slope[0], sums[1] + slope[1]];
    let chunk = |chunk: &[[f32; 2]]| chunk.iter().map(|slope| slope.map(f64::from)).fold([0.0; 2], add);
    let sums: Vec<[f64; 2]> = slopes.par_chunks(CHUNK).map(chunk).collect();
    sums.into_iter().fold([0.0; 2], add)
}

/// The split with the larger gain, of equals the first.
fn better(best: Option<Split>, other: Option<Split>) -> Option<Split> {
    match (best, other) {
        (Some(best), Some(other)) => Some(if other.gain > best.gain { other } else { best }),
        (best, other) => best.or(other),
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
        self.split.gain.total_cmp(&other.split.gain).then(other.place.cmp(&self.place))
    }
}
