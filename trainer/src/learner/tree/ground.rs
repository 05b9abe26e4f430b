//! The samples that trees grow on.

use std::sync::OnceLock;

use slipway_spec::Criterion as Name;

use super::alike::Alike;
use super::criterion::Criterion;
use super::draw::Order;
use super::grow::{Options, grow};
use super::grower::{Grower, Workspace};
use super::grown::Grown;
use super::presort::Presorted;
use super::random::RandomSplits;
use super::records::{Table, TreeRows};
use super::rules::Rules;
use crate::learner::{Samples, Target};

/// Samples, sorted once for all trees.
pub(crate) struct Ground<'a> {
    pub(crate) samples: &'a Samples,
    pub(crate) sorted: Presorted,
    pub(super) alike: Option<Alike>,
    /// Where trees may grow on records.
    pub(super) table: OnceLock<Option<Table>>,
}

/// How thresholds are chosen, and by what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice {
    pub(super) criterion: Option<Name>,
    /// Whether thresholds are drawn at random.
    pub(super) random: bool,
}

impl<'a> Ground<'a> {
    /// Sorts the columns of all samples.
    pub(crate) fn new(samples: &'a Samples) -> Self {
        let alike = Alike::new(samples.each_column(), &samples.target);
        Ground { samples, sorted: Presorted::new(samples), alike, table: OnceLock::new() }
    }

    /// Grows a tree for the samples' own target on those of `rows` that count. `rows` are ascending; `weights`, by sample, are
    /// all 1 where there are none. `seed` is what [`super::draw::RandomState::splitter_seed`] gives.
    pub(super) fn grow(
        &self,
        choice: Choice,
        rows: &[u32],
        weights: Option<&[f64]>,
        options: &Options,
        seed: u32,
        workspace: &mut Workspace,
    ) -> Grown {
        let weight = |row: u32| weights.map_or(1.0, |weights| weights[row as usize]);
        let alike = self.alike.as_ref().filter(|_| Alike::suits(options));
        let united = alike.map(|alike| alike.unite(rows.iter().map(|&row| (row, weight(row)))));
        let heavy: Vec<u32>;
        let (rows, weights) = match (&united, weights) {
            (Some((rows, weights)), _) => (rows.as_slice(), Some(weights.as_slice())),
            (None, Some(_)) => {
                heavy = rows.iter().copied().filter(|&row| weight(row) != 0.0).collect();
                (heavy.as_slice(), weights)
            }
            (None, None) => (rows, None),
        };
        let recorded = self.grow_records(choice, (rows, weights), options, seed);
        let mut grown =
            recorded.unwrap_or_else(|| self.grow_by_criterion(choice, (rows, weights), options, seed, workspace));
        if alike.is_some() {
            grown.send_missing_to_heavier();
        }
        grown
    }

    /// Grows a tree on records, where that can be done and is quicker.
    fn grow_records(
        &self,
        choice: Choice,
        (rows, weights): (&[u32], Option<&[f64]>),
        options: &Options,
        seed: u32,
    ) -> Option<Grown> {
        let Target::Classes { codes, count: 2 } = &self.samples.target else { return None };
        let is_gini = matches!(choice.criterion, None | Some(Name::Gini));
        let is_free = options.min_weight_fraction <= 0.0 && options.monotonic.is_empty();
        let looks_at_few = choice.random || !self.sorted.matrix.mostly(options.max_features);
        if !(is_gini && is_free && looks_at_few) {
            return None;
        }
        let table = self.table.get_or_init(|| Table::new(&self.sorted)).as_ref()?;
        // Random splits read little of a record, which is moved whole.
        if choice.random && (table.is_wide() || table.is_long()) {
            return None;
        }
        table.grow(TreeRows { rows, weights, codes }, choice.random, options, seed)
    }

    fn grow_by_criterion(
        &self,
        choice: Choice,
        (rows, weights): (&[u32], Option<&[f64]>),
        options: &Options,
        seed: u32,
        workspace: &mut Workspace,
    ) -> Grown {
        let criterion = Criterion::new(choice.criterion, &self.samples.target, weights, rows, workspace.take_sums());
        if choice.random {
            let order = Order::new(self.sorted.columns.len(), seed);
            grow(RandomSplits::new(&self.sorted, criterion, workspace), rows, options, order, workspace)
        } else {
            grow_best(&self.sorted, criterion, rows, options, seed, workspace)
        }
    }
}

/// Grows a tree of best splits on `rows`, which are ascending and not none.
pub(super) fn grow_best<'a>(
    sorted: &'a Presorted,
    criterion: Criterion<'a>,
    rows: &[u32],
    options: &Options,
    seed: u32,
    workspace: &mut Workspace,
) -> Grown {
    let order = Order::new(sorted.columns.len(), seed);
    let grower = Grower::new(sorted, criterion, &Rules::of(options), options.max_features, workspace);
    let grower = if options.leaves.is_none() { grower.depth_first() } else { grower };
    grow(grower, rows, options, order, workspace)
}
