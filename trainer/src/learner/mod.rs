//! Learning algorithms behind one interface: [`Learner`].

mod boosting;
mod coordinate_descent;
mod cross_fit;
mod design;
pub(crate) mod dummy;
mod linalg;
mod linear;
mod logistic;
mod naive_bayes;
mod tree;
mod values;
mod weighing;

use std::borrow::Cow;
use std::sync::Arc;

use rayon::prelude::*;
use slipway_model::metrics::{self, Scored};
use slipway_model::{Block, Encoder, Estimator, Output};
use slipway_spec::pictures::FeatureImportance;
use slipway_spec::{Estimator as Algorithm, ImportanceKind, Importances, Metric, Parameters, Scaling};

use crate::data::dataset::{Dataset, FeatureColumn};
use crate::error::DataError;
use crate::features::target::Targeted;
use crate::features::{self, Column, Kind, Prepared};

pub(crate) use self::values::Values;

/// The training rows: decoded features, column by column, and the target. Row numbers of learners are places in here.
#[derive(Clone, Debug)]
pub(crate) struct Samples {
    /// One list a field, one value a row, as [`slipway_model::Field::decode`] gives it; NaN where it is missing.
    pub(crate) fields: Vec<Values>,
    /// Turns a row into columns, not scaled.
    pub(crate) encoder: Encoder,
    /// What each column is.
    pub(crate) columns: Vec<Column>,
    /// The blocks of the encoder that are learnt from the target, from all rows as they stand here.
    targeted: Vec<Targeted>,
    pub(crate) target: Target,
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

/// Is told how far a fit is: what is counted, how many are done, and how many there are at most.
pub(crate) type Told<'a> = &'a (dyn Fn(&str, usize, usize) + Sync);

/// A learning algorithm with the training rows it learns from.
pub(crate) trait Learner: Sync {
    /// The training rows.
    fn samples(&self) -> &Samples;

    /// Fits on `rows`.
    fn fit(&self, rows: &[u32], parameters: &Parameters) -> Result<Fitted, FitError>;

    /// The same; `told` is told how far it is where that takes many steps.
    fn fit_telling(&self, rows: &[u32], parameters: &Parameters, _told: Told<'_>) -> Result<Fitted, FitError> {
        self.fit(rows, parameters)
    }

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
    if samples.depend_on_target() {
        return Box::new(cross_fit::CrossFitted { samples, algorithm });
    }
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
    /// The training rows of `dataset`, its features fitted on them as the spec says, and as `algorithm` wants where it does not.
    pub(crate) fn new(dataset: &Dataset, algorithm: Algorithm) -> Result<Samples, DataError> {
        let rows = &dataset.rows.train;
        let target = &dataset.target;
        let values = rows.iter().map(|&row| target.values[row as usize]);
        let target = if target.classes.is_empty() {
            Target::Numbers(values.collect())
        } else {
            Target::Classes { codes: values.map(|class| class as u32).collect(), count: target.classes.len() }
        };
        let places: Arc<[u32]> = rows.as_slice().into();
        let values = |feature: &FeatureColumn| Values::of_rows(feature.typed.values.clone(), places.clone());
        let fields: Vec<Values> = dataset.features.iter().map(values).collect();
        let Prepared { encoder, columns, targeted } = features::prepare(dataset, algorithm, &fields, &target)?;
        let weights = dataset.weights.as_ref().map(|all| rows.iter().map(|&row| all[row as usize]).collect());
        let classes = dataset.target.classes.clone();
        Ok(Samples { fields, encoder, columns, targeted, target, classes, weights })
    }

    /// Rows whose columns are numbers, and their names scikit-learn's: x0, x1 and so on.
    #[cfg(any(test, feature = "linfa"))]
    pub(crate) fn of_numbers(fields: Vec<Vec<f64>>, target: Target, scaling: Scaling) -> Samples {
        let column = |place: usize| Column { feature: format!("x{place}").into(), scaling, kind: Kind::Numbers };
        let count = if let Target::Classes { count, .. } = &target { *count } else { 0 };
        Samples {
            encoder: Encoder::identity(fields.len()),
            columns: (0..fields.len()).map(column).collect(),
            fields: fields.into_iter().map(Into::into).collect(),
            targeted: Vec::new(),
            target,
            classes: (0..count).map(|class| class.to_string()).collect(),
            weights: None,
        }
    }

