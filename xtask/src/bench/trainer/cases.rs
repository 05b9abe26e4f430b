//! What is trained: estimators with their parameters, the same on both sides, and what is expected of them.

use serde_json::{Map, Value, json};

use super::tables::{Prepared, Task};

/// Rows from which on the CPU ratios are promised.
pub const ROWS_FOR_RATIO: usize = 16_000;

/// An estimator with parameters.
#[derive(Clone, Debug)]
pub struct Case {
    /// Slipway's name of the estimator.
    pub estimator: &'static str,
    /// Parameters by scikit-learn's names, but for `random_state`.
    pub parameters: Value,
    /// Parameters of scikit-learn alone, such as which of its solvers.
    pub peer_parameters: Value,
    /// How categories become numbers, on both sides.
    pub encoding: &'static str,
    /// Whether numbers are standardised for scikit-learn, as Slipway's linear models do by themselves.
    pub standardised: bool,
    /// The tasks it is for; `None` for both.
    pub task: Option<Task>,
    /// Whether chance decides what is learned, so that only the mean over seeds can be compared.
    pub random: bool,
    /// How many times scikit-learn's CPU seconds must be Slipway's, on tables of [`ROWS_FOR_RATIO`].
    pub ratio_at_least: Option<f64>,
    /// What is done on large tables.
    pub large: Large,
}

/// Who trains on a large table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Large {
    /// Both sides.
    Both,
    /// Only Slipway; trees of forests are limited to this depth, which keeps their artefact at a size that people use.
    SlipwayAlone(Option<u32>),
    /// Nobody.
    Nobody,
}

impl Case {
    /// The name with what is not default, such as `DecisionTree max_depth=8`.
    pub fn label(&self) -> String {
        let Value::Object(parameters) = &self.parameters else { return self.estimator.to_owned() };
        let shown = parameters.iter().filter(|(name, _)| *name != "early_stopping");
        let shown = shown.map(|(name, value)| match value {
            Value::String(text) => format!(" {name}={text}"),
            other => format!(" {name}={other}"),
        });
        std::iter::once(self.estimator.to_owned()).chain(shown).collect()
    }

    /// How much worse a metric may be.
    pub fn tolerance(&self) -> f64 {
        if self.random { 0.01 } else { 0.003 }
    }

    /// Whether anything is trained on this table.
    pub fn is_for(&self, table: &Prepared) -> bool {
        self.task.is_none_or(|task| task == table.task) && !(table.large && self.large == Large::Nobody)
    }

    /// Whether scikit-learn trains on this table too.
    pub fn has_peer(&self, table: &Prepared) -> bool {
        !table.large || self.large == Large::Both
    }

    /// The parameters for a table and a seed.
    pub fn parameters(&self, table: &Prepared, seed: usize) -> Map<String, Value> {
        let mut parameters = self.parameters.as_object().cloned().unwrap_or_default();
        if let (true, Large::SlipwayAlone(Some(depth))) = (table.large, self.large) {
            parameters.insert("max_depth".to_owned(), json!(depth));
        }
        if self.takes_seed() {
            parameters.insert("random_state".to_owned(), json!(seed));
        }
        parameters
    }

    /// The same for scikit-learn.
    pub fn peer_parameters(&self, table: &Prepared, seed: usize) -> Map<String, Value> {
        let mut parameters = self.parameters(table, seed);
        parameters.extend(self.peer_parameters.as_object().cloned().unwrap_or_default());
        parameters
    }

    /// Whether a seed may change what is learned: trees break ties between columns by it.
    pub fn takes_seed(&self) -> bool {
        self.encoding == "Ordinal"
    }
}

/// All that is measured, simple ones first.
pub fn all() -> Vec<Case> {
    let base = Case {
        estimator: "Dummy",
        parameters: json!({}),
        peer_parameters: json!({}),
        encoding: "OneHot",
        standardised: true,
        task: None,
        random: false,
        ratio_at_least: None,
        large: Large::Both,
    };
    let regression = Case { task: Some(Task::Regression), ..base.clone() };
    let classification = Case { task: Some(Task::Classification), ..base.clone() };
    let linear =
        |estimator, parameters, ratio_at_least| Case { estimator, parameters, ratio_at_least, ..regression.clone() };
    let logistic = Case { estimator: "LogisticRegression", ..classification.clone() };
    let tree = Case { encoding: "Ordinal", standardised: false, ..base.clone() };
    let forest = Case { random: true, large: Large::SlipwayAlone(Some(12)), ..tree.clone() };
    vec![
        base,
        linear("LinearRegression", json!({}), Some(2.0)),
        linear("Ridge", json!({"alpha": 1.0}), None),
        linear("Lasso", json!({"alpha": 0.1}), None),
        linear("ElasticNet", json!({"alpha": 0.1}), None),
        Case { ratio_at_least: Some(1.0), ..logistic.clone() },
        Case {
            parameters: json!({"C": 0.1, "penalty": "l1"}),
            peer_parameters: json!({"solver": "saga", "max_iter": 1000}),
            large: Large::Nobody,
            ..logistic
        },
        Case { estimator: "GaussianNB", standardised: false, ..classification },
        Case { estimator: "DecisionTree", ratio_at_least: Some(8.0), ..tree.clone() },
        Case {
            estimator: "DecisionTree",
            parameters: json!({"max_depth": 8}),
            ratio_at_least: Some(8.0),
            ..tree.clone()
        },
        Case {
            estimator: "DecisionTree",
            parameters: json!({"criterion": "absolute_error", "max_depth": 8}),
            task: Some(Task::Regression),
            large: Large::Nobody,
            ..tree.clone()
        },
        Case {
            estimator: "HistGradientBoosting",
            parameters: json!({"early_stopping": false}),
            ratio_at_least: Some(1.0),
            ..tree.clone()
        },
        Case { estimator: "GradientBoosting", ratio_at_least: Some(15.0), large: Large::SlipwayAlone(None), ..tree },
        Case { estimator: "RandomForest", ratio_at_least: Some(8.0), ..forest.clone() },
        Case { estimator: "ExtraTrees", ratio_at_least: Some(2.5), ..forest },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_names_what_is_not_default() {
        let labels: Vec<String> = all().iter().map(Case::label).collect();
        assert!(labels.contains(&"DecisionTree max_depth=8".to_owned()), "{labels:?}");
        assert!(labels.contains(&"HistGradientBoosting".to_owned()), "{labels:?}");
        let mut unique = labels.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), labels.len());
    }
}
