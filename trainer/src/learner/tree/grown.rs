//! Trees that were grown.

use std::ops::Range;

use slipway_model::{TreeNode, TreesBuilder};

use super::grower::Split;
use super::presort::Presorted;

/// A tree that was grown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grown {
    /// The root first. Some may be no part of the tree: growth was tried there and given up.
    pub(crate) nodes: Vec<GrownNode>,
    /// What each node predicts, one after the other, each of `width` numbers.
    pub(crate) values: Vec<f64>,
    /// Numbers in a prediction.
    pub(crate) width: usize,
}

/// A node of a tree that was grown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GrownNode {
    /// Where its rows begin among those of the tree, which are sorted so that those of a node stand together.
    start: u32,
    rows: u32,
    /// What they weigh.
    pub(crate) weight: f64,
    /// Their weight times their impurity.
    mixed: f64,
    /// How it is split; `None` for a leaf.
    pub(crate) branch: Option<Branch>,
}

/// A split of a node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Branch {
    pub(crate) column: u32,
    /// Rows with a value up to it go left.
    pub(crate) threshold: f32,
    /// Whether rows without a value go left.
    pub(crate) missing_left: bool,
    /// Place of the left child, which the right one follows.
    pub(crate) left: u32,
}

impl GrownNode {
    /// A leaf of these rows.
    pub(super) fn new(rows: Range<usize>, weight: f64, impurity: f64) -> Self {
        let (start, rows) = (rows.start as u32, rows.len() as u32);
        GrownNode { start, rows, weight, mixed: weight * impurity, branch: None }
    }

    /// Where its rows stand.
    pub(super) fn range(&self) -> Range<usize> {
        self.start as usize..(self.start + self.rows) as usize
    }
}

impl Branch {
    pub(super) fn new(split: &Split, left: usize) -> Self {
        let &Split { column, threshold, missing_left, .. } = split;
        Branch { column: column as u32, threshold: largest_not_above(threshold), missing_left, left: left as u32 }
    }

    /// The place of the child for a row with this value.
    fn child(&self, value: f32) -> usize {
        let goes_left = if value.is_nan() { self.missing_left } else { value <= self.threshold };
        self.left as usize + usize::from(!goes_left)
    }
}

/// The largest 32-bit float that is not above `value`: it tells 32-bit floats apart just the same.
pub(super) fn largest_not_above(value: f64) -> f32 {
    let near = value as f32;
    if f64::from(near) > value { near.next_down() } else { near }
}

impl Grown {
    /// A tree without nodes, with room for so many. Memory that is not used is never touched.
    pub(super) fn with_capacity(nodes: usize, width: usize) -> Self {
        Grown { nodes: Vec::with_capacity(nodes), values: Vec::with_capacity(nodes * width), width }
    }

    /// Forgets the nodes from `place` on.
    pub(super) fn drop_from(&mut self, place: usize) {
        self.nodes.truncate(place);
        self.values.truncate(place * self.width);
    }

    /// The decrease of weighted impurity when a node is split into the nodes at `left` and behind it.
    pub(crate) fn decrease(&self, place: usize, left: usize) -> f64 {
        self.nodes[place].mixed - self.nodes[left].mixed - self.nodes[left + 1].mixed
    }

    /// What each node predicts.
    pub(crate) fn value(&self, place: usize) -> &[f64] {
        &self.values[place * self.width..(place + 1) * self.width]
    }

    /// The leaf where a row ends.
    pub(crate) fn leaf(&self, sorted: &Presorted, row: u32) -> usize {
        let mut place = 0;
        while let Some(branch) = &self.nodes[place].branch {
            place = branch.child(sorted.matrix.value(row, branch.column as usize));
        }
        place
    }

    /// Has rows without a value follow the heavier side, as they do where no training row lacks one and all weigh 1.
    pub(crate) fn send_missing_to_heavier(&mut self) {
        for place in 0..self.nodes.len() {
            if let Some(Branch { left, .. }) = self.nodes[place].branch {
                let [left, right] = [left as usize, left as usize + 1].map(|side| self.nodes[side].weight);
                self.nodes[place].branch.iter_mut().for_each(|branch| branch.missing_left = left > right);
            }
        }
    }

    /// Places of the nodes that are part of the tree, parents first.
    pub(crate) fn reached(&self) -> Vec<usize> {
        let (mut reached, mut open) = (Vec::new(), vec![0]);
        while let Some(place) = open.pop() {
            reached.push(place);
            if let Some(Branch { left, .. }) = self.nodes[place].branch {
                open.extend([left as usize + 1, left as usize]);
            }
        }
        reached
    }

    /// Minimal cost-complexity pruning (Breiman et al. 1984): the smallest of the trees that are best when each leaf costs
    /// `alpha`.
    pub(super) fn prune(&mut self, alpha: f64) {
        let total = self.nodes[0].weight;
        // Of each node, the cost of what is below it, and its leaves.
        let mut below = vec![(0.0, 0_usize); self.nodes.len()];
        for &place in self.reached().iter().rev() {
            let node = &mut self.nodes[place];
            let own = node.mixed / total;
            below[place] = (own, 1);
            if let Some(Branch { left, .. }) = node.branch {
                let left = left as usize;
                let (cost, leaves) = (below[left].0 + below[left + 1].0, below[left].1 + below[left + 1].1);
                if own + alpha <= cost + alpha * leaves as f64 {
                    node.branch = None;
                } else {
                    below[place] = (cost, leaves);
                }
            }
        }
    }

    /// Adds to each column the decrease of impurity that its splits brought, as shares of all; nothing for a single leaf.
    pub(crate) fn add_importances(&self, importances: &mut [f64]) {
        let mut own = vec![0.0; importances.len()];
        let mut open = vec![0];
        while let Some(place) = open.pop() {
            if let Some(Branch { column, left, .. }) = self.nodes[place].branch {
                own[column as usize] += self.decrease(place, left as usize);
                open.extend([left as usize + 1, left as usize]);
            }
        }
        let total: f64 = own.iter().sum();
        if total > 0.0 {
            for (importance, own) in importances.iter_mut().zip(own) {
                *importance += own / total;
            }
        }
    }

    /// Appends the tree to those of a model.
    pub(crate) fn push_to(&self, trees: &mut TreesBuilder) {
        let node = |place: usize| match self.nodes[place].branch {
            None => TreeNode::Leaf { value: place as u32, weight: self.nodes[place].weight },
            Some(Branch { column, threshold, missing_left, left }) => {
                TreeNode::Split { column, threshold: f64::from(threshold), missing_left, left }
            }
        };
        trees.push_each(self.nodes.len(), node, &self.values);
    }
}
