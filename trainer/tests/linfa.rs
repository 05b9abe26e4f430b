//! Slipway's learners in linfa's hands.
#![allow(clippy::unwrap_used, reason = "a test may")]

use linfa::dataset::Dataset;
use linfa::prelude::*;
use ndarray::{Array1, Array2};
use slipway_trainer::estimators::{
    DecisionTree, Dummy, EstimatorError, GaussianNB, LinearRegression, LogisticRegression,
};

/// Rows of two columns, in no order.
fn rows() -> Array2<f64> {
    Array2::from_shape_fn((120, 2), |(row, column)| ((row * 37 + column * 11) % 101) as f64 / 10.0)
}

fn numbers() -> Dataset<f64, f64, ndarray::Ix1> {
    let target: Array1<f64> = rows().rows().into_iter().map(|row| 3.0 * row[0] - row[1]).collect();
    Dataset::new(rows(), target)
}

#[test]
fn cross_validation_prefers_the_model_that_fits() {
    let mut data = numbers();
    let models = [LinearRegression::params(), Dummy::params()];
    let scores: Array1<f64> = data
        .cross_validate_single(4, &models, |predicted, truth| predicted.r2(truth))
        .map_err(|error: EstimatorError| error.to_string())
        .unwrap();
    assert!(scores[0] > 0.999, "{scores}");
    assert!(scores[1] < 0.1, "{scores}");
}

#[test]
fn classifiers_answer_with_the_values_they_were_given() {
    let target: Array1<usize> = rows().rows().into_iter().map(|row| if row[0] > 5.0 { 7 } else { 3 }).collect();
    let data = Dataset::new(rows(), target.clone());
    for params in [DecisionTree::params(), LogisticRegression::params(), GaussianNB::params()] {
        let model = params.fit(&data).unwrap();
        let predicted = model.predict(&data);
        let right = predicted.iter().zip(&target).filter(|(a, b)| a == b).count();
        assert!(right > 110, "{params:?}: {right} of 120");
        assert_eq!(model.classes(), [3, 7]);
        assert!(model.probabilities(&rows()).rows().into_iter().all(|row| (row.sum() - 1.0).abs() < 1e-12));
    }
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let unknown = LinearRegression::params().set("max_depth", 3).unwrap();
    let error = unknown.fit(&numbers()).unwrap_err().to_string();
    assert!(error.starts_with("LinearRegression has no parameter max_depth"), "{error}");
    let error = GaussianNB::params().fit(&numbers()).unwrap_err().to_string();
    assert!(error.contains("not for Regression"), "{error}");
}
