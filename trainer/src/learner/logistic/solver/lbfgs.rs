//! L-BFGS: a quasi-Newton method that remembers a few steps.

use std::collections::VecDeque;

use super::{Solved, line_search};
use crate::learner::linalg::{add_scaled, dot, largest};
use crate::learner::logistic::problem::Problem;

/// It goes on to this share of the tolerance.
const SHARE: f64 = 1e-2;
/// Steps that are remembered.
const MEMORY: usize = 10;

pub(super) fn solve(problem: &Problem<'_>, tolerance: f64, iterations: u32) -> Solved {
    let mut weights = vec![0.0; problem.size()];
    let mut loss = problem.loss(&weights);
    let mut memory: VecDeque<Pair> = VecDeque::with_capacity(MEMORY);
    for _ in 0..iterations {
        if largest(&loss.gradient) <= tolerance * SHARE {
            break;
        }
        let step = step(&loss.gradient, &memory);
        let Some((next, next_loss)) = line_search(problem, &weights, &loss, &step) else { break };
        let pair = Pair::new(difference(&next, &weights), difference(&next_loss.gradient, &loss.gradient));
        if memory.len() == MEMORY {
            memory.pop_front();
        }
        memory.extend(pair);
        (weights, loss) = (next, next_loss);
    }
    Solved { slope: largest(&loss.gradient), weights }
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
fn step(gradient: &[f64], memory: &VecDeque<Pair>) -> Vec<f64> {
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

fn difference(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}
