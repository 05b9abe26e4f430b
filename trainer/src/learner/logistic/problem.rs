//! What logistic regression minimises: the mean log loss plus half the penalty times the squared coefficients.

use nalgebra::DMatrix;
use rayon::prelude::*;

use crate::learner::design::Design;

/// Parts of the rows that are summed on their own, whatever the number of threads, so that sums are always the same.
const PARTS: usize = 64;

/// One fit.
pub(super) struct Problem<'a> {
    pub(super) design: &'a Design<'a>,
    /// The class of every row.
    pub(super) codes: &'a [u32],
    /// Of each class the place of its sum; `None` for a class without rows. Not used for two classes.
    pub(super) sums: &'a [Option<usize>],
    /// Two classes, told apart by one sum.
    pub(super) binary: bool,
    /// Whether each sum has an intercept, which is not penalised.
    pub(super) intercept: bool,
    pub(super) penalty: f64,
}

/// The loss at some weights and its derivatives.
pub(super) struct Loss {
    pub(super) value: f64,
    pub(super) gradient: Vec<f64>,
    /// Where asked for.
    pub(super) hessian: Option<DMatrix<f64>>,
}

/// Sums over some rows.
struct Part {
    value: f64,
    gradient: Vec<f64>,
    /// For each pair of sums, the first not behind the second, the upper triangle of the columns' products.
    products: Vec<f64>,
}

impl Problem<'_> {
    /// Number of sums.
    pub(super) fn outputs(&self) -> usize {
        if self.binary { 1 } else { self.sums.iter().flatten().count() }
    }

    /// Weights of one sum: its coefficients, then its intercept if it has one.
    pub(super) fn stride(&self) -> usize {
        self.design.width() + usize::from(self.intercept)
    }

    /// Number of weights.
    pub(super) fn weights(&self) -> usize {
        self.outputs() * self.stride()
    }

    /// The loss at `weights`.
    pub(super) fn loss(&self, weights: &[f64], with_hessian: bool) -> Loss {
        let rows = self.design.rows();
        let size = rows.div_ceil(PARTS);
        let starts: Vec<usize> = (0..rows).step_by(size).collect();
        let parts: Vec<Part> =
            starts.par_iter().map(|&start| self.part(weights, start, (start + size).min(rows), with_hessian)).collect();
        let mut whole = Part::zero(self, with_hessian);
        for part in &parts {
            whole.value += part.value;
            add(&mut whole.gradient, &part.gradient);
            add(&mut whole.products, &part.products);
        }
        self.complete(&whole, weights, with_hessian)
    }

    fn part(&self, weights: &[f64], start: usize, end: usize, with_hessian: bool) -> Part {
        let (outputs, stride) = (self.outputs(), self.stride());
        let mut part = Part::zero(self, with_hessian);
        let mut row_columns = vec![1.0; stride];
        let mut probabilities = vec![0.0; outputs];
        self.design.each_of(start, end, |row, columns| {
            row_columns[..columns.len()].copy_from_slice(columns);
            for (probability, weights) in probabilities.iter_mut().zip(weights.chunks_exact(stride)) {
                *probability = dot(weights, &row_columns);
            }
            let class = self.codes[row as usize] as usize;
            let target = if self.binary { (class == 1).then_some(0) } else { self.sums[class] };
            part.value +=
                if self.binary { logistic(&mut probabilities[0], class) } else { softmax(&mut probabilities, target) };
            for (output, gradient) in part.gradient.chunks_exact_mut(stride).enumerate() {
                let residual = probabilities[output] - f64::from(u8::from(target == Some(output)));
                for (sum, column) in gradient.iter_mut().zip(&row_columns) {
                    *sum += residual * column;
                }
            }
            if with_hessian {
                part.add_products(&probabilities, &row_columns, self.binary);
            }
        });
        part
    }

    /// Divides by the number of rows and adds the penalty.
    fn complete(&self, part: &Part, weights: &[f64], with_hessian: bool) -> Loss {
        let (width, stride, rows) = (self.design.width(), self.stride(), self.design.rows() as f64);
        let mut value = part.value / rows;
        let mut gradient: Vec<f64> = part.gradient.iter().map(|sum| sum / rows).collect();
        for (place, weight) in weights.iter().enumerate().filter(|(place, _)| place % stride < width) {
            value += 0.5 * self.penalty * weight * weight;
            gradient[place] += self.penalty * weight;
        }
        let hessian = with_hessian.then(|| self.hessian(&part.products, rows));
        Loss { value, gradient, hessian }
    }

    fn hessian(&self, products: &[f64], rows: f64) -> DMatrix<f64> {
        let (width, stride, outputs) = (self.design.width(), self.stride(), self.outputs());
        let mut hessian = DMatrix::zeros(self.weights(), self.weights());
        let mut products = products.iter();
        for first in 0..outputs {
            for second in first..outputs {
                for a in 0..stride {
                    for b in a..stride {
                        let value = products.next().copied().unwrap_or_default() / rows;
                        for (i, j) in [(a, b), (b, a)] {
                            hessian[(first * stride + i, second * stride + j)] = value;
                            hessian[(second * stride + j, first * stride + i)] = value;
                        }
                    }
                }
            }
        }
        for output in 0..outputs {
            for column in 0..width {
                hessian[(output * stride + column, output * stride + column)] += self.penalty;
            }
        }
        if !self.binary && self.intercept {
            // Adding the same to all intercepts changes nothing; this keeps their sum at 0 and the matrix invertible.
            for first in 0..outputs {
                for second in 0..outputs {
                    hessian[(first * stride + width, second * stride + width)] += 1.0 / outputs as f64;
                }
            }
        }
        hessian
    }
}

