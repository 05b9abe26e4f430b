//! Decision trees, one or many: single trees, forests and boosted trees.

mod builder;
mod explain;
mod file;
mod kernel;
mod weights;

#[cfg(test)]
mod tests;

use super::Link;

pub use builder::{TreeNode, TreesBuilder};
pub use explain::Plan;
pub use file::TreesError;
pub use kernel::{Kernel, Kernels};

use kernel::{Layout, Tuned};
use weights::Weights;

/// Most nodes of all trees together.
pub const MAX_NODES: usize = 1 << 28;

/// Trees that are walked at the same time. Each step waits for memory, so several walks take hardly longer than one.
const LANES: usize = 8;
/// Columns or words up to this many need no memory of their own to predict.
const FEW: usize = 128;
/// In [`Node::column`]: a missing value goes left.
const MISSING_LEFT: u32 = 1 << 31;
/// In [`Node::column`]: the split is by a set of categories.
const BY_SET: u32 = 1 << 30;

/// Decision trees and how their leaves become a prediction, in one compact arena.
///
/// As in scikit-learn, columns are compared as 32-bit floats: a row goes left where `column as f32 <= threshold`. A value
/// that is not a number is missing, and goes where the node says. Made by [`TreesBuilder`], stored by [`Trees::to_bytes`].
#[derive(Clone, Debug, PartialEq)]
pub struct Trees {
    combine: Combine,
    /// Numbers in a leaf.
    width: usize,
    /// Where each tree's root is among the nodes.
    roots: Vec<u32>,
    /// Tree after tree in preorder, but for the two children of a node, which are adjacent.
    nodes: Vec<Node>,
    /// The different leaves, one after the other, each of `width` numbers.
    values: Vec<f64>,
    /// The sets of categories, each with the number of its words before it; a category is a bit, the lowest first.
    sets: Vec<u32>,
    /// What the training rows that ended in each leaf weigh.
    weights: Option<Weights>,
    /// How they are walked.
    tuned: Tuned,
}

/// From the leaves where a row ends to its prediction.
#[derive(Clone, Debug, PartialEq)]
pub enum Combine {
    /// The mean of the leaves, each of as many numbers as the prediction: the number itself, or one probability a class.
    Mean,
    /// Leaves of one number are added up and go through a link. The tree at place `t` adds to the sum at `t % base.len()`.
    Sum {
        /// Where each sum starts.
        base: Vec<f64>,
        /// From sums to the prediction.
        link: Link,
    },
}

/// A split or a leaf.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Node {
    /// The left child; the right one follows it. 0 for a leaf.
    left: u32,
    /// Of a split, its column, [`MISSING_LEFT`] and [`BY_SET`]; of a leaf, 0.
    column: u32,
    /// Of a split, the bits of its threshold, or where its set starts; of a leaf, its place among the values.
    payload: u32,
}

impl Node {
    const fn leaf(place: u32) -> Node {
        Node { left: 0, column: 0, payload: place }
    }

    fn split(column: u32, missing_left: bool, threshold: f32, left: u32) -> Node {
        let missing = if missing_left { MISSING_LEFT } else { 0 };
        Node { left, column: column | missing, payload: threshold.to_bits() }
    }

    fn split_by_set(column: u32, missing_left: bool, set: u32, left: u32) -> Node {
        let missing = if missing_left { MISSING_LEFT } else { 0 };
        Node { left, column: column | missing | BY_SET, payload: set }
    }

    fn is_leaf(self) -> bool {
        self.left == 0
    }

    fn column(self) -> usize {
        (self.column & !(MISSING_LEFT | BY_SET)) as usize
    }

    fn by_set(self) -> bool {
        self.column & BY_SET != 0
    }

    fn missing_left(self) -> bool {
        self.column & MISSING_LEFT != 0
    }

    fn threshold(self) -> f32 {
        f32::from_bits(self.payload)
    }

