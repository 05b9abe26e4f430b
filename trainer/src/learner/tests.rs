//! What holds for all linear models, naive Bayes and the baseline.

use proptest::prelude::*;
use serde_json::{Value, json};
use slipway_spec::{Estimator as Algorithm, Parameters};

use super::*;

fn samples(rows: &[Vec<f64>], target: Target, scaled: bool) -> Samples {
    let width = rows.first().map_or(0, Vec::len);
    let fields = (0..width).map(|field| rows.iter().map(|row| row[field]).collect()).collect();
    Samples::of_numbers(fields, target, if scaled { Scaling::Standard } else { Scaling::None })
}

fn all(samples: &Samples) -> Vec<u32> {
    (0..samples.rows() as u32).collect()
}

fn algorithm(name: &Value) -> Algorithm {
    serde_json::from_value(name.clone()).unwrap()
}

fn fit(samples: &Samples, algorithm: Algorithm, parameters: &Value) -> Result<Fitted, FitError> {
    let parameters: Parameters = serde_json::from_value(parameters.clone()).unwrap();
    learner(algorithm, samples).fit(&all(samples), &parameters)
}

fn predict(samples: &Samples, algorithm: Algorithm, parameters: &Value) -> Vec<f64> {
    let fitted = fit(samples, algorithm, parameters).unwrap();
    assert!(fitted.warnings.is_empty(), "{algorithm} {parameters}: {:?}", fitted.warnings);
    samples.predict(&fitted, &all(samples))
}

fn close(got: &[f64], expected: &[f64], tolerance: f64, label: &str) {
    for (place, (got, expected)) in got.iter().zip(expected).enumerate() {
        let near = (got - expected).abs() <= tolerance * expected.abs().max(1.0);
        assert!(near, "{label}: {got} at {place}, expected {expected}");
    }
}

#[test]
fn predictions_are_those_of_scikit_learn() {
    let tables: Value = serde_json::from_str(include_str!("../../tests/fixtures/linear.json")).unwrap();
    for table in tables.as_array().unwrap() {
        let rows: Vec<Vec<f64>> = serde_json::from_value(table["x"].clone()).unwrap();
        let y: Vec<f64> = serde_json::from_value(table["y"].clone()).unwrap();
        let target = match table["classes"].as_u64().unwrap() as usize {
            0 => Target::Numbers(y),
            count => Target::Classes { codes: y.iter().map(|&class| class as u32).collect(), count },
        };
        let weights: Vec<f64> = serde_json::from_value(table["weights"].clone()).unwrap();
        for case in table["cases"].as_array().unwrap() {
            let mut samples = samples(&rows, target.clone(), false);
            samples.weights = case["weighted"].as_bool().unwrap().then(|| weights.clone());
            let algorithm = algorithm(&case["estimator"]);
            let mut parameters = case["parameters"].clone();
            let tolerance = match algorithm {
                Algorithm::Lasso | Algorithm::ElasticNet => {
                    parameters["tol"] = json!(1e-14);
                    parameters["max_iter"] = json!(1_000_000);
                    1e-6
                }
                Algorithm::LogisticRegression => 1e-6,
                _ => 1e-8,
            };
            let label = format!("{} {algorithm} {parameters} weighted {}", table["name"], case["weighted"]);
            let expected: Vec<Vec<f64>> = serde_json::from_value(case["predictions"].clone()).unwrap();
            close(&predict(&samples, algorithm, &parameters), &expected.concat(), tolerance, &label);
        }
    }
}

