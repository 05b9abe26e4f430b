//! The models are scikit-learn's: on the same rows in the same order they predict the same.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

mod common;

use serde_json::{Value, json};

fn fixtures() -> Value {
    serde_json::from_str(include_str!("fixtures/scikit_learn.json")).unwrap()
}

#[test]
fn models_predict_what_scikit_learns_predict() {
    for case in fixtures()["models"].as_array().unwrap() {
        let name = case["data"].as_str().unwrap();
        let label = format!("{name} {} {}", case["estimator"], case["parameters"]);
        let tolerance = match case["estimator"].as_str().unwrap() {
            "DecisionTree" => 1e-12,
            "LinearRegression" => 1e-9,
            _ => 1e-6,
        };
        let dir = tempfile::tempdir().unwrap();
        let data = common::marked(dir.path(), name);
        let builtin = json!({"estimator": case["estimator"], "parameters": case["parameters"]});
        let trained = common::train_on(dir.path(), &common::spec(name, builtin), &data).expect(&label);
        assert!(
            !trained.notes.warnings.iter().any(|w| w.contains("converge")),
            "{label}: {:?}",
            trained.notes.warnings
        );

        let manifest = common::json_file(dir.path(), "manifest.json");
        let columns: Vec<Vec<String>> = match manifest["output"]["classes"].as_array() {
            None => vec![common::test_column(dir.path(), "prediction")],
            Some(classes) => {
                let column = |class: &Value| format!("probability:{}", class.as_str().unwrap());
                classes.iter().map(|class| common::test_column(dir.path(), &column(class))).collect()
            }
        };
        for (row, expected) in case["predictions"].as_array().unwrap().iter().enumerate() {
            for (column, expected) in columns.iter().zip(expected.as_array().unwrap()) {
                let (got, expected) = (column[row].parse::<f64>().unwrap(), expected.as_f64().unwrap());
                let close = (got - expected).abs() <= tolerance * expected.abs().max(1.0);
                assert!(close, "{label}: row {row}: {got}, expected {expected}");
            }
        }
        let metrics = common::json_file(dir.path(), "metrics.json");
        let score = metrics.get("r2").or(metrics.get("accuracy")).unwrap().as_f64().unwrap();
        assert!((score - case["score"].as_f64().unwrap()).abs() < 1e-6, "{label}: {score}");
    }
}

#[test]
fn searches_score_every_point_as_scikit_learns_do() {
    for case in fixtures()["searches"].as_array().unwrap() {
        let name = case["data"].as_str().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let data = common::marked(dir.path(), name);
        let builtin = json!({
            "estimator": "DecisionTree", "parameters": {"random_state": 7}, "search": {"grid": case["grid"]}
        });
        let trained = common::train_on(dir.path(), &common::spec(name, builtin), &data).unwrap();
        let search = trained.notes.search.unwrap();
        let mut folds: Vec<Vec<f64>> = search.results.iter().map(|point| point.fold_scores.clone()).collect();
        folds.sort_by(|a, b| a.partial_cmp(b).unwrap());
        let expected: Vec<Vec<f64>> = serde_json::from_value(case["foldScores"].clone()).unwrap();
        assert_eq!(folds.len(), expected.len());
        for (fold, expected) in folds.iter().flatten().zip(expected.iter().flatten()) {
            assert!((fold - expected).abs() < 1e-12, "{name}: {fold}, expected {expected}");
        }
        assert!((search.best_score - case["bestScore"].as_f64().unwrap()).abs() < 1e-12, "{name}");
        let best = serde_json::to_value(&search.best_parameters).unwrap();
        for (parameter, value) in case["best"].as_object().unwrap() {
            assert_eq!(&best[parameter], value, "{name}: {parameter}");
        }
    }
}

#[test]
fn the_tree_of_the_reference_pipeline_answers_to_the_last_digit() {
    let dir = tempfile::tempdir().unwrap();
    let data = common::marked(dir.path(), "time_to_dispatch");
    let parameters = json!({
        "criterion": "squared_error", "max_depth": 8, "min_samples_split": 2, "min_samples_leaf": 2, "random_state": 42
    });
    let spec = common::spec("time_to_dispatch", json!({"estimator": "DecisionTree", "parameters": parameters}));
    common::train_on(dir.path(), &spec, &data).unwrap();
    let artefact = slipway_model::Artefact::load(&dir.path().join("output"), None).unwrap();
    let row = json!({"product_code": "SKU001", "orders_placed": 10});
    let row = artefact.model.decode_json(row.as_object().unwrap()).unwrap();
    let predicted = artefact.model.predict_raw(&row)[0];
    assert!((predicted - 0.652_754_305_798_511_5).abs() < 1e-12, "{predicted}");
}

#[test]
fn the_grid_of_the_reference_pipeline_finds_its_best_point() {
    let dir = tempfile::tempdir().unwrap();
    let data = common::marked(dir.path(), "time_to_dispatch");
    let depths: Vec<Value> = (2..=10).map(Value::from).chain([json!("None")]).collect();
    let counts: Vec<i32> = (2..=10).collect();
    let grid = json!({
        "criterion": ["squared_error", "absolute_error"],
        "max_depth": depths, "min_samples_split": counts, "min_samples_leaf": counts,
    });
    let search = json!({"grid": grid, "folds": 5, "metric": "r2"});
    let builtin = json!({"estimator": "DecisionTree", "parameters": {"random_state": 42}, "search": search});
    let trained = common::train_on(dir.path(), &common::spec("time_to_dispatch", builtin), &data).unwrap();
    let search = trained.notes.search.unwrap();
    assert_eq!(search.points, 1620);
    assert_eq!(
        serde_json::to_value(&search.best_parameters).unwrap(),
        json!({
            "criterion": "squared_error", "max_depth": 8, "min_samples_leaf": 2, "min_samples_split": 6, "random_state": 42
        })
    );
    assert!((search.best_score - 0.966_681_668_809_288_6).abs() < 1e-12, "{}", search.best_score);
    let r2 = common::json_file(dir.path(), "metrics.json")["r2"].as_f64().unwrap();
    assert!((r2 - 0.974_465_308_427_691_3).abs() < 1e-12, "{r2}");

    // Every test row, in the order of the split.
    let mut reference = csv::Reader::from_path(common::data("ref_time_to_dispatch_pred.csv")).unwrap();
    let reference: std::collections::HashMap<String, f64> =
        reference.records().map(Result::unwrap).map(|row| (row[0].to_owned(), row[2].parse().unwrap())).collect();
    let mut split = csv::Reader::from_path(common::data("split_time_to_dispatch.csv")).unwrap();
    let test = split.records().map(Result::unwrap).filter(|row| &row[0] == "test");
    let predicted = common::test_column(dir.path(), "prediction");
    assert_eq!(predicted.len(), 200);
    for (row, predicted) in test.zip(predicted) {
        assert!((predicted.parse::<f64>().unwrap() - reference[&row[1]]).abs() < 1e-12, "row {}", &row[1]);
    }
}
