//! Confidence intervals by resampling the rows (Efron 1979).

use std::collections::BTreeMap;

use slipway_spec::{Confidence, Interval, Metric};

use super::{Scored, compute, of_task};
use crate::rng::Rng;
use crate::schema::Output;

/// Up to so many test rows intervals are made without being asked for: there they are wide and soon computed.
pub const MAX_UNASKED_ROWS: usize = 1_000;
/// The share of resamples in which a metric must be defined for an interval to say something.
const MIN_DEFINED: f64 = 0.9;
/// What the interval leaves out on each side.
const TAIL: f64 = 0.025;

/// The 95 % interval of each metric with a value: between percentiles of its values on rows drawn with replacement. A metric
/// that is undefined in too many draws has none.
pub fn intervals(
    output: &Output,
    scored: Scored<'_>,
    asked: &[Metric],
    confidence: &Confidence,
) -> BTreeMap<String, Interval> {
    let resamples = confidence.resamples.unsigned_abs() as usize;
    let metrics: Vec<Metric> =
        of_task(output, asked).filter(|metric| compute(*metric, output, scored).is_ok()).collect();
    let mut values: Vec<Vec<f64>> = vec![Vec::with_capacity(resamples); metrics.len()];
    let mut rng = Rng::new(confidence.seed);
    let mut drawn = Drawn::default();
    for _ in 0..resamples {
        drawn.draw(scored, &mut rng);
        for (metric, values) in metrics.iter().zip(&mut values) {
            values.extend(compute(*metric, output, drawn.scored(scored)));
        }
    }
    let enough = (MIN_DEFINED * resamples as f64).max(1.0);
    let interval = |mut values: Vec<f64>| {
        values.sort_unstable_by(f64::total_cmp);
        Interval { low: percentile(&values, TAIL), high: percentile(&values, 1.0 - TAIL) }
    };
    let defined = metrics.iter().zip(values).filter(|(_, values)| values.len() as f64 >= enough);
    defined.map(|(metric, values)| (metric.name().to_owned(), interval(values))).collect()
}

/// The value at a share of sorted ones, between two of them in proportion, as `numpy.percentile`.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let below = sorted[place.floor() as usize];
    below + (sorted[place.ceil() as usize] - below) * place.fract()
}

/// Rows drawn with replacement.
#[derive(Default)]
struct Drawn {
    numbers: Vec<f64>,
    predicted_numbers: Vec<f64>,
    classes: Vec<usize>,
    predicted_classes: Vec<usize>,
    probabilities: Vec<f64>,
}

impl Drawn {
    /// Draws as many rows as there are.
    fn draw(&mut self, from: Scored<'_>, rng: &mut Rng) {
        let rows = from.rows() as u64;
        let places = (0..rows).map(|_| rng.below(rows) as usize);
        match from {
            Scored::Numbers { truth, predicted } => {
                self.numbers.clear();
                self.predicted_numbers.clear();
                for place in places {
                    self.numbers.push(truth[place]);
                    self.predicted_numbers.push(predicted[place]);
                }
            }
            Scored::Classes { truth, predicted, probabilities } => {
                self.classes.clear();
                self.predicted_classes.clear();
                self.probabilities.clear();
                let width = probabilities.map_or(0, |all| all.len() / truth.len());
                for place in places {
                    self.classes.push(truth[place]);
                    self.predicted_classes.push(predicted[place]);
                    let all = probabilities.unwrap_or_default();
                    self.probabilities.extend_from_slice(&all[place * width..][..width]);
                }
            }
        }
    }

    fn scored(&self, like: Scored<'_>) -> Scored<'_> {
        match like {
            Scored::Numbers { .. } => Scored::Numbers { truth: &self.numbers, predicted: &self.predicted_numbers },
            Scored::Classes { probabilities, .. } => Scored::Classes {
                truth: &self.classes,
                predicted: &self.predicted_classes,
                probabilities: probabilities.map(|_| self.probabilities.as_slice()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output() -> Output {
        Output::Classification {
            name: "y".to_owned(),
            classes: vec!["no".to_owned(), "yes".to_owned()],
            positive_class: Some(1),
            threshold: None,
        }
    }

    #[test]
    fn the_interval_of_a_share_is_that_of_the_normal_approximation() {
        // 300 of 400 answers are right: 0.75 ± 1.96 · sqrt(0.75 · 0.25 / 400).
        let truth: Vec<usize> = (0..400).map(|row| row % 2).collect();
        let predicted: Vec<usize> = (0..400).map(|row| if row % 4 == 0 { 1 - row % 2 } else { row % 2 }).collect();
        let scored = Scored::Classes { truth: &truth, predicted: &predicted, probabilities: None };
        let confidence = Confidence { resamples: 2_000, seed: 1 };
        let found = intervals(&output(), scored, &[], &confidence);
        let Interval { low, high } = found["accuracy"];
        assert!((low - 0.7076).abs() < 0.006 && (high - 0.7924).abs() < 0.006, "{low} {high}");
        assert_eq!(found, intervals(&output(), scored, &[], &confidence), "one seed, one interval");
        assert!(!found.contains_key("roc_auc"), "a metric without a value has no interval");
    }

    #[test]
    fn a_perfect_prediction_has_an_interval_of_one_value() {
        let values: Vec<f64> = (0..50).map(f64::from).collect();
        let output = Output::Regression { name: "y".to_owned(), range: None, unit: None };
        let scored = Scored::Numbers { truth: &values, predicted: &values };
        let found = intervals(&output, scored, &[Metric::parse("pinball_loss_90").unwrap()], &Confidence::default());
        assert_eq!(found["r2"], Interval { low: 1.0, high: 1.0 });
        assert_eq!(found["pinball_loss_90"], Interval { low: 0.0, high: 0.0 });
    }

    #[test]
    fn percentiles_lie_between_values() {
        assert_eq!(percentile(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.5), 3.0);
        assert_eq!(percentile(&[1.0, 2.0], 0.25), 1.25);
        assert_eq!(percentile(&[7.0], 0.975), 7.0);
    }
}
