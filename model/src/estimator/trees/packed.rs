//! Trees in little memory: about three bytes a node.
//!
//! Nodes stand tree after tree, each in preorder, in units of 16 bits: a leaf takes one (two where there are many different
//! ones), a split two. The left child of a split follows it. All splits that ask the same have the same code, and codes ascend
//! with the columns and thresholds, so that a row needs one word for each column: a code below it sends the row to the right.

use super::nodes::{Node, is_in_set};
use super::{LANES, with_words};

/// Codes are given to columns in blocks of so many, as a power of two.
const BLOCK_BITS: u32 = 6;
/// Most bits of a code. The others of a split tell how far its right child is, and that it is no leaf.
const MAX_CODE_BITS: u32 = 27;
/// In the lowest bit of a node: it is a leaf.
const LEAF: u32 = 1;
/// Units of a split whose right child is near, or far.
const NEAR_SPLIT: u32 = 2;
const FAR_SPLIT: u32 = 4;

/// All trees of a model.
#[derive(Clone, Debug)]
pub struct Packed {
    tests: Tests,
    /// Where each tree begins among the units.
    roots: Vec<u32>,
    units: Vec<u16>,
    nodes: usize,
    /// Units of a leaf.
    leaf_units: u32,
}

/// What splits ask.
#[derive(Clone, Debug)]
pub struct Tests {
    /// The different thresholds of each column, ascending.
    thresholds: Vec<Vec<f32>>,
    /// The words of a row, by their codes.
    slots: Vec<Slot>,
    /// The slot of each block of codes; of blocks that have none, the first.
    blocks: Vec<u32>,
    /// The splits by a set, in the order of the trees; their codes come after all others.
    sets: Vec<SetTest>,
    first_set: u32,
    /// Bits of a code.
    bits: u32,
}

/// A word of a row: the code of the first threshold that is not below the column's value, in the bits where nodes have theirs.
#[derive(Clone, Copy, Debug)]
struct Slot {
    column: u32,
    missing_left: bool,
    /// The code of the column's first threshold.
    first: u32,
}

/// A split by a set of categories.
#[derive(Clone, Copy, Debug)]
struct SetTest {
    column: u32,
    missing_left: bool,
    /// Where its set begins.
    place: u32,
}

/// A row as splits see it.
#[derive(Clone, Copy)]
struct Row<'a> {
    words: &'a [u32],
    columns: &'a [f64],
}

/// A row on its way through a tree.
#[derive(Clone, Copy)]
struct Lane<'a> {
    walk: usize,
    place: u32,
    row: Row<'a>,
}

impl Tests {
    /// Of splits by these thresholds, of which `sends` tells for each column whether some send missing values right, and left;
    /// and of so many splits by a set. None where there are too many.
    pub fn new(thresholds: Vec<Vec<f32>>, sends: &[[bool; 2]], sets: usize) -> Option<Tests> {
        let (mut slots, mut blocks) = (Vec::new(), Vec::new());
        for (column, (thresholds, sends)) in (0..).zip(thresholds.iter().zip(sends)) {
            for missing_left in [false, true] {
                if sends[usize::from(missing_left)] {
                    let first = (blocks.len() << BLOCK_BITS) as u32;
                    let taken = (thresholds.len() >> BLOCK_BITS) + 1;
                    blocks.resize(blocks.len() + taken, slots.len() as u32);
                    slots.push(Slot { column, missing_left, first });
                    if blocks.len() << BLOCK_BITS > 1 << MAX_CODE_BITS {
                        return None;
                    }
                }
            }
        }
        let first_set = blocks.len() << BLOCK_BITS;
        // One more than there are, for the words of rows that are above all.
        let bits = (first_set + sets + 1).next_power_of_two().ilog2().max(BLOCK_BITS + 1);
        if bits > MAX_CODE_BITS {
            return None;
        }
        // Whatever bits are taken for a code, it has a block.
        blocks.resize(1 << (bits - BLOCK_BITS), 0);
        let sets = Vec::with_capacity(sets);
        Some(Tests { thresholds, slots, blocks, sets, first_set: first_set as u32, bits })
    }

    /// How many columns splits look at, up to the last one.
    fn columns(&self) -> usize {
        let slots = self.slots.iter().map(|slot| slot.column);
        slots.chain(self.sets.iter().map(|set| set.column)).max().map_or(0, |column| column as usize + 1)
    }

