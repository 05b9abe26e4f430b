use slipway_model::Form;
use slipway_spec::{Bins, Scaling};

use super::*;

fn fixtures() -> serde_json::Value {
    serde_json::from_str(include_str!("../../tests/fixtures/features.json")).unwrap()
}

fn numbers(value: &serde_json::Value) -> Vec<f64> {
    serde_json::from_value(value.clone()).unwrap()
}

fn assert_close(got: &[f64], expected: &[f64], what: &str) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (got, expected) in got.iter().zip(expected) {
        assert!((got - expected).abs() < 1e-12, "{what}: {got}, expected {expected}");
    }
}

#[test]
fn target_encodings_are_scikit_learns() {
    let fixtures = fixtures();
    let groups: Vec<u32> = serde_json::from_value(fixtures["groups"].clone()).unwrap();
    let rows: Vec<u32> = (0..groups.len() as u32).collect();
    let targeted = Targeted { block: 0, groups, group_of: (0..6).collect() };
    for case in fixtures["targetEncodings"].as_array().unwrap() {
        let kind = case["kind"].as_str().unwrap();
        let target = match kind {
            "regression" => Target::Numbers(numbers(&case["target"])),
            _ => Target::Classes {
                codes: serde_json::from_value(case["target"].clone()).unwrap(),
                count: if kind == "binary" { 2 } else { 3 },
            },
        };
        let Form::Table { columns, values } = targeted.form(&target, &rows) else { panic!() };
        let flat = |rows: &serde_json::Value| rows.as_array().unwrap().iter().flat_map(numbers).collect::<Vec<f64>>();
        assert_close(&values, &flat(&case["served"]), kind);
        let fold_of: Vec<usize> = serde_json::from_value(case["foldOf"].clone()).unwrap();
        let crossed = targeted.in_folds(&target, &rows, &fold_of);
        let by_row: Vec<f64> = (0..rows.len())
            .flat_map(|row| (0..columns).map(move |column| (row, column)))
            .map(|(r, c)| crossed[c][r])
            .collect();
        assert_close(&by_row, &flat(&case["crossed"]), kind);
    }
}

#[test]
fn bins_and_scales_are_scikit_learns() {
    let fixtures = fixtures();
    for case in fixtures["bins"].as_array().unwrap() {
        let bins = Bins::Quantiles(u32::try_from(case["count"].as_u64().unwrap()).unwrap());
        assert_close(&bins::edges(&bins, &numbers(&case["values"])), &numbers(&case["edges"]), "bins");
    }
    for (name, scaling) in [("minMax", Scaling::MinMax), ("robust", Scaling::Robust)] {
        let case = &fixtures[name];
        let scale = scale::of_values(scaling, &mut numbers(&case["values"]));
        assert_close(
            &[scale.mean, scale.scale],
            &[case["mean"].as_f64().unwrap(), case["scale"].as_f64().unwrap()],
            name,
        );
    }
}
