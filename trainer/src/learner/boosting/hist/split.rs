//! The best split of a node by one column (Chen and Guestrin 2016, as scikit-learn does it).

use super::bins::{Cut, Feature};
use super::histogram::Bin;

/// Smallest sum of second derivatives of a child.
pub(super) const MIN_HESSIAN: f64 = 1e-3;
/// Keeps a division from failing.
const EPSILON: f64 = 1e-15;
/// Categories with less support than so many rows are not told apart, and every category's slope is smoothed by as many.
const MIN_CATEGORY_SUPPORT: f64 = 10.0;

/// What all splits of a tree must keep to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) min_rows: u32,
    pub(super) l2: f64,
}

/// A node as splits see it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) sums: [f64; 2],
    pub(super) rows: u32,
    /// Its value as a leaf, before the learning rate.
    pub(super) value: f64,
    /// What monotonic constraints leave for the values below it.
    pub(super) bounds: [f64; 2],
}

/// Bins that go left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Side {
    /// Those up to this one.
    UpTo(u8),
    /// Those of the set bits.
    Set([u64; 4]),
}

/// A split of a node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Split {
    pub(super) gain: f64,
    pub(super) feature: usize,
    pub(super) side: Side,
    /// Whether missing values go left.
    pub(super) missing_left: bool,
    /// Sums and rows of the left child.
    pub(super) left: ([f64; 2], u32),
}

impl Side {
    /// The last bin that goes left, where bins are in order.
    pub(super) fn last(self) -> usize {
        match self {
            Side::UpTo(last) => usize::from(last),
            Side::Set(_) => usize::MAX,
        }
    }

    fn has(self, bin: u8) -> bool {
        match self {
            Side::UpTo(last) => bin <= last,
            Side::Set(set) => set[usize::from(bin / 64)] >> (bin % 64) & 1 == 1,
        }
    }
}

impl Split {
    /// Of each bin, whether its rows go left.
    pub(super) fn goes_left(&self, feature: &Feature) -> [bool; 256] {
        let mut left = [false; 256];
        for (bin, left) in left.iter_mut().enumerate().take(feature.bins) {
            *left = self.side.has(bin as u8);
        }
        left[feature.bins] = self.missing_left;
        left
    }
}

impl Rules {
    /// The value of a leaf: one Newton step, kept within bounds.
    pub(super) fn value(self, [gradient, hessian]: [f64; 2], bounds: [f64; 2]) -> f64 {
        // Not `clamp`, which may panic.
        (-gradient / (hessian + self.l2 + EPSILON)).max(bounds[0]).min(bounds[1])
    }

    /// The best split of `node` by a column with these bins; of equal ones the first.
    pub(super) fn best(
        self,
        node: &Node,
        place: usize,
        feature: &Feature,
        bins: &[Bin],
        monotonic: i8,
    ) -> Option<Split> {
        let mut search = Search { rules: self, node, feature: place, monotonic, best: None };
        match &feature.cut {
            Cut::Categories(_) => search.categories(feature, bins),
            Cut::Numbers(_) => search.numbers(feature, bins),
        }
        search.best
    }
}

/// The search for the best split by one column.
struct Search<'a> {
    rules: Rules,
    node: &'a Node,
    feature: usize,
    monotonic: i8,
    best: Option<Split>,
}

/// Sums and rows of one side.
#[derive(Clone, Copy, Default)]
struct Part {
    sums: [f64; 2],
    rows: u32,
}

impl Part {
    fn add(&mut self, bin: &Bin) {
        self.sums[0] += bin.sums[0];
        self.sums[1] += bin.sums[1];
        self.rows += bin.rows;
    }

    /// The rest of the node.
    fn rest(self, node: &Node) -> Part {
        Part { sums: [node.sums[0] - self.sums[0], node.sums[1] - self.sums[1]], rows: node.rows - self.rows }
    }
}

