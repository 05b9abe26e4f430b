//! Shallow trees as complete ones, without links.

use super::super::Trees;
use super::words::{Reader, Split, Words};
use super::{Block, LANES};

/// Deepest tree that is filled up.
const MAX_DEPTH: u32 = 10;
/// Most nodes that filling up may make of each.
const MAX_GROWTH: usize = 4;

/// Trees of one depth, each filled up to the complete tree: node `i` leads to `2 i` and `2 i + 1`, from the root 1 on, in as
/// many steps as the tree is deep. A split below a leaf always goes left.
#[derive(Clone, Debug)]
pub struct Complete {
    depth: u32,
    count: usize,
    /// `1 << depth` a tree, the first not used.
    splits: Vec<Split>,
    /// `1 << depth` a tree: places among the values.
    leaves: Vec<u32>,
}

impl Complete {
    /// Sound trees, filled up; none where they are too deep or too uneven.
    pub fn new(trees: &Trees, reader: &mut Reader<'_>) -> Option<Complete> {
        let depth = depth(trees)?;
        let (size, count) = (1 << depth, trees.roots.len());
        if size * count > MAX_GROWTH * trees.nodes.len() {
            return None;
        }
        let mut complete =
            Complete { depth, count, splits: vec![Split::default(); size * count], leaves: vec![0; size * count] };
        let mut open = Vec::new();
        for (tree, &root) in trees.roots.iter().enumerate() {
            let splits = &mut complete.splits[tree * size..][..size];
            let leaves = &mut complete.leaves[tree * size..][..size];
            open.push((root, 1));
            while let Some((source, target)) = open.pop() {
                let node = trees.nodes[source as usize];
                if node.is_leaf() {
                    // Where going left all the way ends.
                    let levels = depth - usize::ilog2(target);
                    leaves[(target << levels) - size] = node.payload;
                } else {
                    splits[target] = reader.split(node)?;
                    open.extend([(node.left, 2 * target), (node.left + 1, 2 * target + 1)]);
                }
            }
        }
        Some(complete)
    }

    /// Calls `see` with each tree's place and that of the leaf where the row ends, in the order of the trees.
    #[inline]
    pub fn row<const SETS: bool>(&self, words: &Words, row: &[u32], mut see: impl FnMut(usize, u32)) {
        let size = 1 << self.depth;
        for first in (0..self.count).step_by(LANES) {
            let lanes = LANES.min(self.count - first);
            let bases: [usize; LANES] = std::array::from_fn(|lane| (first + lane.min(lanes - 1)) * size);
            let ends = self.walk::<SETS>(words, &bases, |_, slot| row[slot]);
            for (lane, end) in ends[..lanes].iter().enumerate() {
                see(first + lane, self.leaves[bases[lane] + end - size]);
            }
        }
    }

    /// Calls `see` with the place of a row in the block, of a tree and of the leaf: for each row in the order of the trees.
    #[inline]
    pub fn block<const SETS: bool>(&self, words: &Words, block: &Block<'_>, mut see: impl FnMut(usize, usize, u32)) {
        let size = 1 << self.depth;
        for tree in 0..self.count {
            let base = tree * size;
            for first in (0..block.rows).step_by(LANES) {
                let rows: [usize; LANES] = std::array::from_fn(|lane| (first + lane).min(block.rows - 1) * block.width);
                let ends = self.walk::<SETS>(words, &[base; LANES], |lane, slot| block.words[rows[lane] + slot]);
                for (lane, end) in ends[..LANES.min(block.rows - first)].iter().enumerate() {
                    see(first + lane, tree, self.leaves[base + end - size]);
                }
            }
        }
    }

    /// Where walks through the trees that start at `bases` end, as places below the last level.
    #[inline]
    fn walk<const SETS: bool>(
        &self,
        words: &Words,
        bases: &[usize; LANES],
        word: impl Fn(usize, usize) -> u32,
    ) -> [usize; LANES] {
        let mut places = [1; LANES];
        for _ in 0..self.depth {
            for lane in 0..LANES {
                let split = self.splits[bases[lane] + places[lane]];
                let side = words.side::<SETS>(split, word(lane, split.slot as usize));
                places[lane] = 2 * places[lane] + side as usize;
            }
        }
        places
    }
}

/// How deep the deepest tree is, where filling up pays.
fn depth(trees: &Trees) -> Option<u32> {
    let mut deepest = 0;
    let mut open = Vec::new();
    for &root in &trees.roots {
        open.push((root, 0));
        while let Some((place, depth)) = open.pop() {
            let node = trees.nodes[place as usize];
            if depth > MAX_DEPTH {
                return None;
            }
            deepest = deepest.max(depth);
            if !node.is_leaf() {
                open.extend([(node.left, depth + 1), (node.left + 1, depth + 1)]);
            }
        }
    }
    Some(deepest)
}
