//! Slipway's learners for users of [linfa](https://docs.rs/linfa): its `Fit`, `Predict` and `ParamGuard` for every estimator.
//!
//! Rows come as a two-dimensional array, one row a row, and columns are taken as they are: not standardised, and categories
//! are numbers already. Targets are `f64` for a regression, `usize`, `i64` or `bool` for a classification. A dataset's
//! weights count. Parameters are those of scikit-learn, as in a TrainingRun.
//!
//! ```
//! use linfa::prelude::*;
//! use linfa::dataset::Dataset;
//! use ndarray::{Array1, Array2};
//! use slipway_trainer::estimators::Ridge;
//!
//! let rows = Array2::from_shape_fn((50, 2), |(row, column)| ((row * (column + 3)) % 11) as f64);
//! let target: Array1<f64> = rows.rows().into_iter().map(|row| 2.0 * row[0] - row[1] + 5.0).collect();
//! let data = Dataset::new(rows, target);
//!
//! let ridge = Ridge::params().set("alpha", 1e-6)?;
//! let model = ridge.fit(&data)?;
//! let predicted = model.predict(&data);
//! assert!((predicted[3] - data.targets()[3]).abs() < 1e-6);
//! # Ok::<(), slipway_trainer::estimators::EstimatorError>(())
//! ```

use linfa::dataset::{AsSingleTargets, DatasetBase};
use linfa::traits::{Fit, PredictInplace};
use linfa::{ParamGuard, error};
use ndarray::{Array1, Array2, ArrayBase, Data, Ix2};
use slipway_spec::{Estimator as Algorithm, Parameters, Scaling, Task};

use crate::learner::{self, Fitted, Samples, Target};

/// Why nothing was fitted.
#[derive(Debug, thiserror::Error)]
pub enum EstimatorError {
    /// The estimator does not take these parameters, or not for this target.
    #[error("{0}")]
    Parameters(String),
    /// The rows cannot be learnt from.
    #[error("{0}")]
    Rows(String),
    /// linfa's own.
    #[error(transparent)]
    Linfa(#[from] error::Error),
}

/// What can be predicted: numbers, or the values that are classes.
pub trait Answer: Copy + PartialEq + ToString {
    /// Whether the values are numbers or classes.
    const TASK: Task;

    /// The value as a number; classes are sorted by it.
    fn number(self) -> f64;

    /// The value of a number.
    fn of_number(number: f64) -> Self;
}

macro_rules! answers {
    ($($type:ty, $task:ident, $number:expr, $of_number:expr;)*) => {
        $(impl Answer for $type {
            const TASK: Task = Task::$task;

            fn number(self) -> f64 {
                let number: fn($type) -> f64 = $number;
                number(self)
            }

            fn of_number(number: f64) -> $type {
                let of_number: fn(f64) -> $type = $of_number;
                of_number(number)
            }
        })*
    };
}

answers! {
    f64, Regression, |value| value, |number| number;
    usize, Classification, |class| class as f64, |number| number as usize;
    i64, Classification, |class| class as f64, |number| number as i64;
    bool, Classification, f64::from, |number| number != 0.0;
}

/// An estimator with its parameters, to be fitted.
#[derive(Clone, Debug, PartialEq)]
pub struct Params(CheckedParams);

/// Parameters of names that the estimator has.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedParams {
    algorithm: Algorithm,
    parameters: Parameters,
}

