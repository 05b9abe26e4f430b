//! All points of a grid from a few trees.

use std::collections::BTreeMap;

use rayon::prelude::*;
use slipway_spec::{Criterion, Parameters};

use super::DecisionTree;
use super::grow::{Grown, Limits};
use crate::learner::Scorer;

/// A point of the grid: its place and where its tree stops growing.
type Point = (usize, Limits);

impl DecisionTree<'_> {
    /// The score of every point: one tree for each criterion and `min_samples_leaf`, grown as far as any of its points
    /// wants, and read off at the node where each point's own tree would have ended.
    pub(super) fn validate_grid(
        &self,
        points: &[Parameters],
        rows: &[u32],
        validation: &[u32],
        scorer: &Scorer,
    ) -> Vec<Option<f64>> {
        let mut groups: BTreeMap<(Option<&str>, usize), (Option<Criterion>, Vec<Point>)> = BTreeMap::new();
        for (place, parameters) in points.iter().enumerate() {
            let limits = Limits::new(parameters, rows.len());
            let key = (parameters.criterion.map(Criterion::name), limits.leaf);
            groups.entry(key).or_insert((parameters.criterion, Vec::new())).1.push((place, limits));
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
        let Some(widest) = points.iter().map(|(_, limits)| *limits).reduce(Limits::widest) else { return Vec::new() };
        let tree = self.grow(rows, criterion, widest);
        // Points that stop at the same size differ only in depth: one walk down the tree serves them all.
        let mut by_split: BTreeMap<usize, Vec<Point>> = BTreeMap::new();
        for &point in points {
            by_split.entry(point.1.split).or_default().push(point);
        }
        let mut scores = Vec::with_capacity(points.len());
        let mut ends = Vec::new();
        for (split, mut points) in by_split {
            points.sort_by_key(|(_, limits)| limits.depth);
            ends.clear();
            ends.resize(points.len() * validation.len(), 0);
            for (place, &row) in validation.iter().enumerate() {
                self.walk(&tree, row, split, &points, |point, node| ends[point * validation.len() + place] = node);
            }
            for ((place, _), ends) in points.iter().zip(ends.chunks_exact(validation.len())) {
                let raw: Vec<f64> = ends.iter().flat_map(|&node| tree.value(node as usize)).copied().collect();
                scores.push((*place, scorer.score(&self.samples.target, validation, &raw)));
            }
        }
        scores
    }

    /// The node where a row ends for each of `points`, which ascend by depth.
    fn walk(&self, tree: &Grown, row: u32, split: usize, points: &[Point], mut end: impl FnMut(usize, u32)) {
        let (mut node, mut depth, mut point) = (0, 0, 0);
        loop {
            let at = &tree.nodes[node];
            let last = at.left == 0 || (at.rows as usize) < split;
            while point < points.len() && (last || points[point].1.depth == depth) {
                end(point, node as u32);
                point += 1;
            }
            if point == points.len() {
                return;
            }
            node = tree.child(node, self.sorted.columns[at.column as usize].values[row as usize]);
            depth += 1;
        }
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
