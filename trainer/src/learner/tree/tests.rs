use proptest::prelude::*;
use slipway_spec::{Criterion, Estimator as Algorithm, IntOrNone, Parameters, Scaling};

use super::grow::Limits;
use super::*;

fn samples(fields: Vec<Vec<f64>>, target: Target) -> Samples {
    Samples::of_numbers(fields, target, Scaling::None)
}

fn parameters(json: serde_json::Value) -> Parameters {
    serde_json::from_value(json).unwrap()
}

fn all(samples: &Samples) -> Vec<u32> {
    (0..samples.rows() as u32).collect()
}

/// What a node of the reference predicts, and how impure it is: the impurity times the number of rows.
fn node(samples: &Samples, criterion: Option<Criterion>, rows: &[u32]) -> (Vec<f64>, f64) {
    let count = rows.len() as f64;
    match &samples.target {
        Target::Numbers(values) => {
            let mut values: Vec<f64> = rows.iter().map(|&row| values[row as usize]).collect();
            if criterion == Some(Criterion::AbsoluteError) {
                values.sort_by(f64::total_cmp);
                let median = f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2]);
                return (vec![median], values.iter().map(|value| (value - median).abs()).sum());
            }
            let mean = values.iter().sum::<f64>() / count;
            (vec![mean], values.iter().map(|value| (value - mean).powi(2)).sum())
        }
        Target::Classes { codes, count: classes } => {
            let mut shares = vec![0.0; *classes];
            for &row in rows {
                shares[codes[row as usize] as usize] += 1.0 / count;
            }
            let impurity: f64 = if criterion == Some(Criterion::Entropy) {
                shares.iter().filter(|share| **share > 0.0).map(|share| -share * share.ln()).sum()
            } else {
                1.0 - shares.iter().map(|share| share * share).sum::<f64>()
            };
            (shares, impurity * count)
        }
    }
}

/// The least impurity that any tree of this depth's greedy growth could reach at its first split, by trying every split.
fn best_first_split(samples: &Samples, criterion: Option<Criterion>, rows: &[u32], leaf: usize) -> Option<f64> {
    let mut best: Option<f64> = None;
    for field in &samples.fields {
        let mut values: Vec<f32> = rows.iter().map(|&row| field[row as usize] as f32).collect();
        values.sort_by(f32::total_cmp);
        values.dedup();
        for pair in values.windows(2) {
            let threshold = f64::from(pair[0]) / 2.0 + f64::from(pair[1]) / 2.0;
            let goes_left = |row: &u32| f64::from(field[*row as usize] as f32) <= threshold;
            let (left, right): (Vec<u32>, Vec<u32>) = rows.iter().partition(|row| goes_left(row));
            if left.len() >= leaf && right.len() >= leaf {
                let impurity = node(samples, criterion, &left).1 + node(samples, criterion, &right).1;
                best = Some(best.map_or(impurity, |best: f64| best.min(impurity)));
            }
        }
    }
    best
}

/// Checks the fitted tree of depth 1 below `rows`, and its parts by growing deeper: every split is as good as the best.
fn check_stump(samples: &Samples, json: serde_json::Value, rows: &[u32]) {
    let mut stump = parameters(json);
    stump.max_depth = Some(IntOrNone::Int(1));
    let leaf = Limits::new(&stump, rows.len()).leaf;
    let tree = DecisionTree::new(samples);
    let fitted = tree.fit(rows, &stump).unwrap();
    let predicted = samples.predict(&fitted, rows);
    let width = samples.target.width();
    let (value, impurity) = node(samples, stump.criterion, rows);
    let Estimator::Trees(found) = &fitted.estimator else { panic!() };
    let best = best_first_split(samples, stump.criterion, rows, leaf);
    if found.nodes() == 1 {
        assert!(predicted.chunks(width).flatten().zip(value.iter().cycle()).all(|(a, b)| (a - b).abs() < 1e-9));
        assert!(impurity < 1e-9 || best.is_none() || rows.len() < 2 * leaf, "there is a split, and none was made");
        return;
    }
    // The two leaves by what they predict; equal predictions mean that the split gained nothing.
    let first = &predicted[..width];
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for (row, value) in rows.iter().zip(predicted.chunks(width)) {
        if value == first { left.push(*row) } else { right.push(*row) }
    }
    if right.is_empty() {
        assert!((best.unwrap() - impurity).abs() < 1e-9, "a split that gains something was possible");
        return;
    }
    let (left_value, left_impurity) = node(samples, stump.criterion, &left);
    let (_, right_impurity) = node(samples, stump.criterion, &right);
    assert!(left_value.iter().zip(first).all(|(a, b)| (a - b).abs() < 1e-9));
    assert!((left_impurity + right_impurity - best.unwrap()).abs() < 1e-9, "another split is better");
}

