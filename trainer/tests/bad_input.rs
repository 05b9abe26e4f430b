//! Whatever is wrong with a spec or with data is refused, and the message says where and what to write instead.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

mod common;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use slipway_spec::Task;
use slipway_spec::contract::Exit;

/// Trains on `csv` with `change` applied to a sound spec; returns the exit code and the message.
fn refused(csv: &[u8], change: impl FnOnce(&mut Value)) -> (Exit, String) {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("orders.csv");
    fs::write(&data, csv).unwrap();
    let mut spec = sound();
    change(&mut spec);
    let error = common::train_on(dir.path(), &spec, &data).expect_err("it should be refused");
    (error.exit(), error.to_string())
}

fn sound() -> Value {
    json!({"modelName": "m", "target": "y", "train": {"builtin": {"estimator": "DecisionTree"}}})
}

fn unchanged(_: &mut Value) {}

#[test]
fn a_sound_spec_on_sound_data_trains() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("orders.csv");
    fs::write(&data, common::small_csv(60)).unwrap();
    let trained = common::train_on(dir.path(), &sound(), &data).unwrap();
    let rows = trained.notes.rows.unwrap();
    assert_eq!((rows.train, rows.test, rows.left_out), (48, 12, 0));
}

#[test]
fn bad_files_are_refused_with_file_row_and_column() {
    let text = |from: &str, to: &str| common::small_csv(60).replacen(from, to, 1).into_bytes();
    let latin = [b"x,y\n1,2\n2,caf".as_slice(), b"\xe9\n"].concat();
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (vec![], "orders.csv: the file is empty"),
        (b"x,y\n".to_vec(), "orders.csv: there is a header and no row below it"),
        (b"x,,y\n1,2,3\n".to_vec(), "orders.csv: column 2 has no name"),
        (b"x,y,x\n1,2,3\n".to_vec(), "orders.csv: columns 1 and 3 are both called x"),
        (b"x,y\n1,2\n1\n".to_vec(), "orders.csv, row 2: 1 cells where the header has 2"),
        (b"x,y\n1,2\n1,\"2\n3,4\n5,6\n".to_vec(), "orders.csv, row 2: a quote is never closed"),
        (
            b"x,y,z\n1,2,3\n1,\"2\n3,4\n5,6\n".to_vec(),
            "orders.csv, row 2: 2 cells where the header has 3; is a quote never closed?",
        ),
        (latin, "orders.csv, row 2, column y: is not UTF-8 text"),
        (b"\xff\xfex\0,\0".to_vec(), "orders.csv: this file is UTF-16 text; save it as UTF-8"),
        (b"PAR1\x15\x04".to_vec(), "orders.csv: the Parquet file is cut off or damaged"),
        (text("\n5,blue", "\nten,blue"), "orders.csv, row 6, column x: expected a number, got \"ten\""),
        (text("blue,17", "blue,seventeen"), "orders.csv, row 6, column y: expected a number, got \"seventeen\""),
        (b"x,y\n1,\n2,NA\n".to_vec(), "orders.csv, column y: the target has no value in any row"),
        (b"y\n1\n2\n3\n4\n5\n".to_vec(), "orders.csv: no column is left to learn from"),
        (b"x,y\n1,a\n2,a\n".to_vec(), "orders.csv, column y: the target has only one class"),
        (b"x,y\n1,2\n".to_vec(), "orders.csv: the split leaves no"),
        (text("\n5,blue", "\n1e999,blue"), "orders.csv, row 6, column x: expected a number, got \"1e999\""),
        (text("\n5,blue", "\ninf,blue"), "orders.csv, row 6, column x: expected a number, got \"inf\""),
        (
            text("\n5,blue", "\n-1e300,blue"),
            "orders.csv, row 6, column x: -1e300 is too large; numbers up to 3.4028235e38",
        ),
        (text("blue,17", "blue,4e38"), "orders.csv, row 6, column y: 4e38 is too large"),
        (
            b"PK\x03\x04".to_vec(),
            "orders.csv: this is a spreadsheet (.xlsx) or ZIP file; save the table as CSV or Parquet",
        ),
        (b"\x80\x04\x95\0".to_vec(), "orders.csv: this is a Python pickle, which may run any program"),
        (b"<!DOCTYPE html><html>".to_vec(), "orders.csv: this is a web page (HTML)"),
        (b"[{\"x\": 1, \"y\": 2}]".to_vec(), "orders.csv: this is a JSON array; write one object a line instead"),
        (b"\x1f\x8b\x08\0\0\0\0\0".to_vec(), "orders.csv: the gzip file is cut off"),
        (b"\x28\xb5\x2f\xfd\x04".to_vec(), "orders.csv: the Zstandard file is cut off"),
    ];
    for (csv, expected) in cases {
        let (exit, message) = refused(&csv, unchanged);
        assert!(message.starts_with(expected), "expected {expected:?}\n     got {message:?}");
        assert_eq!(exit, Exit::Data, "{message}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a list of cases")]
