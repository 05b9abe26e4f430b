//! Predicted numbers against true ones.

use slipway_spec::pictures::{RegressionPictures, ResidualBand};

use super::{histogram, quantile, sample};

/// Most rows that are drawn as points.
const MAX_POINTS: usize = 800;
const BINS: usize = 30;
/// Most ranges of the prediction.
const MAX_BANDS: usize = 16;
/// Fewest rows of a range whose percentiles say something.
const MIN_BAND_ROWS: usize = 12;

pub(super) fn pictures(truth: &[f64], predicted: &[f64]) -> RegressionPictures {
    let mut pairs: Vec<[f64; 2]> = truth.iter().zip(predicted).map(|(truth, predicted)| [*truth, *predicted]).collect();
    // What is not finite cannot be drawn.
    pairs.retain(|[truth, predicted]| (truth - predicted).is_finite());
    let points = sample(MAX_POINTS, pairs.len()).into_iter().map(|place| pairs[place]).collect();
    let mut residuals: Vec<f64> = pairs.iter().map(residual).collect();
    residuals.sort_unstable_by(f64::total_cmp);
    let residuals = histogram::of_most(&residuals, BINS);
    pairs.sort_by(|a, b| a[1].total_cmp(&b[1]));
    RegressionPictures { rows: truth.len(), points, residuals, bands: bands(&pairs) }
}

fn residual([truth, predicted]: &[f64; 2]) -> f64 {
    truth - predicted
}

/// `pairs` are sorted by the prediction.
fn bands(pairs: &[[f64; 2]]) -> Vec<ResidualBand> {
    let count = (pairs.len() / MIN_BAND_ROWS).min(MAX_BANDS);
    let cut = |band: usize| pairs.len() * band / count;
    (0..count)
        .map(|band| {
            let rows = &pairs[cut(band)..cut(band + 1)];
            let mut residuals: Vec<f64> = rows.iter().map(residual).collect();
            residuals.sort_unstable_by(f64::total_cmp);
            ResidualBand {
                predicted: rows.iter().map(|pair| pair[1]).sum::<f64>() / rows.len() as f64,
                residuals: [0.1, 0.5, 0.9].map(|part| quantile(&residuals, part)),
                rows: rows.len(),
            }
        })
        .collect()
}
