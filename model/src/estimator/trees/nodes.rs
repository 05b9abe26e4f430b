//! Nodes of trees: as they are put together, and packed.

use super::packed::Packed;
use super::{LANES, with_words};

/// In [`Node::column`]: a missing value goes left.
const MISSING_LEFT: u32 = 1 << 31;
/// In [`Node::column`]: the split is by a set of categories.
const BY_SET: u32 = 1 << 30;

/// A split or a leaf.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Node {
    /// The left child; the right one follows it. 0 for a leaf.
    pub left: u32,
    /// Of a split, its column, [`MISSING_LEFT`] and [`BY_SET`]; of a leaf, 0.
    column: u32,
    /// Of a split, the bits of its threshold, or where its set starts; of a leaf, its place among the values.
    pub payload: u32,
}

impl Node {
    pub const fn leaf(place: u32) -> Node {
        Node { left: 0, column: 0, payload: place }
    }

    pub fn split(column: u32, missing_left: bool, threshold: f32, left: u32) -> Node {
        let missing = if missing_left { MISSING_LEFT } else { 0 };
        Node { left, column: column | missing, payload: threshold.to_bits() }
    }

    pub fn split_by_set(column: u32, missing_left: bool, set: u32, left: u32) -> Node {
        let missing = if missing_left { MISSING_LEFT } else { 0 };
        Node { left, column: column | missing | BY_SET, payload: set }
    }

    pub fn is_leaf(self) -> bool {
        self.left == 0
    }

    pub fn column(self) -> usize {
        (self.column & !(MISSING_LEFT | BY_SET)) as usize
    }

    pub fn by_set(self) -> bool {
        self.column & BY_SET != 0
    }

    pub fn missing_left(self) -> bool {
        self.column & MISSING_LEFT != 0
    }

    pub fn threshold(self) -> f32 {
        f32::from_bits(self.payload)
    }

