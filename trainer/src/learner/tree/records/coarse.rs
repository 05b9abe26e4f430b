//! Which rows of a node must be sorted by a column of many values: its rows are added up by buckets of values first, and a bucket
//! that cannot hold the best split is left as it is.

use super::Best;
use super::table::Column;
use super::tally::Tally;
use crate::learner::tree::criterion::sums::{gain, less};
use crate::learner::tree::presort::FEW;
use crate::learner::tree::rules::as_good_as;

/// By what share bounds are raised, so that rounding never hides a split.
const MARGIN: f64 = 1e-9;

/// The buckets of a node.
pub(super) struct Coarse {
    /// What goes left of each bucket.
    pub(super) starts: [Tally; FEW],
    /// The place of each among those that have rows.
    places: [u8; FEW],
    /// Whether it may hold a split that is as good as the best between two buckets, and better than others.
    pub(super) wanted: [bool; FEW],
}

impl Coarse {
    /// Takes sums by bucket, to find what is better than the best.
    pub(super) fn new(column: &Column, bins: &mut [Tally; FEW], best: &Best) -> Coarse {
        let mut coarse = Coarse { starts: [Tally::default(); FEW], places: [0; FEW], wanted: [false; FEW] };
        // What a split there is worth; nothing before the first of them and behind the last.
        let mut gains = [f64::NEG_INFINITY; FEW + 1];
        let (mut left, mut place) = (Tally::default(), 0);
        let mut enough = best.above;
        for (bucket, tally) in bins.iter().enumerate() {
            (coarse.starts[bucket], coarse.places[bucket]) = (left, place);
            if left.rows() > 0 && left.rows() < best.all.rows() {
                gains[bucket] = left.gain(best.all);
                let is_split = tally.rows() > 0 && best.allows(left) && column.is_between(bucket);
                enough = if is_split { enough.max(as_good_as(gains[bucket])) } else { enough };
            }
            place += u8::from(tally.rows() > 0 && place < u8::MAX);
            left = left.plus(*tally);
        }
        for (bucket, tally) in bins.iter_mut().enumerate().filter(|(_, tally)| tally.rows() > 0) {
            let most = bound(coarse.starts[bucket], std::mem::take(tally), best.all);
            let most = most.max(gains[bucket]).max(gains[bucket + 1]);
            coarse.wanted[bucket] = most + MARGIN * most.abs() >= enough;
        }
        coarse
    }

    /// Whether there are no rows between two buckets that have some.
    pub(super) fn follows(&self, bucket: usize, before: usize) -> bool {
        self.places[bucket] - self.places[before] <= 1
    }
}

/// What a split within a bucket can be worth at most, unless one at its ends is worth more: a gain is a convex function of both
/// sums on the left side, and so is nowhere larger than where all rows of one class come before those of the other.
fn bound(start: Tally, bucket: Tally, all: Tally) -> f64 {
    let ([second, weight], [of_bucket, weight_of_bucket]) = (start.sums(), bucket.sums());
    let corner = |left: [f64; 2]| {
        let right = less(all.sums(), left);
        if left[1] > 0.0 && right[1] > 0.0 { gain(left, right) } else { f64::NEG_INFINITY }
    };
    let second_first = corner([second + of_bucket, weight + of_bucket]);
    second_first.max(corner([second, weight + weight_of_bucket - of_bucket]))
}
