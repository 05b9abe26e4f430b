use super::*;

/// What scikit-learn says; see `tests/fixtures/search.py`.
fn fixtures() -> serde_json::Value {
    serde_json::from_str(include_str!("../../tests/fixtures/search.json")).unwrap()
}

fn made(target: &Target, count: usize, by: &str, keys: &Keys) -> Result<Vec<Fold>, String> {
    let by: Folding = serde_json::from_str(by).unwrap();
    folds(target, Plan { count, by: &by, keys, classes: &["no".to_owned(), "yes".to_owned()] })
}

fn numbers(rows: usize) -> Target {
    Target::Numbers(vec![0.0; rows])
}

fn classes(codes: &[u32]) -> Target {
    Target::Classes { codes: codes.to_vec(), count: 2 }
}

/// Each row is validated once in every repeat, and never trained on at the same time.
fn check_partition(folds: &[Fold], rows: usize, count: usize) {
    for repeat in folds.chunks(count) {
        let mut validated: Vec<u32> = repeat.iter().flat_map(|fold| fold.validation.clone()).collect();
        validated.sort_unstable();
        assert!(validated.into_iter().eq(0..rows as u32));
        for fold in repeat {
            assert_eq!(fold.train.len() + fold.validation.len(), rows);
            assert!(fold.train.iter().all(|row| !fold.validation.contains(row)));
            assert!(fold.train.is_sorted() && fold.validation.is_sorted());
        }
    }
}

#[test]
fn stratified_folds_are_those_of_scikit_learn() {
    let fixtures: serde_json::Value =
        serde_json::from_str(include_str!("../../tests/fixtures/scikit_learn.json")).unwrap();
    for case in fixtures["folds"].as_array().unwrap() {
        let codes: Vec<u32> = serde_json::from_value(case["codes"].clone()).unwrap();
        let classes = codes.iter().max().unwrap() + 1;
        let count = case["folds"].as_u64().unwrap() as usize;
        let expected: Vec<u32> = serde_json::from_value(case["where"].clone()).unwrap();
        assert_eq!(stratified(&codes, classes as usize, count), expected);
    }
}

#[test]
fn folds_of_groups_are_those_of_scikit_learn() {
    for case in fixtures()["group_folds"].as_array().unwrap() {
        let groups: Vec<u32> = serde_json::from_value(case["groups"].clone()).unwrap();
        let count = case["folds"].as_u64().unwrap() as usize;
        let expected: Vec<u32> = serde_json::from_value(case["where"].clone()).unwrap();
        assert_eq!(by_group(&groups, count, None).unwrap(), expected);
    }
}

#[test]
fn folds_over_time_are_those_of_scikit_learn() {
    for case in fixtures()["time_folds"].as_array().unwrap() {
        let rows = case["rows"].as_u64().unwrap() as usize;
        let count = case["folds"].as_u64().unwrap() as usize;
        let times = Keys::Times((0..rows).map(|row| row as f64).collect());
        let by = r#"{"kind": "TimeSeriesSplit", "column": "t"}"#;
        let found = made(&numbers(rows), count, by, &times).unwrap();
        let starts: Vec<(usize, usize)> = found.iter().map(|fold| (fold.train.len(), fold.validation.len())).collect();
        let expected: Vec<(usize, usize)> = serde_json::from_value(case["sizes"].clone()).unwrap();
        assert_eq!(starts, expected);
    }
}

#[test]
fn every_row_is_validated_once_even_where_rows_do_not_divide_evenly() {
    let folds = made(&numbers(103), 5, "{}", &Keys::None).unwrap();
    assert_eq!(folds.iter().map(|fold| fold.validation.len()).collect::<Vec<_>>(), [21, 21, 21, 20, 20]);
    assert!(folds.iter().flat_map(|fold| &fold.validation).is_sorted(), "the folds of a regression are consecutive");
    check_partition(&folds, 103, 5);
}

