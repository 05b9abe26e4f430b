use slipway_spec::{Parameters, Scaling};

use crate::learner::tree::{Forest, Kind, RandomState};
use crate::learner::{Learner, Samples, Target};

/// Columns of so many values, and two classes that depend on the last of them.
fn samples<const COLUMNS: usize>(rows: usize, values: [u32; COLUMNS]) -> Samples {
    let mut state = RandomState::new(3);
    let fields = values.map(|values| (0..rows).map(|_| f64::from(state.below(values))).collect::<Vec<f64>>());
    let most = f64::from(values[COLUMNS - 1]);
    let codes = fields[COLUMNS - 1].iter().map(|value| u32::from(value / most + state.unit() > 1.2)).collect();
    Samples::of_numbers(fields.to_vec(), Target::Classes { codes, count: 2 }, Scaling::None)
}

/// Checks that a forest is the same on records as by sums.
fn check(samples: &Samples, rows: &[u32], kind: Kind, json: &serde_json::Value) {
    let parameters: Parameters = serde_json::from_value(json.clone()).unwrap();
    let fit = |is_recorded: bool| {
        let mut forest = Forest::new(samples, kind);
        if !is_recorded {
            forest.ground.table = std::sync::OnceLock::from(None);
        }
        let fitted = forest.fit(rows, &parameters).unwrap();
        assert_eq!(forest.ground.table.get().is_some_and(Option::is_some), is_recorded);
        fitted
    };
    assert_eq!(fit(true), fit(false), "{kind:?} {json}");
}

#[test]
fn trees_on_records_are_those_that_sums_tell() {
    let mut samples = samples(1500, [2, 5, 40, 200, 2000, 3, 30, 2000]);
    // Values next to each other cannot be told apart, those further away can.
    samples.fields[4] = (0..1500).map(|row| samples.fields[4][row] * 4e-8).collect();
    samples = Samples::of_numbers(
        samples.fields.iter().map(|field| (0..1500).map(|row| field[row]).collect()).collect(),
        samples.target.clone(),
        Scaling::None,
    );
    let rows: Vec<u32> = (0..1500).filter(|row| row % 7 != 3).collect();
    for weights in [None, Some((0..1500).map(|row| f64::from(row % 3)).collect())] {
        samples.weights = weights;
        for kind in [Kind::RandomForest, Kind::ExtraTrees] {
            for json in [
                serde_json::json!({"n_estimators": 3, "max_features": 3}),
                serde_json::json!({"n_estimators": 3, "max_features": 2, "min_samples_leaf": 4, "bootstrap": true}),
                serde_json::json!({"n_estimators": 3, "max_features": 1, "max_leaf_nodes": 50}),
                serde_json::json!({"n_estimators": 3, "max_features": 3, "max_samples": 0.5, "bootstrap": true}),
            ] {
                check(&samples, &rows, kind, &json);
            }
        }
    }
}

#[test]
fn trees_on_records_of_very_many_values_are_those_that_sums_tell() {
    let samples = samples(80_000, [3, 1 << 30, 1 << 20, 900, 1 << 30]);
    let rows: Vec<u32> = (0..80_000).collect();
    let json = serde_json::json!({"n_estimators": 1, "max_features": 2, "max_depth": 12});
    check(&samples, &rows, Kind::RandomForest, &json);
}
