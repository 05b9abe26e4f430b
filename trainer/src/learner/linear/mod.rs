//! Linear regression: ordinary least squares, ridge, lasso and elastic net.
//!
//! All of them depend on the rows only through the products of the columns, which are computed once for all points of a search
//! ([`normal`]).

mod normal;

use rayon::prelude::*;
use slipway_model::{Estimator, Linear, Link};
use slipway_spec::{Estimator as Algorithm, Fraction, NonNegativeNumber, Parameters, PositiveInteger, PositiveNumber};

use self::normal::Normal;
use super::coordinate_descent::Quadratic;
use super::design::Design;
use super::{FitError, Fitted, Learner, Samples, Scorer, Target};

/// Directions in which columns vary less than this share of the strongest are taken for dependent by LinearRegression, as in
/// scikit-learn.
const NEGLIGIBLE: f64 = 1e-6;
/// The same where a penalty keeps the solution small.
const NEGLIGIBLE_WITH_PENALTY: f64 = 1e-8;
/// Sweeps and tolerance of least squares with coefficients that may not be negative.
const EXACT_SWEEPS: u32 = 100_000;
const EXACT: f64 = 1e-12;

/// LinearRegression, Ridge, Lasso or ElasticNet, for Regression. Where columns depend on each other and nothing else decides
/// it takes, of all best solutions, the one with the smallest coefficients, as scikit-learn does.
pub(crate) struct LinearModel<'a> {
    samples: &'a Samples,
    algorithm: Algorithm,
}

/// What is added to half the weighted sum of squares, and how it is minimised.
struct Objective {
    l1: f64,
    l2: f64,
    positive: bool,
    negligible: f64,
    sweeps: u32,
    tolerance: f64,
}

impl Objective {
    /// scikit-learn's, for rows whose weights have the sum `total`.
    fn new(algorithm: Algorithm, parameters: &Parameters, total: f64) -> Objective {
        let alpha = parameters.alpha.map_or(1.0, NonNegativeNumber::get);
        let share = match algorithm {
            Algorithm::Lasso => 1.0,
            Algorithm::ElasticNet => parameters.l1_ratio.map_or(0.5, Fraction::get),
            _ => 0.0,
        };
        let tolerance = parameters.tol.map(PositiveNumber::get);
        let positive = parameters.positive.unwrap_or(false);
        let (l1, l2, negligible) = match algorithm {
            Algorithm::Ridge => (0.0, alpha, NEGLIGIBLE_WITH_PENALTY),
            // Their scikit-learn objective is divided by the number of rows.
            Algorithm::Lasso | Algorithm::ElasticNet => {
                (alpha * share * total, alpha * (1.0 - share) * total, NEGLIGIBLE_WITH_PENALTY)
            }
            _ => (0.0, 0.0, tolerance.unwrap_or(NEGLIGIBLE)),
        };
        let descends = matches!(algorithm, Algorithm::Lasso | Algorithm::ElasticNet);
        Objective {
            l1,
            l2,
            positive,
            negligible,
            sweeps: if descends { parameters.max_iter.map_or(1_000, PositiveInteger::get) } else { EXACT_SWEEPS },
            tolerance: if descends { tolerance.unwrap_or(1e-4) } else { EXACT },
        }
    }
}

impl<'a> LinearModel<'a> {
    pub(crate) fn new(samples: &'a Samples, algorithm: Algorithm) -> Self {
        LinearModel { samples, algorithm }
    }

    fn reduce(&self, rows: &[u32], intercept: bool) -> Result<Normal, FitError> {
        let Target::Numbers(target) = &self.samples.target else {
            return Err(FitError(format!("{} needs a target of numbers", self.algorithm)));
        };
        Normal::new(Design::new(self.samples, rows, intercept)?, target)
    }

    fn solve(&self, normal: &Normal, parameters: &Parameters) -> Fitted {
        let objective = Objective::new(self.algorithm, parameters, normal.total);
        let mut warnings = Vec::new();
        let solution = if objective.l1 == 0.0 && !objective.positive {
            normal.solve(objective.l2, objective.negligible)
        } else {
            let descent = descend(normal, &objective);
            if descent.gap > objective.tolerance * normal.squares {
                warnings.push(format!(
                    "{} did not converge in {} iterations: its duality gap is {:.1e} of the target's variation, above tol {:.1e}; \
                     raise max_iter, or alpha",
                    self.algorithm,
                    objective.sweeps,
                    descent.gap / normal.squares,
                    objective.tolerance
                ));
            }
            descent.weights
        };
        let (coefficients, intercept) = normal.coefficients(&solution);
        let linear = Linear {
            link: Link::Identity,
            coefficients: vec![coefficients],
            intercepts: vec![intercept],
            means: normal.design.means.clone(),
        };
        let importances = normal.design.importances(&linear.coefficients);
        Fitted { warnings, importances, ..Fitted::new(normal.design.encoder.clone(), Estimator::Linear(linear)) }
    }
}

impl Learner for LinearModel<'_> {
    fn samples(&self) -> &Samples {
        self.samples
    }

    fn fit(&self, rows: &[u32], parameters: &Parameters) -> Result<Fitted, FitError> {
        // On a thread of the pool from the start: every step that is divided would be handed over otherwise.
        let (fitted, ()) =
            rayon::join(|| Ok(self.solve(&self.reduce(rows, intercept(parameters))?, parameters)), || ());
        fitted
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
        let mut reduced = [None, None];
        for point in points {
            let place = usize::from(intercept(point));
            if reduced[place].is_none() {
                reduced[place] = Some(self.reduce(rows, intercept(point))?);
            }
        }
        let score = |point: &Parameters| {
            let normal = reduced[usize::from(intercept(point))].as_ref()?;
            let fitted = self.solve(normal, point);
            scorer.score(&self.samples.target, validation, &self.samples.predict(&fitted, validation))
        };
        Ok(points.par_iter().map(score).collect())
    }
}

fn intercept(parameters: &Parameters) -> bool {
    parameters.fit_intercept.unwrap_or(true)
}

/// Where coordinate descent stopped.
struct Descent {
    weights: Vec<f64>,
    gap: f64,
}

/// Sweeps until the largest change of a sweep and the duality gap are within the tolerance, as scikit-learn does.
fn descend(normal: &Normal, objective: &Objective) -> Descent {
    let l1 = vec![objective.l1; normal.right.len()];
    let quadratic = Quadratic::new(&normal.matrix, &normal.right, &l1, objective.l2, objective.positive);
    let enough = objective.tolerance * normal.squares;
    let mut position = quadratic.start(vec![0.0; normal.right.len()]);
    let mut gap = quadratic.gap(&position, normal.squares);
    for sweep in 1..=objective.sweeps {
        if gap <= enough {
            break;
        }
        let swept = quadratic.sweep(&mut position);
        if swept.change <= objective.tolerance * swept.weight || sweep == objective.sweeps {
            gap = quadratic.gap(&position, normal.squares);
        }
    }
    Descent { weights: position.weights, gap }
}
