//! Linear models.

use serde::{Deserialize, Serialize};

use super::Asked;

/// A weighted sum of the columns for each row of coefficients, through a link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Linear {
    /// From sums to predictions.
    pub link: Link,
    /// One row of weights for each sum, each with one weight a column.
    pub coefficients: Vec<Vec<f64>>,
    /// One for each row of weights.
    pub intercepts: Vec<f64>,
    /// The mean of each column over the training rows, by their weights, which explanations tell a row from. Empty where it is
    /// not known: the model predicts, and cannot be explained.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub means: Vec<f64>,
}

/// From weighted sums to predictions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Link {
    /// The sum itself.
    Identity,
    /// One sum, the logarithm of the prediction.
    Exponential,
    /// One sum; the logistic function of it is the probability of the second of two classes.
    Logistic,
    /// One sum a class; their softmax is the probabilities.
    Softmax,
}

impl Link {
    /// How many sums it makes a prediction of `output` numbers from, if it can.
    pub(super) fn sums(self, output: usize) -> Option<usize> {
        match self {
            Link::Identity | Link::Exponential if output == 1 => Some(1),
            Link::Logistic if output == 2 => Some(1),
            Link::Softmax if output > 1 => Some(output),
            _ => None,
        }
    }

    /// Turns the sums, which are the first of `output`, into the prediction, which is all of it.
    pub fn apply(self, output: &mut [f64]) {
        match self {
            Link::Identity => {}
            // Finite, as every prediction must be.
            Link::Exponential => output[0] = output[0].exp().min(f64::MAX),
            Link::Logistic => {
                let probability = logistic(output[0]);
                output[0] = 1.0 - probability;
                output[1] = probability;
            }
            Link::Softmax => softmax(output),
        }
    }
}

impl Linear {
    pub(super) fn predict(&self, columns: &[f64], output: &mut [f64]) {
        for ((sum, row), intercept) in output.iter_mut().zip(&self.coefficients).zip(&self.intercepts) {
            let products = row.iter().zip(columns).map(|(weight, column)| weight * column);
            *sum = intercept + products.sum::<f64>();
        }
        self.link.apply(output);
    }

    /// What each column adds to the sum that is asked for, against the mean of the training rows. Of two classes there is one
    /// sum, of the second.
    pub(super) fn explain(&self, row: &mut Asked<'_>) {
        let place = if self.coefficients.len() == 1 { 0 } else { row.class };
        row.base = self.intercepts[place];
        let terms = self.coefficients[place].iter().zip(&self.means).zip(row.columns);
        for (contribution, ((weight, mean), column)) in row.contributions.iter_mut().zip(terms) {
            *contribution = weight * (column - mean);
            row.base += weight * mean;
        }
    }

    pub(super) fn check(&self, columns: usize, output: usize) -> Result<(), String> {
        let Some(rows) = self.link.sums(output) else {
            return Err(format!("the link {:?} cannot give {output} numbers", self.link));
        };
        if self.coefficients.len() != rows || self.intercepts.len() != rows {
            let given = self.coefficients.len();
            return Err(format!(
                "{given} rows of coefficients and {} intercepts where {rows} are needed",
                self.intercepts.len()
            ));
        }
        if let Some(row) = self.coefficients.iter().find(|row| row.len() != columns) {
            return Err(format!("{} coefficients for {columns} columns", row.len()));
        }
        if !self.means.is_empty() && self.means.len() != columns {
            return Err(format!("{} means for {columns} columns", self.means.len()));
        }
        let mut numbers = self.coefficients.iter().flatten().chain(&self.intercepts).chain(&self.means);
        if numbers.all(|value| value.is_finite()) {
            Ok(())
        } else {
            Err("a coefficient or a mean is not a finite number".to_owned())
        }
    }
}

/// The logistic function, without overflow.
fn logistic(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let e = x.exp();
        e / (1.0 + e)
    }
}

fn softmax(values: &mut [f64]) {
    let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    for value in values.iter_mut() {
        *value = (*value - largest).exp();
    }
    let sum: f64 = values.iter().sum();
    for value in values.iter_mut() {
        *value /= sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_give_numbers_and_probabilities() {
        let linear = |link, coefficients: &[&[f64]], intercepts: &[f64]| Linear {
            link,
            coefficients: coefficients.iter().map(|row| row.to_vec()).collect(),
            intercepts: intercepts.to_vec(),
            means: Vec::new(),
        };
        let mut one = [0.0];
        linear(Link::Identity, &[&[2.0, -1.0]], &[0.5]).predict(&[3.0, 1.0], &mut one);
        assert_eq!(one, [5.5]);
        let mut two = [0.0; 2];
        linear(Link::Logistic, &[&[1.0]], &[0.0]).predict(&[-800.0], &mut two);
        assert_eq!(two, [1.0, 0.0]);
        let mut three = [0.0; 3];
        linear(Link::Softmax, &[&[1.0], &[1.0], &[1.0]], &[0.0; 3]).predict(&[1e4], &mut three);
        assert!(three.iter().all(|p| (p - 1.0 / 3.0).abs() < 1e-15));
    }

    #[test]
    fn a_model_of_the_wrong_shape_is_refused() {
        let linear =
            Linear { link: Link::Identity, coefficients: vec![vec![1.0]], intercepts: vec![0.0], means: vec![0.5] };
        assert!(linear.check(1, 1).is_ok());
        assert!(linear.check(2, 1).is_err());
        assert!(linear.check(1, 2).is_err());
        assert!(Linear { intercepts: vec![f64::NAN], ..linear.clone() }.check(1, 1).is_err());
        assert!(Linear { means: vec![f64::INFINITY], ..linear.clone() }.check(1, 1).is_err());
        assert!(Linear { means: vec![0.0; 2], ..linear.clone() }.check(1, 1).is_err());
        assert!(Linear { means: vec![], ..linear }.check(1, 1).is_ok());
    }
}
