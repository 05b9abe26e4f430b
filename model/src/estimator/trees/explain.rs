//! What each column adds to a prediction of trees: Shapley values, exactly.
//!
//! The game is that of *path-dependent TreeSHAP* (Lundberg, Erion and Lee 2018, arXiv:1802.03888; Lundberg et al. 2020, Nature
//! Machine Intelligence 2): where a column is not known, a row goes down both sides of its splits, in proportion to what the
//! training rows there weigh. A leaf of value `v` then gives a column of its path
//!
//! ```text
//! v (o - z) ∫ Π (o' t + z' (1 - t)) dt      t from 0 to 1, over the other columns of the path
//! ```
//!
//! where `o` is 1 if the row satisfies every split of the path on the column and otherwise 0, and `z` the share of the training
//! weight that does; the integral of `t^s (1 - t)^(n - 1 - s)` is the weight of Shapley (1953) of a coalition of `s` of `n`. What
//! is integrated is a polynomial of a degree below the number of columns on the path, so that Gauss and Legendre's quadrature
//! on half as many points gives it exactly. As in Linear TreeSHAP (Yu et al. 2022, arXiv:2209.08192), the products are made on
//! the way down and the leaves below a node added up on the way back: each node costs as many steps as there are points, and
//! nothing is ever subtracted from a product.

use super::{Combine, Node, Trees};
use crate::estimator::Asked;

/// Points that are computed side by side.
const WIDE: usize = 4;
/// Most numbers that the way to a leaf may take: deeper trees cannot be explained.
const MAX_PATH: usize = 1 << 20;

type Points = [f64; WIDE];

/// How trees are explained: found out once for a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Points of the quadrature in from 0 to 1; those that fill up the last block have no weight.
    points: Vec<Points>,
    weights: Vec<Points>,
    /// The weights divided by 1 - point: what columns whose splits a row does not satisfy are weighed by.
    unsatisfied: Vec<Points>,
    /// Edges on the longest way to a leaf.
    depth: usize,
    nodes: usize,
}

impl Plan {
    /// How `trees`, which are sound, are explained; otherwise why they cannot be.
    pub fn new(trees: &Trees) -> Result<Plan, &'static str> {
        if trees.weights.is_none() {
            return Err("its trees do not hold what the training rows weigh; train it again");
        }
        let (depth, distinct) = measure(trees);
        let count = distinct.div_ceil(2).max(1);
        if count.next_multiple_of(WIDE).saturating_mul(depth + 1) > MAX_PATH {
            return Err("its trees are too deep");
        }
        let (points, weights) = quadrature(count);
        let divided =
            |(weights, points): (&Points, &Points)| std::array::from_fn(|lane| weights[lane] / (1.0 - points[lane]));
        let unsatisfied = weights.iter().zip(&points).map(divided).collect();
        Ok(Plan { points, weights, unsatisfied, depth, nodes: trees.nodes() })
    }

    /// Steps that explaining one row takes, some nanoseconds each.
    pub fn steps(&self) -> usize {
        self.nodes * (self.points.len() + 1)
    }
}

/// Edges on the longest way to a leaf, and the most different columns on one.
fn measure(trees: &Trees) -> (usize, usize) {
    let mut on_path = vec![0_u32; trees.nodes.columns()];
    let (mut depth, mut distinct, mut most) = (0, 0, 0);
    // The places of splits, once to enter them and once to leave them.
    let mut open = Vec::new();
    let mut levels = 0;
    trees.nodes.each_tree(|nodes| {
        open.push((0, true));
        while let Some((place, enters)) = open.pop() {
            let node: Node = nodes[place as usize];
            if node.is_leaf() {
                continue;
            }
            let count = &mut on_path[node.column()];
            if enters {
                distinct += usize::from(*count == 0);
                *count += 1;
                levels += 1;
                (depth, most) = (depth.max(levels), most.max(distinct));
                open.extend([(place, false), (node.left + 1, true), (node.left, true)]);
            } else {
                *count -= 1;
                distinct -= usize::from(*count == 0);
                levels -= 1;
            }
        }
    });
    (depth, most)
}