    /// Writes the words of a row, one for each slot.
    fn fill(&self, columns: &[f64], words: &mut [u32]) {
        for (word, slot) in words.iter_mut().zip(&self.slots) {
            let value = columns[slot.column as usize] as f32;
            let thresholds = &self.thresholds[slot.column as usize];
            let below = if value.is_nan() {
                if slot.missing_left { 0 } else { thresholds.len() }
            } else {
                thresholds.partition_point(|threshold| *threshold < value)
            };
            *word = (slot.first + below as u32) << self.shift();
        }
    }

    /// Bits of a node below its code.
    fn shift(&self) -> u32 {
        u32::BITS - self.bits
    }

    /// A split with this code.
    fn node(&self, code: u32, left: u32) -> Node {
        if let Some(set) = self.set(code) {
            return Node::split_by_set(set.column, set.missing_left, set.place, left);
        }
        let Slot { column, missing_left, first } = self.slots[self.blocks[(code >> BLOCK_BITS) as usize] as usize];
        Node::split(column, missing_left, self.thresholds[column as usize][(code - first) as usize], left)
    }

    fn set(&self, code: u32) -> Option<&SetTest> {
        self.sets.get(code.checked_sub(self.first_set)? as usize)
    }
}

/// Puts [`Packed`] together.
pub struct Packer {
    packed: Packed,
    /// Of each column the first code of splits that send missing values right, and left.
    firsts: Vec<[u32; 2]>,
    /// Units below the left child of each split, and below it, from the last to the first.
    lefts: Vec<u32>,
    open: Vec<u32>,
}

impl Packer {
    /// For trees of so many nodes that ask these `tests` and have so many different leaves.
    pub fn new(tests: Tests, trees: usize, nodes: usize, leaves: usize) -> Packer {
        let mut firsts = vec![[0; 2]; tests.thresholds.len()];
        for slot in &tests.slots {
            firsts[slot.column as usize][usize::from(slot.missing_left)] = slot.first;
        }
        let leaf_units: u32 = if leaves <= 1 << 15 { 1 } else { 2 };
        let splits = nodes / 2;
        let room = NEAR_SPLIT as usize * splits + leaf_units as usize * (nodes - splits) + 16 * trees;
        let (roots, units) = (Vec::with_capacity(trees), Vec::with_capacity(room));
        let packed = Packed { tests, roots, units, nodes: 0, leaf_units };
        Packer { packed, firsts, lefts: Vec::new(), open: Vec::new() }
    }

    /// Begins a tree. `is_split` tells of each node in preorder whether it is a split, and makes a tree; the nodes follow in the
    /// same order.
    pub fn begin(&mut self, is_split: &[bool]) {
        self.measure(is_split);
        self.packed.roots.push(self.packed.units.len() as u32);
        self.packed.nodes += is_split.len();
    }

    /// Appends a leaf, with its place among the values.
    pub fn leaf(&mut self, value: u32) {
        let leaf = value << 1 | LEAF;
        self.packed.units.push(leaf as u16);
        if self.packed.leaf_units == 2 {
            self.packed.units.push((leaf >> 16) as u16);
        }
    }

    /// Appends a split by the threshold at a place of its column's, which are among the tests.
    pub fn split(&mut self, column: u32, missing_left: bool, place: u32) {
        self.split_by(self.firsts[column as usize][usize::from(missing_left)] + place);
    }

    /// Appends a split by the set that begins at a place.
    pub fn split_by_set(&mut self, column: u32, missing_left: bool, place: u32) {
        let tests = &mut self.packed.tests;
        let code = tests.first_set + tests.sets.len() as u32;
        tests.sets.push(SetTest { column, missing_left, place });
        self.split_by(code);
    }

    fn split_by(&mut self, code: u32) {
        let shift = self.packed.tests.shift();
        let left = self.lefts.pop().unwrap_or(0);
        let near = NEAR_SPLIT + left;
        let mut push = |number: u32| self.packed.units.extend([number as u16, (number >> 16) as u16]);
        if is_near(near, shift) {
            push(code << shift | near << 1);
        } else {
            push(code << shift);
            push(FAR_SPLIT + left);
        }
    }

