//! What parameters mean for each other: values that an estimator cannot have, and values that would do nothing.
//!
//! The same rules refuse a spec at admission, as far as CEL sees the values, and on a laptop before any data is read. They are
//! those of scikit-learn's own validation; a value without effect, over which scikit-learn passes in silence, is refused too,
//! because who wrote it expected something of it.

use super::{
    ClassWeight, DummyStrategy, EarlyStopping, Fraction, Grid, IntOrNone, Loss, NonNegativeNumber, ParameterError,
    Parameters, Penalty, PositiveInteger, Share, ShareOrCount,
};
use crate::estimator::Estimator::{
    self, DecisionTree, Dummy, ExtraTrees, GaussianNB, GradientBoosting, HistGradientBoosting, LogisticRegression,
    RandomForest,
};

/// Most values that are tried of a parameter.
pub(super) const MAX_VALUES: usize = 64;
/// How far the sum of priors may be from 1.
const PRIORS_TOLERANCE: f64 = 1e-8;

/// A rule that parameters of some estimators must keep.
pub(crate) struct Rule {
    /// The estimators it is for.
    pub(crate) of: &'static [Estimator],
    /// The parameters it is about.
    names: &'static [&'static str],
    /// Whether parameters break it.
    broken: fn(&Parameters) -> bool,
    /// Whether it forbids what does nothing; otherwise it forbids what cannot be.
    idle: bool,
    /// What is wrong and what to write instead.
    pub(crate) message: &'static str,
    /// The same in CEL, where `p` stands for the parameters, all of them given; `None` where CEL cannot see the values.
    #[cfg_attr(not(feature = "schemars"), expect(dead_code, reason = "only schemas hold rules in CEL"))]
    pub(crate) cel: Option<&'static str>,
}

const GROWN: &[Estimator] = &[DecisionTree, RandomForest, ExtraTrees, GradientBoosting];

