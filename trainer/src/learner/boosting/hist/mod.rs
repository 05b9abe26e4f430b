//! Boosting of trees on binned columns, as scikit-learn's `HistGradientBoosting` (after LightGBM, Ke et al. 2017).

mod bins;
mod grow;
mod histogram;
mod split;

use slipway_model::TreeNode;

use self::bins::{Binned, Cut, Feature, Training};
use self::grow::{HistTree, Limits};
use self::split::{Rules, Split};
use super::loss::{Loss, Slope};
use super::rows::{Arranged, Column};
use super::stages::{Grower, Plan, Tree};
use crate::rng::Rng;

/// How trees are grown.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Options {
    pub(super) max_leaves: usize,
    pub(super) max_depth: usize,
    pub(super) min_rows: usize,
    pub(super) l2: f64,
    /// Columns that a split may choose from.
    pub(super) max_features: usize,
    pub(super) max_bins: usize,
    /// By column: 1 where predictions may not fall as it rises, -1 where they may not rise, otherwise 0.
    pub(super) monotonic: Vec<i8>,
}

/// Grows the trees of one fit.
pub(super) struct HistGrower<'a> {
    binned: &'a Binned,
    grower: grow::Grower<'a>,
}

/// The binned rows of one fit.
pub(super) struct HistRows<'a> {
    options: &'a Options,
    binned: Binned,
    trained: usize,
    unit_hessian: bool,
}

impl<'a> HistRows<'a> {
    pub(super) fn new(columns: &[Column<'_>], rows: &Arranged, options: &'a Options, plan: &Plan) -> Self {
        let training = rows.training();
        let trained = training.values.len();
        let cuts = Training { rows: trained, weights: training.weights, seed: plan.random_state };
        let binned = Binned::new(columns, &rows.order, cuts, options.max_bins);
        HistRows { options, binned, trained, unit_hessian: plan.loss.constant_hessian() && training.weights.is_none() }
    }

    pub(super) fn grower(&self) -> HistGrower<'_> {
        let Options { max_leaves, max_depth, min_rows, l2, max_features, .. } = *self.options;
        let limits = Limits {
            leaves: max_leaves,
            depth: max_depth,
            rules: Rules { min_rows: min_rows as u32, l2 },
            features: max_features,
        };
        let grower = grow::Grower::new(&self.binned, self.trained, limits, &self.options.monotonic, self.unit_hessian);
        HistGrower { binned: &self.binned, grower }
    }
}

impl Grower for HistGrower<'_> {
    type Slope = [f32; 2];
    type Tree = HistTree;
    type Generator = Rng;
    const LOWER_QUANTILES: bool = false;

    fn slope(slope: Slope) -> [f32; 2] {
        slope.map(|value| value as f32)
    }

    fn grow(&mut self, slopes: &[[f32; 2]], _sample: Option<&[u32]>, rng: &mut Rng) -> HistTree {
        self.grower.grow(slopes, rng)
    }

    fn nodes(tree: &HistTree) -> usize {
        tree.nodes.len()
    }

    fn leaves(&self, tree: &HistTree, _loss: Loss, mut see: impl FnMut(usize, &[u32], f64)) {
        for (place, node) in tree.nodes.iter().enumerate().filter(|(_, node)| node.split.is_none()) {
            see(place, &self.grower.rows()[node.rows.clone()], node.value);
        }
    }

    fn find(&self, tree: &HistTree, rows: impl Iterator<Item = u32>, mut see: impl FnMut(u32, usize)) {
        let sides = tree.sides(self.binned);
        rows.for_each(|row| see(row, tree.leaf(&sides, self.binned, row as usize)));
    }

    fn finish(&self, tree: HistTree, values: &[f64]) -> Tree {
        let mut finished = Tree::default();
        for (node, value) in tree.nodes.iter().zip(values) {
            let node = if let Some((split, left)) = &node.split {
                finished.gains.push((split.feature, split.gain));
                self.binned.features[split.feature].node(split, *left)
            } else {
                finished.values.push(*value);
                TreeNode::Leaf { value: finished.values.len() as u32 - 1, weight: node.rows.len() as f64 }
            };
            finished.nodes.push(node);
        }
        finished
    }
}

impl Feature {
    /// A split as models keep it.
    fn node(&self, split: &Split, left: usize) -> TreeNode {
        let (column, missing_left, left) = (split.feature as u32, split.missing_left, left as u32);
        match &self.cut {
            Cut::Numbers(thresholds) => {
                // Above the last threshold there are missing values only.
                let threshold = thresholds.get(split.side.last()).copied().unwrap_or(f64::from(f32::MAX));
                TreeNode::Split { column, threshold, missing_left, left }
            }
            Cut::Categories(bins) => {
                let goes_left = split.goes_left(self);
                let told = |bin: u8| usize::from(bin) < self.bins && goes_left[usize::from(bin)] != missing_left;
                let categories = (0..).zip(bins).filter(|(_, bin)| told(**bin)).map(|(category, _)| category).collect();
                TreeNode::Categories { column, categories, missing_left, left }
            }
        }
    }
}