fn a_spec_that_does_not_fit_the_data_is_refused() {
    type Change = fn(&mut Value);
    let cases: [(Change, Exit, &str); 24] = [
        (
            |s| s["target"] = json!("Y2"),
            Exit::Data,
            "orders.csv: target names the column Y2, which is not there; did you mean y? it has y, x, colour",
        ),
        (
            |s| {
                s["target"] = json!("colour");
                s["task"] = json!("Regression");
            },
            Exit::Data,
            "orders.csv, row 1, column colour: expected a number, got \"red\"",
        ),
        (
            |s| {
                s["target"] = json!("colour");
                s["positiveClass"] = json!("red");
            },
            Exit::Data,
            "orders.csv, column colour: positiveClass is for two classes, and the target has 3",
        ),
        (
            |s| s["train"]["builtin"]["features"] = json!([{"name": "z"}]),
            Exit::Data,
            "orders.csv: features names the column z, which is not there; did you mean",
        ),
        (
            |s| s["train"]["builtin"]["features"] = json!([{"name": "x", "encoding": "OneHot"}]),
            Exit::Data,
            "orders.csv, column x: this is a Number; encoding, unknown and minFrequency are for categories",
        ),
        (
            |s| s["train"]["builtin"]["features"] = json!([{"name": "colour", "missing": "Mean"}]),
            Exit::Data,
            "orders.csv, column colour: missing: Mean is for numbers and times",
        ),
        (
            |s| s["train"]["builtin"]["features"] = json!([{"name": "colour", "type": "Number"}]),
            Exit::Data,
            "orders.csv, row 1, column colour: expected a number, got \"red\"",
        ),
        (
            |s| s["train"]["builtin"]["features"] = json!([{"name": "x"}, {"name": "x"}]),
            Exit::Data,
            "orders.csv, column x: features names it twice",
        ),
        (
            |s| s["train"]["builtin"]["split"] = json!({"column": "set"}),
            Exit::Data,
            "orders.csv: split.column names the column set, which is not there",
        ),
        (
            |s| s["train"]["builtin"]["split"] = json!({"column": "colour"}),
            Exit::Data,
            "orders.csv, row 1, column colour: expected \"train\" or \"test\", got \"red\"",
        ),
        (
            |s| s["train"]["builtin"]["split"] = json!({"time": {"column": "colour"}}),
            Exit::Data,
            "orders.csv, column colour: expected dates or times such as 2024-05-01",
        ),
        (
            |s| s["train"]["builtin"]["estimator"] = json!("LogisticRegression"),
            Exit::Usage,
            "LogisticRegression is not for Regression, which was inferred from the target; write one of DecisionTree, RandomForest",
        ),
        (
            |s| s["train"]["builtin"]["parameters"] = json!({"max_dept": 3}),
            Exit::Usage,
            "spec.train.builtin.parameters: DecisionTree has no parameter max_dept; did you mean max_depth? it has ccp_alpha",
        ),
        (
            |s| {
                s["train"]["builtin"]["search"] =
                    json!({"grid": {"max_depth": [2]}, "foldsBy": {"kind": "GroupKFold"}});
            },
            Exit::Usage,
            "search.foldsBy: GroupKFold and TimeSeriesSplit need a column; name it",
        ),
        (
            |s| {
                s["train"]["builtin"]["search"] =
                    json!({"grid": {"max_depth": [2]}, "foldsBy": {"kind": "StratifiedKFold"}});
            },
            Exit::Usage,
            "search.foldsBy: StratifiedKFold is for Classification; write KFold",
        ),
        (|s| s["train"]["builtin"]["search"] = json!({}), Exit::Usage, "search: write exactly one of grid, random"),
        (
            |s| s["train"]["builtin"]["search"] = json!({"random": {"ranges": {"max_dept": {"min": 1, "max": 2}}}}),
            Exit::Usage,
            "search: DecisionTree has no parameter max_dept",
        ),
        (
            |s| s["train"]["builtin"]["search"] = json!({"random": {"ranges": {"max_depth": {"min": 0, "max": 2}}}}),
            Exit::Usage,
            "search.random: ranges.max_depth: max_depth cannot be 0",
        ),
        (
            |s| {
                s["train"]["builtin"]["search"] =
                    json!({"grid": {"max_depth": [2]}, "halving": {"resource": "n_estimators"}});
            },
            Exit::Usage,
            "search.halving: resource n_estimators needs maxResources: the most trees",
        ),
        (
            |s| s["train"]["builtin"]["threshold"] = json!({"flagShare": 0.1}),
            Exit::Usage,
            "threshold is for two classes, and the target is for Regression; leave it out",
        ),
        (
            |s| s["evaluation"] = json!({"groupBy": "regoin"}),
            Exit::Data,
            "orders.csv: evaluation.groupBy names the column regoin, which is not there",
        ),
        (
            |s| s["gates"] = json!([{"metric": "r2", "of": "WorstGroup", "atLeast": 0}]),
            Exit::Usage,
            "gates: WorstGroup and GroupGap need groups; write evaluation.groupBy",
        ),
        (
            |s| s["train"]["builtin"]["search"] = json!({"grid": {"max_depth": [2]}, "metric": "accuracy"}),
            Exit::Usage,
            "search.metric: accuracy is no metric for Regression; write one of r2",
        ),
        (
            |s| s["gates"] = json!([{"metric": "r3", "atLeast": 1}]),
            Exit::Usage,
            "gates: there is no metric r3; write one of r2, mae",
        ),
    ];
    for (change, exit, expected) in cases {
        let (code, message) = refused(common::small_csv(60).as_bytes(), change);
        assert!(message.starts_with(expected), "expected {expected:?}\n     got {message:?}");
        assert_eq!(code, exit, "{message}");
    }
}

