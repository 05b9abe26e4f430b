use slipway_spec::{Parameters, Scaling};

use crate::learner::tree::{Forest, Kind, RandomState};
use crate::learner::{Learner, Samples, Target};

#[test]
fn trees_on_records_are_those_that_sums_tell() {
    let mut state = RandomState::new(3);
    let values = [2, 5, 40, 200, 2000, 2000, 30, 3];
    let fields = values.map(|values| (0..1500).map(|_| f64::from(state.below(values))).collect::<Vec<f64>>());
    let noise: Vec<f64> = (0..1500).map(|_| state.unit()).collect();
    let codes = noise.iter().zip(&fields[2]).zip(&fields[4]);
    let codes = codes.map(|((noise, x), y)| u32::from(x * 30.0 + y + noise * 400.0 > 1700.0)).collect();
    let mut samples = Samples::of_numbers(fields.to_vec(), Target::Classes { codes, count: 2 }, Scaling::None);
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
                let parameters: Parameters = serde_json::from_value(json).unwrap();
                let fit = |is_recorded: bool| {
                    let mut forest = Forest::new(&samples, kind);
                    if !is_recorded {
                        forest.ground.table = std::sync::OnceLock::from(None);
                    }
                    let fitted = forest.fit(&rows, &parameters).unwrap();
                    assert_eq!(forest.ground.table.get().is_some_and(Option::is_some), is_recorded);
                    fitted
                };
                assert_eq!(fit(true), fit(false), "{kind:?} {parameters:?}");
            }
        }
    }
}
