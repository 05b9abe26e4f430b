//! Metrics by scikit-learn's names.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::run::Task;

/// Metric values by name. Undefined metrics are left out.
pub type Metrics = BTreeMap<String, f64>;

macro_rules! metrics {
    ($($variant:ident $name:literal $task:ident $better:ident $doc:literal;)*) => {
        /// The metrics Slipway computes itself, as scikit-learn defines them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Metric {
            $(#[doc = $doc] #[serde(rename = $name)] $variant,)*
        }

        impl Metric {
            /// Every metric, in the order of reports.
            pub const ALL: &'static [Metric] = &[$(Metric::$variant,)*];

            /// The name in specs and reports.
            pub const fn name(self) -> &'static str {
                match self { $(Metric::$variant => $name,)* }
            }

            /// The task it belongs to.
            pub const fn task(self) -> Task {
                match self { $(Metric::$variant => Task::$task,)* }
            }

            /// Whether a larger value is a better model.
            pub const fn higher_is_better(self) -> bool {
                match self { $(Metric::$variant => Better::$better.is_higher(),)* }
            }
        }
    };
}

#[derive(Clone, Copy)]
enum Better {
    Higher,
    Lower,
}

impl Better {
    const fn is_higher(self) -> bool {
        matches!(self, Better::Higher)
    }
}

metrics! {
    R2 "r2" Regression Higher "Coefficient of determination.";
    Mae "mae" Regression Lower "Mean absolute error, in the target's unit.";
    Rmse "rmse" Regression Lower "Root mean squared error, in the target's unit.";
    Mape "mape" Regression Lower "Mean absolute percentage error, as a share (0.1 is 10 %).";
    ExplainedVariance "explained_variance" Regression Higher "Explained variance.";
    Accuracy "accuracy" Classification Higher "Share of right answers.";
    BalancedAccuracy "balanced_accuracy" Classification Higher "Mean recall of the classes.";
    Precision "precision" Classification Higher "Precision of the positive class; macro for more than two classes.";
    Recall "recall" Classification Higher "Recall of the positive class; macro for more than two classes.";
    F1 "f1" Classification Higher "F1 of the positive class; macro for more than two classes.";
    RocAuc "roc_auc" Classification Higher "Area under the ROC curve; one-vs-rest, macro, for more than two classes.";
    AveragePrecision "average_precision" Classification Higher "Average precision; macro for more than two classes.";
    LogLoss "log_loss" Classification Lower "Cross-entropy of the probabilities, natural logarithm.";
    Brier "brier" Classification Lower "Brier score: mean squared error of the probabilities.";
}

impl Metric {
    /// The metric of that name, if Slipway computes it.
    pub fn parse(name: &str) -> Option<Metric> {
        Metric::ALL.iter().copied().find(|metric| metric.name() == name)
    }

    /// Names of a task's metrics, comma-separated, for messages.
    pub fn names(task: Task) -> String {
        let names: Vec<_> =
            Metric::ALL.iter().filter(|metric| metric.task() == task).map(|metric| metric.name()).collect();
        names.join(", ")
    }
}
