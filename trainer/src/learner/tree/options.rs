//! What parameters mean for the growth of trees.

use slipway_spec::{Fraction, IntOrNone, MaxFeatures, NonNegativeNumber, Parameters};

use super::grow::{Limits, Options};
use crate::learner::{FitError, Samples, Target};

/// Depth of boosted trees where the spec does not say.
const BOOSTED_DEPTH: u32 = 3;

impl Limits {
    /// What `parameters` mean for a tree of `rows` rows.
    pub(crate) fn new(parameters: &Parameters, rows: usize) -> Limits {
        let leaf = parameters.min_samples_leaf.map_or(1, |share| share.of(rows)).max(1);
        let split = parameters.min_samples_split.map_or(2, |share| share.of(rows)).max(2).max(2 * leaf);
        Limits { depth: limit(parameters.max_depth).unwrap_or(usize::MAX), split, leaf }
    }
}

impl Options {
    /// What `parameters` mean for the trees of exact boosting on `rows` rows of so many columns.
    pub(crate) fn of_boosting(parameters: &Parameters, rows: usize, columns: usize) -> Options {
        let max_depth = Some(parameters.max_depth.unwrap_or(IntOrNone::Int(BOOSTED_DEPTH)));
        Options {
            max_features: parameters.max_features.unwrap_or(MaxFeatures::All).of(columns),
            ..Options::with(&Parameters { max_depth, ..parameters.clone() }, rows)
        }
    }

    /// What `parameters` mean for trees on `rows` of the samples, where `max_features` is what they look at by default.
    pub(crate) fn new(
        parameters: &Parameters,
        samples: &Samples,
        rows: usize,
        max_features: MaxFeatures,
    ) -> Result<Options, FitError> {
        Ok(Options {
            max_features: parameters.max_features.unwrap_or(max_features).of(samples.encoder.width()),
            monotonic: monotonic(parameters, samples)?,
            ..Options::with(parameters, rows)
        })
    }

    /// What `parameters` mean whatever the columns are.
    fn with(parameters: &Parameters, rows: usize) -> Options {
        Options {
            limits: Limits::new(parameters, rows),
            max_features: usize::MAX,
            leaves: limit(parameters.max_leaf_nodes),
            min_decrease: parameters.min_impurity_decrease.map_or(0.0, NonNegativeNumber::get),
            min_weight_fraction: parameters.min_weight_fraction_leaf.map_or(0.0, Fraction::get),
            monotonic: Vec::new(),
            ccp_alpha: parameters.ccp_alpha.map_or(0.0, NonNegativeNumber::get),
        }
    }
}

fn limit(limit: Option<IntOrNone>) -> Option<usize> {
    match limit {
        Some(IntOrNone::Int(limit)) => Some(limit as usize),
        Some(IntOrNone::None) | None => None,
    }
}

/// The rule of each column, empty where there is none.
fn monotonic(parameters: &Parameters, samples: &Samples) -> Result<Vec<i8>, FitError> {
    let Some(rules) = parameters.monotonic_cst.as_ref().filter(|rules| rules.values().any(|&sign| sign != 0)) else {
        return Ok(Vec::new());
    };
    if matches!(samples.target, Target::Classes { count, .. } if count > 2) {
        return Err(FitError(
            "monotonic_cst is for Regression and for two classes, and there are more; leave it out".to_owned(),
        ));
    }
    let mut signs = vec![0; samples.encoder.width()];
    for (name, &sign) in rules {
        let columns: Vec<usize> = samples.columns_of(name).collect();
        let &[column] = columns.as_slice() else {
            if columns.is_empty() {
                return Err(FitError(format!(
                    "monotonic_cst names {name}, which is no feature of the model; leave it out"
                )));
            }
            return Err(FitError(format!(
                "monotonic_cst names {name}, which becomes {} columns; only what stays one column can rise or fall",
                columns.len()
            )));
        };
        signs[column] = match sign {
            -1..=1 => sign,
            other => {
                return Err(FitError(format!("monotonic_cst of {name} is {other}; write 1 (rises), -1 (falls) or 0")));
            }
        };
    }
    Ok(signs)
}
