use slipway_model::{Encoder, FieldEncoding, Output};
use slipway_spec::Estimator;

use super::*;
use crate::learner::learner;

fn samples(rows: u32) -> Samples {
    let x = (0..rows).map(|row| f64::from(row % 7)).collect();
    let y = (0..rows).map(|row| f64::from(row % 7 * 2) + f64::from(row % 3) * 0.1).collect();
    let encoder = Encoder::new(vec![FieldEncoding::Identity]);
    Samples {
        fields: vec![x],
        encoder,
        scaled: vec![true],
        target: Target::Numbers(y),
        field_names: Vec::new(),
        classes: Vec::new(),
        weights: None,
    }
}

fn run(samples: &Samples, spec: serde_json::Value, metric: Metric) -> Result<SearchReport, FitError> {
    let learner = learner(Estimator::DecisionTree, samples).unwrap();
    let output = Output::Regression { name: "y".to_owned(), range: None };
    let spec: Search = serde_json::from_value(spec).unwrap();
    search(&*learner, samples, &Parameters::default(), &spec, &Scorer { metric, output }, &|_| ())
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
