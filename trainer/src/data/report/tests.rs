use std::fmt::Write;

use serde_json::{Value, json};
use slipway_spec::{FindingKind, Train, TrainingSpec};

use super::*;
use crate::reader::read_from;

/// The report of CSV with the target `y`; `split` as the spec has it.
fn report(text: &str, split: &Value) -> DataReport {
    let table = read_from("t.csv", text.as_bytes()).unwrap();
    let spec = json!({
        "modelName": "m", "target": "y", "data": {"uri": ""}, "output": {"uri": ""},
        "train": {"builtin": {"estimator": "DecisionTree", "split": split}},
    });
    let spec: TrainingSpec = serde_json::from_value(spec).unwrap();
    let Train::Builtin(builtin) = &spec.train else { panic!() };
    let dataset = Dataset::new(table, &spec, builtin).unwrap();
    describe(&dataset, "y", builtin)
}

fn at_random() -> Value {
    json!({"random": {"testFraction": 0.3}})
}

/// A number from 0 to 999 that looks random.
fn noise(row: usize, stream: usize) -> usize {
    let mut digest = [0];
    mix(&mut digest, [(row * 1_000 + stream) as u64].into_iter());
    (digest[0] % 1_000) as usize
}

fn found(report: &DataReport) -> Vec<(FindingKind, Option<&str>)> {
    report.findings.iter().map(|finding| (finding.kind, finding.column.as_deref())).collect()
}

fn column<'a>(report: &'a DataReport, name: &str) -> &'a ColumnReport {
    report.described.iter().find(|column| column.name == name).unwrap()
}

#[test]
fn columns_are_described_by_what_they_hold() {
    let mut text = "n,colour,on,when,note,y\n".to_owned();
    for row in 0..40 {
        let colour = ["red", "red", "blue", ""][row % 4];
        writeln!(
            text,
            "{},{colour},{},2024-05-{:02},text {row},{}",
            row / 2,
            row % 2 == 0,
            row % 28 + 1,
            noise(row, 0)
        )
        .unwrap();
    }
    let report = report(&text, &at_random());
    assert_eq!((report.rows, report.columns, report.duplicate_rows), (40, 6, 0));
    let n = column(&report, "n");
    assert_eq!((n.role, n.type_, n.missing, n.distinct), (ColumnRole::Feature, Some(FeatureType::Number), 0, 20));
    let numbers = n.numbers.as_ref().unwrap();
    assert_eq!((numbers.min, numbers.median, numbers.max), (0.0, 9.0, 19.0));
    assert!((numbers.mean - 9.5).abs() < 1e-12 && (numbers.standard_deviation - 33.25_f64.sqrt()).abs() < 1e-12);
    assert_eq!(numbers.histogram, vec![2; 20]);
    let colour = column(&report, "colour");
    let top: Vec<_> = colour.top.iter().map(|value| (value.value.as_str(), value.count)).collect();
    assert_eq!((colour.missing, colour.distinct, top), (10, 2, vec![("red", 20), ("blue", 10)]));
    assert_eq!(column(&report, "on").top.len(), 2);
    assert_eq!(column(&report, "when").type_, Some(FeatureType::Timestamp));
    let note = column(&report, "note");
    assert_eq!((note.role, note.type_, note.distinct, note.top.len()), (ColumnRole::Unused, None, 40, 10));
    assert_eq!(column(&report, "y").role, ColumnRole::Target);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(serde_json::from_value::<DataReport>(json).unwrap(), report);
}

#[test]
fn a_feature_that_knows_the_answer_is_found() {
    let mut text = "x,copy,code,y\n".to_owned();
    for row in 0..600 {
        let y = noise(row, 1);
        writeln!(text, "{},{},c{},{y}", noise(row, 2), y * 3 + 1, y % 5).unwrap();
    }
    let numbers = report(&text, &at_random());
    assert_eq!(found(&numbers), [(FindingKind::Leakage, Some("copy"))]);
    assert!(
        numbers.findings[0].message.starts_with("copy alone predicts the target almost perfectly (R² "),
        "{:?}",
        numbers.findings
    );
    assert!(column(&numbers, "x").alone.unwrap() < 0.2);
    let text = text.replacen("x,copy,code,y\n", "x,copy,y,z\n", 1);
    let mut classes = "x,label,y\n".to_owned();
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        writeln!(classes, "{},{},{}", cells[0], cells[2].replace('c', "k"), cells[2]).unwrap();
    }
    let classes = report(&classes, &at_random());
    assert_eq!(found(&classes)[0], (FindingKind::Leakage, Some("label")));
    assert_eq!(column(&classes, "label").alone, Some(1.0));
}

#[test]
fn test_rows_that_are_spread_otherwise_are_found() {
    let mut text = "x,shifted,kind,set,y\n".to_owned();
    for row in 0..1_000 {
        let test = row % 4 == 0;
        let (shift, kind, set) = if test { (700, "b", "test") } else { (0, ["a", "b"][row % 2], "train") };
        writeln!(text, "{},{},{kind},{set},{}", noise(row, 3), noise(row, 4) + shift, noise(row, 5)).unwrap();
    }
    let report = report(&text, &json!({"column": "set"}));
    assert_eq!(found(&report), [(FindingKind::Drift, Some("shifted")), (FindingKind::Drift, Some("kind"))]);
    assert!(column(&report, "x").drift.unwrap() < 0.1);
    assert_eq!(column(&report, "set").role, ColumnRole::Helper);
}

#[test]
fn copies_rare_classes_gaps_constants_and_identifiers_are_found() {
    let mut text = "customer_no,gaps,same,huge,a,b,y\n".to_owned();
    for row in 0..300 {
        let gap = if row % 3 == 0 { noise(row, 6).to_string() } else { String::new() };
        let class = if row % 100 == 0 { "rare" } else { ["yes", "no"][noise(row, 7) % 2] };
        let huge = 9_100_000_000_000_000_u64 + noise(row, 8) as u64;
        writeln!(text, "{},{gap},1,{huge},{},{},{class}", 5_000 + row * 3, noise(row, 9), noise(row, 10)).unwrap();
    }
    let messy = report(&text, &at_random());
    let kinds = found(&messy);
    for expected in [
        (FindingKind::Imbalance, None),
        (FindingKind::Missing, Some("gaps")),
        (FindingKind::Identifier, Some("customer_no")),
        (FindingKind::Constant, Some("same")),
        (FindingKind::Range, Some("huge")),
    ] {
        assert!(kinds.contains(&expected), "{expected:?} in {:?}", messy.findings);
    }
    assert!(kinds.is_sorted_by_key(|(kind, _)| *kind));
    assert_eq!(messy.classes.iter().map(|class| class.count).sum::<u64>(), 300);
    let line = "1,2,3,4,5,6,yes\n";
    let copies = report(&(text.clone() + &line.repeat(11)), &at_random());
    assert_eq!(copies.duplicate_rows, 10);
    assert!(found(&copies).contains(&(FindingKind::DuplicateRows, None)));
}