/// Every algorithm here with parameters that make it interesting.
fn algorithms(classes: usize) -> Vec<(Algorithm, Value)> {
    if classes == 0 {
        return vec![
            (Algorithm::LinearRegression, json!({})),
            (Algorithm::Ridge, json!({"alpha": 0.3})),
            (Algorithm::Lasso, json!({"alpha": 0.05, "tol": 1e-12, "max_iter": 100_000})),
            (Algorithm::ElasticNet, json!({"alpha": 0.1, "tol": 1e-12, "max_iter": 100_000, "positive": true})),
            (Algorithm::Dummy, json!({})),
            (Algorithm::Dummy, json!({"strategy": "median"})),
        ];
    }
    vec![
        (Algorithm::LogisticRegression, json!({})),
        (Algorithm::LogisticRegression, json!({"penalty": "l1", "class_weight": "balanced"})),
        (Algorithm::LogisticRegression, json!({"penalty": "elasticnet", "l1_ratio": 0.4, "class_weight": {"0": 2}})),
        (Algorithm::GaussianNB, json!({})),
        (Algorithm::Dummy, json!({})),
    ]
}

fn table(classes: usize) -> impl Strategy<Value = (Vec<Vec<f64>>, Target)> {
    let row = prop::collection::vec(prop_oneof![Just(0.0), -5.0..5.0_f64], 3);
    prop::collection::vec((row, 0..1_000_u32), 12..40).prop_map(move |drawn| {
        let (rows, drawn): (Vec<_>, Vec<_>) = drawn.into_iter().unzip();
        let target = match classes {
            0 => Target::Numbers(drawn.iter().map(|&value| f64::from(value) / 100.0).collect()),
            // Every class is there.
            count => {
                let code = |(place, value): (usize, u32)| if place < 2 * count { place as u32 / 2 } else { value } % count as u32;
                Target::Classes { codes: drawn.into_iter().enumerate().map(code).collect(), count }
            }
        };
        (rows, target)
    })
}

/// The same rows in another order.
fn reversed(samples: &Samples) -> Samples {
    let target = match &samples.target {
        Target::Numbers(values) => Target::Numbers(values.iter().rev().copied().collect()),
        Target::Classes { codes, count } => {
            Target::Classes { codes: codes.iter().rev().copied().collect(), count: *count }
        }
    };
    let fields = samples.fields.iter().map(|field| field.filled(None).iter().rev().copied().collect()).collect();
    let weights = samples.weights.as_ref().map(|weights| weights.iter().rev().copied().collect());
    Samples { fields, target, weights, ..samples.clone() }
}

/// Each row as often as its weight says.
fn repeated(samples: &Samples, weights: &[usize]) -> Samples {
    fn repeat<T: Copy>(values: &[T], weights: &[usize]) -> Vec<T> {
        values.iter().zip(weights).flat_map(|(value, &times)| std::iter::repeat_n(*value, times)).collect()
    }
    let target = match &samples.target {
        Target::Numbers(values) => Target::Numbers(repeat(values, weights)),
        Target::Classes { codes, count } => Target::Classes { codes: repeat(codes, weights), count: *count },
    };
    let fields = samples.fields.iter().map(|field| repeat(&field.filled(None), weights).into()).collect();
    Samples { fields, target, weights: None, ..samples.clone() }
}

