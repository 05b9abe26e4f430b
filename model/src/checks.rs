//! Conditions on a model's behaviour: [`Check`] to [`CheckResult`].

mod invariant;
mod unseen;

use slipway_spec::judge::Short;
use slipway_spec::{Check, CheckResult, Direction, FeatureType, MonotonicCheck, Outcome, RangeCheck};

use crate::manifest::Distributions;
use crate::predictor::Model;
use crate::schema::{Field, Output};

/// Most test rows of a group that a prediction is averaged over.
const MAX_ROWS_OF_GROUP: usize = 100;
/// Values that a feature without given ones is compared at.
const QUANTILES: usize = 10;

/// What a check looks at.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The model.
    pub model: &'a Model,
    /// The test rows, decoded by the model; empty where only predictions are known.
    pub rows: &'a [Vec<f64>],
    /// Predictions of the test rows; empty for a classifier.
    pub predicted: &'a [f64],
    /// Columns of the test rows, features or not.
    pub columns: &'a [&'a str],
    /// How values were spread in training.
    pub distributions: &'a Distributions,
}

/// Evaluates every check. One that does not fit the model fails, and its message says what there is.
pub fn evaluate(checks: &[Check], evidence: Evidence<'_>) -> Vec<CheckResult> {
    let result = |check: &Check| {
        let (name, result) = match check {
            Check::Monotonic(check) => (format!("monotonic {}", check.feature), monotonic(check, evidence)),
            Check::Range(check) => ("range".to_owned(), range(check, evidence)),
            Check::UnseenGroups(check) => {
                (format!("unseenGroups {}", check.feature), unseen::unseen_groups(&check.feature, evidence))
            }
            Check::Invariant(check) => (
                format!("invariant {}", check.feature),
                invariant::invariant(&check.feature, check.tolerance, evidence),
            ),
        };
        let (outcome, message) = match result {
            Ok(message) => (Outcome::Passed, message),
            Err(message) => (Outcome::Failed, message),
        };
        CheckResult { message: format!("{name}: {message}"), check: name, outcome }
    };
    checks.iter().map(result).collect()
}

/// Test rows within which a feature is varied.
struct Group<'a> {
    /// As in `for product_code "A": `; empty for all rows.
    label: String,
    rows: Vec<&'a [f64]>,
}

fn monotonic(check: &MonotonicCheck, evidence: Evidence<'_>) -> Result<String, String> {
    let feature = find(evidence.model, &check.feature, FeatureType::Number, "a number")?;
    let answer = answer(evidence.model.output())?;
    has_rows(evidence)?;
    let (values, strict) = if check.at.is_empty() {
        (quantiles(evidence.rows.iter().map(|row| row[feature])), false)
    } else {
        (check.at.clone(), true)
    };
    if values.len() < 2 {
        return Err(format!("{} has one value in the test rows; write two or more under at", check.feature));
    }
    if !values.is_sorted_by(|a, b| a < b) {
        return Err("the values of at are not ascending".to_owned());
    }
    let groups = groups(check.within.as_deref(), evidence)?;
    let (mut violations, mut first) = (0, None);
    for group in &groups {
        let predictions: Vec<_> =
            values.iter().map(|value| mean_prediction(evidence.model, &group.rows, feature, *value, answer)).collect();
        for (at, pair) in values.windows(2).zip(predictions.windows(2)) {
            let step = if check.direction == Direction::Increasing { pair[1] - pair[0] } else { pair[0] - pair[1] };
            if !(step > 0.0 || !strict && step >= 0.0) {
                violations += 1;
                first.get_or_insert_with(|| (group.label.as_str(), at, pair.to_vec()));
            }
        }
    }
    let rises = if check.direction == Direction::Increasing { "rise" } else { "fall" };
    let Some((label, at, pair)) = first else {
        let within = check.within.as_ref().map(|name| format!(" in each of {} {name}", groups.len()));
        return Ok(format!("predictions {rises} at {} values{}", values.len(), within.unwrap_or_default()));
    };
    let steps = groups.len() * (values.len() - 1);
    Err(format!(
        "{label}predictions do not {rises}: {} at {} and {} at {} ({violations} of {steps} steps)",
        Short(pair[0]),
        Short(at[0]),
        Short(pair[1]),
        Short(at[1]),
    ))
}

fn has_rows(evidence: Evidence<'_>) -> Result<(), String> {
    if evidence.rows.is_empty() {
        return Err("there are no test rows with inputs to compare on; write input: columns to test.csv".to_owned());
    }
    Ok(())
}

/// Which number of a raw prediction is compared.
fn answer(output: &Output) -> Result<usize, String> {
    match output {
        Output::Regression { .. } => Ok(0),
        Output::Classification { classes, positive_class, .. } if classes.len() == 2 => Ok(positive_class.unwrap_or(1)),
        Output::Classification { classes, .. } => {
            Err(format!("is for Regression or two classes; this model has {}", classes.len()))
        }
    }
}

