//! The normal equations of a weighted least-squares problem.

use super::super::FitError;
use super::super::design::Design;
use super::super::linalg::{Factor, Symmetric, add_scaled, largest};

/// Pivots at least this far apart may have cost digits, which are won back.
const WELL_CONDITIONED: f64 = 1e-4;
/// Rounds of that, at most, and the share of the solution from which on a step is worth another.
const MAX_ROUNDS: usize = 5;
const SETTLED: f64 = 1e-14;

/// The rows of a fit, reduced to what the coefficients depend on: products of the columns with each other and with the
/// target, all taken about their weighted means where there is an intercept.
pub(super) struct Normal {
    pub(super) design: Design,
    /// The target about its mean, one a row.
    target: Vec<f64>,
    target_mean: f64,
    /// The place of each row of `matrix` in the design: all but the intercept's.
    places: Vec<usize>,
    means: Vec<f64>,
    /// Of the columns.
    pub(super) matrix: Symmetric,
    /// Of the columns with the target.
    pub(super) right: Vec<f64>,
    /// The sum of the target's weighted squares.
    pub(super) squares: f64,
    /// The sum of the weights.
    pub(super) total: f64,
}

impl Normal {
    pub(super) fn new(design: Design, target: &[f64]) -> Result<Normal, FitError> {
        let total: f64 = design.weights.iter().sum();
        let values: Vec<f64> = design.rows.iter().map(|&row| target[row as usize]).collect();
        let weighted = || design.weights.iter().zip(&values);
        let target_mean = if design.intercept { weighted().map(|(w, y)| w * y).sum::<f64>() / total } else { 0.0 };
        let values: Vec<f64> = values.iter().map(|value| value - target_mean).collect();
        let squares = design.weights.iter().zip(&values).map(|(w, y)| w * y * y).sum::<f64>();
        if !squares.is_finite() {
            return Err(FitError("the numbers of the target are too large to be squared; scale them down".to_owned()));
        }
        let whole = design.products(&design.weights);
        let intercept = design.intercept_place();
        let places: Vec<usize> = (0..design.places()).filter(|place| Some(*place) != intercept).collect();
        let means: Vec<f64> = places
            .iter()
            .map(|&place| intercept.map_or(0.0, |intercept| whole.get(place, intercept) / total))
            .collect();
        let mut matrix = Symmetric::zeros(places.len());
        for (row, &place) in places.iter().enumerate() {
            for (column, value) in matrix.row_mut(row).iter_mut().enumerate() {
                *value = whole.get(place, places[column]) - means[row] * means[column] * total;
            }
        }
        let mut normal =
            Normal { design, target: values, target_mean, places, means, matrix, right: Vec::new(), squares, total };
        normal.right = normal.slope(&vec![0.0; normal.places.len()]);
        Ok(normal)
    }

    /// The shortest solution with `l2` added to the diagonal. Directions in which the columns vary less than `negligible`
    /// times the strongest are left out.
    pub(super) fn solve(&self, l2: f64, negligible: f64) -> Vec<f64> {
        let mut matrix = self.matrix.clone();
        for place in 0..matrix.size {
            matrix.row_mut(place)[place] += l2;
        }
        let factor = Factor::new(&matrix, negligible * negligible);
        let mut solution = factor.solve(&self.right);
        if factor.spread > WELL_CONDITIONED {
            return solution;
        }
        let mut last = f64::INFINITY;
        for _ in 0..MAX_ROUNDS {
            let mut slope = self.slope(&solution);
            add_scaled(&mut slope, -l2, &solution);
            let step = factor.solve(&slope);
            let size = largest(&step);
            // Steps that do not shrink are rounding.
            if size >= last / 2.0 {
                break;
            }
            add_scaled(&mut solution, 1.0, &step);
            if size <= SETTLED * largest(&solution) {
                break;
            }
            last = size;
        }
        solution
    }

    /// The coefficients of the encoder's columns, and the intercept.
    pub(super) fn coefficients(&self, solution: &[f64]) -> (Vec<f64>, f64) {
        self.design.coefficients(&self.by_place(solution, self.target_mean))
    }

    /// The products of the columns with what `solution` leaves of the target.
    fn slope(&self, solution: &[f64]) -> Vec<f64> {
        let (design, weights) = (&self.design, self.by_place(solution, 0.0));
        let size = design.places();
        let mut sums = design.reduce(size + 1, |rows, sums| {
            let (slopes, rest) = sums.split_at_mut(size);
            for place in rows {
                let row = design.row(place);
                let residual = design.weights[place] * (self.target[place] - row.dot(&weights));
                row.add_to(residual, slopes);
                rest[0] += residual;
            }
        });
        let left = sums.pop().unwrap_or_default();
        self.places.iter().zip(&self.means).map(|(&place, mean)| sums[place] - mean * left).collect()
    }

    /// Weights by place, with the intercept that fits them best above `base`.
    fn by_place(&self, solution: &[f64], base: f64) -> Vec<f64> {
        let mut weights = vec![0.0; self.design.places()];
        let mut shifted = 0.0;
        for ((&place, weight), mean) in self.places.iter().zip(solution).zip(&self.means) {
            weights[place] = *weight;
            shifted += weight * mean;
        }
        if let Some(place) = self.design.intercept_place() {
            weights[place] = base - shifted;
        }
        weights
    }
}
