//! Parameters of estimators, by scikit-learn's names, and grids of them.
//!
//! Both keep names they do not know, so that the trainer can refuse them by name instead of dropping them in silence.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::run::{Estimator, Task};

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
            #[cfg_attr(feature = "schemars", schemars(length(min = 1, max = 64)))]
            pub $field: Option<Vec<$type>>,)*
            /// Names that no estimator has.
            #[serde(flatten)]
            #[cfg_attr(feature = "schemars", schemars(skip))]
            pub unknown: BTreeMap<String, Value>,
        }

        /// Every known name, with the estimators that have it.
        const KNOWN: &[(&str, &[Estimator])] = &[$(($name, &[$(Estimator::$estimator),+]),)*];

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
        }

        #[cfg(feature = "schemars")]
        pub(crate) const NAMES: &[&str] = &[$($name,)*];
    };
}

// Sorted by name: `Grid::points` relies on it.
parameters! {
    /// Inverse of the strength of the L2 penalty. LogisticRegression; default 1.
    c "C": PositiveNumber, of [LogisticRegression];
    /// What a split improves: squared_error (default) or absolute_error for Regression; gini (default), entropy or log_loss
    /// for Classification. DecisionTree.
    criterion "criterion": Criterion, of [DecisionTree];
    /// Whether to fit an intercept. LinearRegression, LogisticRegression; default true.
    fit_intercept "fit_intercept": bool, of [LinearRegression, LogisticRegression];
    /// Greatest depth of a tree, from 1, or None for no limit. DecisionTree; default None.
    max_depth "max_depth": IntOrNone, of [DecisionTree];
    /// Most iterations of the solver. LogisticRegression; default 100.
    max_iter "max_iter": PositiveInteger, of [LogisticRegression];
    /// Fewest training rows in a leaf: a count from 1 on, a share of the rows below 1. DecisionTree; default 1.
    min_samples_leaf "min_samples_leaf": ShareOrCount, of [DecisionTree];
    /// Fewest training rows a node needs to be split: a count from 2 on, a share of the rows below 1. DecisionTree; default 2.
    min_samples_split "min_samples_split": ShareOrCount, of [DecisionTree];
    /// Seed of everything random in training. Default 0.
    random_state "random_state": i64, of [DecisionTree, LinearRegression, LogisticRegression];
    /// Tolerance at which the solver stops. LogisticRegression; default 1e-4.
    tol "tol": PositiveNumber, of [LogisticRegression];
}

impl Parameters {
    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        self.names().is_empty()
    }

    /// Whether `estimator` takes these parameters for `task`.
    pub fn check(&self, estimator: Estimator, task: Task) -> Result<(), ParameterError> {
        check_names(&self.names(), estimator)?;
        match self.criterion {
            Some(criterion) if criterion.task() != task => {
                Err(ParameterError::Criterion { criterion, task, known: Criterion::names(task) })
            }
            _ => Ok(()),
        }
    }
}

impl Grid {
    /// Whether no name is set.
    pub fn is_empty(&self) -> bool {
        self.names().is_empty()
    }

    /// Whether `estimator` takes this grid on top of `base` for `task`.
    pub fn check(&self, base: &Parameters, estimator: Estimator, task: Task) -> Result<(), ParameterError> {
        let names = self.names();
        check_names(&names, estimator)?;
        if let Some(name) = names.iter().find(|name| base.names().contains(name)) {
            return Err(ParameterError::Twice((*name).to_owned()));
        }
        if self.size() == 0 {
            return Err(ParameterError::Empty);
        }
        if self.size() > MAX_GRID_POINTS {
            return Err(ParameterError::TooMany(self.size()));
        }
        self.criterion.iter().flatten().try_for_each(|&criterion| {
            Parameters { criterion: Some(criterion), ..Parameters::default() }.check(estimator, task)
        })
    }
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
    /// The criterion belongs to the other task.
    Criterion {
        /// The criterion.
        criterion: Criterion,
        /// The task.
        task: Task,
        /// The criteria of the task.
        known: String,
    },
    /// A name stands in `parameters` and in `search.grid`.
    Twice(String),
    /// A list of the grid is empty.
    Empty,
    /// The grid has more than [`MAX_GRID_POINTS`] points.
    TooMany(usize),
}

impl fmt::Display for ParameterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParameterError::Unknown { name, estimator, known } => {
                write!(f, "{estimator} has no parameter {name}; it has {known}")
            }
            ParameterError::Criterion { criterion, task, known } => {
                write!(f, "criterion {} is not for {task}; write one of {known}", criterion.name())
            }
            ParameterError::Twice(name) => {
                write!(f, "{name} is both in parameters and in search.grid; write it in one of the two")
            }
            ParameterError::Empty => {
                write!(f, "search.grid has an empty list; give at least one value or leave the name out")
            }
            ParameterError::TooMany(points) => {
                write!(f, "search.grid has {points} points; at most {MAX_GRID_POINTS} are tried")
            }
        }
    }
}

impl std::error::Error for ParameterError {}

