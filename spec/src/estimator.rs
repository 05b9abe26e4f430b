//! Learning algorithms by scikit-learn's names.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::run::Task;

macro_rules! estimators {
    ($($(#[doc = $doc:literal])+ $name:ident [$($task:ident),+];)*) => {
        /// The learning algorithm, by scikit-learn's name without `Regressor` or `Classifier`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schemars", derive(schemars::JsonSchema), schemars(inline))]
        pub enum Estimator {
            $($(#[doc = $doc])+ $name,)*
        }

        impl Estimator {
            /// Every estimator.
            pub const ALL: &'static [Estimator] = &[$(Estimator::$name,)*];

            /// The name in specs.
            pub const fn name(self) -> &'static str {
                match self { $(Estimator::$name => stringify!($name),)* }
            }

            /// The tasks it is for.
            pub const fn tasks(self) -> &'static [Task] {
                match self { $(Estimator::$name => &[$(Task::$task),+],)* }
            }
        }
    };
}

estimators! {
    /// One tree.
    DecisionTree [Regression, Classification];
    /// The mean of trees, each grown on a random sample of the rows.
    RandomForest [Regression, Classification];
    /// The mean of trees whose thresholds are drawn at random.
    ExtraTrees [Regression, Classification];
    /// Trees that each mend the error of those before, with exact splits.
    GradientBoosting [Regression, Classification];
    /// Trees that each mend the error of those before, on binned columns: the quickest for many rows.
    HistGradientBoosting [Regression, Classification];
    /// Ordinary least squares.
    LinearRegression [Regression];
    /// Least squares with an L2 penalty.
    Ridge [Regression];
    /// Least squares with an L1 penalty.
    Lasso [Regression];
    /// Least squares with both penalties.
    ElasticNet [Regression];
    /// Logistic regression.
    LogisticRegression [Classification];
    /// Naive Bayes with a normal distribution for each column in each class.
    GaussianNB [Classification];
    /// The same answer to every row: what a model must beat.
    Dummy [Regression, Classification];
}

impl Estimator {
    /// Names of a task's estimators, comma-separated, for messages.
    pub fn names(task: Task) -> String {
        let names: Vec<_> =
            Estimator::ALL.iter().filter(|estimator| estimator.tasks().contains(&task)).map(|e| e.name()).collect();
        names.join(", ")
    }
}

impl fmt::Display for Estimator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
