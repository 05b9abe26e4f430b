//! Growing one tree.

use std::collections::BinaryHeap;
use std::ops::Range;

use super::draw::Order;
use super::grower::{Columns, Split, Workspace};
use super::grown::{Branch, Grown, GrownNode};
use super::rules::Rules;

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

/// Finds splits, and keeps the rows of nodes together.
pub(super) trait Splitter {
    /// Numbers in one prediction.
    fn width(&self) -> usize;

    /// Numbers that describe a node: its weight first.
    fn statistics(&self) -> usize;

    /// Starts with a node of these rows, which are ascending and not none.
    fn begin(&mut self, rows: &[u32]);

    /// Finds the statistics of a node, and its impurity: 0 where its rows are all alike.
    fn measure(&mut self, range: Range<usize>, statistics: &mut [f64]) -> f64;

    /// The prediction of a node.
    fn value(&self, statistics: &[f64], value: &mut [f64]);

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

    /// Gives its memory back.
    fn finish(self, workspace: &mut Workspace);
}

/// Grows a tree on `rows`, which are ascending and not none, as scikit-learn's depth-first and best-first builders do.
pub(super) fn grow(
    mut splitter: impl Splitter,
    rows: &[u32],
    options: &Options,
    mut order: Order,
    workspace: &mut Workspace,
) -> Grown {
    splitter.begin(rows);
    let (width, described) = (splitter.width(), splitter.statistics());
    let mut growing = Growing {
        splitter: &mut splitter,
        options,
        order: &mut order,
        grown: Grown::with_capacity(most_nodes(rows.len(), options), width),
        statistics: Statistics { numbers: Vec::new(), described, free: Vec::new() },
        min_weight: 0.0,
    };
    let root = growing.add(0..rows.len(), 0);
    growing.min_weight = options.min_weight_fraction * root.weight;
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
    weight: f64,
    impurity: f64,
    /// Where its statistics are.
    slot: usize,
}

/// The statistics of the nodes that may still be split.
struct Statistics {
    numbers: Vec<f64>,
    /// Numbers of a node.
    described: usize,
    /// Slots that are of no node.
    free: Vec<usize>,
}

impl Statistics {
    fn take_slot(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            let slot = self.numbers.len();
            self.numbers.resize(slot + self.described, 0.0);
            slot
        })
    }

    fn of(&mut self, slot: usize) -> &mut [f64] {
        &mut self.numbers[slot..slot + self.described]
    }
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
    statistics: Statistics,
    min_weight: f64,
}

impl<S: Splitter> Growing<'_, S> {
    fn depth_first(&mut self, root: Open) {
        let mut open: Vec<Open> = self.can_be_split(&root).then_some(root).into_iter().collect();
        while let Some(next) = open.pop() {
            let Some(Planned { split, children, .. }) = self.plan(next) else { continue };
            let goes_on = self.split(&next, &split, &children, true);
            // The left side comes first.
            for (child, goes_on) in children.into_iter().zip(goes_on).rev() {
                open.extend(goes_on.then_some(child));
            }
        }
    }

    fn best_first(&mut self, root: Open, leaves: usize) {
        let mut planned: BinaryHeap<Planned> = BinaryHeap::new();
        if self.can_be_split(&root) {
            planned.extend(self.plan(root));
        }
        for _ in 1..leaves {
            let Some(Planned { open, split, children, .. }) = planned.pop() else { return };
            let goes_on = self.split(&open, &split, &children, false);
            for (child, goes_on) in children.into_iter().zip(goes_on) {
                // Which columns are constant is found out anew, as in scikit-learn.
                if goes_on {
                    planned.extend(self.plan(Open { known: 0, ..child }));
                }
            }
        }
    }

    /// Makes a split part of the tree, and says which of the children may be split; `at_once` as in
    /// [`Splitter::split_orders`].
    fn split(&mut self, open: &Open, split: &Split, children: &[Open; 2], at_once: bool) -> [bool; 2] {
        self.grown.nodes[open.place].branch = Some(Branch::new(split, children[0].place));
        let goes_on = [0, 1].map(|side| self.can_be_split(&children[side]));
        self.splitter.split_orders(self.range(open.place), split, at_once, goes_on);
        for (child, goes_on) in children.iter().zip(goes_on) {
            self.statistics.free.extend((!goes_on).then_some(child.slot));
        }
        goes_on
    }

    fn range(&self, place: usize) -> Range<usize> {
        self.grown.nodes[place].range()
    }

    fn can_be_split(&self, open: &Open) -> bool {
        let limits = &self.options.limits;
        open.depth < limits.depth
            && self.range(open.place).len() >= limits.split
            && open.weight >= 2.0 * self.min_weight
            && open.impurity > f64::EPSILON
    }

    /// Adds a node of the rows in `range`.
    fn add(&mut self, range: Range<usize>, depth: usize) -> Open {
        let (place, slot) = (self.grown.nodes.len(), self.statistics.take_slot());
        let statistics = self.statistics.of(slot);
        let impurity = self.splitter.measure(range.clone(), statistics);
        let weight = statistics[0];
        self.grown.values.resize((place + 1) * self.grown.width, 0.0);
        self.splitter.value(statistics, &mut self.grown.values[place * self.grown.width..]);
        self.grown.nodes.push(GrownNode::new(range, weight, impurity));
        Open { place, depth, known: 0, bounds: [f64::NEG_INFINITY, f64::INFINITY], weight, impurity, slot }
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
        let columns = Columns { known: open.known, most: self.options.max_features };
        let statistics = self.statistics.of(open.slot);
        let (split, known) = self.splitter.find(range.clone(), statistics, &rules, self.order, columns);
        self.statistics.free.push(open.slot);
        let split = split?;
        self.splitter.split_rows(range.clone(), &split);
        let middle = range.start + split.left;
        let mut children = [range.start..middle, middle..range.end].map(|range| self.add(range, open.depth + 1));
        let place = children[0].place;
        let decrease = self.grown.decrease(open.place, place) / self.grown.nodes[0].weight;
        // Rounding may make a decrease of nothing negative; that is no reason not to split.
        if self.options.min_decrease > 0.0 && decrease + f64::EPSILON < self.options.min_decrease {
            self.grown.drop_from(place);
            self.statistics.free.extend(children.map(|child| child.slot));
            return None;
        }
        let bounds = self.bounds_below(open.bounds, &split, place);
        for (child, bounds) in children.iter_mut().zip(bounds) {
            (child.known, child.bounds) = (known, bounds);
        }
        Some(Planned { decrease, open, split, children })
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
