//! Regression trees on the same rows with one target after the other, for boosting.

use std::borrow::Cow;

use super::criterion::{Criterion, Sums};
use super::draw::Order;
use super::grow::{Grown, GrownNode, Options, grow};
use super::grower::{Grower, Rules, Workspace};
use super::presort::Presorted;

/// Rows, sorted once for all trees.
pub(crate) struct ResidualTrees {
    sorted: Presorted,
    workspace: Workspace,
}

impl ResidualTrees {
    /// Rows with these columns, of which trees learn from the first `trained`.
    pub(crate) fn new(columns: &[Cow<'_, [f64]>], trained: usize) -> Self {
        ResidualTrees { sorted: Presorted::of(columns, trained, true), workspace: Workspace::default() }
    }

    /// Grows a tree of least squared errors on `rows`, which are ascending and weigh something. `pairs` has the target times
    /// the weight, and the weight, of every row to learn from; `seed` breaks ties between columns.
    pub(crate) fn grow(
        &mut self,
        pairs: impl Iterator<Item = [f64; 2]>,
        rows: &[u32],
        options: &Options,
        seed: u32,
    ) -> Grown {
        let criterion = Criterion::Sums(Sums::of_pairs(pairs, rows, self.workspace.take_sums()));
        let order = Order::new(self.sorted.columns.len(), seed);
        let rules = Rules::of(options);
        let workspace = &mut self.workspace;
        grow(
            Grower::new(&self.sorted, criterion, &rules, options.max_features, workspace),
            rows,
            options,
            order,
            workspace,
        )
    }

    /// The rows of a node of the tree grown last.
    pub(crate) fn rows_of(&self, node: &GrownNode) -> &[u32] {
        &self.workspace.rows()[node.start..node.start + node.rows]
    }

    /// The leaf where a row ends.
    pub(crate) fn leaf(&self, grown: &Grown, row: u32) -> usize {
        grown.leaf(&self.sorted, row)
    }
}
