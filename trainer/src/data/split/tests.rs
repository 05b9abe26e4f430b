use slipway_spec::{RandomSplit, TrainingSpec};

use super::*;
use crate::reader::read_from;

/// Splits CSV with the target `y`.
fn split_csv(text: &str, by: &serde_json::Value) -> Result<Rows, DataError> {
    let table = read_from("t.csv", text.as_bytes()).unwrap();
    let spec = serde_json::json!({
        "modelName": "m", "target": "y", "data": {"uri": ""}, "output": {"uri": ""},
        "train": {"builtin": {"estimator": "DecisionTree", "split": by}},
    });
    let spec: TrainingSpec = serde_json::from_value(spec).unwrap();
    let target = super::super::target::read(&table, &spec).unwrap();
    let slipway_spec::Train::Builtin(builtin) = &spec.train else { panic!() };
    split(&table, &target, &builtin.split)
}

fn numbered(rows: usize, cell: impl Fn(usize) -> String) -> String {
    (0..rows).fold("x,k,y\n".to_owned(), |text, row| text + &format!("{row},{},{}\n", cell(row), row * 3 % 101))
}

fn all_of(rows: &Rows) -> Vec<u32> {
    let mut all = [rows.train.clone(), rows.test.clone(), rows.left_out.clone()].concat();
    all.sort_unstable();
    all
}

#[test]
fn a_random_split_loses_no_row_keeps_the_order_and_repeats() {
    let text = numbered(101, |_| "a".to_owned());
    let by = |seed: i64| serde_json::json!({"random": {"testFraction": 0.2, "seed": seed}});
    let rows = split_csv(&text, &by(42)).unwrap();
    assert_eq!((rows.train.len(), rows.test.len()), (80, 21));
    assert!(rows.train.is_sorted() && rows.test.is_sorted());
    assert!(all_of(&rows).into_iter().eq(0..101));
    assert_eq!(rows, split_csv(&text, &by(42)).unwrap());
    assert_ne!(rows, split_csv(&text, &by(43)).unwrap());
}

#[test]
fn strata_keep_their_shares() {
    let kinds = ["a", "a", "a", "a", "a", "a", "b", "b", "b", "c"];
    let text = numbered(100, |row| kinds[row % 10].to_owned());
    let rows = split_csv(&text, &serde_json::json!({"random": {"testFraction": 0.2, "stratifyBy": "k"}})).unwrap();
    let count = |kind: &str| rows.test.iter().filter(|&&row| kinds[row as usize % 10] == kind).count();
    assert_eq!((count("a"), count("b"), count("c")), (12, 6, 2));
}

#[test]
fn a_classification_is_stratified_by_its_classes() {
    let text = (0..50)
        .fold("x,y\n".to_owned(), |text, row| text + &format!("{row},{}\n", if row % 5 == 0 { "yes" } else { "no" }));
    let rows = split_csv(&text, &serde_json::json!({"random": {"testFraction": 0.2}})).unwrap();
    assert_eq!(rows.test.iter().filter(|&&row| row % 5 == 0).count(), 2);
}

#[test]
fn a_stratum_of_one_row_is_trained_on() {
    let strata = [vec![0], (1..10).collect(), vec![10]];
    assert_eq!(allot(&strata, 3, 11), [0, 3, 0]);
}

#[test]
fn a_column_says_which_rows_are_tests() {
    let text = numbered(4, |row| ["train", "test", "train", "test"][row].to_owned());
    let rows = split_csv(&text, &serde_json::json!({"column": "k"})).unwrap();
    assert_eq!((rows.train, rows.test), (vec![0, 2], vec![1, 3]));
}

