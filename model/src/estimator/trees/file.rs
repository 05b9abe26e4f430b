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

use super::{Combine, MAX_NODES, Node, Trees, Tuned, Weights};
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
        let tables = Tables::new(self);
        let mut bytes = MAGIC.to_vec();
        let (code, base) = match &self.combine {
            Combine::Mean => (0, &[][..]),
            Combine::Sum { base, link: Link::Identity } => (1, &base[..]),
            Combine::Sum { base, link: Link::Logistic } => (2, &base[..]),
            Combine::Sum { base, link: Link::Softmax } => (3, &base[..]),
            Combine::Sum { base, link: Link::Exponential } => (4, &base[..]),
        };
        let leaves = self.values.len() / self.width.max(1);
        let counts = [base.len(), self.roots.len(), tables.0.len(), self.width, leaves, self.nodes.len()];
        bytes.extend([VERSION, code].into_iter().chain(counts.map(|count| count as u32)).flat_map(u32::to_le_bytes));
        bytes.extend(base.iter().chain(&self.values).flat_map(|value| value.to_le_bytes()));
        for table in &tables.0 {
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
        let column_size = size_of_short(4 * tables.0.len());
        for node in splits() {
            let code = 4 * node.column() as u32 + 2 * u32::from(node.by_set()) + u32::from(node.missing_left());
            push_short(&mut bytes, code, column_size);
        }
        for node in splits() {
            if node.by_set() {
                push_short(&mut bytes, node.payload, size_of_short(self.sets.len()));
                continue;
            }
            let table = &tables.0[node.column()];
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
        let mut order = Vec::with_capacity(self.nodes.len());
        let mut open = Vec::new();
        for &root in &self.roots {
            open.push(root);
            while let Some(place) = open.pop() {
                let node = self.nodes[place as usize];
                order.push(node);
                if !node.is_leaf() {
                    open.extend([node.left + 1, node.left]);
                }
            }
        }
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
        let tables = Tables((0..columns).map(|_| reader.table()).collect::<Result<_, _>>()?);
        let sets = reader.u32()? as usize;
        let sets = reader.u32s(sets)?;
        let shape = reader.take(nodes.div_ceil(8))?;
        let is_split = |place: usize| shape[place / 8] >> (place % 8) & 1 == 1;
        let splits = (0..nodes).filter(|&place| is_split(place)).count();
        let (mut nodes, roots) = layout(nodes, trees, is_split)?;
        reader.splits(&mut nodes, splits, &tables, sets.len())?;
        reader.leaves(&mut nodes, leaves)?;
        let code = if version == WITHOUT_WEIGHTS { 0 } else { reader.u32()? };
        let leaves = nodes.nodes.len() - splits;
        let weights = Weights::read(code, reader.0, leaves).map_err(TreesError)?;
        Ok(Trees { combine, width, roots, nodes: nodes.nodes, values, sets, weights, tuned: Tuned::default() })
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
struct Tables(Vec<Vec<f32>>);

impl Tables {
    fn new(trees: &Trees) -> Tables {
        let mut tables: Vec<Vec<f32>> = Vec::new();
        for node in trees.nodes.iter().filter(|node| !node.is_leaf()) {
            if node.column() >= tables.len() {
                tables.resize(node.column() + 1, Vec::new());
            }
            if !node.by_set() {
                tables[node.column()].push(node.threshold());
            }
        }
        for table in &mut tables {
            table.sort_unstable_by(f32::total_cmp);
            // -0 and 0 compare equal and split alike.
            table.dedup();
        }
        Tables(tables)
    }
}

/// Nodes that hang together, and where each stands in the order of the file.
struct Laid {
    nodes: Vec<Node>,
    order: Vec<u32>,
}

/// Hangs `count` nodes together as their bits tell, and finds the roots of the `trees`.
fn layout(count: usize, trees: usize, is_split: impl Fn(usize) -> bool) -> Result<(Laid, Vec<u32>), TreesError> {
    let wrong = || TreesError(format!("{count} nodes are not {trees} trees"));
    let mut laid = Laid { nodes: Vec::with_capacity(count), order: Vec::with_capacity(count) };
    let mut roots = Vec::with_capacity(trees);
    let mut open: Vec<u32> = Vec::new();
    for place in 0..count {
        let target = open.pop().unwrap_or_else(|| {
            let root = laid.nodes.len() as u32;
            roots.push(root);
            laid.nodes.push(Node::leaf(0));
            root
        });
        laid.order.push(target);
        if is_split(place) {
            let left = laid.nodes.len();
            if left + 2 > count {
                return Err(wrong());
            }
            laid.nodes.extend([Node::leaf(0); 2]);
            laid.nodes[target as usize].left = left as u32;
            open.extend([left as u32 + 1, left as u32]);
        }
    }
    if open.is_empty() && roots.len() == trees { Ok((laid, roots)) } else { Err(wrong()) }
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
    bytes.iter().rev().fold(0, |value, &byte| value << 8 | u32::from(byte))
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

    fn splits(&mut self, laid: &mut Laid, count: usize, tables: &Tables, sets: usize) -> Result<(), TreesError> {
        let Laid { nodes, order } = laid;
        let size = size_of_short(4 * tables.0.len());
        let mut codes = self.take(count * size)?.chunks_exact(size).map(short);
        for &place in order.iter() {
            let node = &mut nodes[place as usize];
            if node.is_leaf() {
                continue;
            }
            let code = codes.next().unwrap_or(0);
            let (column, by_set, missing_left) = (code / 4, code & 2 != 0, code & 1 != 0);
            let table = tables.0.get(column as usize);
            let table = table.ok_or_else(|| TreesError(format!("a split on column {column}, which is not there")))?;
            let place = short(self.take(size_of_short(if by_set { sets } else { table.len() }))?);
            *node = if by_set {
                Node::split_by_set(column, missing_left, place, node.left)
            } else {
                let threshold = table.get(place as usize);
                let threshold =
                    threshold.ok_or_else(|| TreesError(format!("column {column} has no such threshold")))?;
                Node::split(column, missing_left, *threshold, node.left)
            };
        }
        Ok(())
    }

    fn leaves(&mut self, laid: &mut Laid, leaves: usize) -> Result<(), TreesError> {
        let size = size_of_short(leaves);
        for &place in &laid.order {
            let node = &mut laid.nodes[place as usize];
            if node.is_leaf() {
                node.payload = short(self.take(size)?);
                if node.payload as usize >= leaves {
                    return Err(TreesError("a leaf has no values".to_owned()));
                }
            }
        }
        Ok(())
    }
}