#[test]
fn folds_that_cannot_be_made_are_refused() {
    let search = |folds: usize, metric: &'static str| {
        move |spec: &mut Value| {
            spec["train"]["builtin"]["search"] = json!({"grid": {"max_depth": [2]}, "folds": folds, "metric": metric});
        }
    };
    let (exit, message) = refused(common::small_csv(60).as_bytes(), search(50, "r2"));
    assert!(message.starts_with("orders.csv: 48 training rows cannot be divided into 50 folds"), "{message}");
    assert_eq!(exit, Exit::Data);
    // Two rows of one class are in two folds at most.
    let classes = (0..60)
        .fold("x,y\n".to_owned(), |text, row| text + &format!("{},{}\n", row % 7, if row < 3 { "a" } else { "b" }));
    let (exit, message) = refused(classes.as_bytes(), search(5, "roc_auc"));
    assert!(message.starts_with("orders.csv: "), "{message}");
    assert_eq!(exit, Exit::Data, "{message}");
}

#[test]
fn a_test_set_that_is_empty_is_refused() {
    let csv = (0..20).fold("x,set,y\n".to_owned(), |text, row| text + &format!("{row},train,{row}\n"));
    let (exit, message) = refused(csv.as_bytes(), |spec| spec["train"]["builtin"]["split"] = json!({"column": "set"}));
    assert!(message.starts_with("orders.csv: the split leaves no test rows of 20 with a target"), "{message}");
    assert_eq!(exit, Exit::Data);
}

