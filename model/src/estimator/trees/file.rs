//! Trees as a file: `trees.bin`.
//!
//! All numbers are little-endian. A *short* number takes as many bytes (1 to 4) as the largest of its kind needs.
//!
//! | what | form |
//! |---|---|
//! | `SLIPTREE` | 8 bytes |
//! | version of this format, 2 | u32 |
//! | combination: 0 mean, 1 sum through the identity, 2 through the logistic function, 3 through softmax, 4 as logarithms | u32 |
//! | sums `s` (0 for a mean), trees `t`, columns `c`, numbers in a leaf `w`, different leaves `l`, nodes `n` | 6 × u32 |
//! | where the sums start | `s` × f64 |
//! | the different leaves | `l` × `w` × f64 |
//! | of each column: how many thresholds it has, and these, ascending | u32, f32 each |
//! | the sets of categories: how many words they take, and these: of each set the number of its words, then a bit a category, lowest first | u32, u32 each |
//! | of each node whether it is a split, lowest bit first | `n` bits, filled up to a byte |
//! | of each split: 4 × its column, 2 more where it is by a set, 1 more where missing values go left | short |
//! | of each split: the place of its threshold among its column's, or where its set starts | short, by the column |
//! | of each leaf: its place among the different leaves | short |
//! | how weights are written: 0 there are none, 1 as whole numbers, 2 as shares of their tree | u32 |
//! | of each leaf: what the training rows that ended there weigh, above 0 | none, LEB128 up to 32 bits, or f32 |
//!
//! Nodes come tree after tree, each in preorder: a split, all of its left side, all of its right side. So the bits alone tell
//! how the nodes hang together, and nothing can point outside. What a split weighs is what its leaves weigh together.
//!
//! Version 1 is the same without weights: what it holds predicts, and cannot be explained.

use super::packed::{Packed, Packer, Tests};
use super::{Combine, MAX_NODES, Node, Nodes, Trees, Tuned, Weights};
use crate::estimator::Link;

const MAGIC: &[u8; 8] = b"SLIPTREE";
const VERSION: u32 = 2;
/// The last version without weights.
const WITHOUT_WEIGHTS: u32 = 1;
/// Most columns thresholds may be of.
const MAX_COLUMNS: usize = crate::encoder::MAX_WIDTH;

/// Why bytes are no trees.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TreesError(String);