    /// The child for a value of the node's column.
    pub fn next(self, value: f32, sets: &[u32]) -> u32 {
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
pub fn is_in_set(set: &[u32], value: f32) -> bool {
    let category = value as usize;
    let words = set[0] as usize;
    value >= 0.0 && category / 32 < words && set[1 + category / 32] >> (category % 32) & 1 == 1
}

/// The nodes of all trees.
#[derive(Clone, Debug)]
pub enum Nodes {
    /// As a learner puts them together.
    Loose(Loose),
    /// As they are read from a file: in a quarter of the memory.
    Packed(Box<Packed>),
}

/// Nodes with links.
#[derive(Clone, Debug)]
pub struct Loose {
    /// Where each tree's root is among the nodes.
    pub roots: Vec<u32>,
    /// Tree after tree in preorder, but for the two children of a node, which are adjacent.
    pub nodes: Vec<Node>,
}

impl PartialEq for Nodes {
    fn eq(&self, other: &Nodes) -> bool {
        let all = |nodes: &Nodes| {
            let mut all = Vec::with_capacity(nodes.len());
            nodes.each_tree(|tree| all.extend_from_slice(tree));
            all
        };
        self.count() == other.count() && self.len() == other.len() && all(self) == all(other)
    }
}

impl Nodes {
    /// Number of trees.
    pub fn count(&self) -> usize {
        match self {
            Nodes::Loose(loose) => loose.roots.len(),
            Nodes::Packed(packed) => packed.count(),
        }
    }

    /// Number of nodes, leaves included.
    pub fn len(&self) -> usize {
        match self {
            Nodes::Loose(loose) => loose.nodes.len(),
            Nodes::Packed(packed) => packed.len(),
        }
    }

    /// Calls `see` with the nodes of each tree: the root first, children after their parents.
    pub fn each_tree(&self, mut see: impl FnMut(&[Node])) {
        let mut tree = Vec::new();
        match self {
            Nodes::Loose(loose) => {
                for place in 0..loose.roots.len() {
                    loose.tree(place, &mut tree);
                    see(&tree);
                }
            }
            Nodes::Packed(packed) => {
                for place in 0..packed.count() {
                    packed.tree(place, &mut tree);
                    see(&tree);
                }
            }
        }
    }

    /// Calls `see` with each split.
    pub fn each_split(&self, mut see: impl FnMut(Node)) {
        self.each_tree(|tree| tree.iter().filter(|node| !node.is_leaf()).for_each(|node| see(*node)));
    }

    /// How many columns splits look at, up to the last one.
    pub fn columns(&self) -> usize {
        match self {
            Nodes::Loose(loose) => loose.columns(),
            Nodes::Packed(packed) => packed.columns(),
        }
    }

    /// Calls `see` with each tree's place and that of the leaf where a row of columns ends, in the order of the trees.
    pub fn row(&self, sets: &[u32], columns: &[f64], see: impl FnMut(usize, u32)) {
        match self {
            Nodes::Loose(loose) => loose.row(sets, columns, see),
            Nodes::Packed(packed) => packed.row(sets, columns, see),
        }
    }

    /// Calls `see` with the place of a row of `width` columns, of a tree, and of the leaf where the row ends: for each row in the
    /// order of the trees.
    pub fn rows(&self, sets: &[u32], columns: &[f64], width: usize, mut see: impl FnMut(usize, usize, u32)) {
        match self {
            Nodes::Loose(loose) => {
                for (row, columns) in columns.chunks_exact(width).enumerate() {
                    loose.row(sets, columns, |tree, leaf| see(row, tree, leaf));
                }
            }
            Nodes::Packed(packed) => packed.rows(sets, columns, width, see),
        }
    }

    /// Whether all walks through the trees end at one of so many `leaves`, and splits ask what there is; otherwise where not.
    pub fn check(&self, columns: usize, leaves: usize, has_set: impl Fn(u32) -> bool) -> Result<(), String> {
        match self {
            Nodes::Loose(loose) => loose.check(columns, leaves, has_set),
            Nodes::Packed(packed) => packed.check(columns, has_set),
        }
    }
}

impl Loose {
    fn tree(&self, place: usize, tree: &mut Vec<Node>) {
        let root = self.roots[place];
        let end = self.roots.get(place + 1).map_or(self.nodes.len(), |&next| next as usize);
        tree.clear();
        let placed = |node: &Node| Node { left: node.left.saturating_sub(root), ..*node };
        tree.extend(self.nodes[root as usize..end].iter().map(placed));
    }

    fn columns(&self) -> usize {
        self.nodes.iter().filter(|node| !node.is_leaf()).map(|node| node.column() + 1).max().unwrap_or(0)
    }

    fn row(&self, sets: &[u32], columns: &[f64], mut see: impl FnMut(usize, u32)) {
        with_words(columns.len(), |narrow| {
            for (narrow, column) in narrow.iter_mut().zip(columns) {
                *narrow = (*column as f32).to_bits();
            }
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
                            *place = node.next(f32::from_bits(narrow[node.column()]), sets);
                            walking = true;
                        }
                    }
                }
                for (lane, place) in lanes.iter().enumerate() {
                    see(group * LANES + lane, self.nodes[*place as usize].payload);
                }
            }
        });
    }

    fn check(&self, columns: usize, leaves: usize, has_set: impl Fn(u32) -> bool) -> Result<(), String> {
        let count = self.nodes.len();
        if self.roots.iter().any(|&root| root as usize >= count) {
            return Err("a tree begins outside of the nodes".to_owned());
        }
        for (place, node) in self.nodes.iter().enumerate() {
            let left = node.left as usize;
            let fits = if node.is_leaf() {
                (node.payload as usize) < leaves
            } else {
                let told = if node.by_set() { has_set(node.payload) } else { node.threshold().is_finite() };
                left > place && left < count - 1 && node.column() < columns && told
            };
            if !fits {
                return Err(format!("node {place} of the trees points outside of them"));
            }
        }
        Ok(())
    }
}
