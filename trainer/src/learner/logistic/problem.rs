//! What logistic regression minimises: the mean log loss plus half the L2 penalty times the squared coefficients, and apart
//! from that the L1 penalty times their absolute values.

use std::ops::Range;

use crate::learner::design::Design;
use crate::learner::linalg::Symmetric;

/// Rows whose probabilities are kept at once.
const BLOCK: usize = 256;
/// Factors of a likelihood, each from 1 to 2, multiplied before their logarithm is taken.
const FACTORS: usize = 64;

/// One fit.
pub(super) struct Problem<'a> {
    pub(super) design: &'a Design,
    /// The weight of each row, class weights included.
    pub(super) weights: &'a [f64],
    /// The sum that stands for each row's class. Of two classes, 0 for the second and none for the first.
    pub(super) targets: &'a [Option<u32>],
    /// Number of sums: one for two classes, otherwise one for each class with rows.
    pub(super) sums: usize,
    pub(super) l1: f64,
    pub(super) l2: f64,
    /// The sum of the weights.
    pub(super) total: f64,
}

/// The smooth part of what is minimised at some weights, and its derivatives.
pub(super) struct Loss {
    pub(super) value: f64,
    pub(super) gradient: Vec<f64>,
}

impl Problem<'_> {
    /// Weights of one sum: one a place of the design.
    pub(super) fn stride(&self) -> usize {
        self.design.places()
    }

    /// Number of weights.
    pub(super) fn size(&self) -> usize {
        self.sums * self.stride()
    }

    /// Whether two classes are told apart by one sum.
    pub(super) fn binary(&self) -> bool {
        self.sums == 1
    }

    /// Whether the weight at `place` is penalised: all but the intercepts.
    pub(super) fn penalised(&self, place: usize) -> bool {
        Some(place % self.stride()) != self.design.intercept_place()
    }

    /// The loss at `weights` and its gradient.
    pub(super) fn loss(&self, weights: &[f64]) -> Loss {
        let size = self.size();
        let sums = self.design.reduce(size + 1, |rows, sums| {
            let (gradient, value) = sums.split_at_mut(size);
            self.each_block(rows, weights, |rows, residuals, loss| {
                value[0] += loss;
                self.add_gradient(rows, residuals, gradient);
            });
        });
        self.complete(sums, weights)
    }

    /// The loss at `weights`, its gradient, and the matrix of its second derivatives.
    pub(super) fn with_curvature(&self, weights: &[f64]) -> (Loss, Symmetric) {
        let (size, stride) = (self.size(), self.stride());
        let triangle = stride * (stride + 1) / 2;
        let pairs = self.sums * (self.sums + 1) / 2;
        let mut sums = self.design.reduce(size + 1 + pairs * triangle, |rows, sums| {
            let (first, products) = sums.split_at_mut(size + 1);
            let (gradient, value) = first.split_at_mut(size);
            let mut factors = Vec::with_capacity(BLOCK);
            self.each_block(rows, weights, |rows, residuals, loss| {
                value[0] += loss;
                self.add_gradient(rows.clone(), residuals, gradient);
                let mut triangles = products.chunks_exact_mut(triangle.max(1));
                for first in 0..self.sums {
                    for second in 0..=first {
                        let Some(triangle) = triangles.next() else { return };
                        factors.clear();
                        factors.extend(rows.clone().enumerate().map(|(place, row)| {
                            let residuals = &residuals[place * self.sums..][..self.sums];
                            self.curvature(row, residuals, first, second)
                        }));
                        self.design.add_products(rows.clone(), &factors, triangle);
                    }
                }
            });
        });
        let products = sums.split_off(size + 1);
        (self.complete(sums, weights), self.hessian(&products))
    }

    /// Calls `see` with blocks of rows, their weighted residuals (probabilities less what they should be; for each row one a
    /// sum), and their weighted log loss.
    fn each_block(&self, rows: Range<usize>, weights: &[f64], mut see: impl FnMut(Range<usize>, &[f64], f64)) {
        let mut residuals = Vec::with_capacity(BLOCK * self.sums);
        for start in rows.clone().step_by(BLOCK) {
            let block = start..(start + BLOCK).min(rows.end);
            residuals.clear();
            let mut loss = LogSum::default();
            for place in block.clone() {
                let row = self.design.row(place);
                let from = residuals.len();
                residuals.extend(weights.chunks_exact(self.stride()).map(|weights| row.dot(weights)));
                let (own, weight, target) = (&mut residuals[from..], self.weights[place], self.targets[place]);
                if self.binary() {
                    logistic(&mut own[0], target.is_some(), weight, &mut loss);
                } else {
                    softmax(own, weight, target, &mut loss);
                }
            }
            see(block, &residuals, loss.value());
        }
    }

    fn add_gradient(&self, rows: Range<usize>, residuals: &[f64], gradient: &mut [f64]) {
        for (place, residuals) in rows.zip(residuals.chunks_exact(self.sums)) {
            let row = self.design.row(place);
            for (gradient, residual) in gradient.chunks_exact_mut(self.stride()).zip(residuals) {
                row.add_to(*residual, gradient);
            }
        }
    }

    /// The derivative of a row's residual of one sum by another sum.
    fn curvature(&self, row: usize, residuals: &[f64], first: usize, second: usize) -> f64 {
        let weight = self.weights[row];
        if weight == 0.0 {
            return 0.0;
        }
        let probability = |sum: usize| {
            let should_be = if self.targets[row] == Some(sum as u32) { 1.0 } else { 0.0 };
            residuals[sum] / weight + should_be
        };
        if first == second {
            // The residual is the smaller of the two shares, and exact.
            let residual = (residuals[first] / weight).abs();
            weight * residual * (1.0 - residual)
        } else {
            -weight * probability(first) * probability(second)
        }
    }

    /// Divides by the sum of the weights and adds the L2 penalty.
    fn complete(&self, mut sums: Vec<f64>, weights: &[f64]) -> Loss {
        let mut value = sums.pop().unwrap_or_default() / self.total;
        let mut gradient = sums;
        for (place, (slope, weight)) in gradient.iter_mut().zip(weights).enumerate() {
            *slope /= self.total;
            if self.penalised(place) {
                value += 0.5 * self.l2 * weight * weight;
                *slope += self.l2 * weight;
            }
        }
        Loss { value, gradient }
    }

    fn hessian(&self, products: &[f64]) -> Symmetric {
        let (stride, triangle) = (self.stride(), self.stride() * (self.stride() + 1) / 2);
        let mut hessian = Symmetric::zeros(self.size());
        for first in 0..self.sums {
            for second in 0..=first {
                let block = &products[(first * (first + 1) / 2 + second) * triangle..][..triangle];
                for i in 0..stride {
                    let row = &mut hessian.row_mut(first * stride + i)[second * stride..];
                    for (j, value) in row.iter_mut().enumerate().take(stride) {
                        let (low, high) = (i.min(j), i.max(j));
                        *value = block[high * (high + 1) / 2 + low] / self.total;
                    }
                }
            }
        }
        for place in (0..self.size()).filter(|place| self.penalised(*place)) {
            hessian.row_mut(place)[place] += self.l2;
        }
        hessian
    }
}