/// What a split of a tree improves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema), schemars(inline))]
#[serde(rename_all = "snake_case")]
pub enum Criterion {
    /// Variance.
    SquaredError,
    /// Mean absolute deviation from the median.
    AbsoluteError,
    /// Gini impurity.
    Gini,
    /// Shannon entropy.
    Entropy,
    /// The same as entropy.
    LogLoss,
}

impl Criterion {
    const ALL: [Criterion; 5] =
        [Criterion::SquaredError, Criterion::AbsoluteError, Criterion::Gini, Criterion::Entropy, Criterion::LogLoss];

    /// The name in specs.
    pub const fn name(self) -> &'static str {
        match self {
            Criterion::SquaredError => "squared_error",
            Criterion::AbsoluteError => "absolute_error",
            Criterion::Gini => "gini",
            Criterion::Entropy => "entropy",
            Criterion::LogLoss => "log_loss",
        }
    }

    /// The task it belongs to.
    pub const fn task(self) -> Task {
        match self {
            Criterion::SquaredError | Criterion::AbsoluteError => Task::Regression,
            Criterion::Gini | Criterion::Entropy | Criterion::LogLoss => Task::Classification,
        }
    }

    fn names(task: Task) -> String {
        let names: Vec<_> = Criterion::ALL.iter().filter(|c| c.task() == task).map(|c| c.name()).collect();
        names.join(", ")
    }
}

/// A whole number from 1 on, or `None` for no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IntOrNone {
    /// The limit.
    Int(u32),
    /// No limit.
    None,
}

impl Serialize for IntOrNone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            IntOrNone::Int(limit) => serializer.serialize_u32(*limit),
            IntOrNone::None => serializer.serialize_str("None"),
        }
    }
}

impl<'de> Deserialize<'de> for IntOrNone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let limit = match &value {
            Value::String(text) if text == "None" => return Ok(IntOrNone::None),
            Value::Number(number) => {
                number.as_u64().and_then(|limit| u32::try_from(limit).ok()).filter(|&limit| limit > 0)
            }
            _ => None,
        };
        limit
            .map(IntOrNone::Int)
            .ok_or_else(|| serde::de::Error::custom(format!("expected a whole number from 1 on, or None, got {value}")))
    }
}

macro_rules! checked_number {
    ($(#[doc = $doc:literal])+ $name:ident, $inner:ty, $expected:literal, $valid:expr) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
        pub struct $name($inner);

        impl $name {
            /// The value, if it is in range.
            pub fn new(value: $inner) -> Option<Self> {
                let valid: fn($inner) -> bool = $valid;
                valid(value).then_some($name(value))
            }

            /// The value.
            pub fn get(self) -> $inner {
                self.0
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let value = <$inner>::deserialize(deserializer)?;
                $name::new(value).ok_or_else(|| {
                    serde::de::Error::custom(format!(concat!("expected ", $expected, ", got {}"), value))
                })
            }
        }
    };
}

macro_rules! serialize_as_number {
    ($($name:ident),*) => {
        $(impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                // As a person writes it: 2, not 2.0.
                let value = f64::from(self.0);
                if value.fract() == 0.0 && value <= f64::from(u32::MAX) {
                    serializer.serialize_u32(value as u32)
                } else {
                    serializer.serialize_f64(value)
                }
            }
        })*
    };
}

serialize_as_number!(PositiveNumber, PositiveInteger, ShareOrCount);

checked_number! {
    /// A finite number above 0.
    PositiveNumber, f64, "a number above 0", |value| value.is_finite() && value > 0.0
}
checked_number! {
    /// A whole number from 1 on.
    PositiveInteger, u32, "a whole number from 1 on", |value| value > 0
}
checked_number! {
    /// A share of the rows (below 1) or a count of them (a whole number from 1 on).
    ShareOrCount, f64, "a share above 0 and below 1, or a whole number from 1 on", |value| {
        value > 0.0 && value < 1.0 || value >= 1.0 && value.fract() == 0.0 && value <= f64::from(u32::MAX)
    }
}

impl ShareOrCount {
    /// The count it means for `rows` rows: a share is rounded up, as scikit-learn does.
    pub fn of(self, rows: usize) -> usize {
        if self.0 < 1.0 { (self.0 * rows as f64).ceil() as usize } else { self.0 as usize }
    }
}

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
        assert!(error.to_string().starts_with("DecisionTree has no parameter max_dept; it has criterion"), "{error}");
        let parameters: Parameters = serde_saphyr::from_str("{max_depth: 3}").unwrap();
        assert!(parameters.check(Estimator::LinearRegression, Task::Regression).is_err());
    }

    #[test]
    fn a_criterion_of_the_other_task_is_refused() {
        let parameters: Parameters = serde_saphyr::from_str("{criterion: gini}").unwrap();
        let error = parameters.check(Estimator::DecisionTree, Task::Regression).unwrap_err();
        assert_eq!(
            error.to_string(),
            "criterion gini is not for Regression; write one of squared_error, absolute_error"
        );
    }

    #[test]
    fn a_name_in_parameters_and_grid_is_refused() {
        let base: Parameters = serde_saphyr::from_str("{max_depth: 3}").unwrap();
        let error = grid("{max_depth: [3]}").check(&base, Estimator::DecisionTree, Task::Regression).unwrap_err();
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