    /// Finds out how many units are below the left child of each split.
    fn measure(&mut self, is_split: &[bool]) {
        let shift = self.packed.tests.shift();
        self.lefts.clear();
        self.open.clear();
        for &is_split in is_split.iter().rev() {
            let mut size = self.packed.leaf_units;
            if is_split {
                // The left side was seen last.
                let (left, right) = (self.open.pop().unwrap_or(0), self.open.pop().unwrap_or(0));
                self.lefts.push(left);
                size = left + right + if is_near(NEAR_SPLIT + left, shift) { NEAR_SPLIT } else { FAR_SPLIT };
            }
            self.open.push(size);
        }
    }

    /// The trees, when all are there.
    pub fn finish(mut self) -> Packed {
        // Nodes are read two units at a time.
        self.packed.units.push(0);
        self.packed.units.shrink_to_fit();
        self.packed
    }
}

/// Whether a node has room to tell that its right child is so far away.
fn is_near(distance: u32, shift: u32) -> bool {
    distance >> (shift - 1) == 0
}

impl Packed {
    /// Number of trees.
    pub fn count(&self) -> usize {
        self.roots.len()
    }

    /// Number of nodes, leaves included.
    pub fn len(&self) -> usize {
        self.nodes
    }

    /// How many columns splits look at, up to the last one.
    pub fn columns(&self) -> usize {
        self.tests.columns()
    }

    /// Whether splits ask what there is, otherwise what is wrong; that all walks end was made sure when the trees were packed.
    pub fn check(&self, columns: usize, has_set: impl Fn(u32) -> bool) -> Result<(), String> {
        let Tests { thresholds, sets, .. } = &self.tests;
        if self.columns() > columns {
            return Err(format!("a split looks at column {}, and there are {columns}", self.columns() - 1));
        }
        for (column, thresholds) in thresholds.iter().enumerate() {
            if !thresholds.is_sorted_by(|a, b| a < b) || thresholds.iter().any(|threshold| !threshold.is_finite()) {
                return Err(format!("the thresholds of column {column} are no ascending numbers"));
            }
        }
        if sets.iter().all(|set| has_set(set.place)) {
            Ok(())
        } else {
            Err("a split by a set that is not there".to_owned())
        }
    }

    /// The nodes of a tree: the root first, children after their parents.
    pub fn tree(&self, tree: usize, nodes: &mut Vec<Node>) {
        nodes.clear();
        nodes.push(Node::leaf(0));
        let (mut at, mut open) = (self.roots[tree], vec![0]);
        while let Some(target) = open.pop() {
            let unit = self.node(at);
            if unit & LEAF == LEAF {
                nodes[target] = Node::leaf(self.value(unit));
                at += self.leaf_units;
                continue;
            }
            let left = nodes.len();
            nodes.extend([Node::leaf(0); 2]);
            nodes[target] = self.tests.node(unit >> self.tests.shift(), left as u32);
            open.extend([left + 1, left]);
            at += if unit & self.distance_bits() == 0 { FAR_SPLIT } else { NEAR_SPLIT };
        }
    }

    /// Calls `see` with each tree's place and that of the leaf where a row of columns ends, in the order of the trees.
    pub fn row(&self, sets: &[u32], columns: &[f64], mut see: impl FnMut(usize, u32)) {
        if self.roots.len() < LANES {
            // Too few steps to pay for the words.
            return (0..).zip(&self.roots).for_each(|(tree, &root)| see(tree, self.leaf(sets, columns, root)));
        }
        let slots = self.tests.slots.len();
        with_words(slots + self.roots.len(), |words| {
            let (words, ends) = words.split_at_mut(slots);
            self.tests.fill(columns, words);
            let row = Row { words, columns };
            self.walk(sets, |tree| self.roots[tree], |_| row, ends);
            ends.iter().enumerate().for_each(|(tree, end)| see(tree, *end));
        });
    }

    /// The leaf where a row of columns ends, as a place among the values, asking each split for its threshold.
    fn leaf(&self, sets: &[u32], columns: &[f64], root: u32) -> u32 {
        let mut place = root;
        loop {
            let node = self.node(place);
            if node & LEAF == LEAF {
                return self.value(node);
            }
            let split = self.tests.node(node >> self.tests.shift(), 0);
            let right = split.next(columns[split.column()] as f32, sets) == 1;
            place += match (node & self.distance_bits(), right) {
                (0, false) => FAR_SPLIT,
                (0, true) => self.node(place + 2),
                (_, false) => NEAR_SPLIT,
                (distance, true) => distance >> 1,
            };
        }
    }

