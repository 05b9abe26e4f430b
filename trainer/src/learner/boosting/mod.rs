//! Gradient boosting: trees one after the other, each a step against the slope of the loss (Friedman 2001).
//!
//! [`stages`] boosts, whatever grows the trees: [`hist`] on columns cut into bins, [`exact`] on sorted columns. What a
//! [`loss`] asks of either is the same. A fit with more stages begins with the stages of one with fewer, so a grid over
//! their number is read from one fit.

mod exact;
mod hist;
mod loss;
mod options;
mod rows;
mod stages;

use std::borrow::Cow;
use std::collections::BTreeMap;

use rayon::prelude::*;
use slipway_model::{Combine, Estimator, TreesBuilder};
use slipway_spec::{Parameters, PositiveInteger};

use self::loss::Loss;
use self::rows::{Arranged, Column};
use self::stages::{Boosted, Stage, boost};
use super::tree::{Alike, Options};
use super::{FitError, Fitted, Learner, Samples, Scorer, Told};

/// `HistGradientBoosting` or `GradientBoosting`, for Regression and Classification.
pub(crate) struct Boosting<'a> {
    samples: &'a Samples,
    method: Method,
    columns: Vec<Column<'a>>,
    /// The rows that are the same, where trees of exact splits can make use of that.
    alike: Option<Alike>,
}

/// How trees are grown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// On columns cut into bins.
    Hist,
    /// On sorted columns.
    Exact,
}

impl<'a> Boosting<'a> {
    pub(crate) fn new(samples: &'a Samples, method: Method) -> Self {
        let columns = rows::columns(samples);
        let values = columns.iter().map(|column| Cow::Borrowed(&*column.values));
        let alike = if method == Method::Exact { Alike::new(values, &samples.target) } else { None };
        Boosting { samples, method, columns, alike }
    }

    /// Boosts on `rows`; `watch` is told of the stages, with the raw predictions of the rows of `watched`.
    fn boost(
        &self,
        rows: &[u32],
        watched: &[u32],
        parameters: &Parameters,
        mut watch: impl FnMut(Loss, Stage<'_>),
    ) -> Result<(Loss, Boosted), FitError> {
        let target = &self.samples.target;
        let plan = match self.method {
            Method::Hist => options::hist_plan(parameters, target, rows.len())?,
            Method::Exact => options::exact_plan(parameters, target)?,
        };
        let arranged = Arranged::new(self.samples, parameters, &plan, rows, watched)?;
        let watch = |stage: Stage<'_>| watch(plan.loss, stage);
        let width = self.columns.len();
        let boosted = match self.method {
            Method::Hist => {
                let monotonic = rows::monotonic(self.samples, &self.columns, parameters)?;
                let options = options::hist_options(parameters, rows.len(), width, monotonic);
                let rows = hist::HistRows::new(&self.columns, &arranged, &options, &plan);
                boost(&mut rows.grower(), &plan, arranged.rows(), watch)
            }
            Method::Exact => {
                let options = Options::of_boosting(parameters, rows.len(), width);
                let alike = self.alike.as_ref().filter(|_| Alike::suits(&options) && plan.subsample >= 1.0);
                let arranged = if let Some(alike) = alike { arranged.united(alike, target) } else { arranged };
                let rows = exact::ExactRows::new(&self.columns, &arranged, options);
                boost(&mut rows.grower(), &plan, arranged.rows(), watch)
            }
        };
        Ok((plan.loss, boosted))
    }

    /// The number of stages that parameters ask for.
    fn stages(&self, parameters: &Parameters) -> usize {
        match self.method {
            Method::Hist => options::hist_stages(parameters),
            Method::Exact => options::exact_stages(parameters),
        }
    }

    /// The same parameters with another number of stages.
    fn with_stages(&self, parameters: &Parameters, stages: usize) -> Parameters {
        let stages = PositiveInteger::new(stages as u32);
        match self.method {
            Method::Hist => Parameters { max_iter: stages, ..parameters.clone() },
            Method::Exact => Parameters { n_estimators: stages, ..parameters.clone() },
        }
    }

    /// Scores points that differ in their number of stages alone, from one fit.
    fn validate_group(
        &self,
        points: &[(usize, Parameters)],
        rows: &[u32],
        validation: &[u32],
        scorer: &Scorer,
    ) -> Result<Vec<(usize, Option<f64>)>, FitError> {
        let Some((_, longest)) = points.iter().max_by_key(|(_, point)| self.stages(point)) else {
            return Ok(Vec::new());
        };
        let target = &self.samples.target;
        let mut scores = Vec::with_capacity(points.len());
        self.boost(rows, validation, longest, |loss, stage| {
            let asked = |point: &Parameters| {
                let stages = self.stages(point);
                stages == stage.count || stage.last && stages > stage.count
            };
            let mut asking = points.iter().filter(|(_, point)| asked(point)).peekable();
            if asking.peek().is_some() {
                let score = scorer.score(target, validation, &predictions(loss, stage.raw, target.width()));
                scores.extend(asking.map(|(place, _)| (*place, score)));
            }
        })?;
        Ok(scores)
    }
}

impl Learner for Boosting<'_> {
    fn samples(&self) -> &Samples {
        self.samples
    }

