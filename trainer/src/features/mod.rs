//! What becomes of the columns before a learner sees them: from what the spec says to an [`Encoder`] fitted on the training
//! rows.
//!
//! Values to fill in, counts, bins and pools of rare categories do not know the target, so they are learnt once, from all
//! training rows. What knows the target ([`target`]) is learnt anew from the rows of every fit, and scales as well
//! ([`scale`]).

mod bins;
mod categories;
pub(crate) mod scale;
pub(crate) mod target;

use std::borrow::Cow;
use std::sync::Arc;

use slipway_model::encoder::MAX_WIDTH;
use slipway_model::{Block, Encoder, Field, Form, Source};
use slipway_spec::{Encoding, Estimator as Algorithm, Feature, FeatureType, MissingPolicy, Scaling};

use self::categories::Pool;
use self::target::Targeted;
use crate::data::dataset::{Dataset, DerivedColumn, FeatureColumn};
use crate::data::fill;
use crate::error::DataError;
use crate::learner::{Target, Values};

/// Most numbers of all training rows together, where categories have columns of their own.
const MAX_CELLS: usize = 1 << 29;

/// A column that a learner sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    /// The feature it comes from.
    pub(crate) feature: Arc<str>,
    /// How a linear model scales it.
    pub(crate) scaling: Scaling,
    /// What its values are.
    pub(crate) kind: Kind,
}

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Numbers whose order means something.
    Numbers,
    /// Places among so many categories.
    Categories(usize),
    /// 1 where the feature is missing, otherwise 0.
    Missing,
}

/// The training rows with what turns them into columns.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    /// Not scaled.
    pub(crate) encoder: Encoder,
    pub(crate) columns: Vec<Column>,
    /// The blocks that are learnt from the target.
    pub(crate) targeted: Vec<Targeted>,
}

/// What an algorithm wants where the spec does not say.
struct Wants {
    encoding: Encoding,
    /// Whether it depends on how columns are scaled.
    scales: bool,
    /// Whether a column may be NaN, which stands for a missing value.
    missing: bool,
}

impl Wants {
    fn of(algorithm: Algorithm) -> Wants {
        let (encoding, scales) = match algorithm {
            Algorithm::DecisionTree
            | Algorithm::RandomForest
            | Algorithm::ExtraTrees
            | Algorithm::GradientBoosting
            | Algorithm::HistGradientBoosting
            | Algorithm::Dummy => (Encoding::Ordinal, false),
            Algorithm::GaussianNB => (Encoding::OneHot, false),
            Algorithm::LinearRegression
            | Algorithm::Ridge
            | Algorithm::Lasso
            | Algorithm::ElasticNet
            | Algorithm::LogisticRegression => (Encoding::OneHot, true),
        };
        Wants { encoding, scales, missing: takes_missing(algorithm) }
    }
}

/// Whether a learner takes a missing value as it is.
pub(crate) fn takes_missing(algorithm: Algorithm) -> bool {
    matches!(
        algorithm,
        Algorithm::DecisionTree
            | Algorithm::RandomForest
            | Algorithm::ExtraTrees
            | Algorithm::GradientBoosting
            | Algorithm::HistGradientBoosting
            | Algorithm::Dummy
    )
}

/// Fits the features of `dataset` on its training rows. `fields` are their decoded values, a list for each field.
pub(crate) fn prepare(
    dataset: &Dataset,
    algorithm: Algorithm,
    fields: &[Values],
    target: &Target,
) -> Result<Prepared, DataError> {
    let wants = Wants::of(algorithm);
    let mut parts = Parts { blocks: Vec::new(), columns: Vec::new(), targeted: Vec::new() };
    let fitting = Fitting { dataset, algorithm, wants: &wants, fields, target };
    for (place, feature) in dataset.features.iter().enumerate().filter(|(_, feature)| feature.used) {
        fitting.fit(&Raw::of_field(place, feature), &mut parts)?;
    }
    for derived in &dataset.derived {
        fitting.fit(&Raw::of_derived(derived), &mut parts)?;
    }
    check_width(dataset, &parts, target.rows())?;
    Ok(Prepared { encoder: Encoder::new(parts.blocks), columns: parts.columns, targeted: parts.targeted })
}

fn check_width(dataset: &Dataset, parts: &Parts, rows: usize) -> Result<(), DataError> {
    let width: usize = parts.columns.len();
    let widest = parts.blocks.iter().filter(|block| block.width() > 1).max_by_key(|block| block.width());
    if width <= MAX_WIDTH && (widest.is_none() || width.saturating_mul(rows) <= MAX_CELLS) {
        return Ok(());
    }
    let fields = dataset.fields();
    let Some(widest) = widest else {
        return Err(dataset.table.error(format!("{width} columns to learn from; at most {MAX_WIDTH} are possible")));
    };
    let problem = format!(
        "a row becomes {width} columns, {} of them for this feature, which is too much for {rows} rows; write `encoding: Count`, \
         `Target` or `Ordinal` for it in features, or pool its rare categories with minFrequency",
        widest.width()
    );
    Err(dataset.table.error(problem).in_column(widest.name(&fields)))
}

/// What is being put together.
struct Parts {
    blocks: Vec<Block>,
    columns: Vec<Column>,
    targeted: Vec<Targeted>,
}

impl Parts {
    fn push(&mut self, name: &Arc<str>, block: Block, scaling: Scaling, kind: Kind) {
        let column = Column { feature: name.clone(), scaling, kind };
        self.columns.extend(std::iter::repeat_n(column, block.width()));
        self.blocks.push(block);
    }
}

/// A value before anything was learnt of it.
struct Raw<'a> {
    name: Arc<str>,
    source: Source,
    type_: FeatureType,
    declared: &'a Feature,
    policy: MissingPolicy,
    /// Under [`MissingPolicy::Constant`].
    constant: Option<f64>,
    /// Of a category.
    field: Option<&'a Field>,
}

