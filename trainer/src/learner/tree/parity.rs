//! Trees and forests predict what scikit-learn's do, and find the same columns important.

use serde_json::Value;
use slipway_spec::{Estimator as Algorithm, Parameters, Scaling};

use crate::learner::{Fitted, Samples, Target, learner};

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap_or(f64::NAN)).collect()
}

fn samples(table: &Value, case: &Value) -> Samples {
    let columns = &table[if case["holes"] == true { "holes" } else { "columns" }];
    let fields: Vec<Vec<f64>> = columns.as_array().unwrap().iter().map(numbers).collect();
    let name = case["target"].as_str().unwrap();
    let values = numbers(&table["targets"][name]);
    let count = match name {
        "two" => 2,
        "three" => 3,
        _ => 0,
    };
    let codes = values.iter().map(|&value| value as u32).collect();
    let target = if count == 0 { Target::Numbers(values) } else { Target::Classes { codes, count } };
    let weights = (case["weights"] == true).then(|| numbers(&table["weights"]));
    Samples { weights, ..Samples::of_numbers(fields, target, Scaling::None) }
}

fn fit(samples: &Samples, case: &Value) -> Fitted {
    let algorithm: Algorithm = serde_json::from_value(case["estimator"].clone()).unwrap();
    let parameters: Parameters = serde_json::from_value(case["parameters"].clone()).unwrap();
    let rows: Vec<u32> = (0..samples.rows() as u32).collect();
    learner(algorithm, samples).fit(&rows, &parameters).unwrap()
}

fn close(got: &[f64], expected: &[f64]) -> bool {
    got.len() == expected.len() && got.iter().zip(expected).all(|(a, b)| (a - b).abs() <= 1e-9 * b.abs().max(1.0))
}

#[test]
fn trees_and_forests_are_those_of_scikit_learn() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/trees.json");
    let table: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let asked: Vec<u32> = serde_json::from_value(table["asked"].clone()).unwrap();
    let mut different = Vec::new();
    for case in table["cases"].as_array().unwrap() {
        let samples = samples(&table, case);
        let fitted = fit(&samples, case);
        let predicted = samples.predict(&fitted, &asked);
        let expected: Vec<f64> = case["predictions"].as_array().unwrap().iter().flat_map(numbers).collect();
        let same = close(&predicted, &expected)
            && close(&fitted.importances, &numbers(&case["importances"]))
            && close(fitted.oob_score.as_slice(), case["oob"].as_f64().as_slice());
        if !same {
            let weights = if case["weights"] == true { ", weights" } else { "" };
            let holes = if case["holes"] == true { ", missing values" } else { "" };
            let (name, target) = (case["estimator"].as_str().unwrap(), &case["target"]);
            different.push(format!("{name} of {target}{weights}{holes}: {}", case["parameters"]));
        }
    }
    assert!(different.is_empty(), "{} differ:\n{}", different.len(), different.join("\n"));
}