#[test]
fn a_missing_value_is_refused_where_the_spec_says_so() {
    let csv = common::small_csv(60).replacen("\n5,blue", "\n,blue", 1);
    let (exit, message) = refused(csv.as_bytes(), |spec| {
        spec["train"]["builtin"]["features"] = json!([{"name": "x", "missing": "Reject"}]);
    });
    assert!(message.starts_with("orders.csv, row 6, column x: the value is missing"), "{message}");
    assert_eq!(exit, Exit::Data);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let error = common::train_on(dir.path(), &sound(), Path::new("/nowhere/orders.csv")).unwrap_err();
    assert_eq!(
        (error.exit(), error.to_string()),
        (Exit::NotFound, "/nowhere/orders.csv: there is no such file".to_owned())
    );
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let error = common::train_on(dir.path(), &sound(), &empty).unwrap_err();
    assert_eq!(error.exit(), Exit::NotFound, "{error}");
}

#[test]
fn weights_of_rows_are_finite_and_not_below_0_and_not_all_0() {
    let weighed = |weight: &dyn Fn(usize) -> &'static str| {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("orders.csv");
        let small = common::small_csv(60);
        let rows = small.lines().enumerate().map(|(row, line)| match row {
            0 => format!("{line},w,set\n"),
            row => format!("{line},{},{}\n", weight(row), if row > 50 { "test" } else { "train" }),
        });
        fs::write(&data, rows.collect::<String>()).unwrap();
        let mut spec = sound();
        spec["train"]["builtin"]["sampleWeight"] = json!("w");
        spec["train"]["builtin"]["split"] = json!({"column": "set"});
        common::train_on(dir.path(), &spec, &data).map(|trained| trained.columns).map_err(|e| (e.exit(), e.to_string()))
    };
    assert_eq!(weighed(&|row| ["0", "1", "2.5"][row % 3]), Ok(5));
    // Test rows are not weighed.
    assert_eq!(weighed(&|row| if row > 50 { "" } else { "1" }), Ok(5));
    for (wrong, message) in [
        ("-1", "orders.csv, row 7, column w: the weight is below 0"),
        ("", "orders.csv, row 7, column w: the weight is missing"),
        ("inf", "orders.csv, row 7, column w: expected a number, got \"inf\""),
    ] {
        let (exit, got) = weighed(&|row| if row == 7 { wrong } else { "1" }).unwrap_err();
        assert!(exit == Exit::Data && got.starts_with(message), "{got}");
    }
    let (_, message) = weighed(&|_| "0").unwrap_err();
    assert!(message.starts_with("orders.csv, column w: the weights of all training rows are 0"), "{message}");
}

#[test]
fn parameters_that_contradict_each_other_are_refused_before_any_data_is_read() {
    for (estimator, parameters, expected) in [
        ("ExtraTrees", json!({"oob_score": true}), "oob_score needs rows that a tree has not seen"),
        ("RandomForest", json!({"bootstrap": false, "max_samples": 10}), "max_samples is for a bootstrap"),
        ("HistGradientBoosting", json!({"loss": "quantile"}), "loss quantile has to know which; write quantile"),
        ("DecisionTree", json!({"min_samples_split": 1}), "min_samples_split is 1"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let mut spec = sound();
        spec["train"]["builtin"] = json!({"estimator": estimator, "parameters": parameters});
        let error = common::train_on(dir.path(), &spec, Path::new("/nowhere/orders.csv")).unwrap_err();
        let message = error.to_string();
        assert!(message.starts_with(&format!("spec.train.builtin.parameters: {expected}")), "{message}");
        assert_eq!(error.exit(), Exit::Usage);
    }
}

#[test]
fn classes_that_the_target_does_not_have_are_refused_before_a_fit() {
    let csv = (0..60).fold("x,y\n".to_owned(), |text, row| text + &format!("{row},{}\n", ["yes", "no"][row % 2]));
    for (estimator, parameters) in
        [("DecisionTree", json!({"class_weight": {"yess": 2}})), ("GaussianNB", json!({"priors": {"yess": 1}}))]
    {
        let name = parameters.as_object().unwrap().keys().next().unwrap().clone();
        let (exit, message) = refused(csv.as_bytes(), |spec| {
            spec["train"]["builtin"] = json!({"estimator": estimator, "parameters": parameters});
        });
        let expected = format!(
            "spec.train.builtin.parameters: {name} names the class yess, which the target does not have; did you mean yes? it has no, yes"
        );
        assert_eq!((exit, message), (Exit::Usage, expected));
    }
}

/// Trains on `csv`; returns what is worth knowing.
fn warnings(csv: &str, change: impl FnOnce(&mut Value)) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("orders.csv");
    fs::write(&data, csv).unwrap();
    let mut spec = sound();
    change(&mut spec);
    common::train_on(dir.path(), &spec, &data).unwrap().notes.warnings
}

