//! Categories by the mean of their target, as scikit-learn's `TargetEncoder` with `smooth="auto"` (Micci-Barreca 2001).
//!
//! A row that is fitted on must not see its own target through its category. So the rows of a fit are dealt into folds, and
//! each gets the numbers that were learnt from the other folds; the model that is served has those learnt from all rows.

use slipway_model::Form;

use super::categories::NONE;
use crate::learner::Target;
use crate::rng::Rng;

/// Folds of the rows of a fit.
const FOLDS: usize = 5;
/// Seed of the folds.
const SEED: i64 = 0;

/// A block of the encoder whose numbers are learnt from the target.
#[derive(Clone, Debug)]
pub(crate) struct Targeted {
    /// Its place among the blocks.
    pub(crate) block: usize,
    /// The group of each training row, or [`NONE`] where it is missing.
    pub(super) groups: Vec<u32>,
    /// The group of each category.
    pub(super) group_of: Vec<u32>,
}

impl Targeted {
    /// The numbers of the served model, learnt from `rows`.
    pub(crate) fn form(&self, target: &Target, rows: &[u32]) -> Form {
        let learnt = self.learn(target, rows);
        let columns = columns(target);
        let values =
            self.group_of.iter().flat_map(|group| learnt[*group as usize * columns..][..columns].iter().copied());
        Form::Table { columns, values: values.collect() }
    }

    /// The numbers of every training row for a fit on `rows`, a list for each column: for `rows` those learnt from other folds,
    /// for others those of [`Targeted::form`].
    pub(crate) fn cross_fit(&self, target: &Target, rows: &[u32]) -> Vec<Vec<f64>> {
        self.in_folds(target, rows, &deal(target, rows))
    }

    /// The same with a given fold of each of `rows`.
    pub(super) fn in_folds(&self, target: &Target, rows: &[u32], fold_of: &[usize]) -> Vec<Vec<f64>> {
        let columns = columns(target);
        let mut values = vec![vec![f64::NAN; self.groups.len()]; columns];
        let all: Vec<u32> = (0..self.groups.len() as u32).collect();
        self.apply(&self.learn(target, rows), &all, &mut values);
        let folds = fold_of.iter().max().map_or(0, |last| last + 1);
        for fold in (0..folds).filter(|_| folds > 1) {
            let part = |own: bool| -> Vec<u32> {
                rows.iter().zip(fold_of).filter(|(_, of)| (**of == fold) == own).map(|(row, _)| *row).collect()
            };
            self.apply(&self.learn(target, &part(false)), &part(true), &mut values);
        }
        values
    }

    fn apply(&self, learnt: &[f64], rows: &[u32], values: &mut [Vec<f64>]) {
        let width = values.len();
        for &row in rows {
            let group = self.groups[row as usize];
            if group == NONE {
                continue;
            }
            for (column, values) in values.iter_mut().enumerate() {
                values[row as usize] = learnt[group as usize * width + column];
            }
        }
    }

    /// The numbers of each group, one for each column, group after group.
    fn learn(&self, target: &Target, rows: &[u32]) -> Vec<f64> {
        let groups = self.group_of.iter().max().map_or(0, |last| *last as usize + 1);
        let width = columns(target);
        let mut learnt = vec![0.0; groups * width];
        for column in 0..width {
            let outcome = |row: u32| match target {
                Target::Numbers(values) => values[row as usize],
                Target::Classes { codes, .. } if width == 1 => f64::from(codes[row as usize]),
                Target::Classes { codes, .. } => f64::from(u8::from(codes[row as usize] as usize == column)),
            };
            for (group, mean) in self.means(groups, rows, outcome).into_iter().enumerate() {
                learnt[group * width + column] = mean;
            }
        }
        learnt
    }

    /// The mean outcome of each group, drawn towards the mean of all rows by the share of the variance within the group.
    fn means(&self, groups: usize, rows: &[u32], outcome: impl Fn(u32) -> f64) -> Vec<f64> {
        let count = rows.len() as f64;
        let mean = rows.iter().map(|&row| outcome(row)).sum::<f64>() / count;
        let variance = rows.iter().map(|&row| (outcome(row) - mean).powi(2)).sum::<f64>() / count;
        let grouped = || rows.iter().map(|&row| (row, self.groups[row as usize])).filter(|(_, group)| *group != NONE);
        let mut counts = vec![0.0; groups];
        let mut means = vec![0.0; groups];
        for (row, group) in grouped() {
            counts[group as usize] += 1.0;
            means[group as usize] += outcome(row);
        }
        for (mean, count) in means.iter_mut().zip(&counts) {
            *mean /= count;
        }
        let mut squares = vec![0.0; groups];
        for (row, group) in grouped() {
            squares[group as usize] += (outcome(row) - means[group as usize]).powi(2);
        }
        let drawn = |group: usize| {
            let own = variance * counts[group];
            let trust = own / (own + squares[group] / counts[group]);
            // No rows, or no variance at all.
            if trust.is_nan() { mean } else { trust * means[group] + (1.0 - trust) * mean }
        };
        (0..groups).map(drawn).collect()
    }
}

/// Numbers for each category: one, or one a class where there are more than two.
fn columns(target: &Target) -> usize {
    match target {
        Target::Classes { count, .. } if *count > 2 => *count,
        Target::Numbers(_) | Target::Classes { .. } => 1,
    }
}

/// The fold of each of `rows`: dealt out in random order, the rows of a class one after the other.
fn deal(target: &Target, rows: &[u32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    Rng::new(SEED).shuffle(&mut order);
    if let Target::Classes { codes, .. } = target {
        order.sort_by_key(|place| codes[rows[*place] as usize]);
    }
    let mut fold_of = vec![0; rows.len()];
    for (dealt, place) in order.into_iter().enumerate() {
        fold_of[place] = dealt % FOLDS;
    }
    fold_of
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_does_not_see_its_own_target() {
        let groups = vec![0, 0, 0, 0, 1, 1, 1, 1, 1, NONE];
        let targeted = Targeted { block: 0, groups, group_of: vec![0, 1] };
        let rows: Vec<u32> = (0..9).collect();
        let values = |changed: f64| {
            let mut target = vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 0.0];
            target[2] = changed;
            targeted.cross_fit(&Target::Numbers(target), &rows).remove(0)
        };
        let (before, after) = (values(3.0), values(1000.0));
        assert_eq!(before[2], after[2]);
        assert!(before[0] != after[0] || before[1] != after[1] || before[3] != after[3]);
        assert!(before[9].is_nan());
    }

    #[test]
    fn folds_are_of_one_size_and_hold_each_class() {
        let codes: Vec<u32> = (0..103).map(|row| row % 3).collect();
        let fold_of = deal(&Target::Classes { codes: codes.clone(), count: 3 }, &(0..103).collect::<Vec<_>>());
        for fold in 0..FOLDS {
            for class in 0..3 {
                let members = (0..103).filter(|row| fold_of[*row] == fold && codes[*row] == class).count();
                assert!((6..=8).contains(&members), "{members}");
            }
        }
    }
}
