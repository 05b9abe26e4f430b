//! Many trees whose mean is the prediction: random forests (Breiman 2001) and extremely randomised trees (Geurts et al. 2006).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;
use slipway_model::{Combine, Estimator, TreesBuilder, most_probable};
use slipway_spec::{ClassWeight, MaxFeatures, Parameters, PositiveInteger, ShareOrCount};

use super::draw::RandomState;
use super::ground::{Choice, Ground};
use super::grow::Options;
use super::grower::Workspace;
use super::grown::Grown;
use super::weights::{balanced, weights};
use super::{check_target, random_state};
use crate::learner::{FitError, Fitted, Learner, Samples, Target, Told};

/// Trees of a forest where the spec does not say.
const TREES: u32 = 100;

/// Which forest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Best splits; each tree sees a sample of the rows unless told otherwise.
    RandomForest,
    /// Random splits; each tree sees all rows unless told otherwise.
    ExtraTrees,
}

/// A forest, for Regression and Classification.
pub(crate) struct Forest<'a> {
    pub(super) ground: Ground<'a>,
    kind: Kind,
}

impl<'a> Forest<'a> {
    pub(crate) fn new(samples: &'a Samples, kind: Kind) -> Self {
        Forest { ground: Ground::new(samples), kind }
    }
}

impl Learner for Forest<'_> {
    fn samples(&self) -> &Samples {
        self.ground.samples
    }

    fn fit(&self, rows: &[u32], parameters: &Parameters) -> Result<Fitted, FitError> {
        self.fit_telling(rows, parameters, &|_, _, _| ())
    }

    fn fit_telling(&self, rows: &[u32], parameters: &Parameters, told: Told<'_>) -> Result<Fitted, FitError> {
        let samples = self.ground.samples;
        check_target(samples, rows, parameters)?;
        let plan = Plan::new(self, rows, parameters)?;
        let mut state = RandomState::new(random_state(parameters));
        let count = parameters.n_estimators.map_or(TREES, PositiveInteger::get);
        let seeds: Vec<u32> = (0..count).map(|_| state.splitter_seed()).collect();
        let collected = Mutex::new(Collected::new(samples, plan.oob));
        // Trees are handed out in turn, so that few wait for those before them.
        (0..seeds.len()).par_bridge().for_each_init(Workspace::default, |workspace, place| {
            let tree = plan.tree(seeds[place], workspace);
            // Nothing panics while it holds the lock.
            let mut collected = collected.lock().unwrap_or_else(PoisonError::into_inner);
            collected.add(place, tree);
            let grown = collected.grown();
            drop(collected);
            told("trees", grown, seeds.len());
        });
        let collected = collected.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(collected.finish(samples, rows))
    }
}

/// How the trees of a forest grow.
struct Plan<'a> {
    ground: &'a Ground<'a>,
    rows: &'a [u32],
    choice: Choice,
    options: Options,
    /// Of samples, where they differ.
    weights: Option<Vec<f64>>,
    /// Rows drawn for each tree; `None` where each sees all rows.
    drawn: Option<usize>,
    /// Whether classes are weighed anew for each tree.
    rebalanced: bool,
    oob: bool,
}

/// A tree and what it predicts for the rows it has not seen.
struct Tree {
    grown: Grown,
    unseen: Vec<(u32, usize)>,
}

impl<'a> Plan<'a> {
    fn new(forest: &'a Forest<'_>, rows: &'a [u32], parameters: &Parameters) -> Result<Self, FitError> {
        let samples = forest.ground.samples;
        let bootstrap = parameters.bootstrap.unwrap_or(forest.kind == Kind::RandomForest);
        let oob = parameters.oob_score.unwrap_or(false);
        let rebalanced = bootstrap && parameters.class_weight == Some(ClassWeight::BalancedSubsample);
        let class_weight = parameters.class_weight.as_ref().filter(|_| !rebalanced);
        let weights = weights(samples, rows, class_weight)?;
        let weight = weights.as_ref().map(|weights| rows.iter().map(|&row| weights[row as usize]).sum());
        let default = match &samples.target {
            Target::Numbers(_) => MaxFeatures::All,
            Target::Classes { .. } => MaxFeatures::Sqrt,
        };
        Ok(Plan {
            ground: &forest.ground,
            rows,
            choice: Choice { criterion: parameters.criterion, random: forest.kind == Kind::ExtraTrees },
            options: Options::new(parameters, samples, rows.len(), default)?,
            weights,
            drawn: bootstrap.then(|| drawn(parameters.max_samples, rows.len(), weight)),
            rebalanced,
            oob,
        })
    }

    fn tree(&self, seed: u32, workspace: &mut Workspace) -> Tree {
        let splitter_seed = RandomState::new(i64::from(seed)).splitter_seed();
        let grow = |weights: Option<&[f64]>, workspace| {
            self.ground.grow(self.choice, self.rows, weights, &self.options, splitter_seed, workspace)
        };
        let Some(drawn) = self.drawn else {
            return Tree { grown: grow(self.weights.as_deref(), workspace), unseen: Vec::new() };
        };
        let weights = self.bootstrap(seed, drawn);
        let grown = grow(Some(&weights), workspace);
        let unseen = self.rows.iter().filter(|&&row| self.oob && weights[row as usize] == 0.0);
        let unseen = unseen.map(|&row| (row, grown.leaf(&self.ground.sorted, row))).collect();
        Tree { grown, unseen }
    }

