//! Folds for cross-validation, as scikit-learn makes them: `KFold` and `StratifiedKFold`, unshuffled.

use crate::learner::Target;

/// Rows fitted on and rows validated on, both ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fold {
    pub(crate) train: Vec<u32>,
    pub(crate) validation: Vec<u32>,
}

/// Consecutive rows for a regression, the same shares of the classes in each fold for a classifier.
pub(crate) fn folds(target: &Target, count: usize) -> Vec<Fold> {
    let fold_of = match target {
        Target::Numbers(values) => consecutive(values.len(), count),
        Target::Classes { codes, count: classes } => stratified(codes, *classes, count),
    };
    (0..count as u32)
        .map(|fold| {
            let (validation, train) = (0..fold_of.len() as u32).partition(|&row| fold_of[row as usize] == fold);
            Fold { train, validation }
        })
        .collect()
}

/// The fold of each row; the first folds get one row more where the rows do not divide evenly.
fn consecutive(rows: usize, folds: usize) -> Vec<u32> {
    let (size, longer) = (rows / folds, rows % folds);
    (0..folds).flat_map(|fold| std::iter::repeat_n(fold as u32, size + usize::from(fold < longer))).collect()
}

/// The fold of each row: the rows sorted by class are dealt out in turn, which says how many of each class a fold gets; it
/// gets them in the order of the rows. Classes count in the order in which they appear.
fn stratified(codes: &[u32], classes: usize, folds: usize) -> Vec<u32> {
    let mut appeared: Vec<u32> = Vec::new();
    let mut counts = vec![0_usize; classes];
    for &class in codes {
        if counts[class as usize] == 0 {
            appeared.push(class);
        }
        counts[class as usize] += 1;
    }
    // For each class, the folds of its rows from the last to the first.
    let mut dealt: Vec<Vec<u32>> = vec![Vec::new(); classes];
    let mut position = 0;
    for &class in &appeared {
        let mut allotted = vec![0_usize; folds];
        for _ in 0..counts[class as usize] {
            allotted[position % folds] += 1;
            position += 1;
        }
        let in_order = allotted.iter().enumerate().flat_map(|(fold, &n)| std::iter::repeat_n(fold as u32, n));
        dealt[class as usize] = in_order.rev().collect();
    }
    codes.iter().map(|&class| dealt[class as usize].pop().unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stratified_folds_are_those_of_scikit_learn() {
        let fixtures: serde_json::Value =
            serde_json::from_str(include_str!("../tests/fixtures/scikit_learn.json")).unwrap();
        for case in fixtures["folds"].as_array().unwrap() {
            let codes: Vec<u32> = serde_json::from_value(case["codes"].clone()).unwrap();
            let classes = codes.iter().max().unwrap() + 1;
            let count = case["folds"].as_u64().unwrap() as usize;
            let expected: Vec<u32> = serde_json::from_value(case["where"].clone()).unwrap();
            assert_eq!(stratified(&codes, classes as usize, count), expected);
        }
    }

    #[test]
    fn every_row_is_validated_once_even_where_rows_do_not_divide_evenly() {
        let target = Target::Numbers(vec![0.0; 103]);
        let folds = folds(&target, 5);
        assert_eq!(folds.iter().map(|fold| fold.validation.len()).collect::<Vec<_>>(), [21, 21, 21, 20, 20]);
        let mut validated: Vec<u32> = folds.iter().flat_map(|fold| fold.validation.clone()).collect();
        assert!(validated.is_sorted(), "the folds of a regression are consecutive");
        validated.dedup();
        assert_eq!(validated.len(), 103);
        assert!(folds.iter().all(|fold| fold.train.len() + fold.validation.len() == 103));
    }
}
