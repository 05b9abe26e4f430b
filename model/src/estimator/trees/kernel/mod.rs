//! Quick ways to the leaves where rows end. All lead to the same leaves, and leaves are added up in the same order, so that
//! which one is taken shows in nothing but time.

mod arena;
mod choose;
mod complete;
#[cfg(test)]
mod tests;
mod words;

use std::str::FromStr;
use std::sync::Arc;

use super::Trees;
use arena::Arena;
use complete::Complete;
use words::{Reader, Words};

/// Trees, or rows, that are walked at the same time. Each step waits for memory, so several walks take hardly longer than one.
const LANES: usize = 8;

/// A way to walk trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// The trees as they are stored.
    Plain,
    /// One arena of linked nodes.
    Arena,
    /// Complete trees without links; for shallow ones.
    Complete,
}

impl Kernel {
    /// All of them.
    pub const ALL: [Kernel; 3] = [Kernel::Plain, Kernel::Arena, Kernel::Complete];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Kernel::Plain => "plain",
            Kernel::Arena => "arena",
            Kernel::Complete => "complete",
        }
    }
}

impl FromStr for Kernel {
    type Err = String;

    fn from_str(name: &str) -> Result<Kernel, String> {
        Kernel::ALL.into_iter().find(|kernel| kernel.name() == name).ok_or_else(|| {
            format!("there is no kernel {name:?}; {} are some", Kernel::ALL.map(Kernel::name).join(", "))
        })
    }
}

/// The kernels that a model uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernels {
    /// For one row.
    pub row: Kernel,
    /// For many rows.
    pub rows: Kernel,
}

/// Rows as words, one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block<'a> {
    /// How many rows, at least one.
    pub rows: usize,
    /// Words of a row.
    pub width: usize,
    /// The words.
    pub words: &'a [u32],
}

/// Trees as a kernel walks them.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    words: Words,
    nodes: Nodes,
}

#[derive(Clone, Debug)]
enum Nodes {
    Arena(Arena),
    Complete(Complete),
}

impl Layout {
    /// Sound trees, laid out for `kernel`; none where they do not suit it.
    fn new(trees: &Trees, kernel: Kernel) -> Option<Layout> {
        let mut reader = Reader::new(trees)?;
        let nodes = match kernel {
            Kernel::Plain => return None,
            Kernel::Arena => Nodes::Arena(Arena::new(trees, &mut reader)?),
            Kernel::Complete => Nodes::Complete(Complete::new(trees, &mut reader)?),
        };
        Some(Layout { words: reader.finish(), nodes })
    }

    fn kernel(&self) -> Kernel {
        match self.nodes {
            Nodes::Arena(_) => Kernel::Arena,
            Nodes::Complete(_) => Kernel::Complete,
        }
    }

    /// From columns to the words of a row.
    pub fn words(&self) -> &Words {
        &self.words
    }

    /// Calls `see` with each tree's place and that of the leaf where the row ends, in the order of the trees.
    #[inline]
    pub fn row(&self, row: &[u32], see: impl FnMut(usize, u32)) {
        match (&self.nodes, self.words.has_sets()) {
            (Nodes::Arena(arena), false) => arena.row::<false>(&self.words, row, see),
            (Nodes::Arena(arena), true) => arena.row::<true>(&self.words, row, see),
            (Nodes::Complete(complete), false) => complete.row::<false>(&self.words, row, see),
            (Nodes::Complete(complete), true) => complete.row::<true>(&self.words, row, see),
        }
    }

    /// Calls `see` with the place of a row in the block, of a tree and of the leaf: for each row in the order of the trees.
    #[inline]
    pub fn block(&self, block: &Block<'_>, see: impl FnMut(usize, usize, u32)) {
        match (&self.nodes, self.words.has_sets()) {
            (Nodes::Arena(arena), false) => arena.block::<false>(&self.words, block, see),
            (Nodes::Arena(arena), true) => arena.block::<true>(&self.words, block, see),
            (Nodes::Complete(complete), false) => complete.block::<false>(&self.words, block, see),
            (Nodes::Complete(complete), true) => complete.block::<true>(&self.words, block, see),
        }
    }
}

/// The layouts that trees have been given. No part of what trees are: equal trees stay equal.
#[derive(Clone, Debug, Default)]
pub(super) struct Tuned {
    row: Option<Arc<Layout>>,
    rows: Option<Arc<Layout>>,
}

impl PartialEq for Tuned {
    fn eq(&self, _: &Tuned) -> bool {
        true
    }
}

impl Tuned {
    /// The layout for one row, if it has one of its own.
    pub fn row(&self) -> Option<&Layout> {
        self.row.as_deref()
    }

    /// The layout for many rows, if they have one of their own.
    pub fn rows(&self) -> Option<&Layout> {
        self.rows.as_deref()
    }

    fn kernels(&self) -> Kernels {
        let kernel = |layout: &Option<Arc<Layout>>| layout.as_ref().map_or(Kernel::Plain, |layout| layout.kernel());
        Kernels { row: kernel(&self.row), rows: kernel(&self.rows) }
    }
}

impl Trees {
    /// Lays the trees out for the quickest kernel, or for `wanted` where they suit it. They must be sound.
    pub(in crate::estimator) fn tune(&mut self, wanted: Option<Kernel>) -> Kernels {
        self.tuned = Tuned::default();
        self.tuned = match wanted {
            Some(kernel) => {
                let layout = Layout::new(self, kernel).map(Arc::new);
                Tuned { row: layout.clone(), rows: layout }
            }
            None => choose::quickest(self),
        };
        self.tuned.kernels()
    }
}
