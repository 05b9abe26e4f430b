//! Sums of targets and of weights, which are all that squared errors and two classes need.

use super::super::presort::{is_same, row};
use super::super::rules::{Candidates, as_good_as};
use super::blocks::{self, Blocks, Scan};
use super::{Best, Found, WEIGHT};

/// Statistics of a node: its weight, the sum of its targets, their mean, the least and the greatest.
pub(in super::super) const STATISTICS: usize = 5;
const SUM: usize = 1;
const MEAN: usize = 2;
const LEAST: usize = 3;
const GREATEST: usize = 4;

/// Gains that are computed at once.
const TOGETHER: usize = 4;

/// Rows of a node up to which divisions by their number are looked up.
pub(in super::super) const MOST_SHARES: usize = 2 * blocks::MANY_ROWS;
/// One divided by each of these numbers of rows, and the same from the last to the first.
pub(in super::super) static SHARES: [f64; MOST_SHARES + 1] = shares(false);
static SHARES_OF_REST: [f64; MOST_SHARES + 1] = shares(true);

const fn shares(reversed: bool) -> [f64; MOST_SHARES + 1] {
    let mut shares = [0.0; MOST_SHARES + 1];
    let mut rows = 0;
    while rows <= MOST_SHARES {
        shares[if reversed { MOST_SHARES - rows } else { rows }] = 1.0 / rows as f64;
        rows += 1;
    }
    shares
}

/// A sum of targets times weights, and one of weights.
pub(in super::super) type Pair = [f64; 2];

/// What a split into these sides is worth: splits that tell most between the means of both are the best.
pub(in super::super) fn gain([left, left_weight]: Pair, [right, right_weight]: Pair) -> f64 {
    (left * left * right_weight + right * right * left_weight) / (left_weight * right_weight)
}

/// What the sums stand for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// Mean squared deviation from the mean. Targets lack this much of their true size, so that nothing is lost where they are
    /// large and vary little.
    SquaredError { offset: f64 },
    /// Gini impurity of two classes: twice the variance of a target that is 0 or 1.
    TwoClasses,
}

/// What one set of sums after the other can use.
#[derive(Debug, Default)]
pub(in super::super) struct SumsMemory {
    /// Target times weight, and weight, of each row; empty where all rows weigh 1.
    by_row: Vec<Pair>,
    /// The same of all rows in the order in which the rows of nodes stand together.
    by_place: Vec<Pair>,
    /// The targets themselves, by row.
    targets: Vec<f64>,
}

/// A criterion by sums.
#[derive(Debug)]
pub(in super::super) struct Sums {
    kind: Kind,
    /// Whether all rows weigh 1.
    counted: bool,
    own: SumsMemory,
    /// Of the node entered last.
    total: Pair,
    /// The least and the greatest target of that node.
    range: [f64; 2],
}

/// Memory for the gains of one column's splits.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Gains {
    splits: Vec<f64>,
    weights: Vec<f64>,
    blocks: Blocks,
}

impl Sums {
    /// Squared errors of `target`; `rows` are those of the tree.
    pub(in super::super) fn squared_error(
        target: &[f64],
        weight: impl Fn(usize) -> f64,
        rows: &[u32],
        mut memory: SumsMemory,
    ) -> Self {
        let offset = rows.iter().map(|&row| target[row as usize]).sum::<f64>() / rows.len() as f64;
        memory.targets.clear();
        memory.targets.extend(target.iter().map(|value| value - offset));
        Sums::of_targets(Kind::SquaredError { offset }, weight, rows, memory)
    }

    /// The classes 0 and 1.
    pub(in super::super) fn two_classes(
        codes: &[u32],
        weight: impl Fn(usize) -> f64,
        rows: &[u32],
        mut memory: SumsMemory,
    ) -> Self {
        memory.targets.clear();
        memory.targets.extend(codes.iter().map(|&code| f64::from(code)));
        Sums::of_targets(Kind::TwoClasses, weight, rows, memory)
    }

