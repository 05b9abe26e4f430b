//! What holds for every estimator, task and step from a column to what a model sees, on tables drawn at random.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

mod common;

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};
use slipway_model::{Artefact, Model};
use slipway_spec::{Estimator, Task};

use common::Row;

const INPUTS: [&str; 6] = ["size", "wide", "colour", "fresh", "made", "set"];
const TARGETS: [(Task, &str); 3] =
    [(Task::Regression, "number"), (Task::Classification, "two"), (Task::Classification, "three")];

type Drawn = (Option<u32>, u32, Option<usize>, bool, u32, u32);

/// Columns of every type, with gaps, and a target for each task. The number is whole, so that sums of it are exact.
fn rows() -> impl Strategy<Value = Vec<Row>> {
    let size = prop::option::weighted(0.9, 0..80_u32);
    let colour = prop::option::weighted(0.9, 0..6_usize);
    let drawn = (size, 0..17_u32, colour, any::<bool>(), 0..20_000_u32, 0..6_u32);
    prop::collection::vec(drawn, 60..100).prop_map(|drawn| {
        let row = |(place, (size, wide, colour, fresh, hours, noise)): (usize, Drawn)| {
            let (year, month, day) = (2020 + hours / 8064, 1 + hours / 672 % 12, 1 + hours / 24 % 28);
            let number = size.unwrap_or(40) * 2 + colour.unwrap_or(0) as u32 * 9 + wide + noise;
            let three = ["a", "b", "c"][(wide / 2 + noise) as usize % 3];
            let row = json!({
                "size": size.map(|size| f64::from(size) + 0.5),
                "wide": wide,
                "colour": colour.map(|colour| ["red", "green", "blue", "grey", "pink", "teal"][colour]),
                "fresh": fresh,
                "made": format!("{year}-{month:02}-{day:02}T{:02}:30:00Z", hours % 24),
                "number": number,
                "two": if wide + noise > 10 { "much" } else { "little" },
                "three": three,
                "set": if place % 5 == 0 { "test" } else { "train" },
            });
            row.as_object().unwrap().clone()
        };
        (0..).zip(drawn).map(row).collect()
    })
}

/// Words that go into `builtin`, with what they are.
fn steps() -> Vec<(&'static str, Value)> {
    let colour = |words: Value| {
        let mut feature = words;
        feature["name"] = "colour".into();
        json!({"features": [feature]})
    };
    vec![
        ("Ordinal", colour(json!({"encoding": "Ordinal"}))),
        ("OneHot", colour(json!({"encoding": "OneHot", "indicator": true}))),
        ("Count", colour(json!({"encoding": "Count", "unknown": "Other"}))),
        ("Target", colour(json!({"encoding": "Target", "indicator": true}))),
        ("rare OneHot", colour(json!({"encoding": "OneHot", "minFrequency": 0.2, "unknown": "Other"}))),
        ("rare Ordinal", colour(json!({"encoding": "Ordinal", "minFrequency": 12, "unknown": "AsMissing"}))),
        ("rare Target", colour(json!({"encoding": "Target", "minFrequency": 12, "unknown": "AsMissing"}))),
        (
            "Constant, Mean and Robust",
            json!({"features": [
                {"name": "size", "missing": "Mean", "indicator": true, "scale": "Robust"},
                {"name": "colour", "missing": "Constant", "fill": "none"},
            ]}),
        ),
        (
            "Native",
            json!({"features": [
                {"name": "size", "missing": "Native"}, {"name": "colour", "missing": "Native", "encoding": "Ordinal"},
            ]}),
        ),
        (
            "log and bins",
            json!({"features": [
                {"name": "size", "log": true, "missing": "Constant", "fill": 0},
                {"name": "wide", "bins": {"quantiles": 4}, "scale": "MinMax"},
            ]}),
        ),
        (
            "edges and parts",
            json!({"features": [
                {"name": "wide", "bins": {"edges": [2, 5.5, 11]}, "encoding": "OneHot"},
                {"name": "made", "parts": ["Month", "DayOfWeek", "Hour", "IsWeekend", "Elapsed"]},
            ]}),
        ),
        (
            "derived",
            json!({
                "derive": [
                    {"name": "share", "ratio": {"of": "size", "to": "wide"}},
                    {"name": "rest", "difference": {"of": "size", "minus": "wide"}},
                ],
                "features": [
                    {"name": "size", "use": false}, {"name": "rest", "bins": {"quantiles": 3}, "indicator": true},
                ],
            }),
        ),
    ]
}

/// Few trees, and solvers that go on until rows in another order give the same.
fn parameters(estimator: Estimator) -> Value {
    match estimator {
        Estimator::RandomForest | Estimator::ExtraTrees | Estimator::GradientBoosting => json!({"n_estimators": 4}),
        Estimator::HistGradientBoosting => json!({"max_iter": 4, "min_samples_leaf": 5}),
        Estimator::Lasso | Estimator::ElasticNet => json!({"tol": 1e-12, "max_iter": 100_000}),
        Estimator::LogisticRegression => json!({"tol": 1e-10, "max_iter": 10_000}),
        _ => json!({}),
    }
}

