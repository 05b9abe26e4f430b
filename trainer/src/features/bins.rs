//! Edges between bins.

use slipway_spec::Bins;

/// Edges closer than this are one, as in scikit-learn.
const NARROWEST: f64 = 1e-8;

/// The inner edges of the bins of `values`, where NaN is missing.
pub(super) fn edges(bins: &Bins, values: &[f64]) -> Vec<f64> {
    match bins {
        Bins::Edges(edges) => edges.clone(),
        Bins::Quantiles(count) => quantiles(*count as usize, values),
    }
}

/// Quantiles as scikit-learn's `KBinsDiscretizer` takes them (`averaged_inverted_cdf`): the value that a share of the others
/// reach, the mean of two where it falls between them.
fn quantiles(count: usize, values: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return Vec::new() };
    let at = |bin: usize| {
        let (before, exact) = (bin * sorted.len() / count, (bin * sorted.len()).is_multiple_of(count));
        let upper = sorted[before.min(last)];
        if exact && before > 0 { f64::midpoint(sorted[before - 1], upper) } else { upper }
    };
    let mut edges: Vec<f64> = Vec::new();
    for edge in (1..count).map(at) {
        let before = edges.last().copied().unwrap_or(sorted[0]);
        if edge - before > NARROWEST {
            edges.push(edge);
        }
    }
    // A bin of nothing above the last edge.
    edges.pop_if(|edge| sorted[last] - *edge <= NARROWEST);
    edges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_hold_about_as_many_rows_each() {
        let numbers: Vec<f64> = (0..100).map(f64::from).collect();
        assert_eq!(quantiles(4, &numbers), [24.5, 49.5, 74.5]);
        assert_eq!(quantiles(3, &[1.0, f64::NAN, 2.0, 3.0, 4.0]), [2.0, 3.0]);
        assert_eq!(quantiles(4, &[1.0, 1.0, 1.0, 1.0, 1.0, 2.0]), Vec::<f64>::new(), "equal edges are one");
        assert_eq!(quantiles(4, &[f64::NAN]), Vec::<f64>::new());
    }
}
