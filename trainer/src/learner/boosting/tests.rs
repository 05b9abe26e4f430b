//! Behaviour of boosting, and parity with scikit-learn on stored values.

use serde_json::{Value, json};
use slipway_spec::{Metric, Scaling};

use super::*;
use crate::learner::Target;
use crate::rng::Rng;

/// Columns and a target.
fn samples(fields: Vec<Vec<f64>>, target: Target) -> Samples {
    let mut samples = Samples::of_numbers(fields, target, Scaling::None);
    for (place, column) in samples.columns.iter_mut().enumerate() {
        column.feature = format!("c{place}").into();
    }
    samples
}

fn parameters(value: Value) -> Parameters {
    serde_json::from_value(value).unwrap()
}

/// The learner, with some columns taken for categories.
fn learner<'a>(samples: &'a Samples, method: Method, categories: &[(usize, usize)]) -> Boosting<'a> {
    let mut learner = Boosting::new(samples, method);
    for &(column, count) in categories {
        learner.columns[column].categories = Some(count);
    }
    learner
}

fn rows(range: std::ops::Range<usize>) -> Vec<u32> {
    range.map(|row| row as u32).collect()
}

/// A reproducible number from 0 to 1 for each row and column.
fn noise(row: usize, column: usize) -> f64 {
    let mixed = ((row * 31 + column + 1) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed >> 40) as f64 / f64::from(1 << 24)
}

/// Three columns of noise, and a target that depends on the first two.
fn noisy(count: usize) -> Samples {
    let fields: Vec<Vec<f64>> = (0..3).map(|column| (0..count).map(|row| noise(row, column)).collect()).collect();
    let y = (0..count).map(|row| 3.0 * fields[0][row] - 2.0 * fields[1][row] + noise(row, 7)).collect();
    samples(fields, Target::Numbers(y))
}

fn classes(count: usize) -> Samples {
    let Samples { fields, target: Target::Numbers(y), .. } = noisy(count) else { unreachable!() };
    let codes = y.iter().map(|y| u32::from(*y > 1.0)).collect();
    samples(fields.iter().map(|field| field.filled(None).into_owned()).collect(), Target::Classes { codes, count: 2 })
}

fn r2(samples: &Samples, predicted: &[f64], rows: &[u32]) -> f64 {
    let output = slipway_model::Output::Regression { name: "y".to_owned(), range: None, unit: None };
    Scorer { metric: Metric::R2, output }.score(&samples.target, rows, predicted).unwrap()
}

#[test]
fn predictions_are_scikit_learns() {
    let stored: Value = serde_json::from_str(include_str!("fixtures/boosting.json")).unwrap();
    let numbers = |value: &Value| -> Vec<f64> {
        value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap_or(f64::NAN)).collect()
    };
    let columns: Vec<Vec<f64>> = stored["columns"].as_array().unwrap().iter().map(numbers).collect();
    let trained = stored["trained"].as_u64().unwrap() as usize;
    for case in stored["cases"].as_array().unwrap() {
        let label = format!("{} {} {}", case["estimator"], case["target"], case["parameters"]);
        let (method, width) =
            if case["estimator"] == "HistGradientBoosting" { (Method::Hist, 6) } else { (Method::Exact, 5) };
        let values = numbers(&stored["targets"][case["target"].as_str().unwrap()]);
        let codes = || values.iter().map(|value| *value as u32).collect();
        let target = match case["target"].as_str().unwrap() {
            "two" => Target::Classes { codes: codes(), count: 2 },
            "three" => Target::Classes { codes: codes(), count: 3 },
            _ => Target::Numbers(values.clone()),
        };
        let mut samples = samples(columns[..width].to_vec(), target);
        if case["weighted"] == true {
            samples.weights = Some(numbers(&stored["weights"]));
        }
        let categories: &[_] = if case["categories"] == true { &[(4, 6)] } else { &[] };
        let learner = learner(&samples, method, categories);
        let fitted = learner.fit(&rows(0..trained), &parameters(case["parameters"].clone())).expect(&label);
        let tested = rows(trained..values.len());
        let predicted = samples.predict(&fitted, &tested);
        // With leaves of one row several columns may split equally well, and scikit-learn chooses at random.
        let random = method == Method::Exact && case["parameters"].get("min_samples_leaf").is_none();
        let expected = case["predictions"].as_array().unwrap().iter().flat_map(numbers);
        for (got, expected) in predicted.iter().zip(expected) {
            let close = (got - expected).abs() <= 1e-6 * expected.abs().max(1.0);
            assert!(close || random, "{label}: {got}, expected {expected}");
        }
        let score = case["score"].as_f64().unwrap();
        if random {
            let got = r2(&samples, &predicted, &tested);
            assert!((got - score).abs() < 0.003, "{label}: {got}, expected {score}");
        }
    }
}

