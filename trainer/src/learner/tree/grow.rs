//! Growing one tree.

use slipway_model::{Tree, TreeNode};

use super::criterion::Criterion;
use super::presort::{Presorted, SortedColumn, rank, row};

/// Two values of a column no further apart than this are not told apart, as in scikit-learn.
const FEATURE_THRESHOLD: f32 = 1e-7;

/// Where growth stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Limits {
    /// Greatest depth; the root's is 0.
    pub(super) depth: usize,
    /// Fewest rows a node needs to be split; at least twice `leaf`.
    pub(super) split: usize,
    /// Fewest rows of a leaf.
    pub(super) leaf: usize,
}

/// A tree with what is known of each of its nodes, inner ones included. Node 0 is the root.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Grown {
    pub(super) nodes: Vec<Node>,
    /// The predictions of the nodes, one after the other.
    values: Vec<f64>,
    /// Numbers in one prediction.
    width: usize,
}

/// One node.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    /// Training rows that reach it.
    pub(super) rows: u32,
    /// Place of its left child, which the right one follows; 0 for a leaf.
    pub(super) left: u32,
    pub(super) column: u32,
    pub(super) threshold: f64,
}

/// The best way found to split a node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Split {
    /// What the criterion makes of it; larger is better.
    pub(super) gain: f64,
    pub(super) column: usize,
    /// Rows that go left.
    pub(super) left: usize,
}

impl Grown {
    /// The prediction of a node.
    pub(super) fn value(&self, node: usize) -> &[f64] {
        &self.values[node * self.width..(node + 1) * self.width]
    }

    /// The child of a split that a row with this value in its column goes to.
    pub(super) fn child(&self, node: usize, value: f32) -> usize {
        let Node { left, threshold, .. } = self.nodes[node];
        left as usize + usize::from(f64::from(value) > threshold)
    }

    /// The tree as a model keeps it.
    pub(super) fn into_tree(self) -> Tree {
        Tree::new(self.nodes.iter().enumerate().map(|(place, node)| match node.left {
            0 => TreeNode::Leaf(self.value(place).to_vec()),
            left => TreeNode::Split { column: node.column, threshold: node.threshold, left },
        }))
    }
}

/// Grows a tree on `rows`, which are ascending.
///
/// Ties between columns go to the first, between thresholds to the smallest, so that the tree does not depend on where
/// growth stops.
pub(super) fn grow<C: Criterion>(sorted: &Presorted, rows: &[u32], criterion: C, limits: Limits) -> Grown {
    let mut grower = Grower::new(sorted, rows, criterion);
    let width = grower.criterion.width();
    let mut grown = Grown { nodes: vec![Node::leaf()], values: vec![0.0; width], width };
    let mut open = vec![Open { node: 0, start: 0, end: rows.len(), depth: 0 }];
    while let Some(Open { node, start, end, depth }) = open.pop() {
        let count = end - start;
        grown.nodes[node].rows = count as u32;
        let value = &mut grown.values[node * width..(node + 1) * width];
        let pure = grower.criterion.enter(start, &grower.rows[start..end], value);
        if pure || depth >= limits.depth || count < limits.split {
            continue;
        }
        let Some(split) = grower.best_split(start, end, limits.leaf) else { continue };
        let threshold = grower.partition(start, end, split);
        let left = grown.nodes.len();
        grown.nodes[node] = Node { rows: count as u32, left: left as u32, column: split.column as u32, threshold };
        grown.nodes.extend([Node::leaf(), Node::leaf()]);
        grown.values.resize(grown.nodes.len() * width, 0.0);
        let middle = start + split.left;
        open.push(Open { node: left + 1, start: middle, end, depth: depth + 1 });
        open.push(Open { node: left, start, end: middle, depth: depth + 1 });
    }
    grown
}

impl Node {
    fn leaf() -> Node {
        Node { rows: 0, left: 0, column: 0, threshold: 0.0 }
    }
}

/// A node that still has to be looked at: a range of the growers' rows.
struct Open {
    node: usize,
    start: usize,
    end: usize,
    depth: usize,
}

struct Grower<'a, C> {
    columns: &'a [SortedColumn],
    criterion: C,
    /// The rows of each node together, ascending.
    rows: Vec<u32>,
    /// The same by each column's value; empty for a column whose values cannot be told apart.
    orders: Vec<Vec<u64>>,
    goes_left: Vec<bool>,
    scratch: Vec<u64>,
}