impl<'a> Raw<'a> {
    fn of_field(place: usize, feature: &'a FeatureColumn) -> Raw<'a> {
        Raw {
            name: feature.field.name.as_str().into(),
            source: Source::Field { field: place },
            type_: feature.field.type_,
            declared: &feature.declared,
            policy: feature.policy,
            constant: feature.constant,
            field: Some(&feature.field),
        }
    }

    fn of_derived(derived: &'a DerivedColumn) -> Raw<'a> {
        Raw {
            name: derived.declared.name.as_str().into(),
            source: derived.source.clone(),
            type_: FeatureType::Number,
            declared: &derived.declared,
            policy: derived.policy,
            constant: derived.constant,
            field: None,
        }
    }
}

struct Fitting<'a> {
    dataset: &'a Dataset,
    algorithm: Algorithm,
    wants: &'a Wants,
    fields: &'a [Values],
    target: &'a Target,
}

impl Fitting<'_> {
    /// Adds the blocks of one value.
    fn fit(&self, raw: &Raw<'_>, parts: &mut Parts) -> Result<(), DataError> {
        let error = |problem: String| self.dataset.table.error(problem).in_column(&raw.name);
        if raw.policy == MissingPolicy::Native && !self.wants.missing {
            let (algorithm, fitting) = (self.algorithm, missing_names());
            return Err(error(format!(
                "missing: Native is for {fitting}, and {algorithm} needs every value; write Median, MostFrequent or Constant"
            )));
        }
        let logarithm = raw.declared.log == Some(true);
        let mut values = self.values(&raw.source);
        if logarithm {
            for value in values.to_mut().iter_mut().filter(|value| **value < 0.0) {
                *value = f64::NAN;
            }
        }
        let fill = raw.constant.or_else(|| fill::fill(raw.policy, values.iter().copied()));
        if logarithm && fill.is_some_and(|fill| fill < 0.0) {
            return Err(error("fill is below 0 and has no logarithm of 1 plus it; write 0 or more".to_owned()));
        }
        let nothing = matches!(raw.policy, MissingPolicy::Mean | MissingPolicy::Median | MissingPolicy::MostFrequent);
        if nothing && fill.is_none() {
            return Err(error(
                "it has no value in any training row; take it out of derive, or say `use: false`".to_owned(),
            ));
        }
        let indicated = raw.declared.indicator == Some(true) && values.iter().any(|value| value.is_nan());
        let bins = raw.declared.bins.as_ref().map_or_else(Vec::new, |bins| bins::edges(bins, &values));
        let block = Block { source: raw.source.clone(), fill, bins, form: Form::Identity };
        self.push_formed(raw, block, values, parts);
        if indicated {
            let missing = Block { source: raw.source.clone(), fill: None, bins: Vec::new(), form: Form::Missing };
            parts.push(&raw.name, missing, Scaling::None, Kind::Missing);
        }
        Ok(())
    }

    /// Gives a block its form.
    fn push_formed(&self, raw: &Raw<'_>, block: Block, values: Cow<'_, [f64]>, parts: &mut Parts) {
        let scaling = |default| if self.wants.scales { raw.declared.scale.unwrap_or(default) } else { Scaling::None };
        let codes = match raw.field {
            _ if !block.bins.is_empty() => Some(block.bins.len() + 1),
            Some(field) if raw.type_ == FeatureType::Category => Some(field.codes()),
            _ => None,
        };
        if let Some(codes) = codes {
            let pool = Pool::new(codes, raw, &block, &values);
            drop(values);
            let encoding = raw.declared.encoding.unwrap_or(self.wants.encoding);
            let default = if encoding == Encoding::OneHot { Scaling::None } else { Scaling::Standard };
            if encoding == Encoding::Target {
                let targeted = Targeted { block: parts.blocks.len(), groups: pool.of_rows, group_of: pool.group_of };
                let all: Vec<u32> = (0..self.target.rows() as u32).collect();
                let form = targeted.form(self.target, &all);
                parts.targeted.push(targeted);
                parts.push(&raw.name, Block { form, ..block }, scaling(default), Kind::Numbers);
            } else {
                // Bins have an order.
                let categories = encoding == Encoding::Ordinal && block.bins.is_empty();
                let kind = if categories { Kind::Categories(pool.groups()) } else { Kind::Numbers };
                let form = pool.form(encoding);
                parts.push(&raw.name, Block { form, ..block }, scaling(default), kind);
            }
            return;
        }
        let (form, default) = match raw.type_ {
            FeatureType::Timestamp if !raw.declared.parts.is_empty() => {
                (Form::Parts { parts: raw.declared.parts.clone() }, Scaling::Standard)
            }
            FeatureType::Number if raw.declared.log == Some(true) => (Form::Log, Scaling::Standard),
            FeatureType::Boolean => (Form::Identity, Scaling::None),
            _ => (Form::Identity, Scaling::Standard),
        };
        parts.push(&raw.name, Block { form, ..block }, scaling(default), Kind::Numbers);
    }

    /// A value of every training row.
    fn values(&self, source: &Source) -> Cow<'_, [f64]> {
        match source {
            Source::Field { field } => self.fields[*field].filled(None),
            Source::Ratio { .. } | Source::Difference { .. } => {
                (0..self.target.rows()).map(|row| source.value(|field| self.fields[field][row])).collect()
            }
        }
    }
}

fn missing_names() -> String {
    let all = Algorithm::ALL.iter().filter(|algorithm| takes_missing(**algorithm) && **algorithm != Algorithm::Dummy);
    all.map(|algorithm| algorithm.name()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
