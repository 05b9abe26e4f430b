//! Learning algorithms behind one interface: [`Learner`].

mod boosting;
mod coordinate_descent;
mod design;
pub(crate) mod dummy;
mod linalg;
mod linear;
mod logistic;
mod naive_bayes;
mod tree;
mod weighing;

use std::ops::Range;

use rayon::prelude::*;
use slipway_model::metrics::{self, Scored};
use slipway_model::{Encoder, Estimator, FieldEncoding, Output};
use slipway_spec::pictures::FeatureImportance;
use slipway_spec::{Encoding, Estimator as Algorithm, FeatureType, ImportanceKind, Importances, Metric, Parameters};

use crate::data::dataset::Dataset;

/// The training rows: decoded features, column by column, and the target. Row numbers of learners are places in here.
#[derive(Clone, Debug)]
pub(crate) struct Samples {
    /// One list a field, one value a row, as [`slipway_model::Field::decode`] gives it.
    pub(crate) fields: Vec<Vec<f64>>,
    /// Turns a row into columns, not scaled.
    pub(crate) encoder: Encoder,
    /// Of each column, whether a linear model standardises it: all but zeros and ones.
    pub(crate) scaled: Vec<bool>,
    pub(crate) target: Target,
    /// The fields' names.
    pub(crate) field_names: Vec<String>,
    /// Of each field, how many categories it has; 0 where it is no category.
    pub(crate) categories: Vec<usize>,
    /// The classes' names; empty for a regression.
    pub(crate) classes: Vec<String>,
    /// How much each row counts: finite, from 0 on, not all 0. `None` where all count alike.
    pub(crate) weights: Option<Vec<f64>>,
}

/// What is to be predicted of each row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Target {
    Numbers(Vec<f64>),
    Classes {
        /// The class of each row.
        codes: Vec<u32>,
        /// Number of classes.
        count: usize,
    },
}

/// A model that was fitted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fitted {
    pub(crate) encoder: Encoder,
    pub(crate) estimator: Estimator,
    /// What a person should know, such as a solver that did not converge.
    pub(crate) warnings: Vec<String>,
    /// Of each column of the encoder, its share of the decrease of impurity in training; of a linear model, the size of its
    /// weight times its standard deviation; none for others.
    pub(crate) importances: Vec<f64>,
    /// Of a forest, the score (r2 or accuracy) of each training row by the trees that have not seen it, where asked for.
    pub(crate) oob_score: Option<f64>,
}

impl Fitted {
    /// A fitted model of which nothing else is to be said.
    pub(crate) fn new(encoder: Encoder, estimator: Estimator) -> Fitted {
        Fitted { encoder, estimator, warnings: Vec::new(), importances: Vec::new(), oob_score: None }
    }
}

/// Why a model cannot be fitted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct FitError(pub(crate) String);

/// Parameters that may only stop growth or a solver sooner.
const STOPPING: [&str; 8] = [
    "ccp_alpha",
    "max_depth",
    "max_iter",
    "max_leaf_nodes",
    "min_impurity_decrease",
    "min_samples_split",
    "n_estimators",
    "random_state",
];

/// A learning algorithm with the training rows it learns from.
pub(crate) trait Learner: Sync {
    /// The training rows.
    fn samples(&self) -> &Samples;

    /// Fits on `rows`.
    fn fit(&self, rows: &[u32], parameters: &Parameters) -> Result<Fitted, FitError>;

    /// Whether points that differ in this parameter alone may share work, and are therefore validated together.
    fn shares(&self, parameter: &str) -> bool {
        STOPPING.contains(&parameter)
    }

    /// For each of `points`, the score on `validation` of a model fitted on `rows`; `None` where the score is undefined.
    /// A learner may know a faster way than to fit every point, with the same scores.
    fn validate(
        &self,
        points: &[Parameters],
        rows: &[u32],
        validation: &[u32],
        scorer: &Scorer,
    ) -> Result<Vec<Option<f64>>, FitError> {
        validate_each(self, points, rows, validation, scorer)
    }
}

/// The scores of [`Learner::validate`] by fitting every point.
fn validate_each(
    learner: &(impl Learner + ?Sized),
    points: &[Parameters],
    rows: &[u32],
    validation: &[u32],
    scorer: &Scorer,
) -> Result<Vec<Option<f64>>, FitError> {
    let samples = learner.samples();
    let score = |point: &Parameters| {
        let fitted = learner.fit(rows, point)?;
        Ok(scorer.score(&samples.target, validation, &samples.predict(&fitted, validation)))
    };
    points.par_iter().map(score).collect()
}

