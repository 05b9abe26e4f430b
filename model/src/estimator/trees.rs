//! Decision trees, one or many: single trees, forests and boosted trees.

mod builder;
mod file;

#[cfg(test)]
mod tests;

use super::Link;

pub use builder::{TreeNode, TreesBuilder};
pub use file::TreesError;

/// Most nodes of all trees together.
pub const MAX_NODES: usize = 1 << 28;

/// Trees that are walked at the same time. Each step waits for memory, so several walks take hardly longer than one.
const LANES: usize = 8;
/// Columns up to this many need no memory of their own to predict.
const FEW_COLUMNS: usize = 64;
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

    pub(super) fn predict(&self, columns: &[f64], output: &mut [f64]) {
        let mut few = [0.0; FEW_COLUMNS];
        if let Some(few) = few.get_mut(..columns.len()) {
            for (narrow, column) in few.iter_mut().zip(columns) {
                *narrow = *column as f32;
            }
            self.predict_narrow(few, output);
        } else {
            let many: Vec<f32> = columns.iter().map(|&column| column as f32).collect();
            self.predict_narrow(&many, output);
        }
    }

    fn predict_narrow(&self, columns: &[f32], output: &mut [f64]) {
        match &self.combine {
            Combine::Mean => {
                output.fill(0.0);
                self.each_leaf(columns, |_, leaf| {
                    let values = &self.values[leaf * self.width..];
                    for (sum, value) in output.iter_mut().zip(values) {
                        *sum += value;
                    }
                });
                if self.roots.len() > 1 {
                    let count = self.roots.len() as f64;
                    for sum in output {
                        *sum /= count;
                    }
                }
            }
            Combine::Sum { base, link } => {
                output[..base.len()].copy_from_slice(base);
                self.each_leaf(columns, |tree, leaf| output[tree % base.len()] += self.values[leaf]);
                link.apply(output);
            }
        }
    }

    /// Calls `see` with each tree's place and that of the leaf where the row ends, in the order of the trees.
    fn each_leaf(&self, columns: &[f32], mut see: impl FnMut(usize, usize)) {
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
                        *place = node.next(columns[node.column()], &self.sets);
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
