//! What is known of the columns, and what becomes of them before a model sees them.

use std::fmt;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::parameters::ShareOrCount;

/// Most bins of a column.
pub const MAX_BINS: usize = 256;
/// Longest unit, characters.
pub const MAX_UNIT: usize = 32;

/// What is known of a column. Whatever is not said is inferred.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema), schemars(extend("x-kubernetes-validations" = crate::schema::feature_rules())))]
#[serde(rename_all = "camelCase")]
pub struct Feature {
    /// The name that callers of the model use, and the column's name in the data unless from says otherwise.
    #[cfg_attr(feature = "schemars", schemars(length(min = 1, max = 256)))]
    pub name: String,
    /// The column's name in the data, where callers shall use another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schemars", schemars(length(min = 1, max = 256)))]
    pub from: Option<String>,
    /// Its type; inferred when left out.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<FeatureType>,
    /// Whether the model may use it. Default: true, but false for what looks like an identifier or free text and of which
    /// nothing else is said here.
    #[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
    pub use_: Option<bool>,
    /// What a missing value becomes. Default: Median for numbers and times, MostFrequent otherwise, where the training
    /// data has missing values, and Reject where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<MissingPolicy>,
    /// What a missing value becomes under missing: Constant, as the data writes it. A category that the data does not have
    /// becomes one of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fill: Option<Fill>,
    /// Whether the model also sees a column that is 1 where the value is missing and 0 elsewhere. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub indicator: Option<bool>,
    /// How a category, or a bin, becomes numbers. Default: Ordinal for trees, OneHot otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<Encoding>,
    /// What becomes of a category that the training data does not have. Default: Reject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<Unknown>,
    /// Categories in fewer training rows than this number, or this share below 1, count as one, together with unknown ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_frequency: Option<ShareOrCount>,
    /// What a model sees of a time. Default: seconds since 1970.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schemars", schemars(length(max = 16), extend("x-kubernetes-list-type" = "set")))]
    pub parts: Vec<TimePart>,
    /// Whether the model sees the logarithm of 1 plus the number. Numbers below 0 are refused. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<bool>,
    /// Sort a number into bins: exactly one of quantiles and edges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bins: Option<Bins>,
    /// How a linear model scales the columns. Default: Standard for numbers and times, None for zeros and ones. Other
    /// estimators do not depend on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<Scaling>,
    /// What the column means, for the API's documentation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schemars", schemars(length(max = 1024)))]
    pub description: Option<String>,
    /// What the numbers are measured in, such as m2 or USD, for the API's documentation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schemars", schemars(length(min = 1, max = MAX_UNIT)))]
    pub unit: Option<String>,
}

/// Type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema), schemars(inline))]
pub enum FeatureType {
    /// A number.
    Number,
    /// One of a fixed set of texts.
    Category,
    /// True or false.
    Boolean,
    /// A date, or a date with a time, as RFC 3339 writes it.
    Timestamp,
}

/// What becomes of a missing value. What is learnt is learnt from the training rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema), schemars(inline))]
pub enum MissingPolicy {
    /// A row without it is refused.
    Reject,
    /// The mean of the training rows.
    Mean,
    /// The median of the training rows.
    Median,
    /// The most frequent value of the training rows.
    MostFrequent,
    /// The value of fill.
    Constant,
    /// It stays missing, for an estimator of trees that takes missing values.
    Native,
}

/// How a category becomes numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema), schemars(inline))]
pub enum Encoding {
    /// Its place in the sorted list of categories.
    Ordinal,
    /// One column of zeros and ones for each category.
    OneHot,
    /// In how many training rows it occurs.
    Count,
    /// The mean target of its training rows, drawn towards the mean of all where there are few, as scikit-learn's
    /// TargetEncoder; one column for each class beyond two. Training rows get values learnt from other rows.
    Target,
}

