//! Minimising the loss: by Newton's method where the second derivatives are cheap, otherwise by L-BFGS; with an L1 penalty by
//! their proximal relatives.

mod lbfgs;
mod newton;
mod proximal;

use super::problem::{Loss, Problem};
use crate::learner::linalg::{add_scaled, dot, largest};

/// Most weights for Newton's method.
const MAX_NEWTON: usize = 1_000;
/// How much a step of Newton's method may cost, in steps of L-BFGS, which needs more of them.
const STEPS_SAVED: f64 = 10.0;
/// What an exponential costs, in multiplications.
const EXPONENTIAL: f64 = 30.0;
/// Share of the expected decrease that a step must bring (Armijo 1966).
const SUFFICIENT: f64 = 1e-4;
/// Halvings of a step before it is given up.
const MAX_HALVINGS: usize = 40;

/// Where a solver stopped.
pub(super) struct Solved {
    pub(super) weights: Vec<f64>,
    /// How far from the minimum, by the slope: 0 there.
    pub(super) slope: f64,
}

/// Minimises the loss, starting at 0, in at most `iterations` steps.
pub(super) fn solve(problem: &Problem<'_>, tolerance: f64, iterations: u32) -> Solved {
    match (problem.l1 > 0.0, newton_pays(problem)) {
        (false, true) => newton::solve(problem, iterations),
        (false, false) => lbfgs::solve(problem, tolerance, iterations),
        (true, true) => proximal::newton(problem, iterations),
        (true, false) => proximal::gradient(problem, tolerance, iterations),
    }
}

fn newton_pays(problem: &Problem<'_>) -> bool {
    let size = problem.size();
    if size > MAX_NEWTON {
        return false;
    }
    let (rows, sums, density) = (problem.design.len() as f64, problem.sums as f64, problem.design.density());
    let pass = rows * sums * (2.0 * density + EXPONENTIAL);
    let curvature = rows * (sums * (sums + 1.0) / 2.0) * density * density / 2.0 + (size as f64).powi(3) / 3.0;
    curvature <= STEPS_SAVED * pass
}

/// The first of the whole step, half of it, a quarter and so on that lowers the loss enough.
fn line_search(problem: &Problem<'_>, weights: &[f64], loss: &Loss, step: &[f64]) -> Option<(Vec<f64>, Loss)> {
    let slope = dot(&loss.gradient, step);
    if slope >= 0.0 {
        return None;
    }
    let mut length = 1.0;
    for _ in 0..MAX_HALVINGS {
        let mut next = weights.to_vec();
        add_scaled(&mut next, length, step);
        let reached = problem.loss(&next);
        if acceptable(loss, &reached, length * slope) {
            return Some((next, reached));
        }
        length /= 2.0;
    }
    None
}

/// Whether the loss fell by a share of what the slope had promised. So near the minimum that the loss cannot tell, the gradient
/// can.
fn acceptable(loss: &Loss, reached: &Loss, promised: f64) -> bool {
    let settled = (reached.value - loss.value).abs() <= 4.0 * f64::EPSILON * loss.value.abs()
        && largest(&reached.gradient) < largest(&loss.gradient);
    settled || reached.value <= loss.value + SUFFICIENT * promised
}

/// What each solver finds: those for smooth functions of `smooth`, the others of `pointed`.
#[cfg(test)]
pub(super) fn every(smooth: &Problem<'_>, pointed: &Problem<'_>) -> Vec<(&'static str, Vec<f64>)> {
    vec![
        ("Newton", newton::solve(smooth, 100).weights),
        ("L-BFGS", lbfgs::solve(smooth, 1e-5, 1_000).weights),
        ("proximal Newton", proximal::newton(pointed, 100).weights),
        ("proximal gradient", proximal::gradient(pointed, 1e-5, 1_000).weights),
    ]
}
