//! Which splits are allowed, and when one is better than another.

use super::grow::Options;
use super::presort::value;

/// Two values of a column no further apart than this are not told apart, as in scikit-learn.
pub(super) const FEATURE_THRESHOLD: f32 = 1e-7;

/// What splits are allowed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules<'a> {
    /// Fewest rows of a leaf.
    pub(super) leaf: usize,
    /// Least weight of a leaf.
    pub(super) weight: f64,
    /// Of each column, whether predictions may only rise (1) or fall (-1) with it; empty where no column has a rule.
    pub(super) monotonic: &'a [i8],
    /// What predictions below the node may be, least and most; of two classes the share of the second.
    pub(super) bounds: [f64; 2],
}

impl<'a> Rules<'a> {
    /// The rules of a tree, but for the weight of its leaves, of which only is known whether there is a least one.
    pub(super) fn of(options: &'a Options) -> Self {
        Rules::new(options.limits.leaf, options.min_weight_fraction, &options.monotonic)
    }

    /// Rules by which predictions may be anything.
    pub(super) fn new(leaf: usize, weight: f64, monotonic: &'a [i8]) -> Self {
        Rules { leaf, weight, monotonic, bounds: [f64::NEG_INFINITY, f64::INFINITY] }
    }

    /// Whether a split by a column with this rule may predict these values on both sides.
    pub(super) fn allow(&self, sign: i8, values: [f64; 2]) -> bool {
        sign == 0 || keeps_rule(sign, self.bounds, values)
    }
}

fn keeps_rule(sign: i8, [least, most]: [f64; 2], [left, right]: [f64; 2]) -> bool {
    let within = |value: f64| value >= least && value <= most;
    within(left) && within(right) && (left - right) * f64::from(sign) <= 0.0
}

/// What lies between two values of a column that follow each other.
pub(super) fn threshold([below, above]: [f32; 2]) -> f64 {
    // All values that are there go left of a missing one; models know finite thresholds only.
    if above.is_nan() { f64::from(f32::MAX) } else { f64::from(below) / 2.0 + f64::from(above) / 2.0 }
}

/// Gains that differ by no more than this share of them are equal.
const ROUNDING: f64 = 1e-12;

/// Whether one gain is larger than another by more than rounding. Sums of the same numbers differ in their last bits when
/// they are added in another order; splits that differ no more than that are equally good.
pub(super) fn is_better(gain: f64, than: f64) -> bool {
    gain > better_than(than)
}

/// What a gain that is larger than another by more than rounding exceeds.
pub(super) fn better_than(gain: f64) -> f64 {
    let more = gain + ROUNDING * gain.abs();
    if more.is_nan() { gain } else { more }
}

/// The least gain that differs from the best by no more than rounding.
pub(super) fn as_good_as(best: f64) -> f64 {
    best - ROUNDING * best.abs()
}

/// A node's rows in an order, and where they may be split.
#[derive(Clone, Copy)]
pub(super) struct Candidates<'a> {
    pub(super) keys: &'a [u64],
    /// Fewest and most keys that may go left: at least 1, and below the number of keys.
    pub(super) first: usize,
    pub(super) last: usize,
    weight: f64,
    sign: i8,
    bounds: [f64; 2],
}

impl<'a> Candidates<'a> {
    /// The candidates between these counts of keys on the left that leave enough rows on both sides, if there are any.
    pub(super) fn new(keys: &'a [u64], [first, last]: [usize; 2], rules: &Rules<'_>, sign: i8) -> Option<Self> {
        let (first, last) = (first.max(rules.leaf), last.min(keys.len().checked_sub(rules.leaf)?));
        let candidates = Candidates { keys, first, last, weight: rules.weight, sign, bounds: rules.bounds };
        (first <= last).then_some(candidates)
    }

    /// Whether any split between different values is allowed.
    pub(super) fn any_is_allowed(&self) -> bool {
        self.weight <= 0.0 && self.sign == 0
    }

    /// Whether the values on both sides of a split can be told apart.
    pub(super) fn are_apart(&self, left: usize) -> bool {
        let (before, after) = (value(self.keys[left - 1]), value(self.keys[left]));
        // Missing values are told apart from all others.
        after > before + FEATURE_THRESHOLD || before.is_nan() || after.is_nan()
    }

    /// Whether the node may be split so that `left` keys, which are followed by one of another value, go left. `weights` are
    /// those of both sides, `values` their predictions.
    pub(super) fn allow(&self, left: usize, weights: [f64; 2], values: impl FnOnce() -> [f64; 2]) -> bool {
        let heavy = weights.iter().all(|&weight| weight >= self.weight);
        self.are_apart(left) && heavy && (self.sign == 0 || keeps_rule(self.sign, self.bounds, values()))
    }
}
