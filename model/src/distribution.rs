//! How values were spread in training, to compare live traffic with.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Most bins of a numeric distribution.
pub const MAX_BINS: usize = 20;
/// Most categories of a categorical distribution; the others are counted together under the empty name.
pub const MAX_COUNTED: usize = 100;

/// How the values of one field, or the predictions, were spread.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all_fields = "camelCase")]
pub enum Distribution {
    /// Numbers by quantile bins: `counts[i]` values lie in `(edges[i], edges[i + 1]]`, the first bin closed on both sides.
    Numeric {
        /// Edges, ascending; one more than there are counts, or both empty where there was no value. Two edges are equal
        /// only where all values are.
        edges: Vec<f64>,
        /// Values in each bin.
        counts: Vec<u64>,
        /// Missing values.
        missing: u64,
    },
    /// Categories by their count.
    Categorical {
        /// Values of each category; the rarest beyond [`MAX_COUNTED`] under the empty name.
        counts: BTreeMap<String, u64>,
        /// Missing values.
        missing: u64,
    },
}

impl Distribution {
    /// Bins numbers at their quantiles. NaN stands for a missing value.
    pub fn of_numbers(values: &[f64]) -> Distribution {
        let mut sorted: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
        let missing = (values.len() - sorted.len()) as u64;
        sorted.sort_unstable_by(f64::total_cmp);
        let Some(last) = sorted.len().checked_sub(1) else {
            return Distribution::Numeric { edges: Vec::new(), counts: Vec::new(), missing };
        };
        let mut edges: Vec<f64> = (0..=MAX_BINS).map(|bin| sorted[last * bin / MAX_BINS]).collect();
        edges.dedup();
        if let [only] = edges[..] {
            edges.push(only);
        }
        let mut counts = vec![0; edges.len() - 1];
        for value in &sorted {
            let bin = edges.partition_point(|edge| edge < value).clamp(1, counts.len()) - 1;
            counts[bin] += 1;
        }
        Distribution::Numeric { edges, counts, missing }
    }

    /// Counts categories. `None` stands for a missing value.
    pub fn of_categories<'a>(values: impl IntoIterator<Item = Option<&'a str>>) -> Distribution {
        let mut counted: BTreeMap<&str, u64> = BTreeMap::new();
        let mut missing = 0;
        for value in values {
            match value {
                Some(category) => *counted.entry(category).or_default() += 1,
                None => missing += 1,
            }
        }
        let mut by_count: Vec<_> = counted.into_iter().collect();
        by_count.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        let rare = by_count.split_off(by_count.len().min(MAX_COUNTED));
        let mut counts: BTreeMap<_, _> =
            by_count.into_iter().map(|(category, count)| (category.to_owned(), count)).collect();
        if !rare.is_empty() {
            counts.insert(String::new(), rare.iter().map(|(_, count)| count).sum());
        }
        Distribution::Categorical { counts, missing }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_in_exactly_one_bin() {
        for values in
            [vec![], vec![1.0], vec![2.0, 2.0, 2.0], (0..1000).map(f64::from).collect(), vec![f64::NAN, 1.0, 5.0]]
        {
            let Distribution::Numeric { edges, counts, missing } = Distribution::of_numbers(&values) else { panic!() };
            assert_eq!(counts.iter().sum::<u64>() + missing, values.len() as u64);
            assert!(counts.len() <= MAX_BINS && (edges.is_empty() || edges.len() == counts.len() + 1));
        }
    }

    #[test]
    fn rare_categories_are_counted_together() {
        let names: Vec<String> = (0..150).map(|i| format!("c{i:03}")).collect();
        let values = names.iter().map(|name| Some(name.as_str())).chain([None, Some("c000")]);
        let Distribution::Categorical { counts, missing } = Distribution::of_categories(values) else { panic!() };
        assert_eq!((counts.len(), counts[""], counts["c000"], missing), (101, 50, 2, 1));
    }
}
