//! All points of a grid from a few atlases.

use std::collections::BTreeMap;

use rayon::prelude::*;
use slipway_spec::{Criterion, Parameters};

use super::grow::Limits;
use super::{DecisionTree, random_state};
use crate::learner::Scorer;

/// Points that differ only in where growth stops and in what breaks ties.
type Group = (Option<Criterion>, Vec<Point>);

/// A point of the grid: its place, where its tree stops growing, and the seed that breaks its ties.
type Point = (usize, Limits, i64);

impl DecisionTree<'_> {
    /// The score of every point. Points that differ only in where growth stops share an atlas.
    pub(super) fn validate_grid(
        &self,
        points: &[Parameters],
        rows: &[u32],
        validation: &[u32],
        scorer: &Scorer,
    ) -> Vec<Option<f64>> {
        let mut groups: BTreeMap<(Option<&str>, usize), Group> = BTreeMap::new();
        for (place, parameters) in points.iter().enumerate() {
            let limits = Limits::new(parameters, rows.len());
            let key = (parameters.criterion.map(Criterion::name), limits.leaf);
            let group = groups.entry(key).or_insert((parameters.criterion, Vec::new()));
            group.1.push((place, limits, random_state(parameters)));
        }
        let groups: Vec<_> = groups.into_values().collect();
        let scored: Vec<Vec<(usize, Option<f64>)>> = groups
            .par_iter()
            .map(|(criterion, points)| self.validate_group(*criterion, points, rows, validation, scorer))
            .collect();
        let mut scores = vec![None; points.len()];
        for (place, score) in scored.into_iter().flatten() {
            scores[place] = score;
        }
        scores
    }

    fn validate_group(
        &self,
        criterion: Option<Criterion>,
        points: &[Point],
        rows: &[u32],
        validation: &[u32],
        scorer: &Scorer,
    ) -> Vec<(usize, Option<f64>)> {
        let limits = points.iter().map(|(_, limits, _)| *limits);
        let Some(widest) = limits.reduce(Limits::widest) else { return Vec::new() };
        let mut atlas = self.atlas(rows, criterion, widest);
        let mut raw = Vec::new();
        let score = |&(place, limits, random_state): &Point| {
            let plan = atlas.plan(limits, random_state);
            raw.clear();
            for &row in validation {
                raw.extend_from_slice(atlas.value(atlas.leaf(&plan, row)));
            }
            (place, scorer.score(&self.samples.target, validation, &raw))
        };
        points.iter().map(score).collect()
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