/// What becomes of a category that the training data does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema), schemars(inline))]
pub enum Unknown {
    /// The row is refused.
    #[default]
    Reject,
    /// It counts as missing.
    AsMissing,
    /// It counts as a category of its own, to which minFrequency adds the rare ones.
    Other,
}

/// A part of a time, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema), schemars(inline))]
pub enum TimePart {
    /// Seconds since 1970.
    Elapsed,
    /// The year.
    Year,
    /// 1 to 4.
    Quarter,
    /// 1 to 12.
    Month,
    /// The day of the month, 1 to 31.
    Day,
    /// The day of the week, 0 for Monday to 6.
    DayOfWeek,
    /// The day of the year, 1 to 366.
    DayOfYear,
    /// 0 to 23.
    Hour,
    /// 0 to 59.
    Minute,
    /// 1 on Saturdays and Sundays, otherwise 0.
    IsWeekend,
}

/// How a linear model scales a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema), schemars(inline))]
pub enum Scaling {
    /// Minus the mean, by the standard deviation.
    Standard,
    /// From 0 for the smallest to 1 for the largest of the training rows.
    MinMax,
    /// Minus the median, by the distance between the quartiles.
    Robust,
    /// As it is.
    None,
}

/// How numbers are sorted into bins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Bins {
    /// So many bins, each with about as many training rows.
    Quantiles(u32),
    /// Bins between these numbers, ascending: below the first, from each up to the next, from the last on.
    Edges(Vec<f64>),
}

/// A column made of two others. What features says of a number can be said of it there, by its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema), schemars(extend("x-kubernetes-validations" = crate::schema::derived_rules())))]
#[serde(rename_all = "camelCase")]
pub struct Derived {
    /// Its name, which no column of the data has.
    #[cfg_attr(feature = "schemars", schemars(length(min = 1, max = 256)))]
    pub name: String,
    /// One number divided by another. Where that is 0 the result is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ratio: Option<Ratio>,
    /// One number minus another, or the seconds from one time to another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub difference: Option<Difference>,
}

/// One number divided by another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Ratio {
    /// The feature that is divided.
    #[cfg_attr(feature = "schemars", schemars(length(min = 1, max = 256)))]
    pub of: String,
    /// The feature it is divided by.
    #[cfg_attr(feature = "schemars", schemars(length(min = 1, max = 256)))]
    pub to: String,
}

/// One number minus another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Difference {
    /// The feature that is subtracted from.
    #[cfg_attr(feature = "schemars", schemars(length(min = 1, max = 256)))]
    pub of: String,
    /// The feature that is subtracted.
    #[cfg_attr(feature = "schemars", schemars(length(min = 1, max = 256)))]
    pub minus: String,
}

/// A value as the data or a caller writes it: a text, a number, or true or false. Kept as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fill(pub String);

impl Serialize for Fill {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Fill {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FillVisitor)
    }
}

struct FillVisitor;

