//! Boosting, stage by stage, whatever grows the trees (Friedman 2001).

use slipway_model::TreeNode;

use super::loss::{Loss, Slope, Truth};
use crate::rng::Rng;

/// How to boost.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    pub(super) loss: Loss,
    pub(super) learning_rate: f64,
    /// Most stages.
    pub(super) stages: usize,
    /// Share of the rows that each stage learns from.
    pub(super) subsample: f64,
    /// Whether raw predictions start at 0 instead of the best constant.
    pub(super) from_zero: bool,
    pub(super) stop: Option<Stop>,
    pub(super) random_state: i64,
}

/// When to stop early.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stop {
    /// Share of the rows that are held back to see whether the loss still falls.
    pub(super) held: f64,
    /// Stages without a better loss to wait for.
    pub(super) patience: usize,
    /// What the loss must fall by to be better.
    pub(super) tolerance: f64,
    pub(super) rule: StopRule,
}

/// What a better loss is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StopRule {
    /// One of the last losses is better than the one before all of them.
    AnyOfTheLast,
    /// The newest loss is better than any of the losses that were.
    BetterThanOne,
}

/// What boosting made.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Boosted {
    /// Where each sum starts.
    pub(super) start: Vec<f64>,
    /// Stage by stage one tree a sum.
    pub(super) trees: Vec<Tree>,
}

/// A tree with its leaves' values, the learning rate included.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tree {
    pub(super) nodes: Vec<TreeNode>,
    pub(super) values: Vec<f64>,
    /// Of each split, its column and what it gained.
    pub(super) gains: Vec<(usize, f64)>,
}

/// The rows of a fit, with numbers of their own: first those to learn from, then those held back, then those watched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows<'a> {
    pub(super) training: Truth<'a>,
    pub(super) held: Truth<'a>,
    pub(super) watched: usize,
}

/// Grows trees for [`boost`].
pub(super) trait Grower {
    /// What is kept of a row's derivatives.
    type Slope: Clone + Send;
    type Tree;
    /// What chance is made of.
    type Generator: Generator;
    /// Whether leaves take the lower of two values that are both a quantile, also where no row has a weight.
    const LOWER_QUANTILES: bool;

    fn slope(slope: Slope) -> Self::Slope;

    /// Grows a tree against the slopes of the training rows; where `sample` is given, from these rows only.
    fn grow(&mut self, slopes: &[Self::Slope], sample: Option<&[u32]>, random: &mut Self::Generator) -> Self::Tree;

    /// Number of nodes of a tree.
    fn nodes(tree: &Self::Tree) -> usize;

    /// Calls `see` with each leaf of the tree grown last: its node, the rows it was grown from, and its value by one Newton
    /// step.
    fn leaves(&self, tree: &Self::Tree, loss: Loss, see: impl FnMut(usize, &[u32], f64));

    /// Calls `see` with each of some rows and the node of its leaf.
    fn find(&self, tree: &Self::Tree, rows: impl Iterator<Item = u32>, see: impl FnMut(u32, usize));

    /// The tree as a model keeps it. `values` has the value of each leaf at the place of its node.
    fn finish(&self, tree: Self::Tree, values: &[f64]) -> Tree;
}

/// Random numbers.
pub(super) trait Generator {
    /// Those of a seed.
    fn new(seed: i64) -> Self;

    /// Of `rows` rows, which are among the `count` that are drawn, each equally likely.
    fn sample(&mut self, count: usize, rows: usize) -> Vec<bool>;
}

impl Generator for Rng {
    fn new(seed: i64) -> Self {
        Rng::new(seed)
    }

    fn sample(&mut self, count: usize, rows: usize) -> Vec<bool> {
        let mut drawn: Vec<bool> = (0..rows).map(|place| place < count).collect();
        self.shuffle(&mut drawn);
        drawn
    }
}

/// What is told after each stage.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stage<'a> {
    /// How many stages there are now.
    pub(super) count: usize,
    /// Whether there will be no more.
    pub(super) last: bool,
    /// The raw predictions of the watched rows, by output.
    pub(super) raw: &'a [Vec<f64>],
}

/// Raw predictions of some rows, by output.
struct Raw {
    /// Number of the first row.
    first: usize,
    values: Vec<Vec<f64>>,
}

impl Raw {
    fn new(start: &[f64], first: usize, rows: usize) -> Raw {
        Raw { first, values: start.iter().map(|&start| vec![start; rows]).collect() }
    }

    fn rows(&self) -> std::ops::Range<u32> {
        self.first as u32..(self.first + self.values[0].len()) as u32
    }

    /// Adds a tree to an output.
    fn add<G: Grower>(&mut self, grower: &G, tree: &G::Tree, values: &[f64], output: usize) {
        let (first, rows) = (self.first, self.rows());
        let raw = &mut self.values[output];
        grower.find(tree, rows, |row, leaf| raw[row as usize - first] += values[leaf]);
    }
}

