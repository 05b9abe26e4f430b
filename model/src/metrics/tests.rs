use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;

/// What scikit-learn says; see `tests/fixtures/metrics.py`.
#[derive(Deserialize)]
struct Fixture {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    classes: Option<usize>,
    positive: Option<usize>,
    truth: Vec<f64>,
    predicted: Vec<f64>,
    probabilities: Option<Vec<Vec<f64>>>,
    expected: BTreeMap<String, Option<f64>>,
}

impl Case {
    fn evaluate(&self) -> Evaluation {
        let Some(width) = self.classes else {
            let output = Output::Regression { name: "y".to_owned(), range: None, unit: None };
            let asked = self.expected.keys().filter_map(|name| Metric::parse(name)).collect::<Vec<_>>();
            return evaluate_with(&output, Scored::Numbers { truth: &self.truth, predicted: &self.predicted }, &asked);
        };
        let output = classes(width, self.positive);
        let places = |values: &[f64]| values.iter().map(|value| *value as usize).collect::<Vec<_>>();
        let probabilities = self.probabilities.as_ref().map(|rows| rows.concat());
        let (truth, predicted) = (places(&self.truth), places(&self.predicted));
        let scored = Scored::Classes { truth: &truth, predicted: &predicted, probabilities: probabilities.as_deref() };
        evaluate(&output, scored)
    }
}

fn classes(width: usize, positive_class: Option<usize>) -> Output {
    let classes = (0..width).map(|class| class.to_string()).collect();
    Output::Classification { name: "y".to_owned(), classes, positive_class, threshold: None }
}

#[test]
fn every_metric_is_scikit_learns() {
    let fixture: Fixture = serde_json::from_str(include_str!("../../tests/fixtures/metrics.json")).unwrap();
    assert!(fixture.cases.len() > 20);
    for case in fixture.cases {
        let evaluation = case.evaluate();
        assert_eq!(evaluation.metrics.len() + evaluation.undefined.len(), case.expected.len(), "{}", case.name);
        for (name, expected) in &case.expected {
            let actual = evaluation.metrics.get(name).copied();
            let same = match (actual, expected) {
                (Some(actual), Some(expected)) => (actual - expected).abs() <= 1e-9 * expected.abs().max(1.0),
                (None, None) => evaluation.undefined.contains_key(name),
                _ => false,
            };
            assert!(same, "{}: {name} is {actual:?}, scikit-learn says {expected:?}", case.name);
        }
    }
}

#[test]
fn an_undefined_metric_says_why() {
    let reason = |metric, truth: &[usize], probabilities| {
        let scored = Scored::Classes { truth, predicted: truth, probabilities };
        compute(metric, &classes(2, Some(1)), scored).unwrap_err()
    };
    assert_eq!(reason(Metric::Accuracy, &[], None), "there are no test rows");
    assert_eq!(reason(Metric::Brier, &[0], None), "there are no probabilities");
    assert_eq!(reason(Metric::Recall, &[0], None), "no test row is \"1\"");
    assert!(reason(Metric::RocAuc, &[0, 0], Some(&[1.0, 0.0, 1.0, 0.0])).ends_with("all are \"0\""));
    assert_eq!(reason(Metric::R2, &[0], None), "r2 is no metric for Classification");
}

#[test]
fn a_prediction_that_is_no_number_makes_metrics_undefined() {
    let output = Output::Regression { name: "y".to_owned(), range: None, unit: None };
    let evaluation = evaluate(&output, Scored::Numbers { truth: &[1.0, 2.0], predicted: &[1.0, f64::INFINITY] });
    assert_eq!(evaluation.metrics, Metrics::new());
    assert_eq!(evaluation.undefined.len(), 7);
}

#[test]
fn the_order_of_rows_does_not_count() {
    let truth: Vec<f64> = (0..40).map(|row| f64::from(row * 7 % 11)).collect();
    let predicted: Vec<f64> = (0..40).map(|row| f64::from(row * 5 % 9)).collect();
    let output = Output::Regression { name: "y".to_owned(), range: None, unit: None };
    let asked = [Metric::parse("top_15_percent_overlap").unwrap()];
    let forwards = evaluate_with(&output, Scored::Numbers { truth: &truth, predicted: &predicted }, &asked);
    let reversed = |values: &[f64]| values.iter().rev().copied().collect::<Vec<_>>();
    let (truth, predicted) = (reversed(&truth), reversed(&predicted));
    let backwards = evaluate_with(&output, Scored::Numbers { truth: &truth, predicted: &predicted }, &asked);
    for (name, value) in forwards.metrics {
        assert!((value - backwards.metrics[&name]).abs() < 1e-12, "{name}");
    }
}

#[test]
fn a_long_sum_keeps_its_small_terms() {
    let values = std::iter::once(1e16).chain(std::iter::repeat_n(1.0, 1000)).chain(std::iter::once(-1e16));
    assert_eq!(sum(values), 1000.0);
}
