//! Parameters of estimators, by scikit-learn's names, and grids of them.
//!
//! Both keep names they do not know, so that the trainer can refuse them by name instead of dropping them in silence.

mod mixed;
mod numbers;
pub(crate) mod together;
mod words;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::mixed::{ClassWeight, EarlyStopping, IntOrNone, MaxFeatures};
pub use self::numbers::{Fraction, NonNegativeNumber, PositiveInteger, PositiveNumber, Share, ShareOrCount};
use self::words::Word;
pub use self::words::{Criterion, DummyStrategy, Init, Loss, Penalty, Splitter};

use crate::estimator::Estimator;
use crate::run::Task;
use crate::similar;

/// Most points a grid may have.
pub const MAX_GRID_POINTS: usize = 100_000;

macro_rules! parameters {
    ($($(#[doc = $doc:literal])+ $field:ident $name:literal: $type:ty, of [$($estimator:ident),+];)*) => {
        /// Parameters of an estimator. What is left out has scikit-learn's default.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[cfg_attr(feature = "schemars", derive(schemars::JsonSchema), schemars(extend("x-kubernetes-preserve-unknown-fields" = true)))]
        pub struct Parameters {
            $($(#[doc = $doc])+
            #[serde(default, rename = $name, skip_serializing_if = "Option::is_none")]
            pub $field: Option<$type>,)*
            /// Names that no estimator has.
            #[serde(flatten)]
            #[cfg_attr(feature = "schemars", schemars(skip))]
            pub unknown: BTreeMap<String, Value>,
        }

        /// Values to try for each parameter; every combination is tried.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[cfg_attr(feature = "schemars", derive(schemars::JsonSchema), schemars(extend("x-kubernetes-preserve-unknown-fields" = true)))]
        pub struct Grid {
            $($(#[doc = $doc])+
            #[serde(default, rename = $name, skip_serializing_if = "Option::is_none")]
            #[cfg_attr(feature = "schemars", schemars(description = concat!("Values to try of the parameter `", $name, "`."), length(min = 1, max = 64)))]
            pub $field: Option<Vec<$type>>,)*
            /// Names that no estimator has.
            #[serde(flatten)]
            #[cfg_attr(feature = "schemars", schemars(skip))]
            pub unknown: BTreeMap<String, Value>,
        }

        /// Every known name, with the estimators that have it.
        pub(crate) const KNOWN: &[(&str, &[Estimator])] = &[$(($name, &[$(Estimator::$estimator),+]),)*];

        impl Parameters {
            /// Names that are set, unknown ones included.
            pub fn names(&self) -> Vec<&str> {
                let mut names: Vec<&str> = self.unknown.keys().map(String::as_str).collect();
                $(if self.$field.is_some() { names.push($name); })*
                names
            }
        }

        impl Grid {
            /// Names that are set, unknown ones included.
            pub fn names(&self) -> Vec<&str> {
                let mut names: Vec<&str> = self.unknown.keys().map(String::as_str).collect();
                $(if self.$field.is_some() { names.push($name); })*
                names
            }

            /// Number of combinations.
            pub fn size(&self) -> usize {
                1usize $(.saturating_mul(self.$field.as_ref().map_or(1, Vec::len)))*
            }

            /// Every combination on top of `base`, in the order of scikit-learn's `ParameterGrid`: names sorted, the last
            /// varies fastest.
            pub fn points(&self, base: &Parameters) -> Vec<Parameters> {
                let mut points = vec![base.clone()];
                $(if let Some(values) = &self.$field {
                    points = points.into_iter().flat_map(|point| values.iter().map(move |value| {
                        Parameters { $field: Some(value.clone()), ..point.clone() }
                    })).collect();
                })*
                points
            }

            /// Only the lists of these names.
            pub(crate) fn only(&self, names: &[&str]) -> Grid {
                Grid {
                    $($field: self.$field.clone().filter(|_| names.contains(&$name)),)*
                    unknown: BTreeMap::new(),
                }
            }

            /// A name whose list has nothing, or more than a search tries.
            fn ill_sized(&self) -> Option<(&'static str, usize)> {
                $(if let Some(count) = self.$field.as_ref().map(Vec::len).filter(|count| !(1..=together::MAX_VALUES).contains(count)) {
                    return Some(($name, count));
                })*
                None
            }

            /// One value of each name on top of `base`; `choose` gives the place of one of as many.
            pub fn draw(&self, base: &Parameters, choose: &mut impl FnMut(usize) -> usize) -> Parameters {
                let mut point = base.clone();
                $(if let Some(values) = &self.$field {
                    point.$field = values.get(choose(values.len())).cloned();
                })*
                point
            }
        }

        impl Parameters {
            /// These parameters, and in place of some of them what `others` sets.
            #[must_use]
            pub fn with(&self, others: &Parameters) -> Parameters {
                let mut all = self.clone();
                $(if others.$field.is_some() {
                    all.$field.clone_from(&others.$field);
                })*
                all
            }
        }
    };
}

// Sorted by name: `Grid::points` relies on it.
parameters! {
    /// Inverse of the strength of the penalty. LogisticRegression; default 1.
    c "C": PositiveNumber, of [LogisticRegression];
    /// Strength of the penalty. Ridge, Lasso, ElasticNet; default 1. Of GradientBoosting, the quantile of the losses huber and
    /// quantile, below 1; default 0.9.
    alpha "alpha": NonNegativeNumber, of [Ridge, Lasso, ElasticNet, GradientBoosting];
    /// Whether each tree sees a sample of the rows with replacement. RandomForest, default true; ExtraTrees, default false.
    bootstrap "bootstrap": bool, of [RandomForest, ExtraTrees];
    /// Complexity that a branch must earn or be pruned. Trees, forests, GradientBoosting; default 0.
    ccp_alpha "ccp_alpha": NonNegativeNumber, of [DecisionTree, RandomForest, ExtraTrees, GradientBoosting];
    /// Weights of the classes: balanced, balanced_subsample (forests), or a map from class to weight. Default: all 1.
    class_weight "class_weight": ClassWeight,
        of [DecisionTree, RandomForest, ExtraTrees, HistGradientBoosting, LogisticRegression];
    /// What a split improves: squared_error (default), absolute_error, friedman_mse or poisson for Regression; gini (default),
    /// entropy or log_loss for Classification; of GradientBoosting, friedman_mse (default) or squared_error for both.
    criterion "criterion": Criterion, of [DecisionTree, RandomForest, ExtraTrees, GradientBoosting];
    /// Whether to stop when a share of the rows kept apart is predicted no better: true, false, or auto (default): from 10,001
    /// rows on. HistGradientBoosting.
    early_stopping "early_stopping": EarlyStopping, of [HistGradientBoosting];
    /// Whether to fit an intercept. Linear models; default true.
    fit_intercept "fit_intercept": bool, of [LinearRegression, Ridge, Lasso, ElasticNet, LogisticRegression];
    /// Where boosting starts: zero, or left out the best constant. GradientBoosting.
    init "init": Init, of [GradientBoosting];
    /// Share of the L1 penalty, 0 to 1. ElasticNet, default 0.5; LogisticRegression with penalty elasticnet.
    l1_ratio "l1_ratio": Fraction, of [ElasticNet, LogisticRegression];
    /// L2 penalty on leaves. HistGradientBoosting; default 0.
    l2_regularization "l2_regularization": NonNegativeNumber, of [HistGradientBoosting];
    /// Share of each tree's correction that is taken. Boosting; default 0.1.
    learning_rate "learning_rate": PositiveNumber, of [GradientBoosting, HistGradientBoosting];
    /// What boosting improves. Regression: squared_error (default), absolute_error, quantile, huber (GradientBoosting), poisson
    /// or gamma (HistGradientBoosting). Classification: log_loss (default), exponential (GradientBoosting, two classes).
    loss "loss": Loss, of [GradientBoosting, HistGradientBoosting];
    /// Most bins of a column, 2 to 255. HistGradientBoosting; default 255.
    max_bins "max_bins": PositiveInteger, of [HistGradientBoosting];
    /// Greatest depth of a tree, from 1, or None for no limit. Default None; GradientBoosting 3.
    max_depth "max_depth": IntOrNone,
        of [DecisionTree, RandomForest, ExtraTrees, GradientBoosting, HistGradientBoosting];
    /// Columns looked at for a split: sqrt, log2, None for all, a count from 1 on, or a share below 1. Default None;
    /// RandomForest and ExtraTrees for Classification sqrt.
    max_features "max_features": MaxFeatures,
        of [DecisionTree, RandomForest, ExtraTrees, GradientBoosting, HistGradientBoosting];
    /// Most iterations of the solver. Lasso, ElasticNet, default 1000; LogisticRegression, default 100. Of HistGradientBoosting,
    /// the number of rounds; default 100.
    max_iter "max_iter": PositiveInteger, of [Lasso, ElasticNet, LogisticRegression, HistGradientBoosting];
    /// Most leaves of a tree, from 2, or None for no limit. Default None; HistGradientBoosting 31.
    max_leaf_nodes "max_leaf_nodes": IntOrNone,
        of [DecisionTree, RandomForest, ExtraTrees, GradientBoosting, HistGradientBoosting];
    /// Rows drawn for each tree with bootstrap: a count, or a share below 1. Forests; default: as many as there are.
    max_samples "max_samples": ShareOrCount, of [RandomForest, ExtraTrees];
    /// Decrease of impurity that a split must bring. Trees, forests, GradientBoosting; default 0.
    min_impurity_decrease "min_impurity_decrease": NonNegativeNumber,
        of [DecisionTree, RandomForest, ExtraTrees, GradientBoosting];
    /// Fewest training rows in a leaf: a count from 1 on, a share of the rows below 1. Default 1; HistGradientBoosting 20,
    /// a count.
    min_samples_leaf "min_samples_leaf": ShareOrCount,
        of [DecisionTree, RandomForest, ExtraTrees, GradientBoosting, HistGradientBoosting];
    /// Fewest training rows a node needs to be split: a count from 2 on, a share of the rows below 1. Default 2.
    min_samples_split "min_samples_split": ShareOrCount, of [DecisionTree, RandomForest, ExtraTrees, GradientBoosting];
    /// Smallest share of all weights in a leaf, 0 to 0.5. Default 0.
    min_weight_fraction_leaf "min_weight_fraction_leaf": Fraction,
        of [DecisionTree, RandomForest, ExtraTrees, GradientBoosting];
    /// Features that predictions may only rise (1) or fall (-1) with.
    monotonic_cst "monotonic_cst": BTreeMap<String, i8>,
        of [DecisionTree, RandomForest, ExtraTrees, HistGradientBoosting];
    /// Number of trees of a forest, of rounds of GradientBoosting; default 100.
    n_estimators "n_estimators": PositiveInteger, of [RandomForest, ExtraTrees, GradientBoosting];
    /// Rounds without an improvement after which boosting stops. HistGradientBoosting, default 10; GradientBoosting: left out, it
    /// never stops early.
    n_iter_no_change "n_iter_no_change": PositiveInteger, of [GradientBoosting, HistGradientBoosting];
    /// Whether to report the score on the rows each tree has not seen. Forests with bootstrap; default false.
    oob_score "oob_score": bool, of [RandomForest, ExtraTrees];
    /// The penalty: l2 (default), l1, elasticnet or None. LogisticRegression.
    penalty "penalty": Penalty, of [LogisticRegression];
    /// Whether coefficients may not be negative. Lasso, ElasticNet; default false.
    positive "positive": bool, of [Lasso, ElasticNet];
    /// Prior probability of each class, 1 in sum. GaussianNB; default: the classes' shares.
    priors "priors": BTreeMap<String, PositiveNumber>, of [GaussianNB];
    /// The quantile, 0 to 1, of HistGradientBoosting's loss quantile and of Dummy's strategy quantile.
    quantile "quantile": Fraction, of [HistGradientBoosting, Dummy];
    /// Seed of everything random in training. Default 0.
    random_state "random_state": i64,
        of [DecisionTree, RandomForest, ExtraTrees, GradientBoosting, HistGradientBoosting, LinearRegression, Ridge, Lasso, ElasticNet, LogisticRegression, GaussianNB, Dummy];
    /// How a threshold is chosen: best (default) or random. DecisionTree.
    splitter "splitter": Splitter, of [DecisionTree];
    /// What Dummy answers: mean (default), median or quantile for Regression; prior (default), most_frequent or uniform for
    /// Classification.
    strategy "strategy": DummyStrategy, of [Dummy];
    /// Share of the rows each tree sees, above 0 and at most 1. GradientBoosting; default 1.
    subsample "subsample": Share, of [GradientBoosting];
    /// Tolerance at which the solver stops, or boosting with early stopping. Default 1e-4; HistGradientBoosting 1e-7.
    tol "tol": PositiveNumber, of [Lasso, ElasticNet, LogisticRegression, GradientBoosting, HistGradientBoosting];
    /// Share of the rows kept apart for early stopping. Boosting; default 0.1.
    validation_fraction "validation_fraction": Share, of [GradientBoosting, HistGradientBoosting];
    /// Share of the largest variance of a column that is added to all. GaussianNB; default 1e-9.
    var_smoothing "var_smoothing": NonNegativeNumber, of [GaussianNB];
}

impl Parameters {
    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        self.names().is_empty()
    }

    /// Whether `estimator` takes these parameters, for `task` where that is known.
    pub fn check(&self, estimator: Estimator, task: impl Into<Option<Task>>) -> Result<(), ParameterError> {
        self.check_each(estimator, task.into())?;
        together::check(std::slice::from_ref(self), &Grid::default(), estimator)
    }

    /// Whether `estimator` takes each of these parameters for itself.
    pub(crate) fn check_each(&self, estimator: Estimator, task: Option<Task>) -> Result<(), ParameterError> {
        check_names(&self.names(), estimator)?;
        check_class_weight(self.class_weight.is_some(), task)?;
        self.criterion.map_or(Ok(()), |criterion| check_criterion(criterion, estimator, task))?;
        self.loss.map_or(Ok(()), |loss| check_loss(loss, estimator, task))?;
        self.strategy.map_or(Ok(()), |strategy| check_word(strategy, "strategy", task))
    }
}

impl Grid {
    /// Whether no name is set.
    pub fn is_empty(&self) -> bool {
        self.names().is_empty()
    }

    /// Whether `estimator` takes each of these values for itself, and `base` has none of the names.
    pub(crate) fn check_each(
        &self,
        base: &Parameters,
        estimator: Estimator,
        task: Option<Task>,
    ) -> Result<(), ParameterError> {
        let names = self.names();
        check_names(&names, estimator)?;
        if let Some(name) = names.iter().find(|name| base.names().contains(name)) {
            return Err(ParameterError::Twice((*name).to_owned()));
        }
        if let Some((name, values)) = self.ill_sized() {
            return Err(ParameterError::Values { name, values });
        }
        check_class_weight(self.class_weight.is_some(), task)?;
        self.criterion.iter().flatten().try_for_each(|&criterion| check_criterion(criterion, estimator, task))?;
        self.loss.iter().flatten().try_for_each(|&loss| check_loss(loss, estimator, task))?;
        self.strategy.iter().flatten().try_for_each(|&strategy| check_word(strategy, "strategy", task))
    }
}

/// A word that is for one task may stand where the task is not known yet.
fn check_word(word: impl Word, parameter: &'static str, task: Option<Task>) -> Result<(), ParameterError> {
    task.map_or(Ok(()), |task| word.check(parameter, task))
}

fn check_class_weight(given: bool, task: Option<Task>) -> Result<(), ParameterError> {
    if given && task == Some(Task::Regression) {
        return Err(ParameterError::Together("class_weight is for Classification; leave it out"));
    }
    Ok(())
}

fn check_names(names: &[&str], estimator: Estimator) -> Result<(), ParameterError> {
    let has = |name: &str| KNOWN.iter().any(|(known, of)| *known == name && of.contains(&estimator));
    match names.iter().find(|name| !has(name)) {
        None => Ok(()),
        Some(name) => {
            let known: Vec<_> =
                KNOWN.iter().filter(|(_, of)| of.contains(&estimator)).map(|(known, _)| *known).collect();
            Err(ParameterError::Unknown { name: (*name).to_owned(), estimator, known: known.join(", ") })
        }
    }
}

/// Boosting fits numbers, whatever the task.
fn check_criterion(criterion: Criterion, estimator: Estimator, task: Option<Task>) -> Result<(), ParameterError> {
    match (estimator, criterion) {
        (Estimator::GradientBoosting, Criterion::FriedmanMse | Criterion::SquaredError) => Ok(()),
        (Estimator::GradientBoosting, _) => Err(ParameterError::Word {
            parameter: "criterion",
            word: criterion.name(),
            of: estimator.to_string(),
            known: "friedman_mse, squared_error".to_owned(),
        }),
        _ => check_word(criterion, "criterion", task),
    }
}

/// Some losses are for one kind of boosting only.
fn check_loss(loss: Loss, estimator: Estimator, task: Option<Task>) -> Result<(), ParameterError> {
    check_word(loss, "loss", task)?;
    let known = match (estimator, loss) {
        (Estimator::HistGradientBoosting, Loss::Huber) => "squared_error, absolute_error, quantile, poisson, gamma",
        (Estimator::HistGradientBoosting, Loss::Exponential) => "log_loss",
        (Estimator::GradientBoosting, Loss::Poisson | Loss::Gamma) => "squared_error, absolute_error, huber, quantile",
        _ => return Ok(()),
    };
    let (word, of) = (loss.name(), estimator.to_string());
    Err(ParameterError::Word { parameter: "loss", word, of, known: known.to_owned() })
}

/// Why parameters are refused.
#[derive(Clone, Debug, PartialEq)]
pub enum ParameterError {
    /// The estimator has no such parameter.
    Unknown {
        /// The name.
        name: String,
        /// The estimator.
        estimator: Estimator,
        /// The names it has.
        known: String,
    },
    /// A word belongs to the other task, or to other estimators.
    Word {
        /// The parameter.
        parameter: &'static str,
        /// The word.
        word: &'static str,
        /// The task or the estimator it is not for.
        of: String,
        /// The words there are.
        known: String,
    },
    /// A name stands in `parameters` and in `search.grid`.
    Twice(String),
    /// A list of the search has no value, or too many.
    Values {
        /// The name.
        name: &'static str,
        /// How many values it has.
        values: usize,
    },
    /// A value cannot be, or does nothing, or not beside another; what to write instead.
    Together(&'static str),
    /// The grid has more than [`MAX_GRID_POINTS`] points.
    TooMany(usize),
}

impl fmt::Display for ParameterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParameterError::Unknown { name, estimator, known } => {
                let nearest = similar::nearest(name, known.split(", "));
                let hint = nearest.map_or(String::new(), |nearest| format!("did you mean {nearest}? "));
                write!(f, "{estimator} has no parameter {name}; {hint}it has {known}")
            }
            ParameterError::Word { parameter, word, of, known } => {
                write!(f, "{parameter} {word} is not for {of}; write one of {known}")
            }
            ParameterError::Twice(name) => {
                write!(f, "{name} is both in parameters and in the search; write it in one of the two")
            }
            ParameterError::Values { name, values: 0 } => {
                write!(f, "{name} of the search has an empty list; give at least one value or leave the name out")
            }
            ParameterError::Values { name, values } => {
                write!(f, "{name} of the search has {values} values; give at most {} or a range", together::MAX_VALUES)
            }
            ParameterError::Together(message) => f.write_str(message),
            ParameterError::TooMany(points) => {
                write!(f, "search.grid has {points} points; at most {MAX_GRID_POINTS} are tried")
            }
        }
    }
}

impl std::error::Error for ParameterError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(yaml: &str) -> Grid {
        serde_saphyr::from_str(yaml).unwrap()
    }

    #[test]
    fn grid_points_come_in_scikit_learns_order() {
        let grid = grid("{max_depth: [2, None], criterion: [squared_error, absolute_error]}");
        let points: Vec<_> =
            grid.points(&Parameters::default()).iter().map(|p| serde_json::to_string(p).unwrap()).collect();
        assert_eq!(
            points,
            [
                r#"{"criterion":"squared_error","max_depth":2}"#,
                r#"{"criterion":"squared_error","max_depth":"None"}"#,
                r#"{"criterion":"absolute_error","max_depth":2}"#,
                r#"{"criterion":"absolute_error","max_depth":"None"}"#,
            ]
        );
    }

    #[test]
    fn known_names_are_sorted_as_the_grid_needs_them() {
        assert!(KNOWN.is_sorted_by_key(|(name, _)| *name));
    }

    #[test]
    fn an_unknown_or_foreign_name_is_refused_by_name() {
        let parameters: Parameters = serde_saphyr::from_str("{max_dept: 3}").unwrap();
        let error = parameters.check(Estimator::DecisionTree, Task::Regression).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("DecisionTree has no parameter max_dept; did you mean max_depth? it has ccp_alpha, class_weight, criterion"),
            "{error}"
        );
        let parameters: Parameters = serde_saphyr::from_str("{max_depth: 3}").unwrap();
        assert!(parameters.check(Estimator::LinearRegression, Task::Regression).is_err());
    }

    #[test]
    fn a_criterion_of_the_other_task_is_refused() {
        let parameters: Parameters = serde_saphyr::from_str("{criterion: gini}").unwrap();
        let error = parameters.check(Estimator::DecisionTree, Task::Regression).unwrap_err();
        assert_eq!(
            error.to_string(),
            "criterion gini is not for Regression; write one of squared_error, absolute_error, friedman_mse, poisson"
        );
    }

    #[test]
    fn a_name_in_parameters_and_grid_is_refused() {
        let base: Parameters = serde_saphyr::from_str("{max_depth: 3}").unwrap();
        let error = grid("{max_depth: [3]}").check_each(&base, Estimator::DecisionTree, None).unwrap_err();
        assert_eq!(error, ParameterError::Twice("max_depth".to_owned()));
    }

    #[test]
    fn shares_and_counts() {
        for (text, rows, expected) in [("2", 100, 2), ("0.1", 101, 11), ("1", 5, 1), ("1.0", 5, 1)] {
            assert_eq!(serde_json::from_str::<ShareOrCount>(text).unwrap().of(rows), expected, "{text}");
        }
        assert_eq!(serde_json::to_string(&ShareOrCount::new(2.0)).unwrap(), "2");
        for text in ["0", "-1", "1.5", "1e300"] {
            assert!(serde_json::from_str::<ShareOrCount>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn depth_is_a_number_or_none() {
        assert_eq!(serde_json::from_str::<IntOrNone>("\"None\"").unwrap(), IntOrNone::None);
        assert_eq!(serde_json::from_str::<IntOrNone>("3").unwrap(), IntOrNone::Int(3));
        for text in ["0", "2.5", "\"none\"", "true"] {
            assert!(serde_json::from_str::<IntOrNone>(text).is_err(), "{text}");
        }
    }
}
