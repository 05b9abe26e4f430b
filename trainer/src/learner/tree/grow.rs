//! Growing one tree.

use std::collections::BinaryHeap;
use std::ops::Range;

use slipway_model::{TreeNode, TreesBuilder};

use super::draw::Order;
use super::grower::{Columns, NodeRows, Rules, Split, Workspace};
use super::presort::Presorted;

/// Where growth stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Limits {
    /// Greatest depth; the root's is 0.
    pub(crate) depth: usize,
    /// Fewest rows a node needs to be split; at least twice `leaf`.
    pub(crate) split: usize,
    /// Fewest rows of a leaf; at least 1.
    pub(crate) leaf: usize,
}

/// How a tree grows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Options {
    pub(crate) limits: Limits,
    /// Columns looked at for a split.
    pub(crate) max_features: usize,
    /// Most leaves; a tree with such a limit grows where it gains most.
    pub(crate) leaves: Option<usize>,
    /// Decrease of impurity that a split must bring, weighted by the share of the rows.
    pub(crate) min_decrease: f64,
    /// Least share of all weights in a leaf.
    pub(crate) min_weight_fraction: f64,
    /// Of each column, whether predictions may only rise (1) or fall (-1) with it; empty where no column has a rule.
    pub(crate) monotonic: Vec<i8>,
    /// Complexity that a branch must earn or be pruned.
    pub(crate) ccp_alpha: f64,
}

/// A tree that was grown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grown {
    /// The root first. Some may be no part of the tree: growth was tried there and given up.
    pub(crate) nodes: Vec<GrownNode>,
    /// What each node predicts, one after the other, each of `width` numbers.
    pub(crate) values: Vec<f64>,
    /// Numbers in a prediction.
    pub(crate) width: usize,
}

/// A node of a tree that was grown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GrownNode {
    /// Where its rows begin among those of the tree, which are sorted so that those of a node stand together.
    pub(crate) start: usize,
    /// Number of its rows.
    pub(crate) rows: usize,
    /// Their weight.
    pub(crate) weight: f64,
    pub(crate) impurity: f64,
    /// How it is split, and the place of its left child, which the right one follows; `None` for a leaf.
    pub(crate) split: Option<(Split, usize)>,
}

/// Finds splits, and keeps the rows of nodes together.
pub(super) trait Splitter<'a> {
    /// The rows of nodes.
    fn nodes(&mut self) -> &mut NodeRows<'a>;

    /// Gives its memory back.
    fn finish(self, workspace: &mut Workspace);

    /// Starts with a node of these rows, which are ascending and not none.
    fn begin(&mut self, rows: &[u32]);

    /// A split of a node with these statistics, if one is allowed. Also says how many columns are known to be constant below.
    fn find(
        &mut self,
        range: Range<usize>,
        statistics: &[f64],
        rules: &Rules<'_>,
        order: &mut Order,
        columns: Columns,
    ) -> (Option<Split>, usize);

    /// Sorts a node's rows into its children's, so that these can be measured.
    fn split_rows(&mut self, range: Range<usize>, split: &Split);

    /// Sorts whatever else is needed before those of the children that `goes_on` names can be split. Follows
    /// [`Splitter::split_rows`]; `at_once` says that no other node was looked at since.
    fn split_orders(&mut self, range: Range<usize>, split: &Split, at_once: bool, goes_on: [bool; 2]);
}

/// Grows a tree on `rows`, which are ascending and not none, as scikit-learn's depth-first and best-first builders do.
pub(super) fn grow<'a>(
    mut splitter: impl Splitter<'a>,
    rows: &[u32],
    options: &Options,
    mut order: Order,
    workspace: &mut Workspace,
) -> Grown {
    splitter.begin(rows);
    let criterion = &splitter.nodes().criterion;
    let (width, described) = (criterion.width(), criterion.statistics());
    // Memory that is not used is never touched.
    let most = most_nodes(rows.len(), options);
    let mut growing = Growing {
        splitter: &mut splitter,
        options,
        order: &mut order,
        grown: Grown { nodes: Vec::with_capacity(most), values: Vec::with_capacity(most * width), width },
        statistics: Vec::with_capacity(most * described),
        described,
        min_weight: 0.0,
    };
    let weight = growing.add(0..rows.len());
    growing.min_weight = options.min_weight_fraction * weight;
    let root = Open { place: 0, depth: 0, known: 0, bounds: [f64::NEG_INFINITY, f64::INFINITY] };
    match options.leaves {
        None => growing.depth_first(root),
        Some(leaves) => growing.best_first(root, leaves),
    }
    let mut grown = growing.grown;
    splitter.finish(workspace);
    if options.ccp_alpha > 0.0 {
        grown.prune(options.ccp_alpha);
    }
    grown
}

/// Most nodes of a tree on so many rows.
fn most_nodes(rows: usize, options: &Options) -> usize {
    let by_depth =
        u32::try_from(options.limits.depth.saturating_add(1)).ok().and_then(|levels| 1_usize.checked_shl(levels));
    let leaves = options.leaves.unwrap_or(rows).min(rows);
    (2 * leaves).min(by_depth.unwrap_or(usize::MAX))
}

