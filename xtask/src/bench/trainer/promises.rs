//! What is promised beyond the time of single fits: the grid search, two threads, one row, and the size of a forest.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::cases::{self, Case};
use super::ours::{Ours, Report, Trained};
use super::outcome::{Promise, Verdict};
use super::peer::Peer;
use super::tables::{Prepared, Task};
use crate::bench::thousands;
use crate::{sh, workspace};

/// How many times scikit-learn's CPU seconds must be Slipway's for the grid.
const GRID_RATIO: f64 = 200.0;
/// Points of the grid that scikit-learn tries in a quick run.
const GRID_SAMPLE: usize = 60;
const THREADS_RATIO: f64 = 1.7;
const THREADS_REPEATS: usize = 5;
const ROW_MICROSECONDS: f64 = 10.0;
const SIZE_RATIO: f64 = 10.0;

/// The case of an estimator with its default parameters.
pub fn plain(estimator: &str) -> Option<Case> {
    cases::all().into_iter().find(|case| case.label() == estimator)
}

/// The search of 1,620 points: two criteria, ten depths, nine smallest splits and nine smallest leaves.
pub fn grid(ours: &Ours, peer: &mut Peer, table: &Prepared, quick: bool) -> Result<Promise> {
    let case = plain("DecisionTree").context("no case")?;
    let counts: Vec<u32> = (2..=10).collect();
    let depths: Vec<Value> = counts.iter().map(|&depth| json!(depth)).chain([json!("None")]).collect();
    let grid = json!({
        "criterion": ["squared_error", "absolute_error"],
        "max_depth": depths,
        "min_samples_split": counts,
        "min_samples_leaf": counts,
    });
    let what = format!("CPU of a grid of 1,620 points with 5 folds on {}", table.name);
    let promised = format!("a ratio of at least {GRID_RATIO}");
    let parameters: Map<String, Value> = [("random_state".to_owned(), json!(42))].into_iter().collect();
    let search = json!({"grid": grid, "folds": 5, "metric": "r2"});
    let mut fits = Vec::new();
    for _ in 0..3 {
        match ours.train(table, &case, &parameters, Some(&search), 1)? {
            Trained::Unknown(why) => return Ok(unmeasured(what, promised, &why)),
            Trained::Done(report) => fits.push(report),
        }
    }
    fits.sort_by(|a, b| searching(a).total_cmp(&searching(b)));
    let report = &fits[fits.len() / 2];
    let found = report.search.as_ref().context("the report has no search")?;
    let theirs = peer.search(table, &case, &grid, quick.then_some(GRID_SAMPLE))?;
    let ratio = theirs.cpu_seconds / searching(report);
    let scaled = match theirs.measured_points {
        all if all == found.points => String::new(),
        some => format!(", scaled from {some} of the points"),
    };
    let (r2, their_r2) = (report.metrics.get("r2"), theirs.metrics.get("r2"));
    let [r2, their_r2] = [r2, their_r2].map(|r2| r2.copied().unwrap_or(f64::NAN));
    let same = !scaled.is_empty() || (r2 - their_r2).abs() <= 0.003;
    Ok(Promise {
        what,
        measured: format!(
            "{:.3} s against {:.1} s{scaled}: {ratio:.0} times; finds {} with r2 {:.5} in the folds and {r2:.5} on the test rows, scikit-learn {:.5} and {their_r2:.5}",
            searching(report),
            theirs.cpu_seconds,
            parameters_text(&found.best_parameters),
            found.best_score,
            theirs.best_score,
        ),
        promised,
        verdict: Some(Verdict::of(ratio >= GRID_RATIO && same)),
    })
}

/// CPU seconds of a search and of the fit that follows it, as `GridSearchCV.fit` has both.
fn searching(report: &Report) -> f64 {
    ["search", "fit"].iter().filter_map(|part| report.cpu_timings.get(*part)).sum()
}

