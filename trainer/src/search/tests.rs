use slipway_model::Output;
use slipway_spec::{Estimator, Metric, Scaling};

use super::*;
use crate::learner::{Target, learner};

fn samples(rows: u32) -> Samples {
    let x = (0..rows).map(|row| f64::from(row % 7)).collect();
    let y = (0..rows).map(|row| f64::from(row % 7 * 2) + f64::from(row % 3) * 0.1).collect();
    Samples::of_numbers(vec![x], Target::Numbers(y), Scaling::Standard)
}

fn run(samples: &Samples, spec: serde_json::Value, metric: Metric) -> Result<SearchReport, FitError> {
    let learner = learner(Estimator::DecisionTree, samples);
    let output = Output::Regression { name: "y".to_owned(), range: None, unit: None };
    let spec: Search = serde_json::from_value(spec).unwrap();
    let scorer = Scorer { metric, output };
    let ground =
        Ground { learner: &*learner, samples, scorer: &scorer, keys: &Keys::None, progress: &crate::progress::Silent };
    search(ground, &Parameters::default(), &spec)
}

#[test]
fn the_best_point_is_the_first_of_those_with_the_best_mean() {
    let samples = samples(50);
    let spec = serde_json::json!({"grid": {"max_depth": [1, 2, 3, 4, 5, "None"]}, "folds": 5});
    for metric in [Metric::R2, Metric::Mae] {
        let report = run(&samples, spec.clone(), metric).unwrap();
        assert_eq!(report.points, 6);
        assert_eq!(
            report.best_parameters.max_depth,
            Some(slipway_spec::IntOrNone::Int(3)),
            "{metric:?}: deeper is no better"
        );
        for point in &report.results {
            let mean = point.fold_scores.iter().sum::<f64>() / 5.0;
            assert_eq!(point.score, mean);
        }
    }
}

#[test]
fn more_folds_than_rows_are_refused() {
    let error = run(&samples(3), serde_json::json!({"grid": {"max_depth": [1]}, "folds": 5}), Metric::R2).unwrap_err();
    assert_eq!(error.0, "3 training rows cannot be divided into 5 folds; lower search.folds");
}

#[test]
fn a_metric_that_is_undefined_for_every_point_is_named() {
    // One row a fold: r2 needs two.
    let error = run(&samples(5), serde_json::json!({"grid": {"max_depth": [1]}, "folds": 5}), Metric::R2).unwrap_err();
    assert!(error.0.starts_with("r2 is undefined"), "{error}");
}

#[test]
fn points_that_differ_only_in_where_growth_stops_are_tried_together() {
    let grid: Search = serde_json::from_value(serde_json::json!({
        "grid": {"max_depth": [1, 2, "None"], "min_samples_leaf": [1, 5], "criterion": ["squared_error", "absolute_error"]}
    }))
    .unwrap();
    let points = points::points(&grid, &Parameters::default());
    let samples = samples(20);
    let tree = learner(Estimator::DecisionTree, &samples);
    let batches = batches(&points, &*tree);
    assert_eq!(batches.len(), 4);
    assert!(batches.iter().all(|batch| batch.len() == 3));
    let mut places = batches.concat();
    places.sort_unstable();
    assert!(places.into_iter().eq(0..12));
}

#[test]
fn what_stops_growth_changes_no_score_of_a_point() {
    // Each point alone, and all in one search.
    let samples = samples(200);
    let grid = serde_json::json!({"grid": {"max_depth": [1, 2, 3], "min_samples_split": [2, 20, 60]}, "folds": 4});
    let all = run(&samples, grid, Metric::R2).unwrap();
    for point in &all.results {
        let parameters = serde_json::to_value(&point.parameters).unwrap();
        let alone = serde_json::json!({
            "grid": {"max_depth": [parameters["max_depth"]], "min_samples_split": [parameters["min_samples_split"]]},
            "folds": 4,
        });
        assert_eq!(run(&samples, alone, Metric::R2).unwrap().results[0].fold_scores, point.fold_scores);
    }
}

#[test]
fn halving_tries_all_on_little_and_the_best_on_all() {
    let samples = samples(600);
    let spec = serde_json::json!({"grid": {"max_depth": [1, 2, 3, 4, 5, 6, 7, 8, "None"]}, "halving": {}, "folds": 3});
    let report = run(&samples, spec.clone(), Metric::R2).unwrap();
    let rounds: Vec<_> = report.rounds.iter().map(|round| (round.points, round.resources)).collect();
    assert_eq!(rounds, [(9, 66), (3, 198), (1, 594)]);
    assert_eq!((report.points, report.results.len()), (9, 9));
    assert_eq!(report.best_score, report.rounds[2].best_score);
    assert_eq!(report, run(&samples, spec, Metric::R2).unwrap());
}

#[test]
fn too_few_rows_for_halving_are_refused() {
    let spec = serde_json::json!({"grid": {"max_depth": [1, 2]}, "halving": {"minResources": 100}, "folds": 3});
    let error = run(&samples(50), spec, Metric::R2).unwrap_err();
    assert!(error.0.starts_with("successive halving needs 100 training rows or more and may use 50"), "{error}");
}
