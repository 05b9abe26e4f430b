//! Rows as linear models see them: one-hot and standardised.

use slipway_model::{Encoder, Scale};

use super::{FitError, Samples};

/// Most columns of a linear model.
const MAX_COLUMNS: usize = 4_000;

/// The rows of a fit, encoded one at a time.
pub(super) struct Design<'a> {
    samples: &'a Samples,
    /// With scales from these rows.
    pub(super) encoder: Encoder,
    rows: &'a [u32],
}

impl<'a> Design<'a> {
    /// Standardises by the mean and the population standard deviation of `rows`, as scikit-learn's `StandardScaler`: numbers
    /// and times, but not columns of zeros and ones.
    pub(super) fn new(samples: &'a Samples, rows: &'a [u32]) -> Result<Self, FitError> {
        let width = samples.encoder.width();
        if width > MAX_COLUMNS {
            return Err(FitError(format!(
                "a linear model of {width} columns, categories one-hot; at most {MAX_COLUMNS} are possible: leave features out, \
                 encode them as Ordinal, or use DecisionTree"
            )));
        }
        let mut design = Design { samples, encoder: samples.encoder.clone(), rows };
        let means = design.means();
        let mut squares = vec![0.0; width];
        design.each(|_, columns| {
            for ((square, column), mean) in squares.iter_mut().zip(columns).zip(&means) {
                *square += (column - mean) * (column - mean);
            }
        });
        let count = rows.len() as f64;
        let scales = means.iter().zip(&squares).zip(&samples.scaled).map(|((&mean, square), scaled)| {
            let variance = square / count;
            // A column that varies only by rounding is constant.
            let rounding = count * f64::EPSILON * variance + (count * mean * f64::EPSILON).powi(2);
            match scaled {
                true if variance > rounding => Scale { mean, scale: variance.sqrt() },
                true => Scale { mean, scale: 1.0 },
                false => Scale { mean: 0.0, scale: 1.0 },
            }
        });
        design.encoder = samples.encoder.clone().with_scales(scales.collect());
        Ok(design)
    }

    /// Number of rows.
    pub(super) fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Number of columns.
    pub(super) fn width(&self) -> usize {
        self.encoder.width()
    }

    /// Mean of each column.
    pub(super) fn means(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.width()];
        self.each(|_, columns| {
            for (sum, column) in sums.iter_mut().zip(columns) {
                *sum += column;
            }
        });
        sums.into_iter().map(|sum| sum / self.rows.len() as f64).collect()
    }

    /// Calls `see` with every row and its columns, in order.
    pub(super) fn each(&self, see: impl FnMut(u32, &[f64])) {
        self.each_of(0, self.rows.len(), see);
    }

    /// The same for the rows from place `start` to place `end`.
    pub(super) fn each_of(&self, start: usize, end: usize, mut see: impl FnMut(u32, &[f64])) {
        let (mut decoded, mut columns) = (Vec::new(), Vec::with_capacity(self.width()));
        for &row in &self.rows[start..end] {
            columns.clear();
            self.samples.encode(&self.encoder, row, &mut decoded, &mut columns);
            see(row, &columns);
        }
    }
}
