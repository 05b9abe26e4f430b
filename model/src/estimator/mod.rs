//! What was learned: from the columns of a row to a number or to probabilities.

mod constant;
mod explain;
mod linear;
mod naive_bayes;
mod trees;

use serde::{Deserialize, Serialize};

pub use constant::Constant;
pub use explain::OutputScale;
pub(crate) use explain::{Asked, Explanations};
pub use linear::{Linear, Link};
pub use naive_bayes::{NaiveBayes, NormalClass};
pub use trees::{Combine, Kernel, Kernels, TreeNode, Trees, TreesBuilder, TreesError};

/// A learned model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
pub enum Estimator {
    /// Decision trees, one or many. They are no part of the JSON: their file is `trees.bin`.
    #[serde(skip)]
    Trees(Trees),
    /// A linear model.
    Linear(Linear),
    /// Naive Bayes.
    NaiveBayes(NaiveBayes),
    /// The same answer to every row.
    Constant(Constant),
}

impl Estimator {
    /// Predicts one row. `columns` are what the encoder made of it; `output` gets one number for a regression, one
    /// probability a class otherwise, and has that length.
    pub fn predict(&self, columns: &[f64], output: &mut [f64]) {
        match self {
            Estimator::Trees(trees) => trees.predict(columns, output),
            Estimator::Linear(linear) => linear.predict(columns, output),
            Estimator::NaiveBayes(bayes) => bayes.predict(columns, output),
            Estimator::Constant(constant) => constant.predict(output),
        }
    }

    /// Whether a column may be NaN, which stands for a missing value.
    pub(crate) fn takes_missing(&self) -> bool {
        matches!(self, Estimator::Trees(_) | Estimator::Constant(_))
    }

    /// Predicts rows of columns, one after the other, into as many outputs: the same bits as one by one, in less time.
    pub fn predict_rows(&self, columns: &[f64], output: &mut [f64], outputs: usize) {
        if let Estimator::Trees(trees) = self {
            return trees.predict_rows(columns, output);
        }
        let width = columns.len() / (output.len() / outputs.max(1)).max(1);
        for (row, output) in output.chunks_exact_mut(outputs.max(1)).enumerate() {
            self.predict(&columns[row * width..][..width], output);
        }
    }

    /// Lays trees out for the quickest kernel, or for `wanted` where they suit it; tells which ones are used from now on.
    /// They answer alike, to the last bit.
    pub(crate) fn tune(&mut self, wanted: Option<Kernel>) -> Option<Kernels> {
        match self {
            Estimator::Trees(trees) => Some(trees.tune(wanted)),
            _ => None,
        }
    }

    /// Whether the estimator can predict `output` numbers from any `columns` columns; otherwise why not.
    pub(crate) fn check(&self, columns: usize, output: usize) -> Result<(), String> {
        match self {
            Estimator::Trees(trees) => trees.check(columns, output),
            Estimator::Linear(linear) => linear.check(columns, output),
            Estimator::NaiveBayes(bayes) => bayes.check(columns, output),
            Estimator::Constant(constant) => constant.check(output),
        }
    }
}