#[test]
fn rows_that_are_the_same_are_learnt_from_once_with_the_same_result() {
    let mut random = Rng::new(3);
    let columns: Vec<Vec<f64>> =
        [3, 4, 2].map(|values| (0..400).map(|_| random.below(values) as f64).collect()).to_vec();
    for count in [2, 3] {
        let codes = (0..400).map(|row| (columns[0][row] as u32 * 2 + random.below(3) as u32) / 3 % count).collect();
        let samples = samples(columns.clone(), Target::Classes { codes, count: count as usize });
        let fit = |united: bool, parameters: Value| {
            let mut learner = Boosting::new(&samples, Method::Exact);
            assert!(learner.alike.is_some());
            learner.alike = learner.alike.filter(|_| united);
            let fitted = learner.fit(&rows(0..400), &self::parameters(parameters)).unwrap();
            (samples.predict(&fitted, &rows(0..400)), fitted.importances)
        };
        for parameters in [json!({"n_estimators": 10}), json!({"n_estimators": 10, "n_iter_no_change": 2})] {
            let (one, other) = (fit(true, parameters.clone()), fit(false, parameters));
            let same = |one: &[f64], other: &[f64]| one.iter().zip(other).all(|(a, b)| (a - b).abs() < 1e-9);
            assert!(same(&one.0, &other.0) && same(&one.1, &other.1), "{count} classes");
        }
    }
}

#[test]
fn a_grid_over_stages_is_read_from_one_fit_with_the_scores_of_many() {
    let samples = classes(400);
    let output = slipway_model::Output::Classification {
        name: "y".to_owned(),
        classes: vec!["0".to_owned(), "1".to_owned()],
        positive_class: Some(1),
        threshold: None,
    };
    let scorer = Scorer { metric: Metric::LogLoss, output };
    let (trained, validation) = (rows(0..300), rows(300..400));
    for (method, name) in [(Method::Hist, "max_iter"), (Method::Exact, "n_estimators")] {
        for stop in [json!({}), json!({"n_iter_no_change": 3, "early_stopping": true})] {
            let points: Vec<Parameters> = [3, 40, 10, 10]
                .into_iter()
                .flat_map(|stages| [0.1, 0.3].map(|rate| (stages, rate)))
                .map(|(stages, rate)| {
                    let mut point = json!({name: stages, "learning_rate": rate});
                    for (key, value) in stop.as_object().unwrap() {
                        if method == Method::Hist || key != "early_stopping" {
                            point[key] = value.clone();
                        }
                    }
                    parameters(point)
                })
                .collect();
            let learner = learner(&samples, method, &[]);
            let quick = learner.validate(&points, &trained, &validation, &scorer).unwrap();
            for (point, quick) in points.iter().zip(quick) {
                let fitted = learner.fit(&trained, point).unwrap();
                let refitted = scorer.score(&samples.target, &validation, &samples.predict(&fitted, &validation));
                assert_eq!(quick, refitted, "{point:?}");
                assert!(quick.is_some());
            }
        }
    }
}

#[test]
fn early_stopping_ends_when_the_held_rows_are_predicted_no_better() {
    let samples = noisy(600);
    for (method, point) in [
        (Method::Hist, json!({"early_stopping": true, "max_iter": 1000, "learning_rate": 0.5, "n_iter_no_change": 5})),
        (Method::Exact, json!({"n_estimators": 1000, "learning_rate": 0.5, "n_iter_no_change": 5})),
    ] {
        let learner = learner(&samples, method, &[]);
        let (_, boosted) = learner.boost(&rows(0..600), &[], &parameters(point), |_, _| ()).unwrap();
        assert!((5..200).contains(&boosted.trees.len()), "{} trees", boosted.trees.len());
    }
}

