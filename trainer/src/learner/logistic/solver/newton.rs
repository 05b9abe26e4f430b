//! Newton's method, which for logistic regression is iteratively reweighted least squares.

use super::{MAX_HALVINGS, Solved, acceptable};
use crate::learner::linalg::{Factor, add_scaled, dot, largest};
use crate::learner::logistic::problem::Problem;

/// The method goes on to this gradient, whatever the tolerance: its last steps cost little and gain many digits.
const GRADIENT: f64 = 1e-11;
/// Directions of less curvature than this share of the strongest are left alone: nothing is to be gained there, such as by
/// adding the same to the intercepts of all classes.
const NEGLIGIBLE: f64 = 1e-14;

pub(super) fn solve(problem: &Problem<'_>, iterations: u32) -> Solved {
    let mut weights = vec![0.0; problem.size()];
    let (mut loss, mut hessian) = problem.with_curvature(&weights);
    'steps: for _ in 0..iterations {
        if largest(&loss.gradient) <= GRADIENT {
            break;
        }
        let mut step = Factor::new(&hessian, NEGLIGIBLE).solve(&loss.gradient);
        for value in &mut step {
            *value = -*value;
        }
        let slope = dot(&loss.gradient, &step);
        if slope >= 0.0 {
            break;
        }
        let mut length = 1.0;
        for halving in 0..MAX_HALVINGS {
            let mut next = weights.clone();
            add_scaled(&mut next, length, &step);
            // The whole step is nearly always right, and then the next one needs the curvature.
            let (reached, curvature) = match halving {
                0 => {
                    let (reached, curvature) = problem.with_curvature(&next);
                    (reached, Some(curvature))
                }
                _ => (problem.loss(&next), None),
            };
            if acceptable(&loss, &reached, length * slope) {
                hessian = curvature.unwrap_or_else(|| problem.with_curvature(&next).1);
                (weights, loss) = (next, reached);
                continue 'steps;
            }
            length /= 2.0;
        }
        break;
    }
    Solved { slope: largest(&loss.gradient), weights }
}