    /// Squared errors of targets of which each comes times its weight, and with that weight.
    pub(in super::super) fn of_pairs(pairs: impl Iterator<Item = Pair>, rows: &[u32], mut memory: SumsMemory) -> Self {
        memory.by_row.clear();
        memory.by_row.extend(pairs);
        memory.targets.clear();
        memory.targets.extend(memory.by_row.iter().map(|[target, weight]| target / weight));
        let counted = rows.iter().all(|&row| memory.by_row[row as usize][1] == 1.0);
        Sums::new(Kind::SquaredError { offset: 0.0 }, counted, memory)
    }

    fn of_targets(kind: Kind, weight: impl Fn(usize) -> f64, rows: &[u32], mut memory: SumsMemory) -> Self {
        let counted = rows.iter().all(|&row| weight(row as usize) == 1.0);
        memory.by_row.clear();
        if !counted {
            let pair = |(row, target): (usize, &f64)| [target * weight(row), weight(row)];
            memory.by_row.extend(memory.targets.iter().enumerate().map(pair));
        }
        Sums::new(kind, counted, memory)
    }

    fn new(kind: Kind, counted: bool, mut memory: SumsMemory) -> Self {
        if counted {
            memory.by_row.clear();
        }
        Sums { kind, counted, own: memory, total: [0.0; 2], range: [0.0; 2] }
    }

    /// Its memory, to be used again.
    pub(super) fn into_memory(self) -> SumsMemory {
        self.own
    }

    /// Numbers in one prediction.
    pub(super) fn width(&self) -> usize {
        if self.kind == Kind::TwoClasses { 2 } else { 1 }
    }

    pub(super) fn begin(&mut self, rows: &[u32]) {
        let SumsMemory { by_place, targets, by_row, .. } = &mut self.own;
        by_place.clear();
        by_place.extend(rows.iter().map(|&row| pair(targets, by_row, row)));
    }

    pub(super) fn enter(&mut self, statistics: &[f64]) {
        self.total = [statistics[SUM], statistics[WEIGHT]];
        self.range = [statistics[LEAST], statistics[GREATEST]];
    }

    pub(super) fn measure(&self, start: usize, rows: &[u32], statistics: &mut [f64]) -> f64 {
        let pairs = &self.own.by_place[start..start + rows.len()];
        match self.kind {
            Kind::SquaredError { .. } if self.counts_rows() => {
                squared_error(pairs.iter().map(|&[y, _]| ([y, 1.0], y)), statistics)
            }
            Kind::SquaredError { .. } => {
                let targets = rows.iter().map(|&row| self.own.targets[row as usize]);
                squared_error(pairs.iter().copied().zip(targets), statistics)
            }
            Kind::TwoClasses => two_classes(pairs, statistics),
        }
    }

    pub(super) fn value(&self, statistics: &[f64], value: &mut [f64]) {
        match self.kind {
            Kind::SquaredError { offset } => value[0] = offset + statistics[MEAN],
            Kind::TwoClasses => {
                value[1] = statistics[MEAN];
                value[0] = (statistics[WEIGHT] - statistics[SUM]) / statistics[WEIGHT];
            }
        }
    }

    /// Sums of a node's rows, from where they start.
    pub(in super::super) fn pairs(&self, start: usize, rows: usize) -> &[Pair] {
        &self.own.by_place[start..start + rows]
    }

    /// The same, to be sorted as the rows are.
    pub(in super::super) fn pairs_mut(&mut self, start: usize, rows: usize) -> &mut [Pair] {
        &mut self.own.by_place[start..start + rows]
    }

    /// Sum of the node entered last.
    pub(in super::super) fn total(&self) -> Pair {
        self.total
    }

    /// Whether all rows weigh 1, so that weights are numbers of rows.
    pub(in super::super) fn counts_rows(&self) -> bool {
        self.counted
    }

    /// What a side predicts, of two classes the share of the second.
    pub(in super::super) fn predicted(&self, [sum, weight]: Pair) -> f64 {
        let offset = if let Kind::SquaredError { offset } = self.kind { offset } else { 0.0 };
        offset + sum / weight
    }

