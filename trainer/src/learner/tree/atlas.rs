//! Every tree that may be grown on some rows, whatever breaks the ties between columns.
//!
//! A node is found by its rows alone, so it is computed once and serves all trees that come by it. Where several columns
//! split it equally well, the nodes behind the others are computed when a tree first chooses them.

use std::ops::Range;

use super::criterion::Criterion;
use super::draw::Order;
use super::grow::{Limits, Splitter};
use super::grower::{Grower, Offer, Split, Workspace};
use super::presort::Presorted;
use super::rules::{Rules, as_good_as, is_better};

/// The nodes found so far; the first is the root.
pub(super) struct Atlas<'a> {
    sorted: &'a Presorted,
    grower: Grower<'a>,
    limits: Limits,
    nodes: Vec<Node>,
    /// The predictions of the nodes, one after the other, each of `width` numbers.
    values: Vec<f64>,
    width: usize,
    /// Of the node that is being explored.
    statistics: Vec<f64>,
    min_weight: f64,
    /// Rows of nodes; those of a node stand together.
    rows: Vec<u32>,
    ties: bool,
}

/// How a node may be split.
struct Splits {
    /// The best, one a column that is as good as any.
    best: Vec<Split>,
    /// A bit for each column: whether it is constant in the node.
    constant: Vec<u64>,
}

struct Node {
    /// Where its rows begin.
    start: usize,
    rows: usize,
    depth: usize,
    /// Whether its rows need no telling apart.
    pure: bool,
    /// The best splits: none where it cannot be split or was not tried.
    choices: Vec<Choice>,
    /// Of each column, whether it is constant here; empty where no split was tried.
    constant: Vec<u64>,
}

/// One of the equally good splits of a node.
struct Choice {
    split: Split,
    /// Place of the left child, which the right one follows; 0 where they were not computed yet.
    left: usize,
}

/// One tree of an atlas: which choice each of its nodes makes, and where it stops growing.
pub(super) struct Plan {
    limits: Limits,
    /// By node; the first where it ends early.
    choices: Vec<u32>,
}

impl<'a> Atlas<'a> {
    /// An atlas of the trees on `rows`, which are ascending and not none, with at least the given limits and at least
    /// `min_weight` in each leaf.
    pub(super) fn new(
        sorted: &'a Presorted,
        rows: &[u32],
        criterion: Criterion<'a>,
        limits: Limits,
        min_weight: f64,
    ) -> Self {
        let (width, described) = (criterion.width(), criterion.statistics());
        let rules = Rules::new(limits.leaf, min_weight, &[]);
        let grower = Grower::new(sorted, criterion, &rules, sorted.columns.len(), &mut Workspace::default());
        let mut atlas = Atlas {
            sorted,
            grower: grower.depth_first(),
            limits,
            nodes: Vec::new(),
            values: Vec::new(),
            width,
            statistics: vec![0.0; described],
            min_weight,
            rows: Vec::new(),
            ties: false,
        };
        atlas.add(0, rows.len(), 0);
        atlas.rows.extend(rows);
        atlas.explore(0);
        atlas
    }

    /// The prediction of a node.
    pub(super) fn value(&self, node: usize) -> &[f64] {
        &self.values[node * self.width..(node + 1) * self.width]
    }

    fn add(&mut self, start: usize, rows: usize, depth: usize) -> usize {
        self.nodes.push(Node { start, rows, depth, pure: true, choices: Vec::new(), constant: Vec::new() });
        self.values.resize(self.nodes.len() * self.width, 0.0);
        self.nodes.len() - 1
    }

    /// Computes a node and all below it by first choices. Its rows are ascending.
    fn explore(&mut self, root: usize) {
        let Node { start: origin, rows, .. } = self.nodes[root];
        self.grower.begin(&self.rows[origin..origin + rows]);
        let mut open = vec![root];
        while let Some(place) = open.pop() {
            let Node { start, rows, depth, .. } = self.nodes[place];
            let range = start - origin..start - origin + rows;
            let impurity = self.grower.measure(range.clone(), &mut self.statistics);
            self.grower.value(&self.statistics, &mut self.values[place * self.width..(place + 1) * self.width]);
            let pure = impurity <= f64::EPSILON || self.statistics[0] < 2.0 * self.min_weight;
            self.nodes[place].pure = pure;
            if pure || depth >= self.limits.depth || rows < self.limits.split {
                continue;
            }
            let found = self.splits(range.clone());
            self.nodes[place].constant = found.constant;
            self.nodes[place].choices = found.best.into_iter().map(|split| Choice { split, left: 0 }).collect();
            self.ties |= self.nodes[place].choices.len() > 1;
            let Some(first) = self.nodes[place].choices.first() else { continue };
            let split = first.split;
            self.grower.split_rows(range.clone(), &split);
            self.grower.split_orders(range, &split, true, [true; 2]);
            let left = self.add(start, split.left, depth + 1);
            let right = self.add(start + split.left, rows - split.left, depth + 1);
            self.nodes[place].choices[0].left = left;
            open.extend([right, left]);
        }
        self.rows[origin..origin + rows].copy_from_slice(&self.grower.nodes.rows);
    }