impl Visitor<'_> for FillVisitor {
    type Value = Fill;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number, true or false")
    }

    fn visit_str<E>(self, text: &str) -> Result<Fill, E> {
        Ok(Fill(text.to_owned()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Fill, E> {
        Ok(Fill(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Fill, E> {
        Ok(Fill(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Fill, E> {
        Ok(Fill(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Fill, E> {
        Ok(Fill(value.to_string()))
    }
}

impl Feature {
    /// The name of its column in the data.
    pub fn column(&self) -> &str {
        self.from.as_deref().unwrap_or(&self.name)
    }

    /// What is wrong with it whatever the data are.
    pub fn check(&self) -> Result<(), String> {
        self.check_for(self.type_).map_err(|problem| format!("features: {}: {problem}", self.name))
    }

    /// What is wrong with it for a column of a type, where that is known.
    pub fn check_for(&self, type_: Option<FeatureType>) -> Result<(), String> {
        let constant = self.missing == Some(MissingPolicy::Constant);
        let rejected = self.missing == Some(MissingPolicy::Reject);
        let log = self.log == Some(true);
        let for_categories =
            self.unknown.is_some() || self.min_frequency.is_some() || self.encoding.is_some() && self.bins.is_none();
        let may_be = |expected: FeatureType| type_.is_none_or(|type_| type_ == expected);
        let problem = if constant != self.fill.is_some() {
            "fill and missing: Constant belong together; write both, or neither"
        } else if rejected && (self.indicator == Some(true) || self.unknown == Some(Unknown::AsMissing)) {
            "under missing: Reject nothing is missing; leave indicator and unknown: AsMissing out, or write missing: MostFrequent"
        } else if log && self.bins.is_some() {
            "bins are the same with a logarithm and without; leave log out"
        } else if for_categories && !may_be(FeatureType::Category) {
            "encoding, unknown and minFrequency are for categories; say type: Category, or leave them out"
        } else if !self.parts.is_empty() && !may_be(FeatureType::Timestamp) {
            "parts are of times; say type: Timestamp, or leave parts out"
        } else if (log || self.bins.is_some()) && !may_be(FeatureType::Number) {
            "log and bins are for numbers; say type: Number, or leave them out"
        } else if self.unit.is_some() && !may_be(FeatureType::Number) {
            "unit is for numbers; say type: Number, or leave it out"
        } else if self.parts.iter().enumerate().any(|(place, part)| self.parts[..place].contains(part)) {
            "parts names one twice"
        } else {
            self.unit.as_deref().map_or(Ok(()), |unit| check_unit("unit", unit))?;
            return self.bins.as_ref().map_or(Ok(()), Bins::check);
        };
        Err(problem.to_owned())
    }
}

/// Whether a unit is short enough to stand behind a number; `word` is what it is written under.
pub(crate) fn check_unit(word: &str, unit: &str) -> Result<(), String> {
    match unit.chars().count() {
        1..=MAX_UNIT => Ok(()),
        length => Err(format!("{word} has {length} characters; write 1 to {MAX_UNIT}, such as m2")),
    }
}

impl Bins {
    fn check(&self) -> Result<(), String> {
        match self {
            Bins::Quantiles(count) if !(2..=MAX_BINS).contains(&(*count as usize)) => {
                Err(format!("bins.quantiles is {count}; write 2 to {MAX_BINS}"))
            }
            Bins::Edges(edges) if edges.is_empty() || edges.len() >= MAX_BINS => {
                Err(format!("bins.edges has {} numbers; write 1 to {}", edges.len(), MAX_BINS - 1))
            }
            Bins::Edges(edges) if !edges.iter().all(|edge| edge.is_finite()) || !edges.is_sorted_by(|a, b| a < b) => {
                Err("bins.edges must be different numbers, the smallest first".to_owned())
            }
            Bins::Quantiles(_) | Bins::Edges(_) => Ok(()),
        }
    }
}

impl Derived {
    /// What is wrong with it whatever the data are.
    pub fn check(&self) -> Result<(), String> {
        if self.ratio.is_some() == self.difference.is_some() {
            return Err(format!("derive: {}: write exactly one of ratio and difference", self.name));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_short_and_of_numbers() {
        let check = |words: &str| serde_saphyr::from_str::<Feature>(&format!("{{name: a, {words}}}")).unwrap().check();
        for words in ["unit: m2", "unit: m\u{b2}, type: Number", "unit: the number of pieces in a pallet"] {
            assert_eq!(check(words), Ok(()), "{words}");
        }
        for (words, expected) in [
            ("unit: m2, type: Category", "features: a: unit is for numbers; say type: Number, or leave it out"),
            ("unit: s, type: Timestamp", "features: a: unit is for numbers; say type: Number, or leave it out"),
            ("unit: ''", "features: a: unit has 0 characters; write 1 to 32, such as m2"),
            (
                "unit: pounds sterling of 1913 in London",
                "features: a: unit has 33 characters; write 1 to 32, such as m2",
            ),
        ] {
            assert_eq!(check(words), Err(expected.to_owned()), "{words}");
        }
    }
}