/// Boosts trees of `grower`.
pub(super) fn boost<G: Grower>(
    grower: &mut G,
    plan: &Plan,
    rows: Rows<'_>,
    mut watch: impl FnMut(Stage<'_>),
) -> Boosted {
    let Rows { training, held, watched } = rows;
    let mut loss = plan.loss;
    let start = if plan.from_zero { vec![0.0; loss.outputs()] } else { loss.start(training) };
    let trained = training.values.len();
    let mut raw = Raw::new(&start, 0, trained);
    let mut raw_held = Raw::new(&start, trained, held.values.len());
    let mut raw_watched = Raw::new(&start, trained + held.values.len(), watched);
    let mut random = G::Generator::new(plan.random_state);
    let mut slopes = vec![vec![G::slope([0.0; 2]); trained]; loss.outputs()];
    let mut boosted = Boosted { start, trees: Vec::new() };
    let mut patience = plan.stop.map(|stop| Patience { stop, losses: Vec::new() });
    for stage in 0..=plan.stages {
        let (truth, judged) = if held.values.is_empty() { (training, &raw) } else { (held, &raw_held) };
        let is_over = patience.as_mut().is_some_and(|patience| patience.is_over(loss.mean(truth, &judged.values)));
        let last = is_over || stage == plan.stages;
        if stage > 0 {
            watch(Stage { count: stage, last, raw: &raw_watched.values });
        }
        if last {
            break;
        }
        loss = loss.adapted(training, &raw.values);
        loss.slopes(training, &raw.values, &mut slopes, G::slope);
        let drawn = Drawn::new(plan.subsample, trained, &mut random);
        for (output, slopes) in slopes.iter().enumerate() {
            let tree = grower.grow(slopes, drawn.as_ref().map(|drawn| &drawn.inside[..]), &mut random);
            let values = leaf_values(grower, &tree, loss, training, &raw.values[output], plan.learning_rate);
            let own = &mut raw.values[output];
            grower.leaves(&tree, loss, |leaf, rows, _| rows.iter().for_each(|&row| own[row as usize] += values[leaf]));
            if let Some(drawn) = &drawn {
                grower.find(&tree, drawn.outside.iter().copied(), |row, leaf| own[row as usize] += values[leaf]);
            }
            raw_held.add(grower, &tree, &values, output);
            raw_watched.add(grower, &tree, &values, output);
            boosted.trees.push(grower.finish(tree, &values));
        }
    }
    boosted
}

/// The value of each leaf of a tree, at the place of its node.
fn leaf_values<G: Grower>(
    grower: &G,
    tree: &G::Tree,
    loss: Loss,
    training: Truth<'_>,
    raw: &[f64],
    learning_rate: f64,
) -> Vec<f64> {
    let mut values = vec![0.0; G::nodes(tree)];
    grower.leaves(tree, loss, |leaf, rows, newton| {
        let value = if loss.solves_leaves() {
            let error = |&row: &u32| training.values[row as usize] - raw[row as usize];
            let errors: Vec<f64> = rows.iter().map(error).collect();
            let weight = |weights: &[f64]| rows.iter().map(|&row| weights[row as usize]).collect();
            let alike = || G::LOWER_QUANTILES.then(|| vec![1.0; rows.len()]);
            let weights: Option<Vec<f64>> = training.weights.map(weight).or_else(alike);
            loss.leaf(Truth { values: &errors, weights: weights.as_deref() })
        } else {
            newton
        };
        values[leaf] = value * learning_rate;
    });
    values
}

/// A sample of the rows, both parts ascending.
struct Drawn {
    inside: Vec<u32>,
    outside: Vec<u32>,
}

impl Drawn {
    /// None: all rows.
    fn new(share: f64, rows: usize, random: &mut impl Generator) -> Option<Drawn> {
        let count = ((share * rows as f64) as usize).max(1);
        if count >= rows {
            return None;
        }
        let drawn = random.sample(count, rows);
        let (inside, outside) = (0..rows as u32).partition(|&row| drawn[row as usize]);
        Some(Drawn { inside, outside })
    }
}

/// Waits for a better loss.
struct Patience {
    stop: Stop,
    losses: Vec<f64>,
}

impl Patience {
    /// Takes the loss after the next stage, at first the one before any, and says whether to stop.
    fn is_over(&mut self, loss: f64) -> bool {
        let Stop { patience, tolerance, rule, .. } = self.stop;
        self.losses.push(loss);
        let Some(first) = self.losses.len().checked_sub(patience + 1) else { return false };
        let recent = &self.losses[first..];
        match rule {
            StopRule::AnyOfTheLast => !recent[1..].iter().any(|later| *later < recent[0] - tolerance),
            // The loss before any stage does not count.
            StopRule::BetterThanOne if first == 0 => false,
            StopRule::BetterThanOne => !recent[..patience].iter().any(|before| loss + tolerance < *before),
        }
    }
}