pub(crate) const RULES: &[Rule] = &[
    Rule {
        of: &[RandomForest, ExtraTrees, GradientBoosting],
        names: &["n_estimators"],
        broken: |p| p.n_estimators.map_or(0, PositiveInteger::get) > 100_000,
        idle: false,
        message: "n_estimators is above 100000, more trees than anybody can serve; write less",
        cel: Some("has(p.n_estimators) && p.n_estimators > 100000"),
    },
    Rule {
        of: &[HistGradientBoosting],
        names: &["max_iter"],
        broken: |p| p.max_iter.map_or(0, PositiveInteger::get) > 100_000,
        idle: false,
        message: "max_iter is above 100000, more rounds than anybody can serve; write less",
        cel: Some("has(p.max_iter) && p.max_iter > 100000"),
    },
    Rule {
        of: &[RandomForest],
        names: &["bootstrap", "max_samples"],
        broken: |p| p.max_samples.is_some() && p.bootstrap == Some(false),
        idle: false,
        message: "max_samples is for a bootstrap; write bootstrap: true, or leave max_samples out",
        cel: Some("has(p.max_samples) && has(p.bootstrap) && !p.bootstrap"),
    },
    Rule {
        of: &[ExtraTrees],
        names: &["bootstrap", "max_samples"],
        broken: |p| p.max_samples.is_some() && p.bootstrap != Some(true),
        idle: false,
        message: "max_samples is for a bootstrap, and ExtraTrees has none by default; write bootstrap: true, or leave max_samples out",
        cel: Some("has(p.max_samples) && (!has(p.bootstrap) || !p.bootstrap)"),
    },
    Rule {
        of: &[RandomForest],
        names: &["bootstrap", "oob_score"],
        broken: |p| p.oob_score == Some(true) && p.bootstrap == Some(false),
        idle: false,
        message: "oob_score needs rows that a tree has not seen; write bootstrap: true, or leave oob_score out",
        cel: Some("has(p.oob_score) && p.oob_score && has(p.bootstrap) && !p.bootstrap"),
    },
    Rule {
        of: &[ExtraTrees],
        names: &["bootstrap", "oob_score"],
        broken: |p| p.oob_score == Some(true) && p.bootstrap != Some(true),
        idle: false,
        message: "oob_score needs rows that a tree has not seen, and ExtraTrees shows all to each by default; write bootstrap: true, or leave oob_score out",
        cel: Some("has(p.oob_score) && p.oob_score && (!has(p.bootstrap) || !p.bootstrap)"),
    },
    Rule {
        of: GROWN,
        names: &["min_samples_split"],
        broken: |p| p.min_samples_split.map(ShareOrCount::get) == Some(1.0),
        idle: false,
        message: "min_samples_split is 1, and one row cannot be split; write a whole number from 2 on, or a share of the rows below 1",
        cel: Some("has(p.min_samples_split) && p.min_samples_split == 1.0"),
    },
    Rule {
        of: GROWN,
        names: &["min_weight_fraction_leaf"],
        broken: |p| p.min_weight_fraction_leaf.map_or(0.0, Fraction::get) > 0.5,
        idle: false,
        message: "min_weight_fraction_leaf is above 0.5, so no node could be split; write a share from 0 to 0.5",
        cel: Some("has(p.min_weight_fraction_leaf) && p.min_weight_fraction_leaf > 0.5"),
    },
    Rule {
        of: &[DecisionTree, RandomForest, ExtraTrees, GradientBoosting, HistGradientBoosting],
        names: &["max_leaf_nodes"],
        broken: |p| p.max_leaf_nodes == Some(IntOrNone::Int(1)),
        idle: false,
        message: "max_leaf_nodes is 1, and a tree of one leaf decides nothing; write a whole number from 2 on, or None for no limit",
        cel: Some("has(p.max_leaf_nodes) && p.max_leaf_nodes == 1"),
    },
    Rule {
        of: &[HistGradientBoosting],
        names: &["max_bins"],
        broken: |p| p.max_bins.map(PositiveInteger::get).is_some_and(|bins| !(2..=255).contains(&bins)),
        idle: false,
        message: "max_bins has to be a whole number from 2 to 255",
        cel: Some("has(p.max_bins) && (p.max_bins < 2 || p.max_bins > 255)"),
    },
    Rule {
        of: &[HistGradientBoosting],
        names: &["min_samples_leaf"],
        broken: |p| p.min_samples_leaf.map(ShareOrCount::get).is_some_and(|count| count < 1.0),
        idle: false,
        message: "min_samples_leaf of HistGradientBoosting is a count of rows; write a whole number from 1 on",
        cel: Some("has(p.min_samples_leaf) && p.min_samples_leaf < 1.0"),
    },
    Rule {
        of: &[GradientBoosting, HistGradientBoosting],
        names: &["validation_fraction"],
        broken: |p| p.validation_fraction.map(Share::get) == Some(1.0),
        idle: false,
        message: "validation_fraction 1 leaves no row to learn from; write a share below 1, such as 0.1",
        cel: Some("has(p.validation_fraction) && p.validation_fraction == 1.0"),
    },
    Rule {
        of: &[GradientBoosting],
        names: &["alpha"],
        broken: |p| p.alpha.map(NonNegativeNumber::get).is_some_and(|alpha| alpha <= 0.0 || alpha >= 1.0),
        idle: false,
        message: "alpha of GradientBoosting is a quantile; write a number above 0 and below 1, such as 0.9",
        cel: Some("has(p.alpha) && (p.alpha <= 0.0 || p.alpha >= 1.0)"),
    },
    Rule {
        of: &[GradientBoosting],
        names: &["alpha", "loss"],
        broken: |p| p.alpha.is_some() && !matches!(p.loss, Some(Loss::Huber | Loss::Quantile)),
        idle: true,
        message: "alpha does nothing without loss huber or quantile; write one of them, or leave alpha out",
        cel: Some("has(p.alpha) && (!has(p.loss) || !(p.loss in ['huber', 'quantile']))"),
    },
    Rule {
        of: &[GradientBoosting],
        names: &["n_iter_no_change", "validation_fraction"],
        broken: |p| p.validation_fraction.is_some() && p.n_iter_no_change.is_none(),
        idle: true,
        message: "validation_fraction does nothing without early stopping; write n_iter_no_change, such as 10, or leave it out",
        cel: Some("has(p.validation_fraction) && !has(p.n_iter_no_change)"),
    },
    Rule {
        of: &[GradientBoosting],
        names: &["n_iter_no_change", "tol"],
        broken: |p| p.tol.is_some() && p.n_iter_no_change.is_none(),
        idle: true,
        message: "tol does nothing without early stopping; write n_iter_no_change, such as 10, or leave it out",
        cel: Some("has(p.tol) && !has(p.n_iter_no_change)"),
    },
    Rule {
        of: &[HistGradientBoosting],
        names: &["early_stopping", "n_iter_no_change"],
        broken: |p| p.n_iter_no_change.is_some() && p.early_stopping == Some(EarlyStopping::Set(false)),
        idle: true,
        message: "n_iter_no_change does nothing with early_stopping: false; leave one of them out",
        cel: None,
    },
    Rule {
        of: &[HistGradientBoosting],
        names: &["early_stopping", "tol"],
        broken: |p| p.tol.is_some() && p.early_stopping == Some(EarlyStopping::Set(false)),
        idle: true,
        message: "tol does nothing with early_stopping: false; leave one of them out",
        cel: None,
    },
    Rule {
        of: &[HistGradientBoosting],
        names: &["early_stopping", "validation_fraction"],
        broken: |p| p.validation_fraction.is_some() && p.early_stopping == Some(EarlyStopping::Set(false)),
        idle: true,
        message: "validation_fraction does nothing with early_stopping: false; leave one of them out",
        cel: None,
    },
    Rule {
        of: &[HistGradientBoosting],
        names: &["loss", "quantile"],
        broken: |p| p.loss == Some(Loss::Quantile) && p.quantile.is_none(),
        idle: false,
        message: "loss quantile has to know which; write quantile, such as 0.9",
        cel: Some("has(p.loss) && p.loss == 'quantile' && !has(p.quantile)"),
    },
    Rule {
        of: &[HistGradientBoosting],
        names: &["loss", "quantile"],
        broken: |p| p.quantile.is_some() && p.loss != Some(Loss::Quantile),
        idle: true,
        message: "quantile does nothing without loss quantile; write loss: quantile, or leave quantile out",
        cel: Some("has(p.quantile) && (!has(p.loss) || p.loss != 'quantile')"),
    },
    Rule {
        of: &[Dummy],
        names: &["quantile", "strategy"],
        broken: |p| p.strategy == Some(DummyStrategy::Quantile) && p.quantile.is_none(),
        idle: false,
        message: "strategy quantile has to know which; write quantile, such as 0.9",
        cel: Some("has(p.strategy) && p.strategy == 'quantile' && !has(p.quantile)"),
    },
    Rule {
        of: &[Dummy],
        names: &["quantile", "strategy"],
        broken: |p| p.quantile.is_some() && p.strategy != Some(DummyStrategy::Quantile),
        idle: true,
        message: "quantile does nothing without strategy quantile; write strategy: quantile, or leave quantile out",
        cel: Some("has(p.quantile) && (!has(p.strategy) || p.strategy != 'quantile')"),
    },
    Rule {
        of: &[LogisticRegression],
        names: &["l1_ratio", "penalty"],
        broken: |p| p.penalty == Some(Penalty::Elasticnet) && p.l1_ratio.is_none(),
        idle: false,
        message: "penalty elasticnet has to know the share of L1; write l1_ratio, such as 0.5",
        cel: Some("has(p.penalty) && p.penalty == 'elasticnet' && !has(p.l1_ratio)"),
    },
    Rule {
        of: &[LogisticRegression],
        names: &["l1_ratio", "penalty"],
        broken: |p| p.l1_ratio.is_some() && !matches!(p.penalty, None | Some(Penalty::Elasticnet)),
        idle: true,
        message: "l1_ratio does nothing with this penalty; write penalty: elasticnet, or leave l1_ratio out",
        cel: Some("has(p.l1_ratio) && has(p.penalty) && p.penalty != 'elasticnet'"),
    },
    Rule {
        of: &[LogisticRegression],
        names: &["C", "penalty"],
        broken: |p| p.c.is_some() && p.penalty == Some(Penalty::None),
        idle: true,
        message: "C does nothing with penalty None; write another penalty, or leave C out",
        cel: Some("has(p.C) && has(p.penalty) && p.penalty == 'None'"),
    },
    Rule {
        of: &[DecisionTree, HistGradientBoosting, LogisticRegression],
        names: &["class_weight"],
        broken: |p| p.class_weight == Some(ClassWeight::BalancedSubsample),
        idle: false,
        message: "class_weight balanced_subsample is for forests; write balanced",
        cel: None,
    },
    Rule {
        of: &[DecisionTree, RandomForest, ExtraTrees, HistGradientBoosting],
        names: &["monotonic_cst"],
        broken: |p| p.monotonic_cst.iter().flatten().any(|(_, sign)| !(-1..=1).contains(sign)),
        idle: false,
        message: "monotonic_cst has a value that is none of 1 (predictions rise), -1 (they fall) and 0",
        cel: None,
    },
    Rule {
        of: &[GaussianNB],
        names: &["priors"],
        broken: |p| {
            let sum: Option<f64> = p.priors.as_ref().map(|priors| priors.values().map(|prior| prior.get()).sum());
            sum.is_some_and(|sum| (sum - 1.0).abs() > PRIORS_TOLERANCE)
        },
        idle: false,
        message: "the priors do not have the sum 1; write one probability for each class",
        cel: None,
    },
];