impl Trees {
    /// The trees as the bytes of a file. Equal trees give equal bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let tables = tables(self);
        let mut bytes = MAGIC.to_vec();
        let (code, base) = match &self.combine {
            Combine::Mean => (0, &[][..]),
            Combine::Sum { base, link: Link::Identity } => (1, &base[..]),
            Combine::Sum { base, link: Link::Logistic } => (2, &base[..]),
            Combine::Sum { base, link: Link::Softmax } => (3, &base[..]),
            Combine::Sum { base, link: Link::Exponential } => (4, &base[..]),
        };
        let leaves = self.values.len() / self.width.max(1);
        let counts = [base.len(), self.count(), tables.len(), self.width, leaves, self.nodes()];
        bytes.extend([VERSION, code].into_iter().chain(counts.map(|count| count as u32)).flat_map(u32::to_le_bytes));
        bytes.extend(base.iter().chain(&self.values).flat_map(|value| value.to_le_bytes()));
        for table in &tables {
            bytes.extend((table.len() as u32).to_le_bytes());
            bytes.extend(table.iter().flat_map(|threshold| threshold.to_le_bytes()));
        }
        bytes.extend((self.sets.len() as u32).to_le_bytes());
        bytes.extend(self.sets.iter().flat_map(|word| word.to_le_bytes()));
        let order = self.preorder();
        for nodes in order.chunks(8) {
            bytes.push(nodes.iter().rev().fold(0, |bits, node| bits << 1 | u8::from(!node.is_leaf())));
        }
        let splits = || order.iter().filter(|node| !node.is_leaf());
        let column_size = size_of_short(4 * tables.len());
        for node in splits() {
            let code = 4 * node.column() as u32 + 2 * u32::from(node.by_set()) + u32::from(node.missing_left());
            push_short(&mut bytes, code, column_size);
        }
        for node in splits() {
            if node.by_set() {
                push_short(&mut bytes, node.payload, size_of_short(self.sets.len()));
                continue;
            }
            let table = &tables[node.column()];
            let place = table.partition_point(|&threshold| threshold < node.threshold());
            push_short(&mut bytes, place as u32, size_of_short(table.len()));
        }
        for node in order.iter().filter(|node| node.is_leaf()) {
            push_short(&mut bytes, node.payload, size_of_short(leaves));
        }
        bytes.extend(Weights::to_bytes(self.weights.as_ref()));
        bytes
    }

    /// All nodes, each tree in preorder.
    fn preorder(&self) -> Vec<Node> {
        let mut order = Vec::with_capacity(self.nodes());
        let mut open = Vec::new();
        self.nodes.each_tree(|nodes| {
            open.push(0);
            while let Some(place) = open.pop() {
                let node = nodes[place as usize];
                order.push(node);
                if !node.is_leaf() {
                    open.extend([node.left + 1, node.left]);
                }
            }
        });
        order
    }

    /// Reads what [`Trees::to_bytes`] wrote. Memory is at most a small multiple of the bytes, whatever they say.
    pub fn from_bytes(bytes: &[u8]) -> Result<Trees, TreesError> {
        let mut reader = Reader(bytes);
        if reader.take(MAGIC.len())? != MAGIC {
            return Err(TreesError("these are no trees of Slipway".to_owned()));
        }
        let version = reader.u32()?;
        if !(WITHOUT_WEIGHTS..=VERSION).contains(&version) {
            return Err(TreesError(format!(
                "format version {version}; this program reads {WITHOUT_WEIGHTS} to {VERSION}"
            )));
        }
        let code = reader.u32()?;
        let mut count = || reader.u32().map(|count| count as usize);
        let (sums, trees, columns, width, leaves, nodes) = (count()?, count()?, count()?, count()?, count()?, count()?);
        if nodes > MAX_NODES || trees > nodes || columns > MAX_COLUMNS {
            return Err(TreesError(format!("{trees} trees of {nodes} nodes on {columns} columns")));
        }
        let base = reader.f64s(sums)?;
        let combine = combine(code, base)?;
        let values = reader.f64s(leaves.saturating_mul(width))?;
        let tables = (0..columns).map(|_| reader.table()).collect::<Result<Vec<_>, _>>()?;
        let sets = reader.u32()? as usize;
        let sets = reader.u32s(sets)?;
        let shape = Shape { bits: reader.take(nodes.div_ceil(8))?, count: nodes };
        let packed = reader.nodes(&shape, tables, sets.len(), (trees, leaves))?;
        let code = if version == WITHOUT_WEIGHTS { 0 } else { reader.u32()? };
        let weights = Weights::read(code, reader.0, nodes - shape.splits()).map_err(TreesError)?;
        Ok(Trees {
            combine,
            width,
            nodes: Nodes::Packed(Box::new(packed)),
            values,
            sets,
            weights,
            tuned: Tuned::default(),
        })
    }
}

fn combine(code: u32, base: Vec<f64>) -> Result<Combine, TreesError> {
    let link = match code {
        0 if base.is_empty() => return Ok(Combine::Mean),
        1 => Link::Identity,
        2 => Link::Logistic,
        3 => Link::Softmax,
        4 => Link::Exponential,
        _ => return Err(TreesError(format!("combination {code} of {} sums", base.len()))),
    };
    Ok(Combine::Sum { base, link })
}

/// The different thresholds of each column, ascending.
fn tables(trees: &Trees) -> Vec<Vec<f32>> {
    let mut tables = vec![Vec::new(); trees.nodes.columns()];
    trees.nodes.each_split(|node| {
        if !node.by_set() {
            tables[node.column()].push(node.threshold());
        }
    });
    for table in &mut tables {
        table.sort_unstable_by(f32::total_cmp);
        // -0 and 0 compare equal and split alike.
        table.dedup();
    }
    tables
}

/// Of each node in preorder whether it is a split.
struct Shape<'a> {
    bits: &'a [u8],
    count: usize,
}

impl Shape<'_> {
    fn is_split(&self, place: usize) -> bool {
        self.bits[place / 8] >> (place % 8) & 1 == 1
    }

    fn splits(&self) -> usize {
        let (whole, rest) = self.bits.split_at(self.count / 8);
        let last = rest.first().map_or(0, |bits| bits & ((1 << (self.count % 8)) - 1));
        whole.iter().map(|bits| bits.count_ones() as usize).sum::<usize>() + last.count_ones() as usize
    }

    /// The tree that begins at a place; none where nodes are missing.
    fn tree(&self, start: usize, tree: &mut Vec<bool>) -> Option<()> {
        tree.clear();
        let mut missing = 1_usize;
        while missing > 0 {
            let place = start + tree.len();
            if place == self.count {
                return None;
            }
            let is_split = self.is_split(place);
            tree.push(is_split);
            missing = missing + 2 * usize::from(is_split) - 1;
        }
        Some(())
    }
}

/// What stands beside the threshold of a split: its column, whether it is by a set, where missing values go.
#[derive(Clone, Copy)]
struct Asks {
    column: u32,
    by_set: bool,
    missing_left: bool,
}

impl Asks {
    fn of(code: u32) -> Asks {
        Asks { column: code / 4, by_set: code & 2 != 0, missing_left: code & 1 != 0 }
    }
}

