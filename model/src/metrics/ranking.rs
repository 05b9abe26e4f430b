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

/// Spearman's rank correlation: Pearson's of the ranks, equal values sharing the mean of theirs, as `scipy.stats.spearmanr`.
pub(super) fn spearman(truth: &[f64], predicted: &[f64]) -> Result<f64, String> {
    for (values, what) in [(truth, "target"), (predicted, "prediction")] {
        if values.iter().all(|value| *value == values[0]) {
            return Err(format!("it needs an order, and every {what} is {}", values[0]));
        }
    }
    let centre = truth.len() as f64 / 2.0 + 0.5;
    let (a, b) = (ranks(truth), ranks(predicted));
    let product = |x: &[f64], y: &[f64]| super::sum(x.iter().zip(y).map(|(x, y)| (x - centre) * (y - centre)));
    Ok((product(&a, &b) / (product(&a, &a) * product(&b, &b)).sqrt()).clamp(-1.0, 1.0))
}

/// Ranks from 1; equal values have the mean of their ranks.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for run in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = f64::midpoint(before as f64 + 1.0, (before + run.len()) as f64);
        for &row in run {
            ranks[row] = rank;
        }
        before += run.len();
    }
    ranks
}

/// Of the `share` of rows with the largest target, the part that is also among those with the largest prediction. Rows that
/// are equal where the share ends have part in it evenly, so that the order of the rows does not count.
pub(super) fn top_overlap(truth: &[f64], predicted: &[f64], share: f64) -> Result<f64, String> {
    let rows = truth.len();
    // What decimal fractions lack of a whole number is no row more.
    let top = ((share * rows as f64 - 1e-9).ceil() as usize).clamp(1, rows);
    if top == rows {
        return Err(format!("{rows} test rows are too few for a part of them"));
    }
    let (a, b) = (part_in_top(truth, top), part_in_top(predicted, top));
    Ok(super::sum(a.iter().zip(&b).map(|(a, b)| a * b)) / top as f64)
}

/// For each row, how much of it is among the `top` largest: 1, 0, or a share where rows are equal.
fn part_in_top(values: &[f64], top: usize) -> Vec<f64> {
    let mut sorted = values.to_vec();
    let (_, last, _) = sorted.select_nth_unstable_by(top - 1, |a, b| b.total_cmp(a));
    let last = *last;
    let above = values.iter().filter(|value| **value > last).count();
    let equal = values.iter().filter(|value| **value == last).count();
    let part = (top - above) as f64 / equal as f64;
    values
        .iter()
        .map(|&value| {
            if value > last {
                1.0
            } else if value == last {
                part
            } else {
                0.0
            }
        })
        .collect()
}