fn check_invariances(rows: &[Vec<f64>], target: &Target) {
    let classes = if let Target::Classes { count, .. } = target { *count } else { 0 };
    // Each class keeps a row.
    let weights: Vec<usize> = (0..rows.len()).map(|row| if row % 2 == 0 { 1 } else { row % 4 }).collect();
    for (algorithm, parameters) in algorithms(classes) {
        let plain = samples(rows, target.clone(), true);
        let expected = predict(&plain, algorithm, &parameters);
        let backwards = fit(&reversed(&plain), algorithm, &parameters).unwrap();
        let label = format!("{algorithm} {parameters}");
        close(&plain.predict(&backwards, &all(&plain)), &expected, 1e-9, &format!("{label} backwards"));

        let weighted =
            Samples { weights: Some(weights.iter().map(|&weight| weight as f64).collect()), ..plain.clone() };
        let weighted = fit(&weighted, algorithm, &parameters).unwrap();
        let repeated = fit(&repeated(&plain, &weights), algorithm, &parameters).unwrap();
        let expected = plain.predict(&repeated, &all(&plain));
        close(&plain.predict(&weighted, &all(&plain)), &expected, 1e-8, &format!("{label} weighted"));

        let text = serde_json::to_string(&(&backwards.encoder, &backwards.estimator)).unwrap();
        let (encoder, estimator): (Encoder, Estimator) = serde_json::from_str(&text).unwrap();
        assert_eq!((encoder, estimator), (backwards.encoder, backwards.estimator), "{label} saved and loaded");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn regressions_depend_neither_on_the_order_of_rows_nor_on_how_they_are_repeated((rows, target) in table(0)) {
        check_invariances(&rows, &target);
    }

    #[test]
    fn two_classes_depend_neither_on_the_order_of_rows_nor_on_how_they_are_repeated((rows, target) in table(2)) {
        check_invariances(&rows, &target);
    }

    #[test]
    fn three_classes_depend_neither_on_the_order_of_rows_nor_on_how_they_are_repeated((rows, target) in table(3)) {
        check_invariances(&rows, &target);
    }
}

/// Rows with mostly empty columns, enough of them for several parts.
fn many(classes: usize) -> Samples {
    let wave = |seed: u32| f64::from(seed.wrapping_mul(2_654_435_761) >> 8) / f64::from(1_u32 << 24);
    let rows: Vec<Vec<f64>> = (0..5_000_u32)
        .map(|row| {
            let category = (wave(row + 7) * 6.0) as usize;
            let one_hot = (0..6).map(|column| if column == category { 1.0 } else { 0.0 });
            [wave(row), 100.0 + wave(row + 50_000)].into_iter().chain(one_hot).collect()
        })
        .collect();
    let y = rows.iter().enumerate().map(|(place, row)| row[0] + 2.0 * row[3] + wave(place as u32 + 900_000));
    let target = match classes {
        0 => Target::Numbers(y.collect()),
        count => Target::Classes { codes: y.map(|y| (y * 0.9) as u32 % count as u32).collect(), count },
    };
    samples(&rows, target, true)
}

#[test]
fn fits_are_the_same_to_the_bit_whatever_the_number_of_threads() {
    for classes in [0, 2, 3] {
        let samples = many(classes);
        for (algorithm, parameters) in algorithms(classes) {
            let with = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| fit(&samples, algorithm, &parameters).unwrap())
            };
            assert_eq!(with(1), with(3), "{algorithm} {parameters}");
        }
    }
}

#[test]
fn every_solver_of_logistic_regression_finds_the_same() {
    // The dense columns make Newton's method dear, the others cheap.
    for classes in [2, 3] {
        let samples = many(classes);
        let (Target::Classes { codes, .. }, rows) = (&samples.target, all(&samples)) else { panic!() };
        let found = logistic::by_every_solver(&samples, codes, classes, &rows);
        for (name, weights) in &found[1..] {
            close(weights, &found[0].1, 2e-4, &format!("{classes} classes by {name}"));
        }
    }
}

#[test]
fn one_class_only_is_refused_by_what_tells_classes_apart() {
    let rows: Vec<Vec<f64>> = (0..10).map(|row| vec![f64::from(row)]).collect();
    let only = samples(&rows, Target::Classes { codes: vec![1; 10], count: 2 }, true);
    let error = fit(&only, Algorithm::LogisticRegression, &json!({})).unwrap_err();
    assert!(error.to_string().contains("only one class"), "{error}");
    assert_eq!(predict(&only, Algorithm::Dummy, &json!({}))[..2], [0.0, 1.0]);
    assert_eq!(predict(&only, Algorithm::GaussianNB, &json!({}))[..2], [0.0, 1.0]);
}

