//! Boosting of trees with exact splits, as scikit-learn's `GradientBoosting`: those of [`tree`](crate::learner::tree).

use slipway_model::TreeNode;

use super::loss::{Loss, Slope, Truth};
use super::rows::{Arranged, Column};
use super::stages::{Generator, Grower, Tree};
use crate::learner::tree::{Branch, Grown, Options, RandomState, ResidualTrees};

/// The rows of one fit.
pub(super) struct ExactRows<'a> {
    columns: &'a [Column<'a>],
    order: &'a [u32],
    weights: Option<&'a [f64]>,
    trained: usize,
    united: bool,
    options: Options,
}

/// Grows the trees of one fit.
pub(super) struct ExactGrower<'a> {
    trees: ResidualTrees,
    rows: &'a ExactRows<'a>,
    /// Training rows that weigh anything.
    heavy: Vec<u32>,
}

/// A tree and what its leaves are made of.
pub(super) struct ExactTree {
    grown: Grown,
    /// Nodes that are part of the tree, parents first.
    reached: Vec<usize>,
    /// Of each node, the sums of the derivatives; of use for leaves only.
    sums: Vec<[f64; 2]>,
}

impl<'a> ExactRows<'a> {
    pub(super) fn new(columns: &'a [Column<'a>], rows: &'a Arranged, options: Options) -> Self {
        let Truth { values, weights } = rows.training();
        ExactRows { columns, order: &rows.order, weights, trained: values.len(), united: rows.united, options }
    }

    pub(super) fn grower(&self) -> ExactGrower<'_> {
        let weighs = |row: &u32| self.weights.is_none_or(|weights| weights[*row as usize] > 0.0);
        let heavy = (0..self.trained as u32).filter(weighs).collect();
        let arranged = |column: &Column<'_>| self.order.iter().map(|&row| column.values[row as usize]).collect();
        let trees = ResidualTrees::new(self.columns.iter().map(arranged), self.order.len(), self.trained);
        ExactGrower { trees, rows: self, heavy }
    }

    fn weight(&self, row: u32) -> f64 {
        self.weights.map_or(1.0, |weights| weights[row as usize])
    }
}

impl Grower for ExactGrower<'_> {
    type Slope = Slope;
    type Tree = ExactTree;
    type Generator = RandomState;
    const LOWER_QUANTILES: bool = true;

    fn slope(slope: Slope) -> Slope {
        slope
    }

    fn grow(&mut self, slopes: &[Slope], sample: Option<&[u32]>, random: &mut RandomState) -> ExactTree {
        let of_sample: Vec<u32>;
        let rows = match sample {
            None => &self.heavy,
            Some(sample) => {
                of_sample = sample.iter().copied().filter(|&row| self.rows.weight(row) > 0.0).collect();
                &of_sample
            }
        };
        let pairs = (0..).zip(slopes).map(|(row, &[gradient, _])| [gradient, self.rows.weight(row)]);
        let mut grown = self.trees.grow(pairs, rows, &self.rows.options, random.splitter_seed());
        if self.rows.united {
            grown.send_missing_to_heavier();
        }
        let reached = grown.reached();
        let mut sums = vec![[0.0; 2]; grown.nodes.len()];
        for &place in &reached {
            if grown.nodes[place].branch.is_none() {
                sums[place] = self.trees.rows_of(&grown.nodes[place]).iter().fold([0.0; 2], |[first, second], &row| {
                    let [gradient, hessian] = slopes[row as usize];
                    [first + gradient, second + hessian]
                });
            }
        }
        ExactTree { grown, reached, sums }
    }

    fn nodes(tree: &ExactTree) -> usize {
        tree.grown.nodes.len()
    }

    fn leaves(&self, tree: &ExactTree, loss: Loss, mut see: impl FnMut(usize, &[u32], f64)) {
        for &place in &tree.reached {
            let node = &tree.grown.nodes[place];
            if node.branch.is_none() {
                see(place, self.trees.rows_of(node), loss.newton(tree.sums[place]));
            }
        }
    }

    fn find(&self, tree: &ExactTree, rows: impl Iterator<Item = u32>, mut see: impl FnMut(u32, usize)) {
        rows.for_each(|row| see(row, self.trees.leaf(&tree.grown, row)));
    }

    fn finish(&self, tree: ExactTree, values: &[f64]) -> Tree {
        let mut finished = Tree::default();
        // Only the nodes that are reached are kept: where each comes from.
        let mut sources = vec![0];
        while let Some(&source) = sources.get(finished.nodes.len()) {
            let node = if let Some(branch) = tree.grown.nodes[source].branch {
                let Branch { column, threshold, missing_left, left } = branch;
                finished.gains.push((column as usize, tree.grown.decrease(source, left as usize)));
                sources.extend([left as usize, left as usize + 1]);
                let left = sources.len() as u32 - 2;
                TreeNode::Split { column, threshold: f64::from(threshold), missing_left, left }
            } else {
                finished.values.push(values[source]);
                let weight = tree.grown.nodes[source].weight;
                TreeNode::Leaf { value: finished.values.len() as u32 - 1, weight }
            };
            finished.nodes.push(node);
        }
        finished
    }
}

impl Generator for RandomState {
    fn new(seed: i64) -> Self {
        RandomState::new(seed)
    }

    /// One row after the other is taken or not, as scikit-learn does.
    fn sample(&mut self, count: usize, rows: usize) -> Vec<bool> {
        let mut taken = 0;
        let units: Vec<f64> = (0..rows).map(|_| self.unit()).collect();
        let take = |(row, unit): (usize, f64)| {
            let takes = unit * ((rows - row) as f64) < (count - taken) as f64;
            taken += usize::from(takes);
            takes
        };
        units.into_iter().enumerate().map(take).collect()
    }
}
