//! The baseline: an answer that does not look at the row.

use slipway_model::{Constant, Estimator};
use slipway_spec::{DummyStrategy, Fraction, Parameters, Task};

use super::{FitError, Fitted, Learner, Samples, Target};

/// Dummy, for Regression and Classification.
pub(crate) struct Dummy<'a> {
    samples: &'a Samples,
}

impl<'a> Dummy<'a> {
    pub(crate) fn new(samples: &'a Samples) -> Self {
        Dummy { samples }
    }
}

impl Learner for Dummy<'_> {
    fn samples(&self) -> &Samples {
        self.samples
    }

    fn fit(&self, rows: &[u32], parameters: &Parameters) -> Result<Fitted, FitError> {
        let weights = self.samples.weights.as_ref().map(|_| self.samples.weights_of(rows));
        let values = answer(&self.samples.target, rows, weights, parameters)?;
        let estimator = Estimator::Constant(Constant { values });
        Ok(Fitted::new(self.samples.encoder.clone(), estimator))
    }
}

/// What Dummy answers where the spec names no strategy.
pub(crate) fn default_strategy(task: Task) -> DummyStrategy {
    match task {
        Task::Regression => DummyStrategy::Mean,
        Task::Classification => DummyStrategy::Prior,
    }
}

/// The number, or one probability a class, that `rows` with these weights give.
pub(crate) fn answer(
    target: &Target,
    rows: &[u32],
    weights: Option<Vec<f64>>,
    parameters: &Parameters,
) -> Result<Vec<f64>, FitError> {
    let task = if let Target::Numbers(_) = target { Task::Regression } else { Task::Classification };
    let strategy = parameters.strategy.unwrap_or_else(|| default_strategy(task));
    match target {
        Target::Numbers(numbers) => {
            let values: Vec<f64> = rows.iter().map(|&row| numbers[row as usize]).collect();
            number(strategy, values, weights, parameters).map(|number| vec![number])
        }
        Target::Classes { codes, count } => {
            let mut shares = vec![0.0; *count];
            let weights = weights.unwrap_or_else(|| vec![1.0; rows.len()]);
            for (&row, weight) in rows.iter().zip(weights) {
                shares[codes[row as usize] as usize] += weight;
            }
            Ok(probabilities(strategy, &shares))
        }
    }
}

fn number(
    strategy: DummyStrategy,
    values: Vec<f64>,
    weights: Option<Vec<f64>>,
    parameters: &Parameters,
) -> Result<f64, FitError> {
    let share = match strategy {
        DummyStrategy::Median => 0.5,
        DummyStrategy::Quantile => parameters.quantile.map(Fraction::get).ok_or_else(|| {
            FitError("strategy quantile needs to know which; write quantile, from 0 to 1, in parameters".to_owned())
        })?,
        _ => {
            let weights = weights.unwrap_or_else(|| vec![1.0; values.len()]);
            let sum: f64 = values.iter().zip(&weights).map(|(value, weight)| value * weight).sum();
            return Ok(sum / weights.iter().sum::<f64>());
        }
    };
    Ok(match weights {
        None => quantile(values, share),
        Some(weights) if strategy == DummyStrategy::Median => weighted_quantile(&values, &weights, share, true),
        Some(weights) => weighted_quantile(&values, &weights, share, false),
    })
}

/// Between two values in proportion, as `numpy.percentile`.
fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let place = share * (values.len() - 1) as f64;
    let (below, above) = (values[place.floor() as usize], values[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

/// The first value up to which at least the share of all weights lies. With `between`, where that share is met exactly, the
/// middle between it and the next, so that whole weights mean the same as repeated rows do to the median.
fn weighted_quantile(values: &[f64], weights: &[f64], share: f64, between: bool) -> f64 {
    let mut pairs: Vec<(f64, f64)> =
        values.iter().copied().zip(weights.iter().copied()).filter(|(_, weight)| *weight > 0.0).collect();
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let wanted = share * pairs.iter().map(|(_, weight)| weight).sum::<f64>();
    let mut sum = 0.0;
    let reached = pairs.iter().position(|(_, weight)| {
        sum += weight;
        sum >= wanted
    });
    let place = reached.unwrap_or(pairs.len().saturating_sub(1));
    let value = pairs.get(place).map_or(0.0, |(value, _)| *value);
    match pairs.get(place + 1) {
        Some((next, _)) if between && sum == wanted => f64::midpoint(value, *next),
        _ => value,
    }
}

fn probabilities(strategy: DummyStrategy, shares: &[f64]) -> Vec<f64> {
    let total: f64 = shares.iter().sum();
    match strategy {
        DummyStrategy::MostFrequent => {
            let most = slipway_model::most_probable(shares);
            (0..shares.len()).map(|class| if class == most { 1.0 } else { 0.0 }).collect()
        }
        DummyStrategy::Uniform => {
            let present = shares.iter().filter(|share| **share > 0.0).count() as f64;
            shares.iter().map(|share| if *share > 0.0 { 1.0 / present } else { 0.0 }).collect()
        }
        _ => shares.iter().map(|share| share / total).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_numpy_and_whole_weights_repeat_rows() {
        assert_eq!(quantile(vec![4.0, 1.0, 3.0, 2.0], 0.5), 2.5);
        assert_eq!(quantile(vec![4.0, 1.0, 3.0, 2.0], 0.9), 3.7);
        assert_eq!(quantile(vec![5.0], 0.3), 5.0);
        let values = [3.0, 1.0, 2.0, 7.0];
        assert_eq!(weighted_quantile(&values, &[1.0, 1.0, 1.0, 1.0], 0.5, true), 2.5);
        assert_eq!(weighted_quantile(&values, &[1.0, 2.0, 0.0, 1.0], 0.5, true), 2.0, "the median of 1, 1, 3, 7");
        assert_eq!(weighted_quantile(&values, &[5.0, 1.0, 1.0, 1.0], 0.5, true), 3.0);
        assert_eq!(weighted_quantile(&values, &[1.0, 1.0, 1.0, 1.0], 1.0, false), 7.0);
    }

    #[test]
    fn strategies_of_classification() {
        let shares = [1.0, 3.0, 0.0];
        assert_eq!(probabilities(DummyStrategy::Prior, &shares), [0.25, 0.75, 0.0]);
        assert_eq!(probabilities(DummyStrategy::MostFrequent, &shares), [0.0, 1.0, 0.0]);
        assert_eq!(probabilities(DummyStrategy::Uniform, &shares), [0.5, 0.5, 0.0]);
    }
}
