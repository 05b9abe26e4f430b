//! How the best parameters are looked for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::estimator::Estimator;
use crate::parameters::{Grid, MAX_GRID_POINTS, ParameterError, Parameters, together};
use crate::run::Task;

/// A search for the best parameters by cross-validation: exactly one of `grid` and `random`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema), schemars(extend("x-kubernetes-validations" = crate::schema::search_rules())))]
#[serde(rename_all = "camelCase")]
pub struct Search {
    /// The values to try for each parameter; every combination is tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grid: Option<Grid>,
    /// Points drawn at random.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub random: Option<RandomSearch>,
    /// Try all points on little and only the better ones on more, as scikit-learn's HalvingGridSearchCV.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub halving: Option<Halving>,
    /// Number of folds.
    #[serde(default = "default_folds")]
    #[cfg_attr(feature = "schemars", schemars(range(min = 2, max = 50)))]
    pub folds: i32,
    /// How rows become folds. Default: KFold for Regression, StratifiedKFold for Classification, unshuffled.
    #[serde(default, skip_serializing_if = "Folding::is_default")]
    pub folds_by: Folding,
    /// The metric that decides, averaged over the folds. Default: r2 or accuracy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schemars", schemars(schema_with = "crate::schema::known_metric"))]
    pub metric: Option<String>,
}

fn default_folds() -> i32 {
    5
}

/// Points drawn at random. A parameter stands in `choices` or in `ranges`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RandomSearch {
    /// How many points are drawn. No point twice where there are only choices.
    #[serde(default = "default_points")]
    #[cfg_attr(feature = "schemars", schemars(range(min = 1, max = 10_000)))]
    pub points: i32,
    /// Values of which one is drawn, each equally likely.
    #[serde(default, skip_serializing_if = "Grid::is_empty")]
    pub choices: Grid,
    /// Ranges in which a number is drawn, by the parameter's name; a whole number where the parameter takes only those.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schemars", schemars(extend("maxProperties" = 32)))]
    pub ranges: BTreeMap<String, NumberRange>,
    /// Seed of the draw.
    #[serde(default)]
    pub seed: i64,
}

fn default_points() -> i32 {
    20
}

/// A range of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema), schemars(extend("x-kubernetes-validations" = crate::schema::number_range_rules())))]
#[serde(rename_all = "camelCase")]
pub struct NumberRange {
    /// Smallest.
    pub min: f64,
    /// Largest.
    pub max: f64,
    /// Draw the logarithm evenly instead of the number: for parameters of which the order of magnitude matters. Needs `min`
    /// above 0.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub log: bool,
}

/// Successive halving (Jamieson and Talwalkar 2016): every point is tried on few resources, the best third of them on three
/// times as many, and so on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema), schemars(extend("x-kubernetes-validations" = crate::schema::halving_rules())))]
#[serde(rename_all = "camelCase", default)]
pub struct Halving {
    /// What there is more of in each round.
    pub resource: Resource,
    /// How many times as many resources, and how many times fewer points, each round has.
    #[cfg_attr(feature = "schemars", schemars(range(min = 2, max = 10)))]
    pub factor: Factor,
    /// Resources of the first round. Default: as many as let the last round use all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schemars", schemars(range(min = 1)))]
    pub min_resources: Option<i32>,
    /// Resources that no round exceeds. Default: all training rows; for n_estimators it must be given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schemars", schemars(range(min = 1)))]
    pub max_resources: Option<i32>,
}

/// How many times as many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema), schemars(inline))]
#[serde(transparent)]
pub struct Factor(pub i32);

impl Default for Factor {
    fn default() -> Self {
        Factor(3)
    }
}

/// What rounds of successive halving give more of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema), schemars(inline))]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// Rows, drawn from each fold.
    #[default]
    NSamples,
    /// Trees of an ensemble.
    NEstimators,
}

