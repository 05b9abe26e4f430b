//! How much rows count.

use slipway_spec::ClassWeight;

use super::{FitError, Samples, Target};

impl Samples {
    /// The weight of each of `rows`.
    pub(crate) fn weights_of(&self, rows: &[u32]) -> Vec<f64> {
        match &self.weights {
            None => vec![1.0; rows.len()],
            Some(weights) => rows.iter().map(|&row| weights[row as usize]).collect(),
        }
    }

    /// Multiplies the weights of `rows` by what is `asked` for their classes. Balanced weights are inversely proportional to
    /// the classes' shares of the weights, as scikit-learn's `compute_class_weight`.
    pub(crate) fn weigh_classes(
        &self,
        asked: Option<&ClassWeight>,
        rows: &[u32],
        weights: &mut [f64],
    ) -> Result<(), FitError> {
        let (Some(asked), Target::Classes { codes, count }) = (asked, &self.target) else { return Ok(()) };
        let factors = match asked {
            ClassWeight::Balanced | ClassWeight::BalancedSubsample => balanced(codes, *count, rows, weights),
            ClassWeight::Map(map) => {
                if let Some(unknown) = map.keys().find(|name| !self.classes.contains(name)) {
                    let known = self.classes.join(", ");
                    return Err(FitError(format!(
                        "class_weight names the class {unknown}, which is not there; it has {known}"
                    )));
                }
                self.classes.iter().map(|class| map.get(class).map_or(1.0, |weight| weight.get())).collect()
            }
        };
        for (&row, weight) in rows.iter().zip(weights) {
            *weight *= factors[codes[row as usize] as usize];
        }
        Ok(())
    }
}

/// The factor of each class that makes all classes with rows weigh the same.
fn balanced(codes: &[u32], count: usize, rows: &[u32], weights: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0; count];
    for (&row, weight) in rows.iter().zip(weights) {
        sums[codes[row as usize] as usize] += weight;
    }
    let present = sums.iter().filter(|sum| **sum > 0.0).count() as f64;
    let total: f64 = sums.iter().sum();
    sums.into_iter().map(|sum| if sum > 0.0 { total / (present * sum) } else { 1.0 }).collect()
}
