//! Boosting of trees with exact splits, as scikit-learn's `GradientBoosting`.

mod columns;
mod grow;
mod prune;

use slipway_model::TreeNode;

use self::columns::Columns;
use self::grow::{ExactTree, Limits, Split};
use super::loss::{Loss, Slope};
use super::rows::{Arranged, Column};
use super::stages::{Grower, Tree};
use crate::rng::Rng;

/// How trees are grown.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Options {
    pub(super) max_leaves: usize,
    pub(super) max_depth: usize,
    pub(super) min_split: usize,
    pub(super) min_leaf: usize,
    /// Least share of all weights in a leaf.
    pub(super) min_leaf_share: f64,
    pub(super) min_decrease: f64,
    pub(super) max_features: usize,
    /// Complexity that a branch must earn or be pruned.
    pub(super) ccp_alpha: f64,
}

/// The rows of one fit.
pub(super) struct ExactRows<'a> {
    options: &'a Options,
    columns: Columns,
    weights: Option<&'a [f64]>,
}

/// Grows the trees of one fit.
pub(super) struct ExactGrower<'a> {
    columns: &'a Columns,
    /// What a leaf must lessen weight times variance by, or its branch is pruned.
    ccp_alpha: f64,
    grower: grow::Grower<'a>,
}

impl<'a> ExactRows<'a> {
    pub(super) fn new(columns: &[Column<'_>], rows: &'a Arranged, options: &'a Options) -> Self {
        let training = rows.training();
        let columns = Columns::new(columns, &rows.order, training.values.len());
        ExactRows { options, columns, weights: training.weights }
    }

    pub(super) fn grower(&self) -> ExactGrower<'_> {
        let options = self.options;
        let weight = self.weights.map_or(self.columns.trained() as f64, |weights| weights.iter().sum());
        let limits = Limits {
            leaves: options.max_leaves,
            depth: options.max_depth,
            split: options.min_split,
            leaf: options.min_leaf,
            leaf_weight: options.min_leaf_share * weight,
            decrease: options.min_decrease * weight,
            features: options.max_features,
        };
        let grower = grow::Grower::new(&self.columns, self.weights, limits);
        ExactGrower { columns: &self.columns, ccp_alpha: options.ccp_alpha * weight, grower }
    }
}

impl Grower for ExactGrower<'_> {
    type Slope = Slope;
    type Tree = ExactTree;
    const LOWER_QUANTILES: bool = true;

    fn slope(slope: Slope) -> Slope {
        slope
    }

    fn grow(&mut self, slopes: &[Slope], sample: Option<&[u32]>, rng: &mut Rng) -> ExactTree {
        let tree = self.grower.grow(slopes, sample, rng);
        if self.ccp_alpha > 0.0 { prune::prune(&tree, self.ccp_alpha) } else { tree }
    }

    fn nodes(tree: &ExactTree) -> usize {
        tree.nodes.len()
    }

    fn leaves(&self, tree: &ExactTree, loss: Loss, mut see: impl FnMut(usize, &[u32], f64)) {
        for (place, node) in tree.nodes.iter().enumerate().filter(|(_, node)| node.split.is_none()) {
            see(place, &self.grower.rows()[node.rows.clone()], loss.newton(node.sums));
        }
    }

    fn find(&self, tree: &ExactTree, rows: impl Iterator<Item = u32>, mut see: impl FnMut(u32, usize)) {
        rows.for_each(|row| see(row, tree.leaf(&self.columns.columns, row as usize)));
    }

    fn finish(&self, tree: ExactTree, values: &[f64]) -> Tree {
        let mut finished = Tree::default();
        for (node, value) in tree.nodes.iter().zip(values) {
            let node = if let Some(Split { column, threshold, left, gain }) = node.split {
                finished.gains.push((column, gain));
                TreeNode::Split { column: column as u32, threshold, missing_left: false, left: left as u32 }
            } else {
                finished.values.push(*value);
                TreeNode::Leaf { value: finished.values.len() as u32 - 1 }
            };
            finished.nodes.push(node);
        }
        finished
    }
}