/// How rows become folds, by scikit-learn's names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema), schemars(extend("x-kubernetes-validations" = crate::schema::folding_rules())))]
#[serde(rename_all = "camelCase", default)]
pub struct Folding {
    /// Which rows belong together. Default: KFold for Regression, StratifiedKFold for Classification.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<FoldKind>,
    /// The column of the groups (GroupKFold) or of the time (TimeSeriesSplit). It needs not be a feature.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schemars", schemars(length(min = 1, max = 256)))]
    pub column: Option<String>,
    /// Shuffle before dividing. Not for TimeSeriesSplit.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub shuffle: bool,
    /// Divide that many times, each time shuffled anew, and average over all of it. Not for TimeSeriesSplit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schemars", schemars(range(min = 1, max = 50)))]
    pub repeats: Option<i32>,
    /// Seed of the shuffles.
    #[serde(skip_serializing_if = "is_zero")]
    pub seed: i64,
    /// Days before the first validation row whose rows are left out, because their labels were not yet known. For
    /// TimeSeriesSplit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schemars", schemars(range(min = 0, max = 36500)))]
    pub embargo_days: Option<i32>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(value: &i64) -> bool {
    *value == 0
}

/// Which rows belong together in a fold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema), schemars(inline))]
pub enum FoldKind {
    /// Consecutive rows, or after a shuffle any.
    KFold,
    /// Rows with the same shares of the classes in each fold. For Classification.
    StratifiedKFold,
    /// Rows with the same value of the column stay together.
    GroupKFold,
    /// Each fold validates on rows that are later than those it was trained on; the training rows grow from fold to fold.
    TimeSeriesSplit,
}

impl Folding {
    fn is_default(&self) -> bool {
        *self == Folding::default()
    }

    /// Why these words contradict each other, and what to write instead.
    pub fn check(&self, task: Option<Task>) -> Result<(), SearchError> {
        let error = |problem: &str| Err(SearchError::Folds(problem.to_owned()));
        let by_column = matches!(self.kind, Some(FoldKind::GroupKFold | FoldKind::TimeSeriesSplit));
        let by_time = self.kind == Some(FoldKind::TimeSeriesSplit);
        match &self.column {
            None if by_column => return error("GroupKFold and TimeSeriesSplit need a column; name it"),
            Some(_) if !by_column => return error("a column is for GroupKFold and TimeSeriesSplit; leave it out"),
            _ => {}
        }
        if by_time && (self.shuffle || self.repeats.is_some()) {
            return error("TimeSeriesSplit keeps the order of time; leave shuffle and repeats out");
        }
        if !by_time && self.embargo_days.is_some() {
            return error("embargoDays is for TimeSeriesSplit; leave it out");
        }
        if self.kind == Some(FoldKind::StratifiedKFold) && task == Some(Task::Regression) {
            return error("StratifiedKFold is for Classification; write KFold");
        }
        if self.repeats.is_some_and(|repeats| !(1..=50).contains(&repeats)) {
            return error("write repeats from 1 to 50");
        }
        Ok(())
    }
}

impl Search {
    /// Whether this search can be done for `estimator` on top of `base`, and for `task` where that is known.
    pub fn check(
        &self,
        base: &Parameters,
        estimator: Estimator,
        task: impl Into<Option<Task>>,
    ) -> Result<(), SearchError> {
        let task = task.into();
        if !(2..=50).contains(&self.folds) {
            return Err(SearchError::Folds("write folds from 2 to 50".to_owned()));
        }
        self.folds_by.check(task)?;
        match (&self.grid, &self.random) {
            (Some(grid), None) => {
                base.check_each(estimator, task)?;
                grid.check_each(base, estimator, task)?;
                if grid.size() > MAX_GRID_POINTS {
                    return Err(ParameterError::TooMany(grid.size()).into());
                }
                together::check(std::slice::from_ref(base), grid, estimator)?;
            }
            (None, Some(random)) => random.check(base, estimator, task)?,
            _ => return Err(SearchError::OneOf),
        }
        self.halving.as_ref().map_or(Ok(()), |halving| halving.check(&self.names(), base, estimator))
    }