#[test]
fn monotonic_constraints_hold_everywhere() {
    let samples = noisy(500);
    let learner = learner(&samples, Method::Hist, &[]);
    let point = parameters(json!({"monotonic_cst": {"c0": 1, "c1": -1}, "min_samples_leaf": 3}));
    let fitted = learner.fit(&rows(0..500), &point).unwrap();
    let predict = |row: [f64; 3]| {
        let mut output = [0.0];
        fitted.estimator.predict(&row, &mut output);
        output[0]
    };
    for start in 0..20 {
        let (a, b) = (noise(start, 20), noise(start, 21));
        let steps = (0..=50).map(|step| f64::from(step) / 50.0);
        let rising: Vec<f64> = steps.clone().map(|x| predict([x, a, b])).collect();
        let falling: Vec<f64> = steps.map(|x| predict([a, x, b])).collect();
        assert!(rising.is_sorted(), "{rising:?}");
        assert!(falling.is_sorted_by(|a, b| a >= b), "{falling:?}");
    }
}

#[test]
fn monotonic_constraints_that_make_no_sense_are_refused() {
    let samples = noisy(100);
    let learner = learner(&samples, Method::Hist, &[(2, 3)]);
    for (constraint, problem) in
        [(json!({"c9": 1}), "no feature"), (json!({"c0": 2}), "1 for rising"), (json!({"c2": 1}), "categories")]
    {
        let error = learner.fit(&rows(0..100), &parameters(json!({"monotonic_cst": constraint}))).unwrap_err();
        assert!(error.0.contains(problem), "{error}");
    }
}

#[test]
fn missing_and_unknown_values_go_where_training_says() {
    // The first column tells by being missing, the second by its category.
    let count = 400;
    let gap = (0..count).map(|row| if row % 4 == 0 { f64::NAN } else { noise(row, 0) }).collect();
    let category = (0..count).map(|row| (row % 5) as f64).collect();
    let y = (0..count).map(|row| if row % 4 == 0 { 10.0 } else { 0.0 } + [3.0, 1.0, 3.0, 1.0, 1.0][row % 5]);
    let y = Target::Numbers(y.collect());
    let samples = samples(vec![gap, category], y);
    let learner = learner(&samples, Method::Hist, &[(1, 7)]);
    let fitted = learner.fit(&rows(0..count), &parameters(json!({"max_iter": 200}))).unwrap();
    let predict = |row: [f64; 2]| {
        let mut output = [0.0];
        fitted.estimator.predict(&row, &mut output);
        output[0]
    };
    assert!((predict([f64::NAN, 0.0]) - 13.0).abs() < 0.1);
    assert!((predict([0.5, 2.0]) - 3.0).abs() < 0.1);
    assert!((predict([0.5, 4.0]) - 1.0).abs() < 0.1);
    // Category 6 is known and was never seen, 99 is not known: both go with most rows, as a missing one does.
    for unseen in [6.0, 99.0, f64::NAN] {
        assert!((predict([0.5, unseen]) - 1.0).abs() < 0.1, "{unseen}");
    }
}

#[test]
fn rare_categories_beyond_the_bins_count_as_missing() {
    let count = 900;
    let category = (0..count).map(|row| if row < 600 { row % 2 } else { row - 590 } as f64).collect();
    let y = (0..count).map(|row| if row < 600 { (row % 2) as f64 } else { 5.0 }).collect();
    let samples = samples(vec![category], Target::Numbers(y));
    let learner = learner(&samples, Method::Hist, &[(0, 1000)]);
    let fitted = learner.fit(&rows(0..count), &parameters(json!({"max_bins": 12, "max_iter": 200}))).unwrap();
    let predicted = samples.predict(&fitted, &[0, 1, 890]);
    for (got, expected) in predicted.iter().zip([0.0, 1.0, 5.0]) {
        assert!((got - expected).abs() < 0.1, "{predicted:?}");
    }
}

