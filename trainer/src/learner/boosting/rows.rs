//! The rows of a fit: their columns, and which of them are learnt from.

use std::borrow::Cow;

use slipway_spec::Parameters;

use super::loss::{Loss, Truth};
use super::stages::{Plan, Rows};
use crate::features::Kind;
use crate::learner::tree::Alike;
use crate::learner::{FitError, Samples, Target};
use crate::rng::Rng;

/// A column of the training rows.
#[derive(Clone, Debug)]
pub(super) struct Column<'a> {
    /// Its values; what is not a number is missing.
    pub(super) values: Cow<'a, [f64]>,
    /// Of a column of categories, how many there are; its values are places among them.
    pub(super) categories: Option<usize>,
}

/// The columns of all samples.
pub(super) fn columns(samples: &Samples) -> Vec<Column<'_>> {
    let categories = samples.columns.iter().map(|column| match column.kind {
        Kind::Categories(count) => Some(count),
        Kind::Numbers | Kind::Missing => None,
    });
    let values = samples.column_values();
    values.into_iter().zip(categories).map(|(values, categories)| Column { values, categories }).collect()
}

/// Of each column, which way predictions may go as it rises: 1, -1, or 0 for both.
pub(super) fn monotonic(
    samples: &Samples,
    columns: &[Column<'_>],
    parameters: &Parameters,
) -> Result<Vec<i8>, FitError> {
    let mut directions = vec![0; columns.len()];
    for (name, &direction) in parameters.monotonic_cst.iter().flatten() {
        let error = |problem: &str| Err(FitError(format!("parameters: monotonic_cst names {name}, {problem}")));
        if !(-1..=1).contains(&direction) {
            return error("with a number other than 1 for rising, -1 for falling, and 0");
        }
        let mut found = false;
        for place in samples.columns_of(name) {
            if columns[place].categories.is_some() && direction != 0 {
                return error("whose values are categories; there is no order for predictions to follow");
            }
            directions[place] = direction;
            found = true;
        }
        if !found {
            return error("which is no feature");
        }
    }
    if matches!(samples.target, Target::Classes { count: 3.., .. })
        && directions.iter().any(|&direction| direction != 0)
    {
        return Err(FitError("parameters: monotonic_cst is not for more than two classes".to_owned()));
    }
    Ok(directions)
}

/// The rows of a fit in order: those to learn from, those held back for early stopping, those watched.
#[derive(Debug)]
pub(super) struct Arranged {
    /// Places among the samples.
    pub(super) order: Vec<u32>,
    values: Vec<f64>,
    weights: Option<Vec<f64>>,
    trained: usize,
    held: usize,
    /// Whether each row to learn from stands for all that are the same.
    pub(super) united: bool,
}

impl Arranged {
    pub(super) fn new(
        samples: &Samples,
        parameters: &Parameters,
        plan: &Plan,
        rows: &[u32],
        watched: &[u32],
    ) -> Result<Arranged, FitError> {
        check(&samples.target, plan.loss, rows)?;
        let (mut order, held) = match plan.stop {
            None => (rows.to_vec(), Vec::new()),
            Some(stop) => hold_back(&samples.target, rows, stop.held, plan.random_state)?,
        };
        let trained = order.len();
        let held_rows = held.len();
        order.extend(held);
        let values = values_of(&samples.target, &order);
        let mut weights = None;
        if samples.weights.is_some() || parameters.class_weight.is_some() {
            let own = weights.insert(samples.weights_of(&order));
            samples.weigh_classes(parameters.class_weight.as_ref(), &order, own)?;
        }
        if weights.as_ref().is_some_and(|weights| weights[..trained].iter().all(|&weight| weight <= 0.0)) {
            return Err(FitError("all training rows of a fit weigh 0".to_owned()));
        }
        order.extend(watched);
        Ok(Arranged { order, values, weights, trained, held: held_rows, united: false })
    }

    /// The same with one row to learn from for each kind.
    pub(super) fn united(self, alike: &Alike, target: &Target) -> Arranged {
        let weights = self.weights.unwrap_or_else(|| vec![1.0; self.values.len()]);
        let (mut order, by_row) = alike.unite(self.order.iter().copied().zip(weights[..self.trained].iter().copied()));
        let trained = order.len();
        let mut values = values_of(target, &order);
        values.extend(&self.values[self.trained..]);
        let mut united: Vec<f64> = order.iter().map(|&row| by_row[row as usize]).collect();
        united.extend(&weights[self.trained..]);
        order.extend(&self.order[self.trained..]);
        Arranged { order, values, weights: Some(united), trained, held: self.held, united: true }
    }

    pub(super) fn training(&self) -> Truth<'_> {
        let weights = self.weights.as_deref().map(|weights| &weights[..self.trained]);
        Truth { values: &self.values[..self.trained], weights }
    }

    pub(super) fn rows(&self) -> Rows<'_> {
        let weights = self.weights.as_deref().map(|weights| &weights[self.trained..]);
        let held = Truth { values: &self.values[self.trained..], weights };
        Rows { training: self.training(), held, watched: self.order.len() - self.trained - self.held }
    }
}

