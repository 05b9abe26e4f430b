//! Puts trees together.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::{Combine, Loose, Node, Nodes, Trees, Tuned, weights};

/// One node of a tree, to build it from.
#[derive(Clone, Debug, PartialEq)]
pub enum TreeNode {
    /// Rows go to node `left` where `column as f32 <= threshold`, otherwise to node `left + 1`.
    Split {
        /// The column.
        column: u32,
        /// The threshold. Kept as the largest 32-bit float not above it, which tells 32-bit floats apart just the same.
        threshold: f64,
        /// Whether rows whose column is missing (not a number) go left.
        missing_left: bool,
        /// Place of the left child in the same list.
        left: u32,
    },
    /// Rows whose column is one of some categories go to one side, all others to the other: rows of other categories, of
    /// unknown ones, and with no category at all.
    Categories {
        /// The column; its values are places in the list of categories.
        column: u32,
        /// The categories of the one side.
        categories: Vec<u32>,
        /// Whether all others go left.
        missing_left: bool,
        /// Place of the left child in the same list.
        left: u32,
    },
    /// Rows end here.
    Leaf {
        /// Place of the leaf's numbers among the tree's values.
        value: u32,
        /// What the training rows that ended here weigh together: their number, where all weigh 1. Trees with a leaf that has no
        /// such weight, above 0 and finite, predict but cannot be explained.
        weight: f64,
    },
}

/// Collects trees, keeping every different leaf once.
#[derive(Debug)]
pub struct TreesBuilder {
    width: usize,
    roots: Vec<u32>,
    nodes: Vec<Node>,
    values: Vec<f64>,
    sets: Vec<u32>,
    known: HashMap<Vec<u64>, u32, BuildHasherDefault<Mixer>>,
    weights: weights::Collected,
}

impl TreesBuilder {
    /// No trees yet; their leaves will have `width` numbers each.
    pub fn new(width: usize) -> TreesBuilder {
        TreesBuilder {
            width,
            roots: Vec::new(),
            nodes: Vec::new(),
            values: Vec::new(),
            sets: Vec::new(),
            known: HashMap::default(),
            weights: weights::Collected::default(),
        }
    }

    /// Appends a tree. The root is the first of `nodes`; the others may come in any order, and nodes that no other node leads
    /// to are dropped. A leaf's numbers are `values[value * width..][..width]`.
    ///
    /// What is no tree (children that are not there, leaves without values) makes trees that [`crate::Model::new`] refuses.
    pub fn push(&mut self, nodes: &[TreeNode], values: &[f64]) {
        let base = self.nodes.len();
        let placeholder = Node::leaf(u32::MAX);
        self.roots.push(base as u32);
        self.nodes.push(placeholder);
        let mut open = vec![(0, base)];
        let mut key = Vec::with_capacity(self.width);
        while let Some((source, target)) = open.pop() {
            // More nodes than there are: a node leads back to one above it.
            if self.nodes.len() - base > nodes.len() {
                return;
            }
            self.nodes[target] = match nodes.get(source) {
                Some(&TreeNode::Split { column, threshold, missing_left, left }) => {
                    let child = self.children(left, &mut open);
                    Node::split(column, missing_left, largest_not_above(threshold), child)
                }
                Some(&TreeNode::Categories { column, ref categories, missing_left, left }) => {
                    let child = self.children(left, &mut open);
                    Node::split_by_set(column, missing_left, self.set(categories), child)
                }
                Some(&TreeNode::Leaf { value, weight }) => {
                    self.weights.push(weight);
                    let start = value as usize * self.width;
                    let values = values.get(start..start + self.width);
                    values.map_or(placeholder, |values| Node::leaf(self.leaf(values, &mut key)))
                }
                None => placeholder,
            };
        }
        self.weights.end_tree();
    }

    /// Makes room for two children, to be filled from `left` on; returns the place of the left one.
    fn children(&mut self, left: u32, open: &mut Vec<(usize, usize)>) -> u32 {
        let child = self.nodes.len();
        self.nodes.extend([Node::leaf(u32::MAX); 2]);
        open.extend([(left as usize + 1, child + 1), (left as usize, child)]);
        child as u32
    }

    /// Adds a set of categories; returns where it starts.
    fn set(&mut self, categories: &[u32]) -> u32 {
        let start = self.sets.len();
        let words = categories.iter().max().map_or(0, |&last| last as usize / 32 + 1);
        self.sets.push(words as u32);
        self.sets.resize(start + 1 + words, 0);
        for &category in categories {
            self.sets[start + 1 + category as usize / 32] |= 1 << (category % 32);
        }
        start as u32
    }

    /// The place of a leaf of these numbers.
    fn leaf(&mut self, values: &[f64], key: &mut Vec<u64>) -> u32 {
        key.clear();
        key.extend(values.iter().map(|value| value.to_bits()));
        if let Some(&place) = self.known.get(key.as_slice()) {
            return place;
        }
        let place = self.known.len() as u32;
        self.values.extend(values);
        self.known.insert(key.clone(), place);
        place
    }

    /// The trees, with their way to a prediction.
    pub fn finish(self, combine: Combine) -> Trees {
        let TreesBuilder { width, roots, nodes, values, sets, weights, .. } = self;
        let nodes = Nodes::Loose(Loose { roots, nodes });
        Trees { combine, width, nodes, values, sets, weights: weights.finish(), tuned: Tuned::default() }
    }
}

/// The largest 32-bit float that is not above `value`.
fn largest_not_above(value: f64) -> f32 {
    let near = value as f32;
    // Adding 0 makes -0 a 0.
    0.0 + if f64::from(near) > value { near.next_down() } else { near }
}

/// Hashes the bits of a few numbers, which nobody chooses to collide: they come from training. Quicker than the default.
#[derive(Debug, Default)]
struct Mixer(u64);

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        let mixed = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }
}
