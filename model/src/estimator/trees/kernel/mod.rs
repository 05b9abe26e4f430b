//! Quick ways to the leaves where rows end. All lead to the same leaves, and leaves are added up in the same order, so that
//! which one is taken shows in nothing but time.

mod arena;
mod bits;
mod choose;
mod complete;
mod sums;
#[cfg(test)]
mod tests;
mod words;

use std::fmt::{self, Debug, Formatter};
use std::str::FromStr;
use std::sync::Arc;

use super::{LANES, Trees};
use sums::Sums;
use words::{EMPTY, Reader, Row, Words};

/// A way to walk trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// The trees as they are held, in the least memory.
    Plain,
    /// One arena of linked nodes, of eight bytes each.
    Arena,
    /// Complete trees without links; for shallow ones.
    Complete,
    /// Bits for leaves, which splits strike out; for trees of few leaves, of any shape.
    Bits,
}

impl Kernel {
    /// All of them.
    pub const ALL: [Kernel; 4] = [Kernel::Plain, Kernel::Arena, Kernel::Complete, Kernel::Bits];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Kernel::Plain => "plain",
            Kernel::Arena => "arena",
            Kernel::Complete => "complete",
            Kernel::Bits => "bits",
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

/// Trees laid out for a kernel.
trait Walk: Send + Sync {
    /// Which kernel that is.
    fn kernel(&self) -> Kernel;

    /// Adds up the leaves of a row.
    fn row(&self, words: &Words, row: &Row, sums: &mut Sums<'_>);

    /// Adds up the leaves of rows, of as many as there are sums of; the last lanes may have no row.
    fn block(&self, words: &Words, rows: &[[Row; LANES]], sums: &mut Sums<'_>);
}

/// Trees as a kernel walks them, and the rows it takes.
pub(super) struct Layout {
    words: Words,
    walk: Box<dyn Walk>,
}

impl Layout {
    /// Sound trees, laid out for `kernel`; none where they do not suit it.
    fn new(trees: &Trees, kernel: Kernel) -> Option<Layout> {
        let mut reader = Reader::new(trees)?;
        let walk = if reader.has_sets() {
            walk::<true>(trees, &mut reader, kernel)?
        } else {
            walk::<false>(trees, &mut reader, kernel)?
        };
        Some(Layout { words: reader.finish(), walk })
    }

    /// Predicts a row of columns.
    pub fn row(&self, trees: &Trees, columns: &[f64], output: &mut [f64]) {
        let mut row = EMPTY;
        self.words.fill(columns, &mut row);
        let mut sums = Sums::new(trees, output);
        self.walk.row(&self.words, &row, &mut sums);
        sums.finish();
    }

    /// Predicts a few rows of `width` columns each.
    pub fn rows(&self, trees: &Trees, columns: &[f64], width: usize, output: &mut [f64]) {
        let rows = output.len() / trees.outputs();
        let mut block = vec![[EMPTY; LANES]; rows.div_ceil(LANES)];
        for (columns, words) in columns.chunks_exact(width).zip(block.as_flattened_mut()) {
            self.words.fill(columns, words);
        }
        let mut sums = Sums::new(trees, output);
        self.walk.block(&self.words, &block, &mut sums);
        sums.finish();
    }
}

/// The walk of a kernel; `SETS` tells whether splits may go by sets, which costs all others time.
fn walk<const SETS: bool>(trees: &Trees, reader: &mut Reader<'_>, kernel: Kernel) -> Option<Box<dyn Walk>> {
    match kernel {
        Kernel::Plain => None,
        Kernel::Arena => arena::new::<SETS>(trees, reader),
        Kernel::Complete => complete::new::<SETS>(trees, reader),
        Kernel::Bits => bits::new(trees, reader),
    }
}

impl Debug for Layout {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "Layout({:?})", self.walk.kernel())
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
        let kernel =
            |layout: &Option<Arc<Layout>>| layout.as_ref().map_or(Kernel::Plain, |layout| layout.walk.kernel());
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