/// Bytes that a number below `count` takes.
fn size_of_short(count: usize) -> usize {
    match count {
        0..=0x100 => 1,
        0x101..=0x1_0000 => 2,
        0x1_0001..=0x100_0000 => 3,
        _ => 4,
    }
}

fn push_short(bytes: &mut Vec<u8>, value: u32, size: usize) {
    bytes.extend(&value.to_le_bytes()[..size]);
}

fn short(bytes: &[u8]) -> u32 {
    match *bytes {
        [a] => u32::from(a),
        [a, b] => u32::from(u16::from_le_bytes([a, b])),
        _ => bytes.iter().rev().fold(0, |value, &byte| value << 8 | u32::from(byte)),
    }
}

/// What is still to be read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], TreesError> {
        let taken = self.0.split_at_checked(count);
        let (taken, rest) = taken.ok_or_else(|| TreesError("the file ends too early".to_owned()))?;
        self.0 = rest;
        Ok(taken)
    }

    fn u32(&mut self) -> Result<u32, TreesError> {
        self.take(4).map(short)
    }

    fn f64s(&mut self, count: usize) -> Result<Vec<f64>, TreesError> {
        let (chunks, _) = self.take(count.saturating_mul(8))?.as_chunks();
        Ok(chunks.iter().map(|chunk| f64::from_le_bytes(*chunk)).collect())
    }

    fn u32s(&mut self, count: usize) -> Result<Vec<u32>, TreesError> {
        let (chunks, _) = self.take(count.saturating_mul(4))?.as_chunks();
        Ok(chunks.iter().map(|chunk| u32::from_le_bytes(*chunk)).collect())
    }

    /// The thresholds of one column.
    fn table(&mut self) -> Result<Vec<f32>, TreesError> {
        let count = self.u32()? as usize;
        let (chunks, _) = self.take(count.saturating_mul(4))?.as_chunks();
        Ok(chunks.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect())
    }

    /// The nodes of so many trees and different leaves.
    fn nodes(
        &mut self,
        shape: &Shape<'_>,
        tables: Vec<Vec<f32>>,
        sets: usize,
        (trees, leaves): (usize, usize),
    ) -> Result<Packed, TreesError> {
        let size = size_of_short(4 * tables.len());
        let asks = self.take(shape.splits() * size)?;
        let asks = || asks.chunks_exact(size).map(|code| Asks::of(short(code)));
        let (sizes, leaf_size) = (tables.iter().map(Vec::len).collect::<Vec<_>>(), size_of_short(leaves));
        let size_of = |asked: Asks| size_of_short(if asked.by_set { sets } else { sizes[asked.column as usize] });
        let (mut sends, mut by_set, mut bytes) = (vec![[false; 2]; tables.len()], 0, 0);
        for asked in asks() {
            let no_column = || TreesError(format!("a split on column {}, which is not there", asked.column));
            let sends = sends.get_mut(asked.column as usize).ok_or_else(no_column)?;
            sends[usize::from(asked.missing_left)] |= !asked.by_set;
            by_set += usize::from(asked.by_set);
            bytes += size_of(asked);
        }
        let mut places = Reader(self.take(bytes)?);
        let mut values = self.take((shape.count - shape.splits()) * leaf_size)?.chunks_exact(leaf_size);
        let tests = Tests::new(tables, &sends, by_set);
        let tests = tests.ok_or_else(|| TreesError("more thresholds than trees can tell apart".to_owned()))?;
        let mut packer = Packer::new(tests, trees, shape.count, leaves);
        let (mut asks, mut start, mut tree) = (asks(), 0, Vec::new());
        for _ in 0..trees {
            let found = shape.tree(start, &mut tree);
            found.ok_or_else(|| TreesError(format!("{} nodes are not {trees} trees", shape.count)))?;
            start += tree.len();
            packer.begin(&tree);
            for &is_split in &tree {
                let Some(asked) = (if is_split { asks.next() } else { None }) else {
                    let value = values.next().map_or(u32::MAX, short);
                    if value as usize >= leaves {
                        return Err(TreesError("a leaf has no values".to_owned()));
                    }
                    packer.leaf(value);
                    continue;
                };
                let Asks { column, by_set, missing_left } = asked;
                let place = short(places.take(size_of(asked))?);
                if by_set {
                    packer.split_by_set(column, missing_left, place);
                } else if (place as usize) < sizes[column as usize] {
                    packer.split(column, missing_left, place);
                } else {
                    return Err(TreesError(format!("column {column} has no such threshold")));
                }
            }
        }
        if start < shape.count {
            return Err(TreesError(format!("{} nodes are not {trees} trees", shape.count)));
        }
        Ok(packer.finish())
    }
}
