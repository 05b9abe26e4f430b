//! Where leaves are added up: for each row in the order of the trees, whatever way was taken to them.

use super::super::{Combine, Trees};
use super::LANES;

/// The sums of some rows, in the place of their predictions.
#[derive(Debug)]
pub struct Sums<'a> {
    trees: &'a Trees,
    /// How many sums trees add to in turn; 0 where each leaf has a number for every sum.
    turns: usize,
    /// Numbers of a prediction.
    outputs: usize,
    output: &'a mut [f64],
}

impl<'a> Sums<'a> {
    /// Of as many rows as there is room for.
    pub fn new(trees: &'a Trees, output: &'a mut [f64]) -> Sums<'a> {
        let turns = match &trees.combine {
            Combine::Mean if trees.width == 1 => 1,
            Combine::Mean => 0,
            Combine::Sum { base, .. } => base.len(),
        };
        let outputs = trees.outputs();
        output.chunks_exact_mut(outputs).for_each(|output| trees.start(output));
        Sums { trees, turns, outputs, output }
    }

    /// From the sums to predictions.
    pub fn finish(self) {
        self.output.chunks_exact_mut(self.outputs).for_each(|output| self.trees.finish(output));
    }

    /// Adds a leaf of many numbers to the sums of a row.
    #[inline]
    fn add_all(&mut self, row: usize, leaf: u32) {
        let width = self.trees.width;
        let values = &self.trees.values[leaf as usize * width..][..width];
        for (sum, value) in self.output[row * self.outputs..].iter_mut().zip(values) {
            *sum += value;
        }
    }
}

/// A leaf as a kernel holds it.
pub trait Leaf: Copy + Send + Sync + 'static {
    /// Adds leaves of at most [`LANES`] trees, from the tree at place `first` on, to the only row.
    fn of_trees(sums: &mut Sums<'_>, first: usize, leaves: &[Self]);

    /// Adds leaves of a tree to rows, from the row at place `first` on, as many as there are.
    fn of_rows(sums: &mut Sums<'_>, first: usize, tree: usize, leaves: &[Self; LANES]);
}

/// Its only number.
impl Leaf for f64 {
    #[inline]
    fn of_trees(sums: &mut Sums<'_>, first: usize, leaves: &[f64]) {
        if sums.turns == 1 {
            sums.output[0] = leaves.iter().fold(sums.output[0], |sum, leaf| sum + leaf);
            return;
        }
        for (tree, leaf) in leaves.iter().enumerate() {
            sums.output[(first + tree) % sums.turns] += leaf;
        }
    }

    #[inline]
    fn of_rows(sums: &mut Sums<'_>, first: usize, tree: usize, leaves: &[f64; LANES]) {
        let turn = if sums.turns == 1 { 0 } else { tree % sums.turns };
        let mut place = first * sums.outputs + turn;
        for leaf in leaves {
            let Some(sum) = sums.output.get_mut(place) else { return };
            *sum += leaf;
            place += sums.outputs;
        }
    }
}

/// Its place among the values.
impl Leaf for u32 {
    #[inline]
    fn of_trees(sums: &mut Sums<'_>, first: usize, leaves: &[u32]) {
        if sums.turns == 0 {
            return leaves.iter().for_each(|&leaf| sums.add_all(0, leaf));
        }
        let values = &sums.trees.values;
        let mut found = [0.0; LANES];
        for (found, &leaf) in found.iter_mut().zip(leaves) {
            *found = values[leaf as usize];
        }
        f64::of_trees(sums, first, &found[..leaves.len()]);
    }

    #[inline]
    fn of_rows(sums: &mut Sums<'_>, first: usize, tree: usize, leaves: &[u32; LANES]) {
        if sums.turns == 0 {
            let rows = first..sums.output.len() / sums.outputs;
            return rows.zip(leaves).for_each(|(row, &leaf)| sums.add_all(row, leaf));
        }
        let values = &sums.trees.values;
        f64::of_rows(sums, first, tree, &leaves.map(|leaf| values[leaf as usize]));
    }
}