#[test]
fn a_class_missing_from_a_fold_is_never_predicted() {
    let rows: Vec<Vec<f64>> = (0..12).map(|row| vec![f64::from(row), f64::from(row % 5)]).collect();
    let codes = (0..12).map(|row| if row < 6 { 0 } else { 2 }).collect();
    let samples = samples(&rows, Target::Classes { codes, count: 3 }, true);
    for algorithm in [Algorithm::LogisticRegression, Algorithm::GaussianNB] {
        for row in predict(&samples, algorithm, &json!({})).chunks_exact(3) {
            assert_eq!(row[1], 0.0, "{algorithm}");
            assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{algorithm}");
        }
    }
}

#[test]
fn missing_infinite_and_enormous_values_are_refused_with_their_column() {
    for (value, expected) in [
        (f64::NAN, "training row 4 has no value of x1"),
        (f64::INFINITY, "the value of x1 in training row 4 is infinite"),
    ] {
        let mut rows: Vec<Vec<f64>> = (0..10).map(|row| vec![f64::from(row), f64::from(row % 3)]).collect();
        rows[3][1] = value;
        let numbers = samples(&rows, Target::Numbers((0..10).map(f64::from).collect()), true);
        let codes = Target::Classes { codes: (0..10).map(|row| row % 2).collect(), count: 2 };
        let classes = samples(&rows, codes, true);
        for (samples, algorithm) in [
            (&numbers, Algorithm::LinearRegression),
            (&numbers, Algorithm::Lasso),
            (&classes, Algorithm::LogisticRegression),
            (&classes, Algorithm::GaussianNB),
        ] {
            let error = fit(samples, algorithm, &json!({})).unwrap_err();
            assert!(error.to_string().starts_with(expected), "{algorithm}: {error}");
        }
    }
    let rows: Vec<Vec<f64>> = (0..10).map(|row| vec![f64::from(row) * 1e300]).collect();
    let enormous = samples(&rows, Target::Numbers(vec![1.0; 10]), true);
    let error = fit(&enormous, Algorithm::Ridge, &json!({})).unwrap_err();
    assert!(error.to_string().contains("x0 are too large"), "{error}");
}

#[test]
fn constant_columns_get_no_weight() {
    let rows: Vec<Vec<f64>> = (0..20).map(|row| vec![f64::from(row), 0.1, 7e9]).collect();
    let y = Target::Numbers((0..20).map(|row| 3.0 * f64::from(row) + 1.0).collect());
    for scaled in [true, false] {
        for (algorithm, parameters) in algorithms(0).into_iter().take(4) {
            let fitted = fit(&samples(&rows, y.clone(), scaled), algorithm, &parameters).unwrap();
            let Estimator::Linear(linear) = &fitted.estimator else { panic!() };
            assert_eq!(linear.coefficients[0][1..], [0.0, 0.0], "{algorithm}");
        }
    }
}

#[test]
fn too_few_iterations_are_told() {
    let fitted = fit(&many(0), Algorithm::Lasso, &json!({"alpha": 1e-6, "max_iter": 1, "tol": 1e-12})).unwrap();
    assert!(fitted.warnings[0].contains("raise max_iter"), "{:?}", fitted.warnings);
    let fitted = fit(&many(2), Algorithm::LogisticRegression, &json!({"max_iter": 1})).unwrap();
    assert!(fitted.warnings[0].contains("raise max_iter"), "{:?}", fitted.warnings);
}

#[test]
fn priors_name_every_class_and_have_the_sum_1() {
    let samples = many(2);
    let priors = |priors: Value| fit(&samples, Algorithm::GaussianNB, &json!({"priors": priors}));
    assert!(priors(json!({"0": 0.25, "1": 0.75})).is_ok());
    for (wrong, expected) in [
        (json!({"0": 0.5}), "every class: 0, 1"),
        (json!({"0": 0.5, "1": 0.4}), "the sum 0.9"),
        (json!({"0": 0.5, "2": 0.5}), "the class 2"),
    ] {
        let error = priors(wrong).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
