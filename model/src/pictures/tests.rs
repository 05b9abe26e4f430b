use slipway_spec::FeatureType;
use slipway_spec::pictures::{AnswerPictures, ClassificationPictures, RegressionPictures};

use super::*;
use crate::encoder::{Block, Encoder, Form};
use crate::estimator::{Estimator, Linear, Link};
use crate::schema::Field;

fn fields() -> Vec<Field> {
    let number = |name: &str| Field { name: name.to_owned(), ..Field::default() };
    let colour = Field {
        name: "colour".to_owned(),
        type_: FeatureType::Category,
        categories: ["blue", "green", "red"].map(str::to_owned).to_vec(),
        ..Field::default()
    };
    vec![number("idle"), number("x"), colour]
}

fn model(output: Output, link: Link) -> Model {
    let one_hot = Block { form: Form::OneHot { columns: 3, places: Vec::new() }, ..Block::field(2) };
    let encoder = Encoder::new(vec![Block::field(0), Block::field(1), one_hot]);
    let linear =
        Linear { link, coefficients: vec![vec![0.0, 2.0, -0.5, 0.0, 0.5]], intercepts: vec![0.0], means: Vec::new() };
    Model::new(fields(), output, encoder, Estimator::Linear(linear)).unwrap()
}

fn regression() -> Model {
    model(Output::Regression { name: "y".to_owned(), range: None, unit: None }, Link::Identity)
}

fn classifier() -> Model {
    let classes = ["no", "yes"].map(str::to_owned).to_vec();
    let output =
        Output::Classification { name: "y".to_owned(), classes, positive_class: Some(1), threshold: Some(0.5) };
    model(output, Link::Logistic)
}

fn rows(count: usize) -> Vec<Vec<f64>> {
    let mut rng = Rng::new(7);
    let mut number = || rng.below(2001) as f64 / 1000.0 - 1.0;
    (0..count).map(|row| vec![number(), number(), (row % 3) as f64]).collect()
}

/// The truth is the prediction, moved by `noise` times a number from -1 to 1.
fn truths(model: &Model, rows: &[Vec<f64>], noise: f64) -> Vec<f64> {
    let mut rng = Rng::new(8);
    rows.iter().map(|row| model.predict_raw(row)[0] + noise * (rng.below(2001) as f64 / 1000.0 - 1.0)).collect()
}

fn answers(model: &Model, rows: &[Vec<f64>], truth: &Answers) -> Answers {
    truth.by(model, rows.iter().map(Vec::as_slice).enumerate())
}

fn of_regression(count: usize) -> Pictures {
    let (model, rows) = (regression(), rows(count));
    let truth = Answers::Numbers { truth: truths(&model, &rows, 0.2), predicted: Vec::new() };
    let answers = answers(&model, &rows, &truth);
    Drawn { model: &model, rows: &rows, answers: &answers }.pictures(None)
}

fn of_classifier(count: usize) -> Pictures {
    let (model, rows) = (classifier(), rows(count));
    let truth = rows.iter().enumerate().map(|(place, row)| usize::from(row[1] > 0.0) ^ usize::from(place % 7 == 0));
    let truth = Answers::Classes { truth: truth.collect(), predicted: Vec::new(), probabilities: None };
    let answers = answers(&model, &rows, &truth);
    Drawn { model: &model, rows: &rows, answers: &answers }.pictures(None)
}

fn numbers(pictures: &Pictures) -> &RegressionPictures {
    match &pictures.answers {
        Some(AnswerPictures::Regression(pictures)) => pictures,
        other => panic!("{other:?}"),
    }
}

fn classes(pictures: &Pictures) -> &ClassificationPictures {
    match &pictures.answers {
        Some(AnswerPictures::Classification(pictures)) => pictures,
        other => panic!("{other:?}"),
    }
}

#[test]
fn pictures_are_the_same_every_time_bounded_and_survive_storage() {
    for of in [of_regression, of_classifier] {
        let pictures = of(20_000);
        assert_eq!(pictures, of(20_000));
        let json = serde_json::to_string(&pictures).unwrap();
        assert!(json.len() < 100_000, "{} bytes", json.len());
        assert_eq!(serde_json::from_str::<Pictures>(&json).unwrap(), pictures);
    }
}

#[test]
fn every_row_is_in_the_histogram_of_residuals_and_in_a_band() {
    let pictures = of_regression(1_000);
    let numbers = numbers(&pictures);
    let histogram = &numbers.residuals;
    assert_eq!(histogram.counts.iter().sum::<u64>() + histogram.beyond.iter().sum::<u64>(), 1_000);
    assert_eq!(numbers.bands.iter().map(|band| band.rows).sum::<usize>(), 1_000);
    assert!(numbers.bands.is_sorted_by(|a, b| a.predicted <= b.predicted));
    assert!(numbers.bands.iter().all(|band| band.residuals.is_sorted() && band.residuals[2] < 0.2));
    assert_eq!(numbers.points.len(), 800);
}

