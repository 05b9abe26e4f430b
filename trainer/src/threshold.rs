//! From which probability on the positive class is predicted: a choice by rule, on predictions of training rows by models that
//! have not seen them.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use slipway_spec::{Folding, Maximised, Parameters, Search, Threshold, ThresholdReport};

use crate::folds::{self, Fold, Keys};
use crate::learner::{FitError, Target};
use crate::progress::Steps;
use crate::search::Ground;

/// Folds where no search says how many.
const FOLDS: usize = 5;

/// How predictions with a threshold come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counts {
    /// Rows of the positive class, predicted so.
    right: usize,
    /// Rows that are predicted positive.
    flagged: usize,
    /// Rows of the positive class.
    positive: usize,
    rows: usize,
}

/// Chooses a threshold for the model with these parameters; `positive` is the positive class. A rule that nothing meets is
/// followed as nearly as can be, with a warning.
pub(crate) fn choose(
    ground: Ground<'_>,
    rule: Threshold,
    positive: usize,
    parameters: &Parameters,
    search: Option<&Search>,
) -> Result<(ThresholdReport, Option<String>), FitError> {
    if let Threshold::Value(value) = rule {
        let given =
            ThresholdReport { value, rule: rule.to_string(), rows: 0, precision: None, recall: None, flagged: None };
        return Ok((given, None));
    }
    let (truth, scores) = out_of_fold(ground, positive, parameters, search)?;
    let (value, counts) = pick(rule, &truth, &scores);
    let warning = match rule {
        Threshold::PrecisionAtLeast(wanted) if counts.precision() < wanted => {
            Some(("precision", counts.precision(), wanted))
        }
        Threshold::RecallAtLeast(wanted) if counts.recall() < wanted => Some(("recall", counts.recall(), wanted)),
        _ => None,
    };
    let warning = warning.map(|(what, reached, wanted)| {
        format!(
            "no threshold has a {what} of {wanted} on the training rows; the one that comes nearest has {reached:.5}"
        )
    });
    let report = ThresholdReport {
        value,
        rule: rule.to_string(),
        rows: truth.len(),
        precision: Some(counts.precision()),
        recall: Some(counts.recall()),
        flagged: Some(counts.flagged as f64 / counts.rows as f64),
    };
    Ok((report, warning))
}

/// Whether training rows are of the positive class, and the probability of it by a model that was fitted without them. Rows
/// that no fold validates are left out.
fn out_of_fold(
    ground: Ground<'_>,
    positive: usize,
    parameters: &Parameters,
    search: Option<&Search>,
) -> Result<(Vec<bool>, Vec<f64>), FitError> {
    let Target::Classes { codes, count } = &ground.samples.target else {
        return Err(FitError("a threshold needs a target of two classes".to_owned()));
    };
    let folds = folds_for(ground, codes, *count, search)?;
    let (steps, done) = (Steps::new(ground.progress, "choosing the threshold"), AtomicUsize::new(0));
    let validated: Vec<Vec<f64>> = folds
        .par_iter()
        .map(|Fold { train, validation }| {
            let fitted = ground.learner.fit(train, parameters)?;
            let raw = ground.samples.predict(&fitted, validation);
            steps.tell("folds", done.fetch_add(1, Ordering::Relaxed) + 1, folds.len());
            Ok(raw.chunks_exact(*count).map(|probabilities| probabilities[positive]).collect())
        })
        .collect::<Result<_, FitError>>()?;
    let rows = folds.iter().flat_map(|fold| &fold.validation);
    let truth = rows.map(|&row| codes[row as usize] as usize == positive).collect();
    Ok((truth, validated.concat()))
}

