//! Metrics by scikit-learn's names.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::run::Task;

/// Metric values by name. Undefined metrics are left out.
pub type Metrics = BTreeMap<String, f64>;

/// A share in whole percent, from 1 to 99: the parameter of a metric, as it stands in the metric's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percent(u8);

impl Percent {
    /// That many percent, if they are from 1 to 99.
    pub const fn new(percent: u8) -> Option<Percent> {
        if percent >= 1 && percent <= 99 { Some(Percent(percent)) } else { None }
    }

    /// As a share of 1.
    pub fn share(self) -> f64 {
        f64::from(self.0) / 100.0
    }

    /// From digits without a sign or a leading zero.
    fn parse(text: &str) -> Option<Percent> {
        let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
        text.parse().ok().filter(|_| plain).and_then(Percent::new)
    }

    /// The name with this parameter, of the names with 1 to 99.
    fn of(self, names: &'static [String]) -> &'static str {
        names.get(usize::from(self.0) - 1).map_or("", String::as_str)
    }
}

static TOP_OVERLAPS: LazyLock<Vec<String>> =
    LazyLock::new(|| (1..100).map(|percent| format!("top_{percent}_percent_overlap")).collect());
static PINBALL_LOSSES: LazyLock<Vec<String>> =
    LazyLock::new(|| (1..100).map(|percent| format!("pinball_loss_{percent}")).collect());

/// What the names of metrics with a parameter match, as a regular expression.
pub const PARAMETRIC: &str = "^(top_[1-9][0-9]?_percent_overlap|pinball_loss_[1-9][0-9]?)$";

macro_rules! metrics {
    ($($variant:ident $name:literal $task:ident $better:ident $doc:literal;)*) => {
        /// The metrics Slipway computes itself, as scikit-learn defines them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Metric {
            $(#[doc = $doc] $variant,)*
            /// `top_20_percent_overlap`: of the rows whose target is among the largest 20 %, the share whose prediction is
            /// among the largest 20 %. Rows with equal values share the last places.
            TopOverlap(Percent),
            /// `pinball_loss_90`: the loss of a prediction of the 90 % quantile, in the target's unit; scikit-learn's
            /// `mean_pinball_loss` with `alpha` 0.9.
            PinballLoss(Percent),
        }

        impl Metric {
            /// The metrics of every report, in its order. [`Metric::parse`] knows more: those with a parameter of one's own.
            pub const ALL: &'static [Metric] = &[$(Metric::$variant,)* Metric::TopOverlap(Percent(20))];

            /// The name in specs and reports.
            pub fn name(self) -> &'static str {
                match self {
                    $(Metric::$variant => $name,)*
                    Metric::TopOverlap(percent) => percent.of(&TOP_OVERLAPS),
                    Metric::PinballLoss(percent) => percent.of(&PINBALL_LOSSES),
                }
            }

            /// The task it belongs to.
            pub const fn task(self) -> Task {
                match self {
                    $(Metric::$variant => Task::$task,)*
                    Metric::TopOverlap(_) | Metric::PinballLoss(_) => Task::Regression,
                }
            }

            /// Whether a larger value is a better model.
            pub const fn higher_is_better(self) -> bool {
                match self {
                    $(Metric::$variant => Better::$better.is_higher(),)*
                    Metric::TopOverlap(_) => true,
                    Metric::PinballLoss(_) => false,
                }
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
    Spearman "spearman" Regression Higher "Spearman's rank correlation of truth and prediction.";
    Accuracy "accuracy" Classification Higher "Share of right answers.";
    BalancedAccuracy "balanced_accuracy" Classification Higher "Mean recall of the classes.";
    Precision "precision" Classification Higher "Precision of the positive class; macro for more than two classes.";
    Recall "recall" Classification Higher "Recall of the positive class; macro for more than two classes.";
    F1 "f1" Classification Higher "F1 of the positive class; macro for more than two classes.";
    MatthewsCorrcoef "matthews_corrcoef" Classification Higher "Matthews correlation coefficient of truth and answer.";
    CohenKappa "cohen_kappa" Classification Higher "Cohen's kappa: agreement of truth and answer beyond chance.";
    RocAuc "roc_auc" Classification Higher "Area under the ROC curve; one-vs-rest, macro, for more than two classes.";
    AveragePrecision "average_precision" Classification Higher "Average precision; macro for more than two classes.";
    LogLoss "log_loss" Classification Lower "Cross-entropy of the probabilities, natural logarithm.";
    Brier "brier" Classification Lower "Brier score: mean squared error of the probabilities.";
}

impl Metric {
    /// The metric of that name, if Slipway computes it.
    pub fn parse(name: &str) -> Option<Metric> {
        let parametric = || {
            let top = name.strip_prefix("top_").and_then(|rest| rest.strip_suffix("_percent_overlap"));
            let pinball = name.strip_prefix("pinball_loss_");
            let top = top.and_then(Percent::parse).map(Metric::TopOverlap);
            top.or_else(|| pinball.and_then(Percent::parse).map(Metric::PinballLoss))
        };
        Metric::ALL.iter().copied().find(|metric| metric.name() == name).or_else(parametric)
    }

    /// Names of a task's metrics, comma-separated, for messages.
    pub fn names(task: Task) -> String {
        let metrics = Metric::ALL.iter().filter(|metric| metric.task() == task);
        let mut names: Vec<_> = metrics.map(|metric| metric.name()).collect();
        if task == Task::Regression {
            names.push("pinball_loss_90");
        }
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_its_metric_belong_together() {
        for &metric in Metric::ALL {
            assert_eq!(Metric::parse(metric.name()), Some(metric));
        }
        for name in ["top_1_percent_overlap", "top_99_percent_overlap", "pinball_loss_5", "pinball_loss_90"] {
            assert_eq!(Metric::parse(name).unwrap().name(), name);
        }
        for name in [
            "top_0_percent_overlap",
            "top_100_percent_overlap",
            "top_05_percent_overlap",
            "pinball_loss_",
            "pinball_loss_+5",
            "r3",
        ] {
            assert_eq!(Metric::parse(name), None, "{name}");
        }
    }
}
