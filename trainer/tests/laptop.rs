//! The program as a person and a pod run it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

mod common;

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

fn trainer() -> Command {
    Command::new(env!("CARGO_BIN_EXE_slipway-trainer"))
}

fn on_laptop(dir: &Path, spec: &Value, data: &Path, more: &[&str]) -> Output {
    let run = dir.join("run.yaml");
    fs::write(&run, spec.to_string()).unwrap();
    let mut command = trainer();
    command.arg("--run").arg(run).arg("--data").arg(data).arg("--output").arg(dir.join("output"));
    command.args(more).output().unwrap()
}

fn gated(gate: &Value) -> Value {
    let parameters = json!({"max_depth": 8, "min_samples_leaf": 2});
    let mut spec = common::spec("time_to_dispatch", json!({"estimator": "DecisionTree", "parameters": parameters}));
    spec["gates"] = json!([gate]);
    spec
}

#[test]
fn a_good_model_passes_and_its_artefact_serves() {
    let dir = tempfile::tempdir().unwrap();
    let data = common::marked(dir.path(), "time_to_dispatch");
    let mut spec = gated(&json!({"metric": "r2", "atLeast": 0.9, "warnBelow": 0.95}));
    spec["checks"] = json!([
        {"monotonic": {"feature": "orders_placed", "at": [100, 150], "within": "product_code"}},
        {"range": {"min": 0, "maxTimesObserved": 1.25}},
    ]);
    // As for the cluster: what only a cluster needs is passed over.
    spec["data"] = json!({"uri": "s3://bucket/key.csv"});
    spec["retries"] = json!(2);
    let run = json!({
        "apiVersion": "slipway.dev/v1alpha1", "kind": "TrainingRun", "metadata": {"name": "time-to-dispatch-1"}, "spec": spec
    });
    let output = on_laptop(dir.path(), &run, &data, &[]);
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    for expected in [
        "800 to train, 200 to test",
        "r2                      0.97639",
        "passed    monotonic",
        "Passed. The artefact is in",
    ] {
        assert!(stdout.contains(expected), "{expected}: {stdout}");
    }
    let artefact = slipway_model::Artefact::load(&dir.path().join("output"), None).unwrap();
    assert_eq!(artefact.manifest.golden.rows.len(), 16);
    let report = common::json_file(dir.path(), "report.json");
    assert_eq!(report["verdict"], "Passed");
    assert_eq!(report["rows"], json!({"train": 800, "test": 200, "leftOut": 0}));
    assert!(report["pictures"]["permutation"]["features"][0]["importance"].as_f64().unwrap() > 0.1);
    let page = fs::read_to_string(dir.path().join("output/report.html")).unwrap();
    assert!(page.contains("Predicted against actual") && page.len() < 2 << 20, "{} bytes", page.len());
}