/// A node that may be split.
#[derive(Clone, Copy)]
struct Open {
    place: usize,
    depth: usize,
    /// Columns known to be constant.
    known: usize,
    /// What predictions may be, least and most.
    bounds: [f64; 2],
}

/// A split that may be made: those that decrease impurity most come first, among equals the one that was found first.
struct Planned {
    decrease: f64,
    open: Open,
    split: Split,
    children: [Open; 2],
}

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Planned {}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Planned {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.decrease.total_cmp(&other.decrease).then(other.open.place.cmp(&self.open.place))
    }
}

struct Growing<'g, S> {
    splitter: &'g mut S,
    options: &'g Options,
    order: &'g mut Order,
    grown: Grown,
    /// Of each node, `described` numbers.
    statistics: Vec<f64>,
    described: usize,
    min_weight: f64,
}

impl<'a, S: Splitter<'a>> Growing<'_, S> {
    fn depth_first(&mut self, root: Open) {
        let mut open: Vec<Open> = self.can_be_split(&root).then_some(root).into_iter().collect();
        while let Some(next) = open.pop() {
            let Some(planned) = self.plan(next) else { continue };
            let (range, [left, right]) = (self.range(next.place), planned.children);
            self.grown.nodes[next.place].split = Some((planned.split, left.place));
            let (goes_on_left, goes_on_right) = (self.can_be_split(&left), self.can_be_split(&right));
            self.splitter.split_orders(range, &planned.split, true, [goes_on_left, goes_on_right]);
            // The left side comes first.
            open.extend(goes_on_right.then_some(right));
            open.extend(goes_on_left.then_some(left));
        }
    }

    fn best_first(&mut self, root: Open, leaves: usize) {
        let mut planned: BinaryHeap<Planned> = BinaryHeap::new();
        if self.can_be_split(&root) {
            planned.extend(self.plan(root));
        }
        for _ in 1..leaves {
            let Some(Planned { open, split, children, .. }) = planned.pop() else { return };
            self.grown.nodes[open.place].split = Some((split, children[0].place));
            let goes_on = children.map(|child| self.can_be_split(&child));
            self.splitter.split_orders(self.range(open.place), &split, false, goes_on);
            for (child, goes_on) in children.into_iter().zip(goes_on) {
                // Which columns are constant is found out anew, as in scikit-learn.
                if goes_on {
                    planned.extend(self.plan(Open { known: 0, ..child }));
                }
            }
        }
    }

    fn range(&self, place: usize) -> Range<usize> {
        let GrownNode { start, rows, .. } = self.grown.nodes[place];
        start..start + rows
    }

    fn can_be_split(&self, open: &Open) -> bool {
        let GrownNode { rows, weight, impurity, .. } = self.grown.nodes[open.place];
        let limits = &self.options.limits;
        open.depth < limits.depth && rows >= limits.split && weight >= 2.0 * self.min_weight && impurity > f64::EPSILON
    }

    /// Adds a node of the rows in `range`; returns its weight.
    fn add(&mut self, range: Range<usize>) -> f64 {
        let place = self.grown.nodes.len();
        let (start, rows) = (range.start, range.len());
        self.statistics.resize((place + 1) * self.described, 0.0);
        let statistics = &mut self.statistics[place * self.described..];
        let nodes = self.splitter.nodes();
        let impurity = nodes.measure(range, statistics);
        let weight = statistics[0];
        self.grown.values.resize((place + 1) * self.grown.width, 0.0);
        let value = &mut self.grown.values[place * self.grown.width..];
        nodes.criterion.value(statistics, value);
        self.grown.nodes.push(GrownNode { start, rows, weight, impurity, split: None });
        weight
    }

    /// Finds a split, and adds the children to know what it brings; they are no part of the tree yet.
    fn plan(&mut self, open: Open) -> Option<Planned> {
        let range = self.range(open.place);
        let rules = Rules {
            leaf: self.options.limits.leaf,
            weight: self.min_weight,
            monotonic: &self.options.monotonic,
            bounds: open.bounds,
        };
        let statistics = &self.statistics[open.place * self.described..][..self.described];
        let columns = Columns { known: open.known, most: self.options.max_features };
        let (split, known) = self.splitter.find(range.clone(), statistics, &rules, self.order, columns);
        let split = split?;
        self.splitter.split_rows(range.clone(), &split);
        let middle = range.start + split.left;
        let place = self.grown.nodes.len();
        self.add(range.start..middle);
        self.add(middle..range.end);
        let decrease = self.grown.decrease(open.place, place) / self.grown.nodes[0].weight;
        // Rounding may make a decrease of nothing negative; that is no reason not to split.
        if self.options.min_decrease > 0.0 && decrease + f64::EPSILON < self.options.min_decrease {
            self.drop_from(place);
            return None;
        }
        let bounds = self.bounds_below(open.bounds, &split, place);
        let child = |side: usize| Open { place: place + side, depth: open.depth + 1, known, bounds: bounds[side] };
        Some(Planned { decrease, open, split, children: [child(0), child(1)] })
    }

    /// Forgets the nodes from `place` on.
    fn drop_from(&mut self, place: usize) {
        self.grown.nodes.truncate(place);
        self.grown.values.truncate(place * self.grown.width);
        self.statistics.truncate(place * self.described);
    }

    /// What the children of a split, the left one at `left`, may predict; clips what they do.
    fn bounds_below(&mut self, bounds: [f64; 2], split: &Split, left: usize) -> [[f64; 2]; 2] {
        if self.options.monotonic.is_empty() {
            return [bounds; 2];
        }
        let width = self.grown.width;
        // Of two classes the share of the second.
        let value = |place: usize| self.grown.values[(place + 1) * width - 1];
        let middle = f64::midpoint(value(left), value(left + 1));
        let [least, most] = bounds;
        let below = match self.options.monotonic[split.column] {
            0 => [bounds; 2],
            1 => [[least, middle], [middle, most]],
            _ => [[middle, most], [least, middle]],
        };
        for (place, bounds) in [left, left + 1].into_iter().zip(below) {
            clip(&mut self.grown.values[place * width..][..width], bounds);
        }
        below
    }
}

