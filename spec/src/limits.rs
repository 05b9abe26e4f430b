//! Limits of a run that hold without looking at the data.
//!
//! Kubernetes refuses what is outside of them by the schema, at admission; a spec from a file was not looked at by anybody.

use std::ops::RangeInclusive;

use crate::run::{Builtin, Train, TrainingSpec};
use crate::split::Split;

const TEST_FRACTION: RangeInclusive<f64> = 0.01..=0.9;
const FOLDS: RangeInclusive<i32> = 2..=50;
const EMBARGO_DAYS: RangeInclusive<i32> = 0..=36_500;
const MAX_NAME: usize = 256;
const MAX_MODEL_NAME: usize = 52;
const MAX_FEATURES: usize = 1024;
const MAX_GATES: usize = 32;
const MAX_CHECKS: usize = 16;

impl TrainingSpec {
    /// Checks names, sizes and ranges; the first fault is told with its path and what to write instead.
    pub(crate) fn check_limits(&self) -> Result<(), String> {
        if !is_model_name(&self.model_name) {
            return Err(format!(
                "spec.modelName: expected at most {MAX_MODEL_NAME} small letters, digits and dashes, a letter first and no dash at the end, got {:?}",
                self.model_name
            ));
        }
        check_name("spec.target", &self.target)?;
        check_count("spec.gates", self.gates.len(), MAX_GATES)?;
        check_count("spec.checks", self.checks.len(), MAX_CHECKS)?;
        match &self.train {
            Train::Builtin(builtin) => {
                check_builtin(builtin)?;
                match builtin.features.iter().find(|feature| feature.name == self.target) {
                    Some(_) => Err("spec.train.builtin.features: the target is no feature; take it out".to_owned()),
                    None => Ok(()),
                }
            }
            Train::Container(_) => Ok(()),
        }
    }
}

fn check_builtin(builtin: &Builtin) -> Result<(), String> {
    if let Some(search) = &builtin.search {
        let folds = "a whole number from 2 to 50";
        check_range("spec.train.builtin.search.folds", &search.folds, &FOLDS, folds)?;
    }
    check_count("spec.train.builtin.features", builtin.features.len(), MAX_FEATURES)?;
    for (place, feature) in builtin.features.iter().enumerate() {
        check_name(&format!("spec.train.builtin.features[{place}].name"), &feature.name)?;
    }
    let share = "a share of the rows from 0.01 to 0.9";
    match &builtin.split {
        Split::Random(random) => {
            check_range("spec.train.builtin.split.random.testFraction", &random.test_fraction, &TEST_FRACTION, share)
        }
        Split::Group(group) => {
            check_name("spec.train.builtin.split.group.column", &group.column)?;
            check_range("spec.train.builtin.split.group.testFraction", &group.test_fraction, &TEST_FRACTION, share)
        }
        Split::Time(time) => {
            check_range("spec.train.builtin.split.time.testFraction", &time.test_fraction, &TEST_FRACTION, share)?;
            let days = "a whole number from 0 to 36500";
            check_range("spec.train.builtin.split.time.embargoDays", &time.embargo_days, &EMBARGO_DAYS, days)
        }
        Split::Column(column) => check_name("spec.train.builtin.split.column", column),
    }
}

fn is_model_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    name.len() <= MAX_MODEL_NAME
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('-')
        && name.chars().all(fits)
}

fn check_name(path: &str, name: &str) -> Result<(), String> {
    match name.chars().count() {
        1..=MAX_NAME => Ok(()),
        0 => Err(format!("{path}: expected the name of a column, got nothing")),
        length => Err(format!("{path}: a name of {length} characters; at most {MAX_NAME} are allowed")),
    }
}

fn check_count(path: &str, count: usize, most: usize) -> Result<(), String> {
    if count <= most { Ok(()) } else { Err(format!("{path}: {count} entries; at most {most} are allowed")) }
}

fn check_range<T: PartialOrd + std::fmt::Display>(
    path: &str,
    value: &T,
    range: &RangeInclusive<T>,
    expected: &str,
) -> Result<(), String> {
    if range.contains(value) { Ok(()) } else { Err(format!("{path}: expected {expected}, got {value}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(builtin: &str) -> Result<(), String> {
        let spec = format!(
            "{{modelName: m, target: y, data: {{uri: d}}, output: {{uri: o}}, \
              train: {{builtin: {{estimator: RandomForest, {builtin}}}}}}}"
        );
        serde_saphyr::from_str::<TrainingSpec>(&spec).unwrap().check_limits()
    }

    #[test]
    fn what_is_out_of_range_is_told_with_its_path() {
        for (builtin, expected) in [
            (
                "split: {random: {testFraction: 20}}",
                "split.random.testFraction: expected a share of the rows from 0.01",
            ),
            ("split: {time: {column: t, embargoDays: -1}}", "split.time.embargoDays: expected a whole number from 0"),
            ("search: {grid: {max_depth: [2]}, folds: 1}", "search.folds: expected a whole number from 2 to 50, got 1"),
            ("features: [{name: y}]", "the target is no feature"),
            ("features: [{name: ''}]", "features[0].name: expected the name of a column"),
        ] {
            let problem = check(builtin).unwrap_err();
            assert!(problem.contains(expected), "{builtin}: {problem}");
        }
        assert_eq!(check("split: {random: {testFraction: 0.5}}"), Ok(()));
    }

    #[test]
    fn names_of_models_are_those_kubernetes_takes() {
        for (name, fits) in
            [("a", true), ("a-1", true), ("A", false), ("1a", false), ("a-", false), ("my model", false)]
        {
            assert_eq!(is_model_name(name), fits, "{name}");
        }
    }
}
