//! Logistic regression with an L2 penalty.

mod problem;
mod solver;

use slipway_model::{Estimator, Linear, Link};
use slipway_spec::Parameters;

use self::problem::Problem;
use super::design::Design;
use super::{FitError, Fitted, Learner, Samples, Target};

/// The intercept of a class that no training row has: its probability is 0.
const ABSENT: f64 = -1e4;

/// Logistic regression, for Classification: two classes by one sum, more by softmax.
pub(crate) struct LogisticRegression<'a> {
    samples: &'a Samples,
}

impl<'a> LogisticRegression<'a> {
    pub(crate) fn new(samples: &'a Samples) -> Self {
        LogisticRegression { samples }
    }
}

impl Learner for LogisticRegression<'_> {
    fn samples(&self) -> &Samples {
        self.samples
    }

    fn fit(&self, rows: &[u32], parameters: &Parameters) -> Result<Fitted, FitError> {
        let Target::Classes { codes, count } = &self.samples.target else {
            return Err(FitError("LogisticRegression needs a target of classes".to_owned()));
        };
        let present = present(codes, *count, rows);
        if present.iter().filter(|present| **present).count() < 2 {
            return Err(FitError("the training rows hold only one class; there is nothing to tell apart".to_owned()));
        }
        let design = Design::new(self.samples, rows)?;
        let intercept = parameters.fit_intercept.unwrap_or(true);
        let penalty =
            1.0 / (parameters.c.map_or(1.0, slipway_spec::parameters::PositiveNumber::get) * rows.len() as f64);
        // Classes without rows have no sum of their own; two classes share one.
        let sums: Vec<Option<usize>> = present
            .iter()
            .scan(0, |next, &present| {
                let place = *next;
                *next += usize::from(present);
                Some(present.then_some(place))
            })
            .collect();
        let binary = *count == 2;
        let problem = Problem { design: &design, codes, sums: &sums, binary, intercept, penalty };
        let tolerance = parameters.tol.map_or(1e-4, slipway_spec::parameters::PositiveNumber::get);
        let iterations = parameters.max_iter.map_or(100, slipway_spec::parameters::PositiveInteger::get);
        let solved = solver::solve(&problem, tolerance, iterations);
        let estimator = Estimator::Linear(linear(&problem, &solved.weights));
        let mut warnings = Vec::new();
        if solved.gradient > tolerance {
            warnings.push(format!(
                "LogisticRegression did not converge in {iterations} iterations: its largest gradient is {:.1e}; raise max_iter",
                solved.gradient
            ));
        }
        Ok(Fitted { encoder: design.encoder, estimator, warnings })
    }
}

/// Whether each class has a row.
fn present(codes: &[u32], count: usize, rows: &[u32]) -> Vec<bool> {
    let mut present = vec![false; count];
    for &row in rows {
        present[codes[row as usize] as usize] = true;
    }
    present
}

fn linear(problem: &Problem<'_>, weights: &[f64]) -> Linear {
    let width = problem.design.width();
    let row = |sum: usize| &weights[sum * problem.stride()..(sum + 1) * problem.stride()];
    let intercept = |sum: usize| if problem.intercept { row(sum)[width] } else { 0.0 };
    if problem.binary {
        let coefficients = vec![row(0)[..width].to_vec()];
        return Linear { link: Link::Logistic, coefficients, intercepts: vec![intercept(0)] };
    }
    let coefficients =
        problem.sums.iter().map(|sum| sum.map_or_else(|| vec![0.0; width], |sum| row(sum)[..width].to_vec()));
    let intercepts = problem.sums.iter().map(|sum| sum.map_or(ABSENT, intercept));
    Linear { link: Link::Softmax, coefficients: coefficients.collect(), intercepts: intercepts.collect() }
}
