//! What a person should look at, in words.

use slipway_spec::data_report::MAX_FINDINGS;
use slipway_spec::{Builtin, ColumnReport, ColumnRole, DataReport, FeatureType, Finding, FindingKind, Split, Task};

use super::super::dataset::{Dataset, FeatureColumn};

/// A feature that alone scores as much may know the answer.
const KNOWS: f64 = 0.99;
/// From here on the spread of a feature has changed much (Siddiqi 2006).
const DRIFTED: f64 = 0.25;
/// A class with fewer training rows, or a smaller share of them, is rare.
const RARE_ROWS: usize = 10;
const RARE_SHARE: f64 = 0.01;
/// A share of missing values that is worth telling.
const MOSTLY: f64 = 0.5;
/// Whole numbers from here on are not all told apart.
const INEXACT: f64 = 9_007_199_254_740_992.0;
/// Words that people write where they have no value, beside those that are read as missing.
const WRITTEN_FOR_MISSING: [&str; 13] =
    ["?", "??", "-", "--", "---", ".", "..", "*", "\\N", "na", "None", "missing", "#VALUE!"];
/// Fewest rows whose numbers may be an identifier.
const MIN_IDENTIFIED: u64 = 20;

/// Everything worth telling, the gravest first.
pub(super) fn find(report: &DataReport, dataset: &Dataset, builtin: &Builtin) -> Vec<Finding> {
    let mut findings: Vec<Finding> = report
        .described
        .iter()
        .flat_map(|column| of_column(column, report.rows, dataset.target.task, builtin))
        .collect();
    findings.extend(constant_target(report, dataset.target.task));
    findings.extend(dataset.features.iter().filter(|feature| feature.used).flat_map(written_for_missing));
    findings.extend(rare_classes(dataset));
    findings.extend(duplicates(report));
    findings.sort_by_key(|finding| finding.kind);
    findings.truncate(MAX_FINDINGS);
    findings
}

fn of_column(column: &ColumnReport, rows: u64, task: Task, builtin: &Builtin) -> Vec<Finding> {
    if column.role != ColumnRole::Feature {
        return Vec::new();
    }
    let name = &column.name;
    let mut found = Vec::new();
    let mut tell = |kind: FindingKind, message: String| {
        found.push(Finding { kind, column: Some(name.clone()), message });
    };
    if let Some(score) = column.alone.filter(|score| *score >= KNOWS) {
        let metric = match task {
            Task::Regression => "R²",
            Task::Classification => "AUC",
        };
        tell(
            FindingKind::Leakage,
            format!(
                "{name} alone predicts the target almost perfectly ({metric} {score:.4} on rows held out): does it know the \
                 answer? If it is known only afterwards, say `use: false` in features"
            ),
        );
    }
    let expected = matches!(&builtin.split, Split::Time(time) if time.column == *name);
    if let Some(index) = column.drift.filter(|index| *index >= DRIFTED && !expected) {
        tell(
            FindingKind::Drift,
            format!(
                "{name} is spread otherwise in the test rows than in the training rows (population stability index \
                 {index:.2}, from {DRIFTED} on much): metrics may not hold for rows to come"
            ),
        );
    }
    if column.missing as f64 > MOSTLY * rows as f64 && column.distinct > 0 {
        tell(FindingKind::Missing, format!("{name} is missing in {} of {rows} rows", column.missing));
    }
    if column.distinct == 1 {
        tell(
            FindingKind::Constant,
            format!("{name} has the same value in every row, so the model learns nothing from it"),
        );
    }
    let asked_for = builtin.features.iter().any(|feature| feature.column() == name && feature.use_ == Some(true));
    if is_identifier(column, rows) && !asked_for {
        tell(
            FindingKind::Identifier,
            format!(
                "{name} looks like an identifier: a whole number of its own in every row; if it is one, say `use: false` in features"
            ),
        );
    }
    if column.type_ == Some(FeatureType::Number)
        && let Some(numbers) = &column.numbers
        && numbers.max.abs().max(numbers.min.abs()) >= INEXACT
    {
        tell(
            FindingKind::Range,
            format!(
                "{name} has numbers from 2^53 on, which are no longer told apart; if they are names, say `type: Category` in features"
            ),
        );
    }
    found
}