/// A sum of weighted logarithms of numbers from 1 to 2, which are multiplied first: a logarithm costs as much as a row.
struct LogSum {
    sum: f64,
    product: f64,
    factors: usize,
}

impl Default for LogSum {
    fn default() -> Self {
        LogSum { sum: 0.0, product: 1.0, factors: 0 }
    }
}

impl LogSum {
    /// Adds `weight` times the logarithm of 1 plus `more`.
    fn add(&mut self, weight: f64, more: f64) {
        if weight == 1.0 {
            self.product *= 1.0 + more;
            self.factors += 1;
            if self.factors == FACTORS {
                self.flush();
            }
        } else {
            self.sum += weight * more.ln_1p();
        }
    }

    fn flush(&mut self) {
        self.sum += self.product.ln();
        self.product = 1.0;
        self.factors = 0;
    }

    fn value(mut self) -> f64 {
        self.flush();
        self.sum
    }
}

/// Turns the sum into the weighted residual of the second class, and adds the log loss.
fn logistic(sum: &mut f64, second: bool, weight: f64, loss: &mut LogSum) {
    let z = *sum;
    let e = (-z.abs()).exp();
    loss.add(weight, e);
    loss.sum += weight * (z.max(0.0) - if second { z } else { 0.0 });
    // The share of the class that is less probable, without loss of digits.
    let small = e / (1.0 + e);
    let likely = z >= 0.0;
    *sum = weight
        * match (likely, second) {
            (true, true) => -small,
            (false, false) => small,
            (true, false) => 1.0 / (1.0 + e),
            (false, true) => -1.0 / (1.0 + e),
        };
}

/// Turns the sums into weighted residuals, and adds the log loss.
fn softmax(sums: &mut [f64], weight: f64, target: Option<u32>, loss: &mut LogSum) {
    let own = target.map_or(0.0, |target| sums[target as usize]);
    let largest = sums.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut total = 0.0;
    for sum in sums.iter_mut() {
        *sum = (*sum - largest).exp();
        total += *sum;
    }
    loss.sum += weight * (total.ln() + largest - own);
    let mut others = 0.0;
    for (place, sum) in sums.iter_mut().enumerate() {
        *sum *= weight / total;
        if target != Some(place as u32) {
            others += *sum;
        }
    }
    if let Some(target) = target {
        // What the other classes have is what this one lacks.
        sums[target as usize] = -others;
    }
}