/// Points and weights from 0 to 1 that integrate every polynomial of a degree below `2 count` exactly (Gauss and Legendre).
fn quadrature(count: usize) -> (Vec<Points>, Vec<Points>) {
    let blocks = count.div_ceil(WIDE);
    let mut points = vec![[0.5; WIDE]; blocks];
    let mut weights = vec![[0.0; WIDE]; blocks];
    let n = count as f64;
    for place in 0..count {
        // Newton's method finds the roots of Legendre's polynomial from where they nearly are.
        let mut x = (std::f64::consts::PI * (place as f64 + 0.75) / (n + 0.5)).cos();
        let mut slope = 1.0;
        for _ in 0..100 {
            let (mut before, mut value) = (1.0, x);
            for degree in 2..=count {
                let degree = degree as f64;
                (before, value) = (value, ((2.0 * degree - 1.0) * x * value - (degree - 1.0) * before) / degree);
            }
            slope = n * (x * value - before) / (x * x - 1.0);
            let step = value / slope;
            x -= step;
            if step.abs() < 1e-16 {
                break;
            }
        }
        points[place / WIDE][place % WIDE] = f64::midpoint(1.0, x);
        weights[place / WIDE][place % WIDE] = 1.0 / ((1.0 - x * x) * slope * slope);
    }
    (points, weights)
}

/// One way into a node: the state of the column that leads there, on this way and before.
#[derive(Clone, Copy, Debug, Default)]
struct Edge {
    node: u32,
    column: u32,
    now: State,
    before: State,
    /// Whether the left side is done.
    left_done: bool,
}

/// Whether a row satisfies all splits on a column so far, and the share of the training rows that does.
#[derive(Clone, Copy, Debug)]
struct State {
    on: bool,
    share: f64,
}

impl Default for State {
    /// No split so far.
    fn default() -> Self {
        State { on: true, share: 1.0 }
    }
}

impl State {
    /// Its factor in the product of the path.
    #[inline]
    fn factor(self, point: f64) -> f64 {
        let without = self.share * (1.0 - point);
        if self.on { point + without } else { without }
    }

    /// Whether it is that of a column without a split so far, whose factor is 1.
    fn is_fresh(self) -> bool {
        self.on && self.share >= 1.0
    }

    /// What it gives its column, by the sums over the leaves below.
    fn gives(self, plan: &Plan, sums: &[Points]) -> f64 {
        let mut given = [0.0; WIDE];
        if !self.on {
            // The share is in the difference and in the factor.
            for (weights, sums) in plan.unsatisfied.iter().zip(sums) {
                for lane in 0..WIDE {
                    given[lane] -= weights[lane] * sums[lane];
                }
            }
            return given.iter().sum();
        }
        if self.is_fresh() {
            return 0.0;
        }
        for ((points, weights), sums) in plan.points.iter().zip(&plan.weights).zip(sums) {
            for lane in 0..WIDE {
                given[lane] += weights[lane] * sums[lane] / self.factor(points[lane]);
            }
        }
        (1.0 - self.share) * given.iter().sum::<f64>()
    }
}

impl Trees {
    /// How leaves become a prediction.
    pub(in crate::estimator) fn combine(&self) -> &Combine {
        &self.combine
    }

    /// Explains `rows`; `plan` is the trees' own, which are sound. Of two classes with one sum, the second is explained.
    pub(in crate::estimator) fn explain(&self, plan: &Plan, rows: &mut [Asked<'_>]) {
        let Some(weights) = &self.weights else { return };
        let mut leaves = weights.iter();
        let mut walk = Walk::new(self, plan);
        let base: &[f64] = match &self.combine {
            Combine::Mean => &[],
            Combine::Sum { base, .. } => base,
        };
        let sum = |row: &Asked<'_>| if base.len() == 1 { 0 } else { row.class };
        let mut tree = 0;
        self.nodes.each_tree(|nodes| {
            walk.weigh(nodes, &mut leaves);
            for row in &mut *rows {
                let value = match base.len() {
                    0 => row.class,
                    sums if tree % sums == sum(row) => 0,
                    _ => continue,
                };
                row.base += walk.explain(nodes, value, row.columns, row.contributions);
            }
            tree += 1;
        });
        for row in rows {
            if base.is_empty() {
                let count = self.count() as f64;
                row.base /= count;
                row.contributions.iter_mut().for_each(|contribution| *contribution /= count);
            } else {
                row.base += base[sum(row)];
            }
        }
    }
}

/// What walking trees needs.
struct Walk<'t> {
    trees: &'t Trees,
    plan: &'t Plan,
    /// The state of each column on the way.
    states: Vec<State>,
    edges: Vec<Edge>,
    /// Of each level of the way, the product of the factors; the root's first.
    products: Vec<Points>,
    /// Of each level, the leaves below that were seen, each times its product.
    sums: Vec<Points>,
    /// What each node of the tree weighs.
    heavy: Vec<f64>,
    open: Vec<u32>,
}