    /// How often each sample is drawn for a tree: its weight there.
    fn bootstrap(&self, seed: u32, drawn: usize) -> Vec<f64> {
        let mut state = RandomState::new(i64::from(seed));
        let mut counts = vec![0.0; self.ground.sorted.matrix.rows];
        if let Some(weights) = &self.weights {
            let total: f64 = self.rows.iter().map(|&row| weights[row as usize]).sum();
            let mut sum = 0.0;
            let summed = self.rows.iter().map(|&row| {
                sum += weights[row as usize] / total;
                sum
            });
            let summed: Vec<f64> = summed.collect();
            for _ in 0..drawn {
                let number = state.unit();
                let place = summed.partition_point(|&up_to| up_to / sum <= number);
                counts[self.rows[place.min(self.rows.len() - 1)] as usize] += 1.0;
            }
        } else {
            for place in state.draws_below(self.rows.len() as u32, drawn) {
                counts[self.rows[place as usize] as usize] += 1.0;
            }
        }
        if let (true, Target::Classes { codes, count }) = (self.rebalanced, &self.ground.samples.target) {
            let mut drawn = vec![0.0; *count];
            for &row in self.rows {
                drawn[codes[row as usize] as usize] += counts[row as usize];
            }
            let weights = balanced(&drawn);
            for &row in self.rows {
                counts[row as usize] *= weights[codes[row as usize] as usize];
            }
        }
        counts
    }
}

/// Rows drawn for each tree; a share is one of the total weight.
fn drawn(max_samples: Option<ShareOrCount>, rows: usize, weight: Option<f64>) -> usize {
    match max_samples {
        None => rows,
        Some(share) if share.get() < 1.0 => ((share.get() * weight.unwrap_or(rows as f64)) as usize).max(1),
        Some(count) => count.get() as usize,
    }
}

/// Trees in their order, whatever the order in which they come.
struct Collected {
    waiting: BTreeMap<usize, Tree>,
    next: usize,
    trees: TreesBuilder,
    importances: Vec<f64>,
    /// By sample, the sum of predictions by trees that have not seen it, and their number.
    unseen: Option<(Vec<f64>, Vec<u32>)>,
    width: usize,
}

impl Collected {
    fn new(samples: &Samples, oob: bool) -> Collected {
        let width = samples.target.width();
        Collected {
            waiting: BTreeMap::new(),
            next: 0,
            trees: TreesBuilder::new(width),
            importances: vec![0.0; samples.encoder.width()],
            unseen: oob.then(|| (vec![0.0; samples.rows() * width], vec![0; samples.rows()])),
            width,
        }
    }

    fn add(&mut self, place: usize, tree: Tree) {
        self.waiting.insert(place, tree);
        while let Some(tree) = self.waiting.remove(&self.next) {
            self.next += 1;
            self.append(&tree);
        }
    }

    fn append(&mut self, tree: &Tree) {
        tree.grown.push_to(&mut self.trees);
        tree.grown.add_importances(&mut self.importances);
        let Some((sums, counts)) = &mut self.unseen else { return };
        for &(row, leaf) in &tree.unseen {
            counts[row as usize] += 1;
            let sums = sums[row as usize * self.width..].iter_mut();
            for (sum, value) in sums.zip(tree.grown.value(leaf)) {
                *sum += value;
            }
        }
    }

    /// Number of trees that have come.
    fn grown(&self) -> usize {
        self.next + self.waiting.len()
    }

    fn finish(mut self, samples: &Samples, rows: &[u32]) -> Fitted {
        let total: f64 = self.importances.iter().sum();
        if total > 0.0 {
            for importance in &mut self.importances {
                *importance /= total;
            }
        }
        let mut fitted = Fitted::new(samples.encoder.clone(), Estimator::Trees(self.trees.finish(Combine::Mean)));
        fitted.importances = self.importances;
        if let Some((sums, counts)) = &self.unseen {
            let seen = rows.iter().filter(|&&row| counts[row as usize] == 0).count();
            if seen > 0 {
                fitted.warnings.push(format!(
                    "{seen} rows were seen by every tree, so the out-of-bag score is unreliable; raise n_estimators"
                ));
            }
            fitted.oob_score = score_unseen(&samples.target, rows, sums, counts);
        }
        fitted
    }
}

/// r2 or accuracy of the means of `sums`.
fn score_unseen(target: &Target, rows: &[u32], sums: &[f64], counts: &[u32]) -> Option<f64> {
    match target {
        Target::Numbers(values) => {
            let mean = rows.iter().map(|&row| values[row as usize]).sum::<f64>() / rows.len() as f64;
            let (mut left, mut total) = (0.0, 0.0);
            for &row in rows {
                let (value, predicted) =
                    (values[row as usize], sums[row as usize] / f64::from(counts[row as usize].max(1)));
                left += (value - predicted) * (value - predicted);
                total += (value - mean) * (value - mean);
            }
            (total > 0.0).then(|| 1.0 - left / total)
        }
        Target::Classes { codes, count } => {
            let right = |row: &&u32| {
                let place = **row as usize;
                most_probable(&sums[place * count..(place + 1) * count]) == codes[place] as usize
            };
            Some(rows.iter().filter(right).count() as f64 / rows.len() as f64)
        }
    }
}
