//! Every tree that may be grown on some rows, whatever breaks the ties between columns.
//!
//! A node is found by its rows alone, so it is computed once and serves all trees that come by it. Where several columns
//! split it equally well, the nodes behind the others are computed when a tree first chooses them.

use super::criterion::Criterion;
use super::draw::Order;
use super::grow::{Grower, Limits, Split};
use super::presort::Presorted;
use slipway_model::{Combine, TreeNode, Trees, TreesBuilder};

/// The nodes found so far; the first is the root.
pub(super) struct Atlas<'a> {
    sorted: &'a Presorted,
    grower: Grower<'a>,
    limits: Limits,
    nodes: Vec<Node>,
    /// The predictions of the nodes, one after the other, each of `width` numbers.
    values: Vec<f64>,
    width: usize,
    /// Rows of nodes; those of a node stand together.
    rows: Vec<u32>,
    ties: bool,
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
    /// An atlas of the trees on `rows`, which are ascending, with at least the given limits.
    pub(super) fn new(sorted: &'a Presorted, rows: &[u32], criterion: Box<dyn Criterion + 'a>, limits: Limits) -> Self {
        let width = criterion.width();
        let mut atlas = Atlas {
            sorted,
            grower: Grower::new(sorted, criterion),
            limits,
            nodes: Vec::new(),
            values: Vec::new(),
            width,
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
            let value = &mut self.values[place * self.width..(place + 1) * self.width];
            let pure = self.grower.enter(range.clone(), value);
            self.nodes[place].pure = pure;
            if pure || depth >= self.limits.depth || rows < self.limits.split {
                continue;
            }
            let found = self.grower.best_splits(range.clone(), self.limits.leaf);
            self.nodes[place].constant = found.constant;
            self.nodes[place].choices = found.best.into_iter().map(|split| Choice { split, left: 0 }).collect();
            self.ties |= self.nodes[place].choices.len() > 1;
            let Some(first) = self.nodes[place].choices.first() else { continue };
            let split = first.split;
            self.grower.partition(range, split);
            let left = self.add(start, split.left, depth + 1);
            let right = self.add(start + split.left, rows - split.left, depth + 1);
            self.nodes[place].choices[0].left = left;
            open.extend([right, left]);
        }
        self.rows[origin..origin + rows].copy_from_slice(self.grower.rows());
    }

    /// Makes sure that the children behind a choice are there; returns the left one.
    fn follow(&mut self, place: usize, choice: usize) -> usize {
        let Choice { split, left } = self.nodes[place].choices[choice];
        if left != 0 {
            return left;
        }
        let Node { start, rows, depth, .. } = self.nodes[place];
        let column = &self.sorted.columns[split.column];
        let (mut lefts, mut rights): (Vec<u32>, Vec<u32>) =
            self.rows[start..start + rows].iter().partition(|&&row| f64::from(column.value(row)) <= split.threshold);
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
    pub(super) fn plan(&mut self, limits: Limits, random_state: i64) -> Plan {
        let mut choices = vec![0; self.nodes.len()];
        if !self.ties {
            return Plan { limits, choices };
        }
        let mut order = Order::new(self.sorted.columns.len(), random_state);
        let mut open = vec![(0, 0)];
        while let Some((place, known)) = open.pop() {
            let node = &self.nodes[place];
            if node.ends(limits) {
                continue;
            }
            let mut chosen = None;
            let is_constant = |column: u32| node.constant[column as usize / 64] >> (column % 64) & 1 == 1;
            let known = order.visit(known, is_constant, |column| {
                let choice = || node.choices.iter().position(|choice| choice.split.column == column as usize);
                chosen = chosen.or_else(choice);
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
            let value = f64::from(self.sorted.columns[split.column].value(row));
            place = left + usize::from(value > split.threshold);
        }
        place
    }

    /// A tree as a model keeps it.
    pub(super) fn tree(&self, plan: &Plan) -> Trees {
        let node = |place: usize| match self.split(plan, place) {
            None => TreeNode::Leaf { value: place as u32 },
            Some(Choice { split, left }) => {
                let (column, left) = (split.column as u32, *left as u32);
                TreeNode::Split { column, threshold: split.threshold, missing_left: false, left }
            }
        };
        let nodes: Vec<TreeNode> = (0..self.nodes.len()).map(node).collect();
        let mut trees = TreesBuilder::new(self.width);
        trees.push(&nodes, &self.values);
        trees.finish(Combine::Mean)
    }
}

impl Node {
    /// Whether growth stops here.
    fn ends(&self, limits: Limits) -> bool {
        self.pure || self.depth >= limits.depth || self.rows < limits.split
    }
}