    /// The child for a value of the node's column.
    fn next(self, value: f32, sets: &[u32]) -> u32 {
        let right = if self.by_set() {
            // Categories of the set go to one side, everything else with the missing values to the other.
            self.missing_left() == is_in_set(&sets[self.payload as usize..], value)
        } else if value.is_nan() {
            !self.missing_left()
        } else {
            value > self.threshold()
        };
        self.left + u32::from(right)
    }
}

/// Calls `work` with room for `count` words.
fn with_words<T>(count: usize, work: impl FnOnce(&mut [u32]) -> T) -> T {
    let mut few = [0; FEW];
    match few.get_mut(..count) {
        Some(few) => work(few),
        None => work(&mut vec![0; count]),
    }
}

/// Whether a value is a category of the set that begins here.
fn is_in_set(set: &[u32], value: f32) -> bool {
    let category = value as usize;
    let words = set[0] as usize;
    value >= 0.0 && category / 32 < words && set[1 + category / 32] >> (category % 32) & 1 == 1
}

impl Trees {
    /// Number of trees.
    pub fn count(&self) -> usize {
        self.roots.len()
    }

    /// Number of nodes of all trees, leaves included.
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Number of leaves of all trees.
    pub fn leaves(&self) -> usize {
        self.nodes.iter().filter(|node| node.is_leaf()).count()
    }

    /// Predicts one row.
    pub(super) fn predict(&self, columns: &[f64], output: &mut [f64]) {
        self.predict_by(self.tuned.row(), columns, output);
    }

    /// Predicts rows of columns, one after the other.
    pub(super) fn predict_rows(&self, columns: &[f64], output: &mut [f64]) {
        self.predict_rows_by(self.tuned.rows(), columns, output);
    }

    fn predict_by(&self, layout: Option<&Layout>, columns: &[f64], output: &mut [f64]) {
        match layout {
            Some(layout) => layout.row(self, columns, output),
            None => with_words(columns.len(), |narrow| {
                for (narrow, column) in narrow.iter_mut().zip(columns) {
                    *narrow = (*column as f32).to_bits();
                }
                self.start(output);
                self.each_leaf(narrow, |tree, leaf| self.add(output, tree, leaf));
                self.finish(output);
            }),
        }
    }

    fn predict_rows_by(&self, layout: Option<&Layout>, columns: &[f64], output: &mut [f64]) {
        let outputs = self.outputs();
        let rows = output.len() / outputs;
        if rows == 0 {
            return;
        }
        let width = columns.len() / rows;
        match layout {
            Some(layout) => layout.rows(self, columns, width, output),
            None => {
                for (row, output) in output.chunks_exact_mut(outputs).enumerate() {
                    self.predict_by(None, &columns[row * width..][..width], output);
                }
            }
        }
    }

    /// Numbers of a prediction.
    fn outputs(&self) -> usize {
        match &self.combine {
            Combine::Mean => self.width,
            Combine::Sum { link: Link::Logistic, .. } => 2,
            Combine::Sum { base, .. } => base.len(),
        }
    }

    /// Where the sums of a prediction start.
    fn start(&self, output: &mut [f64]) {
        match &self.combine {
            Combine::Mean => output.fill(0.0),
            Combine::Sum { base, .. } => output[..base.len()].copy_from_slice(base),
        }
    }

    /// Adds a leaf to the sums.
    #[inline]
    fn add(&self, output: &mut [f64], tree: usize, leaf: usize) {
        match &self.combine {
            Combine::Mean => {
                let values = &self.values[leaf * self.width..];
                for (sum, value) in output.iter_mut().zip(values) {
                    *sum += value;
                }
            }
            Combine::Sum { base, .. } => {
                let sum = if base.len() == 1 { 0 } else { tree % base.len() };
                output[sum] += self.values[leaf];
            }
        }
    }

    /// From the sums to the prediction.
    fn finish(&self, output: &mut [f64]) {
        match &self.combine {
            Combine::Mean if self.roots.len() > 1 => {
                let count = self.roots.len() as f64;
                for sum in output {
                    *sum /= count;
                }
            }
            Combine::Mean => {}
            Combine::Sum { link, .. } => link.apply(output),
        }
    }

