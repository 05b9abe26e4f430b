//! Columns made of two others.

use slipway_model::Source;
use slipway_spec::{Builtin, Derived, Feature, FeatureType, MissingPolicy};

use super::feature::{FeatureColumn, check_against_type, number};
use crate::error::DataError;
use crate::reader::Table;

/// A column made of two others.
#[derive(Clone, Debug)]
pub(crate) struct DerivedColumn {
    pub(crate) source: Source,
    /// What the spec says of it in features; its name at least.
    pub(crate) declared: Feature,
    /// What a missing value becomes.
    pub(crate) policy: MissingPolicy,
    /// Under [`MissingPolicy::Constant`].
    pub(crate) constant: Option<f64>,
}

/// The names that a column is made of.
pub(super) fn operands(derived: &Derived) -> impl Iterator<Item = &str> {
    let ratio = derived.ratio.iter().flat_map(|ratio| [&*ratio.of, &*ratio.to]);
    ratio.chain(derived.difference.iter().flat_map(|difference| [&*difference.of, &*difference.minus]))
}

/// The columns that the spec derives from `features`.
pub(super) fn derive(
    table: &Table,
    builtin: &Builtin,
    features: &[FeatureColumn],
) -> Result<Vec<DerivedColumn>, DataError> {
    let derived = builtin.derive.iter().map(|derived| {
        column(builtin, features, derived)
            .map_err(|problem| table.error(format!("derive: {problem}")).in_column(&derived.name))
    });
    derived.collect()
}

fn column(builtin: &Builtin, features: &[FeatureColumn], derived: &Derived) -> Result<DerivedColumn, String> {
    let operand = |name: &str| {
        let place = features.iter().position(|feature| feature.field.name == name).ok_or_else(|| {
            format!("there is no feature {name:?} to derive it from; write the name that features gives it")
        })?;
        Ok::<_, String>((place, features[place].field.type_))
    };
    let name = derived.name.clone();
    let source = match (&derived.ratio, &derived.difference) {
        (Some(ratio), _) => {
            let ((of, above), (to, below)) = (operand(&ratio.of)?, operand(&ratio.to)?);
            if (above, below) != (FeatureType::Number, FeatureType::Number) {
                return Err(format!(
                    "a ratio is of two numbers; {} is a {above:?} and {} a {below:?}",
                    ratio.of, ratio.to
                ));
            }
            Source::Ratio { name, of, to }
        }
        (None, Some(difference)) => {
            let ((of, type_), (minus, other)) = (operand(&difference.of)?, operand(&difference.minus)?);
            if type_ != other || !matches!(type_, FeatureType::Number | FeatureType::Timestamp) {
                return Err(format!(
                    "a difference is of two numbers or two times; {} is a {type_:?} and {} a {other:?}",
                    difference.of, difference.minus
                ));
            }
            Source::Difference { name, of, minus }
        }
        (None, None) => return Err("write exactly one of ratio and difference".to_owned()),
    };
    let declared = builtin.features.iter().find(|feature| feature.name == derived.name);
    let declared = declared.cloned().unwrap_or_else(|| Feature { name: derived.name.clone(), ..Feature::default() });
    if declared.use_ == Some(false) {
        return Err("features says `use: false` of it; take it out of derive instead".to_owned());
    }
    if declared.type_.is_some_and(|type_| type_ != FeatureType::Number) {
        return Err("what is derived is a Number; leave `type` out".to_owned());
    }
    check_against_type(&declared, FeatureType::Number)?;
    let policy = declared.missing.unwrap_or(MissingPolicy::Median);
    if policy == MissingPolicy::Reject {
        return Err(
            "a division by 0 has no result, so missing: Reject is impossible; write Median or Constant".to_owned()
        );
    }
    let constant = match &declared.fill {
        Some(fill) => Some(number(&fill.0).ok_or_else(|| format!("fill is {:?}; write a number such as 0", fill.0))?),
        None => None,
    };
    Ok(DerivedColumn { source, declared, policy, constant })
}