    /// The best split of the node entered last by one column; nothing where it is worth no more than `above`. Of equal ones
    /// the first.
    pub(in super::super) fn best(&self, candidates: &Candidates<'_>, memory: &mut Gains, above: f64) -> Option<Found> {
        if candidates.any_is_allowed() {
            let found = if candidates.last - candidates.first >= blocks::MANY_ROWS {
                self.best_by_blocks(candidates, &mut memory.blocks, above)
            } else if !self.counted {
                self.best_by_weight(candidates, memory)
            } else if candidates.keys.len() <= MOST_SHARES {
                self.best_by_rows(candidates, &mut memory.splits)
            } else {
                return self.best_allowed(candidates);
            }?;
            if candidates.are_apart(found.left) {
                return Some(found);
            }
        }
        self.best_allowed(candidates)
    }

    /// What goes left before the first candidate.
    fn before(&self, candidates: &Candidates<'_>) -> Pair {
        candidates.keys[..candidates.first - 1]
            .iter()
            .fold([0.0; 2], |sum, &key| plus(sum, pair(&self.own.targets, &self.own.by_row, row(key))))
    }

    /// Of many rows.
    fn best_by_blocks(&self, candidates: &Candidates<'_>, memory: &mut Blocks, above: f64) -> Option<Found> {
        let Candidates { keys, first, last, .. } = *candidates;
        let (before, total, targets) = (self.before(candidates), self.total, self.range);
        let scan = Scan { keys, first, last, before, total, targets, above };
        if self.counts_rows() {
            memory.best(&scan, |row| [self.own.targets[row as usize], 1.0])
        } else {
            memory.best(&scan, |row| self.own.by_row[row as usize])
        }
    }

    /// Where all rows weigh 1.
    fn best_by_rows(&self, candidates: &Candidates<'_>, gains: &mut Vec<f64>) -> Option<Found> {
        let Candidates { keys, first, last, .. } = *candidates;
        let gains = room(gains, last + 1 - first);
        let [before, _] = self.before(candidates);
        add_up(&keys[first - 1..=last], &self.own.targets, before, gains);
        // Shares of the rows on the right, which become fewer.
        let unused = MOST_SHARES - keys.len();
        let (lefts, rights) = (&SHARES[first..=last], &SHARES_OF_REST[unused + first..=unused + last]);
        let best = to_gains_by_rows(gains, lefts, rights, self.total[0]);
        first_of_best(gains, best, first)
    }

    /// The same for rows of any weights.
    fn best_by_weight(&self, candidates: &Candidates<'_>, memory: &mut Gains) -> Option<Found> {
        let Candidates { keys, first, last, .. } = *candidates;
        let gains = room(&mut memory.splits, last + 1 - first);
        let weights = room(&mut memory.weights, last + 1 - first);
        add_up_weighted(&keys[first - 1..=last], &self.own.by_row, self.before(candidates), (gains, weights));
        let best = to_gains_by_weight(gains, weights, self.total);
        first_of_best(gains, best, first)
    }

    /// The best of those that the rules allow, one after the other.
    fn best_allowed(&self, candidates: &Candidates<'_>) -> Option<Found> {
        let Candidates { keys, first, last, .. } = *candidates;
        let mut left = self.before(candidates);
        let mut best = Best::default();
        for (count, keys) in (first..).zip(keys[first - 1..=last].windows(2)) {
            left = plus(left, pair(&self.own.targets, &self.own.by_row, row(keys[0])));
            if is_same(keys[0], keys[1]) {
                continue;
            }
            let right = less(self.total, left);
            let gain = gain(left, right);
            let values = || [self.predicted(left), self.predicted(right)];
            if best.wants(gain) && candidates.allow(count, [left[1], right[1]], values) {
                best.take(gain, count);
            }
        }
        best.found
    }
}

