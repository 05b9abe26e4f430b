use slipway_spec::FeatureType;

use super::*;
use crate::encoder::{Block, Encoder, Form};
use crate::estimator::{
    Combine, Constant, Estimator, Linear, Link, NaiveBayes, NormalClass, TreeNode, Trees, TreesBuilder,
};
use crate::schema::Field;

fn number(name: &str) -> Field {
    Field { name: name.to_owned(), required: false, ..Field::default() }
}

fn regression() -> Output {
    Output::Regression { name: "y".to_owned(), range: None, unit: None }
}

fn classes(names: &[&str], positive_class: Option<usize>) -> Output {
    let classes = names.iter().map(|&name| name.to_owned()).collect();
    Output::Classification { name: "y".to_owned(), classes, positive_class, threshold: None }
}

/// One split a column, each value in its own leaf.
fn trees(columns: u32, values: &[f64], combine: Combine) -> Trees {
    let mut trees = TreesBuilder::new(1);
    for (column, pair) in (0..columns).zip(values.chunks_exact(2)) {
        let split = TreeNode::Split { column, threshold: 0.5, missing_left: true, left: 1 };
        let leaf = |value, weight| TreeNode::Leaf { value, weight };
        trees.push(&[split, leaf(0, 3.0), leaf(1, 1.0)], pair);
    }
    trees.finish(combine)
}

/// Explains one row, and checks that it sums up to what `raw` makes of the prediction.
fn explain(model: &Model, row: &[f64], raw: impl Fn(&[f64], usize) -> f64) -> Explanation {
    let explainer = Explainer::new(model).unwrap();
    let predicted = model.predict_raw(row);
    let explanation = explainer.explain(model, &[row], &predicted).remove(0).unwrap();
    let expected = raw(&predicted, explanation.class.unwrap_or(0));
    assert!((explanation.total() - expected).abs() < 1e-9 * expected.abs().max(1.0), "{explanation:?} {predicted:?}");
    explanation
}

fn log_odds(raw: &[f64], class: usize) -> f64 {
    (raw[class] / (1.0 - raw[class])).ln()
}

#[test]
fn columns_go_back_to_the_fields_they_came_from() {
    let color =
        Field { categories: vec!["blue".into(), "red".into()], type_: FeatureType::Category, ..number("color") };
    let fields = vec![number("a"), color, number("b")];
    let field = |field| Source::Field { field };
    let encoder = Encoder::new(vec![
        Block { form: Form::OneHot { columns: 2, places: vec![] }, ..Block::field(1) },
        Block::field(0),
        Block { form: Form::Missing, ..Block { source: field(0), ..Block::field(0) } },
        Block { source: Source::Difference { name: "gap".into(), of: 0, minus: 2 }, ..Block::field(0) },
    ]);
    let values = [0.0, 4.0, 0.0, 8.0, 0.0, 16.0, 0.0, 32.0, 0.0, 64.0];
    let combine = Combine::Sum { base: vec![100.0], link: Link::Identity };
    let model = Model::new(fields, regression(), encoder, Estimator::Trees(trees(5, &values, combine))).unwrap();
    let explanation = explain(&model, &[f64::NAN, 1.0, 3.0], |raw, _| raw[0]);
    assert_eq!(explanation.base, 100.0 + 0.25 * (4.0 + 8.0 + 16.0 + 32.0 + 64.0));
    // Blue is off and red is on; a is missing, and so is the gap, which a and b share.
    let [a, color, b] = explanation.contributions[..] else { panic!() };
    assert!((color - (-1.0 + 6.0)).abs() < 1e-12, "{color}");
    assert!((b - -8.0).abs() < 1e-12, "{b}");
    assert!((a - (-4.0 + 24.0 - 8.0)).abs() < 1e-12, "{a}");
}

#[test]
fn classes_are_explained_on_the_scale_that_the_model_adds_up() {
    let two = || vec![number("a"), number("b")];
    let model = |output: Output, estimator| Model::new(two(), output, Encoder::identity(2), estimator).unwrap();
    let boosted = |links: &[f64], link| {
        let values: Vec<f64> = (0..4 * links.len()).map(|value| f64::from((value * 5 % 7) as u32) - 3.0).collect();
        let mut trees = TreesBuilder::new(1);
        for (place, pair) in values.chunks_exact(2).enumerate() {
            let split = TreeNode::Split { column: place as u32 % 2, threshold: 0.5, missing_left: true, left: 1 };
            let leaf = |value| TreeNode::Leaf { value, weight: 2.0 };
            trees.push(&[split, leaf(0), leaf(1)], pair);
        }
        Estimator::Trees(trees.finish(Combine::Sum { base: links.to_vec(), link }))
    };
    let row = [1.0, 0.0];
    for positive in [0, 1] {
        let model = model(classes(&["n", "y"], Some(positive)), boosted(&[0.3], Link::Logistic));
        assert_eq!(Explainer::new(&model).unwrap().scale(), OutputScale::LogOdds);
        assert_eq!(explain(&model, &row, log_odds).class, Some(positive));
    }
    let three = model(classes(&["a", "b", "c"], None), boosted(&[0.3, 0.0, -0.1], Link::Softmax));
    let explainer = Explainer::new(&three).unwrap();
    assert_eq!(explainer.scale(), OutputScale::Score);
    let raw = three.predict_raw(&row);
    let explanation = explainer.explain(&three, &[&row], &raw).remove(0).unwrap();
    assert_eq!(explanation.class, Some(crate::most_probable(&raw)));
    let poisson = model(regression(), boosted(&[0.3], Link::Exponential));
    assert_eq!(Explainer::new(&poisson).unwrap().scale(), OutputScale::Logarithm);
    explain(&poisson, &row, |raw, _| raw[0].ln());
}

