//! The same answer to every row.

use serde::{Deserialize, Serialize};

/// Predicts the same whatever the columns: what a model must beat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Constant {
    /// One number for a regression, one probability a class otherwise.
    pub values: Vec<f64>,
}

impl Constant {
    pub(super) fn predict(&self, output: &mut [f64]) {
        output.copy_from_slice(&self.values);
    }

    pub(super) fn check(&self, output: usize) -> Result<(), String> {
        if self.values.len() != output {
            return Err(format!("a constant answer of {} numbers where {output} are needed", self.values.len()));
        }
        let finite = self.values.iter().all(|value| value.is_finite());
        let probabilities = output == 1 || self.values.iter().all(|value| (0.0..=1.0).contains(value));
        if finite && probabilities {
            Ok(())
        } else {
            Err("a constant answer is not finite, or no probability".to_owned())
        }
    }
}
