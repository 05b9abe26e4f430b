//! How the mean prediction moves with one feature (Friedman 2001).

use slipway_spec::FeatureType;
use slipway_spec::pictures::{DependenceLine, Histogram, PartialDependence};

use super::{Drawn, histogram, quantile, sample};
use crate::schema::{Field, Output};

/// Most features that are shown.
const MAX_FEATURES: usize = 8;
/// Test rows that are asked at each place.
const MAX_ROWS: usize = 300;
/// Most places of a number.
const MAX_PLACES: usize = 24;
/// Most categories.
const MAX_LABELS: usize = 12;
/// Most classes.
const MAX_LINES: usize = 5;

/// Of the features named in `first`, in that order.
pub(super) fn of_features(drawn: Drawn<'_>, first: &[&str]) -> Vec<PartialDependence> {
    let fields = drawn.model.fields();
    let place = |name: &&str| fields.iter().position(|field| field.name == **name);
    first.iter().filter_map(place).filter_map(|field| of_feature(drawn, field)).take(MAX_FEATURES).collect()
}

/// `None` where there is nothing to move: fewer than two values.
fn of_feature(drawn: Drawn<'_>, place: usize) -> Option<PartialDependence> {
    let field = &drawn.model.fields()[place];
    let mut sorted: Vec<f64> = drawn.rows.iter().map(|row| row[place]).filter(|value| value.is_finite()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let (at, labels, spread) = match field.type_ {
        FeatureType::Number | FeatureType::Timestamp => {
            let at = places(&sorted);
            let (start, end) = histogram::widen(*at.first()?, *at.last()?);
            (at, Vec::new(), histogram::between(sorted.iter().copied(), start, end, MAX_PLACES))
        }
        FeatureType::Category | FeatureType::Boolean => labelled(field, &sorted),
    };
    if at.len() < 2 {
        return None;
    }
    let rows: Vec<Vec<f64>> =
        sample(MAX_ROWS, drawn.rows.len()).into_iter().map(|row| drawn.rows[row].clone()).collect();
    let asked = rows.len();
    let lines = lines(drawn, rows, place, &at);
    Some(PartialDependence { feature: field.name.clone(), type_: field.type_, rows: asked, at, labels, lines, spread })
}

/// All values where there are few, otherwise equal steps over the inner 98 %.
fn places(sorted: &[f64]) -> Vec<f64> {
    let mut distinct = sorted.to_vec();
    distinct.dedup();
    if distinct.len() <= MAX_PLACES {
        return distinct;
    }
    let (low, high) = (quantile(sorted, 0.01), quantile(sorted, 0.99));
    if low == high {
        let step = distinct.len().div_ceil(MAX_PLACES);
        return distinct.into_iter().step_by(step).collect();
    }
    let step = (high - low) / (MAX_PLACES - 1) as f64;
    (0..MAX_PLACES).map(|place| low + step * place as f64).collect()
}

/// The most frequent values, by their number of rows.
fn labelled(field: &Field, sorted: &[f64]) -> (Vec<f64>, Vec<String>, Histogram) {
    let mut counted: Vec<(f64, u64)> =
        sorted.chunk_by(|a, b| a == b).map(|equal| (equal[0], equal.len() as u64)).collect();
    counted.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    let rest = counted.split_off(counted.len().min(MAX_LABELS));
    let label = |value: f64| match field.type_ {
        FeatureType::Boolean => (value == 1.0).to_string(),
        _ => field.categories.get(value as usize).cloned().unwrap_or_default(),
    };
    let labels = counted.iter().map(|(value, _)| label(*value)).collect();
    let beyond = [0, rest.iter().map(|(_, count)| count).sum()];
    let counts = counted.iter().map(|(_, count)| *count).collect();
    let spread = Histogram { start: 0.0, end: counted.len() as f64, counts, beyond };
    (counted.into_iter().map(|(value, _)| value).collect(), labels, spread)
}

fn lines(drawn: Drawn<'_>, mut rows: Vec<Vec<f64>>, place: usize, at: &[f64]) -> Vec<DependenceLine> {
    let (outputs, classes): (Vec<usize>, Vec<Option<String>>) = match drawn.model.output() {
        Output::Regression { .. } => (vec![0], vec![None]),
        Output::Classification { classes, positive_class, .. } => {
            let outputs: Vec<usize> = match (positive_class, classes.len()) {
                (Some(positive), _) => vec![*positive],
                (None, 2) => vec![1],
                (None, count) => (0..count.min(MAX_LINES)).collect(),
            };
            let names = outputs.iter().map(|&class| Some(classes[class].clone())).collect();
            (outputs, names)
        }
    };
    let mut lines: Vec<DependenceLine> =
        classes.into_iter().map(|class| DependenceLine { class, ..DependenceLine::default() }).collect();
    for &value in at {
        let predicted: Vec<Vec<f64>> = rows
            .iter_mut()
            .map(|row| {
                row[place] = value;
                drawn.model.predict_raw(row)
            })
            .collect();
        for (line, &output) in lines.iter_mut().zip(&outputs) {
            let mut all: Vec<f64> = predicted.iter().map(|raw| raw[output]).filter(|value| value.is_finite()).collect();
            line.mean.push(all.iter().sum::<f64>() / all.len().max(1) as f64);
            if outputs.len() == 1 {
                all.sort_unstable_by(f64::total_cmp);
                line.low.push(quantile(&all, 0.1));
                line.high.push(quantile(&all, 0.9));
            }
        }
    }
    lines
}