    /// Calls `see` with the place of a row of `width` columns, of a tree and of the leaf where the row ends: for each row in the
    /// order of the trees.
    pub fn rows(&self, sets: &[u32], columns: &[f64], width: usize, mut see: impl FnMut(usize, usize, u32)) {
        let (slots, rows) = (self.tests.slots.len(), columns.len() / width.max(1));
        let (mut words, mut ends) = (vec![0; slots * rows], vec![0; rows]);
        for row in 0..rows {
            self.tests.fill(&columns[row * width..][..width], &mut words[row * slots..][..slots]);
        }
        let row = |row| Row { words: &words[row * slots..][..slots], columns: &columns[row * width..][..width] };
        for (tree, &root) in self.roots.iter().enumerate() {
            self.walk(sets, |_| root, row, &mut ends);
            ends.iter().enumerate().for_each(|(row, end)| see(row, tree, *end));
        }
    }

    #[inline]
    fn walk<'a>(&self, sets: &[u32], root: impl Fn(usize) -> u32, row: impl Fn(usize) -> Row<'a>, ends: &mut [u32]) {
        if self.tests.sets.is_empty() {
            self.walk_as::<false>(sets, root, row, ends);
        } else {
            self.walk_as::<true>(sets, root, row, ends);
        }
    }

    /// Finds the leaves where walks end, as places among the values; each has a root and a row. Several are on their way at the
    /// same time, as each step waits for memory; where one ends, the next begins.
    #[inline]
    fn walk_as<'a, const SETS: bool>(
        &self,
        sets: &[u32],
        root: impl Fn(usize) -> u32,
        row: impl Fn(usize) -> Row<'a>,
        ends: &mut [u32],
    ) {
        let Tests { blocks, .. } = &self.tests;
        let (shift, distance_bits) = (self.tests.shift(), self.distance_bits());
        let begin = |walk: usize| Lane { walk, place: root(walk), row: row(walk) };
        let mut begun = LANES.min(ends.len());
        let mut lanes: [Lane<'a>; LANES] = std::array::from_fn(|lane| match lane {
            lane if lane < begun => begin(lane),
            _ => Lane { walk: usize::MAX, ..begin(0) },
        });
        let mut running = begun;
        while running > 0 {
            for lane in &mut lanes {
                let node = self.node(lane.place);
                if node & LEAF == LEAF {
                    if lane.walk < ends.len() {
                        ends[lane.walk] = self.value(node);
                        if begun < ends.len() {
                            *lane = begin(begun);
                            begun += 1;
                        } else {
                            lane.walk = usize::MAX;
                            running -= 1;
                        }
                    }
                    continue;
                }
                let word = lane.row.words.get(blocks[(node >> (shift + BLOCK_BITS)) as usize] as usize);
                let mut right = node < word.copied().unwrap_or(0);
                if SETS && let Some(set) = self.tests.set(node >> shift) {
                    let value = lane.row.columns[set.column as usize] as f32;
                    right = set.missing_left == is_in_set(&sets[set.place as usize..], value);
                }
                let (mut near, mut far) = (NEAR_SPLIT, (node & distance_bits) >> 1);
                if node & distance_bits == 0 {
                    (near, far) = (FAR_SPLIT, self.node(lane.place + 2));
                }
                // Without a branch, which would be guessed wrong half of the time.
                lane.place += near ^ (near ^ far) & 0_u32.wrapping_sub(u32::from(right));
            }
        }
    }

    /// The node at a place.
    #[inline]
    fn node(&self, place: u32) -> u32 {
        let pair = &self.units[place as usize..place as usize + 2];
        u32::from(pair[0]) | u32::from(pair[1]) << 16
    }

    /// Of a leaf, its place among the values.
    #[inline]
    fn value(&self, leaf: u32) -> u32 {
        (if self.leaf_units == 1 { leaf & 0xffff } else { leaf }) >> 1
    }

    /// Of a node, all but its code: none of a split whose right child is far.
    fn distance_bits(&self) -> u32 {
        (1 << self.tests.shift()) - 1
    }
}