#[test]
fn weights_are_as_good_as_repetition() {
    let samples = noisy(300);
    let Target::Numbers(y) = &samples.target else { unreachable!() };
    let times = |row: usize| row % 3;
    let repeated: Vec<usize> = (0..300).flat_map(|row| std::iter::repeat_n(row, times(row))).collect();
    let fields = samples.fields.iter().map(|field| repeated.iter().map(|&row| field[row]).collect()).collect();
    let many = self::samples(fields, Target::Numbers(repeated.iter().map(|&row| y[row]).collect()));
    let mut weighed = samples.clone();
    weighed.weights = Some((0..300).map(|row| times(row) as f64).collect());
    // Few rows in a leaf would let several columns split equally well.
    let point = parameters(json!({"n_estimators": 20, "max_depth": 2, "min_weight_fraction_leaf": 0.1}));
    let by_weight = learner(&weighed, Method::Exact, &[]).fit(&rows(0..300), &point).unwrap();
    let by_rows = learner(&many, Method::Exact, &[]).fit(&rows(0..repeated.len()), &point).unwrap();
    let all = rows(0..300);
    for (a, b) in samples.predict(&by_weight, &all).iter().zip(samples.predict(&by_rows, &all)) {
        assert!((a - b).abs() < 1e-6, "{a} {b}");
    }
}

#[test]
fn the_result_does_not_depend_on_the_number_of_threads() {
    let samples = noisy(12_000);
    let point = json!({"learning_rate": 0.3, "max_features": 0.7, "random_state": 5});
    let with = |key: &str, value: Value| {
        let mut point = point.clone();
        point[key] = value;
        parameters(point)
    };
    for (method, point) in [
        (Method::Hist, with("max_iter", json!(15))),
        (Method::Exact, {
            let mut point = with("n_estimators", json!(5));
            point.subsample = slipway_spec::Share::new(0.5);
            point
        }),
    ] {
        let fit = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| learner(&samples, method, &[]).fit(&rows(0..12_000), &point).unwrap())
        };
        let (one, four) = (fit(1), fit(4));
        let (Estimator::Trees(a), Estimator::Trees(b)) = (&one.estimator, &four.estimator) else { unreachable!() };
        assert_eq!(a.to_bytes(), b.to_bytes());
    }
}

#[test]
fn a_quantile_is_above_its_share_of_the_rows() {
    let samples = noisy(2_000);
    let Target::Numbers(y) = &samples.target else { unreachable!() };
    for (method, key) in [(Method::Hist, "quantile"), (Method::Exact, "alpha")] {
        let point = json!({"loss": "quantile", key: 0.8, "max_depth": 2, "min_samples_leaf": 40});
        let point = parameters(point);
        let fitted = learner(&samples, method, &[]).fit(&rows(0..1_000), &point).unwrap();
        let predicted = samples.predict(&fitted, &rows(1_000..2_000));
        let below = predicted.iter().zip(&y[1_000..]).filter(|(predicted, y)| y <= predicted).count();
        assert!((740..860).contains(&below), "{key}: {below} of 1000");
    }
}

#[test]
fn what_cannot_be_learnt_is_said() {
    let numbers = noisy(100);
    let mut one_class = classes(100);
    one_class.target = Target::Classes { codes: vec![1; 100], count: 2 };
    let three = samples(vec![vec![0.0; 99]], Target::Classes { codes: (0..99).map(|row| row % 3).collect(), count: 3 });
    for (samples, method, point, problem) in [
        (&one_class, Method::Hist, json!({}), "only one class"),
        (&one_class, Method::Exact, json!({}), "only one class"),
        (&numbers, Method::Hist, json!({"loss": "poisson"}), "from 0 on"),
        (&numbers, Method::Hist, json!({"loss": "gamma"}), "above 0"),
        (&numbers, Method::Hist, json!({"loss": "quantile"}), "needs quantile"),
        (&three, Method::Exact, json!({"loss": "exponential"}), "two classes"),
        (&numbers, Method::Exact, json!({"n_iter_no_change": 2, "validation_fraction": 1}), "validation_fraction"),
    ] {
        let all = rows(0..samples.rows());
        let error = learner(samples, method, &[]).fit(&all, &parameters(point)).unwrap_err();
        assert!(error.0.contains(problem), "{error}");
    }
}
