//! What a missing value becomes.

use slipway_spec::{FeatureType, MissingPolicy};

/// The policy of a column where the spec names none.
pub(crate) fn default_policy(type_: FeatureType, has_missing: bool) -> MissingPolicy {
    match type_ {
        _ if !has_missing => MissingPolicy::Reject,
        FeatureType::Number | FeatureType::Timestamp => MissingPolicy::Median,
        FeatureType::Category | FeatureType::Boolean => MissingPolicy::MostFrequent,
    }
}

/// The value that `policy` puts in place of a missing one, from the training rows' `values`, where NaN is missing. `None`
/// where it puts none there, or where every value is missing.
pub(crate) fn fill(policy: MissingPolicy, values: impl Iterator<Item = f64>) -> Option<f64> {
    if matches!(policy, MissingPolicy::Reject | MissingPolicy::Constant | MissingPolicy::Native) {
        return None;
    }
    let mut present: Vec<f64> = values.filter(|value| !value.is_nan()).collect();
    if present.is_empty() {
        return None;
    }
    match policy {
        MissingPolicy::Reject | MissingPolicy::Constant | MissingPolicy::Native => None,
        MissingPolicy::Mean => {
            let count = present.len() as f64;
            let mean = present.iter().sum::<f64>() / count;
            // The sum of enormous numbers may not be finite where their mean is.
            Some(if mean.is_finite() { mean } else { present.iter().map(|value| value / count).sum() })
        }
        MissingPolicy::Median => {
            present.sort_unstable_by(f64::total_cmp);
            let middle = present.len() / 2;
            let upper = present[middle];
            Some(if present.len() % 2 == 1 { upper } else { f64::midpoint(present[middle - 1], upper) })
        }
        MissingPolicy::MostFrequent => {
            present.sort_unstable_by(f64::total_cmp);
            let runs = present.chunk_by(|a, b| a == b);
            // The smallest of equally frequent values.
            runs.rev().max_by_key(|run| run.len()).map(|run| run[0])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policies_are_those_of_scikit_learns_imputer() {
        let values = [3.0, f64::NAN, 1.0, 3.0, 2.0, 1.0];
        for (policy, expected) in [
            (MissingPolicy::Reject, None),
            (MissingPolicy::Mean, Some(2.0)),
            (MissingPolicy::Median, Some(2.0)),
            (MissingPolicy::MostFrequent, Some(1.0)),
        ] {
            assert_eq!(fill(policy, values.into_iter()), expected, "{policy:?}");
        }
        assert_eq!(fill(MissingPolicy::Median, [1.0, 2.0].into_iter()), Some(1.5));
        assert_eq!(fill(MissingPolicy::Median, [f64::NAN].into_iter()), None);
    }
}
