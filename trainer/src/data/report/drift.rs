//! Whether test rows look like training rows.

use slipway_spec::FeatureType;

use super::super::dataset::{Dataset, FeatureColumn};
use super::alone::thin;

/// Intervals of numbers, each with as many training rows.
const BINS: usize = 10;
/// Most categories that are told apart; the others count together.
const MAX_CATEGORIES: usize = 20;
/// The share of a part without rows: half a row of the smaller side would be below it.
const LEAST_SHARE: f64 = 1e-4;

/// Population stability index of a feature between training and test rows: the sum of (q − p) ln(q / p) over the shares p of
/// training and q of test rows in ten intervals with as many training rows each, or in the most frequent categories; missing
/// values are a part of their own (Siddiqi, "Credit Risk Scorecards", 2006). `None` where a side is too small to say.
pub(super) fn stability_index(dataset: &Dataset, feature: &FeatureColumn) -> Option<f64> {
    let values = |rows: &[u32]| thin(rows).map(|row| feature.typed.values[row as usize]).collect::<Vec<f64>>();
    let (train, test) = (values(&dataset.rows.train), values(&dataset.rows.test));
    let parts = match feature.typed.type_ {
        FeatureType::Number | FeatureType::Timestamp => Parts::intervals(&train),
        FeatureType::Category | FeatureType::Boolean => Parts::categories(&train),
    };
    let (train_shares, test_shares) = (parts.shares(&train), parts.shares(&test));
    // By chance alone the index is about (parts − 1) (1/n + 1/m) (Yurdakul 2018); below a fifth of it nothing is told.
    let chance = (train_shares.len() - 1) as f64 * (1.0 / train.len() as f64 + 1.0 / test.len() as f64);
    (chance <= 0.1).then(|| train_shares.iter().zip(&test_shares).map(|(p, q)| (q - p) * (q / p).ln()).sum())
}

/// Into what the values are parted; missing ones come last.
enum Parts {
    /// Ends of intervals, ascending.
    Intervals(Vec<f64>),
    /// Categories, ascending; those that are not here count together.
    Categories(Vec<f64>),
}

impl Parts {
    fn intervals(train: &[f64]) -> Parts {
        let mut sorted: Vec<f64> = train.iter().copied().filter(|value| !value.is_nan()).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let mut ends: Vec<f64> =
            (1..BINS).filter_map(|bin| sorted.get((sorted.len() * bin / BINS).saturating_sub(1)).copied()).collect();
        ends.dedup();
        Parts::Intervals(ends)
    }

    fn categories(train: &[f64]) -> Parts {
        let mut sorted: Vec<f64> = train.iter().copied().filter(|value| !value.is_nan()).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let mut runs: Vec<&[f64]> = sorted.chunk_by(|a, b| a == b).collect();
        runs.sort_by_key(|run| std::cmp::Reverse(run.len()));
        let mut kept: Vec<f64> = runs.iter().take(MAX_CATEGORIES).map(|run| run[0]).collect();
        kept.sort_unstable_by(f64::total_cmp);
        Parts::Categories(kept)
    }

    fn shares(&self, values: &[f64]) -> Vec<f64> {
        let (Parts::Intervals(known) | Parts::Categories(known)) = self;
        let mut counts = vec![0_usize; known.len() + 2];
        let missing = known.len() + 1;
        for value in values {
            let place = match self {
                _ if value.is_nan() => missing,
                Parts::Intervals(ends) => ends.partition_point(|end| end < value),
                Parts::Categories(known) => {
                    known.binary_search_by(|other| other.total_cmp(value)).unwrap_or(known.len())
                }
            };
            counts[place] += 1;
        }
        counts.iter().map(|&count| (count as f64 / values.len() as f64).max(LEAST_SHARE)).collect()
    }
}
