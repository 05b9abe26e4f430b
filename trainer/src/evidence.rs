//! What a model answers: on the test rows, and on a few rows to remember.

use std::collections::BTreeSet;

use rayon::prelude::*;
use serde_json::{Map, Value};
use slipway_model::test_rows::Answers;
use slipway_model::{Distribution, Distributions, Golden, GoldenRow, Model, Output};
use slipway_spec::FeatureType;

use crate::data::dataset::{Dataset, FeatureColumn};

/// Most golden rows.
const GOLDEN_ROWS: usize = 16;
/// Most values of all golden rows together, so that a manifest stays small.
const GOLDEN_VALUES: usize = 20_000;
/// A golden row's prediction may differ by this much, times its size where that is above 1.
const GOLDEN_TOLERANCE: f64 = 1e-9;
/// Features whose distribution is kept.
pub(crate) const MAX_DISTRIBUTIONS: usize = 1_000;

/// A model's answers.
pub(crate) struct Evidence {
    /// Truth and predictions on the test rows.
    pub(crate) answers: Answers,
    pub(crate) golden: Golden,
    pub(crate) distributions: Distributions,
}

impl Evidence {
    /// Makes the distribution of predictions that of these answers.
    pub(crate) fn describe_answers(&mut self, output: &Output) {
        self.distributions.predictions = Some(predictions(output, &self.answers));
    }
}

/// Predicts the test rows, chooses golden rows, and describes how values were spread.
pub(crate) fn gather(dataset: &Dataset, model: &Model) -> Evidence {
    let test = &dataset.rows.test;
    let raw: Vec<Vec<f64>> = test.par_iter().map(|&row| model.predict_raw(&dataset.decoded(row))).collect();
    let golden = golden(dataset, model, &raw);
    let answers = answers(dataset, model.output(), raw);
    let predictions = Some(predictions(model.output(), &answers));
    let features = dataset.features.iter().take(MAX_DISTRIBUTIONS);
    let features = features.map(|feature| (feature.field.name.clone(), spread(dataset, feature))).collect();
    Evidence { answers, golden, distributions: Distributions { features, predictions, ..Distributions::default() } }
}

fn answers(dataset: &Dataset, output: &Output, raw: Vec<Vec<f64>>) -> Answers {
    let truth = dataset.rows.test.iter().map(|&row| dataset.target.values[row as usize]);
    if dataset.target.classes.is_empty() {
        return Answers::Numbers { truth: truth.collect(), predicted: raw.into_iter().flatten().collect() };
    }
    Answers::Classes {
        truth: truth.map(|class| class as usize).collect(),
        predicted: raw.iter().map(|probabilities| output.class(probabilities)).collect(),
        probabilities: Some(raw.into_iter().flatten().collect()),
    }
}

/// How the predictions are spread: the number, or the probability of the positive class, or the class.
fn predictions(output: &Output, answers: &Answers) -> Distribution {
    match (answers, output) {
        (Answers::Numbers { predicted, .. }, _) => Distribution::of_numbers(predicted),
        (
            Answers::Classes { probabilities: Some(probabilities), .. },
            Output::Classification { positive_class: Some(positive), .. },
        ) => {
            let positive: Vec<f64> = probabilities.iter().skip(*positive).step_by(2).copied().collect();
            Distribution::of_numbers(&positive)
        }
        (Answers::Classes { predicted, .. }, _) => {
            Distribution::of_categories(predicted.iter().map(|&class| output.classes().get(class).map(String::as_str)))
        }
    }
}

/// How a feature is spread in the training rows.
fn spread(dataset: &Dataset, feature: &FeatureColumn) -> Distribution {
    let values = dataset.rows.train.iter().map(|&row| feature.typed.values[row as usize]);
    match feature.field.type_ {
        FeatureType::Number | FeatureType::Timestamp => Distribution::of_numbers(&values.collect::<Vec<_>>()),
        FeatureType::Boolean => {
            let text = |value: f64| if value == 1.0 { "true" } else { "false" };
            Distribution::of_categories(values.map(|value| (!value.is_nan()).then(|| text(value))))
        }
        FeatureType::Category => {
            let label = |value: f64| feature.field.categories[value as usize].as_str();
            Distribution::of_categories(values.map(|value| (!value.is_nan()).then(|| label(value))))
        }
    }
}

/// Rows that differ much from each other, with the model's answer to them as a caller sends them.
fn golden(dataset: &Dataset, model: &Model, raw: &[Vec<f64>]) -> Golden {
    let most = (GOLDEN_VALUES / dataset.features.len()).clamp(1, GOLDEN_ROWS);
    let mut chosen = BTreeSet::new();
    let mut choose = |rows: &mut dyn Iterator<Item = u32>, up_to: usize| {
        for row in rows {
            if chosen.len() >= up_to {
                break;
            }
            chosen.insert(row);
        }
    };
    choose(&mut extreme_answers(dataset, raw).into_iter(), most / 4 + 1);
    choose(&mut dataset.features.iter().flat_map(|feature| extremes(dataset, feature)), most * 3 / 4 + 1);
    let all = || dataset.rows.train.iter().chain(&dataset.rows.test).copied();
    let step = (all().count() / most).max(1);
    choose(&mut all().step_by(step), most);
    choose(&mut all(), most);
    let rows = chosen.into_iter().filter_map(|row| {
        let row = as_sent(dataset, row);
        let decoded = model.decode_json(&row).ok()?;
        Some(GoldenRow { expected: model.predict_raw(&decoded), row })
    });
    Golden { tolerance: GOLDEN_TOLERANCE, rows: rows.collect() }
}

/// A row as a caller sends it.
fn as_sent(dataset: &Dataset, row: u32) -> Map<String, Value> {
    let value =
        |feature: &FeatureColumn| feature.typed.json(&dataset.table.columns[feature.place].cell(row as usize), row);
    dataset.features.iter().map(|feature| (feature.field.name.clone(), value(feature))).collect()
}

/// The test rows with the smallest and the largest number for each output.
fn extreme_answers(dataset: &Dataset, raw: &[Vec<f64>]) -> Vec<u32> {
    let outputs = raw.first().map_or(0, Vec::len);
    let rows = || dataset.rows.test.iter().copied().zip(raw);
    (0..outputs)
        .flat_map(|output| {
            let by_output = |a: &(u32, &Vec<f64>), b: &(u32, &Vec<f64>)| a.1[output].total_cmp(&b.1[output]);
            [rows().max_by(by_output), rows().min_by(by_output)]
        })
        .flatten()
        .map(|(row, _)| row)
        .collect()
}

/// The training rows with a feature's smallest and largest value, and the first where it is missing.
fn extremes(dataset: &Dataset, feature: &FeatureColumn) -> impl Iterator<Item = u32> {
    let value = |row: &u32| feature.typed.values[*row as usize];
    let present = || dataset.rows.train.iter().copied().filter(|row| !value(row).is_nan());
    let smallest = present().min_by(|a, b| value(a).total_cmp(&value(b)));
    let largest = present().max_by(|a, b| value(a).total_cmp(&value(b)));
    let missing = dataset.rows.train.iter().copied().find(|row| value(row).is_nan());
    [smallest, largest, missing].into_iter().flatten()
}
