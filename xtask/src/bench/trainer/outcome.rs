//! What was measured, and whether it is what was promised. Nothing here runs anything.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cases::{Case, ROWS_FOR_RATIO};
use super::tables::Prepared;

/// One fit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// Metrics on the test rows, by name.
    pub metrics: BTreeMap<String, f64>,
    /// CPU seconds of fitting alone.
    pub cpu_seconds: f64,
    /// CPU seconds of the whole run, where that is known.
    #[serde(default)]
    pub run_seconds: Option<f64>,
    /// Whether the solver came to its end.
    #[serde(default)]
    pub converged: bool,
}

/// One estimator on one table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The table.
    pub table: String,
    /// Rows trained on.
    pub train_rows: usize,
    /// The estimator with its parameters.
    pub estimator: String,
    /// What came out.
    pub result: Outcome,
}

/// What came out of one estimator on one table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// The trainer does not know it.
    Unavailable(String),
    /// Something failed.
    Failed(String),
    /// It was measured.
    Measured(Measured),
}

/// Both sides, each the mean or median over the same seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// How often both fitted.
    pub repeats: usize,
    /// Slipway.
    pub ours: Fit,
    /// scikit-learn, where it was run too.
    pub peer: Option<Fit>,
    /// How much worse a metric may be.
    pub tolerance: f64,
    /// The promised ratio, where one is promised for a table of this size.
    pub ratio_at_least: Option<f64>,
}

/// Whether a promise is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Verdict {
    /// It is.
    Met,
    /// It is not.
    Missed,
}

impl Verdict {
    /// Judges.
    pub fn of(kept: bool) -> Verdict {
        if kept { Verdict::Met } else { Verdict::Missed }
    }
}

impl Measured {
    /// Sums up the fits of both sides; `peer` may be empty.
    pub fn new(case: &Case, table: &Prepared, ours: &[Fit], peer: &[Fit]) -> Measured {
        let large_enough = table.train_rows >= ROWS_FOR_RATIO;
        Measured {
            repeats: ours.len(),
            ours: together(ours),
            peer: (!peer.is_empty()).then(|| together(peer)),
            tolerance: case.tolerance(),
            ratio_at_least: case.ratio_at_least.filter(|_| large_enough && !peer.is_empty()),
        }
    }

    /// scikit-learn's CPU seconds by Slipway's.
    pub fn ratio(&self) -> Option<f64> {
        let peer = self.peer.as_ref()?;
        Some(peer.cpu_seconds / self.ours.cpu_seconds.max(1e-9))
    }

    /// By how much a metric is better than scikit-learn's.
    pub fn difference(&self, metric: &str) -> Option<f64> {
        Some(self.ours.metrics.get(metric)? - self.peer.as_ref()?.metrics.get(metric)?)
    }

    /// Whether the metrics are as good as promised.
    pub fn metrics_verdict(&self) -> Option<Verdict> {
        let peer = self.peer.as_ref()?;
        let kept = |metric: &String| self.difference(metric).is_some_and(|difference| difference >= -self.tolerance);
        Some(Verdict::of(peer.metrics.keys().all(kept)))
    }

    /// Whether the ratio is as promised.
    pub fn ratio_verdict(&self) -> Option<Verdict> {
        Some(Verdict::of(self.ratio()? >= self.ratio_at_least?))
    }

    /// Both.
    pub fn verdict(&self) -> Option<Verdict> {
        self.metrics_verdict().max(self.ratio_verdict())
    }
}

/// The mean of metrics, and the median of times, which one disturbed fit does not move.
fn together(fits: &[Fit]) -> Fit {
    let mut metrics: BTreeMap<String, f64> = BTreeMap::new();
    for fit in fits {
        for (name, value) in &fit.metrics {
            *metrics.entry(name.clone()).or_default() += value / fits.len() as f64;
        }
    }
    let runs: Option<Vec<f64>> = fits.iter().map(|fit| fit.run_seconds).collect();
    Fit {
        metrics,
        cpu_seconds: median(fits.iter().map(|fit| fit.cpu_seconds).collect()),
        run_seconds: runs.map(median),
        converged: fits.iter().all(|fit| fit.converged),
    }
}

/// The median; 0 of nothing.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        length if length % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

