//! How much worse a model gets when the values of one feature are shuffled (Breiman 2001).

use slipway_spec::Metric;
use slipway_spec::pictures::{FeatureImportance, PermutationImportance};

use super::{Drawn, sample};
use crate::metrics;
use crate::rng::Rng;

/// Most features that are shuffled: the first ones.
const MAX_SHUFFLED: usize = 200;
/// Most features that are listed.
const MAX_LISTED: usize = 20;
const REPEATS: usize = 5;
/// Predictions of all repeats together: at ten microseconds each, two seconds.
const PREDICTIONS: usize = 200_000;
const MAX_ROWS: usize = 5_000;
const MIN_ROWS: usize = 100;

/// Measures by `metric`, which is defined on the rows.
pub(super) fn measure(drawn: Drawn<'_>, metric: Metric) -> PermutationImportance {
    let fields = drawn.model.fields();
    let shuffled = fields.len().min(MAX_SHUFFLED);
    let places = sample((PREDICTIONS / (shuffled * REPEATS)).clamp(MIN_ROWS, MAX_ROWS), drawn.rows.len());
    let mut rows: Vec<Vec<f64>> = places.iter().map(|&place| drawn.rows[place].clone()).collect();
    let score = |rows: &[Vec<f64>]| {
        let rows = places.iter().copied().zip(rows.iter().map(Vec::as_slice));
        let answers = drawn.answers.by(drawn.model, rows);
        metrics::compute(metric, drawn.model.output(), answers.scored()).ok()
    };
    let value = score(&rows);
    let worse = if metric.higher_is_better() { 1.0 } else { -1.0 };
    let mut features: Vec<FeatureImportance> = (0..shuffled)
        .map(|field| {
            let column: Vec<f64> = rows.iter().map(|row| row[field]).collect();
            let mut losses = Vec::with_capacity(REPEATS);
            for repeat in 0..REPEATS {
                let mut mixed = column.clone();
                Rng::new(((field * REPEATS + repeat) as u64).cast_signed()).shuffle(&mut mixed);
                set(&mut rows, field, &mixed);
                losses.extend(value.zip(score(&rows)).map(|(value, now)| worse * (value - now)));
            }
            set(&mut rows, field, &column);
            let (importance, deviation) = moments(&losses);
            FeatureImportance { feature: fields[field].name.clone(), importance, deviation }
        })
        .collect();
    features.sort_by(|a, b| b.importance.total_cmp(&a.importance));
    features.truncate(MAX_LISTED);
    PermutationImportance {
        metric: metric.name().to_owned(),
        value: value.unwrap_or_default(),
        rows: places.len(),
        repeats: REPEATS,
        more: fields.len() - features.len(),
        features,
    }
}

fn set(rows: &mut [Vec<f64>], field: usize, values: &[f64]) {
    for (row, value) in rows.iter_mut().zip(values) {
        row[field] = *value;
    }
}

/// Mean and standard deviation.
fn moments(values: &[f64]) -> (f64, f64) {
    if values.is_empty() {
        return (0.0, 0.0);
    }
    let mean = |values: &mut dyn Iterator<Item = f64>, count: usize| values.sum::<f64>() / count as f64;
    let centre = mean(&mut values.iter().copied(), values.len());
    let spread = mean(&mut values.iter().map(|value| (value - centre).powi(2)), values.len());
    (centre, spread.sqrt())
}