/// Writes the sum of the targets up to each key but the last, and no number where the one after it has the same value.
/// The two halves are added up side by side, so that one addition need not wait for the other.
fn add_up(keys: &[u64], targets: &[f64], before: f64, sums: &mut [f64]) {
    let half = sums.len() / 2;
    let (lower, upper) = sums.split_at_mut(half);
    let lows = keys[..=half].windows(2).zip(lower);
    let highs = keys[half..=2 * half].windows(2).zip(&mut *upper);
    let (mut low, mut high) = (before, 0.0);
    for ((below, lower), (above, upper)) in lows.zip(highs) {
        low += targets[row(below[0]) as usize];
        high += targets[row(above[0]) as usize];
        *lower = unless_same(below[0], below[1], low);
        *upper = unless_same(above[0], above[1], high);
    }
    if let (Some(last), [.., key, next]) = (upper.get_mut(half), keys) {
        *last = unless_same(*key, *next, high + targets[row(*key) as usize]);
    }
    for sum in upper {
        *sum += low;
    }
}

/// The same, of targets and of weights.
fn add_up_weighted(keys: &[u64], pairs: &[Pair], before: Pair, (sums, weights): (&mut [f64], &mut [f64])) {
    let half = sums.len() / 2;
    let ((lower, upper), (lower_weights, upper_weights)) = (sums.split_at_mut(half), weights.split_at_mut(half));
    let lows = keys[..=half].windows(2).zip(lower.iter_mut().zip(lower_weights));
    let highs = keys[half..=2 * half].windows(2).zip(upper.iter_mut().zip(&mut *upper_weights));
    let (mut low, mut high) = (before, [0.0; 2]);
    for ((below, (lower, lower_weight)), (above, (upper, upper_weight))) in lows.zip(highs) {
        low = plus(low, pairs[row(below[0]) as usize]);
        high = plus(high, pairs[row(above[0]) as usize]);
        (*lower, *lower_weight) = (unless_same(below[0], below[1], low[0]), low[1]);
        (*upper, *upper_weight) = (unless_same(above[0], above[1], high[0]), high[1]);
    }
    if let (Some(last), Some(weight), [.., key, next]) = (upper.get_mut(half), upper_weights.get_mut(half), keys) {
        high = plus(high, pairs[row(*key) as usize]);
        (*last, *weight) = (unless_same(*key, *next, high[0]), high[1]);
    }
    for (sum, weight) in upper.iter_mut().zip(upper_weights) {
        *sum += low[0];
        *weight += low[1];
    }
}

/// Turns sums of the left side into gains, and returns the largest. `lefts` and `rights` are one divided by the rows there.
fn to_gains_by_rows(sums: &mut [f64], lefts: &[f64], rights: &[f64], all: f64) -> f64 {
    let mut best = [f64::NEG_INFINITY; TOGETHER];
    let (groups, rest) = sums.as_chunks_mut::<TOGETHER>();
    let (left_groups, rest_lefts) = lefts.as_chunks::<TOGETHER>();
    let (right_groups, rest_rights) = rights.as_chunks::<TOGETHER>();
    for ((group, left), right) in groups.iter_mut().zip(left_groups).zip(right_groups) {
        let gains: [f64; TOGETHER] = std::array::from_fn(|lane| {
            let (low, high) = (group[lane], all - group[lane]);
            low * low * left[lane] + high * high * right[lane]
        });
        best = larger(gains, best);
        *group = gains;
    }
    for ((place, &left), &right) in rest.iter_mut().zip(rest_lefts).zip(rest_rights) {
        let (low, high) = (*place, all - *place);
        *place = low * low * left + high * high * right;
        best[0] = if *place > best[0] { *place } else { best[0] };
    }
    best.into_iter().fold(f64::NEG_INFINITY, f64::max)
}

