//! The search for the best parameters by cross-validation.

mod halving;
mod points;
mod tally;

use std::collections::HashMap;

use rayon::prelude::*;
use slipway_spec::{Halving, Parameters, Resource, Search, SearchPoint, SearchReport, SearchRound};

use self::tally::Tally;
use crate::folds::{self, Fold, Keys};
use crate::learner::{FitError, Learner, Samples, Scorer};
use crate::train::Progress;

/// Points a report lists.
const MAX_REPORTED: usize = 100;
/// Whatever a search works with.
#[derive(Clone, Copy)]
pub(crate) struct Ground<'a> {
    pub(crate) learner: &'a dyn Learner,
    pub(crate) samples: &'a Samples,
    pub(crate) scorer: &'a Scorer,
    /// What folds are made by.
    pub(crate) keys: &'a Keys,
    pub(crate) progress: Progress<'a>,
}

/// A point with its score in each fold.
struct Scored {
    parameters: Parameters,
    score: f64,
    fold_scores: Vec<f64>,
}

/// Tries the points of `search` on top of `base`. The best is the first of those with the best mean score.
pub(crate) fn search(ground: Ground<'_>, base: &Parameters, search: &Search) -> Result<SearchReport, FitError> {
    let (folds, points) = (ground.folds(search)?, points::points(search, base));
    let tried = points.len();
    ground.progress.line(&format!("trying {tried} points with {} folds each", folds.len()));
    let (results, rounds) = match &search.halving {
        None => (ground.evaluate(points, &folds)?, Vec::new()),
        Some(halving) => ground.halve(points, &folds, halving, search)?,
    };
    let Some(best) = results.first() else {
        let metric = ground.scorer.metric.name();
        return Err(FitError(format!(
            "{metric} is undefined for every point of the search; choose another search.metric"
        )));
    };
    Ok(SearchReport {
        metric: ground.scorer.metric.name().to_owned(),
        folds: folds.len(),
        points: tried,
        rounds,
        best_score: best.score,
        best_parameters: best.parameters.clone(),
        results: results.into_iter().take(MAX_REPORTED).map(Scored::report).collect(),
    })
}

impl Scored {
    fn report(self) -> SearchPoint {
        SearchPoint { parameters: self.parameters, score: self.score, fold_scores: self.fold_scores }
    }
}

impl Ground<'_> {
    /// The folds that `search` asks for.
    pub(crate) fn folds(&self, search: &Search) -> Result<Vec<Fold>, FitError> {
        let count = search.folds.unsigned_abs() as usize;
        let classes = self.scorer.output.classes();
        let plan = folds::Plan { count, by: &search.folds_by, keys: self.keys, classes };
        folds::folds(&self.samples.target, plan).map_err(FitError)
    }

    /// The points that have a score, the best first.
    fn evaluate(&self, points: Vec<Parameters>, folds: &[Fold]) -> Result<Vec<Scored>, FitError> {
        let batches = batches(&points, self.learner);
        let tally = Tally::new(&points, folds.len(), batches.len(), self.scorer.metric, self.progress);
        let jobs: Vec<(&Vec<usize>, usize)> =
            batches.iter().flat_map(|batch| (0..folds.len()).map(move |fold| (batch, fold))).collect();
        jobs.par_iter()
            .map(|&(batch, fold)| {
                let asked: Vec<Parameters> = batch.iter().map(|&place| points[place].clone()).collect();
                let Fold { train, validation } = &folds[fold];
                let scores = self.learner.validate(&asked, train, validation, self.scorer)?;
                tally.add(batch, fold, &scores);
                Ok(())
            })
            .collect::<Result<Vec<()>, FitError>>()?;
        let scores = tally.finish();
        let scored = points.into_iter().zip(scores).filter_map(|(parameters, fold_scores)| {
            let fold_scores = fold_scores?;
            let score = fold_scores.iter().sum::<f64>() / fold_scores.len() as f64;
            Some(Scored { parameters, score, fold_scores })
        });
        let mut scored: Vec<Scored> = scored.collect();
        let higher = self.scorer.metric.higher_is_better();
        scored.sort_by(|a, b| if higher { b.score.total_cmp(&a.score) } else { a.score.total_cmp(&b.score) });
        Ok(scored)
    }

    /// Tries all points on few resources and the better ones on more. The points of the last round come first, those that
    /// dropped out last behind them.
    fn halve(
        &self,
        points: Vec<Parameters>,
        folds: &[Fold],
        halving: &Halving,
        search: &Search,
    ) -> Result<(Vec<Scored>, Vec<SearchRound>), FitError> {
        let plan = self.plan(points.len(), folds.len(), halving)?;
        let factor = halving.factor.0.unsigned_abs() as usize;
        let (mut candidates, mut dropped, mut rounds) = (points, Vec::new(), Vec::new());
        for (round, &resources) in plan.iter().enumerate() {
            let tried = candidates.len();
            self.progress.line(&format!(
                "round {} of {}: {tried} points on {resources} {}",
                round + 1,
                plan.len(),
                if halving.resource == Resource::NSamples { "rows" } else { "trees" }
            ));
            let mut scored = match halving.resource {
                Resource::NSamples => {
                    let seed = search.folds_by.seed.wrapping_add(round.cast_signed() as i64);
                    let share = resources as f64 / self.samples.rows() as f64;
                    self.evaluate(candidates, &halving::subsample(&self.samples.target, folds, share, seed))?
                }
                Resource::NEstimators => self.evaluate(halving::with_estimators(&candidates, resources), folds)?,
            };
            let Some(best) = scored.first() else { return Ok((Vec::new(), rounds)) };
            rounds.push(SearchRound { points: tried, resources, best_score: best.score });
            if round + 1 < plan.len() {
                let out = scored.split_off(tried.div_ceil(factor).min(scored.len()));
                dropped.push(out);
                candidates = scored.into_iter().map(|point| point.parameters).collect();
            } else {
                dropped.push(scored);
                break;
            }
        }
        Ok((dropped.into_iter().rev().flatten().collect(), rounds))
    }

    /// The resources of each round.
    fn plan(&self, points: usize, folds: usize, halving: &Halving) -> Result<Vec<usize>, FitError> {
        let width = self.samples.target.width();
        let count = |value: Option<i32>| value.map(|value| value.unsigned_abs() as usize);
        let (smallest, all) = match halving.resource {
            Resource::NSamples => (2 * folds * width, self.samples.rows()),
            Resource::NEstimators => (1, usize::MAX),
        };
        let most = count(halving.max_resources).unwrap_or(all).min(all);
        let least = count(halving.min_resources);
        let factor = halving.factor.0.unsigned_abs() as usize;
        halving::plan(points, factor, least, smallest, most).ok_or_else(|| {
            let least = least.unwrap_or(smallest);
            FitError(format!(
                "successive halving needs {least} training rows or more and may use {most}; leave search.halving out"
            ))
        })
    }
}

/// Places of the points that belong together: they differ only in parameters whose values share work.
fn batches(points: &[Parameters], learner: &dyn Learner) -> Vec<Vec<usize>> {
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut place_of: HashMap<String, usize> = HashMap::new();
    for (place, point) in points.iter().enumerate() {
        // Parameters that were read can be written.
        let mut rest = serde_json::to_value(point).unwrap_or_default();
        if let Some(rest) = rest.as_object_mut() {
            rest.retain(|name, _| !learner.shares(name));
        }
        let batch = *place_of.entry(rest.to_string()).or_insert_with(|| {
            batches.push(Vec::new());
            batches.len() - 1
        });
        batches[batch].push(place);
    }
    batches
}

#[cfg(test)]
mod tests;
