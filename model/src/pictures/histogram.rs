//! Counts in ranges of equal width.

use slipway_spec::pictures::Histogram;

use super::quantile;

/// Counts `values` in `bins` ranges from `start` to `end`, which is larger.
pub(super) fn between(values: impl Iterator<Item = f64>, start: f64, end: f64, bins: usize) -> Histogram {
    let mut histogram = Histogram { start, end, counts: vec![0; bins], beyond: [0; 2] };
    let width = (end - start) / bins as f64;
    for value in values.filter(|value| value.is_finite()) {
        if value < start {
            histogram.beyond[0] += 1;
        } else if value > end {
            histogram.beyond[1] += 1;
        } else {
            histogram.counts[(((value - start) / width) as usize).min(bins - 1)] += 1;
        }
    }
    histogram
}

/// Counts `sorted` finite values in `bins` ranges; far outliers lie beyond them.
pub(super) fn of_most(sorted: &[f64], bins: usize) -> Histogram {
    let (low, high) = (quantile(sorted, 0.005), quantile(sorted, 0.995));
    let margin = (high - low) * 0.1;
    let smallest = sorted.first().copied().unwrap_or_default();
    let largest = sorted.last().copied().unwrap_or_default();
    let (start, end) = widen((low - margin).max(smallest), (high + margin).min(largest));
    between(sorted.iter().copied(), start, end, bins)
}

/// A range that is not empty.
pub(super) fn widen(start: f64, end: f64) -> (f64, f64) {
    if end > start {
        return (start, end);
    }
    let margin = (start.abs() * 0.01).max(0.5);
    (start - margin, start + margin)
}
