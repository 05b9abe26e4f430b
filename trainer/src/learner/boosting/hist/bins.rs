//! Columns cut into at most 255 bins, so that a value is a byte.

use std::borrow::Cow;

use rayon::prelude::*;

use super::super::rows::Column;
use crate::rng::Rng;

/// Columns that are kept together: four bytes a row, read at once.
pub(super) const BLOCK: usize = 4;
/// Bins a column may have, the one of missing values included.
pub(super) const MAX_BINS: usize = 256;
/// Rows that cuts are computed from, at most, as in scikit-learn.
const SAMPLE: usize = 200_000;

/// Binned columns of some rows.
#[derive(Debug)]
pub(super) struct Binned {
    /// One for every [`BLOCK`] columns, with the bins of each row.
    pub(super) blocks: Vec<Vec<[u8; BLOCK]>>,
    pub(super) features: Vec<Feature>,
}

/// How one column is cut. The bin after the last one is that of missing values.
#[derive(Clone, Debug)]
pub(super) struct Feature {
    pub(super) cut: Cut,
    /// Bins of values that are there.
    pub(super) bins: usize,
    /// Whether the rows that the cuts come from miss values.
    pub(super) missing: bool,
}

/// What a bin is.
#[derive(Clone, Debug)]
pub(super) enum Cut {
    /// Bin `i` holds values above threshold `i - 1` up to threshold `i`.
    Numbers(Vec<f64>),
    /// The bin of each category; that of missing values for those that are not told apart.
    Categories(Vec<u8>),
}

impl Binned {
    /// Bins `rows` of the columns. The cuts come from the first of them, those of `training`: between different values
    /// where there are at most `max_bins`, otherwise at quantiles.
    pub(super) fn new(columns: &[Column<'_>], rows: &[u32], training: Training<'_>, max_bins: usize) -> Binned {
        let trained = &rows[..training.rows];
        let (sample, weights) = training.sample(trained);
        let feature = |column: &Column<'_>| match column.categories {
            Some(categories) => Feature::categories(column, categories, trained, max_bins),
            None => Feature::numbers(column, weights.as_deref(), trained, &sample, max_bins),
        };
        let features: Vec<Feature> = columns.par_iter().map(feature).collect();
        let blocks = columns.par_chunks(BLOCK).zip(features.par_chunks(BLOCK)).map(|(columns, features)| {
            let mut block = vec![[0; BLOCK]; rows.len()];
            for (place, (column, feature)) in columns.iter().zip(features).enumerate() {
                feature.bin_all(column, rows, |row, bin| block[row][place] = bin);
            }
            block
        });
        Binned { blocks: blocks.collect(), features }
    }

    /// The bin of a row in a column.
    pub(super) fn bin(&self, feature: usize, row: usize) -> u8 {
        self.blocks[feature / BLOCK][row][feature % BLOCK]
    }
}

/// The rows that cuts come from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Training<'a> {
    /// How many there are.
    pub(super) rows: usize,
    /// What each weighs; None where all weigh the same.
    pub(super) weights: Option<&'a [f64]>,
    /// Seed of the sample that is drawn where there are many.
    pub(super) seed: i64,
}

impl Training<'_> {
    /// At most [`SAMPLE`] of the rows with their weights, each row equally likely.
    fn sample<'a>(&'a self, rows: &'a [u32]) -> (Cow<'a, [u32]>, Option<Cow<'a, [f64]>>) {
        if rows.len() <= SAMPLE {
            return (Cow::Borrowed(rows), self.weights.map(Cow::Borrowed));
        }
        let mut sample: Vec<usize> = (0..rows.len()).collect();
        Rng::new(self.seed).shuffle(&mut sample);
        sample.truncate(SAMPLE);
        let weights = self.weights.map(|weights| sample.iter().map(|&place| weights[place]).collect());
        (sample.iter().map(|&place| rows[place]).collect(), weights)
    }
}

impl Feature {
    fn numbers(column: &Column<'_>, weights: Option<&[f64]>, rows: &[u32], sample: &[u32], max_bins: usize) -> Feature {
        let missing = rows.iter().any(|&row| column.values[row as usize].is_nan());
        let keys = weighed(column, sample, weights);
        let between = |low: usize, high: usize| {
            f64::from(unsortable(keys[low].0)) / 2.0 + f64::from(unsortable(keys[high].0)) / 2.0
        };
        let mut thresholds = Vec::new();
        if keys.len() <= max_bins {
            thresholds.extend((1..keys.len()).map(|place| between(place - 1, place)));
        } else {
            let total: f64 = keys.iter().map(|(_, weight)| weight).sum();
            let (mut place, mut sum) = (0, keys[0].1);
            for cut in 1..max_bins {
                // The value at which the weights reach the share; between it and the next where they reach it exactly.
                // Rounded as numpy rounds percentiles, which decides whether a share is reached exactly.
                let wanted = total * (cut as f64 * (100.0 / max_bins as f64) / 100.0);
                while sum < wanted && place + 1 < keys.len() {
                    place += 1;
                    sum += keys[place].1;
                }
                let next = if sum == wanted { (place + 1).min(keys.len() - 1) } else { place };
                thresholds.push(between(place, next));
            }
            thresholds.dedup();
        }
        Feature { bins: thresholds.len() + 1, cut: Cut::Numbers(thresholds), missing }
    }