    fn fit(&self, rows: &[u32], parameters: &Parameters) -> Result<Fitted, FitError> {
        self.fit_telling(rows, parameters, &|_, _, _| ())
    }

    fn fit_telling(&self, rows: &[u32], parameters: &Parameters, told: Told<'_>) -> Result<Fitted, FitError> {
        let stages = self.stages(parameters);
        let (loss, boosted) = self.boost(rows, &[], parameters, |_, stage| told("rounds", stage.count, stages))?;
        let mut trees = TreesBuilder::new(1);
        for tree in &boosted.trees {
            let values: Vec<f64> = tree.values.iter().map(|value| loss.link_factor() * value).collect();
            trees.push(&tree.nodes, &values);
        }
        let base = boosted.start.iter().map(|start| loss.link_factor() * start).collect();
        let estimator = Estimator::Trees(trees.finish(Combine::Sum { base, link: loss.link() }));
        let mut importances = vec![0.0; self.columns.len()];
        for &(column, gain) in boosted.trees.iter().flat_map(|tree| &tree.gains) {
            importances[column] += gain;
        }
        let total: f64 = importances.iter().sum();
        if total > 0.0 {
            for importance in &mut importances {
                *importance /= total;
            }
        }
        Ok(Fitted { importances, ..Fitted::new(self.samples.encoder.clone(), estimator) })
    }

    fn validate(
        &self,
        points: &[Parameters],
        rows: &[u32],
        validation: &[u32],
        scorer: &Scorer,
    ) -> Result<Vec<Option<f64>>, FitError> {
        let mut groups: BTreeMap<String, Vec<(usize, Parameters)>> = BTreeMap::new();
        for (place, point) in points.iter().enumerate() {
            // Parameters have no order of their own.
            let key = format!("{:?}", self.with_stages(point, 1));
            groups.entry(key).or_default().push((place, point.clone()));
        }
        let groups: Vec<_> = groups.into_values().collect();
        let scored: Vec<Vec<(usize, Option<f64>)>> = groups
            .par_iter()
            .map(|points| self.validate_group(points, rows, validation, scorer))
            .collect::<Result<_, _>>()?;
        let mut scores = vec![None; points.len()];
        for (place, score) in scored.into_iter().flatten() {
            scores[place] = score;
        }
        Ok(scores)
    }
}

/// Predictions from the raw predictions of some rows, row after row, each of `width` numbers.
fn predictions(loss: Loss, raw: &[Vec<f64>], width: usize) -> Vec<f64> {
    let rows = raw.first().map_or(0, Vec::len);
    let mut predictions = vec![0.0; rows * width];
    for (row, prediction) in predictions.chunks_exact_mut(width).enumerate() {
        for (sum, raw) in prediction.iter_mut().zip(raw) {
            *sum = loss.link_factor() * raw[row];
        }
        loss.link().apply(prediction);
    }
    predictions
}

#[cfg(test)]
mod tests;
