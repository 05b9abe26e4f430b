//! Numbers for categories and bins, without the target.

use slipway_model::{Block, Form};
use slipway_spec::{Encoding, Unknown};

use super::Raw;

/// No group: the value is missing and stays so.
pub(super) const NONE: u32 = u32::MAX;

/// The categories in groups: each on its own, but the rare ones together.
pub(super) struct Pool {
    /// The group of each category.
    pub(super) group_of: Vec<u32>,
    /// The group of each training row, or [`NONE`].
    pub(super) of_rows: Vec<u32>,
    /// Training rows of each group.
    counts: Vec<u64>,
    /// Whether the last group is of the others: rare or unknown categories.
    others: bool,
}

impl Pool {
    /// Groups the `codes` categories or bins of `block`; `values` are those of the training rows before filling in.
    pub(super) fn new(codes: usize, raw: &Raw<'_>, block: &Block, values: &[f64]) -> Pool {
        let code = |value: f64| match block.fill {
            Some(fill) if value.is_nan() => Some(fill),
            _ => Some(value).filter(|value| !value.is_nan()),
        };
        let binned = |value: f64| {
            if block.bins.is_empty() { value as u32 } else { block.bins.partition_point(|edge| *edge <= value) as u32 }
        };
        let mut of_rows: Vec<u32> = values.iter().map(|value| code(*value).map_or(NONE, binned)).collect();
        let mut counts = vec![0_u64; codes];
        for code in of_rows.iter().filter(|code| **code != NONE) {
            counts[*code as usize] += 1;
        }
        let least = raw.declared.min_frequency.map_or(0, |least| least.of(values.len()) as u64);
        let unknown = raw.field.is_some_and(|field| block.bins.is_empty() && field.unknown == Unknown::Other);
        let named = codes - usize::from(unknown);
        let others = unknown || counts[..named].iter().any(|count| *count < least);
        let mut next = 0;
        let mut group_of: Vec<u32> = Vec::with_capacity(codes);
        for (code, count) in counts.iter().enumerate() {
            let kept = code < named && *count >= least;
            group_of.push(if kept { next } else { NONE });
            next += u32::from(kept);
        }
        for group in group_of.iter_mut().filter(|group| **group == NONE) {
            *group = next;
        }
        let mut grouped = vec![0; next as usize + usize::from(others)];
        for (group, count) in group_of.iter().zip(&counts) {
            grouped[*group as usize] += count;
        }
        for code in of_rows.iter_mut().filter(|code| **code != NONE) {
            *code = group_of[*code as usize];
        }
        Pool { group_of, of_rows, counts: grouped, others }
    }

    /// How many groups there are.
    pub(super) fn groups(&self) -> usize {
        self.counts.len()
    }

    /// The form of an encoding that does not know the target.
    pub(super) fn form(&self, encoding: Encoding) -> Form {
        let table = |of: &dyn Fn(u32) -> f64| Form::Table {
            columns: 1,
            values: self.group_of.iter().map(|group| of(*group)).collect(),
        };
        let each_its_own = self.group_of.iter().enumerate().all(|(code, group)| code == *group as usize);
        match encoding {
            Encoding::OneHot => {
                // A column of the others that is 0 in every training row would teach nothing.
                let idle = self.others && self.counts.last() == Some(&0) && self.counts.len() > 1;
                let columns = self.counts.len() - usize::from(idle);
                let places = if each_its_own { Vec::new() } else { self.group_of.clone() };
                Form::OneHot { columns, places }
            }
            Encoding::Count => table(&|group| self.counts[group as usize] as f64),
            // The target is not known here; whoever asks for it does not ask here.
            Encoding::Ordinal | Encoding::Target if each_its_own => Form::Identity,
            Encoding::Ordinal | Encoding::Target => table(&f64::from),
        }
    }
}
