//! Trees of any shape in one arena, several walked in lockstep.

use super::super::Trees;
use super::words::{Reader, SLOT_BITS, Split, Words};
use super::{Block, LANES};

/// Steps between two looks whether all walks have ended.
const STEPS: usize = 4;

/// Trees as nodes of eight bytes, siblings side by side. A node leads to itself and one of its neighbours by a sum, without a
/// branch; a leaf leads only to itself, so that walks of different length need not be told apart. Of two children the one with
/// the larger subtree, where more rows go, comes first, in its parent's cache line where possible.
#[derive(Clone, Debug)]
pub struct Arena {
    roots: Vec<u32>,
    nodes: Vec<Step>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Step {
    /// Of a leaf, its place among the values.
    payload: u32,
    /// How far the left child is, and the slot below: 0 for a leaf.
    link: u32,
}

impl Step {
    #[inline]
    fn split(self) -> Split {
        Split { slot: self.link & ((1 << SLOT_BITS) - 1), payload: self.payload }
    }

    #[inline]
    fn distance(self) -> u32 {
        self.link >> SLOT_BITS
    }
}

impl Arena {
    /// The arena of sound trees; none where it would not fit.
    pub fn new(trees: &Trees, reader: &mut Reader<'_>) -> Option<Arena> {
        // A leaf for lanes that have no tree.
        let mut arena = Arena { roots: Vec::with_capacity(trees.roots.len()), nodes: vec![Step::default()] };
        arena.nodes.reserve_exact(trees.nodes.len());
        let sizes = sizes(trees);
        let mut open = Vec::new();
        for &root in &trees.roots {
            arena.roots.push(arena.nodes.len() as u32);
            open.push((root, arena.nodes.len()));
            arena.nodes.push(Step::default());
            while let Some((source, target)) = open.pop() {
                let node = trees.nodes[source as usize];
                if node.is_leaf() {
                    arena.nodes[target].payload = node.payload;
                    continue;
                }
                let split = reader.split(node)?;
                let distance = arena.nodes.len() - target;
                if distance >> (32 - SLOT_BITS) > 0 || arena.nodes.len() > trees.nodes.len() {
                    return None;
                }
                arena.nodes[target] =
                    Step { payload: split.payload, link: (distance as u32) << SLOT_BITS | split.slot };
                let (left, child) = (node.left, arena.nodes.len());
                let children = [(left, child), (left + 1, child + 1)];
                let heavy = usize::from(sizes[left as usize + 1] > sizes[left as usize]);
                open.extend([children[1 - heavy], children[heavy]]);
                arena.nodes.extend([Step::default(); 2]);
            }
        }
        Some(arena)
    }

    /// Calls `see` with each tree's place and that of the leaf where the row ends, in the order of the trees.
    #[inline]
    pub fn row<const SETS: bool>(&self, words: &Words, row: &[u32], mut see: impl FnMut(usize, u32)) {
        for (group, roots) in self.roots.chunks(LANES).enumerate() {
            let mut lanes = [0; LANES];
            lanes[..roots.len()].copy_from_slice(roots);
            self.walk::<SETS>(words, &mut lanes, |_, slot| row[slot]);
            for (lane, &place) in lanes[..roots.len()].iter().enumerate() {
                see(group * LANES + lane, self.nodes[place as usize].payload);
            }
        }
    }

    /// Calls `see` with the place of a row in the block, of a tree and of the leaf: for each row in the order of the trees.
    #[inline]
    pub fn block<const SETS: bool>(&self, words: &Words, block: &Block<'_>, mut see: impl FnMut(usize, usize, u32)) {
        for (tree, &root) in self.roots.iter().enumerate() {
            for first in (0..block.rows).step_by(LANES) {
                let rows: [usize; LANES] = std::array::from_fn(|lane| (first + lane).min(block.rows - 1) * block.width);
                let mut lanes = [root; LANES];
                self.walk::<SETS>(words, &mut lanes, |lane, slot| block.words[rows[lane] + slot]);
                for (lane, &place) in lanes[..LANES.min(block.rows - first)].iter().enumerate() {
                    see(first + lane, tree, self.nodes[place as usize].payload);
                }
            }
        }
    }

    /// Moves every lane to a leaf.
    #[inline]
    fn walk<const SETS: bool>(&self, words: &Words, lanes: &mut [u32; LANES], word: impl Fn(usize, usize) -> u32) {
        loop {
            let mut open = 0;
            for _ in 0..STEPS {
                for (lane, place) in lanes.iter_mut().enumerate() {
                    let step = self.nodes[*place as usize];
                    let split = step.split();
                    *place += step.distance() + words.side::<SETS>(split, word(lane, split.slot as usize));
                    open |= step.link;
                }
            }
            if open == 0 {
                return;
            }
        }
    }
}

/// How many nodes each subtree has. Children always come after their parent.
fn sizes(trees: &Trees) -> Vec<u32> {
    let mut sizes = vec![1_u32; trees.nodes.len()];
    for (place, node) in trees.nodes.iter().enumerate().rev().filter(|(_, node)| !node.is_leaf()) {
        let left = node.left as usize;
        sizes[place] = sizes[left].saturating_add(sizes[left + 1]).saturating_add(1);
    }
    sizes
}