impl<'a, C: Criterion> Grower<'a, C> {
    fn new(sorted: &'a Presorted, rows: &[u32], criterion: C) -> Self {
        let all = sorted.columns.first().map_or(0, |column| column.values.len());
        let mut used = vec![false; all];
        for &row in rows {
            used[row as usize] = true;
        }
        let order = |column: &SortedColumn| {
            if column.ranked.len() < 2 {
                return Vec::new();
            }
            let mut order = Vec::with_capacity(rows.len());
            order.extend(column.keys.iter().copied().filter(|&key| used[row(key) as usize]));
            order
        };
        Grower {
            columns: &sorted.columns,
            criterion,
            rows: rows.to_vec(),
            orders: sorted.columns.iter().map(order).collect(),
            goes_left: used,
            scratch: vec![0; rows.len()],
        }
    }

    fn best_split(&mut self, start: usize, end: usize, min_leaf: usize) -> Option<Split> {
        let mut best: Option<Split> = None;
        for (place, (column, order)) in self.columns.iter().zip(&self.orders).enumerate() {
            let Some(keys) = order.get(start..end) else { continue };
            let ends = column.ranked[rank(keys[0])] + FEATURE_THRESHOLD;
            if column.ranked[rank(keys[keys.len() - 1])] <= ends {
                continue;
            }
            let candidates = Candidates { keys, ranked: &column.ranked, min_leaf };
            let bar = best.map_or(f64::NEG_INFINITY, |best| best.gain);
            if let Some((gain, left)) = self.criterion.best(candidates, bar) {
                best = Some(Split { gain, column: place, left });
            }
        }
        best
    }

    /// Sorts a node's rows into its children's, everywhere, and returns the threshold.
    fn partition(&mut self, start: usize, end: usize, split: Split) -> f64 {
        let column = &self.columns[split.column];
        let keys = &self.orders[split.column][start..end];
        for (place, &key) in keys.iter().enumerate() {
            self.goes_left[row(key) as usize] = place < split.left;
        }
        let value = |place: usize| f64::from(column.ranked[rank(keys[place])]);
        let threshold = value(split.left - 1) / 2.0 + value(split.left) / 2.0;
        let goes_left = &self.goes_left;
        for (place, order) in self.orders.iter_mut().enumerate() {
            if place != split.column && !order.is_empty() {
                partition(&mut order[start..end], &mut self.scratch, |key| goes_left[row(key) as usize]);
            }
        }
        let mut rows_scratch = std::mem::take(&mut self.scratch);
        partition_rows(&mut self.rows[start..end], &mut rows_scratch, goes_left);
        self.scratch = rows_scratch;
        self.criterion.partition(start, end, goes_left);
        threshold
    }
}

/// Moves what goes left to the front, keeping the order on both sides.
fn partition(keys: &mut [u64], scratch: &mut [u64], goes_left: impl Fn(u64) -> bool) {
    let (mut left, mut right) = (0, 0);
    for place in 0..keys.len() {
        let key = keys[place];
        // Written to both sides, and counted on one: no branch to mispredict.
        keys[left] = key;
        scratch[right] = key;
        let is_left = usize::from(goes_left(key));
        left += is_left;
        right += 1 - is_left;
    }
    keys[left..].copy_from_slice(&scratch[..right]);
}

/// The same for plain rows.
pub(super) fn partition_rows(rows: &mut [u32], scratch: &mut [u64], goes_left: &[bool]) {
    let (mut left, mut right) = (0, 0);
    for place in 0..rows.len() {
        let row = rows[place];
        rows[left] = row;
        scratch[right] = u64::from(row);
        let is_left = usize::from(goes_left[row as usize]);
        left += is_left;
        right += 1 - is_left;
    }
    for (row, key) in rows[left..].iter_mut().zip(&scratch[..right]) {
        *row = *key as u32;
    }
}

/// A node's rows by the values of one column, and where they may be split.
#[derive(Clone, Copy)]
pub(super) struct Candidates<'a> {
    pub(super) keys: &'a [u64],
    ranked: &'a [f32],
    min_leaf: usize,
}

impl Candidates<'_> {
    /// Whether the node may be split so that `left` rows go left.
    pub(super) fn allows(&self, left: usize) -> bool {
        let (before, after) = (rank(self.keys[left - 1]), rank(self.keys[left]));
        before != after
            && self.ranked[after] > self.ranked[before] + FEATURE_THRESHOLD
            && left >= self.min_leaf
            && self.keys.len() - left >= self.min_leaf
    }
}