/// The targets of rows, those of classes their places.
fn values_of(target: &Target, rows: &[u32]) -> Vec<f64> {
    match target {
        Target::Numbers(values) => rows.iter().map(|&row| values[row as usize]).collect(),
        Target::Classes { codes, .. } => rows.iter().map(|&row| f64::from(codes[row as usize])).collect(),
    }
}

/// Whether a loss can be learnt from the targets of some rows.
fn check(target: &Target, loss: Loss, rows: &[u32]) -> Result<(), FitError> {
    let error = |problem: &str| Err(FitError(problem.to_owned()));
    match target {
        Target::Classes { codes, .. } => {
            let first = rows.first().map(|&row| codes[row as usize]);
            if rows.iter().all(|&row| Some(codes[row as usize]) == first) {
                return error("the training rows hold only one class; there is nothing to tell apart");
            }
        }
        Target::Numbers(values) => {
            let values = || rows.iter().map(|&row| values[row as usize]);
            let lowest = values().fold(f64::INFINITY, f64::min);
            let highest = values().fold(f64::NEG_INFINITY, f64::max);
            match loss {
                Loss::Poisson if lowest < 0.0 => {
                    return error("the loss poisson is for targets from 0 on, and some are below 0");
                }
                Loss::Poisson if highest <= 0.0 => {
                    return error("the loss poisson needs a target above 0, and all are 0");
                }
                Loss::Gamma if lowest <= 0.0 => {
                    return error("the loss gamma is for targets above 0, and some are not");
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Divides rows into those to learn from and a share held back, each in the order given; of classes, each gives its share.
fn hold_back(target: &Target, rows: &[u32], share: f64, seed: i64) -> Result<(Vec<u32>, Vec<u32>), FitError> {
    let mut shuffled: Vec<usize> = (0..rows.len()).collect();
    Rng::new(seed).shuffle(&mut shuffled);
    if let Target::Classes { codes, .. } = target {
        shuffled.sort_by_key(|&place| codes[rows[place] as usize]);
    }
    let count = (share * rows.len() as f64).ceil() as usize;
    if count == 0 || count >= rows.len() {
        let rows = rows.len();
        return Err(FitError(format!(
            "early stopping cannot hold back a share of {share} of {rows} rows; change validation_fraction"
        )));
    }
    // Every so many rows one is held back, so that each class gives its share.
    let mut held = vec![false; rows.len()];
    for (place, &row) in shuffled.iter().enumerate() {
        held[row] = (place + 1) * count / rows.len() > place * count / rows.len();
    }
    let mut parts = (Vec::with_capacity(rows.len() - count), Vec::with_capacity(count));
    for (&row, held) in rows.iter().zip(held) {
        if held { parts.1.push(row) } else { parts.0.push(row) }
    }
    Ok(parts)
}