#[test]
fn a_feature_that_does_nothing_has_no_importance() {
    let pictures = of_regression(500);
    let measured = pictures.permutation.unwrap();
    let order: Vec<_> = measured.features.iter().map(|feature| feature.feature.as_str()).collect();
    assert_eq!((&*measured.metric, order), ("r2", vec!["x", "colour", "idle"]));
    assert!(measured.features[0].importance > 1.0, "{measured:?}");
    assert_eq!(measured.features[2].importance, 0.0);
}

#[test]
fn dependence_follows_the_model() {
    let pictures = of_regression(500);
    let [x, colour, idle] = &pictures.partial_dependence[..] else { panic!("{pictures:?}") };
    let slope = (x.lines[0].mean[23] - x.lines[0].mean[0]) / (x.at[23] - x.at[0]);
    assert!((slope - 2.0).abs() < 1e-9, "{slope}");
    assert_eq!(colour.labels, ["blue", "green", "red"]);
    assert!((colour.lines[0].mean[2] - colour.lines[0].mean[0] - 1.0).abs() < 1e-9);
    assert_eq!(colour.spread.counts, [167, 167, 166]);
    assert!(idle.lines[0].mean.iter().all(|mean| (mean - idle.lines[0].mean[0]).abs() < 1e-9));
    assert!(x.lines[0].low.iter().zip(&x.lines[0].high).all(|(low, high)| low < high));
}

#[test]
fn curves_run_from_corner_to_corner_and_keep_their_area() {
    let pictures = of_classifier(5_000);
    let classes = classes(&pictures);
    let curves = &classes.curves[0];
    assert_eq!((&*curves.class, classes.curves.len()), ("yes", 1));
    assert_eq!((curves.roc[0], *curves.roc.last().unwrap()), ([0.0, 0.0], [1.0, 1.0]));
    assert!(curves.roc.len() <= 202);
    let area: f64 = curves.roc.windows(2).map(|pair| (pair[1][0] - pair[0][0]) * (pair[0][1] + pair[1][1]) / 2.0).sum();
    assert!((area - curves.roc_auc).abs() < 0.005, "{area} {}", curves.roc_auc);
    let [false_alarms, recall, precision] = curves.at_threshold.unwrap();
    assert!(curves.roc.iter().any(|[x, y]| (x - false_alarms).abs() + (y - recall).abs() < 0.02));
    assert!(curves.precision_recall.iter().any(|[x, y]| (x - recall).abs() + (y - precision).abs() < 0.02));
    assert_eq!(curves.thresholds[25], [0.5, precision, recall, curves.thresholds[25][3]]);
    assert_eq!((curves.thresholds[0][2], curves.thresholds[0][3]), (1.0, 1.0));
    assert_eq!(curves.calibration.iter().map(|bin| bin.rows).sum::<usize>(), 5_000);
    assert_eq!(classes.confusion.iter().flatten().sum::<u64>(), 5_000);
}

#[test]
fn of_many_classes_the_rare_ones_stand_together() {
    let names: Vec<String> = (0..40).map(|class| format!("c{class:02}")).collect();
    let output = Output::Classification { name: "y".to_owned(), classes: names, positive_class: None, threshold: None };
    let truth: Vec<usize> =
        (0..820).map(|row| (0..40).find(|class| row < (class + 1) * (class + 2) / 2).unwrap()).collect();
    let rows = classification::Rows { truth: &truth, predicted: &truth, probabilities: None };
    let pictures = rows.pictures(&output);
    assert_eq!((pictures.classes.len(), &*pictures.classes[0], &*pictures.classes[11]), (12, "c29", "29 others"));
    assert_eq!(pictures.confusion.iter().flatten().sum::<u64>(), 820);
    assert!(pictures.curves.is_empty());
}

#[test]
fn what_is_missing_is_said_and_nothing_breaks() {
    let model = regression();
    let empty = Answers::Numbers { truth: vec![], predicted: vec![] };
    let without_rows = Answers::Numbers { truth: vec![1.0, 2.0], predicted: vec![1.0, f64::INFINITY] };
    for (answers, note) in [(&empty, "no test rows"), (&without_rows, "not in test.csv")] {
        let pictures = Drawn { model: &model, rows: &[], answers }.pictures(None);
        assert!(pictures.notes[0].contains(note), "{pictures:?}");
        let json = serde_json::to_string(&pictures).unwrap();
        assert_eq!(serde_json::from_str::<Pictures>(&json).unwrap(), pictures);
    }
    let one = vec![vec![1.0, 1.0, 0.0]];
    let answers = Answers::Numbers { truth: vec![1.0], predicted: vec![2.0] };
    let pictures = Drawn { model: &model, rows: &one, answers: &answers }.pictures(Some(Metric::R2));
    assert!(pictures.partial_dependence.is_empty());
    assert_eq!(pictures.permutation.unwrap().metric, "mae", "r2 is undefined for one row");
}