/// Whether `estimator` can do with the values of `grid`, each combination of them, on top of each of `bases`. A value that
/// does nothing is refused where it does nothing in any combination.
pub(crate) fn check(bases: &[Parameters], grid: &Grid, estimator: Estimator) -> Result<(), ParameterError> {
    let broken = RULES.iter().filter(|rule| rule.of.contains(&estimator)).find(|rule| {
        let of_rule = grid.only(rule.names);
        let mut points = bases.iter().flat_map(|base| of_rule.points(base));
        if rule.idle { points.all(|point| (rule.broken)(&point)) } else { points.any(|point| (rule.broken)(&point)) }
    });
    broken.map_or(Ok(()), |rule| Err(ParameterError::Together(rule.message)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Task;
    use crate::search::Search;

    fn parameters(yaml: &str) -> Parameters {
        serde_saphyr::from_str(yaml).unwrap()
    }

    #[test]
    fn what_cannot_be_and_what_does_nothing_is_refused_with_what_to_write_instead() {
        for (estimator, task, yaml, expected) in [
            (RandomForest, Task::Regression, "{bootstrap: false, max_samples: 10}", "write bootstrap: true"),
            (ExtraTrees, Task::Regression, "{max_samples: 0.5}", "write bootstrap: true"),
            (RandomForest, Task::Classification, "{bootstrap: false, oob_score: true}", "write bootstrap: true"),
            (ExtraTrees, Task::Classification, "{oob_score: true}", "write bootstrap: true"),
            (DecisionTree, Task::Regression, "{min_samples_split: 1}", "a whole number from 2 on"),
            (GradientBoosting, Task::Regression, "{min_weight_fraction_leaf: 0.6}", "a share from 0 to 0.5"),
            (HistGradientBoosting, Task::Regression, "{max_leaf_nodes: 1}", "a whole number from 2 on, or None"),
            (HistGradientBoosting, Task::Regression, "{max_bins: 256}", "from 2 to 255"),
            (HistGradientBoosting, Task::Regression, "{min_samples_leaf: 0.1}", "a count of rows"),
            (HistGradientBoosting, Task::Regression, "{validation_fraction: 1}", "a share below 1"),
            (GradientBoosting, Task::Regression, "{loss: huber, alpha: 1}", "above 0 and below 1"),
            (GradientBoosting, Task::Regression, "{alpha: 0.9}", "does nothing without loss huber or quantile"),
            (GradientBoosting, Task::Regression, "{validation_fraction: 0.2}", "write n_iter_no_change"),
            (GradientBoosting, Task::Regression, "{tol: 0.1}", "write n_iter_no_change"),
            (HistGradientBoosting, Task::Regression, "{early_stopping: false, tol: 0.1}", "leave one of them out"),
            (HistGradientBoosting, Task::Regression, "{early_stopping: false, n_iter_no_change: 2}", "leave one"),
            (HistGradientBoosting, Task::Regression, "{early_stopping: false, validation_fraction: 0.2}", "leave one"),
            (HistGradientBoosting, Task::Regression, "{loss: quantile}", "write quantile, such as 0.9"),
            (HistGradientBoosting, Task::Regression, "{quantile: 0.5}", "write loss: quantile"),
            (Dummy, Task::Regression, "{strategy: quantile}", "write quantile, such as 0.9"),
            (Dummy, Task::Regression, "{quantile: 0.5}", "write strategy: quantile"),
            (LogisticRegression, Task::Classification, "{penalty: elasticnet}", "write l1_ratio, such as 0.5"),
            (LogisticRegression, Task::Classification, "{penalty: l2, l1_ratio: 0.5}", "write penalty: elasticnet"),
            (LogisticRegression, Task::Classification, "{penalty: None, C: 2}", "leave C out"),
            (DecisionTree, Task::Classification, "{class_weight: balanced_subsample}", "write balanced"),
            (DecisionTree, Task::Regression, "{monotonic_cst: {x: 2}}", "none of 1 (predictions rise)"),
            (GaussianNB, Task::Classification, "{priors: {a: 0.5, b: 0.4}}", "do not have the sum 1"),
            (RandomForest, Task::Regression, "{n_estimators: 1000000000}", "write less"),
            (HistGradientBoosting, Task::Regression, "{max_iter: 1000000000}", "write less"),
            (RandomForest, Task::Regression, "{class_weight: balanced}", "class_weight is for Classification"),
        ] {
            let problem = parameters(yaml).check(estimator, task).unwrap_err().to_string();
            assert!(problem.contains(expected), "{estimator} {yaml}: {problem}");
        }
    }

    #[test]
    fn what_scikit_learn_takes_is_taken() {
        for (estimator, task, yaml) in [
            (RandomForest, Task::Regression, "{max_samples: 0.5, oob_score: true}"),
            (ExtraTrees, Task::Regression, "{bootstrap: true, max_samples: 0.5, oob_score: true}"),
            (ExtraTrees, Task::Regression, "{oob_score: false}"),
            (GradientBoosting, Task::Regression, "{loss: quantile, alpha: 0.1, n_iter_no_change: 3, tol: 0.1}"),
            (HistGradientBoosting, Task::Regression, "{tol: 0.1, validation_fraction: 0.2, max_bins: 2}"),
            (LogisticRegression, Task::Classification, "{l1_ratio: 0.5, C: 3}"),
            (RandomForest, Task::Classification, "{class_weight: balanced_subsample}"),
            (GaussianNB, Task::Classification, "{priors: {a: 0.1, b: 0.2, c: 0.7}}"),
        ] {
            assert_eq!(parameters(yaml).check(estimator, task), Ok(()), "{estimator} {yaml}");
        }
    }

    #[test]
    fn a_search_may_hold_the_other_half_of_a_combination() {
        let check = |estimator: Estimator, base: &str, search: &str| {
            let search: Search = serde_saphyr::from_str(search).unwrap();
            search.check(&parameters(base), estimator, Task::Regression).map_err(|error| error.to_string())
        };
        assert_eq!(check(HistGradientBoosting, "{loss: quantile}", "{grid: {quantile: [0.1, 0.9]}}"), Ok(()));
        assert_eq!(check(HistGradientBoosting, "{quantile: 0.9}", "{grid: {loss: [quantile, squared_error]}}"), Ok(()));
        let ranges = "{random: {ranges: {quantile: {min: 0.1, max: 0.9}}}}";
        assert_eq!(check(HistGradientBoosting, "{loss: quantile}", ranges), Ok(()));
        for (estimator, base, search, expected) in [
            (HistGradientBoosting, "{}", ranges, "write loss: quantile"),
            (ExtraTrees, "{}", "{grid: {bootstrap: [true, false], max_samples: [0.5]}}", "write bootstrap: true"),
            (DecisionTree, "{}", "{grid: {min_samples_split: [1, 2]}}", "from 2 on"),
            (HistGradientBoosting, "{}", "{random: {ranges: {max_bins: {min: 10, max: 500}}}}", "from 2 to 255"),
        ] {
            let problem = check(estimator, base, search).unwrap_err();
            assert!(problem.contains(expected), "{estimator} {base} {search}: {problem}");
        }
    }

    #[test]
    fn rules_name_parameters_that_their_estimators_have() {
        for rule in RULES {
            for name in rule.names {
                let (_, of) = super::super::KNOWN.iter().find(|(known, _)| known == name).unwrap();
                assert!(rule.of.iter().all(|estimator| of.contains(estimator)), "{name}");
            }
        }
    }
}