fn find(model: &Model, name: &str, type_: FeatureType, expected: &str) -> Result<usize, String> {
    const MAX_LISTED: usize = 20;
    let fields = model.fields();
    let place = fields.iter().position(|field| field.name == name);
    if let Some(place) = place.filter(|place| fields[*place].type_ == type_) {
        return Ok(place);
    }
    let fitting: Vec<_> = fields.iter().filter(|field| field.type_ == type_).map(|field| &*field.name).collect();
    let listed = fitting[..fitting.len().min(MAX_LISTED)].join(", ");
    let more = if fitting.len() > MAX_LISTED { ", …" } else { "" };
    let there_are = if fitting.is_empty() { "there is none".to_owned() } else { format!("there are {listed}{more}") };
    Err(match place.map(|place| &fields[place]) {
        Some(Field { type_: actual, .. }) => format!("{name} is a {actual:?}, expected {expected}; {there_are}"),
        None => format!("the model has no feature {name:?}, expected {expected}; {there_are}"),
    })
}

/// Values at evenly spaced places of the sorted ones, equal ones once.
fn quantiles(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut sorted: Vec<_> = values.filter(|value| !value.is_nan()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return sorted };
    let mut quantiles: Vec<_> = (0..QUANTILES).map(|place| sorted[last * place / (QUANTILES - 1)]).collect();
    quantiles.dedup();
    quantiles
}

fn groups<'a>(within: Option<&str>, evidence: Evidence<'a>) -> Result<Vec<Group<'a>>, String> {
    let rows = || evidence.rows.iter().map(Vec::as_slice);
    let Some(name) = within else {
        return Ok(vec![Group { label: String::new(), rows: sample(rows().collect()) }]);
    };
    let place = find(evidence.model, name, FeatureType::Category, "a category for within")?;
    let categories = &evidence.model.fields()[place].categories;
    let mut members: Vec<Vec<&[f64]>> = vec![Vec::new(); categories.len()];
    for row in rows() {
        // A row without a known category is in no group.
        if !row[place].is_nan()
            && let Some(members) = members.get_mut(row[place] as usize)
        {
            members.push(row);
        }
    }
    let groups = categories.iter().zip(members).filter(|(_, rows)| !rows.is_empty());
    Ok(groups
        .map(|(category, rows)| Group { label: format!("for {name} {category:?} "), rows: sample(rows) })
        .collect())
}

/// At most [`MAX_ROWS_OF_GROUP`] rows, evenly spread.
fn sample(rows: Vec<&[f64]>) -> Vec<&[f64]> {
    if rows.len() <= MAX_ROWS_OF_GROUP {
        return rows;
    }
    (0..MAX_ROWS_OF_GROUP).map(|place| rows[place * rows.len() / MAX_ROWS_OF_GROUP]).collect()
}

fn mean_prediction(model: &Model, rows: &[&[f64]], feature: usize, value: f64, answer: usize) -> f64 {
    let predict = |row: &&[f64]| {
        let mut row = row.to_vec();
        row[feature] = value;
        model.predict_raw(&row)[answer]
    };
    rows.iter().map(predict).sum::<f64>() / rows.len() as f64
}

fn range(check: &RangeCheck, evidence: Evidence<'_>) -> Result<String, String> {
    let Output::Regression { name, range, .. } = evidence.model.output() else {
        return Err("is for Regression; this model is a classifier".to_owned());
    };
    if evidence.predicted.is_empty() {
        return Err("there are no test rows to predict; write test.csv".to_owned());
    }
    let mut bounds = Vec::new();
    bounds.extend(check.min.map(|min| (min, true, String::new())));
    bounds.extend(check.max.map(|max| (max, false, String::new())));
    if let Some(times) = check.max_times_observed {
        let observed = range.ok_or_else(|| format!("the manifest holds no range of {name} in training"))?.max;
        let why = format!(", which is {} times the largest {name} in training, {}", Short(times), Short(observed));
        bounds.push((times * observed, false, why));
    }
    let beyond = |prediction: f64, (bound, lower, _): &(f64, bool, String)| {
        !(if *lower { prediction >= *bound } else { prediction <= *bound })
    };
    let violations = evidence.predicted.iter().enumerate().filter_map(|(row, prediction)| {
        bounds.iter().find(|bound| beyond(*prediction, bound)).map(|bound| (row + 1, *prediction, bound))
    });
    let rows = evidence.predicted.len();
    let count = violations.clone().count();
    match violations.into_iter().next() {
        None => Ok(format!("all {rows} predictions are within bounds")),
        Some((row, prediction, (bound, lower, why))) => Err(format!(
            "test row {row} is predicted {}, {} {}{why} ({count} of {rows} rows)",
            Short(prediction),
            if *lower { "below" } else { "above" },
            Short(*bound),
        )),
    }
}

#[cfg(test)]
mod tests;