/// The same, where `weights` are those of the left side.
fn to_gains_by_weight(sums: &mut [f64], weights: &[f64], [all, all_weight]: Pair) -> f64 {
    let of = |sum: f64, weight: f64| gain([sum, weight], [all - sum, all_weight - weight]);
    let mut best = [f64::NEG_INFINITY; TOGETHER];
    let (groups, rest) = sums.as_chunks_mut::<TOGETHER>();
    let (weight_groups, rest_weights) = weights.as_chunks::<TOGETHER>();
    for (group, weights) in groups.iter_mut().zip(weight_groups) {
        let gains: [f64; TOGETHER] = std::array::from_fn(|lane| of(group[lane], weights[lane]));
        best = larger(gains, best);
        *group = gains;
    }
    for (place, &weight) in rest.iter_mut().zip(rest_weights) {
        *place = of(*place, weight);
        best[0] = if *place > best[0] { *place } else { best[0] };
    }
    best.into_iter().fold(f64::NEG_INFINITY, f64::max)
}

/// The larger ones, lane by lane; what is no number is not.
fn larger(a: [f64; TOGETHER], b: [f64; TOGETHER]) -> [f64; TOGETHER] {
    std::array::from_fn(|lane| if a[lane] > b[lane] { a[lane] } else { b[lane] })
}

/// The sum, or no number where nothing can be split between the keys: no branch to mispredict.
fn unless_same(key: u64, next: u64, sum: f64) -> f64 {
    f64::from_bits(sum.to_bits() | u64::from(is_same(key, next)).wrapping_neg())
}

/// Target times weight, and weight, of a row; `by_row` is empty where all rows weigh 1.
fn pair(targets: &[f64], by_row: &[Pair], row: u32) -> Pair {
    by_row.get(row as usize).copied().unwrap_or_else(|| [targets[row as usize], 1.0])
}

/// The sum of two.
pub(in super::super) fn plus(a: Pair, b: Pair) -> Pair {
    [a[0] + b[0], a[1] + b[1]]
}

/// What is left of one without the other.
pub(in super::super) fn less(a: Pair, b: Pair) -> Pair {
    [a[0] - b[0], a[1] - b[1]]
}

/// Room for so many numbers.
fn room(memory: &mut Vec<f64>, numbers: usize) -> &mut [f64] {
    if memory.len() < numbers {
        memory.resize(numbers, 0.0);
    }
    &mut memory[..numbers]
}

/// The first of the gains that is as good as the best of all.
pub(super) fn first_of_best(gains: &[f64], best: f64, first: usize) -> Option<Found> {
    let enough = as_good_as(best);
    let place = gains.iter().position(|&gain| gain >= enough)?;
    Some(Found { gain: gains[place], left: first + place })
}

/// The statistics of rows, each with its sums and its target, and their variance.
fn squared_error(rows: impl Iterator<Item = (Pair, f64)>, statistics: &mut [f64]) -> f64 {
    let (mut weight, mut sum, mut squares) = (0.0, 0.0, 0.0);
    let (mut least, mut greatest) = (f64::INFINITY, f64::NEG_INFINITY);
    for ([wy, w], y) in rows {
        weight += w;
        sum += wy;
        squares += wy * y;
        least = if y < least { y } else { least };
        greatest = if y > greatest { y } else { greatest };
    }
    // Equal targets have a variance of exactly 0.
    let equal = least == greatest;
    let mean = if equal { least } else { sum / weight };
    statistics.copy_from_slice(&[weight, sum, mean, least, greatest]);
    if equal { 0.0 } else { (squares / weight - mean * mean).max(0.0) }
}

/// The statistics of rows of two classes, and their impurity.
fn two_classes(rows: &[Pair], statistics: &mut [f64]) -> f64 {
    let (mut sums, mut zeros, mut ones) = ([0.0; 2], 0_usize, 0_usize);
    for &[wy, w] in rows {
        sums = plus(sums, [wy, w]);
        zeros += usize::from(wy == 0.0);
        ones += usize::from(wy == w);
    }
    let [sum, weight] = sums;
    let share = sum / weight;
    statistics.copy_from_slice(&[weight, sum, share, 0.0, 1.0]);
    if zeros == rows.len() || ones == rows.len() { 0.0 } else { 2.0 * share * (1.0 - share) }
}
