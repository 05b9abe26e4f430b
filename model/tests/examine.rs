//! What a train step left behind becomes a verdict, by the model's own predictions.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::json;
use slipway_model::{
    Artefact, Digest, Distributions, Encoder, Estimator, ExamineError, Examined, Field, Golden, GoldenRow, Input,
    Lineage, Linear, Link, Manifest, Model, Output, artefact, examine,
};
use slipway_spec::contract::Exit;
use slipway_spec::{DataIdentity, FeatureType, Outcome, Run, Verdict};

/// Predicts `slope * x`; with a category that does nothing, of which the model knows `colours`.
fn write(dir: &Path, slope: f64, colours: &[&str]) {
    write_row(dir, slope, colours, &json!({"x": 3, "colour": "red"}));
}

/// The same, with a golden row of its own.
fn write_row(dir: &Path, slope: f64, colours: &[&str], row: &serde_json::Value) {
    let colour = Field {
        name: "colour".to_owned(),
        type_: FeatureType::Category,
        categories: colours.iter().map(|&colour| colour.to_owned()).collect(),
        ..Field::default()
    };
    let fields = vec![Field { name: "x".to_owned(), ..Field::default() }, colour];
    let output = Output::Regression { name: "y".to_owned(), range: None, unit: None };
    let estimator = Estimator::Linear(Linear {
        link: Link::Identity,
        coefficients: vec![vec![slope, 0.0]],
        intercepts: vec![0.0],
        means: Vec::new(),
    });
    write_model(dir, fields, output, estimator, row);
}

fn write_classifier(dir: &Path) {
    let fields = vec![Field { name: "x".to_owned(), ..Field::default() }];
    let output = Output::Classification {
        name: "y".to_owned(),
        classes: vec!["no".to_owned(), "yes".to_owned()],
        positive_class: Some(1),
        threshold: None,
    };
    let estimator = Estimator::Linear(Linear {
        link: Link::Logistic,
        coefficients: vec![vec![1.0]],
        intercepts: vec![0.0],
        means: Vec::new(),
    });
    write_model(dir, fields, output, estimator, &json!({"x": 3}));
}

fn write_model(dir: &Path, fields: Vec<Field>, output: Output, estimator: Estimator, row: &serde_json::Value) {
    let encoder = Encoder::identity(fields.len());
    let model = Model::new(fields.clone(), output.clone(), encoder, estimator).unwrap();
    let row = row.as_object().unwrap().clone();
    let expected = model.predict_raw(&model.decode_json(&row).unwrap());
    let mut manifest = Manifest {
        format_version: 1,
        model_name: "a training image's own name".to_owned(),
        version: String::new(),
        input: Input::Row { fields },
        output,
        estimator: "LinearRegression".to_owned(),
        files: vec![],
        metrics: [("r2".to_owned(), 1.0)].into(),
        gates: vec![],
        checks: vec![],
        lineage: Lineage::default(),
        golden: Golden { tolerance: 1e-9, rows: vec![GoldenRow { row, expected }] },
        distributions: Distributions::default(),
    };
    artefact::write(dir, &mut manifest, &model, &[]).unwrap();
}

fn run(mut extra: serde_json::Value) -> Run {
    let mut spec = json!({
        "modelName": "line",
        "data": {"uri": "s3://bucket/data.csv"},
        "target": "y",
        "train": {"container": {"image": "trainer:1"}},
        "output": {"uri": "s3://bucket/models/"},
    });
    spec.as_object_mut().unwrap().append(extra.as_object_mut().unwrap());
    let run = json!({"name": "line-1", "namespace": "ml", "uid": "u-1", "image": "trainer:1", "spec": spec});
    serde_json::from_value(run).unwrap()
}

fn data() -> DataIdentity {
    DataIdentity { uri: "s3://bucket/data.csv".to_owned(), digest: Digest::of(b"x").to_string(), ..Default::default() }
}

const TEST: &str = "truth,prediction,input:x,input:colour,other\n2,2,1,red,a\n4.5,4,2,blue,b\n6,6,3,red,c\n";

fn examined(dir: &Path, run: &Run, champion: Option<&Path>) -> Examined {
    examine(dir, run, champion, Some(data())).unwrap()
}