#[test]
fn shuffled_and_repeated_folds_differ_and_repeat_by_their_seed() {
    let codes: Vec<u32> = (0..60).map(|row| u32::from(row % 3 == 0)).collect();
    let groups = Keys::Groups((0..60).map(|row| row % 12).collect());
    for (target, keys, kind) in [
        (numbers(60), &Keys::None, ""),
        (classes(&codes), &Keys::None, ""),
        (classes(&codes), &Keys::None, r#""kind": "KFold", "#),
        (numbers(60), &groups, r#""kind": "GroupKFold", "column": "g", "#),
    ] {
        let by = |seed: i64| format!(r#"{{{kind}"repeats": 3, "seed": {seed}}}"#);
        let found = made(&target, 4, &by(1), keys).unwrap();
        assert_eq!(found.len(), 12);
        check_partition(&found, 60, 4);
        assert_ne!(found[..4], found[4..8], "each repeat is another");
        assert_eq!(found, made(&target, 4, &by(1), keys).unwrap());
        assert_ne!(found, made(&target, 4, &by(2), keys).unwrap());
        let once = made(&target, 4, &format!(r#"{{{kind}"shuffle": true, "seed": 1}}"#), keys).unwrap();
        assert_eq!(once, found[..4]);
    }
    // Shuffled strata keep their shares.
    for fold in made(&classes(&codes), 4, r#"{"shuffle": true}"#, &Keys::None).unwrap() {
        assert_eq!(fold.validation.iter().filter(|&&row| codes[row as usize] == 1).count(), 5);
    }
}

#[test]
fn a_group_is_never_torn_apart() {
    let groups: Vec<u32> = (0..90).map(|row| (row * 7 % 23) as u32).collect();
    for by in [r#"{"kind": "GroupKFold", "column": "g"}"#, r#"{"kind": "GroupKFold", "column": "g", "shuffle": true}"#]
    {
        let found = made(&numbers(90), 5, by, &Keys::Groups(groups.clone())).unwrap();
        check_partition(&found, 90, 5);
        for fold in found {
            let tested: Vec<u32> = fold.validation.iter().map(|&row| groups[row as usize]).collect();
            assert!(fold.train.iter().all(|&row| !tested.contains(&groups[row as usize])));
        }
    }
}

#[test]
fn time_folds_only_learn_from_the_past_and_keep_moments_whole_and_the_embargo() {
    // Two rows a day, latest first.
    let day = |row: usize| (20 - row / 2) as f64 * SECONDS_A_DAY;
    let times: Vec<f64> = (0..40).map(day).collect();
    for embargo in [0, 3] {
        let by = format!(r#"{{"kind": "TimeSeriesSplit", "column": "t", "embargoDays": {embargo}}}"#);
        let found = made(&numbers(40), 3, &by, &Keys::Times(times.clone())).unwrap();
        for fold in &found {
            let first = fold.validation.iter().map(|&row| times[row as usize]).fold(f64::MAX, f64::min);
            let last = fold.train.iter().map(|&row| times[row as usize]).fold(f64::MIN, f64::max);
            let gap = (first - last) / SECONDS_A_DAY;
            assert_eq!(
                gap,
                if embargo == 0 { 1.0 } else { 4.0 },
                "the day of the embargo's length before is known no more"
            );
        }
        assert!(found.windows(2).all(|pair| pair[0].train.len() < pair[1].train.len()), "the training rows grow");
    }
}

#[test]
fn rows_that_cannot_be_divided_are_refused_with_what_to_do() {
    let groups = Keys::Groups(vec![0, 1, 1, 2, 2, 2]);
    let moment = Keys::Times(vec![5.0; 6]);
    let one_yes = [0, 0, 0, 0, 0, 1];
    for (target, keys, by, message) in [
        (numbers(3), &Keys::None, "{}", "3 training rows cannot be divided into 5 folds; lower search.folds"),
        (
            numbers(6),
            &groups,
            r#"{"kind": "GroupKFold", "column": "g"}"#,
            "the training rows have 3 groups, which cannot be divided into 5 folds; lower search.folds",
        ),
        (
            numbers(6),
            &moment,
            r#"{"kind": "TimeSeriesSplit", "column": "t"}"#,
            "6 training rows are too few, or of too few moments",
        ),
        (classes(&[0, 0, 0, 1, 1, 1]), &Keys::None, "{}", "no class has 5 training rows, one for each fold"),
        (classes(&one_yes), &Keys::None, "{}", "the training rows hold no row of class \"yes\""),
        (
            classes(&one_yes),
            &Keys::None,
            r#"{"kind": "KFold"}"#,
            "without fold 5 the training rows hold no row of class \"yes\"",
        ),
    ] {
        let error = made(&target, 5, by, keys).unwrap_err();
        assert!(error.contains(message), "{error}");
    }
}
