//! Scales of columns.

use slipway_model::Scale;
use slipway_spec::Scaling;

/// The scale of a column from its values in the rows of a fit; [`Scaling::Standard`] is what the caller has sums for.
pub(crate) fn of_values(scaling: Scaling, values: &mut [f64]) -> Scale {
    values.sort_unstable_by(f64::total_cmp);
    let Some(last) = values.len().checked_sub(1) else { return Scale { mean: 0.0, scale: 1.0 } };
    let (mean, scale) = match scaling {
        Scaling::MinMax => (values[0], values[last] - values[0]),
        Scaling::Robust => (quantile(values, 0.5), quantile(values, 0.75) - quantile(values, 0.25)),
        Scaling::Standard | Scaling::None => (0.0, 1.0),
    };
    Scale { mean, scale: if scale > 0.0 && scale.is_finite() { scale } else { 1.0 } }
}

/// A quantile of sorted values, between two of them in proportion, as `numpy.percentile`.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_those_of_scikit_learn() {
        let scale = |scaling, values: &[f64]| {
            let Scale { mean, scale } = of_values(scaling, &mut values.to_vec());
            (mean, scale)
        };
        assert_eq!(scale(Scaling::MinMax, &[4.0, 1.0, 9.0]), (1.0, 8.0));
        assert_eq!(scale(Scaling::Robust, &[4.0, 1.0, 2.0, 3.0]), (2.5, 1.5));
        assert_eq!(scale(Scaling::MinMax, &[2.0, 2.0]), (2.0, 1.0), "a constant column");
    }
}