#[test]
fn metrics_are_recomputed_and_manifest_and_report_say_the_same() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 2.0, &["blue", "red"]);
    fs::write(dir.path().join("test.csv"), TEST).unwrap();
    fs::write(dir.path().join("metrics.json"), r#"{"mae": 0.5, "pinball@90": 0.25, "skill": null}"#).unwrap();
    fs::write(dir.path().join("training.json"), r#"{"rows": {"train": 7, "test": 3, "leftOut": 0}}"#).unwrap();
    let run = run(json!({
        "gates": [{"metric": "mae", "atMost": 0.2}, {"metric": "pinball@90", "atMost": 0.2}],
        "checks": [{"monotonic": {"feature": "x", "within": "colour"}}, {"range": {"min": 0}}],
    }));
    let examined = examined(dir.path(), &run, None);
    let report = &examined.report;
    assert!((report.metrics["mae"] - 0.5 / 3.0).abs() < 1e-15);
    assert_eq!(report.self_reported, ["pinball@90"]);
    assert!(report.undefined.contains_key("skill"));
    assert_eq!(report.training.rows.unwrap().train, 7);
    assert_eq!(report.training.warnings.len(), 1, "metrics.json disagrees: {:?}", report.training.warnings);
    assert_eq!(report.verdict, Verdict::Refused);
    assert_eq!(examined.judgement.failures().collect::<Vec<_>>(), ["pinball@90 is 0.25, above 0.2"]);

    let artefact = Artefact::load(dir.path(), Some(examined.digest)).unwrap();
    let manifest = artefact.manifest;
    assert_eq!((&*manifest.model_name, &*manifest.version), ("line", "u-1"));
    assert_eq!((&manifest.metrics, &manifest.checks), (&report.metrics, &report.checks));
    assert_eq!((&manifest.lineage.data, manifest.lineage.image.as_deref()), (&data(), Some("trainer:1")));
    let files: Vec<_> = manifest.files.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(files, ["model.json"], "the report tells how long it took: it is no part of the artefact");
    assert_eq!((&*report.about.estimator, &*report.about.target), ("LinearRegression", "y"));
    assert_eq!(report.about.digest, Some(examined.digest.to_string()));
    let written: slipway_spec::Report =
        serde_json::from_slice(&fs::read(dir.path().join("report.json")).unwrap()).unwrap();
    assert_eq!(&written, report);
}

#[test]
fn examining_again_gives_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 2.0, &["blue", "red"]);
    fs::write(dir.path().join("test.csv"), TEST).unwrap();
    let first = examined(dir.path(), &run(json!({})), None);
    assert_eq!(first.report.verdict, Verdict::Passed);
    assert_eq!(examined(dir.path(), &run(json!({})), None).digest, first.digest);
}

#[test]
fn an_artefact_without_golden_rows_gets_some_from_the_test_rows() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 2.0, &["blue", "red"]);
    let (mut manifest, _) = artefact::read_manifest(dir.path(), None).unwrap();
    manifest.golden.rows.clear();
    artefact::write_manifest(dir.path(), &manifest).unwrap();
    fs::write(dir.path().join("test.csv"), TEST).unwrap();
    let golden = examined(dir.path(), &run(json!({})), None).manifest.golden;
    assert_eq!(golden.rows[1].expected, [4.0]);
    assert_eq!(serde_json::to_value(&golden.rows[1].row).unwrap(), json!({"x": "2", "colour": "blue"}));
    Artefact::load(dir.path(), None).unwrap();
}

#[test]
fn a_classifier_is_asked_for_the_probabilities_that_the_file_leaves_out() {
    let dir = tempfile::tempdir().unwrap();
    write_classifier(dir.path());
    let rows = "truth,prediction,input:x\nno,no,-1\nyes,yes,2\nno,yes,1\n";
    fs::write(dir.path().join("test.csv"), rows).unwrap();
    assert_eq!(examined(dir.path(), &run(json!({})), None).report.metrics.len(), 11);

    fs::write(dir.path().join("test.csv"), "truth,prediction\nno,no\nyes,yes\nno,yes\n").unwrap();
    fs::write(dir.path().join("metrics.json"), r#"{"roc_auc": 0.75, "accuracy": 1}"#).unwrap();
    let report = examined(dir.path(), &run(json!({})), None).report;
    assert_eq!(report.self_reported, ["roc_auc"], "accuracy is known from test.csv");
    assert_eq!(report.undefined["log_loss"], "there are no probabilities");
}

#[test]
fn without_test_rows_every_metric_is_the_images_own_word() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 2.0, &["red"]);
    fs::write(dir.path().join("metrics.json"), r#"{"r2": 0.95}"#).unwrap();
    let run = run(json!({"gates": [{"metric": "r2", "atLeast": 0.9}, {"metric": "mae", "atMost": 1}]}));
    let report = examined(dir.path(), &run, None).report;
    assert_eq!(report.self_reported, ["r2"]);
    assert_eq!(report.verdict, Verdict::Refused, "a gate on a metric that nobody reports fails");
}

