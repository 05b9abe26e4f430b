//! Scores as they come in, and what is told of them.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use slipway_spec::{Metric, Parameters};

use crate::progress::Work;
use crate::summary::show;
use crate::train::Progress;

/// The scores of points in folds.
pub(super) struct Tally<'a> {
    points: &'a [Parameters],
    folds: usize,
    /// Batches of points times folds.
    jobs: usize,
    metric: Metric,
    progress: Progress<'a>,
    begun: Instant,
    state: Mutex<State>,
}

struct State {
    /// By point and fold: `None` where the score has not come in, NaN where it is undefined.
    scores: Vec<Vec<Option<f64>>>,
    jobs_done: usize,
    points_done: usize,
    best: Option<(usize, f64)>,
}

impl<'a> Tally<'a> {
    pub(super) fn new(
        points: &'a [Parameters],
        folds: usize,
        batches: usize,
        metric: Metric,
        progress: Progress<'a>,
    ) -> Self {
        let scores = vec![vec![None; folds]; points.len()];
        let state = State { scores, jobs_done: 0, points_done: 0, best: None };
        Tally {
            points,
            folds,
            jobs: batches * folds,
            metric,
            progress,
            begun: Instant::now(),
            state: Mutex::new(state),
        }
    }

    /// Takes the scores of a batch of points in one fold.
    pub(super) fn add(&self, batch: &[usize], fold: usize, scores: &[Option<f64>]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.jobs_done += 1;
        for (&place, &score) in batch.iter().zip(scores) {
            state.scores[place][fold] = Some(score.unwrap_or(f64::NAN));
            if state.scores[place].iter().any(Option::is_none) {
                continue;
            }
            state.points_done += 1;
            let mean = state.scores[place].iter().flatten().sum::<f64>() / self.folds as f64;
            let better = |best: f64| if self.metric.higher_is_better() { mean > best } else { mean < best };
            if !mean.is_nan() && state.best.is_none_or(|(_, best)| better(best)) {
                state.best = Some((place, mean));
            }
        }
        let best = state
            .best
            .map(|(place, score)| format!("best {} {score:.5} with {}", self.metric.name(), show(&self.points[place])));
        self.progress.work(&Work {
            title: "",
            what: "points",
            done: state.points_done,
            total: self.points.len(),
            share: state.jobs_done as f64 / self.jobs as f64,
            elapsed: self.begun.elapsed(),
            outcome: best.as_deref().unwrap_or_default(),
        });
    }

    /// The scores of each point in every fold; `None` where one is undefined.
    pub(super) fn finish(self) -> Vec<Option<Vec<f64>>> {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let defined = |score: Option<f64>| score.filter(|score| !score.is_nan());
        state.scores.into_iter().map(|folds| folds.into_iter().map(defined).collect()).collect()
    }
}
