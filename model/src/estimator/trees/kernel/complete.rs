//! Shallow trees as complete ones, without links.

use std::array;

use super::super::{Node, Trees};
use super::sums::{Leaf, Sums};
use super::words::{NOWHERE, Reader, Row, Split, Words};
use super::{Kernel, LANES, Walk};

/// Most nodes that filling up may make of each.
const MAX_GROWTH: usize = 4;

/// Trees of one depth, each filled up to the complete tree: node `i` leads to `2 i` and `2 i + 1`, from the root 1 on, in as
/// many steps as the tree is deep. A split below a leaf always goes left. `S` is two to the power of the depth.
struct Complete<const SETS: bool, const S: usize, L> {
    /// How many trees there are; some more, of nothing but leaves, fill up the last lanes.
    count: usize,
    trees: Vec<Splits<S>>,
    leaves: Vec<[L; S]>,
}

/// The splits of a tree; the first is not used.
#[derive(Clone, Copy)]
struct Splits<const S: usize> {
    keys: [u32; S],
    slots: [u8; S],
}

/// Sound trees, filled up; none where they are too deep or too uneven.
pub fn new<const SETS: bool>(trees: &Trees, reader: &mut Reader<'_>) -> Option<Box<dyn Walk>> {
    match depth(trees) {
        0..=3 => of_leaves::<SETS, 8>(trees, reader),
        4 => of_leaves::<SETS, 16>(trees, reader),
        5 => of_leaves::<SETS, 32>(trees, reader),
        6 => of_leaves::<SETS, 64>(trees, reader),
        7 => of_leaves::<SETS, 128>(trees, reader),
        8 => of_leaves::<SETS, 256>(trees, reader),
        _ => None,
    }
}

fn of_leaves<const SETS: bool, const S: usize>(trees: &Trees, reader: &mut Reader<'_>) -> Option<Box<dyn Walk>> {
    if S * trees.count() > MAX_GROWTH * trees.nodes() + S {
        return None;
    }
    // Leaves of one number stand in the tree itself.
    if trees.width == 1 {
        let value = |place: u32| trees.values[place as usize];
        Some(Box::new(Complete::<SETS, S, f64>::new(trees, reader, value)?))
    } else {
        Some(Box::new(Complete::<SETS, S, u32>::new(trees, reader, |place| place)?))
    }
}

/// How deep the deepest tree is.
fn depth(trees: &Trees) -> u32 {
    let (mut deepest, mut open) = (0, Vec::new());
    trees.nodes.each_tree(|nodes| {
        open.push((0, 0));
        while let Some((place, depth)) = open.pop() {
            let node: Node = nodes[place as usize];
            deepest = deepest.max(depth);
            if !node.is_leaf() {
                open.extend([(node.left, depth + 1), (node.left + 1, depth + 1)]);
            }
        }
    });
    deepest
}

impl<const SETS: bool, const S: usize, L: Leaf> Complete<SETS, S, L> {
    fn new(trees: &Trees, reader: &mut Reader<'_>, leaf: impl Fn(u32) -> L) -> Option<Self> {
        let (count, room) = (trees.count(), trees.count().next_multiple_of(LANES));
        let mut complete = Complete { count, trees: Vec::with_capacity(room), leaves: Vec::with_capacity(room) };
        let empty = Splits { keys: [NOWHERE.key; S], slots: [NOWHERE.slot; S] };
        let (mut open, mut fits) = (Vec::new(), true);
        trees.nodes.each_tree(|nodes| {
            let mut splits = empty;
            let mut leaves = [leaf(0); S];
            open.push((0, 1));
            while let Some((source, target)) = open.pop() {
                let node: Node = nodes[source as usize];
                if node.is_leaf() {
                    // Where going left all the way ends.
                    let levels = S.ilog2() - usize::ilog2(target);
                    leaves[(target << levels) - S] = leaf(node.payload);
                    continue;
                }
                let Some(split) = reader.split(node) else {
                    fits = false;
                    continue;
                };
                (splits.keys[target], splits.slots[target]) = (split.key, split.slot);
                open.extend([(node.left, 2 * target), (node.left + 1, 2 * target + 1)]);
            }
            complete.trees.push(splits);
            complete.leaves.push(leaves);
        });
        complete.trees.resize(room, empty);
        complete.leaves.resize(room, [leaf(0); S]);
        fits.then_some(complete)
    }
}

impl<const SETS: bool, const S: usize, L: Leaf> Walk for Complete<SETS, S, L> {
    fn kernel(&self) -> Kernel {
        Kernel::Complete
    }

    fn row(&self, words: &Words, row: &Row, sums: &mut Sums<'_>) {
        let (trees, _) = self.trees.as_chunks::<LANES>();
        let (leaves, _) = self.leaves.as_chunks::<LANES>();
        let mut first = 0;
        for (trees, leaves) in trees.iter().zip(leaves) {
            let ends = walk::<SETS, S>(words, |lane| &trees[lane], |_| row);
            let found: [L; LANES] = array::from_fn(|lane| leaves[lane][ends[lane]]);
            L::of_trees(sums, first, &found[..LANES.min(self.count - first)]);
            first += LANES;
        }
    }

    fn block(&self, words: &Words, rows: &[[Row; LANES]], sums: &mut Sums<'_>) {
        for (tree, (splits, leaves)) in self.trees[..self.count].iter().zip(&self.leaves).enumerate() {
            for (group, rows) in rows.iter().enumerate() {
                let ends = walk::<SETS, S>(words, |_| splits, |lane| &rows[lane]);
                L::of_rows(sums, group * LANES, tree, &ends.map(|end| leaves[end]));
            }
        }
    }
}

/// Where walks end, as places among a tree's leaves; each lane has a tree and a row.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "only where the trees or the rows are known to be one is there room for all in registers"
)]
fn walk<'a, const SETS: bool, const S: usize>(
    words: &Words,
    tree: impl Fn(usize) -> &'a Splits<S>,
    row: impl Fn(usize) -> &'a Row,
) -> [usize; LANES] {
    let mut places = [1; LANES];
    for _ in 0..S.ilog2() {
        for (lane, place) in places.iter_mut().enumerate() {
            let (splits, row) = (tree(lane), row(lane));
            // The place is below `S` anyway; to say so spares a check.
            let at = *place & (S - 1);
            let split = Split { slot: splits.slots[at], key: splits.keys[at] };
            let side = words.side::<SETS>(split, row[split.slot as usize]);
            *place = 2 * at + side as usize;
        }
    }
    places.map(|place| place & (S - 1))
}
