//! What the data look like before anything is learned from them.

mod alone;
mod drift;
mod findings;

use std::hash::{BuildHasher, RandomState};

use rayon::prelude::*;
use slipway_spec::data_report::{MAX_HISTOGRAM_BARS, MAX_REPORTED_COLUMNS, MAX_TOP_VALUES};
use slipway_spec::{Builtin, ColumnReport, ColumnRole, DataReport, FeatureType, NumberSummary, Split, ValueCount};

use super::dataset::{Dataset, FeatureColumn};
use crate::reader::{Cells, Column, Table, dictionary};

/// Longest value that a report repeats, characters.
const MAX_SHOWN: usize = 60;

/// Describes the columns of `dataset` and finds what a person should look at.
pub(crate) fn describe(dataset: &Dataset, target: &str, builtin: &Builtin) -> DataReport {
    let table = &dataset.table;
    let reported = |place: usize, column: &Column| place < MAX_REPORTED_COLUMNS - 1 || column.name == target;
    let columns: Vec<_> = table.columns.iter().enumerate().filter(|(place, column)| reported(*place, column)).collect();
    let described = columns.into_par_iter().map(|(place, column)| {
        let role = role(dataset, place, column, target, builtin);
        let feature = dataset.features.iter().find(|feature| feature.place == place);
        describe_column(dataset, column, role, feature)
    });
    let mut report = DataReport {
        rows: table.rows as u64,
        columns: table.columns.len() as u64,
        duplicate_rows: duplicate_rows(table),
        classes: classes(dataset),
        described: described.collect(),
        findings: Vec::new(),
    };
    report.findings = findings::find(&report, dataset, builtin);
    report
}

fn role(dataset: &Dataset, place: usize, column: &Column, target: &str, builtin: &Builtin) -> ColumnRole {
    let split_by = match &builtin.split {
        Split::Random(random) => random.stratify_by.as_deref(),
        Split::Column(column) => Some(column.as_str()),
        Split::Time(time) => Some(time.column.as_str()),
        Split::Group(group) => Some(group.column.as_str()),
    };
    let helpers = [split_by, builtin.sample_weight.as_deref()];
    if column.name == target {
        ColumnRole::Target
    } else if dataset.features.iter().any(|feature| feature.place == place) {
        ColumnRole::Feature
    } else if helpers.into_iter().flatten().any(|name| name == column.name) {
        ColumnRole::Helper
    } else {
        ColumnRole::Unused
    }
}

fn describe_column(
    dataset: &Dataset,
    column: &Column,
    role: ColumnRole,
    feature: Option<&FeatureColumn>,
) -> ColumnReport {
    let mut report = match (feature, role) {
        (Some(feature), _) => match feature.typed.type_ {
            type_ @ (FeatureType::Number | FeatureType::Timestamp) => of_numbers(&feature.typed.values, type_),
            FeatureType::Category => of_labels(&feature.typed.values, &feature.typed.labels, FeatureType::Category),
            FeatureType::Boolean => {
                of_labels(&feature.typed.values, &["false".to_owned(), "true".to_owned()], FeatureType::Boolean)
            }
        },
        (None, ColumnRole::Target) if !dataset.target.classes.is_empty() => {
            of_labels(&dataset.target.values, &dataset.target.classes, FeatureType::Category)
        }
        (None, ColumnRole::Target) => of_numbers(&dataset.target.values, FeatureType::Number),
        (None, _) => match &column.cells {
            Cells::Numbers(values) => of_numbers(values, FeatureType::Number),
            Cells::Times(values) => of_numbers(values, FeatureType::Timestamp),
            Cells::Texts(texts) => {
                let missing = texts.codes.iter().filter(|&&code| code == dictionary::MISSING).count();
                let (distinct, top) = top(texts.dictionary.iter().zip(texts.counts()));
                ColumnReport { missing: missing as u64, distinct, top, ..nothing() }
            }
        },
    };
    report.name.clone_from(&column.name);
    report.role = role;
    report.unit = match role {
        ColumnRole::Target => dataset.target.unit.clone(),
        _ => feature.and_then(|feature| feature.field.unit.clone()),
    };
    if let Some(feature) = feature {
        report.drift = drift::stability_index(dataset, feature);
        report.alone = alone::score(dataset, feature);
    }
    report
}

fn nothing() -> ColumnReport {
    ColumnReport {
        name: String::new(),
        role: ColumnRole::Unused,
        type_: None,
        unit: None,
        missing: 0,
        distinct: 0,
        numbers: None,
        top: Vec::new(),
        drift: None,
        alone: None,
    }
}

