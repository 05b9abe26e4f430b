//! Grid search with cross-validation.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rayon::prelude::*;
use slipway_spec::{Metric, Parameters, Search, SearchPoint, SearchReport, Task};

use crate::folds::{Fold, folds};
use crate::learner::{FitError, Learner, Samples, Scorer, Target};
use crate::train::Progress;

/// Points a report lists.
const MAX_REPORTED: usize = 100;
/// A search that takes longer tells how far it is.
const WORTH_TELLING: Duration = Duration::from_secs(2);

/// Tries every point of the grid on top of `base`. The best is the first of those with the best mean score.
pub(crate) fn search(
    learner: &dyn Learner,
    samples: &Samples,
    base: &Parameters,
    search: &Search,
    scorer: &Scorer,
    progress: Progress<'_>,
) -> Result<SearchReport, FitError> {
    let count = search.folds.unsigned_abs() as usize;
    check_folds(&samples.target, count)?;
    let points = search.grid.points(base);
    let folds = folds(&samples.target, count);
    progress(&format!("trying {} points with {count} folds each", points.len()));
    let (start, finished) = (Instant::now(), AtomicUsize::new(0));
    let scores: Vec<Vec<Option<f64>>> = folds
        .par_iter()
        .map(|Fold { train, validation }| {
            let scores = learner.validate(&points, train, validation, scorer);
            let finished = finished.fetch_add(1, Ordering::Relaxed) + 1;
            if start.elapsed() > WORTH_TELLING {
                progress(&format!("{finished} of {count} folds done after {:.0} s", start.elapsed().as_secs_f64()));
            }
            scores
        })
        .collect::<Result<_, _>>()?;
    let mut results: Vec<SearchPoint> = Vec::with_capacity(points.len());
    let tried = points.len();
    for (place, parameters) in points.into_iter().enumerate() {
        let fold_scores: Option<Vec<f64>> = scores.iter().map(|fold| fold[place]).collect();
        if let Some(fold_scores) = fold_scores {
            let score = fold_scores.iter().sum::<f64>() / count as f64;
            results.push(SearchPoint { parameters, score, fold_scores });
        }
    }
    let higher = scorer.metric.higher_is_better();
    results.sort_by(|a, b| if higher { b.score.total_cmp(&a.score) } else { a.score.total_cmp(&b.score) });
    results.truncate(MAX_REPORTED);
    let Some(best) = results.first() else {
        let metric = scorer.metric.name();
        return Err(FitError(format!(
            "{metric} is undefined for every point of the search; choose another search.metric"
        )));
    };
    Ok(SearchReport {
        metric: scorer.metric.name().to_owned(),
        folds: count,
        points: tried,
        best_score: best.score,
        best_parameters: best.parameters.clone(),
        results,
    })
}

/// The metric that decides: r2 or accuracy where the spec names none.
pub(crate) fn metric(search: &Search, task: Task) -> Result<Metric, String> {
    let Some(name) = &search.metric else {
        return Ok(if task == Task::Regression { Metric::R2 } else { Metric::Accuracy });
    };
    Metric::parse(name)
        .filter(|metric| metric.task() == task)
        .ok_or_else(|| format!("search.metric {name} is no metric for {task}; write one of {}", Metric::names(task)))
}

fn check_folds(target: &Target, folds: usize) -> Result<(), FitError> {
    let error = |problem: String| Err(FitError(format!("{problem}; lower search.folds")));
    match target {
        _ if folds < 2 => Err(FitError("search.folds is below 2".to_owned())),
        Target::Numbers(values) if values.len() < folds => {
            error(format!("{} training rows cannot be divided into {folds} folds", values.len()))
        }
        Target::Classes { codes, count } => {
            let mut counts = vec![0_usize; *count];
            for &code in codes {
                counts[code as usize] += 1;
            }
            let most = counts.iter().max().copied().unwrap_or(0);
            if most < folds { error(format!("no class has {folds} training rows, one for each fold")) } else { Ok(()) }
        }
        Target::Numbers(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
