//! Naive Bayes.

use std::f64::consts::TAU;

use serde::{Deserialize, Serialize};

use super::Asked;

/// Every column of a class has a normal distribution of its own, independent of the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NaiveBayes {
    /// For each class its distributions; `None` for a class that never occurs.
    pub classes: Vec<Option<NormalClass>>,
}

/// The distributions of one class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NormalClass {
    /// Its probability before anything is known.
    pub prior: f64,
    /// The mean of each column.
    pub means: Vec<f64>,
    /// The variance of each column.
    pub variances: Vec<f64>,
}

impl NormalClass {
    /// Logarithm of the probability of the class together with the columns.
    fn log_likelihood(&self, columns: &[f64]) -> f64 {
        let terms = self.means.iter().zip(&self.variances).zip(columns);
        let distance: f64 = terms.map(|((mean, variance), column)| distance(*mean, *variance, *column)).sum();
        self.prior.ln() - 0.5 * distance
    }

    /// Logarithm of the density of a column at a value.
    fn log_density(&self, column: usize, value: f64) -> f64 {
        -0.5 * distance(self.means[column], self.variances[column], value)
    }
}

/// -2 times the logarithm of a normal density.
fn distance(mean: f64, variance: f64, value: f64) -> f64 {
    let from = value - mean;
    (TAU * variance).ln() + from * from / variance
}

impl NaiveBayes {
    pub(super) fn predict(&self, columns: &[f64], output: &mut [f64]) {
        for (value, class) in output.iter_mut().zip(&self.classes) {
            *value = class.as_ref().map_or(f64::NEG_INFINITY, |class| class.log_likelihood(columns));
        }
        let largest = output.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for (value, class) in output.iter_mut().zip(&self.classes) {
            *value = match class {
                // So far from all classes that no number can tell how far: what was known before decides.
                Some(class) if !largest.is_finite() => class.prior,
                _ => (*value - largest).exp(),
            };
        }
        let sum: f64 = output.iter().sum();
        for value in output.iter_mut() {
            *value /= sum;
        }
    }

    /// What each column adds to the class that is asked for, by how probable its value is there and in the others. Of two
    /// classes that is the weight of evidence (Good 1950): the logarithm of how many times more probable it is in the second.
    /// Of more, it is told from the mean over all classes. The base is what the classes' frequencies say. Every class occurs.
    pub(super) fn explain(&self, row: &mut Asked<'_>) {
        let classes: Vec<&NormalClass> = self.classes.iter().flatten().collect();
        let share = 1.0 / classes.len() as f64;
        for (place, class) in classes.iter().enumerate() {
            let factor = match classes.len() {
                2 => [-1.0, 1.0][place],
                _ if place == row.class => 1.0 - share,
                _ => -share,
            };
            row.base += factor * class.prior.ln();
            for (column, contribution) in row.contributions.iter_mut().enumerate() {
                *contribution += factor * class.log_density(column, row.columns[column]);
            }
        }
    }

    pub(super) fn check(&self, columns: usize, output: usize) -> Result<(), String> {
        if self.classes.len() != output {
            return Err(format!("{} classes of naive Bayes where there are {output}", self.classes.len()));
        }
        for class in self.classes.iter().flatten() {
            if class.means.len() != columns || class.variances.len() != columns {
                let (means, variances) = (class.means.len(), class.variances.len());
                return Err(format!("{means} means and {variances} variances for {columns} columns"));
            }
            let usable = |variance: &f64| variance.is_normal() && *variance > 0.0 && (TAU * variance).is_finite();
            if !class.means.iter().all(|mean| mean.is_finite()) || !class.variances.iter().all(usable) {
                return Err("a mean is not finite, or a variance not above 0".to_owned());
            }
            if !(class.prior > 0.0 && class.prior <= 1.0) {
                return Err(format!("a class has the prior {}", class.prior));
            }
        }
        if self.classes.iter().all(Option::is_none) {
            return Err("naive Bayes has no class".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(prior: f64, mean: f64, variance: f64) -> NormalClass {
        NormalClass { prior, means: vec![mean], variances: vec![variance] }
    }

    #[test]
    fn the_nearer_class_is_more_probable_and_an_absent_one_never() {
        let model = NaiveBayes { classes: vec![Some(class(0.5, 0.0, 1.0)), None, Some(class(0.5, 2.0, 1.0))] };
        let mut output = [0.0; 3];
        model.predict(&[1.0], &mut output);
        assert_eq!(output, [0.5, 0.0, 0.5]);
        model.predict(&[2.0], &mut output);
        // exp(0) against exp(-2).
        assert!((output[2] - 1.0 / (1.0 + (-2.0_f64).exp())).abs() < 1e-15, "{output:?}");
    }

    #[test]
    fn values_far_from_everything_give_probabilities_still() {
        let model = NaiveBayes { classes: vec![Some(class(0.25, 0.0, 1e-9)), Some(class(0.75, 1.0, 1e-9))] };
        for far in [1e200, -1e308] {
            let mut output = [0.0; 2];
            model.predict(&[far], &mut output);
            assert_eq!(output, [0.25, 0.75], "{far}");
        }
    }

    #[test]
    fn a_model_of_the_wrong_shape_is_refused() {
        let model = |class| NaiveBayes { classes: vec![class, None] };
        assert!(model(Some(class(0.5, 0.0, 1.0))).check(1, 2).is_ok());
        assert!(model(Some(class(0.5, 0.0, 1.0))).check(2, 2).is_err());
        assert!(model(Some(class(0.5, 0.0, 1.0))).check(1, 3).is_err());
        assert!(model(Some(class(0.5, 0.0, 0.0))).check(1, 2).is_err());
        assert!(model(Some(class(0.0, 0.0, 1.0))).check(1, 2).is_err());
        assert!(model(None).check(1, 2).is_err());
    }
}
