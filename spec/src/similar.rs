//! What somebody probably meant who misspelt a name.

/// The most similar of `names`, if it is similar enough to be what was meant. Case does not count, nor do scikit-learn's
/// endings `Classifier` and `Regressor`.
pub fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = name.strip_suffix("Classifier").or_else(|| name.strip_suffix("Regressor")).unwrap_or(name);
    let far = 2.max(plain.chars().count() / 3);
    let measured = names.into_iter().map(|other| (distance(plain, other), other));
    measured.min_by_key(|(distance, _)| *distance).filter(|(distance, _)| *distance <= far).map(|(_, other)| other)
}

/// Number of insertions, deletions and replacements between two names (Levenshtein 1966), of their first characters.
pub fn distance(a: &str, b: &str) -> usize {
    const COMPARED: usize = 64;
    let b: Vec<char> = b.to_lowercase().chars().take(COMPARED).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.to_lowercase().chars().take(COMPARED).enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_understood() {
        let names = ["DecisionTree", "RandomForest", "ExtraTrees"];
        for (written, meant) in [
            ("RandomForrest", Some("RandomForest")),
            ("randomforest", Some("RandomForest")),
            ("RandomForestClassifier", Some("RandomForest")),
            ("ExtraTreesRegressor", Some("ExtraTrees")),
            ("SVM", None),
        ] {
            assert_eq!(nearest(written, names), meant, "{written}");
        }
    }
}