fn constant_target(report: &DataReport, task: Task) -> Option<Finding> {
    let constant = |column: &&ColumnReport| column.role == ColumnRole::Target && column.distinct == 1;
    let ColumnReport { name, .. } = report.described.iter().filter(|_| task == Task::Regression).find(constant)?;
    let message = format!("the target {name} has the same value in every row, so there is nothing to learn");
    Some(Finding { kind: FindingKind::Constant, column: Some(name.clone()), message })
}

/// Categories that look like a way to write that there is no value.
fn written_for_missing(feature: &FeatureColumn) -> impl Iterator<Item = Finding> {
    let labels = feature.typed.labels.iter().enumerate();
    labels.filter(|(_, label)| WRITTEN_FOR_MISSING.contains(&label.as_str())).map(|(place, label)| {
        let (name, values) = (&feature.field.name, &feature.typed.values);
        let count = values.iter().filter(|value| **value == place as f64).count();
        let message = format!(
            "{name} has {count} values {label:?}, which is a category of its own: were they written for missing? Leave such \
             cells empty then, and say in features what becomes of them"
        );
        Finding { kind: FindingKind::Missing, column: Some(name.clone()), message }
    })
}

/// Whole numbers, each once: one after the other, or in a column that is called so.
fn is_identifier(column: &ColumnReport, rows: u64) -> bool {
    let Some(numbers) = column.numbers.as_ref().filter(|_| column.type_ == Some(FeatureType::Number)) else {
        return false;
    };
    let each_once = column.distinct == rows && rows >= MIN_IDENTIFIED;
    let whole = numbers.min.fract() == 0.0 && numbers.max.fract() == 0.0 && numbers.median.fract() == 0.0;
    let gapless = numbers.max - numbers.min + 1.0 == rows as f64;
    let lower = column.name.to_lowercase();
    let called_so = ["id", "key", "index", "no", "nr", "number"].iter().any(|word| {
        lower.strip_suffix(word).is_some_and(|rest| rest.is_empty() || rest.ends_with(['_', '-', ' ', '.']))
    }) || column.name.ends_with("Id")
        || column.name.ends_with("ID");
    each_once && whole && (gapless || called_so)
}

fn rare_classes(dataset: &Dataset) -> Vec<Finding> {
    if dataset.target.classes.is_empty() {
        return Vec::new();
    }
    let train = &dataset.rows.train;
    let mut counts = vec![0_usize; dataset.target.classes.len()];
    for &row in train {
        if let Some(count) = counts.get_mut(dataset.target.values[row as usize] as usize) {
            *count += 1;
        }
    }
    let rare = |count: usize| count < RARE_ROWS || (count as f64) < RARE_SHARE * train.len() as f64;
    let classes = dataset.target.classes.iter().zip(counts).filter(|(_, count)| rare(*count));
    let finding = |(class, count): (&String, usize)| Finding {
        kind: FindingKind::Imbalance,
        column: None,
        message: format!(
            "only {count} of {} training rows are of the class {:?}: accuracy says little, and metrics of this class are uncertain",
            train.len(),
            super::shown(class)
        ),
    };
    classes.map(finding).collect()
}

fn duplicates(report: &DataReport) -> Option<Finding> {
    let message = format!(
        "{} of {} rows are equal to an earlier one; where copies stand on both sides of the split, metrics are too good",
        report.duplicate_rows, report.rows
    );
    // Few columns of few values repeat each other without a mistake.
    let combinations =
        report.described.iter().fold(1_u64, |product, column| product.saturating_mul(column.distinct + 1));
    let surprising = report.duplicate_rows > 0 && combinations / 100 > report.rows;
    surprising.then_some(Finding { kind: FindingKind::DuplicateRows, column: None, message })
}
