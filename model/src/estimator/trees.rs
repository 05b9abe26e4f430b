//! Decision trees, one or many: single trees, forests and boosted trees.

mod builder;
mod explain;
mod file;
mod kernel;
mod nodes;
mod packed;
mod weights;

#[cfg(test)]
mod tests;

use super::Link;

pub use builder::{TreeNode, TreesBuilder};
pub use explain::Plan;
pub use file::TreesError;
pub use kernel::{Kernel, Kernels};

use kernel::{Layout, Tuned};
use nodes::{Loose, Node, Nodes};
use weights::Weights;

/// Most nodes of all trees together.
pub const MAX_NODES: usize = 1 << 28;

/// Trees, or rows, that are walked at the same time. Each step waits for memory, so several walks take hardly longer than one.
const LANES: usize = 8;
/// Columns or words up to this many need no memory of their own to predict.
const FEW: usize = 128;
/// Rows that are walked one tree at a time: together they fit into the nearest cache.
const BLOCK: usize = 64;

/// Decision trees and how their leaves become a prediction.
///
/// As in scikit-learn, columns are compared as 32-bit floats: a row goes left where `column as f32 <= threshold`. A value
/// that is not a number is missing, and goes where the node says. Made by [`TreesBuilder`], stored by [`Trees::to_bytes`].
#[derive(Clone, Debug, PartialEq)]
pub struct Trees {
    combine: Combine,
    /// Numbers in a leaf.
    width: usize,
    nodes: Nodes,
    /// The different leaves, one after the other, each of `width` numbers.
    values: Vec<f64>,
    /// The sets of categories, each with the number of its words before it; a category is a bit, the lowest first.
    sets: Vec<u32>,
    /// What the training rows that ended in each leaf weigh.
    weights: Option<Weights>,
    /// How they are walked.
    tuned: Tuned,
}

/// From the leaves where a row ends to its prediction.
#[derive(Clone, Debug, PartialEq)]
pub enum Combine {
    /// The mean of the leaves, each of as many numbers as the prediction: the number itself, or one probability a class.
    Mean,
    /// Leaves of one number are added up and go through a link. The tree at place `t` adds to the sum at `t % base.len()`.
    Sum {
        /// Where each sum starts.
        base: Vec<f64>,
        /// From sums to the prediction.
        link: Link,
    },
}

/// Calls `work` with room for `count` words.
fn with_words<T>(count: usize, work: impl FnOnce(&mut [u32]) -> T) -> T {
    let mut few = [0; FEW];
    match few.get_mut(..count) {
        Some(few) => work(few),
        None => work(&mut vec![0; count]),
    }
}

impl Trees {
    /// Number of trees.
    pub fn count(&self) -> usize {
        self.nodes.count()
    }

    /// Number of nodes of all trees, leaves included.
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Number of leaves of all trees.
    pub fn leaves(&self) -> usize {
        // Each tree has one more of them than splits.
        self.nodes().midpoint(self.count())
    }

    /// Predicts one row.
    pub(super) fn predict(&self, columns: &[f64], output: &mut [f64]) {
        self.predict_by(self.tuned.row(), columns, output);
    }

    /// Predicts rows of columns, one after the other.
    pub(super) fn predict_rows(&self, columns: &[f64], output: &mut [f64]) {
        self.predict_rows_by(self.tuned.rows(), columns, output);
    }

    fn predict_by(&self, layout: Option<&Layout>, columns: &[f64], output: &mut [f64]) {
        if let Some(layout) = layout {
            return layout.row(self, columns, output);
        }
        self.start(output);
        self.nodes.row(&self.sets, columns, |tree, leaf| self.add(output, tree, leaf as usize));
        self.finish(output);
    }