/// Small columns with many equal values.
fn columns(rows: usize) -> impl Strategy<Value = Vec<Vec<f64>>> {
    proptest::collection::vec(proptest::collection::vec((-3..4_i32).prop_map(f64::from), rows), 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_split_is_the_best_of_all(
        (fields, target) in (2..30_usize).prop_flat_map(|rows| (columns(rows), proptest::collection::vec(-5..6_i32, rows))),
        leaf in 1..4_u32,
    ) {
        let numbers = Target::Numbers(target.iter().map(|&value| f64::from(value) * 1.5).collect());
        let regression = samples(fields.clone(), numbers);
        let codes = target.iter().map(|value| value.unsigned_abs() % 3).collect();
        let classes = samples(fields, Target::Classes { codes, count: 3 });
        for criterion in ["squared_error", "absolute_error"] {
            check_stump(&regression, serde_json::json!({"criterion": criterion, "min_samples_leaf": leaf}), &all(&regression));
        }
        for criterion in ["gini", "entropy"] {
            check_stump(&classes, serde_json::json!({"criterion": criterion, "min_samples_leaf": leaf}), &all(&classes));
        }
    }

    #[test]
    fn a_grid_scores_as_fitting_every_point_does(
        (fields, target) in (12..40_usize).prop_flat_map(|rows| (columns(rows), proptest::collection::vec(-5..6_i32, rows))),
        seed in 0..3_i64,
    ) {
        let samples = samples(fields, Target::Numbers(target.into_iter().map(f64::from).collect()));
        let tree = DecisionTree::new(&samples);
        let grid: slipway_spec::Grid = serde_json::from_value(serde_json::json!({
            "criterion": ["squared_error", "absolute_error"], "max_depth": [1, 3, "None"],
            "min_samples_leaf": [1, 2, 0.2], "min_samples_split": [2, 5, 0.5],
        })).unwrap();
        let points = grid.points(&Parameters { random_state: Some(seed), ..Parameters::default() });
        let (validation, train): (Vec<u32>, Vec<u32>) = all(&samples).into_iter().partition(|row| row % 4 == 1);
        let output = slipway_model::Output::Regression { name: "y".to_owned(), range: None, unit: None };
        let scorer = Scorer { metric: slipway_spec::Metric::Mae, output };
        let fast = tree.validate(&points, &train, &validation, &scorer).unwrap();
        for (point, fast) in points.iter().zip(fast) {
            let fitted = tree.fit(&train, point).unwrap();
            let slow = scorer.score(&samples.target, &validation, &samples.predict(&fitted, &validation));
            prop_assert_eq!(fast, slow, "{:?}", point);
        }
    }
}

#[test]
fn columns_far_apart_or_close_together_are_told_apart_as_32_bit_floats() {
    // 1 and 1 + 1e-9 are the same float; infinity and the largest float are not told apart.
    let fields = vec![vec![1.0, 1.0 + 1e-9, 1.0, 1.0 + 1e-9]];
    let same = samples(fields, Target::Numbers(vec![0.0, 1.0, 0.0, 1.0]));
    let fitted = DecisionTree::new(&same).fit(&all(&same), &Parameters::default()).unwrap();
    assert_eq!(same.predict(&fitted, &[0, 1]), [0.5, 0.5]);
    let fields = vec![vec![-1e300, 1e300, f64::from(f32::MAX), -1e300]];
    let huge = samples(fields, Target::Numbers(vec![0.0, 1.0, 1.0, 0.0]));
    let fitted = DecisionTree::new(&huge).fit(&all(&huge), &Parameters::default()).unwrap();
    assert_eq!(huge.predict(&fitted, &all(&huge)), [0.0, 1.0, 1.0, 0.0]);
}

#[test]
fn a_small_table_with_two_values_too_close_to_tell_apart_is_split_by_all_others() {
    // More values than are counted one by one, and no more rows than are looked at by themselves.
    let mut values: Vec<f64> = (0..300).map(|row| f64::from(row) / 1000.0).collect();
    values[1] = 5e-8;
    let target: Vec<f64> = (0..300).map(|row| f64::from(row / 2)).collect();
    let samples = samples(vec![values], Target::Numbers(target.clone()));
    let fitted = learn(Algorithm::DecisionTree, &samples, serde_json::json!({}));
    assert_close(&samples.predict(&fitted, &all(&samples)), &target, "predictions");
}

#[test]
fn a_large_target_that_varies_little_is_still_told_apart() {
    let target: Vec<f64> = (0..64).map(|row| 1e12 + f64::from(row % 2)).collect();
    let large = samples(vec![(0..64).map(|row| f64::from(row % 2)).collect()], Target::Numbers(target.clone()));
    for criterion in ["squared_error", "absolute_error"] {
        let parameters = parameters(serde_json::json!({"criterion": criterion}));
        let fitted = DecisionTree::new(&large).fit(&all(&large), &parameters).unwrap();
        assert_eq!(large.predict(&fitted, &all(&large)), target, "{criterion}");
    }
}

fn learn(algorithm: Algorithm, samples: &Samples, json: serde_json::Value) -> Fitted {
    crate::learner::learner(algorithm, samples).fit(&all(samples), &parameters(json)).unwrap()
}

/// Rows that differ in three columns, with as many classes, or numbers where there are none.
fn table(rows: usize, seed: i64, classes: usize) -> Samples {
    let mut state = RandomState::new(seed);
    let fields: Vec<Vec<f64>> = (0..3).map(|_| (0..rows).map(|_| f64::from(state.below(40))).collect()).collect();
    let signal = |row: usize| fields[0][row] - fields[1][row] + f64::from(row as u32 % 5);
    let target = if classes == 0 {
        Target::Numbers((0..rows).map(signal).collect())
    } else {
        let codes = (0..rows).map(|row| (signal(row).abs() as u32 / 3) % classes as u32).collect();
        Target::Classes { codes, count: classes }
    };
    samples(fields, target)
}

fn taken(samples: &Samples, rows: &[usize], weights: Option<Vec<f64>>) -> Samples {
    let target = match &samples.target {
        Target::Numbers(values) => Target::Numbers(rows.iter().map(|&row| values[row]).collect()),
        Target::Classes { codes, count } => {
            Target::Classes { codes: rows.iter().map(|&row| codes[row]).collect(), count: *count }
        }
    };
    let fields = samples.fields.iter().map(|field| rows.iter().map(|&row| field[row]).collect()).collect();
    Samples { fields, target, weights, ..samples.clone() }
}

fn assert_close(a: &[f64], b: &[f64], what: &str) {
    assert!(a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-9), "{what}: {a:?}, {b:?}");
}

