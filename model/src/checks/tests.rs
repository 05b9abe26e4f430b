use super::*;
use crate::distribution::Distribution;
use crate::encoder::Encoder;
use crate::estimator::{Combine, Estimator, Linear, Link, TreeNode, TreesBuilder};
use crate::schema::Range;

fn fields() -> Vec<Field> {
    vec![
        Field { name: "orders".to_owned(), ..Field::default() },
        Field {
            name: "product".to_owned(),
            type_: FeatureType::Category,
            categories: ["A", "B", "C"].map(str::to_owned).to_vec(),
            ..Field::default()
        },
    ]
}

/// Hours: 1 up to 10 orders, then 2 for A and B; C never takes longer.
fn stepped() -> Model {
    let leaf = |value| TreeNode::Leaf { value, weight: 1.0 };
    let split = |column, threshold, left| TreeNode::Split { column, threshold, missing_left: false, left };
    let mut trees = TreesBuilder::new(1);
    trees.push(&[split(0, 10.0, 1), leaf(0), split(1, 1.5, 3), leaf(1), leaf(0)], &[1.0, 2.0]);
    let trees = trees.finish(Combine::Mean);
    let range = Some(Range { min: 0.5, max: 2.0 });
    let output = Output::Regression { name: "hours".to_owned(), range, unit: None };
    Model::new(fields(), output, Encoder::identity(2), Estimator::Trees(trees)).unwrap()
}

fn classifier(classes: usize) -> Model {
    let link = if classes == 2 { Link::Logistic } else { Link::Softmax };
    let sums = if classes == 2 { 1 } else { classes };
    let estimator = Estimator::Linear(Linear {
        link,
        coefficients: vec![vec![0.1, 0.0]; sums],
        intercepts: vec![0.0; sums],
        means: Vec::new(),
    });
    let output = Output::Classification {
        name: "late".to_owned(),
        classes: (0..classes).map(|class| class.to_string()).collect(),
        positive_class: (classes == 2).then_some(0),
        threshold: None,
    };
    Model::new(fields(), output, Encoder::identity(2), estimator).unwrap()
}

fn rows() -> Vec<Vec<f64>> {
    (0..60).map(|row| vec![f64::from(row % 20), f64::from(row % 3)]).collect()
}

fn check(model: &Model, yaml: &str) -> (Outcome, String) {
    let rows = rows();
    let predicted: Vec<_> = match model.output() {
        Output::Regression { .. } => rows.iter().map(|row| model.predict_raw(row)[0]).collect(),
        Output::Classification { .. } => vec![],
    };
    let check: Check = serde_json::from_str(yaml).unwrap();
    let distributions = Distributions {
        features: [("product".to_owned(), Distribution::of_categories([Some("A"), Some("B"), Some("C")]))].into(),
        predictions: None,
        ..Distributions::default()
    };
    let evidence =
        Evidence { model, rows: &rows, predicted: &predicted, columns: &["customer"], distributions: &distributions };
    let result = evaluate(&[check], evidence).remove(0);
    (result.outcome, result.message)
}