#[test]
fn a_time_split_tests_on_the_latest_rows_and_leaves_the_embargo_out() {
    // Ten days in reverse.
    let text = numbered(10, |row| format!("2024-05-{:02}", 10 - row));
    let by = |days: i32| serde_json::json!({"time": {"column": "k", "testFraction": 0.2, "embargoDays": days}});
    let rows = split_csv(&text, &by(0)).unwrap();
    assert_eq!((rows.train, rows.test), ((2..10).rev().collect(), vec![1, 0]));
    let rows = split_csv(&text, &by(3)).unwrap();
    assert_eq!((rows.train.len(), rows.left_out.len()), (5, 3), "{rows:?}");
}

#[test]
fn the_embargo_ends_at_the_moment_before_which_labels_were_known() {
    // A row every twelve hours of twenty days; the test begins on day 16 at midnight.
    let text = numbered(40, |row| format!("2024-05-{:02}T{:02}:00:00Z", 1 + row / 2, row % 2 * 12));
    let rows = split_csv(&text, &serde_json::json!({"time": {"column": "k", "testFraction": 0.25, "embargoDays": 5}}))
        .unwrap();
    assert_eq!(rows.test, (30..40).collect::<Vec<_>>());
    // A label that takes five days is known for rows before day 11; the row of its midnight exactly is not.
    assert_eq!(rows.train, (0..20).collect::<Vec<_>>());
    assert_eq!(rows.left_out, (20..30).collect::<Vec<_>>());
}

#[test]
fn groups_are_tested_whole_or_not_at_all() {
    let text = numbered(200, |row| format!("customer {}", row * row % 17));
    let group = |row: &u32| row * row % 17;
    let by = |seed: i64| serde_json::json!({"group": {"column": "k", "testFraction": 0.3, "seed": seed}});
    for seed in 0..20 {
        let rows = split_csv(&text, &by(seed)).unwrap();
        let tested: Vec<u32> = rows.test.iter().map(group).collect();
        assert!(rows.train.iter().all(|row| !tested.contains(&group(row))));
        assert!(all_of(&rows).into_iter().eq(0..200));
        // The largest group has 24 rows, half of which the share may be off.
        assert!((48..=72).contains(&rows.test.len()), "{}", rows.test.len());
        assert!(rows.train.is_sorted() && rows.test.is_sorted());
        assert_eq!(rows, split_csv(&text, &by(seed)).unwrap());
    }
    assert_ne!(split_csv(&text, &by(1)).unwrap(), split_csv(&text, &by(2)).unwrap());
    let error = split_csv(&numbered(9, |_| "one".to_owned()), &by(1)).unwrap_err();
    assert_eq!(error.to_string(), "t.csv, column k: all rows are of 1 group; split.group needs two groups or more");
    let error =
        split_csv(&numbered(9, |row| if row == 4 { String::new() } else { row.to_string() }), &by(1)).unwrap_err();
    assert_eq!(error.to_string(), "t.csv, row 5, column k: the group of this row is missing");
}

#[test]
fn rows_of_one_moment_are_not_torn_apart() {
    let text = numbered(10, |row| format!("2024-05-{:02}", 1 + row / 4));
    let rows = split_csv(&text, &serde_json::json!({"time": {"column": "k", "testFraction": 0.1}})).unwrap();
    assert_eq!(rows.test, [8, 9]);
}

#[test]
fn rows_without_a_target_are_left_out() {
    let rows = split_csv("x,y\n1,1\n2,\n3,3\n4,4\n", &serde_json::json!({"random": {"testFraction": 0.3}})).unwrap();
    assert_eq!(rows.left_out, [1]);
    assert_eq!((rows.train.len(), rows.test.len()), (2, 1));
}

#[test]
fn an_empty_part_is_an_error() {
    let error = split_csv("x,y\n1,1\n", &serde_json::json!({"random": RandomSplit::default()})).unwrap_err();
    assert_eq!(error.to_string(), "t.csv: the split leaves no test rows of 1 with a target; change split");
    let text = numbered(3, |_| "train".to_owned());
    assert!(split_csv(&text, &serde_json::json!({"column": "k"})).unwrap_err().to_string().contains("no test rows"));
}
