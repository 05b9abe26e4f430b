//! Ordinary least squares.

use nalgebra::{DMatrix, DVector};
use slipway_model::{Estimator, Linear, Link};
use slipway_spec::Parameters;

use super::design::Design;
use super::{FitError, Fitted, Learner, Samples, Target};

/// Rows that are reduced together, at least.
const MIN_BLOCK: usize = 256;
/// Directions in which columns vary less than this share of the strongest are taken for dependent, as in scikit-learn.
const NEGLIGIBLE: f64 = 1e-6;

/// Ordinary least squares, for Regression. Where columns depend on each other it takes, of all best solutions, the one with
/// the smallest coefficients, as scikit-learn does.
pub(crate) struct LinearRegression<'a> {
    samples: &'a Samples,
}

impl<'a> LinearRegression<'a> {
    pub(crate) fn new(samples: &'a Samples) -> Self {
        LinearRegression { samples }
    }
}

impl Learner for LinearRegression<'_> {
    fn samples(&self) -> &Samples {
        self.samples
    }

    fn fit(&self, rows: &[u32], parameters: &Parameters) -> Result<Fitted, FitError> {
        let Target::Numbers(target) = &self.samples.target else {
            return Err(FitError("LinearRegression needs a target of numbers".to_owned()));
        };
        let design = Design::new(self.samples, rows)?;
        let centred = parameters.fit_intercept.unwrap_or(true);
        let (means, target_mean) = if centred {
            (design.means(), rows.iter().map(|&row| target[row as usize]).sum::<f64>() / rows.len() as f64)
        } else {
            (vec![0.0; design.width()], 0.0)
        };
        let coefficients = solve(&reduce(&design, &means, target, target_mean));
        let intercept = target_mean - means.iter().zip(&coefficients).map(|(mean, weight)| mean * weight).sum::<f64>();
        let linear = Linear { link: Link::Identity, coefficients: vec![coefficients], intercepts: vec![intercept] };
        Ok(Fitted { encoder: design.encoder, estimator: Estimator::Linear(linear), warnings: Vec::new() })
    }
}

/// The triangular factor of the centred columns with the centred target behind them, a block of rows at a time, so that
/// memory does not grow with the rows.
fn reduce(design: &Design<'_>, means: &[f64], target: &[f64], target_mean: f64) -> DMatrix<f64> {
    let width = design.width() + 1;
    let height = width + MIN_BLOCK.max(2 * width);
    let mut block = DMatrix::zeros(height, width);
    let mut used = 0;
    let flush = |block: &mut DMatrix<f64>, used: usize| {
        let factor = block.rows(0, used).into_owned().qr().r();
        block.fill(0.0);
        block.rows_mut(0, factor.nrows()).copy_from(&factor);
        factor.nrows()
    };
    design.each(|row, columns| {
        if used == height {
            used = flush(&mut block, used);
        }
        for (place, (column, mean)) in columns.iter().zip(means).enumerate() {
            block[(used, place)] = column - mean;
        }
        block[(used, width - 1)] = target[row as usize] - target_mean;
        used += 1;
    });
    used = flush(&mut block, used);
    block.rows(0, used).into_owned()
}

/// The shortest of the least-squares solutions.
fn solve(factor: &DMatrix<f64>) -> Vec<f64> {
    let width = factor.ncols() - 1;
    let right: DVector<f64> = factor.column(width).into_owned();
    let svd = factor.columns(0, width).into_owned().svd(true, true);
    let largest = svd.singular_values.max();
    let negligible = largest * NEGLIGIBLE;
    // Both factors were asked for.
    svd.solve(&right, negligible).map_or_else(|_| vec![0.0; width], |solution| solution.iter().copied().collect())
}