#[test]
fn the_champion_is_scored_on_the_rows_that_both_models_read() {
    const ROWS: &str = "truth,prediction,input:x,input:colour\n2.1,2,1,red\n9,4,2,blue\n6.3,6,3,red\n";
    let run = run(json!({"gates": [{"metric": "mae", "champion": {"worseByAtMost": 0.0}}]}));
    for (slope, colours, verdict, champions_mae, warnings) in [
        (2.1, &["blue", "red"][..], Verdict::Refused, 1.6, 0),
        (1.9, &["blue", "red"], Verdict::Passed, 2.0, 0),
        (1.9, &["red"], Verdict::Passed, 0.4, 1),
        (2.1, &["red"], Verdict::Refused, 0.0, 1),
    ] {
        let (dir, champion) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write(dir.path(), 2.0, &["blue", "red"]);
        fs::write(dir.path().join("test.csv"), ROWS).unwrap();
        write(champion.path(), slope, colours);
        let report = examined(dir.path(), &run, Some(champion.path())).report;
        assert_eq!((report.verdict, report.training.warnings.len()), (verdict, warnings), "{report:?}");
        assert!((report.champion_metrics.unwrap()["mae"] - champions_mae).abs() < 1e-9);
        assert!((report.metrics["mae"] - 1.8).abs() < 1e-9, "the gate's other rows still count for the report");
    }
}

#[test]
fn a_champion_that_cannot_be_scored_lets_nothing_pass_and_says_why() {
    let run = run(json!({"gates": [{"metric": "mae", "champion": {"worseByAtMost": 0.0}}]}));
    for (test, warning) in [
        (Some(TEST), "another task, Classification"),
        (Some("truth,prediction\n1,1\n2,2\n"), "no input: columns"),
        (None, "no test.csv"),
    ] {
        let (dir, champion) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write(dir.path(), 2.0, &["blue", "red"]);
        write_classifier(champion.path());
        fs::write(dir.path().join("metrics.json"), r#"{"mae": 0}"#).unwrap();
        if let Some(test) = test {
            fs::write(dir.path().join("test.csv"), test).unwrap();
        }
        let report = examined(dir.path(), &run, Some(champion.path())).report;
        assert_eq!(report.verdict, Verdict::Refused, "{report:?}");
        assert!(report.training.warnings.iter().any(|text| text.contains(warning)), "{warning}: {report:?}");
    }
}

#[test]
fn a_champion_with_other_fields_is_compared_on_the_rows_it_can_read_and_one_that_reads_none_lets_nothing_pass() {
    let run = run(json!({"gates": [{"metric": "mae", "champion": {"worseByAtMost": 10}}]}));
    for (colours, verdict, warning) in [
        (&["blue", "green", "red"][..], Verdict::Passed, None),
        (&["green"], Verdict::Refused, Some("it can read none of the test rows: row 1: input:colour")),
    ] {
        let (dir, champion) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write(dir.path(), 2.0, &["blue", "red"]);
        fs::write(dir.path().join("test.csv"), TEST).unwrap();
        let row = json!({"x": 3, "colour": colours[0]});
        write_row(champion.path(), 1.0, colours, &row);
        let report = examined(dir.path(), &run, Some(champion.path())).report;
        assert_eq!(report.verdict, verdict, "{report:?}");
        let found = report.training.warnings.iter().find(|text| text.contains("none of the test rows"));
        assert_eq!(found.is_some(), warning.is_some(), "{:?}", report.training.warnings);
        assert!(warning.is_none_or(|warning| found.unwrap().contains(warning)), "{found:?}");
    }
}

#[test]
fn groups_and_confidence_are_judged() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 2.0, &["blue", "red"]);
    let mut rows = "truth,prediction,input:x,input:colour,group:region\n".to_owned();
    for row in 0..60 {
        let (x, colour) = (row % 10, ["blue", "red"][row % 2]);
        let (off, region) = if row < 20 { (4.0, "north") } else { (0.5, "south") };
        writeln!(rows, "{},{},{x},{colour},{region}", 2.0 * x as f64 + off, 2 * x).unwrap();
    }
    fs::write(dir.path().join("test.csv"), rows).unwrap();
    let gates = json!([
        {"metric": "mae", "of": "WorstGroup", "atMost": 3},
        {"metric": "mae", "of": "GroupGap", "atMost": 4},
        {"metric": "mae", "of": "ConfidenceBound", "atMost": 2.5},
        {"metric": "pinball_loss_90", "of": "ConfidenceBound", "atMost": 0.1},
    ]);
    let run = run(json!({"evaluation": {"groupBy": "region", "minGroupRows": 20}, "gates": gates}));
    let examined = examined(dir.path(), &run, None);
    let (report, outcomes) = (&examined.report, &examined.judgement.gates);
    let groups = report.groups.as_ref().unwrap();
    assert_eq!((&*groups.worst["mae"].group, groups.worst["mae"].value, groups.gap["mae"]), ("north", 4.0, 3.5));
    let interval = report.intervals["mae"];
    assert!(interval.low < report.metrics["mae"] && report.metrics["mae"] < interval.high, "{interval:?}");
    assert_eq!(outcomes[0].message, "mae of the worst group is 4, above 3");
    assert_eq!(outcomes[1].outcome, Outcome::Passed);
    assert_eq!((outcomes[2].outcome, outcomes[2].observed), (Outcome::Passed, Some(interval.high)));
    assert_eq!((&*outcomes[3].metric, outcomes[3].outcome), ("pinball_loss_90.confidence_bound", Outcome::Failed));
}