impl<'t> Walk<'t> {
    fn new(trees: &'t Trees, plan: &'t Plan) -> Walk<'t> {
        let path = plan.points.len() * (plan.depth + 1);
        Walk {
            trees,
            plan,
            states: vec![State::default(); trees.nodes.columns()],
            edges: Vec::with_capacity(plan.depth),
            products: vec![[1.0; WIDE]; path],
            sums: vec![[0.0; WIDE]; path],
            heavy: Vec::new(),
            open: Vec::new(),
        }
    }

    /// Adds up what the nodes of a tree weigh, of which `leaves` gives the leaves' weights.
    fn weigh(&mut self, nodes: &[Node], leaves: &mut impl Iterator<Item = f64>) {
        self.heavy.clear();
        self.heavy.resize(nodes.len(), 0.0);
        self.open.push(0);
        while let Some(place) = self.open.pop() {
            let node = nodes[place as usize];
            if node.is_leaf() {
                self.heavy[place as usize] = leaves.next().unwrap_or(1.0);
            } else {
                self.open.extend([node.left + 1, node.left]);
            }
        }
        // Children come after their parent.
        for (place, node) in nodes.iter().enumerate().rev().filter(|(_, node)| !node.is_leaf()) {
            let left = node.left as usize;
            self.heavy[place] = self.heavy[left] + self.heavy[left + 1];
        }
    }

    /// Adds what each column adds to number `value` of the leaves; returns what the tree gives where nothing is known.
    fn explain(&mut self, nodes: &[Node], value: usize, columns: &[f64], contributions: &mut [f64]) -> f64 {
        let wide = self.plan.points.len();
        let mut base = 0.0;
        let mut place = 0;
        loop {
            let node = nodes[place as usize];
            let level = self.edges.len();
            if !node.is_leaf() {
                self.enter(place, node, node.left, columns);
                place = node.left;
                continue;
            }
            let leaf = self.trees.values[node.payload as usize * self.trees.width + value];
            base += leaf * self.heavy[place as usize];
            let (products, sums) = (&self.products[level * wide..], &mut self.sums[level * wide..]);
            for (sums, products) in sums.iter_mut().zip(&products[..wide]) {
                *sums = products.map(|product| leaf * product);
            }
            // Back, to where the right side is still to be seen.
            let next = loop {
                let Some(edge) = self.edges.pop() else { return base / self.heavy[0] };
                self.leave(edge, contributions);
                if !edge.left_done {
                    break edge.node;
                }
            };
            let node = nodes[next as usize];
            self.enter(next, node, node.left + 1, columns);
            place = node.left + 1;
        }
    }

    /// Goes from a split to its child `to`.
    fn enter(&mut self, place: u32, node: Node, to: u32, columns: &[f64]) {
        let column = node.column();
        let before = self.states[column];
        let goes = node.next(columns[column] as f32, &self.trees.sets) == to;
        let share = self.heavy[to as usize] / self.heavy[place as usize];
        let now = State { on: before.on && goes, share: before.share * share };
        self.states[column] = now;
        let wide = self.plan.points.len();
        let level = self.edges.len();
        let (above, below) = self.products[level * wide..].split_at_mut(wide);
        if before.on {
            let fresh = before.is_fresh();
            for ((below, above), points) in below.iter_mut().zip(above).zip(&self.plan.points) {
                for lane in 0..WIDE {
                    let divisor = if fresh { 1.0 } else { before.factor(points[lane]) };
                    below[lane] = above[lane] * (now.factor(points[lane]) / divisor);
                }
            }
        } else {
            // Most edges lead where the row does not go, and need no division.
            for (below, above) in below.iter_mut().zip(above) {
                *below = above.map(|product| product * share);
            }
        }
        if to == node.left {
            self.sums[level * wide..][..wide].fill([0.0; WIDE]);
        }
        self.edges.push(Edge { node: place, column: column as u32, now, before, left_done: to != node.left });
    }

    /// Goes back over `edge`, which was the last.
    fn leave(&mut self, edge: Edge, contributions: &mut [f64]) {
        let wide = self.plan.points.len();
        let (above, below) = self.sums[self.edges.len() * wide..].split_at_mut(wide);
        let below = &below[..wide];
        // The leaves below belong to the latest state of their column only.
        if edge.now.on || edge.before.on {
            contributions[edge.column as usize] +=
                edge.now.gives(self.plan, below) - edge.before.gives(self.plan, below);
        }
        for (above, below) in above.iter_mut().zip(below) {
            for lane in 0..WIDE {
                above[lane] += below[lane];
            }
        }
        self.states[edge.column as usize] = edge.before;
    }
}

#[cfg(test)]
mod tests;
