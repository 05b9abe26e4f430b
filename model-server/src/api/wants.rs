//! What a caller wants beside the prediction, as the query says: `?with=contributions,decision&threshold=0.3`.

use axum::extract::Query;
use axum::http::Uri;
use serde_json::json;
use slipway_model::{Output, Value};

use super::error::ApiError;
use crate::state::App;

/// The parameter that names what is wanted.
pub const WITH: &str = "with";
/// The parameter that says from which probability on the positive class is decided for.
pub const THRESHOLD: &str = "threshold";
/// The threshold of a model that has none of its own: the more probable class.
const EVEN: f64 = 0.5;

/// What can be wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extra {
    /// One probability a class.
    Probabilities,
    /// The class that a threshold decides for.
    Decision,
    /// What each field adds.
    Contributions,
    /// Where the truth lay for rows with nearly the same prediction.
    Range,
    /// The prediction's identifier.
    PredictionId,
}

impl Extra {
    const ALL: [Extra; 5] =
        [Extra::Probabilities, Extra::Decision, Extra::Contributions, Extra::Range, Extra::PredictionId];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Extra::Probabilities => "probabilities",
            Extra::Decision => "decision",
            Extra::Contributions => "contributions",
            Extra::Range => "range",
            Extra::PredictionId => "prediction_id",
        }
    }

    /// What can be wanted of a model.
    pub fn of(output: &Output) -> Vec<Extra> {
        let mut extras = Extra::ALL.to_vec();
        extras.retain(|extra| match extra {
            Extra::Probabilities => !output.classes().is_empty(),
            Extra::Decision => positive(output).is_some(),
            Extra::Range => output.classes().is_empty(),
            Extra::Contributions | Extra::PredictionId => true,
        });
        extras
    }
}

/// What a caller wants.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Wants {
    /// Whether anything was asked for.
    pub anything: bool,
    /// What each field adds.
    pub contributions: bool,
    /// Where the truth lay for rows with nearly the same prediction.
    pub range: bool,
    /// A decision.
    pub decision: Option<Rule>,
}

/// How a decision between two classes is made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    positive: usize,
    threshold: f64,
}

impl Rule {
    /// By the threshold that a caller gives, or the model's own.
    pub fn new(output: &Output, threshold: Option<f64>) -> Result<Rule, ApiError> {
        if threshold.is_some_and(|threshold| !(0.0..=1.0).contains(&threshold)) {
            return Err(ApiError::bad_request(format!("{THRESHOLD}: expected a number from 0 to 1")));
        }
        let own = if let Output::Classification { threshold, .. } = output { *threshold } else { None };
        let positive = positive(output);
        let positive = positive.ok_or_else(|| ApiError::bad_request("a threshold decides between two classes only"))?;
        Ok(Rule { positive, threshold: threshold.or(own).unwrap_or(EVEN) })
    }

    /// The place of the class that probabilities decide for.
    pub fn decide(self, probabilities: &[f64]) -> usize {
        if probabilities[self.positive] >= self.threshold { self.positive } else { 1 - self.positive }
    }
}

impl Wants {
    /// What the query of an address says.
    pub fn of(app: &App, uri: &Uri) -> Result<Wants, ApiError> {
        let mut wants = Wants::default();
        if uri.query().is_none() {
            return Ok(wants);
        }
        let query = Query::<Vec<(String, String)>>::try_from_uri(uri);
        let Query(pairs) = query.map_err(|_| ApiError::bad_request("the query of the address cannot be read"))?;
        let mut threshold = None;
        let mut decides = false;
        let output = app.model().output();
        for (name, value) in &pairs {
            if name == THRESHOLD && threshold.replace(read_threshold(value)).is_some() {
                return Err(ApiError::bad_request(format!("{THRESHOLD} stands twice in the query")));
            }
            for wanted in value.split(',').filter(|_| name == WITH).map(str::trim).filter(|wanted| !wanted.is_empty()) {
                match Extra::ALL.into_iter().find(|extra| extra.name() == wanted) {
                    Some(Extra::Probabilities) if output.classes().is_empty() => {
                        return Err(ApiError::bad_request("this model predicts a number: there are no probabilities"));
                    }
                    Some(Extra::Decision) => decides = true,
                    Some(Extra::Contributions) => wants.contributions = true,
                    Some(Extra::Range) => {
                        app.check_ranges()?;
                        wants.range = true;
                    }
                    Some(Extra::Probabilities | Extra::PredictionId) => {}
                    None => {
                        let names = Extra::of(output).into_iter().map(Extra::name).collect::<Vec<_>>();
                        return Err(ApiError::bad_request(format!(
                            "{WITH}: there is nothing named {}; this model has {}",
                            Value::Text(wanted),
                            names.join(", ")
                        )));
                    }
                }
                wants.anything = true;
            }
        }
        if decides || threshold.is_some() {
            wants.anything = true;
            wants.decision = Some(Rule::new(output, threshold)?);
        }
        Ok(wants)
    }
}

/// A threshold as callers write it; what is no number is none from 0 to 1 either.
pub fn read_threshold(text: &str) -> f64 {
    text.trim().parse().unwrap_or(f64::NAN)
}

/// A threshold as API descriptions have it.
pub fn threshold_schema() -> serde_json::Value {
    json!({
        "type": "number",
        "minimum": 0,
        "maximum": 1,
        "description": "Decide for the positive class from this probability on, and say so in decision",
    })
}

/// The place of the class that thresholds speak of.
pub fn positive(output: &Output) -> Option<usize> {
    match output {
        Output::Regression { .. } => None,
        Output::Classification { positive_class, .. } => *positive_class,
    }
}
