//! Which rows are trained on and which are tested on.

use serde::{Deserialize, Serialize};

/// How test rows are set aside: exactly one of `random`, `group`, `column` and `time`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Split {
    /// At random, with a seed.
    Random(RandomSplit),
    /// At random, rows with the same value of a column together.
    Group(GroupSplit),
    /// By a column whose values are `train` and `test`; it is no feature. Rows keep their order.
    Column(String),
    /// The latest rows are the test.
    Time(TimeSplit),
}

impl Default for Split {
    fn default() -> Self {
        Split::Random(RandomSplit::default())
    }
}

/// Test rows at random.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct RandomSplit {
    /// Share of rows that become the test.
    #[cfg_attr(feature = "schemars", schemars(range(min = 0.01, max = 0.9)))]
    pub test_fraction: f64,
    /// A column whose values keep their shares in both parts. Default: the target, for Classification.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schemars", schemars(length(min = 1, max = 256)))]
    pub stratify_by: Option<String>,
    /// Seed of the shuffle.
    pub seed: i64,
}

impl Default for RandomSplit {
    fn default() -> Self {
        RandomSplit { test_fraction: 0.2, stratify_by: None, seed: 42 }
    }
}

/// Test rows at random, rows of one group together: either all of a group are tested or none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct GroupSplit {
    /// The column that names the group of a row. It needs not be a feature.
    #[cfg_attr(feature = "schemars", schemars(length(min = 1, max = 256)))]
    pub column: String,
    /// Share of rows that become the test, as nearly as whole groups allow.
    #[serde(default = "default_test_fraction")]
    #[cfg_attr(feature = "schemars", schemars(range(min = 0.01, max = 0.9)))]
    pub test_fraction: f64,
    /// Seed of the shuffle of the groups.
    #[serde(default = "default_seed")]
    pub seed: i64,
}

fn default_seed() -> i64 {
    42
}

/// The latest rows are the test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TimeSplit {
    /// The column that holds the time of a row.
    #[cfg_attr(feature = "schemars", schemars(length(min = 1, max = 256)))]
    pub column: String,
    /// Share of rows that become the test.
    #[serde(default = "default_test_fraction")]
    #[cfg_attr(feature = "schemars", schemars(range(min = 0.01, max = 0.9)))]
    pub test_fraction: f64,
    /// Days before the first test row whose rows are left out of training, because their labels were not yet known.
    #[serde(default)]
    #[cfg_attr(feature = "schemars", schemars(range(min = 0, max = 36500)))]
    pub embargo_days: i32,
}

fn default_test_fraction() -> f64 {
    0.2
}
