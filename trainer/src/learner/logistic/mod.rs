//! Logistic regression with an L1 penalty, an L2 penalty, both or none.

mod problem;
mod solver;

use rayon::prelude::*;
use slipway_model::{Estimator, Linear, Link};
use slipway_spec::{Fraction, Parameters, Penalty, PositiveInteger, PositiveNumber};

use self::problem::Problem;
use super::design::Design;
use super::{FitError, Fitted, Learner, Samples, Scorer, Target};

/// The intercept of a class that no training row has: its probability is 0.
const ABSENT: f64 = -1e4;

/// Logistic regression, for Classification: two classes by one sum, more by softmax.
pub(crate) struct LogisticRegression<'a> {
    samples: &'a Samples,
}

/// The rows of a fit, and the sum that stands for the class of each.
struct Prepared {
    design: Design,
    targets: Vec<Option<u32>>,
    /// Of each class the place of its sum; `None` for a class without rows.
    sums: Vec<Option<u32>>,
}

impl<'a> LogisticRegression<'a> {
    pub(crate) fn new(samples: &'a Samples) -> Self {
        LogisticRegression { samples }
    }

    fn prepare(&self, rows: &[u32], intercept: bool) -> Result<Prepared, FitError> {
        let Target::Classes { codes, count } = &self.samples.target else {
            return Err(FitError("LogisticRegression needs a target of classes".to_owned()));
        };
        let design = Design::new(self.samples, rows, intercept)?;
        let mut present = vec![false; *count];
        for (&row, weight) in rows.iter().zip(&design.weights) {
            present[codes[row as usize] as usize] |= *weight > 0.0;
        }
        if present.iter().filter(|present| **present).count() < 2 {
            return Err(FitError("the training rows hold only one class; there is nothing to tell apart".to_owned()));
        }
        // Classes without rows have no sum of their own; two classes share one.
        let mut next = 0..;
        let sums: Vec<Option<u32>> = if *count == 2 {
            vec![None, Some(0)]
        } else {
            present.iter().map(|&present| if present { next.next() } else { None }).collect()
        };
        let targets = rows.iter().map(|&row| sums[codes[row as usize] as usize]).collect();
        Ok(Prepared { design, targets, sums })
    }

    fn solve(&self, prepared: &Prepared, parameters: &Parameters) -> Result<Fitted, FitError> {
        let design = &prepared.design;
        let mut weights = design.weights.clone();
        self.samples.weigh_classes(parameters.class_weight.as_ref(), &design.rows, &mut weights)?;
        let total: f64 = weights.iter().sum();
        let (l1, l2) = penalty(parameters, total);
        let binary = prepared.sums.len() == 2;
        let sums = if binary { 1 } else { prepared.sums.iter().flatten().count() };
        let problem = Problem { design, weights: &weights, targets: &prepared.targets, sums, l1, l2, total };
        let tolerance = parameters.tol.map_or(1e-4, PositiveNumber::get);
        let iterations = parameters.max_iter.map_or(100, PositiveInteger::get);
        let solved = solver::solve(&problem, tolerance, iterations);
        let mut warnings = Vec::new();
        if solved.slope > tolerance {
            warnings.push(format!(
                "LogisticRegression did not converge in {iterations} iterations: its largest gradient is {:.1e}; raise max_iter",
                solved.slope
            ));
        }
        let linear = prepared.linear(&solved.weights);
        let importances = design.importances(&linear.coefficients);
        Ok(Fitted { warnings, importances, ..Fitted::new(design.encoder.clone(), Estimator::Linear(linear)) })
    }
}

impl Learner for LogisticRegression<'_> {
    fn samples(&self) -> &Samples {
        self.samples
    }

    fn fit(&self, rows: &[u32], parameters: &Parameters) -> Result<Fitted, FitError> {
        self.solve(&self.prepare(rows, intercept(parameters))?, parameters)
    }

    /// Every point uses the same design.
    fn shares(&self, _parameter: &str) -> bool {
        true
    }

    fn validate(
        &self,
        points: &[Parameters],
        rows: &[u32],
        validation: &[u32],
        scorer: &Scorer,
    ) -> Result<Vec<Option<f64>>, FitError> {
        let mut prepared = [None, None];
        for point in points {
            let place = usize::from(intercept(point));
            if prepared[place].is_none() {
                prepared[place] = Some(self.prepare(rows, intercept(point))?);
            }
        }
        let score = |point: &Parameters| {
            let Some(prepared) = &prepared[usize::from(intercept(point))] else { return Ok(None) };
            let fitted = self.solve(prepared, point)?;
            Ok(scorer.score(&self.samples.target, validation, &self.samples.predict(&fitted, validation)))
        };
        points.par_iter().map(score).collect()
    }
}

impl Prepared {
    fn linear(&self, weights: &[f64]) -> Linear {
        let (design, stride) = (&self.design, self.design.places());
        let absent = || (vec![0.0; design.encoder.width()], ABSENT);
        let sums = weights.chunks_exact(stride).map(|weights| design.coefficients(weights));
        let (link, (coefficients, intercepts)) = if self.sums.len() == 2 {
            (Link::Logistic, sums.unzip())
        } else {
            let found: Vec<(Vec<f64>, f64)> = sums.collect();
            let of_class = |sum: &Option<u32>| sum.map_or_else(absent, |sum| found[sum as usize].clone());
            (Link::Softmax, self.sums.iter().map(of_class).unzip())
        };
        Linear { link, coefficients, intercepts, means: design.means.clone() }
    }
}

fn intercept(parameters: &Parameters) -> bool {
    parameters.fit_intercept.unwrap_or(true)
}

/// The L1 and the L2 penalty for each unit of weight, of rows whose weights have the sum `total`.
fn penalty(parameters: &Parameters, total: f64) -> (f64, f64) {
    let strength = 1.0 / (parameters.c.map_or(1.0, PositiveNumber::get) * total);
    let share = parameters.l1_ratio.map_or(0.0, Fraction::get);
    match parameters.penalty {
        Some(Penalty::None) => (0.0, 0.0),
        Some(Penalty::L2) => (0.0, strength),
        Some(Penalty::L1) => (strength, 0.0),
        // Without a word for the penalty its share says enough.
        Some(Penalty::Elasticnet) | None => (share * strength, (1.0 - share) * strength),
    }
}

/// The coefficients that each solver finds for the same penalty, an L1 penalty for those that know no other.
#[cfg(test)]
pub(super) fn by_every_solver(
    samples: &Samples,
    codes: &[u32],
    classes: usize,
    rows: &[u32],
) -> Vec<(&'static str, Vec<f64>)> {
    let design = Design::new(samples, rows, true).unwrap();
    let sums = if classes == 2 { 1 } else { classes };
    let target = |code: &u32| if classes == 2 { (*code == 1).then_some(0) } else { Some(*code) };
    let targets: Vec<Option<u32>> = codes.iter().map(target).collect();
    let total = rows.len() as f64;
    let problem =
        |l1| Problem { design: &design, weights: &design.weights, targets: &targets, sums, l1, l2: 1e-3, total };
    solver::every(&problem(0.0), &problem(1e-12))
}