    /// Calls `see` with the nodes of each tree, the root first, children after their parents.
    fn each_tree(&self, mut see: impl FnMut(&[Node])) {
        let ends = self.roots.iter().skip(1).map(|&root| root as usize).chain([self.nodes.len()]);
        let mut tree = Vec::new();
        for (&root, end) in self.roots.iter().zip(ends) {
            tree.clear();
            let placed = |node: &Node| Node { left: node.left.saturating_sub(root), ..*node };
            tree.extend(self.nodes[root as usize..end].iter().map(placed));
            see(&tree);
        }
    }

    /// How many columns the splits look at, up to the last one.
    fn columns(&self) -> usize {
        self.nodes.iter().filter(|node| !node.is_leaf()).map(|node| node.column() + 1).max().unwrap_or(0)
    }

    /// Calls `see` with each tree's place and that of the leaf where the row ends, in the order of the trees.
    fn each_leaf(&self, columns: &[u32], mut see: impl FnMut(usize, usize)) {
        for (group, roots) in self.roots.chunks(LANES).enumerate() {
            let mut lanes = [0; LANES];
            let lanes = &mut lanes[..roots.len()];
            lanes.copy_from_slice(roots);
            let mut walking = true;
            while walking {
                walking = false;
                for place in lanes.iter_mut() {
                    let node = self.nodes[*place as usize];
                    if !node.is_leaf() {
                        *place = node.next(f32::from_bits(columns[node.column()]), &self.sets);
                        walking = true;
                    }
                }
            }
            for (lane, place) in lanes.iter().enumerate() {
                see(group * LANES + lane, self.nodes[*place as usize].payload as usize);
            }
        }
    }

    /// Whether the trees can predict `output` numbers from any `columns` columns; otherwise why not.
    pub(super) fn check(&self, columns: usize, output: usize) -> Result<(), String> {
        self.check_shape(output)?;
        let leaves = self.values.len() / self.width;
        let count = self.nodes.len();
        for (place, node) in self.nodes.iter().enumerate() {
            let left = node.left as usize;
            let fits = if node.is_leaf() {
                (node.payload as usize) < leaves
            } else {
                let told = if node.by_set() { self.has_set(node.payload) } else { node.threshold().is_finite() };
                left > place && left < count - 1 && node.column() < columns && told
            };
            if !fits {
                return Err(format!("node {place} of the trees points outside of them"));
            }
        }
        if self.values.iter().all(|value| value.is_finite()) {
            Ok(())
        } else {
            Err("a leaf is not a finite number".to_owned())
        }
    }

    /// Whether a set starts here.
    fn has_set(&self, place: u32) -> bool {
        let place = place as usize;
        self.sets.get(place).is_some_and(|&words| place + (words as usize) < self.sets.len())
    }

    fn check_shape(&self, output: usize) -> Result<(), String> {
        let (trees, nodes, width) = (self.roots.len(), self.nodes.len(), self.width);
        let sound =
            trees > 0 && nodes >= trees && nodes <= MAX_NODES && self.roots.iter().all(|&r| (r as usize) < nodes);
        if !sound || width == 0 || !self.values.len().is_multiple_of(width) {
            return Err(format!(
                "{trees} trees of {nodes} nodes, with {} numbers in leaves of {width}",
                self.values.len()
            ));
        }
        match &self.combine {
            Combine::Mean if width == output => Ok(()),
            Combine::Mean => Err(format!("leaves of {width} numbers where {output} are predicted")),
            Combine::Sum { base, link } if width == 1 && link.sums(output) == Some(base.len()) => {
                let finite = base.iter().all(|base| base.is_finite());
                if finite { Ok(()) } else { Err("the sums of the trees start with no finite number".to_owned()) }
            }
            Combine::Sum { base, link } => {
                Err(format!("{} sums of leaves of {width} through {link:?} cannot give {output} numbers", base.len()))
            }
        }
    }
}