#[test]
fn linear_models_are_told_from_the_mean_of_the_training_rows() {
    let model = |link, coefficients: Vec<Vec<f64>>, means, output| {
        let intercepts = vec![0.5; coefficients.len()];
        let linear = Linear { link, coefficients, intercepts, means };
        Model::new(
            vec![number("a"), number("b")].into_iter().map(|field| Field { required: true, ..field }).collect(),
            output,
            Encoder::identity(2),
            Estimator::Linear(linear),
        )
        .unwrap()
    };
    let line = model(Link::Identity, vec![vec![2.0, -1.0]], vec![10.0, 4.0], regression());
    let explanation = explain(&line, &[11.0, 4.0], |raw, _| raw[0]);
    assert_eq!((explanation.base, explanation.contributions), (16.5, vec![2.0, 0.0]));
    for positive in [0, 1] {
        let output = classes(&["n", "y"], Some(positive));
        let logistic = model(Link::Logistic, vec![vec![2.0, -1.0]], vec![0.5, 0.0], output);
        explain(&logistic, &[1.0, 0.3], log_odds);
    }
    let without = model(Link::Identity, vec![vec![2.0, -1.0]], vec![], regression());
    assert!(Explainer::new(&without).unwrap_err().to_string().contains("train it again"));
}

#[test]
fn naive_bayes_and_constants_are_explained_exactly() {
    let class = |prior, means: [f64; 2]| Some(NormalClass { prior, means: means.to_vec(), variances: vec![1.0, 2.0] });
    let required = |name| Field { required: true, ..number(name) };
    let model = |output, estimator| {
        Model::new(vec![required("a"), required("b")], output, Encoder::identity(2), estimator).unwrap()
    };
    let bayes = NaiveBayes { classes: vec![class(0.25, [0.0, 1.0]), class(0.75, [1.0, 1.0])] };
    let two = model(classes(&["n", "y"], Some(1)), Estimator::NaiveBayes(bayes));
    let explanation = explain(&two, &[2.0, 9.0], log_odds);
    assert!((explanation.base - 3.0_f64.ln()).abs() < 1e-12);
    assert!(explanation.contributions[1].abs() < 1e-12, "alike in both classes");
    let far = Explainer::new(&two).unwrap().explain(&two, &[&[1e200, 0.0]], &[0.5, 0.5]);
    assert_eq!(far, [None], "no finite answer");
    let bayes = NaiveBayes { classes: vec![class(0.2, [0.0, 1.0]), class(0.3, [1.0, 1.0]), class(0.5, [2.0, 3.0])] };
    let three = model(classes(&["a", "b", "c"], None), Estimator::NaiveBayes(bayes));
    let raw = three.predict_raw(&[0.5, 0.5]);
    let explanation = Explainer::new(&three).unwrap().explain(&three, &[&[0.5, 0.5]], &raw).remove(0).unwrap();
    let logs: Vec<f64> = raw.iter().map(|probability| probability.ln()).collect();
    let expected = logs[explanation.class.unwrap()] - logs.iter().sum::<f64>() / 3.0;
    assert!((explanation.total() - expected).abs() < 1e-12);
    let absent = NaiveBayes { classes: vec![class(1.0, [0.0, 1.0]), None] };
    assert!(Explainer::new(&model(classes(&["n", "y"], None), Estimator::NaiveBayes(absent))).is_err());
    let constant = model(regression(), Estimator::Constant(Constant { values: vec![7.0] }));
    let explanation = explain(&constant, &[1.0, 2.0], |raw, _| raw[0]);
    assert_eq!((explanation.base, explanation.contributions), (7.0, vec![0.0, 0.0]));
}

#[test]
fn many_rows_are_explained_as_each_alone() {
    let values = [0.0, 4.0, 0.0, 8.0];
    let estimator = Estimator::Trees(trees(2, &values, Combine::Mean));
    let model = Model::new(vec![number("a"), number("b")], regression(), Encoder::identity(2), estimator).unwrap();
    let explainer = Explainer::new(&model).unwrap();
    let rows = [[0.0, 1.0], [1.0, 1.0], [f64::NAN, 0.0]];
    let together: Vec<&[f64]> = rows.iter().map(|row| &row[..]).collect();
    let raw = model.predict_rows(together.iter().copied());
    let alone = |row: &[f64]| explainer.explain(&model, &[row], &model.predict_raw(row)).remove(0);
    let expected: Vec<_> = rows.iter().map(|row| alone(row)).collect();
    assert_eq!(explainer.explain(&model, &together, &raw), expected);
}