    /// Names of the parameters that are looked for.
    pub fn names(&self) -> Vec<&str> {
        let grid = self.grid.iter().flat_map(Grid::names);
        let random = self.random.iter();
        let random = random.flat_map(|r| r.choices.names().into_iter().chain(r.ranges.keys().map(String::as_str)));
        grid.chain(random).collect()
    }
}

impl RandomSearch {
    fn check(&self, base: &Parameters, estimator: Estimator, task: Option<Task>) -> Result<(), SearchError> {
        base.check_each(estimator, task)?;
        if !(1..=10_000).contains(&self.points) {
            return Err(SearchError::Random("write points from 1 to 10000".to_owned()));
        }
        if self.choices.is_empty() && self.ranges.is_empty() {
            return Err(SearchError::Random("write choices or ranges, or there is nothing to draw".to_owned()));
        }
        self.choices.check_each(base, estimator, task)?;
        let mut bases = [base.clone(), base.clone()];
        for (name, range) in &self.ranges {
            let error = |problem: String| Err(SearchError::Random(format!("ranges.{name}: {problem}")));
            if base.names().contains(&name.as_str()) || self.choices.names().contains(&name.as_str()) {
                return error("the name also stands in parameters or in choices; write it in one of them".to_owned());
            }
            if !(range.min.is_finite() && range.max.is_finite() && range.min <= range.max) {
                return error(format!("min {} and max {} are no range", range.min, range.max));
            }
            if range.log && range.min <= 0.0 {
                return error("log needs min above 0".to_owned());
            }
            for (bound, base) in [range.min, range.max].into_iter().zip(&mut bases) {
                let point = parameter(name, bound);
                let point = point.or_else(|| range.whole(name).then(|| parameter(name, bound.round())).flatten());
                match point {
                    Some(point) => {
                        point.check_each(estimator, task)?;
                        *base = base.with(&point);
                    }
                    None => return error(format!("{name} cannot be {bound}; see the values it takes")),
                }
            }
        }
        Ok(together::check(&bases, &self.choices, estimator)?)
    }
}

impl NumberRange {
    /// Whether the parameter of that name takes only whole numbers between the bounds.
    pub fn whole(self, name: &str) -> bool {
        let middle = f64::midpoint(self.min, self.max);
        let fraction = if middle.fract() == 0.0 { middle + (self.max - self.min).min(1.0) / 4.0 } else { middle };
        fraction.fract() != 0.0 && parameter(name, fraction).is_none() || parameter(name, self.min).is_none()
    }
}

/// Parameters with only this one; `None` where it cannot have that value. A whole number is written as one.
pub fn parameter(name: &str, value: f64) -> Option<Parameters> {
    let number = if value.fract() == 0.0 && value.abs() < 1e15 { json!(value as i64) } else { json!(value) };
    serde_json::from_value(Value::Object([(name.to_owned(), number)].into_iter().collect())).ok()
}

impl Halving {
    fn check(&self, searched: &[&str], base: &Parameters, estimator: Estimator) -> Result<(), SearchError> {
        let error = |problem: &str| Err(SearchError::Halving(problem.to_owned()));
        if !(2..=10).contains(&self.factor.0) {
            return error("write factor from 2 to 10");
        }
        if self.min_resources.is_some_and(|min| min < 1) || self.max_resources.is_some_and(|max| max < 1) {
            return error("write minResources and maxResources from 1 on");
        }
        if self.min_resources.zip(self.max_resources).is_some_and(|(min, max)| min > max) {
            return error("minResources is above maxResources; write less");
        }
        if self.resource == Resource::NEstimators {
            let Some(most) = self.max_resources else {
                return error("resource n_estimators needs maxResources: the most trees");
            };
            if searched.contains(&Resource::N_ESTIMATORS) || base.names().contains(&Resource::N_ESTIMATORS) {
                return error("n_estimators is the resource; take it out of parameters and of the search");
            }
            parameter(Resource::N_ESTIMATORS, f64::from(most)).unwrap_or_default().check_each(estimator, None)?;
        }
        Ok(())
    }
}

impl Resource {
    /// The parameter behind [`Resource::NEstimators`].
    pub const N_ESTIMATORS: &'static str = "n_estimators";
}

/// Why a search is refused.
#[derive(Clone, Debug, PartialEq)]
pub enum SearchError {
    /// Neither or both of `grid` and `random`.
    OneOf,
    /// The folds contradict themselves.
    Folds(String),
    /// The draw cannot be made.
    Random(String),
    /// The halving cannot be done.
    Halving(String),
    /// A parameter is refused.
    Parameter(ParameterError),
}

impl From<ParameterError> for SearchError {
    fn from(error: ParameterError) -> Self {
        SearchError::Parameter(error)
    }
}

impl std::fmt::Display for SearchError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SearchError::OneOf => f.write_str("search: write exactly one of grid, random"),
            SearchError::Folds(problem) => write!(f, "search.foldsBy: {problem}"),
            SearchError::Random(problem) => write!(f, "search.random: {problem}"),
            SearchError::Halving(problem) => write!(f, "search.halving: {problem}"),
            SearchError::Parameter(error) => write!(f, "search: {error}"),
        }
    }
}

impl std::error::Error for SearchError {}