    /// The most frequent categories have a bin of their own; the others count as missing.
    fn categories(column: &Column<'_>, categories: usize, rows: &[u32], max_bins: usize) -> Feature {
        let mut counts = vec![0_usize; categories];
        for &row in rows {
            if let Some(count) = category(column.values[row as usize]).and_then(|place| counts.get_mut(place)) {
                *count += 1;
            }
        }
        let mut kept: Vec<usize> = (0..categories).filter(|&category| counts[category] > 0).collect();
        kept.sort_by_key(|&category| std::cmp::Reverse(counts[category]));
        kept.truncate(max_bins);
        kept.sort_unstable();
        let mut bins = vec![kept.len() as u8; categories];
        for (bin, &category) in kept.iter().enumerate() {
            bins[category] = bin as u8;
        }
        let told = kept.iter().map(|&category| counts[category]).sum::<usize>();
        Feature { bins: kept.len(), cut: Cut::Categories(bins), missing: told < rows.len() }
    }

    /// Tells the bin of each of the rows.
    fn bin_all(&self, column: &Column<'_>, rows: &[u32], mut tell: impl FnMut(usize, u8)) {
        let missing = self.bins as u8;
        match &self.cut {
            Cut::Categories(bins) => {
                for (place, &row) in rows.iter().enumerate() {
                    let bin = category(column.values[row as usize]).and_then(|category| bins.get(category));
                    tell(place, bin.copied().unwrap_or(missing));
                }
            }
            Cut::Numbers(thresholds) => {
                let mut padded = [f64::INFINITY; MAX_BINS];
                padded[..thresholds.len()].copy_from_slice(thresholds);
                for (place, &row) in rows.iter().enumerate() {
                    let value = f64::from(narrow(column.values[row as usize]));
                    tell(place, if value.is_nan() { missing } else { search(&padded, value) });
                }
            }
        }
    }
}

/// The different values of some rows, as sortable keys, ascending, each with the sum of its weights.
fn weighed(column: &Column<'_>, rows: &[u32], weights: Option<&[f64]>) -> Vec<(u32, f64)> {
    let values = rows.iter().map(|&row| narrow(column.values[row as usize]));
    let mut keys: Vec<(u32, f64)> = match weights {
        None => {
            let mut keys: Vec<u32> = values.filter(|value| !value.is_nan()).map(sortable).collect();
            keys.sort_unstable();
            keys.into_iter().map(|key| (key, 1.0)).collect()
        }
        Some(weights) => {
            let weighed = values.zip(weights).filter(|(value, weight)| !value.is_nan() && **weight > 0.0);
            let mut keys: Vec<_> = weighed.map(|(value, weight)| (sortable(value), *weight)).collect();
            keys.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
            keys
        }
    };
    keys.dedup_by(|other, kept| {
        let equal = other.0 == kept.0;
        kept.1 += if equal { other.1 } else { 0.0 };
        equal
    });
    keys
}

/// The number of thresholds below a value, of 255 at most, without a branch.
fn search(thresholds: &[f64; MAX_BINS], value: f64) -> u8 {
    let mut bin = 0_u8;
    for step in [128, 64, 32, 16, 8, 4, 2, 1] {
        bin += step * u8::from(thresholds[usize::from(bin + (step - 1))] < value);
    }
    bin
}

/// The place of a category.
fn category(value: f64) -> Option<usize> {
    (value >= 0.0).then_some(value as usize)
}

/// As models compare columns: as 32-bit floats. Beyond their range there is nothing to tell apart; adding 0 makes -0 a 0.
fn narrow(value: f64) -> f32 {
    (value as f32).clamp(f32::MIN, f32::MAX) + 0.0
}

/// The bits of a float, turned so that they sort as the floats do.
fn sortable(value: f32) -> u32 {
    let bits = value.to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

fn unsortable(key: u32) -> f32 {
    f32::from_bits(if key >> 31 == 1 { key & !(1 << 31) } else { !key })
}
