//! Coordinate descent on a quadratic function with an L1 penalty (Friedman, Hastie and Tibshirani, Regularization paths for
//! generalized linear models via coordinate descent, 2010).

use super::linalg::{Symmetric, add_scaled, dot, largest};

/// ½ wᵀ Q w − qᵀ w + Σ l1 |w| + ½ Σ l2 w².
pub(super) struct Quadratic<'a> {
    /// Q, row after row.
    rows: Vec<Vec<f64>>,
    /// q.
    pub(super) right: &'a [f64],
    /// The L1 penalty of each weight.
    pub(super) l1: &'a [f64],
    pub(super) l2: f64,
    /// Whether weights may not be negative.
    pub(super) positive: bool,
}

/// Where the descent is.
pub(super) struct Position {
    pub(super) weights: Vec<f64>,
    /// Q w.
    products: Vec<f64>,
}

/// How far a sweep went.
pub(super) struct Sweep {
    /// The largest change of a weight.
    pub(super) change: f64,
    /// The largest weight.
    pub(super) weight: f64,
}

impl<'a> Quadratic<'a> {
    pub(super) fn new(matrix: &Symmetric, right: &'a [f64], l1: &'a [f64], l2: f64, positive: bool) -> Self {
        let rows = (0..matrix.size).map(|row| matrix.whole_row(row)).collect();
        Quadratic { rows, right, l1, l2, positive }
    }

    /// The descent starts at `weights`.
    pub(super) fn start(&self, weights: Vec<f64>) -> Position {
        let products = self.rows.iter().map(|row| dot(row, &weights)).collect();
        Position { weights, products }
    }

    /// Minimises along one weight after the other, once.
    pub(super) fn sweep(&self, position: &mut Position) -> Sweep {
        let mut sweep = Sweep { change: 0.0, weight: 0.0 };
        for (place, row) in self.rows.iter().enumerate() {
            let curvature = row[place];
            // A column without variation has nothing to say.
            if curvature <= 0.0 {
                continue;
            }
            let before = position.weights[place];
            let pull = self.right[place] - position.products[place] + before * curvature;
            let after = if self.positive && pull < 0.0 {
                0.0
            } else {
                pull.signum() * (pull.abs() - self.l1[place]).max(0.0) / (curvature + self.l2)
            };
            if after != before {
                add_scaled(&mut position.products, after - before, row);
                position.weights[place] = after;
            }
            sweep.change = sweep.change.max((after - before).abs());
            sweep.weight = sweep.weight.max(after.abs());
        }
        sweep
    }

    /// An upper bound of how far the position is above the minimum: the duality gap, as scikit-learn computes it, of a
    /// least-squares problem with `squares` the target's. All weights have the same L1 penalty.
    pub(super) fn gap(&self, position: &Position, squares: f64) -> f64 {
        let weights = &position.weights;
        let (l1, l2) = (self.l1.first().copied().unwrap_or_default(), self.l2);
        let fitted = dot(weights, self.right);
        let residual = squares + dot(weights, &position.products) - 2.0 * fitted;
        let (length, with_target) = (dot(weights, weights), squares - fitted);
        let slopes = |l2: f64| -> Vec<f64> {
            let rest = self.right.iter().zip(&position.products).zip(weights);
            rest.map(|((right, product), weight)| right - product - l2 * weight).collect()
        };
        if l1 == 0.0 {
            let slopes = slopes(0.0);
            // Of plain least squares there is no bound; its slope has to be small.
            let slope = dot(&slopes, &slopes);
            return if l2 == 0.0 { slope } else { residual + 0.5 * l2 * length - with_target + slope / (2.0 * l2) };
        }
        let slopes = slopes(l2);
        let steepest =
            if self.positive { slopes.iter().copied().fold(f64::NEG_INFINITY, f64::max) } else { largest(&slopes) };
        let primal = 0.5 * (residual + l2 * length) + l1 * weights.iter().map(|weight| weight.abs()).sum::<f64>();
        let shrink = if steepest > l1 { l1 / steepest } else { 1.0 };
        primal - shrink * with_target + 0.5 * shrink * shrink * (residual + l2 * length)
    }
}