#[test]
fn groups_that_test_rows_do_not_name_fail_their_gate_and_say_why() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 2.0, &["blue", "red"]);
    fs::write(dir.path().join("test.csv"), TEST).unwrap();
    let gates = json!([{"metric": "mae", "of": "WorstGroup", "atMost": 3}]);
    let run = run(json!({"evaluation": {"groupBy": "region"}, "gates": gates}));
    let report = examined(dir.path(), &run, None).report;
    assert_eq!(report.verdict, Verdict::Refused);
    assert_eq!(report.training.warnings, ["evaluation.groupBy: test.csv has no column input:region or group:region"]);
}

#[test]
fn whatever_is_wrong_is_refused_and_named() {
    for (name, content, message) in [
        (
            "test.csv",
            "truth,prediction,input:x,input:colour\n2,2,1,red\n4,4.5,2,red\n",
            "row 2: the prediction is 4.5, the model itself predicts 4",
        ),
        (
            "test.csv",
            "truth,prediction,input:x,input:colour\n2,2,one,green\n",
            "row 1: input:x: expected a number, got \"one\"; input:colour: ",
        ),
        ("test.csv", "truth,prediction,input:x\n2,2,1\n", "input:colour: expected one of \"red\", got nothing"),
        ("test.csv", "truth,prediction\n2,2\nNaN,2\n", "row 2: truth: expected a number, got \"NaN\""),
        ("test.csv", "truth\n2\n", "there is no column \"prediction\""),
        ("test.csv", "truth,prediction,truth\n2,2,2\n", "two columns have the name \"truth\""),
        ("test.csv", "truth,prediction\n2\n", "test.csv: CSV error: record 1"),
        ("metrics.json", r#"{"r2": NaN}"#, "NaN and Infinity are no JSON"),
        ("metrics.json", r#"{"a b": 1}"#, "\"a b\" is no name of a metric"),
        ("training.json", "[1]", "training.json: invalid type"),
        ("model.json", "{}", "model.json: 2 bytes"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), 2.0, &["red"]);
        fs::write(dir.path().join(name), content).unwrap();
        let error = examine(dir.path(), &run(json!({})), None, None).unwrap_err();
        assert_eq!(error.exit(), Exit::Data);
        let text = error.to_string();
        assert!(text.contains(message) && text.contains(name), "{content}: {text}");
    }
}

#[test]
fn a_model_that_is_not_what_the_run_asked_for_is_refused() {
    for (spec, message) in [
        (json!({"task": "Classification"}), "the model is for Regression, the run asks for Classification"),
        (json!({"target": "z"}), "the model predicts \"y\", the run's target is \"z\""),
        (json!({"positiveClass": "yes"}), "positive class"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), 2.0, &["red"]);
        let error = examine(dir.path(), &run(spec), None, None).unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
    }
    let dir = tempfile::tempdir().unwrap();
    let error = examine(dir.path(), &run(json!({})), None, None).unwrap_err();
    assert!(matches!(error, ExamineError::NoArtefact(_)), "{error}");
}