fn of_numbers(values: &[f64], type_: FeatureType) -> ColumnReport {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let distinct = sorted.chunk_by(|a, b| a == b).count() as u64;
    let missing = (values.len() - sorted.len()) as u64;
    // A column without any value has no type.
    let type_ = (!sorted.is_empty()).then_some(type_);
    ColumnReport { type_, missing, distinct, numbers: summary(&sorted), ..nothing() }
}

/// Of ascending numbers.
fn summary(sorted: &[f64]) -> Option<NumberSummary> {
    let (&min, &max) = (sorted.first()?, sorted.last()?);
    let count = sorted.len() as f64;
    // Dividing first keeps sums of enormous numbers finite.
    let mean = sorted.iter().map(|value| value / count).sum::<f64>();
    let variance = sorted.iter().map(|value| (value - mean) / count.sqrt()).map(|part| part * part).sum::<f64>();
    let bars = if min == max { 1 } else { MAX_HISTOGRAM_BARS };
    let mut histogram = vec![0; bars];
    let width = max / bars as f64 - min / bars as f64;
    for value in sorted {
        let bar = if width > 0.0 { ((value - min) / width) as usize } else { 0 };
        histogram[bar.min(bars - 1)] += 1;
    }
    let median = sorted[(sorted.len() - 1) / 2];
    Some(NumberSummary { min, mean, median, max, standard_deviation: variance.sqrt(), histogram })
}

/// Of values that are places among `labels`.
fn of_labels(values: &[f64], labels: &[String], type_: FeatureType) -> ColumnReport {
    let (counts, missing) = count(values, labels.len());
    let (distinct, top) = top(labels.iter().map(String::as_str).zip(counts));
    ColumnReport { type_: Some(type_), missing: missing as u64, distinct, top, ..nothing() }
}

fn count(values: &[f64], labels: usize) -> (Vec<usize>, usize) {
    let (mut counts, mut missing) = (vec![0; labels], 0);
    for &value in values {
        if value.is_nan() {
            missing += 1;
        } else {
            counts[value as usize] += 1;
        }
    }
    (counts, missing)
}

/// How many texts occur, and the most frequent of them.
fn top<'a>(counted: impl Iterator<Item = (&'a str, usize)>) -> (u64, Vec<ValueCount>) {
    let mut counted: Vec<_> = counted.filter(|(_, count)| *count > 0).collect();
    let distinct = counted.len() as u64;
    let order = |a: &(&str, usize), b: &(&str, usize)| b.1.cmp(&a.1).then(a.0.cmp(b.0));
    if counted.len() > MAX_TOP_VALUES {
        counted.select_nth_unstable_by(MAX_TOP_VALUES, order);
        counted.truncate(MAX_TOP_VALUES);
    }
    counted.sort_unstable_by(order);
    (
        distinct,
        counted.into_iter().map(|(value, count)| ValueCount { value: shown(value), count: count as u64 }).collect(),
    )
}

fn shown(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

fn classes(dataset: &Dataset) -> Vec<ValueCount> {
    let classes = &dataset.target.classes;
    if classes.is_empty() {
        return Vec::new();
    }
    let (counts, _) = count(&dataset.target.values, classes.len());
    let counted =
        classes.iter().zip(counts).map(|(class, count)| ValueCount { value: shown(class), count: count as u64 });
    let mut counted: Vec<_> = counted.collect();
    counted.sort_by_key(|class| std::cmp::Reverse(class.count));
    counted.truncate(MAX_REPORTED_COLUMNS);
    counted
}

/// Rows that are equal to an earlier one, by 64-bit digests of the rows.
fn duplicate_rows(table: &Table) -> u64 {
    // What the hasher is seeded with does not change which rows are equal.
    let hasher = RandomState::new();
    let mut digests = vec![0_u64; table.rows];
    for column in &table.columns {
        match &column.cells {
            Cells::Numbers(values) | Cells::Times(values) => {
                mix(&mut digests, values.iter().map(|value| (value + 0.0).to_bits()));
            }
            Cells::Texts(texts) => mix(&mut digests, texts.codes.iter().map(|&code| code.into())),
        }
    }
    for digest in &mut digests {
        *digest = hasher.hash_one(*digest);
    }
    digests.par_sort_unstable();
    digests.windows(2).filter(|pair| pair[0] == pair[1]).count() as u64
}

/// Takes one more column into the digests of the rows: the finaliser of SplitMix64 (Steele, Lea and Flood 2014).
fn mix(digests: &mut [u64], cells: impl Iterator<Item = u64>) {
    for (digest, cell) in digests.iter_mut().zip(cells) {
        let mut mixed = (*digest ^ cell).wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        *digest = mixed ^ (mixed >> 31);
    }
}

#[cfg(test)]
mod tests;
