//! What was learned: from the columns of a row to a number or to probabilities.

mod linear;
mod tree;

use serde::{Deserialize, Serialize};

pub use linear::{Linear, Link};
pub use tree::{Tree, TreeNode};

/// A learned model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
pub enum Estimator {
    /// One decision tree.
    Tree(Tree),
    /// A linear model.
    Linear(Linear),
}

impl Estimator {
    /// Predicts one row. `columns` are what the encoder made of it; `output` gets one number for a regression, one
    /// probability a class otherwise, and has that length.
    pub fn predict(&self, columns: &[f64], output: &mut [f64]) {
        match self {
            Estimator::Tree(tree) => tree.predict(columns, output),
            Estimator::Linear(linear) => linear.predict(columns, output),
        }
    }

    /// Whether the estimator can predict `output` numbers from any `columns` columns; otherwise why not.
    pub(crate) fn check(&self, columns: usize, output: usize) -> Result<(), String> {
        match self {
            Estimator::Tree(tree) => tree.check(columns, output),
            Estimator::Linear(linear) => linear.check(columns, output),
        }
    }
}