/// A promise about something else than one fit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Promise {
    /// What it is about; unique.
    pub what: String,
    /// What was measured, in words.
    pub measured: String,
    /// What was promised, in words.
    pub promised: String,
    /// Whether it is kept; `None` where it could not be measured.
    pub verdict: Option<Verdict>,
}

/// All that is known, also from earlier runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// The machine.
    pub machine: String,
    /// Versions of scikit-learn and numpy.
    pub versions: String,
    /// Estimators on tables.
    pub rows: Vec<Row>,
    /// The other promises.
    pub promises: Vec<Promise>,
}

impl Results {
    /// Takes over `newer` results; what was not measured again stays.
    pub fn merge(&mut self, newer: Results) {
        self.machine = newer.machine;
        self.versions = newer.versions;
        for row in newer.rows {
            let same = |old: &&mut Row| (&old.table, &old.estimator) == (&row.table, &row.estimator);
            match self.rows.iter_mut().find(same) {
                Some(old) => *old = row,
                None => self.rows.push(row),
            }
        }
        for promise in newer.promises {
            match self.promises.iter_mut().find(|old| old.what == promise.what) {
                Some(old) => *old = promise,
                None => self.promises.push(promise),
            }
        }
    }

    /// What was judged, and how much of it is kept.
    pub fn kept(&self) -> (usize, usize) {
        let rows = self.rows.iter().filter_map(|row| match &row.result {
            Outcome::Measured(measured) => measured.verdict(),
            Outcome::Unavailable(_) | Outcome::Failed(_) => None,
        });
        let all: Vec<Verdict> = rows.chain(self.promises.iter().filter_map(|promise| promise.verdict)).collect();
        (all.iter().filter(|&&verdict| verdict == Verdict::Met).count(), all.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(r2: f64, cpu_seconds: f64) -> Fit {
        Fit { metrics: [("r2".to_owned(), r2)].into(), cpu_seconds, run_seconds: None, converged: true }
    }

    fn measured(ours: Fit, peer: Fit) -> Measured {
        Measured { repeats: 1, ours, peer: Some(peer), tolerance: 0.003, ratio_at_least: Some(8.0) }
    }

    #[test]
    fn a_promise_is_kept_where_the_metric_is_close_and_the_ratio_reached() {
        let verdict = |ours, peer| measured(ours, peer).verdict();
        assert_eq!(verdict(fit(0.9, 1.0), fit(0.902, 8.0)), Some(Verdict::Met));
        assert_eq!(verdict(fit(0.9, 1.0), fit(0.904, 9.0)), Some(Verdict::Missed), "the metric is worse");
        assert_eq!(verdict(fit(0.95, 1.0), fit(0.9, 7.9)), Some(Verdict::Missed), "too slow");
        let small = Measured { ratio_at_least: None, ..measured(fit(0.9, 1.0), fit(0.9, 0.5)) };
        assert_eq!(small.verdict(), Some(Verdict::Met), "no ratio is promised");
        assert_eq!(Measured { peer: None, ..small }.verdict(), None, "there is nothing to compare with");
    }

    #[test]
    fn a_metric_that_we_lack_is_a_missed_promise() {
        let lacking = Fit { metrics: BTreeMap::new(), ..fit(0.9, 1.0) };
        assert_eq!(measured(lacking, fit(0.9, 8.0)).verdict(), Some(Verdict::Missed));
    }

    #[test]
    fn seeds_are_averaged_and_times_are_medians() {
        let all = together(&[fit(0.8, 1.0), fit(0.9, 100.0), fit(1.0, 2.0)]);
        assert!((all.metrics["r2"] - 0.9).abs() < 1e-12);
        assert_eq!(all.cpu_seconds, 2.0);
        assert_eq!(median(vec![3.0, 1.0]), 2.0);
    }

    #[test]
    fn newer_results_replace_older_ones_of_the_same() {
        let row = |estimator: &str, why: &str| Row {
            table: "t".to_owned(),
            train_rows: 1,
            estimator: estimator.to_owned(),
            result: Outcome::Unavailable(why.to_owned()),
        };
        let mut results = Results { rows: vec![row("a", "old"), row("b", "old")], ..Results::default() };
        results.merge(Results { rows: vec![row("b", "new"), row("c", "new")], ..Results::default() });
        assert_eq!(results.rows, [row("a", "old"), row("b", "new"), row("c", "new")]);
    }
}