impl Part {
    fn zero(problem: &Problem<'_>, with_hessian: bool) -> Part {
        let triangle = |n: usize| n * (n + 1) / 2;
        let products = if with_hessian { triangle(problem.outputs()) * triangle(problem.stride()) } else { 0 };
        Part { value: 0.0, gradient: vec![0.0; problem.weights()], products: vec![0.0; products] }
    }

    fn add_products(&mut self, probabilities: &[f64], columns: &[f64], binary: bool) {
        let triangle = columns.len() * (columns.len() + 1) / 2;
        let mut blocks = self.products.chunks_exact_mut(triangle);
        for (first, p) in probabilities.iter().enumerate() {
            for (second, q) in probabilities.iter().enumerate().skip(first) {
                let Some(block) = blocks.next() else { return };
                let curvature = if first == second || binary { p * (1.0 - p) } else { -p * q };
                let mut start = 0;
                for (place, column) in columns.iter().enumerate() {
                    let scaled = curvature * column;
                    // One-hot columns are mostly zero.
                    if scaled != 0.0 {
                        for (sum, other) in block[start..].iter_mut().zip(&columns[place..]) {
                            *sum += scaled * other;
                        }
                    }
                    start += columns.len() - place;
                }
            }
        }
    }
}

/// Turns the sum into the probability of the second class; returns the log loss.
fn logistic(sum: &mut f64, class: usize) -> f64 {
    let z = *sum;
    let e = (-z.abs()).exp();
    *sum = if z >= 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) };
    e.ln_1p() + z.max(0.0) - if class == 1 { z } else { 0.0 }
}

/// Turns the sums into probabilities; returns the log loss.
fn softmax(sums: &mut [f64], target: Option<usize>) -> f64 {
    let own = target.map_or(0.0, |target| sums[target]);
    let largest = sums.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut total = 0.0;
    for sum in sums.iter_mut() {
        *sum = (*sum - largest).exp();
        total += *sum;
    }
    for sum in sums.iter_mut() {
        *sum /= total;
    }
    total.ln() + largest - own
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(sums: &mut [f64], more: &[f64]) {
    for (sum, more) in sums.iter_mut().zip(more) {
        *sum += more;
    }
}