#[test]
fn a_row_of_weight_2_counts_as_two_rows_and_one_of_weight_0_as_none() {
    for (classes, criterion) in
        [(0, "squared_error"), (0, "absolute_error"), (2, "gini"), (2, "entropy"), (3, "gini"), (3, "entropy")]
    {
        let plain = table(60, 4, classes);
        let weights: Vec<f64> = (0..60).map(|row| f64::from(row % 3)).collect();
        let repeated: Vec<usize> = (0..60).flat_map(|row| std::iter::repeat_n(row, row % 3)).collect();
        let json = serde_json::json!({"criterion": criterion, "max_depth": 6, "max_leaf_nodes": 14});
        for json in [json.clone(), serde_json::json!({"criterion": criterion, "random_state": 9})] {
            let weighed = taken(&plain, &(0..60).collect::<Vec<_>>(), Some(weights.clone()));
            let weighed = learn(Algorithm::DecisionTree, &weighed, json.clone());
            let doubled = learn(Algorithm::DecisionTree, &taken(&plain, &repeated, None), json);
            let rows = all(&plain);
            assert_close(&plain.predict(&weighed, &rows), &plain.predict(&doubled, &rows), criterion);
        }
    }
}

#[test]
fn rows_that_are_the_same_are_learnt_from_once_with_the_same_result() {
    let mut state = RandomState::new(5);
    let fields: Vec<Vec<f64>> =
        [3, 4, 2].map(|values| (0..400).map(|_| f64::from(state.below(values))).collect()).to_vec();
    for classes in [2, 3] {
        let codes = (0..400).map(|row| (fields[0][row] as u32 * 2 + state.below(3)) / 3 % classes).collect();
        let count = classes as usize;
        let samples = samples(fields.clone(), Target::Classes { codes, count });
        let parameters = parameters(serde_json::json!({"n_estimators": 5, "random_state": 2, "max_features": 2}));
        let tree = |united: bool| {
            let mut ground = Ground::new(&samples);
            assert!(ground.alike.is_some());
            ground.alike = ground.alike.filter(|_| united);
            DecisionTree(ground).fit(&all(&samples), &parameters).unwrap()
        };
        let forest = |kind, united: bool| {
            let mut forest = Forest::new(&samples, kind);
            forest.ground.alike = forest.ground.alike.filter(|_| united);
            forest.fit(&all(&samples), &parameters).unwrap()
        };
        let (random, extra) = (|united| forest(Kind::RandomForest, united), |united| forest(Kind::ExtraTrees, united));
        for (what, [one, other]) in [
            ("tree", [true, false].map(tree)),
            ("random forest", [true, false].map(random)),
            ("extra trees", [true, false].map(extra)),
        ] {
            let predicted = [&one, &other].map(|fitted| samples.predict(fitted, &all(&samples)));
            assert_close(&predicted[0], &predicted[1], what);
            assert_close(&one.importances, &other.importances, what);
            // Where a value is missing that never was, the way is the same, too.
            let lacking = [&one, &other].map(|fitted| {
                let mut output = vec![0.0; count];
                fitted.estimator.predict(&[f64::NAN, 1.0, f64::NAN], &mut output);
                output
            });
            if what != "random forest" {
                assert_close(&lacking[0], &lacking[1], what);
            }
        }
    }
}