#[test]
fn a_model_below_its_gate_is_refused_with_exit_67() {
    let dir = tempfile::tempdir().unwrap();
    let data = common::marked(dir.path(), "time_to_dispatch");
    let output = on_laptop(dir.path(), &gated(&json!({"metric": "r2", "atLeast": 0.99})), &data, &["--report", "json"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(67), "{stderr}");
    assert!(stderr.lines().last().unwrap().starts_with("refused: r2 is 0.97"), "{stderr}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["verdict"], "Refused");
}

#[test]
fn a_champion_is_scored_on_the_same_rows() {
    let champion = tempfile::tempdir().unwrap();
    let data = common::marked(champion.path(), "time_to_dispatch");
    assert!(on_laptop(champion.path(), &gated(&json!({"metric": "r2", "atLeast": 0.9})), &data, &[]).status.success());
    let dir = tempfile::tempdir().unwrap();
    let mut spec = gated(&json!({"metric": "r2", "champion": {"worseByAtMost": 0.005}}));
    spec["train"]["builtin"]["parameters"]["max_depth"] = json!(2);
    let champion = champion.path().join("output");
    let output = on_laptop(dir.path(), &spec, &data, &["--champion", champion.to_str().unwrap()]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(67), "{stderr}");
    assert!(stderr.contains("the champion's 0.97638"), "{stderr}");
}

#[test]
fn wrong_usage_is_exit_64() {
    let dir = tempfile::tempdir().unwrap();
    let data = common::data("iris.csv");
    for (spec, expected) in [
        (
            json!({"modelName": "m", "target": "species", "train": {"builtin": {"estimatr": "DecisionTree"}}}),
            "spec.train.builtin: missing field `estimator`",
        ),
        (
            json!({"modelName": "m", "target": "species", "train": {"builtin": {"estimator": "DecisionTre"}}}),
            "spec.train.builtin.estimator: there is no DecisionTre; write one of DecisionTree",
        ),
        (
            json!({"modelName": "m", "target": "species", "trian": 1, "train": {"builtin": {"estimator": "DecisionTree"}}}),
            "spec.trian: there is no such field",
        ),
        (
            json!({"modelName": "m", "target": "species", "train": {"builtin": {"estimator": "DecisionTree", "split": {"random": {"sead": 1}}}}}),
            "spec.train.builtin.split.random.sead: there is no such field",
        ),
        (
            json!({"kind": "Deployment", "apiVersion": "apps/v1", "spec": {}}),
            "kind: expected TrainingRun, got \"Deployment\"",
        ),
        (
            json!({"modelName": "m", "target": "species", "train": {"container": {"image": "i"}}}),
            "spec.train names an image of its own",
        ),
    ] {
        let output = on_laptop(dir.path(), &spec, &data, &[]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{stderr}");
        assert!(stderr.lines().last().unwrap().contains(expected), "expected {expected}\n     got {stderr}");
    }
    for arguments in [&["--data", "x"][..], &["--nonsense"], &["step", "--data", "x"], &[]] {
        assert_eq!(trainer().args(arguments).output().unwrap().status.code(), Some(64), "{arguments:?}");
    }
    assert_eq!(trainer().arg("--help").output().unwrap().status.code(), Some(0));
}

fn step(dir: &Path, run: &Value) -> Output {
    let path = dir.join("run.json");
    fs::write(&path, run.to_string()).unwrap();
    let mut command = trainer();
    command.arg("step").arg("--run").arg(path).arg("--input").arg(dir.join("input"));
    command.arg("--output").arg(dir.join("output")).output().unwrap()
}

fn run(committed: bool) -> Value {
    let spec = json!({
        "modelName": "iris", "target": "species", "train": {"builtin": {"estimator": "LogisticRegression"}},
        "data": {"uri": "s3://bucket/iris.csv"}, "output": {"uri": "s3://bucket/models/"},
        "gates": [{"metric": "accuracy", "atLeast": 1.1}],
    });
    json!({"name": "iris-1", "namespace": "default", "uid": "0d9c", "committed": committed, "spec": spec})
}

#[test]
fn the_step_of_a_pod_trains_and_judges_nothing() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("input")).unwrap();
    assert_eq!(step(dir.path(), &run(false)).status.code(), Some(66), "no data file");
    fs::copy(common::data("iris.csv"), dir.path().join("input/iris.csv")).unwrap();
    let output = step(dir.path(), &run(false));
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let mut files: Vec<_> = fs::read_dir(dir.path().join("output"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(files, ["manifest.json", "metrics.json", "model.json", "test.csv", "training.json"]);
    assert_eq!(common::json_file(dir.path(), "manifest.json")["version"], "0d9c");
    fs::write(dir.path().join("input/more.csv"), "x").unwrap();
    assert_eq!(step(dir.path(), &run(false)).status.code(), Some(65), "two data files");
}

#[test]
fn the_step_does_nothing_where_an_outcome_is_committed() {
    let dir = tempfile::tempdir().unwrap();
    let output = step(dir.path(), &run(true));
    assert_eq!(output.status.code(), Some(0));
    assert!(!dir.path().join("output").exists());
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing to train"));
}

#[test]
fn the_number_of_threads_changes_no_byte() {
    let bytes = |threads: &str| {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("input")).unwrap();
        fs::copy(common::data("penguins.csv"), dir.path().join("input/penguins.csv")).unwrap();
        let mut run = run(false);
        run["spec"]["target"] = json!("species");
        run["spec"]["train"]["builtin"]["search"] = json!({"grid": {"C": [0.1, 1, 10]}, "folds": 3});
        fs::write(dir.path().join("run.json"), run.to_string()).unwrap();
        let arguments = ["--run", "run.json", "--input", "input", "--output", "output"];
        let mut command = trainer();
        command.current_dir(dir.path()).env("RAYON_NUM_THREADS", threads).arg("step").args(arguments);
        assert!(command.output().unwrap().status.success());
        ["manifest.json", "model.json", "metrics.json", "test.csv"]
            .map(|file| fs::read(dir.path().join("output").join(file)).unwrap())
    };
    assert!(bytes("1") == bytes("5"));
}

/// All that a manifest lists, and the manifest.
fn listed_files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let output = dir.join("output");
    let manifest = fs::read(output.join("manifest.json")).unwrap();
    let listed: Value = serde_json::from_slice(&manifest).unwrap();
    let names = listed["files"].as_array().unwrap().iter().map(|file| file["name"].as_str().unwrap().to_owned());
    let names: Vec<String> = names.chain(["manifest.json".to_owned()]).collect();
    names.into_iter().map(|name| (name.clone(), fs::read(output.join(name)).unwrap())).collect()
}

#[test]
fn the_artefact_of_a_judged_run_is_the_same_to_the_byte_wherever_and_on_however_many_threads() {
    let artefact = |threads: &str, builtin: &Value| {
        let dir = tempfile::tempdir().unwrap();
        let data = common::marked(dir.path(), "titanic");
        let mut spec = common::spec("titanic", builtin.clone());
        spec["gates"] = json!([{"metric": "roc_auc", "of": "ConfidenceBound", "atLeast": 0.5}]);
        spec["evaluation"] = json!({"groupBy": "Sex"});
        fs::write(dir.path().join("run.yaml"), spec.to_string()).unwrap();
        let mut command = trainer();
        command.env("RAYON_NUM_THREADS", threads).arg("--run").arg(dir.path().join("run.yaml")).arg("--data").arg(data);
        let output = command.arg("--output").arg(dir.path().join("output")).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        listed_files(dir.path())
    };
    let random = json!({"points": 12, "choices": {"min_samples_leaf": [1, 5, 20]}, "ranges": {"max_depth": {"min": 2, "max": 9}}});
    for builtin in [
        json!({"estimator": "DecisionTree", "search": {"random": random, "foldsBy": {"shuffle": true, "repeats": 2}}}),
        json!({"estimator": "LogisticRegression", "threshold": {"maximise": "f1"}, "refitOnAllRows": true}),
    ] {
        let one = artefact("1", &builtin);
        assert!(one.iter().all(|(name, _)| name != "report.json"), "a report tells timings, so no artefact lists it");
        assert!(one == artefact("2", &builtin), "{builtin}");
    }
}

#[test]
fn a_model_may_be_judged_on_some_rows_and_published_of_all() {
    let dir = tempfile::tempdir().unwrap();
    let data = common::marked(dir.path(), "time_to_dispatch");
    let mut spec = common::spec("time_to_dispatch", json!({"estimator": "DecisionTree", "refitOnAllRows": true}));
    spec["gates"] = json!([{"metric": "r2", "atLeast": 0.9}]);
    spec["checks"] = json!([{"range": {"min": 0}}, {"monotonic": {"feature": "orders_placed", "at": [100, 150]}}]);
    let judged = on_laptop(dir.path(), &spec, &data, &[]);
    let (stdout, stderr) = (String::from_utf8_lossy(&judged.stdout), String::from_utf8_lossy(&judged.stderr));
    assert_eq!(judged.status.code(), Some(0), "{stderr}");
    assert!(stdout.contains("the published one is fitted on all 1000 rows"), "{stdout}");
    let report = common::json_file(dir.path(), "report.json");
    assert_eq!((&report["refittedOn"], &report["rows"]["test"]), (&json!(1000), &json!(200)));
    let published = slipway_model::Artefact::load(&dir.path().join("output"), None).unwrap();
    assert!(published.manifest.lineage.fitted_on_all_rows);

    // The metrics are those of a run that publishes what it judged.
    let other = tempfile::tempdir().unwrap();
    spec["train"]["builtin"]["refitOnAllRows"] = json!(false);
    assert_eq!(on_laptop(other.path(), &spec, &data, &[]).status.code(), Some(0));
    let plain = common::json_file(other.path(), "report.json");
    assert_eq!(report["metrics"], plain["metrics"]);
    let held_out = slipway_model::Artefact::load(&dir.path().join("output/held-out"), None).unwrap();
    let without = slipway_model::Artefact::load(&other.path().join("output"), None).unwrap();
    assert_eq!(held_out.model, without.model);
    // A full tree knows every row it was fitted on, so the published one is another.
    assert_ne!(published.model, without.model);

    // As a champion it is suspected of having seen the test rows.
    let champion = dir.path().join("output");
    let output = on_laptop(other.path(), &spec, &data, &["--champion", champion.to_str().unwrap()]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("the champion was fitted on all rows of its data"));
}

#[test]
fn the_served_class_follows_the_threshold_that_a_rule_chose() {
    let dir = tempfile::tempdir().unwrap();
    let data = common::marked(dir.path(), "titanic");
    for (rule, flagged) in
        [(json!({"flagShare": 0.1}), 0.1), (json!({"value": 0.9}), 0.0), (json!({"maximise": "f1"}), 0.4)]
    {
        let builtin = json!({"estimator": "LogisticRegression", "threshold": rule});
        let output = on_laptop(dir.path(), &common::spec("titanic", builtin), &data, &[]);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        let manifest = common::json_file(dir.path(), "manifest.json");
        let threshold = manifest["output"]["threshold"].as_f64().unwrap();
        let report = common::json_file(dir.path(), "report.json");
        assert_eq!(report["threshold"]["value"], json!(threshold));
        let probabilities = common::test_column(dir.path(), "probability:1");
        let predicted = common::test_column(dir.path(), "prediction");
        for (probability, class) in probabilities.iter().zip(&predicted) {
            assert_eq!(probability.parse::<f64>().unwrap() >= threshold, class == "1");
        }
        let share = predicted.iter().filter(|class| *class == "1").count() as f64 / predicted.len() as f64;
        assert!((share - flagged).abs() < 0.12, "{rule}: {share}");
    }
}

#[test]
fn every_data_set_trains_with_every_estimator_and_the_artefact_answers_as_training_did() {
    for (name, estimators) in [
        ("time_to_dispatch", &["DecisionTree", "LinearRegression"][..]),
        ("california_housing", &["DecisionTree", "LinearRegression"]),
        ("titanic", &["DecisionTree", "LogisticRegression"]),
        ("penguins", &["DecisionTree", "LogisticRegression"]),
        ("iris", &["DecisionTree", "LogisticRegression"]),
    ] {
        for estimator in estimators {
            let dir = tempfile::tempdir().unwrap();
            let spec = json!({"modelName": "m", "target": common::target(name), "train": {"builtin": {"estimator": estimator}}});
            common::train_on(dir.path(), &spec, &common::data(&format!("{name}.csv"))).unwrap();
            let model = slipway_model::Artefact::load(&dir.path().join("output"), None).unwrap().model;
            let inputs: Vec<_> = model
                .fields()
                .iter()
                .map(|field| common::test_column(dir.path(), &format!("input:{}", field.name)))
                .collect();
            let predicted = match model.output().classes().first() {
                None => common::test_column(dir.path(), "prediction"),
                Some(class) => common::test_column(dir.path(), &format!("probability:{class}")),
            };
            for (row, predicted) in predicted.iter().enumerate() {
                let cell = |place: usize, _: &slipway_model::Field| match inputs[place][row].as_str() {
                    "" => slipway_model::Value::Missing,
                    text => slipway_model::Value::Text(text),
                };
                let decoded = model.decode(cell).unwrap();
                assert_eq!(model.predict_raw(&decoded)[0].to_string(), *predicted, "{name} {estimator} row {row}");
            }
            assert!(model.fields().iter().all(|field| field.name != common::target(name)), "the label leaks");
        }
    }
}

#[test]
fn a_messy_file_trains_and_its_test_rows_are_read_back_by_the_model() {
    let dir = tempfile::tempdir().unwrap();
    let mut text = "\u{feff}\"Größe\";bestellt;am;kunde;aktiv;menge\r\n".to_owned();
    for row in 0..120_u32 {
        let size = ["1.234,5", "0,25", "NA", "12"][row as usize % 4];
        let customer = ["1.0", "2.0", ""][row as usize % 3];
        let active = ["True", "FALSE"][row as usize % 2];
        write!(text, "{size}; {row} ;2024-05-{:02};{customer};{active};{},5\r\n", 1 + row % 28, row * 2).unwrap();
    }
    let data = dir.path().join("orders.csv");
    fs::write(&data, text).unwrap();
    let features = json!([{"name": "kunde", "type": "Category", "description": "the customer's number"}]);
    for estimator in ["DecisionTree", "LinearRegression"] {
        let builtin = json!({"estimator": estimator, "features": features});
        let spec = json!({
            "modelName": "m", "target": "menge", "train": {"builtin": builtin},
            "gates": [{"metric": "r2", "atLeast": 0.9}], "checks": [{"monotonic": {"feature": "bestellt"}}],
        });
        let output = on_laptop(dir.path(), &spec, &data, &[]);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        let manifest = common::json_file(dir.path(), "manifest.json");
        let fields: Vec<_> = manifest["input"]["fields"]
            .as_array()
            .unwrap()
            .iter()
            .map(|field| (field["name"].as_str().unwrap(), field["type"].as_str().unwrap(), field["required"] == true))
            .collect();
        let expected = [
            ("Größe", "Number", false),
            ("bestellt", "Number", true),
            ("am", "Timestamp", true),
            ("kunde", "Category", false),
            ("aktiv", "Boolean", true),
        ];
        assert_eq!(fields, expected);
        assert_eq!(manifest["input"]["fields"][3]["categories"], json!(["1", "2"]));
        let missing = &manifest["distributions"]["features"]["Größe"]["missing"];
        assert!(missing.as_u64().unwrap() > 0);
    }
}

#[test]
fn the_labels_of_test_rows_do_not_change_the_model() {
    let model = |label: &str| {
        let dir = tempfile::tempdir().unwrap();
        let data = common::marked(dir.path(), "time_to_dispatch");
        let text = fs::read_to_string(&data).unwrap();
        let relabel = |line: &str| match line.strip_suffix(",test") {
            Some(row) => format!("{label},{},test\n", row.split_once(',').unwrap().1),
            None => format!("{line}\n"),
        };
        fs::write(&data, text.lines().map(relabel).collect::<String>()).unwrap();
        let spec = common::spec("time_to_dispatch", json!({"estimator": "DecisionTree"}));
        common::train_on(dir.path(), &spec, &data).unwrap();
        fs::read(dir.path().join("output/trees.bin")).unwrap()
    };
    assert!(model("1") == model("99"));
}

#[test]
fn a_folder_is_trained_on_as_one_table_and_its_report_tells_of_the_data() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("orders");
    fs::create_dir(&data).unwrap();
    let text = common::small_csv(300);
    let (header, rows) = text.split_once('\n').unwrap();
    let half = rows.match_indices('\n').nth(149).unwrap().0 + 1;
    fs::write(data.join("2024-05-01.csv"), format!("{header}\n{}", &rows[..half])).unwrap();
    fs::write(data.join("2024-05-02.csv"), format!("{header}\n{}", &rows[half..])).unwrap();
    fs::write(data.join("README.md"), "about these files").unwrap();
    let spec = json!({"modelName": "m", "target": "y", "train": {"builtin": {"estimator": "DecisionTree"}}});
    let output = on_laptop(dir.path(), &spec, &data, &["--report", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["rows"], json!({"train": 240, "test": 60, "leftOut": 0}));
    let names: Vec<_> = report["data"]["files"].as_array().unwrap().iter().map(|file| file["name"].clone()).collect();
    assert_eq!(names, ["2024-05-01.csv", "2024-05-02.csv"]);
    let described = &report["dataReport"];
    assert_eq!((&described["rows"], &described["columns"]), (&json!(300), &json!(3)));
    assert_eq!(described["described"][1]["top"][0], json!({"value": "blue", "count": 100}));
    assert_eq!(described["findings"][0]["kind"], "Leakage", "x alone tells y but for a rest of 2: {described}");
    let warnings = report["warnings"].as_array().unwrap();
    assert!(
        warnings.iter().any(|warning| warning.as_str().unwrap().starts_with("x alone predicts the target")),
        "{warnings:?}"
    );

    let more = data.join("2024-05-03.csv");
    fs::write(&more, "x,y\n1,2\n").unwrap();
    let output = on_laptop(dir.path(), &spec, &data, &[]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(65), "{stderr}");
    assert!(
        stderr.lines().last().unwrap().starts_with("2024-05-03.csv, column colour: the column is not there"),
        "{stderr}"
    );
}
