//! Minimising with an L1 penalty, which has no slope at 0.

use super::{MAX_HALVINGS, SUFFICIENT, Solved};
use crate::learner::coordinate_descent::Quadratic;
use crate::learner::linalg::{add_scaled, dot};
use crate::learner::logistic::problem::{Loss, Problem};

/// The proximal Newton method goes on to this slope, whatever the tolerance.
const SLOPE: f64 = 1e-10;
/// Sweeps of coordinate descent for one step, and how little the last of them may move.
const MAX_SWEEPS: usize = 1_000;
const SWEPT: f64 = 1e-12;
/// The gradient method goes on to this share of the tolerance.
const SHARE: f64 = 1e-2;
/// It may take as many steps for each iteration that is allowed, since they are cheap.
const STEPS_PER_ITERATION: u32 = 20;

/// Newton's method where each step minimises the quadratic approximation with the penalty, by coordinate descent (Lee, Sun and
/// Saunders, Proximal Newton-type methods for minimizing composite functions, 2014).
pub(super) fn newton(problem: &Problem<'_>, iterations: u32) -> Solved {
    let l1 = penalties(problem);
    let mut weights = vec![0.0; problem.size()];
    let (mut loss, mut hessian) = problem.with_curvature(&weights);
    'steps: for _ in 0..iterations {
        if slope(&loss, &weights, &l1) <= SLOPE {
            break;
        }
        // The approximation as a function of the new weights, not of the step.
        let mut right: Vec<f64> = (0..weights.len()).map(|place| dot(&hessian.whole_row(place), &weights)).collect();
        add_scaled(&mut right, -1.0, &loss.gradient);
        let quadratic = Quadratic::new(&hessian, &right, &l1, 0.0, false);
        let mut position = quadratic.start(weights.clone());
        for _ in 0..MAX_SWEEPS {
            let sweep = quadratic.sweep(&mut position);
            if sweep.change <= SWEPT * sweep.weight {
                break;
            }
        }
        let step: Vec<f64> = position.weights.iter().zip(&weights).map(|(new, old)| new - old).collect();
        let before = loss.value + penalty(&weights, &l1);
        let promised = dot(&loss.gradient, &step) + penalty(&position.weights, &l1) - penalty(&weights, &l1);
        let mut length = 1.0;
        for _ in 0..MAX_HALVINGS {
            let mut next = weights.clone();
            if length == 1.0 {
                // Zeros stay exactly 0.
                next.clone_from(&position.weights);
            } else {
                add_scaled(&mut next, length, &step);
            }
            let (reached, curvature) = problem.with_curvature(&next);
            let after = reached.value + penalty(&next, &l1);
            let settled = (after - before).abs() <= 4.0 * f64::EPSILON * before.abs()
                && slope(&reached, &next, &l1) < slope(&loss, &weights, &l1);
            if settled || promised < 0.0 && after <= before + SUFFICIENT * length * promised {
                (weights, loss, hessian) = (next, reached, curvature);
                continue 'steps;
            }
            length /= 2.0;
        }
        break;
    }
    let slope = slope(&loss, &weights, &l1);
    centre_intercepts(problem, &mut weights);
    Solved { weights, slope }
}

/// Gives the intercepts of several sums the sum 0: adding the same to all of them changes nothing, so the descent leaves them
/// anywhere.
fn centre_intercepts(problem: &Problem<'_>, weights: &mut [f64]) {
    let intercepts = || (0..problem.size()).filter(|place| !problem.penalised(*place));
    let mean = intercepts().map(|place| weights[place]).sum::<f64>() / problem.sums as f64;
    if !problem.binary() {
        for place in intercepts() {
            weights[place] -= mean;
        }
    }
}

/// Gradient steps with momentum, each shrunk towards 0, where the momentum starts anew when it points the wrong way (Beck and
/// Teboulle, A fast iterative shrinkage-thresholding algorithm, 2009; O'Donoghue and Candès, Adaptive restart, 2015).
pub(super) fn gradient(problem: &Problem<'_>, tolerance: f64, iterations: u32) -> Solved {
    let l1 = penalties(problem);
    let mut weights = vec![0.0; problem.size()];
    let mut ahead = weights.clone();
    let mut loss = problem.loss(&ahead);
    let mut at_weights = slope(&loss, &weights, &l1);
    let (mut momentum, mut rate) = (1.0_f64, 1.0);
    for _ in 0..iterations.saturating_mul(STEPS_PER_ITERATION) {
        if at_weights <= tolerance * SHARE {
            break;
        }
        let mut found = None;
        for _ in 0..MAX_HALVINGS {
            let next = shrunk(&ahead, &loss.gradient, rate, &l1);
            let step: Vec<f64> = next.iter().zip(&ahead).map(|(new, old)| new - old).collect();
            let reached = problem.loss(&next);
            let bound = loss.value + dot(&loss.gradient, &step) + dot(&step, &step) / (2.0 * rate);
            if reached.value <= bound + 4.0 * f64::EPSILON * loss.value.abs() {
                found = Some((next, reached, step));
                break;
            }
            rate /= 2.0;
        }
        let Some((next, reached, step)) = found else { break };
        at_weights = slope(&reached, &next, &l1);
        let moved: Vec<f64> = next.iter().zip(&weights).map(|(new, old)| new - old).collect();
        let next_momentum = 0.5 * (1.0 + (1.0 + 4.0 * momentum * momentum).sqrt());
        ahead.clone_from(&next);
        if dot(&step, &moved) < 0.0 {
            (momentum, loss) = (1.0, reached);
        } else {
            add_scaled(&mut ahead, (momentum - 1.0) / next_momentum, &moved);
            momentum = next_momentum;
            loss = problem.loss(&ahead);
        }
        weights = next;
        // The loss may be flatter here than where the rate was found.
        rate *= 1.1;
    }
    Solved { slope: at_weights, weights }
}

/// The L1 penalty of each weight.
fn penalties(problem: &Problem<'_>) -> Vec<f64> {
    (0..problem.size()).map(|place| if problem.penalised(place) { problem.l1 } else { 0.0 }).collect()
}

fn penalty(weights: &[f64], l1: &[f64]) -> f64 {
    weights.iter().zip(l1).map(|(weight, l1)| l1 * weight.abs()).sum()
}

/// The largest slope in a direction in which the penalised loss falls.
fn slope(loss: &Loss, weights: &[f64], l1: &[f64]) -> f64 {
    let slopes = loss.gradient.iter().zip(weights).zip(l1).map(|((slope, weight), l1)| {
        if *weight == 0.0 { (slope.abs() - l1).max(0.0) } else { (slope + l1 * weight.signum()).abs() }
    });
    slopes.fold(0.0, f64::max)
}

/// A step against the gradient, shrunk towards 0.
fn shrunk(weights: &[f64], gradient: &[f64], rate: f64, l1: &[f64]) -> Vec<f64> {
    let steps = weights.iter().zip(gradient).zip(l1);
    steps
        .map(|((weight, slope), l1)| {
            let value = weight - rate * slope;
            value.signum() * (value.abs() - rate * l1).max(0.0)
        })
        .collect()
}
