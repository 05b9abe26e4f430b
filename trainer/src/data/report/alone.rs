//! How well one feature alone predicts the target.

use slipway_model::metrics::{self, Scored};
use slipway_model::most_probable;
use slipway_spec::{FeatureType, Metric};

use super::super::dataset::{Dataset, FeatureColumn};

/// Most rows of a side that are looked at.
const MAX_ROWS: usize = 20_000;
/// Fewest rows held out that say anything.
const MIN_HELD_OUT: usize = 50;
/// Most groups that training rows are put into by their value, and fewest rows of a group.
const MAX_GROUPS: usize = 256;
const MIN_GROUP: usize = 4;

/// At most so many rows, evenly spaced.
pub(super) fn thin(rows: &[u32]) -> impl Iterator<Item = u32> {
    rows.iter().copied().step_by(rows.len().div_ceil(MAX_ROWS).max(1))
}

/// The score on the test rows of a table that was made from the training rows: the mean target, or the share of each class, of
/// rows with about the same value of the feature. R² of a regression, AUC of a classification; `None` where it is undefined
/// or there are too few rows.
pub(super) fn score(dataset: &Dataset, feature: &FeatureColumn) -> Option<f64> {
    if dataset.rows.test.len() < MIN_HELD_OUT {
        return None;
    }
    let value = |row: u32| feature.typed.values[row as usize];
    let target = |row: u32| dataset.target.values[row as usize];
    let width = dataset.target.classes.len().max(1);
    let answer = |row: u32| -> Vec<f64> {
        match width {
            1 => vec![target(row)],
            _ => (0..width).map(|class| f64::from(u8::from(target(row) == class as f64))).collect(),
        }
    };
    let pairs: Vec<(f64, u32)> = thin(&dataset.rows.train).map(|row| (value(row), row)).collect();
    let numeric = matches!(feature.typed.type_, FeatureType::Number | FeatureType::Timestamp);
    let lookup = Lookup::new(pairs, numeric, width, &answer);
    let test: Vec<u32> = thin(&dataset.rows.test).collect();
    let predicted: Vec<f64> = test.iter().flat_map(|&row| lookup.predict(value(row))).collect();
    let output = dataset.target.output("", &dataset.rows.train);
    if width == 1 {
        let truth: Vec<f64> = test.iter().map(|&row| target(row)).collect();
        return metrics::compute(Metric::R2, &output, Scored::Numbers { truth: &truth, predicted: &predicted }).ok();
    }
    let truth: Vec<usize> = test.iter().map(|&row| target(row) as usize).collect();
    let classes: Vec<usize> = predicted.chunks_exact(width).map(most_probable).collect();
    let scored = Scored::Classes { truth: &truth, predicted: &classes, probabilities: Some(&predicted) };
    metrics::compute(Metric::RocAuc, &output, scored).ok()
}

/// Mean answers by value.
struct Lookup {
    /// Groups by ascending value: the mean value and the mean answer.
    groups: Vec<(f64, Vec<f64>)>,
    missing: Vec<f64>,
    all: Vec<f64>,
    numeric: bool,
}

impl Lookup {
    fn new(mut pairs: Vec<(f64, u32)>, numeric: bool, width: usize, answer: &dyn Fn(u32) -> Vec<f64>) -> Lookup {
        // NaN sorts last.
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        let present = pairs.partition_point(|(value, _)| !value.is_nan());
        let mean = |pairs: &[(f64, u32)]| {
            let mut sums = vec![0.0; width];
            for (_, row) in pairs {
                for (sum, part) in sums.iter_mut().zip(answer(*row)) {
                    *sum += part / pairs.len() as f64;
                }
            }
            sums
        };
        let all = mean(&pairs);
        let missing = if present < pairs.len() { mean(&pairs[present..]) } else { all.clone() };
        let size = if numeric { (present / MAX_GROUPS).max(MIN_GROUP) } else { 1 };
        let mut groups = Vec::new();
        let mut start = 0;
        while start < present {
            let mut end = (start + size).min(present);
            // Equal values stay together.
            end += pairs[end..present].partition_point(|(value, _)| *value <= pairs[end - 1].0);
            let group = &pairs[start..end];
            // The mean of equal numbers may be rounded to another one.
            let all_equal = group[0].0 == group[group.len() - 1].0;
            let center =
                if all_equal { group[0].0 } else { group.iter().map(|(value, _)| value / group.len() as f64).sum() };
            groups.push((center, mean(group)));
            start = end;
        }
        Lookup { groups, missing, all, numeric }
    }

    /// Between the centres of groups of numbers along a straight line.
    fn predict(&self, value: f64) -> Vec<f64> {
        if value.is_nan() {
            return self.missing.clone();
        }
        let above = self.groups.partition_point(|(center, _)| *center < value);
        let (below, above) = (above.checked_sub(1).and_then(|place| self.groups.get(place)), self.groups.get(above));
        match (below, above) {
            _ if !self.numeric => match above {
                Some((category, answer)) if *category == value => answer.clone(),
                _ => self.all.clone(),
            },
            (Some((from, low)), Some((to, high))) => {
                let part = (value - from) / (to - from);
                low.iter().zip(high).map(|(low, high)| low + part * (high - low)).collect()
            }
            (Some((_, answer)), None) | (None, Some((_, answer))) => answer.clone(),
            (None, None) => self.all.clone(),
        }
    }
}
