//! Minimising the loss: by Newton's method where the Hessian is small, by L-BFGS otherwise.

use std::collections::VecDeque;

use nalgebra::DVector;

use super::problem::{Loss, Problem};

/// Most weights for Newton's method.
const MAX_NEWTON: usize = 400;
/// Newton's method goes on to this gradient: its last steps cost little and gain many digits.
const NEWTON_GRADIENT: f64 = 1e-11;
/// L-BFGS goes on to this share of the tolerance.
const LBFGS_SHARE: f64 = 1e-2;
/// Steps that L-BFGS remembers.
const MEMORY: usize = 10;
/// Share of the expected decrease that a step must bring (Armijo 1966).
const SUFFICIENT: f64 = 1e-4;
/// Halvings of a step before it is given up.
const MAX_HALVINGS: usize = 40;

/// Where a solver stopped.
pub(super) struct Solved {
    pub(super) weights: Vec<f64>,
    /// Largest absolute value of the gradient there.
    pub(super) gradient: f64,
}

/// Minimises the loss, starting at 0, in at most `iterations` steps.
pub(super) fn solve(problem: &Problem<'_>, tolerance: f64, iterations: u32) -> Solved {
    if problem.weights() <= MAX_NEWTON {
        newton(problem, iterations)
    } else {
        lbfgs(problem, tolerance * LBFGS_SHARE, iterations)
    }
}

fn newton(problem: &Problem<'_>, iterations: u32) -> Solved {
    let mut weights = vec![0.0; problem.weights()];
    let mut loss = problem.loss(&weights, true);
    for _ in 0..iterations {
        if largest(&loss.gradient) <= NEWTON_GRADIENT {
            break;
        }
        let Some(step) = newton_step(&loss) else { break };
        let Some((next, _)) = line_search(problem, &weights, &loss, &step) else { break };
        weights = next;
        loss = problem.loss(&weights, true);
    }
    Solved { gradient: largest(&loss.gradient), weights }
}

fn newton_step(loss: &Loss) -> Option<Vec<f64>> {
    let hessian = loss.hessian.as_ref()?;
    let gradient = DVector::from_column_slice(&loss.gradient);
    // Where all rows are told apart for certain there is hardly any curvature left: add a little.
    let scale = hessian.diagonal().max();
    let solved = [0.0, 1e-14, 1e-10, 1e-6].into_iter().find_map(|share| {
        let mut damped = hessian.clone();
        for place in 0..damped.nrows() {
            damped[(place, place)] += share * scale;
        }
        damped.cholesky().map(|factor| factor.solve(&gradient))
    })?;
    Some(solved.iter().map(|value| -value).collect())
}

fn lbfgs(problem: &Problem<'_>, tolerance: f64, iterations: u32) -> Solved {
    let mut weights = vec![0.0; problem.weights()];
    let mut loss = problem.loss(&weights, false);
    let mut memory: VecDeque<Pair> = VecDeque::with_capacity(MEMORY);
    for _ in 0..iterations {
        if largest(&loss.gradient) <= tolerance {
            break;
        }
        let step = lbfgs_step(&loss.gradient, &memory);
        let Some((next, next_loss)) = line_search(problem, &weights, &loss, &step) else { break };
        let pair = Pair::new(difference(&next, &weights), difference(&next_loss.gradient, &loss.gradient));
        if memory.len() == MEMORY {
            memory.pop_front();
        }
        memory.extend(pair);
        (weights, loss) = (next, next_loss);
    }
    Solved { gradient: largest(&loss.gradient), weights }
}

/// A step that was taken, and how the gradient changed on it.
struct Pair {
    step: Vec<f64>,
    change: Vec<f64>,
    product: f64,
}

impl Pair {
    /// `None` where the loss did not bend upwards: such a step teaches nothing.
    fn new(step: Vec<f64>, change: Vec<f64>) -> Option<Pair> {
        let product = dot(&step, &change);
        (product > 0.0).then_some(Pair { step, change, product })
    }
}

/// The direction from the remembered steps (Nocedal and Wright 2006, algorithm 7.4).
fn lbfgs_step(gradient: &[f64], memory: &VecDeque<Pair>) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|value| -value).collect();
    let mut shares = Vec::with_capacity(memory.len());
    for pair in memory.iter().rev() {
        let share = dot(&pair.step, &direction) / pair.product;
        add_scaled(&mut direction, -share, &pair.change);
        shares.push(share);
    }
    if let Some(last) = memory.back() {
        let scale = last.product / dot(&last.change, &last.change);
        for value in &mut direction {
            *value *= scale;
        }
    }
    for (pair, share) in memory.iter().zip(shares.iter().rev()) {
        let own = dot(&pair.change, &direction) / pair.product;
        add_scaled(&mut direction, share - own, &pair.step);
    }
    direction
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
        let reached = problem.loss(&next, false);
        let decreased = reached.value <= loss.value + SUFFICIENT * length * slope;
        // So near the minimum that the loss cannot tell, the gradient can.
        let settled = (reached.value - loss.value).abs() <= f64::EPSILON * loss.value.abs()
            && largest(&reached.gradient) < largest(&loss.gradient);
        if decreased || settled {
            return Some((next, reached));
        }
        length /= 2.0;
    }
    None
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |largest, value| value.abs().max(largest))
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add_scaled(values: &mut [f64], scale: f64, more: &[f64]) {
    for (value, more) in values.iter_mut().zip(more) {
        *value += scale * more;
    }
}

fn difference(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}