/// The learner of an algorithm.
pub(crate) fn learner(algorithm: Algorithm, samples: &Samples) -> Box<dyn Learner + '_> {
    match algorithm {
        Algorithm::DecisionTree => Box::new(tree::DecisionTree::new(samples)),
        Algorithm::RandomForest => Box::new(tree::Forest::new(samples, tree::Kind::RandomForest)),
        Algorithm::ExtraTrees => Box::new(tree::Forest::new(samples, tree::Kind::ExtraTrees)),
        Algorithm::GradientBoosting => Box::new(boosting::Boosting::new(samples, boosting::Method::Exact)),
        Algorithm::HistGradientBoosting => Box::new(boosting::Boosting::new(samples, boosting::Method::Hist)),
        Algorithm::LinearRegression | Algorithm::Ridge | Algorithm::Lasso | Algorithm::ElasticNet => {
            Box::new(linear::LinearModel::new(samples, algorithm))
        }
        Algorithm::LogisticRegression => Box::new(logistic::LogisticRegression::new(samples)),
        Algorithm::GaussianNB => Box::new(naive_bayes::GaussianNB::new(samples)),
        Algorithm::Dummy => Box::new(dummy::Dummy::new(samples)),
    }
}

impl Samples {
    /// The training rows of `dataset`, encoded as `algorithm` wants categories where the spec does not say.
    pub(crate) fn new(dataset: &Dataset, algorithm: Algorithm) -> Samples {
        let rows = &dataset.rows.train;
        let target = &dataset.target;
        let values = rows.iter().map(|&row| target.values[row as usize]);
        let target = if target.classes.is_empty() {
            Target::Numbers(values.collect())
        } else {
            Target::Classes { codes: values.map(|class| class as u32).collect(), count: target.classes.len() }
        };
        let default = match algorithm {
            Algorithm::DecisionTree
            | Algorithm::RandomForest
            | Algorithm::ExtraTrees
            | Algorithm::GradientBoosting
            | Algorithm::HistGradientBoosting
            | Algorithm::Dummy => Encoding::Ordinal,
            Algorithm::LinearRegression
            | Algorithm::Ridge
            | Algorithm::Lasso
            | Algorithm::ElasticNet
            | Algorithm::LogisticRegression
            | Algorithm::GaussianNB => Encoding::OneHot,
        };
        let encodings = dataset
            .features
            .iter()
            .map(|feature| FieldEncoding::new(&feature.field, feature.encoding.unwrap_or(default)));
        let encodings: Vec<FieldEncoding> = encodings.collect();
        let scaled = dataset.features.iter().zip(&encodings).flat_map(|(feature, encoding)| {
            let binary =
                feature.field.type_ == FeatureType::Boolean || matches!(encoding, FieldEncoding::OneHot { .. });
            std::iter::repeat_n(!binary, encoding.width())
        });
        Samples {
            scaled: scaled.collect(),
            fields: dataset
                .features
                .iter()
                .map(|feature| rows.iter().map(|&row| feature.decoded(row)).collect())
                .collect(),
            encoder: Encoder::new(encodings),
            target,
            weights: dataset.weights.as_ref().map(|all| rows.iter().map(|&row| all[row as usize]).collect()),
            categories: dataset.features.iter().map(|feature| feature.field.categories.len()).collect(),
            field_names: dataset.features.iter().map(|feature| feature.field.name.clone()).collect(),
            classes: dataset.target.classes.clone(),
        }
    }

    /// Rows whose columns are numbers, taken as they are.
    #[cfg(feature = "linfa")]
    pub(crate) fn of_numbers(fields: Vec<Vec<f64>>, target: Target) -> Samples {
        Samples {
            encoder: Encoder::new(vec![FieldEncoding::Identity; fields.len()]),
            scaled: vec![false; fields.len()],
            field_names: (1..=fields.len()).map(|column| format!("column {column}")).collect(),
            categories: vec![0; fields.len()],
            fields,
            target,
            classes: Vec::new(),
            weights: None,
        }
    }

    /// What people call a column.
    pub(crate) fn column_name(&self, column: usize) -> &str {
        let mut end = 0;
        let ends = self.encoder.fields().iter().map(|field| {
            end += field.width();
            end
        });
        ends.zip(&self.field_names).find(|(end, _)| column < *end).map_or("", |(_, name)| name)
    }