/// How far predictions may lie apart, by their size, when rows come in another order; `None` where the definition promises
/// nothing: it draws rows, or adds up numbers that are not whole, and rounding chooses between equally good splits.
fn tolerance(estimator: Estimator, step: &str) -> Option<f64> {
    match estimator {
        // Rows are dealt into folds.
        _ if step.contains("Target") => None,
        Estimator::DecisionTree | Estimator::Dummy => Some(0.0),
        Estimator::LinearRegression | Estimator::Ridge | Estimator::GaussianNB => Some(1e-9),
        Estimator::Lasso | Estimator::ElasticNet | Estimator::LogisticRegression => Some(1e-5),
        Estimator::RandomForest
        | Estimator::ExtraTrees
        | Estimator::GradientBoosting
        | Estimator::HistGradientBoosting => None,
    }
}

/// One combination.
struct Case<'a> {
    estimator: Estimator,
    target: &'a str,
    step: &'a str,
    words: &'a Value,
}

impl Case<'_> {
    /// Trains on `table` in `dir`, on so many threads.
    fn train(&self, dir: &Path, table: &[Row], threads: usize) -> Model {
        let data = common::csv_of(dir, table, &[&INPUTS[..], &[self.target]].concat());
        let mut builtin = self.words.clone();
        builtin["estimator"] = self.estimator.name().into();
        builtin["parameters"] = parameters(self.estimator);
        builtin["split"] = json!({"column": "set"});
        let spec = json!({"modelName": "m", "target": self.target, "train": {"builtin": builtin}});
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| common::train_on(dir, &spec, &data)).unwrap_or_else(|error| panic!("{self}: {error}"));
        Artefact::load(&dir.join("output"), None).unwrap().model
    }

    /// The model read back from the artefact answers rows with the very bits that the trainer wrote to `test.csv`.
    fn assert_serves_what_was_trained(&self, dir: &Path, model: &Model, table: &[Row]) {
        let names: Vec<String> = match model.output().classes() {
            [] => vec!["prediction".to_owned()],
            classes => classes.iter().map(|class| format!("probability:{class}")).collect(),
        };
        let written: Vec<Vec<String>> = names.iter().map(|name| common::test_column(dir, name)).collect();
        for (place, row) in table.iter().filter(|row| row["set"] == "test").enumerate() {
            for (answer, written) in ask(model, row).iter().zip(&written) {
                let written: f64 = written[place].parse().unwrap();
                assert_eq!(answer.to_bits(), written.to_bits(), "{self}, row {place}: {answer} {written}");
            }
        }
    }
}

impl std::fmt::Display for Case<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, {}, {}", self.estimator, self.target, self.step)
    }
}

fn ask(model: &Model, row: &Row) -> Vec<f64> {
    model.predict_raw(&model.decode_json(row).unwrap())
}

fn check(case: &Case<'_>, table: &[Row]) {
    let dir = tempfile::tempdir().unwrap();
    let model = case.train(dir.path(), table, 1);
    case.assert_serves_what_was_trained(dir.path(), &model, table);

    let manifest = |dir: &Path| fs::read(dir.join("output/manifest.json")).unwrap();
    let again = tempfile::tempdir().unwrap();
    case.train(again.path(), table, 3);
    assert!(manifest(dir.path()) == manifest(again.path()), "{case}: three threads train something else than one");

    let Some(tolerance) = tolerance(case.estimator, case.step) else { return };
    let turned: Vec<Row> = table.iter().rev().cloned().collect();
    let other = tempfile::tempdir().unwrap();
    let other = case.train(other.path(), &turned, 2);
    for row in table {
        for (a, b) in ask(&model, row).iter().zip(ask(&other, row)) {
            let apart = (a - b).abs();
            assert!(apart <= tolerance * a.abs().max(1.0), "{case}: {a} and {b} by the order of rows");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2, max_shrink_iters: 3, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn models_are_served_as_trained_whatever_the_threads_and_the_order_of_rows(table in rows()) {
        // Runs wait for the disk more than for anything else.
        std::thread::scope(|scope| {
            let table = &table;
            let threads = Estimator::ALL.iter().map(|&estimator| scope.spawn(move || check_all(estimator, table)));
            for thread in threads.collect::<Vec<_>>() {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            }
        });
    }
}

/// Every task and step of an estimator.
fn check_all(estimator: Estimator, table: &[Row]) {
    for (_, target) in TARGETS.iter().filter(|(task, _)| estimator.tasks().contains(task)) {
        for (step, words) in steps() {
            if step != "Native" || takes_missing(estimator) {
                check(&Case { estimator, target, step, words: &words }, table);
            }
        }
    }
}

fn takes_missing(estimator: Estimator) -> bool {
    use Estimator::{DecisionTree, Dummy, ExtraTrees, GradientBoosting, HistGradientBoosting, RandomForest};
    matches!(estimator, DecisionTree | RandomForest | ExtraTrees | GradientBoosting | HistGradientBoosting | Dummy)
}