    /// The best splits of the node measured last.
    fn splits(&mut self, range: Range<usize>) -> Splits {
        let rules = Rules::new(self.limits.leaf, self.min_weight, &[]);
        self.grower.enter(range.clone(), &self.statistics, &rules);
        let columns = self.sorted.columns.len();
        let mut splits = Splits { best: Vec::new(), constant: vec![0; columns.div_ceil(64)] };
        let mut best = f64::NEG_INFINITY;
        for column in 0..columns {
            match self.grower.offer(column, range.clone(), &rules, as_good_as(best).next_down()) {
                Offer::Constant => splits.constant[column / 64] |= 1 << (column % 64),
                Offer::Split(gain, split) if !is_better(best, gain) => {
                    if is_better(gain, best) {
                        splits.best.clear();
                        best = gain;
                    }
                    splits.best.push(split);
                }
                Offer::Nothing | Offer::Split(..) => {}
            }
        }
        splits
    }

    /// Makes sure that the children behind a choice are there; returns the left one.
    fn follow(&mut self, place: usize, choice: usize) -> usize {
        let Choice { split, left } = self.nodes[place].choices[choice];
        if left != 0 {
            return left;
        }
        let Node { start, rows, depth, .. } = self.nodes[place];
        let (mut lefts, mut rights): (Vec<u32>, Vec<u32>) = self.rows[start..start + rows]
            .iter()
            .partition(|&&row| split.goes_left(self.sorted.matrix.value(row, split.column)));
        lefts.sort_unstable();
        rights.sort_unstable();
        let left = self.add(self.rows.len(), lefts.len(), depth + 1);
        self.rows.extend(lefts);
        let right = self.add(self.rows.len(), rights.len(), depth + 1);
        self.rows.extend(rights);
        self.nodes[place].choices[choice].left = left;
        self.explore(left);
        self.explore(right);
        left
    }

    /// The tree that scikit-learn would grow within `limits`, which stop growth no later than the atlas's own.
    pub(super) fn plan(&mut self, limits: Limits, seed: u32) -> Plan {
        let mut choices = vec![0; self.nodes.len()];
        if !self.ties {
            return Plan { limits, choices };
        }
        let columns = self.sorted.columns.len();
        let mut order = Order::new(columns, seed);
        let mut open = vec![(0, 0)];
        while let Some((place, known)) = open.pop() {
            let node = &self.nodes[place];
            if node.ends(limits) {
                continue;
            }
            let mut chosen = None;
            let is_constant = |column: u32| node.constant[column as usize / 64] >> (column % 64) & 1 == 1;
            let known = order.visit(known, columns, |column, _| {
                if is_constant(column) {
                    return true;
                }
                let choice = || node.choices.iter().position(|choice| choice.split.column == column as usize);
                chosen = chosen.or_else(choice);
                false
            });
            let Some(chosen) = chosen else { continue };
            let left = self.follow(place, chosen);
            choices.resize(self.nodes.len(), 0);
            choices[place] = chosen as u32;
            open.extend([(left + 1, known), (left, known)]);
        }
        choices.resize(self.nodes.len(), 0);
        Plan { limits, choices }
    }

    /// The split and the left child of a node in a tree, unless it is a leaf there.
    fn split(&self, plan: &Plan, place: usize) -> Option<&Choice> {
        let node = &self.nodes[place];
        if node.ends(plan.limits) { None } else { node.choices.get(plan.choices[place] as usize) }
    }

    /// The node of a tree where a row ends.
    pub(super) fn leaf(&self, plan: &Plan, row: u32) -> usize {
        let mut place = 0;
        while let Some(Choice { split, left }) = self.split(plan, place) {
            place = left + usize::from(!split.goes_left(self.sorted.matrix.value(row, split.column)));
        }
        place
    }
}

impl Node {
    /// Whether growth stops here.
    fn ends(&self, limits: Limits) -> bool {
        self.pure || self.depth >= limits.depth || self.rows < limits.split
    }
}
