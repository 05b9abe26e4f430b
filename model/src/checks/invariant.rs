//! Predictions that do not depend on a feature.

use slipway_spec::FeatureType;
use slipway_spec::judge::Short;

use super::{Evidence, has_rows, quantiles, sample};

/// Most categories that a prediction is compared at.
const MAX_VALUES: usize = 100;

/// Whether predictions stay when a feature takes its other values.
pub(super) fn invariant(name: &str, tolerance: f64, evidence: Evidence<'_>) -> Result<String, String> {
    let fields = evidence.model.fields();
    let Some(place) = fields.iter().position(|field| field.name == name) else {
        return if evidence.columns.contains(&name) {
            Ok("it is no feature of the model".to_owned())
        } else {
            Err("there is no such column; correct its name".to_owned())
        };
    };
    has_rows(evidence)?;
    let field = &fields[place];
    let values = match field.type_ {
        FeatureType::Category => spread_out((0..field.categories.len()).map(|category| category as f64).collect()),
        FeatureType::Boolean => vec![0.0, 1.0],
        FeatureType::Number | FeatureType::Timestamp => quantiles(evidence.rows.iter().map(|row| row[place])),
    };
    let rows = sample(evidence.rows.iter().map(Vec::as_slice).collect());
    // How far predictions lie apart, the numbers of the prediction that do, and the values that make the difference.
    let mut widest: Option<(f64, [f64; 2], [f64; 2])> = None;
    for row in &rows {
        let predict = |value: &f64| {
            let mut row = row.to_vec();
            row[place] = *value;
            (*value, evidence.model.predict_raw(&row))
        };
        let predictions: Vec<_> = values.iter().map(predict).collect();
        for number in 0..predictions.first().map_or(0, |(_, raw)| raw.len()) {
            let by = |a: &&(f64, Vec<f64>), b: &&(f64, Vec<f64>)| a.1[number].total_cmp(&b.1[number]);
            if let (Some(low), Some(high)) = (predictions.iter().min_by(by), predictions.iter().max_by(by)) {
                let distance = high.1[number] - low.1[number];
                if widest.is_none_or(|(widest, ..)| distance > widest) {
                    widest = Some((distance, [low.1[number], high.1[number]], [low.0, high.0]));
                }
            }
        }
    }
    let show = |value: f64| match field.type_ {
        FeatureType::Category => format!("{:?}", field.categories[value as usize]),
        FeatureType::Boolean => (value == 1.0).to_string(),
        FeatureType::Number | FeatureType::Timestamp => Short(value).to_string(),
    };
    match widest {
        Some((distance, predictions, at)) if distance > tolerance => Err(format!(
            "of one row, the prediction is {} at {} and {} at {}, further apart than {}",
            Short(predictions[0]),
            show(at[0]),
            Short(predictions[1]),
            show(at[1]),
            Short(tolerance),
        )),
        _ => Ok(format!("predictions of {} test rows do not depend on it", rows.len())),
    }
}

/// At most [`MAX_VALUES`] of the values, evenly spread.
fn spread_out(values: Vec<f64>) -> Vec<f64> {
    if values.len() <= MAX_VALUES {
        return values;
    }
    (0..MAX_VALUES).map(|place| values[place * values.len() / MAX_VALUES]).collect()
}