#[test]
fn the_order_of_rows_changes_no_tree() {
    for classes in [0, 2, 3] {
        let plain = table(80, 1, classes);
        let turned = taken(&plain, &(0..80).rev().collect::<Vec<_>>(), None);
        let json = serde_json::json!({"min_samples_leaf": 2, "random_state": 1});
        let (a, b) =
            (learn(Algorithm::DecisionTree, &plain, json.clone()), learn(Algorithm::DecisionTree, &turned, json));
        let rows = all(&plain);
        assert_close(&plain.predict(&a, &rows), &plain.predict(&b, &rows), "predictions");
        assert_close(&a.importances, &b.importances, "importances");
    }
}

#[test]
fn a_forest_is_the_same_whatever_the_number_of_threads() {
    for algorithm in [Algorithm::RandomForest, Algorithm::ExtraTrees] {
        for classes in [0, 2, 3] {
            let samples = table(90, 2, classes);
            let json = serde_json::json!({"n_estimators": 23, "bootstrap": true, "oob_score": true});
            let fit = |threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| learn(algorithm, &samples, json.clone()))
            };
            let one = fit(1);
            assert_eq!(one, fit(5), "{algorithm}");
            let Estimator::Trees(trees) = &one.estimator else { panic!() };
            assert_eq!(trees.count(), 23);
            let read = slipway_model::Trees::from_bytes(&trees.to_bytes()).unwrap();
            assert_eq!(&read, trees, "{algorithm}");
        }
    }
}

#[test]
fn monotonic_rules_hold_everywhere() {
    for algorithm in [Algorithm::DecisionTree, Algorithm::RandomForest, Algorithm::ExtraTrees] {
        for classes in [0, 2] {
            let samples = table(120, 6, classes);
            let fitted = learn(algorithm, &samples, serde_json::json!({"monotonic_cst": {"x0": 1, "x1": -1}}));
            let mut asked = samples.clone();
            for (column, sign) in [(0, 1.0), (1, -1.0)] {
                asked.fields.clone_from(&samples.fields);
                let mut before: Option<Vec<f64>> = None;
                for value in 0..40 {
                    asked.fields[column] = vec![f64::from(value); samples.rows()].into();
                    let predicted = asked.predict(&fitted, &all(&samples));
                    let width = samples.target.width();
                    let last: Vec<f64> = predicted.chunks(width).map(|row| row[width - 1]).collect();
                    let rises = |before: &Vec<f64>| before.iter().zip(&last).all(|(a, b)| (b - a) * sign >= -1e-12);
                    assert!(before.as_ref().is_none_or(rises), "{algorithm}, column {column} at {value}");
                    before = Some(last);
                }
            }
        }
    }
}

#[test]
fn what_cannot_be_is_refused_with_what_to_write() {
    let numbers = table(20, 3, 0);
    let three = table(20, 3, 3);
    let refused = |algorithm, samples: &Samples, json| {
        let rows = all(samples);
        crate::learner::learner(algorithm, samples).fit(&rows, &parameters(json)).unwrap_err().0
    };
    for (algorithm, samples, json, expected) in [
        (
            Algorithm::DecisionTree,
            &three,
            serde_json::json!({"monotonic_cst": {"a": 1}}),
            "monotonic_cst is for Regression",
        ),
        (
            Algorithm::DecisionTree,
            &numbers,
            serde_json::json!({"monotonic_cst": {"a": 1}}),
            "monotonic_cst names a, which is no",
        ),
        (
            Algorithm::DecisionTree,
            &three,
            serde_json::json!({"class_weight": {"x": 1}}),
            "class_weight names the class x",
        ),
        (
            Algorithm::DecisionTree,
            &numbers,
            serde_json::json!({"criterion": "poisson"}),
            "criterion poisson is for a target that is",
        ),
    ] {
        let message = refused(algorithm, samples, json);
        assert!(message.starts_with(expected), "{message}");
    }
}