/// The folds of the search, once; without one, as many stratified folds as the rarer class allows.
fn folds_for(
    ground: Ground<'_>,
    codes: &[u32],
    classes: usize,
    search: Option<&Search>,
) -> Result<Vec<Fold>, FitError> {
    if let Some(search) = search {
        let mut folds = ground.folds(search)?;
        folds.truncate(search.folds.unsigned_abs() as usize);
        return Ok(folds);
    }
    let mut counts = vec![0_usize; classes];
    for &code in codes {
        counts[code as usize] += 1;
    }
    let rarest = counts.into_iter().min().unwrap_or(0);
    if rarest < 2 {
        return Err(FitError(format!(
            "a threshold is chosen on rows that were set aside, and a class has only {rarest} training rows; write \
             threshold: {{value: …}}"
        )));
    }
    let (by, keys) = (Folding::default(), &Keys::None);
    let plan = folds::Plan { count: rarest.min(FOLDS), by: &by, keys, classes: ground.scorer.output.classes() };
    folds::folds(&ground.samples.target, plan).map_err(FitError)
}

/// The threshold that `rule` asks for, between two probabilities that occur, and how predictions come out with it. Of equally
/// good ones the highest. There is a row.
fn pick(rule: Threshold, truth: &[bool], scores: &[f64]) -> (f64, Counts) {
    let steps = steps(truth, scores);
    let worth = |counts: &Counts| -> (f64, f64) {
        match rule {
            Threshold::Value(_) => (0.0, 0.0),
            Threshold::Maximise(metric) => (counts.metric(metric), 0.0),
            Threshold::PrecisionAtLeast(least) => at_least(counts.precision(), least, counts.recall()),
            Threshold::RecallAtLeast(least) => at_least(counts.recall(), least, counts.precision()),
            Threshold::FlagShare(share) => (-(counts.flagged as f64 - share * counts.rows as f64).abs(), 0.0),
        }
    };
    let mut best = steps[0];
    for &step in &steps[1..] {
        if worth(&step.1) > worth(&best.1) {
            best = step;
        }
    }
    best
}

/// What is compared where one number must reach a bound: first that, then the other number.
fn at_least(value: f64, least: f64, other: f64) -> (f64, f64) {
    (value.min(least), other)
}

/// Every threshold that makes a difference, from the highest, which flags the fewest rows but some.
fn steps(truth: &[bool], scores: &[f64]) -> Vec<(f64, Counts)> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_unstable_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let positive = truth.iter().filter(|&&is| is).count();
    let mut counts = Counts { right: 0, flagged: 0, positive, rows: truth.len() };
    let runs: Vec<&[usize]> = order.chunk_by(|&a, &b| scores[a] == scores[b]).collect();
    let mut steps = Vec::with_capacity(runs.len());
    for (place, run) in runs.iter().enumerate() {
        counts.flagged += run.len();
        counts.right += run.iter().filter(|&&row| truth[row]).count();
        let here = scores[run[0]];
        // Between two probabilities, so that rounding does not decide; below the last one there is nothing to tell apart.
        let value = runs.get(place + 1).map_or(here, |next| f64::midpoint(here, scores[next[0]]));
        steps.push((value.clamp(0.0, 1.0), counts));
    }
    steps
}

impl Counts {
    fn precision(self) -> f64 {
        ratio(self.right, self.flagged)
    }

    fn recall(self) -> f64 {
        ratio(self.right, self.positive)
    }

    fn metric(self, metric: Maximised) -> f64 {
        let Counts { right, flagged, positive, rows } = self;
        let negative = rows - positive;
        // Of rows of the other class, those predicted so.
        let rejected = negative - (flagged - right);
        let accuracy = ratio(right + rejected, rows);
        match metric {
            Maximised::F1 => ratio(2 * right, flagged + positive),
            Maximised::Accuracy => accuracy,
            Maximised::BalancedAccuracy => f64::midpoint(self.recall(), ratio(rejected, negative)),
            Maximised::MatthewsCorrcoef => {
                let (right, flagged, positive, rows) = (right as f64, flagged as f64, positive as f64, rows as f64);
                let spread = (flagged * (rows - flagged) * positive * (rows - positive)).sqrt();
                if spread == 0.0 { 0.0 } else { (right * rows - flagged * positive) / spread }
            }
            Maximised::CohenKappa => {
                let chance = (flagged as f64 * positive as f64 + (rows - flagged) as f64 * negative as f64)
                    / (rows as f64 * rows as f64);
                if chance == 1.0 { 0.0 } else { (accuracy - chance) / (1.0 - chance) }
            }
        }
    }
}

fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use slipway_model::Output;
    use slipway_model::metrics::{Scored, compute};

    use super::*;

    #[test]
    fn the_best_f1_and_the_recall_at_a_precision_are_those_of_scikit_learn() {
        let fixtures: serde_json::Value = serde_json::from_str(include_str!("../tests/fixtures/search.json")).unwrap();
        for case in fixtures["thresholds"].as_array().unwrap() {
            let truth: Vec<u8> = serde_json::from_value(case["truth"].clone()).unwrap();
            let truth: Vec<bool> = truth.into_iter().map(|class| class == 1).collect();
            let scores: Vec<f64> = serde_json::from_value(case["scores"].clone()).unwrap();
            let (value, counts) = pick(Threshold::Maximise(Maximised::F1), &truth, &scores);
            assert!((counts.metric(Maximised::F1) - case["best_f1"].as_f64().unwrap()).abs() < 1e-12);
            let from = case["best_f1_from"].as_f64().unwrap();
            assert!(value <= from && scores.iter().all(|score| *score >= from || *score < value), "{value} {from}");
            let (_, counts) = pick(Threshold::PrecisionAtLeast(0.7), &truth, &scores);
            assert!(counts.precision() >= 0.7);
            assert!((counts.recall() - case["recall_at_precision_0.7"].as_f64().unwrap()).abs() < 1e-12);
        }
    }

    #[test]
    fn a_rule_that_nothing_meets_is_followed_as_nearly_as_can_be() {
        let truth = [false, true, true, false];
        let scores = [0.9, 0.8, 0.75, 0.25];
        let (value, counts) = pick(Threshold::PrecisionAtLeast(0.99), &truth, &scores);
        assert_eq!((value, counts.flagged), (0.5, 3), "two thirds are the best precision there is");
        let (value, _) = pick(Threshold::RecallAtLeast(1.0), &truth, &scores);
        assert_eq!(value, 0.5, "of thresholds with full recall the one with the best precision");
    }

    #[test]
    fn a_share_is_flagged_as_nearly_as_equal_probabilities_allow() {
        let scores: Vec<f64> = (0..100).map(|row| f64::from(row / 4) / 25.0).collect();
        let truth = vec![true; 100];
        for (share, flagged) in [(0.1, 8), (0.12, 12), (0.11, 12), (1.0, 100), (0.001, 4)] {
            let (value, counts) = pick(Threshold::FlagShare(share), &truth, &scores);
            assert_eq!(counts.flagged, flagged, "{share}");
            assert_eq!(scores.iter().filter(|score| **score >= value).count(), flagged);
        }
    }

    proptest! {
        #[test]
        fn no_threshold_is_better_than_the_chosen_one(rows in prop::collection::vec((any::<bool>(), 0_u8..20), 1..60)) {
            let truth: Vec<bool> = rows.iter().map(|(truth, _)| *truth).collect();
            let scores: Vec<f64> = rows.iter().map(|(_, score)| f64::from(*score) / 20.0).collect();
            let output = |threshold: f64| Output::Classification {
                name: "y".to_owned(),
                classes: vec!["no".to_owned(), "yes".to_owned()],
                positive_class: Some(1),
                threshold: Some(threshold),
            };
            for metric in [Maximised::F1, Maximised::Accuracy, Maximised::MatthewsCorrcoef] {
                let served = |threshold: f64| {
                    let output = output(threshold);
                    let classes: Vec<usize> = truth.iter().map(|&is| usize::from(is)).collect();
                    let predicted: Vec<usize> = scores.iter().map(|&score| output.class(&[1.0 - score, score])).collect();
                    let scored = Scored::Classes { truth: &classes, predicted: &predicted, probabilities: None };
                    compute(metric.metric(), &output, scored).unwrap_or(0.0)
                };
                let (value, counts) = pick(Threshold::Maximise(metric), &truth, &scores);
                let chosen = served(value);
                prop_assert!((chosen - counts.metric(metric)).abs() < 1e-12, "as the metric says: {chosen}");
                for &score in &scores {
                    prop_assert!(served(score) <= chosen + 1e-12);
                }
            }
        }
    }
}