#[test]
fn what_makes_metrics_doubtful_is_told() {
    let csv = (0..60).fold("x,set,y\n".to_owned(), |text, row| {
        text + &format!("{row},{},{}\n", if row == 3 { "test" } else { "train" }, row % 9)
    });
    let told = warnings(&csv, |spec| spec["train"]["builtin"]["split"] = json!({"column": "set"}));
    assert!(told.iter().any(|warning| warning.starts_with("there is only 1 test row, so the metrics")), "{told:?}");
    assert!(!warnings(&common::small_csv(200), unchanged).iter().any(|warning| warning.contains("test row")));
}

#[test]
fn a_category_that_was_written_for_missing_is_told() {
    let csv = (0..200).fold("x,colour,y\n".to_owned(), |text, row| {
        text + &format!("{},{},{}\n", row % 9, if row % 8 == 0 { "?" } else { ["red", "blue"][row % 2] }, row % 9)
    });
    let told = warnings(&csv, unchanged);
    let expected = "colour has 25 values \"?\", which is a category of its own: were they written for missing?";
    assert!(told.iter().any(|warning| warning.starts_with(expected)), "{told:?}");
}

#[test]
fn numbers_at_the_edge_of_what_is_read_train_without_a_panic() {
    let edge = |row: usize| (row % 7) as f64 / 7.0 * 3.3e38 * if row.is_multiple_of(2) { 1.0 } else { -1.0 };
    let numbers =
        (0..80).fold("x,z,y\n".to_owned(), |text, row| text + &format!("{row},{:e},{:e}\n", edge(row + 3), edge(row)));
    let classes = (0..80)
        .fold("x,z,y\n".to_owned(), |text, row| text + &format!("{row},{:e},{}\n", edge(row), ["a", "b"][row % 2]));
    for estimator in slipway_spec::Estimator::ALL {
        for (task, csv) in [(Task::Regression, &numbers), (Task::Classification, &classes)] {
            if !estimator.tasks().contains(&task) {
                continue;
            }
            let dir = tempfile::tempdir().unwrap();
            let data = dir.path().join("orders.csv");
            fs::write(&data, csv).unwrap();
            let mut spec = sound();
            spec["train"]["builtin"]["estimator"] = json!(estimator.name());
            if let Err(error) = common::train_on(dir.path(), &spec, &data) {
                assert_eq!(error.exit(), Exit::Data, "{estimator} {task}: {error}");
            }
        }
    }
}

#[test]
fn a_target_that_never_changes_is_learnt_by_every_estimator() {
    let csv = (0..60).fold("x,y\n".to_owned(), |text, row| text + &format!("{row},5\n"));
    for estimator in slipway_spec::Estimator::ALL.iter().filter(|e| e.tasks().contains(&Task::Regression)) {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("orders.csv");
        fs::write(&data, &csv).unwrap();
        let mut spec = sound();
        spec["task"] = json!("Regression");
        spec["train"]["builtin"]["estimator"] = json!(estimator.name());
        common::train_on(dir.path(), &spec, &data).unwrap_or_else(|error| panic!("{estimator}: {error}"));
        let answers = common::test_column(dir.path(), "prediction");
        let off = |answer: &String| (answer.parse::<f64>().unwrap() - 5.0).abs();
        assert!(answers.iter().all(|answer| off(answer) < 1e-9), "{estimator}: {answers:?}");
    }
}