    /// What people call a column.
    pub(crate) fn column_name(&self, column: usize) -> &str {
        self.columns.get(column).map_or("", |column| &column.feature)
    }

    /// Whether a linear model scales a column.
    pub(crate) fn scaled(&self, column: usize) -> bool {
        self.columns[column].scaling != Scaling::None
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

    /// Whether the columns of a row depend on the rows that are fitted on.
    fn depend_on_target(&self) -> bool {
        !self.targeted.is_empty()
    }

    /// What a fit on `rows` sees, and the encoder of the model that comes of it. Each of `rows` is seen without what its own
    /// target taught, any other row as the model sees it.
    fn cross_fitted(&self, rows: &[u32]) -> (Samples, Encoder) {
        let mut fields = self.fields.clone();
        let (mut seen, mut served) = (Vec::new(), Vec::new());
        for (place, block) in self.encoder.blocks().iter().enumerate() {
            let Some(targeted) = self.targeted.iter().find(|targeted| targeted.block == place) else {
                seen.push(block.clone());
                served.push(block.clone());
                continue;
            };
            served.push(Block { form: targeted.form(&self.target, rows), ..block.clone() });
            for column in targeted.cross_fit(&self.target, rows) {
                seen.push(Block::field(fields.len()));
                fields.push(column.into());
            }
        }
        let seen = Samples { fields, encoder: Encoder::new(seen), targeted: Vec::new(), ..self.clone() };
        (seen, Encoder::new(served))
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.target.rows()
    }

    /// The columns that the values of a feature become, but for the one that says where it is missing.
    pub(crate) fn columns_of(&self, feature: &str) -> impl Iterator<Item = usize> {
        let own = |column: &Column| *column.feature == *feature && column.kind != Kind::Missing;
        (0..self.columns.len()).filter(move |&place| own(&self.columns[place]))
    }

    /// What a fitted model finds important, by feature; nothing where it does not say.
    pub(crate) fn importances(&self, fitted: &Fitted) -> Option<Importances> {
        if fitted.importances.len() != self.columns.len() {
            return None;
        }
        let mut values: Vec<FeatureImportance> = Vec::new();
        // The columns of a feature are neighbours.
        for (column, importance) in self.columns.iter().zip(&fitted.importances) {
            match values.last_mut() {
                Some(last) if last.feature == *column.feature => last.importance += importance,
                _ => values.push(FeatureImportance {
                    feature: column.feature.to_string(),
                    importance: *importance,
                    deviation: 0.0,
                }),
            }
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

    /// The values of every column in all rows, not scaled.
    pub(crate) fn column_values(&self) -> Vec<Cow<'_, [f64]>> {
        self.encoder.blocks().par_iter().flat_map_iter(|block| self.values_of(block)).collect()
    }

    /// The values of every column in all rows, not scaled, of few at a time.
    pub(crate) fn each_column(&self) -> impl Iterator<Item = Cow<'_, [f64]>> {
        self.encoder.blocks().iter().flat_map(|block| self.values_of(block))
    }

    /// The values of the columns that a block makes.
    fn values_of(&self, block: &Block) -> Vec<Cow<'_, [f64]>> {
        if let Some((field, fill)) = block.as_field() {
            return vec![self.fields[field].filled(fill)];
        }
        let mut values = vec![Vec::with_capacity(self.rows()); block.width()];
        let mut columns = Vec::with_capacity(block.width());
        for row in 0..self.rows() {
            columns.clear();
            block.encode(|field| self.fields[field][row], &mut columns);
            values.iter_mut().zip(&columns).for_each(|(values, value)| values.push(*value));
        }
        values.into_iter().map(Cow::Owned).collect()
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