/// Keeps a prediction within bounds; of two classes the share of the second.
fn clip(value: &mut [f64], [least, most]: [f64; 2]) {
    if let Some(last) = value.last_mut()
        && !(least..=most).contains(last)
    {
        *last = last.clamp(least, most);
        let share = *last;
        if let [first, _] = value {
            *first = 1.0 - share;
        }
    }
}

impl Grown {
    /// The decrease of weighted impurity when a node is split into the nodes at `left` and behind it.
    pub(crate) fn decrease(&self, place: usize, left: usize) -> f64 {
        let mixed = |place: usize| self.nodes[place].weight * self.nodes[place].impurity;
        mixed(place) - mixed(left) - mixed(left + 1)
    }

    /// What each node predicts.
    pub(crate) fn value(&self, place: usize) -> &[f64] {
        &self.values[place * self.width..(place + 1) * self.width]
    }

    /// The leaf where a row ends.
    pub(crate) fn leaf(&self, sorted: &Presorted, row: u32) -> usize {
        let mut place = 0;
        while let Some((split, left)) = &self.nodes[place].split {
            place = left + usize::from(!split.goes_left(sorted.matrix.value(row, split.column)));
        }
        place
    }

    /// Places of the nodes that are part of the tree, parents first.
    pub(crate) fn reached(&self) -> Vec<usize> {
        let (mut reached, mut open) = (Vec::new(), vec![0]);
        while let Some(place) = open.pop() {
            reached.push(place);
            if let Some((_, left)) = self.nodes[place].split {
                open.extend([left + 1, left]);
            }
        }
        reached
    }

    /// Minimal cost-complexity pruning (Breiman et al. 1984): the smallest of the trees that are best when each leaf costs
    /// `alpha`.
    fn prune(&mut self, alpha: f64) {
        let total = self.nodes[0].weight;
        // Of each node, the cost of what is below it, and its leaves.
        let mut below = vec![(0.0, 0_usize); self.nodes.len()];
        for &place in self.reached().iter().rev() {
            let node = &mut self.nodes[place];
            let own = node.weight / total * node.impurity;
            below[place] = (own, 1);
            if let Some((_, left)) = node.split {
                let (cost, leaves) = (below[left].0 + below[left + 1].0, below[left].1 + below[left + 1].1);
                if own + alpha <= cost + alpha * leaves as f64 {
                    node.split = None;
                } else {
                    below[place] = (cost, leaves);
                }
            }
        }
    }

    /// Adds to each column the decrease of impurity that its splits brought, as shares of all; nothing for a single leaf.
    pub(crate) fn add_importances(&self, importances: &mut [f64]) {
        let mut own = vec![0.0; importances.len()];
        for place in self.reached() {
            if let Some((split, left)) = self.nodes[place].split {
                own[split.column] += self.decrease(place, left);
            }
        }
        let total: f64 = own.iter().sum();
        if total > 0.0 {
            for (importance, own) in importances.iter_mut().zip(own) {
                *importance += own / total;
            }
        }
    }

    /// Appends the tree to those of a model.
    pub(crate) fn push_to(&self, trees: &mut TreesBuilder) {
        let node = |(place, node): (usize, &GrownNode)| match node.split {
            None => TreeNode::Leaf { value: place as u32, weight: node.weight },
            Some((Split { column, threshold, missing_left, .. }, left)) => {
                TreeNode::Split { column: column as u32, threshold, missing_left, left: left as u32 }
            }
        };
        let nodes: Vec<TreeNode> = self.nodes.iter().enumerate().map(node).collect();
        trees.push(&nodes, &self.values);
    }
}