    /// Refuses a row with a column that is missing or infinite.
    pub(crate) fn check_finite(&self, row: u32, columns: &[f64]) -> Result<(), FitError> {
        let Some(column) = columns.iter().position(|value| !value.is_finite()) else { return Ok(()) };
        let (name, row) = (self.column_name(column), row + 1);
        Err(FitError(if columns[column].is_nan() {
            format!(
                "training row {row} has no value of {name}, and this estimator needs all values; say what becomes of missing \
                 ones with `missing` in features, or use trees"
            )
        } else {
            format!("the value of {name} in training row {row} is infinite; correct it, or leave the column out")
        }))
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.target.rows()
    }

    /// The columns that the field of a name becomes, if there is one.
    pub(crate) fn columns_of(&self, name: &str) -> Option<Range<usize>> {
        let place = self.field_names.iter().position(|field| field == name)?;
        let widths: Vec<usize> = self.encoder.fields().iter().map(|field| field.width()).collect();
        let start = widths[..place].iter().sum();
        Some(start..start + widths[place])
    }

    /// What a fitted model finds important, by field; nothing where it does not say.
    pub(crate) fn importances(&self, fitted: &Fitted) -> Option<Importances> {
        if fitted.importances.len() != self.encoder.width() {
            return None;
        }
        let mut values: Vec<FeatureImportance> = Vec::with_capacity(self.field_names.len());
        let mut columns = fitted.importances.iter();
        for (name, field) in self.field_names.iter().zip(self.encoder.fields()) {
            let importance = columns.by_ref().take(field.width()).sum();
            values.push(FeatureImportance { feature: name.clone(), importance, deviation: 0.0 });
        }
        values.sort_by(|a, b| b.importance.total_cmp(&a.importance));
        values.truncate(Importances::MOST);
        let linear = matches!(fitted.estimator, Estimator::Linear(_));
        let kind = if linear { ImportanceKind::Coefficient } else { ImportanceKind::Impurity };
        Some(Importances { kind, values })
    }

    /// Appends the columns of a row, as the served model computes them, to `columns`.
    pub(crate) fn encode(&self, encoder: &Encoder, row: u32, decoded: &mut Vec<f64>, columns: &mut Vec<f64>) {
        decoded.clear();
        decoded.extend(self.fields.iter().map(|field| field[row as usize]));
        encoder.encode(decoded, columns);
    }

    /// Predicts rows with a fitted model: one number or one probability a class for each, row after row.
    pub(crate) fn predict(&self, fitted: &Fitted, rows: &[u32]) -> Vec<f64> {
        let width = self.target.width();
        let mut predicted = vec![0.0; rows.len() * width];
        let (mut decoded, mut columns) = (Vec::new(), Vec::new());
        for (&row, output) in rows.iter().zip(predicted.chunks_exact_mut(width)) {
            columns.clear();
            self.encode(&fitted.encoder, row, &mut decoded, &mut columns);
            fitted.estimator.predict(&columns, output);
        }
        predicted
    }
}

impl Target {
    /// Number of rows.
    pub(crate) fn rows(&self) -> usize {
        match self {
            Target::Numbers(values) => values.len(),
            Target::Classes { codes, .. } => codes.len(),
        }
    }

    /// Numbers in one raw prediction.
    pub(crate) fn width(&self) -> usize {
        match self {
            Target::Numbers(_) => 1,
            Target::Classes { count, .. } => *count,
        }
    }
}

/// Scores raw predictions by one metric.
#[derive(Clone, Debug)]
pub(crate) struct Scorer {
    pub(crate) metric: Metric,
    pub(crate) output: Output,
}

impl Scorer {
    /// The metric of raw predictions for `rows`; `None` where it is undefined.
    pub(crate) fn score(&self, target: &Target, rows: &[u32], raw: &[f64]) -> Option<f64> {
        match target {
            Target::Numbers(values) => {
                let truth: Vec<f64> = rows.iter().map(|&row| values[row as usize]).collect();
                metrics::compute(self.metric, &self.output, Scored::Numbers { truth: &truth, predicted: raw }).ok()
            }
            Target::Classes { codes, count } => {
                let truth: Vec<usize> = rows.iter().map(|&row| codes[row as usize] as usize).collect();
                let predicted: Vec<usize> = raw.chunks_exact(*count).map(|row| self.output.class(row)).collect();
                let scored = Scored::Classes { truth: &truth, predicted: &predicted, probabilities: Some(raw) };
                metrics::compute(self.metric, &self.output, scored).ok()
            }
        }
    }
}

#[cfg(test)]
mod tests;
