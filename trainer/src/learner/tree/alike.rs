//! Rows that are the same in all columns and of the same class: a tree on one of them that weighs as much as all is the same
//! tree, grown sooner.

use std::borrow::Cow;

use super::grow::Options;
use super::presort::few;
use crate::learner::Target;

/// Which rows are the same.
#[derive(Clone, Debug)]
pub(crate) struct Alike {
    /// Of each row the first that is the same.
    first: Vec<u32>,
}

impl Alike {
    /// Finds the rows that are the same; `None` where these may be less than half of all, or a value is missing. Columns
    /// are only looked at until that is known.
    pub(crate) fn new<'c>(columns: impl Iterator<Item = Cow<'c, [f64]>>, target: &Target) -> Option<Alike> {
        let Target::Classes { codes, count } = target else { return None };
        let (mut kinds, mut places) = (*count, codes.clone());
        for column in columns {
            let (values, ranks) = few(&column)?;
            kinds = kinds.checked_mul(values.len())?;
            if 2 * kinds > codes.len() || values.last().is_some_and(|value| value.is_nan()) {
                return None;
            }
            for (place, rank) in places.iter_mut().zip(ranks) {
                *place = *place * values.len() as u32 + u32::from(rank);
            }
        }
        let mut firsts = vec![None; kinds];
        let first = (0..).zip(&places).map(|(row, &place)| *firsts[place as usize].get_or_insert(row)).collect();
        Some(Alike { first })
    }

    /// Whether trees that grow like this are the same: no limit goes by the number of rows.
    pub(crate) fn suits(options: &Options) -> bool {
        options.limits.leaf == 1 && options.limits.split <= 2
    }

    /// One row for each kind of these rows, ascending, and, by row of all, what those of its kind weigh together.
    pub(crate) fn unite(&self, rows: impl Iterator<Item = (u32, f64)>) -> (Vec<u32>, Vec<f64>) {
        let mut weights = vec![0.0; self.first.len()];
        for (row, weight) in rows {
            weights[self.first[row as usize] as usize] += weight;
        }
        let united = (0..).zip(&weights).filter(|(_, weight)| **weight > 0.0).map(|(row, _)| row).collect();
        (united, weights)
    }
}