#[test]
fn a_violation_names_group_values_predictions_and_how_many() {
    let (outcome, message) =
        check(&stepped(), r#"{"monotonic": {"feature": "orders", "at": [5, 15, 25], "within": "product"}}"#);
    assert_eq!(outcome, Outcome::Failed);
    let expected = "monotonic orders: for product \"A\" predictions do not rise: 2 at 15 and 2 at 25 (4 of 6 steps)";
    assert_eq!(message, expected);
}

#[test]
fn values_given_must_rise_strictly_quantiles_may_stand_still() {
    for (yaml, outcome, message) in [
        (r#"{"feature": "orders", "at": [5, 15]}"#, Outcome::Passed, "rise at 2 values"),
        (r#"{"feature": "orders", "at": [5, 15], "within": "product"}"#, Outcome::Failed, "for product \"C\" "),
        (r#"{"feature": "orders", "within": "product"}"#, Outcome::Passed, "in each of 3 product"),
        (r#"{"feature": "orders", "direction": "Decreasing"}"#, Outcome::Failed, "do not fall"),
        (r#"{"feature": "orders", "at": [15, 5]}"#, Outcome::Failed, "not ascending"),
    ] {
        let (actual, text) = check(&stepped(), &format!(r#"{{"monotonic": {yaml}}}"#));
        assert_eq!(actual, outcome, "{yaml}: {text}");
        assert!(text.contains(message), "{yaml}: {text}");
    }
}

#[test]
fn a_check_that_does_not_fit_says_what_there_is() {
    for (model, yaml, message) in [
        (
            stepped(),
            r#"{"monotonic": {"feature": "order"}}"#,
            "no feature \"order\", expected a number; there are orders",
        ),
        (stepped(), r#"{"monotonic": {"feature": "product"}}"#, "product is a Category, expected a number"),
        (stepped(), r#"{"monotonic": {"feature": "orders", "within": "orders"}}"#, "there are product"),
        (classifier(3), r#"{"monotonic": {"feature": "orders"}}"#, "this model has 3"),
        (classifier(2), r#"{"range": {"min": 0}}"#, "this model is a classifier"),
    ] {
        let (outcome, text) = check(&model, yaml);
        assert_eq!(outcome, Outcome::Failed, "{yaml}");
        assert!(text.contains(message), "{yaml}: {text}");
    }
}

#[test]
fn of_a_classifier_the_positive_class_counts() {
    let yaml =
        |direction| format!(r#"{{"monotonic": {{"feature": "orders", "at": [1, 2], "direction": "{direction}"}}}}"#);
    assert_eq!(check(&classifier(2), &yaml("Decreasing")).0, Outcome::Passed);
    assert_eq!(check(&classifier(2), &yaml("Increasing")).0, Outcome::Failed);
}

#[test]
fn predictions_out_of_range_name_the_row() {
    for (yaml, message) in [
        (r#"{"min": 0, "maxTimesObserved": 1.25}"#, "range: all 60 predictions are within bounds"),
        (r#"{"min": 1.5}"#, "range: test row 1 is predicted 1, below 1.5 (42 of 60 rows)"),
        (r#"{"max": 1}"#, "range: test row 13 is predicted 2, above 1 (18 of 60 rows)"),
        (
            r#"{"maxTimesObserved": 0.75}"#,
            "range: test row 13 is predicted 2, above 1.5, which is 0.75 times the largest hours in training, 2 \
             (18 of 60 rows)",
        ),
    ] {
        assert_eq!(check(&stepped(), &format!(r#"{{"range": {yaml}}}"#)).1, message, "{yaml}");
    }
}

#[test]
fn without_test_rows_no_check_passes() {
    let checks: Vec<Check> =
        serde_json::from_str(r#"[{"monotonic": {"feature": "orders"}}, {"range": {"min": 0}}]"#).unwrap();
    let distributions = Distributions::default();
    let (model, rows) = (&stepped(), &[][..]);
    let evidence = Evidence { model, rows, predicted: &[], columns: &[], distributions: &distributions };
    let results = evaluate(&checks, evidence);
    assert!(results.iter().all(|result| result.outcome == Outcome::Failed), "{results:?}");
}

#[test]
fn a_group_that_was_not_in_training_is_named() {
    let model = stepped();
    assert_eq!(
        check(&model, r#"{"unseenGroups": {"feature": "product"}}"#),
        (Outcome::Passed, "unseenGroups product: every test row's product was seen in training".to_owned())
    );
    let rows = rows();
    for (seen, message) in [
        (&[Some("A"), Some("C")][..], "unseenGroups product: \"B\" (20 test rows) was not seen in training"),
        (&[Some("A")], "unseenGroups product: \"B\" (20 test rows) was not seen in training, and 1 more values"),
    ] {
        let spread = Distribution::of_categories(seen.iter().copied());
        let distributions = Distributions {
            features: [("product".to_owned(), spread)].into(),
            predictions: None,
            ..Distributions::default()
        };
        let evidence =
            Evidence { model: &model, rows: &rows, predicted: &[], columns: &[], distributions: &distributions };
        let asked: Check = serde_json::from_str(r#"{"unseenGroups": {"feature": "product"}}"#).unwrap();
        let result = evaluate(&[asked], evidence).remove(0);
        assert_eq!((result.outcome, &*result.message), (Outcome::Failed, message));
    }
    let (outcome, message) = check(&model, r#"{"unseenGroups": {"feature": "orders"}}"#);
    assert_eq!(outcome, Outcome::Failed);
    assert!(message.contains("orders is a Number, expected a category"), "{message}");
}

#[test]
fn a_prediction_that_changes_with_a_feature_is_found() {
    let model = stepped();
    for (yaml, outcome, message) in [
        (
            r#"{"invariant": {"feature": "product"}}"#,
            Outcome::Failed,
            "invariant product: of one row, the prediction is 1 at \"C\" and 2 at \"B\", further apart than 0",
        ),
        (
            r#"{"invariant": {"feature": "product", "tolerance": 1}}"#,
            Outcome::Passed,
            "invariant product: predictions of 60 test rows do not depend on it",
        ),
        (
            r#"{"invariant": {"feature": "customer"}}"#,
            Outcome::Passed,
            "invariant customer: it is no feature of the model",
        ),
        (
            r#"{"invariant": {"feature": "custoner"}}"#,
            Outcome::Failed,
            "invariant custoner: there is no such column; correct its name",
        ),
    ] {
        assert_eq!(check(&model, yaml), (outcome, message.to_owned()), "{yaml}");
    }
    // The classifier has no weight on the product, but one on the orders.
    assert_eq!(check(&classifier(2), r#"{"invariant": {"feature": "product"}}"#).0, Outcome::Passed);
    assert_eq!(check(&classifier(2), r#"{"invariant": {"feature": "orders"}}"#).0, Outcome::Failed);
}