fn parameters_text(parameters: &Value) -> String {
    let all = parameters.as_object().cloned().unwrap_or_default();
    let shown = all.iter().filter(|(name, _)| *name != "random_state").map(|(name, value)| match value {
        Value::String(text) => format!("{name} {text}"),
        other => format!("{name} {other}"),
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// Wall time of a forest on one thread and on two.
pub fn threads(ours: &Ours, table: &Prepared, estimator: &str) -> Result<Promise> {
    let case = plain(estimator).context("no case")?;
    let what = format!("{estimator} on {} with two threads", table.name);
    let promised = format!("{THREADS_RATIO} times as fast as with one");
    let mut best = [f64::INFINITY; 2];
    for (threads, best) in (1..).zip(&mut best) {
        let took = ours.times(table, &case, 0, THREADS_REPEATS, threads)?;
        *best = took.iter().map(|took| took.seconds).fold(f64::INFINITY, f64::min);
    }
    let ratio = best[0] / best[1];
    Ok(Promise {
        what,
        measured: format!(
            "{:.3} s instead of {:.3} s, the best of {THREADS_REPEATS}: {ratio:.2} times",
            best[1], best[0]
        ),
        promised,
        verdict: Some(Verdict::of(ratio >= THREADS_RATIO)),
    })
}

/// What the example `time_predict` prints.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Timed {
    load_seconds: f64,
    row_seconds: f64,
}

/// One row through a forest of 100 full trees, and the size of its artefact.
pub fn forest(ours: &Ours, peer: &mut Peer, table: &Prepared) -> Result<Vec<Promise>> {
    let case = plain("RandomForest").context("no case")?;
    let row = format!("one row through a forest of 100 full trees on {}", table.name);
    let row_promised = format!("at most {ROW_MICROSECONDS} µs");
    let size = format!("size of a forest of 100 full trees on {}", table.name);
    let size_promised = format!("at most a {SIZE_RATIO}th of scikit-learn's pickle");
    if let Trained::Unknown(why) = ours.fit(table, &case, 0)? {
        return Ok(vec![unmeasured(row, row_promised, &why), unmeasured(size, size_promised, &why)]);
    }
    let theirs = peer.examine(table, &case)?;
    let program = workspace::target().join("release/examples/time_predict");
    let timed: Timed = serde_json::from_str(&sh::output(&mut sh::cmd(program, [ours.artefact()]))?)?;
    let microseconds = timed.row_seconds * 1e6;
    let bytes = ours.artefact_bytes()?;
    Ok(vec![
        Promise {
            what: row,
            measured: format!("{microseconds:.1} µs; scikit-learn takes {:.0} µs", theirs.one_row_seconds * 1e6),
            promised: row_promised,
            verdict: Some(Verdict::of(microseconds <= ROW_MICROSECONDS)),
        },
        Promise {
            what: size,
            measured: format!(
                "{} kB, loaded in {:.0} ms; the pickle has {} kB: {:.1} times",
                thousands((bytes / 1000) as usize),
                timed.load_seconds * 1e3,
                thousands((theirs.pickle_bytes / 1000) as usize),
                theirs.pickle_bytes as f64 / bytes as f64
            ),
            promised: size_promised,
            verdict: Some(Verdict::of(bytes as f64 * SIZE_RATIO <= theirs.pickle_bytes as f64)),
        },
    ])
}

/// Whether a table can stand for the promises about forests.
pub fn suits_forests(table: &Prepared) -> bool {
    !table.large && table.train_rows >= cases::ROWS_FOR_RATIO && table.name != "crime_sample"
}

/// The estimators whose threads are measured, on a table.
pub fn forests(table: &Prepared) -> &'static [&'static str] {
    match table.task {
        Task::Regression => &["RandomForest", "ExtraTrees"],
        Task::Classification => &["RandomForest"],
    }
}

fn unmeasured(what: String, promised: String, why: &str) -> Promise {
    Promise { what, measured: format!("not available: {why}"), promised, verdict: None }
}

/// Builds what is measured.
pub fn build() -> Result<()> {
    let built = |args: &[&str]| {
        let mut cargo = sh::cmd("cargo", ["build", "--release", "--quiet"]);
        sh::in_front(cargo.args(args).current_dir(workspace::root()))
    };
    built(&["--package", "slipway-trainer", "--bin", "slipway-trainer"])?;
    built(&["--package", "slipway-trainer", "--example", "time_fits"])?;
    built(&["--package", "slipway-model", "--example", "time_predict"])?;
    let trainer = workspace::target().join("release/slipway-trainer");
    if !trainer.exists() {
        bail!("{} was not built; is CARGO_TARGET_DIR set?", trainer.display());
    }
    Ok(())
}
