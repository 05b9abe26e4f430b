//! Parameters whose value is a word or something else.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::{PositiveNumber, ShareOrCount};

/// A whole number from 1 on, or `None` for no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IntOrNone {
    /// The limit.
    Int(u32),
    /// No limit.
    None,
}

impl Serialize for IntOrNone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            IntOrNone::Int(limit) => serializer.serialize_u32(*limit),
            IntOrNone::None => serializer.serialize_str("None"),
        }
    }
}

impl<'de> Deserialize<'de> for IntOrNone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let limit = match &value {
            Value::String(text) if text == "None" => return Ok(IntOrNone::None),
            Value::Number(number) => {
                number.as_u64().and_then(|limit| u32::try_from(limit).ok()).filter(|&limit| limit > 0)
            }
            _ => None,
        };
        limit
            .map(IntOrNone::Int)
            .ok_or_else(|| serde::de::Error::custom(format!("expected a whole number from 1 on, or None, got {value}")))
    }
}

/// Weights of classes.
#[derive(Clone, Debug, PartialEq)]
pub enum ClassWeight {
    /// Inversely proportional to the classes' shares of the training rows.
    Balanced,
    /// The same, by the shares in each tree's sample.
    BalancedSubsample,
    /// By class; 1 for a class that is not named.
    Map(BTreeMap<String, PositiveNumber>),
}

impl Serialize for ClassWeight {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            ClassWeight::Balanced => serializer.serialize_str("balanced"),
            ClassWeight::BalancedSubsample => serializer.serialize_str("balanced_subsample"),
            ClassWeight::Map(weights) => weights.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ClassWeight {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        match &value {
            Value::String(text) if text == "balanced" => return Ok(ClassWeight::Balanced),
            Value::String(text) if text == "balanced_subsample" => return Ok(ClassWeight::BalancedSubsample),
            Value::Object(_) => {
                return BTreeMap::deserialize(value).map(ClassWeight::Map).map_err(serde::de::Error::custom);
            }
            _ => {}
        }
        let expected = "expected balanced, balanced_subsample, or a map from class to weight";
        Err(serde::de::Error::custom(format!("{expected}, got {value}")))
    }
}

/// When boosting stops early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EarlyStopping {
    /// From 10,001 rows on.
    Auto,
    /// Always or never.
    Set(bool),
}

impl Serialize for EarlyStopping {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            EarlyStopping::Auto => serializer.serialize_str("auto"),
            EarlyStopping::Set(stop) => serializer.serialize_bool(*stop),
        }
    }
}

impl<'de> Deserialize<'de> for EarlyStopping {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) if text == "auto" => Ok(EarlyStopping::Auto),
            Value::Bool(stop) => Ok(EarlyStopping::Set(stop)),
            value => Err(serde::de::Error::custom(format!("expected true, false or auto, got {value}"))),
        }
    }
}

/// How many columns are looked at for a split.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MaxFeatures {
    /// All.
    All,
    /// The square root of their number.
    Sqrt,
    /// The binary logarithm of their number.
    Log2,
    /// A share or a count.
    Some(ShareOrCount),
}

impl MaxFeatures {
    /// The count it means for `columns` columns: rounded down and at least 1, as in scikit-learn.
    pub fn of(self, columns: usize) -> usize {
        let count = match self {
            MaxFeatures::All => columns,
            MaxFeatures::Sqrt => columns.isqrt(),
            MaxFeatures::Log2 => columns.checked_ilog2().unwrap_or(0) as usize,
            MaxFeatures::Some(share) if share.get() < 1.0 => (share.get() * columns as f64) as usize,
            MaxFeatures::Some(count) => count.get() as usize,
        };
        count.clamp(1, columns.max(1))
    }
}

impl Serialize for MaxFeatures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            MaxFeatures::All => serializer.serialize_str("None"),
            MaxFeatures::Sqrt => serializer.serialize_str("sqrt"),
            MaxFeatures::Log2 => serializer.serialize_str("log2"),
            MaxFeatures::Some(share) => share.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for MaxFeatures {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let found = match &value {
            Value::String(text) => match text.as_str() {
                "None" => Some(MaxFeatures::All),
                "sqrt" => Some(MaxFeatures::Sqrt),
                "log2" => Some(MaxFeatures::Log2),
                _ => None,
            },
            Value::Number(number) => number.as_f64().and_then(ShareOrCount::new).map(MaxFeatures::Some),
            _ => None,
        };
        let expected = "expected sqrt, log2, None, a whole number from 1 on, or a share below 1";
        found.ok_or_else(|| serde::de::Error::custom(format!("{expected}, got {value}")))
    }
}
