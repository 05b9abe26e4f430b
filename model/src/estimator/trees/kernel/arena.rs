//! Trees of any shape in one arena, several walked in lockstep.

use std::array;

use super::super::{Node, Trees};
use super::sums::{Leaf, Sums};
use super::words::{Reader, Row, Split, Words};
use super::{Kernel, LANES, Walk};

/// Steps between two looks whether all walks have ended.
const STEPS: usize = 4;
/// In [`Step::link`]: bits of the slot.
const SLOT_BITS: u32 = u8::BITS;

/// Trees as nodes of eight bytes, siblings side by side. A node leads to itself and one of its neighbours by a sum, without a
/// branch; a leaf leads only to itself, so that walks of different length need not be told apart. Of two children the one with
/// the larger subtree, where more rows go, comes first, in its parent's cache line where possible.
struct Arena<const SETS: bool> {
    roots: Vec<u32>,
    nodes: Vec<Step>,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    /// Of a split, its key; of a leaf, its place among the values.
    key: u32,
    /// How far the left child is, and the slot below: 0 for a leaf, whose word is 0 and above no key.
    link: u32,
}

impl Step {
    const LEAF: Step = Step { key: 0, link: 0 };

    #[inline]
    fn split(self) -> Split {
        Split { slot: self.link as u8, key: self.key }
    }

    #[inline]
    fn distance(self) -> u32 {
        self.link >> SLOT_BITS
    }
}

/// The arena of sound trees; none where it would not fit.
pub fn new<const SETS: bool>(trees: &Trees, reader: &mut Reader<'_>) -> Option<Box<dyn Walk>> {
    let mut arena =
        Arena::<SETS> { roots: Vec::with_capacity(trees.count()), nodes: Vec::with_capacity(trees.nodes()) };
    let (mut sizes, mut open, mut fits) = (Vec::new(), Vec::new(), true);
    trees.nodes.each_tree(|nodes| {
        measure(nodes, &mut sizes);
        arena.roots.push(arena.nodes.len() as u32);
        open.push((0, arena.nodes.len()));
        arena.nodes.push(Step::LEAF);
        while let Some((source, target)) = open.pop() {
            let node = nodes[source as usize];
            if node.is_leaf() {
                arena.nodes[target].key = node.payload;
                continue;
            }
            let (split, distance) = (reader.split(node), arena.nodes.len() - target);
            let Some(split) = split.filter(|_| distance >> (u32::BITS - SLOT_BITS) == 0) else {
                fits = false;
                continue;
            };
            arena.nodes[target] = Step { key: split.key, link: (distance as u32) << SLOT_BITS | u32::from(split.slot) };
            let (left, child) = (node.left, arena.nodes.len());
            let children = [(left, child), (left + 1, child + 1)];
            let heavy = usize::from(sizes[left as usize + 1] > sizes[left as usize]);
            open.extend([children[1 - heavy], children[heavy]]);
            arena.nodes.extend([Step::LEAF; 2]);
        }
    });
    if fits { Some(Box::new(arena)) } else { None }
}

/// How many nodes each subtree has. Children always come after their parent.
pub fn measure(nodes: &[Node], sizes: &mut Vec<u32>) {
    sizes.clear();
    sizes.resize(nodes.len(), 1);
    for (place, node) in nodes.iter().enumerate().rev().filter(|(_, node)| !node.is_leaf()) {
        let left = node.left as usize;
        sizes[place] += sizes[left] + sizes[left + 1];
    }
}

impl<const SETS: bool> Arena<SETS> {
    /// The leaves where walks end, as places among the values.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "only where the rows are known to be one is there room for all in registers"
    )]
    fn walk<'a>(&self, words: &Words, mut lanes: [u32; LANES], row: impl Fn(usize) -> &'a Row) -> [u32; LANES] {
        loop {
            let mut open = 0;
            for _ in 0..STEPS {
                for (lane, place) in lanes.iter_mut().enumerate() {
                    let step = self.nodes[*place as usize];
                    let split = step.split();
                    *place += step.distance() + words.side::<SETS>(split, row(lane)[split.slot as usize]);
                    open |= step.link;
                }
            }
            if open == 0 {
                return lanes.map(|place| self.nodes[place as usize].key);
            }
        }
    }
}

impl<const SETS: bool> Walk for Arena<SETS> {
    fn kernel(&self) -> Kernel {
        Kernel::Arena
    }

    fn row(&self, words: &Words, row: &Row, sums: &mut Sums<'_>) {
        for (group, roots) in self.roots.chunks(LANES).enumerate() {
            let lanes = array::from_fn(|lane| roots[lane.min(roots.len() - 1)]);
            let found = self.walk(words, lanes, |_| row);
            u32::of_trees(sums, group * LANES, &found[..roots.len()]);
        }
    }

    fn block(&self, words: &Words, rows: &[[Row; LANES]], sums: &mut Sums<'_>) {
        for (tree, &root) in self.roots.iter().enumerate() {
            for (group, rows) in rows.iter().enumerate() {
                let found = self.walk(words, [root; LANES], |lane| &rows[lane]);
                u32::of_rows(sums, group * LANES, tree, &found);
            }
        }
    }
}