    fn predict_rows_by(&self, layout: Option<&Layout>, columns: &[f64], output: &mut [f64]) {
        let outputs = self.outputs();
        let width = columns.len() / (output.len() / outputs).max(1);
        if width == 0 {
            return output.chunks_exact_mut(outputs).for_each(|output| self.predict_by(layout, &[], output));
        }
        for (columns, output) in columns.chunks(BLOCK * width).zip(output.chunks_mut(BLOCK * outputs)) {
            if let Some(layout) = layout {
                layout.rows(self, columns, width, output);
                continue;
            }
            output.chunks_exact_mut(outputs).for_each(|output| self.start(output));
            self.nodes.rows(&self.sets, columns, width, |row, tree, leaf| {
                self.add(&mut output[row * outputs..][..outputs], tree, leaf as usize);
            });
            output.chunks_exact_mut(outputs).for_each(|output| self.finish(output));
        }
    }

    /// Numbers of a prediction.
    fn outputs(&self) -> usize {
        match &self.combine {
            Combine::Mean => self.width,
            Combine::Sum { link: Link::Logistic, .. } => 2,
            Combine::Sum { base, .. } => base.len(),
        }
    }

    /// Where the sums of a prediction start.
    fn start(&self, output: &mut [f64]) {
        match &self.combine {
            Combine::Mean => output.fill(0.0),
            Combine::Sum { base, .. } => output[..base.len()].copy_from_slice(base),
        }
    }

    /// Adds a leaf to the sums.
    #[inline]
    fn add(&self, output: &mut [f64], tree: usize, leaf: usize) {
        match &self.combine {
            Combine::Mean => {
                let values = &self.values[leaf * self.width..];
                for (sum, value) in output.iter_mut().zip(values) {
                    *sum += value;
                }
            }
            Combine::Sum { base, .. } => {
                let sum = if base.len() == 1 { 0 } else { tree % base.len() };
                output[sum] += self.values[leaf];
            }
        }
    }

    /// From the sums to the prediction.
    fn finish(&self, output: &mut [f64]) {
        match &self.combine {
            Combine::Mean if self.count() > 1 => {
                let count = self.count() as f64;
                for sum in output {
                    *sum /= count;
                }
            }
            Combine::Mean => {}
            Combine::Sum { link, .. } => link.apply(output),
        }
    }

    /// Whether the trees can predict `output` numbers from any `columns` columns; otherwise why not.
    pub(super) fn check(&self, columns: usize, output: usize) -> Result<(), String> {
        self.check_shape(output)?;
        self.nodes.check(columns, self.values.len() / self.width, |place| self.has_set(place))?;
        if self.values.iter().all(|value| value.is_finite()) {
            Ok(())
        } else {
            Err("a leaf is not a finite number".to_owned())
        }
    }

    /// Whether a set starts here.
    fn has_set(&self, place: u32) -> bool {
        let place = place as usize;
        self.sets.get(place).is_some_and(|&words| place + (words as usize) < self.sets.len())
    }

    fn check_shape(&self, output: usize) -> Result<(), String> {
        let (trees, nodes, width) = (self.count(), self.nodes(), self.width);
        let sound = trees > 0 && nodes >= trees && nodes <= MAX_NODES;
        if !sound || width == 0 || !self.values.len().is_multiple_of(width) {
            return Err(format!(
                "{trees} trees of {nodes} nodes, with {} numbers in leaves of {width}",
                self.values.len()
            ));
        }
        match &self.combine {
            Combine::Mean if width == output => Ok(()),
            Combine::Mean => Err(format!("leaves of {width} numbers where {output} are predicted")),
            Combine::Sum { base, link } if width == 1 && link.sums(output) == Some(base.len()) => {
                let finite = base.iter().all(|base| base.is_finite());
                if finite { Ok(()) } else { Err("the sums of the trees start with no finite number".to_owned()) }
            }
            Combine::Sum { base, link } => {
                Err(format!("{} sums of leaves of {width} through {link:?} cannot give {output} numbers", base.len()))
            }
        }
    }
}
