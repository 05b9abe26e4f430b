//! Regression trees on the same rows with one target after the other, for boosting.

use std::borrow::Cow;

use super::criterion::{Criterion, Sums};
use super::ground::grow_best;
use super::grow::Options;
use super::grower::Workspace;
use super::grown::{Grown, GrownNode};
use super::presort::Presorted;

/// Rows, sorted once for all trees.
pub(crate) struct ResidualTrees {
    sorted: Presorted,
    workspace: Workspace,
}

impl ResidualTrees {
    /// Rows with these columns, of which trees learn from the first `trained`. A column is looked at once.
    pub(crate) fn new<'c>(columns: impl ExactSizeIterator<Item = Cow<'c, [f64]>>, rows: usize, trained: usize) -> Self {
        let width = columns.len();
        ResidualTrees { sorted: Presorted::of(columns, width, [rows, trained], true), workspace: Workspace::default() }
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
        grow_best(&self.sorted, criterion, rows, options, seed, &mut self.workspace)
    }

    /// The rows of a node of the tree grown last.
    pub(crate) fn rows_of(&self, node: &GrownNode) -> &[u32] {
        &self.workspace.rows()[node.range()]
    }

    /// The leaf where a row ends.
    pub(crate) fn leaf(&self, grown: &Grown, row: u32) -> usize {
        grown.leaf(&self.sorted, row)
    }
}