impl Search<'_> {
    fn fits(&self, part: Part) -> bool {
        part.rows >= self.rules.min_rows && part.sums[1] >= MIN_HESSIAN
    }

    /// What a split is worth; None where a monotonic constraint forbids it.
    fn gain(&self, left: Part, right: Part) -> Option<f64> {
        let values = [left, right].map(|part| self.rules.value(part.sums, self.node.bounds));
        if self.monotonic > 0 && values[0] > values[1] || self.monotonic < 0 && values[0] < values[1] {
            return None;
        }
        Some(self.node.sums[0] * self.node.value - left.sums[0] * values[0] - right.sums[0] * values[1])
    }

    /// Takes a split if it is the best so far.
    fn offer(&mut self, left: Part, right: Part, side: impl FnOnce() -> (Side, bool)) {
        let best = self.best.map_or(0.0, |best| best.gain);
        if let Some(gain) = self.gain(left, right)
            && gain > best
        {
            let (side, missing_left) = side();
            let feature = self.feature;
            self.best = Some(Split { gain, feature, side, missing_left, left: (left.sums, left.rows) });
        }
    }

    /// Missing values on the right first, then on the left. Where training missed none, they go where most rows go.
    fn numbers(&mut self, feature: &Feature, bins: &[Bin]) {
        let mut left = Part::default();
        // With missing values on the right, all others may be on the left.
        let candidates = feature.bins - usize::from(!feature.missing);
        for (bin, part) in bins.iter().enumerate().take(candidates) {
            if part.rows == 0 {
                continue;
            }
            left.add(part);
            let right = left.rest(self.node);
            if !self.fits(right) {
                break;
            }
            if self.fits(left) {
                let missing_left = !feature.missing && left.rows > right.rows;
                self.offer(left, right, || (Side::UpTo(bin as u8), missing_left));
            }
        }
        if !feature.missing {
            return;
        }
        let mut right = Part::default();
        for bin in (1..feature.bins).rev() {
            if bins[bin].rows == 0 {
                continue;
            }
            right.add(&bins[bin]);
            let left = right.rest(self.node);
            if !self.fits(left) {
                break;
            }
            if self.fits(right) {
                self.offer(left, right, || (Side::UpTo(bin as u8 - 1), true));
            }
        }
    }

    /// Categories by their slope, as if they were numbers (Fisher 1958), from either end up to the middle. Those with too
    /// little support stay on the right, and missing values are a category.
    fn categories(&mut self, feature: &Feature, bins: &[Bin]) {
        let by_rows = f64::from(self.node.rows) / self.node.sums[1];
        let slope = |bin: &Bin| bin.sums[0] / (bin.sums[1] + MIN_CATEGORY_SUPPORT);
        let supported = |bin: &usize| bins[*bin].sums[1] * by_rows >= MIN_CATEGORY_SUPPORT;
        let mut order: Vec<usize> = (0..bins.len()).filter(supported).collect();
        if order.len() < 2 {
            return;
        }
        order.sort_by(|&a, &b| slope(&bins[a]).total_cmp(&slope(&bins[b])));
        let middle = order.len().div_ceil(2);
        self.half(feature, bins, order[..middle].iter());
        self.half(feature, bins, order.iter().rev().take(middle - 1));
    }

    fn half<'b>(&mut self, feature: &Feature, bins: &[Bin], order: impl Iterator<Item = &'b usize>) {
        let (mut left, mut set) = (Part::default(), [0; 4]);
        for &bin in order {
            left.add(&bins[bin]);
            set[bin / 64] |= 1 << (bin % 64);
            let right = left.rest(self.node);
            if !self.fits(left) {
                continue;
            }
            if !self.fits(right) {
                break;
            }
            let side = Side::Set(set);
            let missing_left = if feature.missing { side.has(feature.bins as u8) } else { left.rows > right.rows };
            self.offer(left, right, || (side, missing_left));
        }
    }
}
