//! Parameters whose value is one of a few words.

use serde::{Deserialize, Serialize};

use super::ParameterError;
use crate::run::Task;

macro_rules! words {
    ($(#[doc = $doc:literal])+ $type:ident { $($(#[doc = $variant_doc:literal])+ $variant:ident $name:literal [$($task:ident),+];)* }) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schemars", derive(schemars::JsonSchema), schemars(inline))]
        pub enum $type {
            $($(#[doc = $variant_doc])+ #[serde(rename = $name)] $variant,)*
        }

        impl $type {
            const ALL: &[$type] = &[$($type::$variant,)*];

            /// The name in specs.
            pub const fn name(self) -> &'static str {
                match self { $($type::$variant => $name,)* }
            }

            /// The tasks it is for.
            pub const fn tasks(self) -> &'static [Task] {
                match self { $($type::$variant => &[$(Task::$task),+],)* }
            }
        }

        impl Word for $type {
            fn check(self, parameter: &'static str, task: Task) -> Result<(), ParameterError> {
                if self.tasks().contains(&task) {
                    return Ok(());
                }
                let known: Vec<_> = $type::ALL.iter().filter(|word| word.tasks().contains(&task)).map(|word| word.name()).collect();
                Err(ParameterError::Word { parameter, word: self.name(), of: task.to_string(), known: known.join(", ") })
            }
        }
    };
}

/// A value that is one of a few words, some of them for one task only.
pub(super) trait Word {
    /// Whether it is for `task`.
    fn check(self, parameter: &'static str, task: Task) -> Result<(), ParameterError>;
}

words! {
    /// What a split of a tree improves.
    Criterion {
        /// Variance.
        SquaredError "squared_error" [Regression];
        /// Mean absolute deviation from the median.
        AbsoluteError "absolute_error" [Regression];
        /// Variance, with Friedman's score between splits.
        FriedmanMse "friedman_mse" [Regression];
        /// Half the Poisson deviance.
        Poisson "poisson" [Regression];
        /// Gini impurity.
        Gini "gini" [Classification];
        /// Shannon entropy.
        Entropy "entropy" [Classification];
        /// The same as entropy.
        LogLoss "log_loss" [Classification];
    }
}

words! {
    /// What boosting improves.
    Loss {
        /// Squared error.
        SquaredError "squared_error" [Regression];
        /// Absolute error.
        AbsoluteError "absolute_error" [Regression];
        /// Squared error for small residuals, absolute error for large ones.
        Huber "huber" [Regression];
        /// Pinball loss of a quantile.
        Quantile "quantile" [Regression];
        /// Half the Poisson deviance, with the logarithm as link; targets from 0 on.
        Poisson "poisson" [Regression];
        /// Half the gamma deviance, with the logarithm as link; targets above 0.
        Gamma "gamma" [Regression];
        /// Cross-entropy.
        LogLoss "log_loss" [Classification];
        /// Exponential loss, as of AdaBoost; two classes.
        Exponential "exponential" [Classification];
    }
}

words! {
    /// Where boosting starts.
    Init {
        /// At raw predictions of 0.
        Zero "zero" [Regression, Classification];
    }
}

words! {
    /// The penalty of logistic regression.
    Penalty {
        /// On squares.
        L2 "l2" [Classification];
        /// On absolute values.
        L1 "l1" [Classification];
        /// On both, by `l1_ratio`.
        Elasticnet "elasticnet" [Classification];
        /// None.
        None "None" [Classification];
    }
}

words! {
    /// How a tree's thresholds are chosen.
    Splitter {
        /// The best.
        Best "best" [Regression, Classification];
        /// The best of one random threshold a column.
        Random "random" [Regression, Classification];
    }
}

words! {
    /// What `Dummy` answers.
    DummyStrategy {
        /// The mean.
        Mean "mean" [Regression];
        /// The median.
        Median "median" [Regression];
        /// A quantile.
        Quantile "quantile" [Regression];
        /// The classes' shares.
        Prior "prior" [Classification];
        /// The most frequent class, with certainty.
        MostFrequent "most_frequent" [Classification];
        /// Every class alike.
        Uniform "uniform" [Classification];
    }
}
