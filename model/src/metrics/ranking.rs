//! Metrics of an order. Rows with equal scores are one step, never an order.

/// Area under the ROC curve: the share of (row of the class, other row) pairs in the right order, ties counting half.
/// Both kinds of row are there.
pub(crate) fn roc_auc(scored: &mut [(f64, bool)]) -> f64 {
    let (mut below, mut area) = (0_usize, 0.0);
    let (mut of_class, mut others) = (0_usize, 0_usize);
    descending(scored);
    for step in steps(scored).rev() {
        let here = step.iter().filter(|(_, is_class)| *is_class).count();
        let rest = step.len() - here;
        area += here as f64 * (below as f64 + rest as f64 / 2.0);
        below += rest;
        of_class += here;
        others += rest;
    }
    area / (of_class as f64 * others as f64)
}

/// Average precision: precision at each step down the order, weighted by the recall it gains. A row of the class is there.
pub(crate) fn average_precision(scored: &mut [(f64, bool)]) -> f64 {
    let total = scored.iter().filter(|(_, is_class)| *is_class).count() as f64;
    let (mut seen, mut found) = (0_usize, 0_usize);
    descending(scored);
    super::sum(steps(scored).map(|step| {
        let here = step.iter().filter(|(_, is_class)| *is_class).count();
        seen += step.len();
        found += here;
        found as f64 / seen as f64 * (here as f64 / total)
    }))
}

/// Sorts by falling score.
pub(crate) fn descending(scored: &mut [(f64, bool)]) {
    scored.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
}

/// Runs of equal scores.
pub(crate) fn steps(scored: &[(f64, bool)]) -> impl DoubleEndedIterator<Item = &[(f64, bool)]> {
    scored.chunk_by(|a, b| a.0 == b.0)
}