macro_rules! estimators {
    ($($(#[doc = $doc:literal])+ $name:ident;)*) => {
        $($(#[doc = $doc])+
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl $name {
            /// With scikit-learn's defaults.
            pub fn params() -> Params {
                Params(CheckedParams { algorithm: Algorithm::$name, parameters: Parameters::default() })
            }
        })*
    };
}

estimators! {
    /// One tree.
    DecisionTree;
    /// The mean of trees, each grown on a random sample of the rows.
    RandomForest;
    /// The mean of trees whose thresholds are drawn at random.
    ExtraTrees;
    /// Trees that each mend the error of those before, with exact splits.
    GradientBoosting;
    /// Trees that each mend the error of those before, on binned columns.
    HistGradientBoosting;
    /// Ordinary least squares.
    LinearRegression;
    /// Least squares with an L2 penalty.
    Ridge;
    /// Least squares with an L1 penalty.
    Lasso;
    /// Least squares with both penalties.
    ElasticNet;
    /// Logistic regression.
    LogisticRegression;
    /// Naive Bayes with a normal distribution for each column in each class.
    GaussianNB;
    /// The same answer to every row.
    Dummy;
}

impl Params {
    /// With these parameters, by scikit-learn's names.
    #[must_use]
    pub fn with(self, parameters: Parameters) -> Params {
        Params(CheckedParams { parameters, ..self.0 })
    }

    /// With one parameter changed: its name, and its value as a TrainingRun has it.
    pub fn set(self, name: &str, value: impl Into<serde_json::Value>) -> Result<Params, EstimatorError> {
        let wrong = |error: serde_json::Error| EstimatorError::Parameters(format!("{name}: {error}"));
        let mut all = serde_json::to_value(&self.0.parameters).map_err(wrong)?;
        all[name] = value.into();
        Ok(self.with(serde_json::from_value(all).map_err(wrong)?))
    }
}

impl ParamGuard for Params {
    type Checked = CheckedParams;
    type Error = EstimatorError;

    fn check_ref(&self) -> Result<&CheckedParams, EstimatorError> {
        let CheckedParams { algorithm, parameters } = &self.0;
        let mut checks = algorithm.tasks().iter().map(|&task| parameters.check(*algorithm, task));
        // A word may be for one of the tasks only; which one it is, the target tells.
        match checks.next() {
            Some(Err(error)) if checks.all(|check| check.is_err()) => {
                Err(EstimatorError::Parameters(error.to_string()))
            }
            _ => Ok(&self.0),
        }
    }

    fn check(self) -> Result<CheckedParams, EstimatorError> {
        self.check_ref()?;
        Ok(self.0)
    }
}

impl<D, T> Fit<ArrayBase<D, Ix2>, T, EstimatorError> for CheckedParams
where
    D: Data<Elem = f64>,
    T: AsSingleTargets,
    T::Elem: Answer,
{
    type Object = Estimated<T::Elem>;

    fn fit(&self, dataset: &DatasetBase<ArrayBase<D, Ix2>, T>) -> Result<Self::Object, EstimatorError> {
        let (algorithm, task) = (self.algorithm, T::Elem::TASK);
        if !algorithm.tasks().contains(&task) {
            let names = Algorithm::names(task);
            return Err(EstimatorError::Parameters(format!("{algorithm} is not for {task}; take one of {names}")));
        }
        let checked = self.parameters.check(algorithm, task);
        checked.map_err(|error| EstimatorError::Parameters(error.to_string()))?;
        let rows = dataset.records();
        let answers: Vec<T::Elem> = dataset.as_single_targets().iter().copied().collect();
        let (target, classes) = target(&answers)?;
        if rows.nrows() == 0 || rows.ncols() == 0 || rows.nrows() != answers.len() {
            let (rows, columns) = rows.dim();
            return Err(EstimatorError::Rows(format!("{rows} rows of {columns} columns, {} targets", answers.len())));
        }
        let fields = rows.columns().into_iter().map(|column| column.to_vec()).collect();
        let mut samples = Samples::of_numbers(fields, target, Scaling::None);
        samples.classes = classes.iter().map(ToString::to_string).collect();
        samples.weights = dataset.weights().map(|weights| weights.iter().copied().map(f64::from).collect());
        let all: Vec<u32> = (0..samples.rows() as u32).collect();
        let fitted = learner::learner(algorithm, &samples).fit(&all, &self.parameters);
        let fitted = fitted.map_err(|error| EstimatorError::Rows(error.0))?;
        Ok(Estimated { fitted, columns: rows.ncols(), classes })
    }
}

/// The target as learners see it, and the classes in order.
fn target<A: Answer>(answers: &[A]) -> Result<(Target, Vec<A>), EstimatorError> {
    let numbers: Vec<f64> = answers.iter().map(|answer| answer.number()).collect();
    if let Some(place) = numbers.iter().position(|number| !number.is_finite()) {
        return Err(EstimatorError::Rows(format!("the target of row {} is not finite", place + 1)));
    }
    if A::TASK == Task::Regression {
        return Ok((Target::Numbers(numbers), Vec::new()));
    }
    let mut classes = answers.to_vec();
    classes.sort_by(|a, b| a.number().total_cmp(&b.number()));
    classes.dedup();
    let code = |number: &f64| classes.partition_point(|class| class.number() < *number) as u32;
    Ok((Target::Classes { codes: numbers.iter().map(code).collect(), count: classes.len() }, classes))
}

/// A fitted estimator. Predicting panics where rows have another number of columns than those it was fitted on.
#[derive(Clone, Debug)]
pub struct Estimated<A> {
    fitted: Fitted,
    columns: usize,
    classes: Vec<A>,
}

impl<A: Answer> Estimated<A> {
    /// What a person should know, such as a solver that did not converge.
    pub fn warnings(&self) -> &[String] {
        &self.fitted.warnings
    }

    /// The classes, in the order of [`Estimated::probabilities`]; none for a regression.
    pub fn classes(&self) -> &[A] {
        &self.classes
    }

    /// One probability a class for each row; for a regression one column, the prediction.
    ///
    /// # Panics
    ///
    /// Where rows have another number of columns than those it was fitted on.
    pub fn probabilities<D: Data<Elem = f64>>(&self, rows: &ArrayBase<D, Ix2>) -> Array2<f64> {
        assert_eq!(rows.ncols(), self.columns, "rows of another number of columns than those it was fitted on");
        let mut raw = Array2::zeros((rows.nrows(), self.classes.len().max(1)));
        let (mut columns, mut answer) = (Vec::new(), vec![0.0; raw.ncols()]);
        for (row, mut output) in rows.rows().into_iter().zip(raw.rows_mut()) {
            columns.clear();
            self.fitted.encoder.encode(&row.to_vec(), &mut columns);
            self.fitted.estimator.predict(&columns, &mut answer);
            output.iter_mut().zip(&answer).for_each(|(to, from)| *to = *from);
        }
        raw
    }
}

impl<A: Answer, D: Data<Elem = f64>> PredictInplace<ArrayBase<D, Ix2>, Array1<A>> for Estimated<A> {
    fn predict_inplace<'a>(&'a self, rows: &'a ArrayBase<D, Ix2>, answers: &mut Array1<A>) {
        let raw = self.probabilities(rows);
        for (row, answer) in raw.rows().into_iter().zip(answers) {
            let place = slipway_model::most_probable(&row.to_vec());
            *answer = self.classes.get(place).copied().unwrap_or_else(|| A::of_number(row[0]));
        }
    }

    fn default_target(&self, rows: &ArrayBase<D, Ix2>) -> Array1<A> {
        Array1::from_elem(rows.nrows(), A::of_number(0.0))
    }
}
