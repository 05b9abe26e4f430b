//! Decision trees.

use serde::{Deserialize, Serialize};

/// Most nodes of a tree.
pub const MAX_NODES: usize = 1 << 28;

/// A binary decision tree as flat arrays, one entry a node, the root first.
///
/// As in scikit-learn, columns are compared as 32-bit floats: a row goes left where `column as f32 <= threshold`. Children
/// are adjacent and come after their parent, so that following them always ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tree {
    /// The left child; the right one follows it. 0 for a leaf.
    left: Vec<u32>,
    /// Of a split, its column; of a leaf, its place among the leaves.
    index: Vec<u32>,
    /// Of a split, its threshold; of a leaf, 0.
    threshold: Vec<f64>,
    /// The leaves' predictions one after the other.
    values: Vec<f64>,
}

/// One node of a tree, to build it from.
#[derive(Clone, Debug, PartialEq)]
pub enum TreeNode {
    /// Rows go to node `left` where `column as f32 <= threshold`, otherwise to node `left + 1`.
    Split {
        /// The column.
        column: u32,
        /// The threshold.
        threshold: f64,
        /// Place of the left child.
        left: u32,
    },
    /// Rows end here, with one number for a regression, one probability a class otherwise.
    Leaf(Vec<f64>),
}

impl Tree {
    /// A tree of `nodes`, the root first. [`crate::Model::new`] checks that it is well formed.
    pub fn new(nodes: impl IntoIterator<Item = TreeNode>) -> Tree {
        let mut tree = Tree { left: Vec::new(), index: Vec::new(), threshold: Vec::new(), values: Vec::new() };
        let mut leaves = 0;
        for node in nodes {
            let (left, index, threshold) = match node {
                TreeNode::Split { column, threshold, left } => (left, column, threshold),
                TreeNode::Leaf(values) => {
                    tree.values.extend(values);
                    leaves += 1;
                    (0, leaves - 1, 0.0)
                }
            };
            tree.left.push(left);
            tree.index.push(index);
            tree.threshold.push(threshold);
        }
        tree
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.left.len()
    }

    /// Whether there is no node at all; such a tree is never part of a model.
    pub fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// Number of leaves.
    pub fn leaves(&self) -> usize {
        self.left.iter().filter(|&&left| left == 0).count()
    }

    pub(super) fn predict(&self, columns: &[f64], output: &mut [f64]) {
        let mut node = 0;
        while self.left[node] != 0 {
            let value = f64::from(columns[self.index[node] as usize] as f32);
            // A value that is not a number goes right.
            let goes_left = value <= self.threshold[node];
            node = self.left[node] as usize + usize::from(!goes_left);
        }
        let start = self.index[node] as usize * output.len();
        output.copy_from_slice(&self.values[start..start + output.len()]);
    }

    pub(super) fn check(&self, columns: usize, output: usize) -> Result<(), String> {
        let nodes = self.len();
        if nodes == 0 || nodes > MAX_NODES || self.index.len() != nodes || self.threshold.len() != nodes {
            return Err(format!(
                "a tree of {nodes} nodes with {} columns, {} thresholds",
                self.index.len(),
                self.threshold.len()
            ));
        }
        let leaves = self.leaves();
        if self.values.len() != leaves * output {
            return Err(format!("{} values in {leaves} leaves of {output}", self.values.len()));
        }
        for (node, &left) in self.left.iter().enumerate() {
            let index = self.index[node] as usize;
            let fits = if left == 0 {
                index < leaves
            } else {
                left as usize > node
                    && (left as usize) < nodes - 1
                    && index < columns
                    && self.threshold[node].is_finite()
            };
            if !fits {
                return Err(format!("node {node} of a tree points outside of it"));
            }
        }
        if self.values.iter().all(|value| value.is_finite()) {
            Ok(())
        } else {
            Err("a leaf is not a finite number".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stump(threshold: f64) -> Tree {
        let leaf = |value| TreeNode::Leaf(vec![value]);
        Tree::new([TreeNode::Split { column: 1, threshold, left: 1 }, leaf(10.0), leaf(20.0)])
    }

    fn predict(tree: &Tree, columns: &[f64]) -> f64 {
        let mut output = [0.0];
        tree.predict(columns, &mut output);
        output[0]
    }

    #[test]
    fn rows_go_left_up_to_the_threshold_compared_as_32_bit_floats() {
        assert_eq!(predict(&stump(0.5), &[9.0, 0.5]), 10.0);
        assert_eq!(predict(&stump(0.5), &[9.0, 0.500_001]), 20.0);
        // As a 64-bit float 0.1 is below this threshold, as a 32-bit float it is above.
        assert_eq!(predict(&stump(0.100_000_000_5), &[9.0, 0.1]), 20.0);
    }

    #[test]
    fn hostile_trees_are_refused() {
        assert!(stump(0.5).check(2, 1).is_ok());
        assert!(stump(0.5).check(1, 1).is_err(), "column out of range");
        assert!(stump(f64::NAN).check(2, 1).is_err(), "threshold");
        assert!(stump(0.5).check(2, 2).is_err(), "width");
        let cycle = Tree { left: vec![1, 1, 0], index: vec![0, 0, 0], threshold: vec![0.0; 3], values: vec![1.0] };
        assert!(cycle.check(1, 1).is_err(), "cycle");
        let beyond = Tree { left: vec![2, 0, 0], index: vec![0, 0, 1], threshold: vec![0.0; 3], values: vec![1.0; 2] };
        assert!(beyond.check(1, 1).is_err(), "right child beyond the end");
        assert!(Tree::new([]).check(1, 1).is_err(), "empty");
    }
}
