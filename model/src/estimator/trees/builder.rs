//! Puts trees together.

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
    known: Known,
    weights: weights::Collected,
}

/// The different leaves by what they hold: a table with open addressing, at most half full, of places among the values.
#[derive(Debug, Default)]
struct Known {
    /// One more than a place; 0 where there is none.
    slots: Vec<u32>,
    leaves: usize,
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
            known: Known::default(),
            weights: weights::Collected::default(),
        }
    }

    /// Appends a tree. The root is the first of `nodes`; the others may come in any order, and nodes that no other node leads
    /// to are dropped. A leaf's numbers are `values[value * width..][..width]`.
    ///
    /// What is no tree (children that are not there, leaves without values) makes trees that [`crate::Model::new`] refuses.
    pub fn push(&mut self, nodes: &[TreeNode], values: &[f64]) {
        self.push_each(nodes.len(), |place| nodes[place].clone(), values);
    }

    /// The same of so many nodes, each of which `node` tells by its place.
    pub fn push_each(&mut self, count: usize, node: impl Fn(usize) -> TreeNode, values: &[f64]) {
        let base = self.nodes.len();
        let placeholder = Node::leaf(u32::MAX);
        self.roots.push(base as u32);
        self.nodes.push(placeholder);
        let mut open = vec![(0, base)];
        while let Some((source, target)) = open.pop() {
            // More nodes than there are: a node leads back to one above it.
            if self.nodes.len() - base > count {
                return;
            }
            self.nodes[target] = match (source < count).then(|| node(source)) {
                Some(TreeNode::Split { column, threshold, missing_left, left }) => {
                    let child = self.children(left, &mut open);
                    Node::split(column, missing_left, largest_not_above(threshold), child)
                }
                Some(TreeNode::Categories { column, categories, missing_left, left }) => {
                    let child = self.children(left, &mut open);
                    Node::split_by_set(column, missing_left, self.set(&categories), child)
                }
                Some(TreeNode::Leaf { value, weight }) => {
                    self.weights.push(weight);
                    let start = value as usize * self.width;
                    let values = values.get(start..start + self.width);
                    values.map_or(placeholder, |leaf| Node::leaf(self.known.place(leaf, &mut self.values)))
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

impl Known {
    /// The place of a leaf of these numbers among `values`, to which it is added if it is new.
    fn place(&mut self, leaf: &[f64], values: &mut Vec<f64>) -> u32 {
        if 2 * (self.leaves + 1) > self.slots.len() {
            self.grow(leaf.len(), values);
        }
        let is_same = |place: u32| {
            let known = &values[place as usize * leaf.len()..][..leaf.len()];
            known.iter().zip(leaf).all(|(known, value)| known.to_bits() == value.to_bits())
        };
        let slot = self.slot(leaf, is_same);
        if let Some(place) = self.slots[slot].checked_sub(1) {
            return place;
        }
        self.leaves += 1;
        self.slots[slot] = self.leaves as u32;
        values.extend(leaf);
        self.leaves as u32 - 1
    }

    /// The slot of a leaf: the one that has its place, or a free one.
    fn slot(&self, leaf: &[f64], is_same: impl Fn(u32) -> bool) -> usize {
        // Multiplicative hashing (Knuth 1973). Nobody chooses values to collide: they come from training.
        let mix =
            |mixed: u64, value: &f64| (mixed ^ value.to_bits()).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31);
        let (mixed, mask) = (leaf.iter().fold(0, mix), self.slots.len() - 1);
        let mut slot = (mixed ^ mixed >> 32) as usize & mask;
        while self.slots[slot].checked_sub(1).is_some_and(|place| !is_same(place)) {
            slot = (slot + 1) & mask;
        }
        slot
    }

    fn grow(&mut self, width: usize, values: &[f64]) {
        self.slots = vec![0; (2 * self.slots.len()).max(64)];
        for (place, leaf) in (1..).zip(values.chunks_exact(width)) {
            // All of them are different.
            let slot = self.slot(leaf, |_| false);
            self.slots[slot] = place;
        }
    }
}
