//! All points of a grid from a few atlases.

use std::collections::BTreeMap;

use rayon::prelude::*;
use slipway_spec::{Fraction, IntOrNone, MaxFeatures, Parameters, Splitter};

use super::atlas::Atlas;
use super::criterion::{Criterion, SumsMemory};
use super::draw::RandomState;
use super::grow::Limits;
use super::weights::weights;
use super::{DecisionTree, check_target, random_state};
use crate::learner::{FitError, Scorer};

/// Points that differ only in where growth stops and in what breaks ties.
struct Group<'p> {
    /// One of them.
    parameters: &'p Parameters,
    points: Vec<Point>,
}

/// A point of the grid: its place, where its tree stops growing, and the seed that breaks its ties.
type Point = (usize, Limits, u32);

/// Whether nothing random and nothing that looks ahead decides the splits, so that trees of other limits share them.
pub(super) fn shares_growth(parameters: &Parameters) -> bool {
    parameters.splitter != Some(Splitter::Random)
        && parameters.max_features.is_none_or(|most| most == MaxFeatures::All)
        && matches!(parameters.max_leaf_nodes, None | Some(IntOrNone::None))
        && parameters.min_impurity_decrease.is_none_or(|decrease| decrease.get() == 0.0)
        && parameters.ccp_alpha.is_none_or(|alpha| alpha.get() == 0.0)
        && parameters.monotonic_cst.is_none()
}

impl DecisionTree<'_> {
    /// The score of every point. Points that differ only in where growth stops share an atlas.
    pub(super) fn validate_grid(
        &self,
        points: &[Parameters],
        rows: &[u32],
        validation: &[u32],
        scorer: &Scorer,
    ) -> Result<Vec<Option<f64>>, FitError> {
        let mut groups: BTreeMap<String, Group<'_>> = BTreeMap::new();
        for (place, parameters) in points.iter().enumerate() {
            let limits = Limits::new(parameters, rows.len());
            let Parameters { criterion, class_weight, min_weight_fraction_leaf, .. } = parameters;
            let key = format!("{criterion:?} {class_weight:?} {min_weight_fraction_leaf:?} {}", limits.leaf);
            let seed = RandomState::new(random_state(parameters)).splitter_seed();
            let group = groups.entry(key).or_insert(Group { parameters, points: Vec::new() });
            group.points.push((place, limits, seed));
        }
        let groups: Vec<_> = groups.into_values().collect();
        let score = |group: &Group<'_>| self.validate_group(group, rows, validation, scorer);
        let scored: Vec<Vec<(usize, Option<f64>)>> = groups.par_iter().map(score).collect::<Result<_, _>>()?;
        let mut scores = vec![None; points.len()];
        for (place, score) in scored.into_iter().flatten() {
            scores[place] = score;
        }
        Ok(scores)
    }

    fn validate_group(
        &self,
        group: &Group<'_>,
        rows: &[u32],
        validation: &[u32],
        scorer: &Scorer,
    ) -> Result<Vec<(usize, Option<f64>)>, FitError> {
        let limits = group.points.iter().map(|(_, limits, _)| *limits);
        let Some(widest) = limits.reduce(Limits::widest) else { return Ok(Vec::new()) };
        let (samples, parameters) = (self.0.samples, group.parameters);
        check_target(samples, rows, parameters)?;
        let weights = weights(samples, rows, parameters.class_weight.as_ref())?;
        let weight = |row: &u32| weights.as_ref().map_or(1.0, |weights| weights[*row as usize]);
        let heavy: Vec<u32> = rows.iter().copied().filter(|row| weight(row) != 0.0).collect();
        let fraction = parameters.min_weight_fraction_leaf.map_or(0.0, Fraction::get);
        let min_weight = fraction * heavy.iter().map(weight).sum::<f64>();
        let criterion =
            Criterion::new(parameters.criterion, &samples.target, weights.as_deref(), &heavy, SumsMemory::default());
        let mut atlas = Atlas::new(&self.0.sorted, &heavy, criterion, widest, min_weight);
        let mut raw = Vec::new();
        let score = |&(place, limits, seed): &Point| {
            let plan = atlas.plan(limits, seed);
            raw.clear();
            for &row in validation {
                raw.extend_from_slice(atlas.value(atlas.leaf(&plan, row)));
            }
            (place, scorer.score(&samples.target, validation, &raw))
        };
        Ok(group.points.iter().map(score).collect())
    }
}

impl Limits {
    /// Limits that stop neither of two trees.
    fn widest(self, other: Limits) -> Limits {
        Limits {
            depth: self.depth.max(other.depth),
            split: self.split.min(other.split),
            leaf: self.leaf.min(other.leaf),
        }
    }
}
