//! Parameters that are numbers within bounds.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! checked_number {
    ($(#[doc = $doc:literal])+ $name:ident, $inner:ty, $expected:literal, $valid:expr) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
        pub struct $name($inner);

        impl $name {
            /// The value, if it is in range.
            pub fn new(value: $inner) -> Option<Self> {
                let valid: fn($inner) -> bool = $valid;
                valid(value).then_some($name(value))
            }

            /// The value.
            pub fn get(self) -> $inner {
                self.0
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let value = <$inner>::deserialize(deserializer)?;
                $name::new(value).ok_or_else(|| {
                    serde::de::Error::custom(format!(concat!("expected ", $expected, ", got {}"), value))
                })
            }
        }
    };
}

macro_rules! serialize_as_number {
    ($($name:ident),*) => {
        $(impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                // As a person writes it: 2, not 2.0.
                let value = f64::from(self.0);
                if value.fract() == 0.0 && value <= f64::from(u32::MAX) {
                    serializer.serialize_u32(value as u32)
                } else {
                    serializer.serialize_f64(value)
                }
            }
        })*
    };
}

serialize_as_number!(PositiveNumber, NonNegativeNumber, Fraction, Share, PositiveInteger, ShareOrCount);

checked_number! {
    /// A finite number above 0.
    PositiveNumber, f64, "a number above 0", |value| value.is_finite() && value > 0.0
}
checked_number! {
    /// A finite number from 0 on.
    NonNegativeNumber, f64, "a number from 0 on", |value| value.is_finite() && value >= 0.0
}
checked_number! {
    /// A number from 0 to 1.
    Fraction, f64, "a number from 0 to 1", |value| (0.0..=1.0).contains(&value)
}
checked_number! {
    /// A number above 0 and at most 1.
    Share, f64, "a number above 0 and at most 1", |value| value > 0.0 && value <= 1.0
}
checked_number! {
    /// A whole number from 1 on.
    PositiveInteger, u32, "a whole number from 1 on", |value| value > 0
}
checked_number! {
    /// A share of the rows (below 1) or a count of them (a whole number from 1 on).
    ShareOrCount, f64, "a share above 0 and below 1, or a whole number from 1 on", |value| {
        value > 0.0 && value < 1.0 || value >= 1.0 && value.fract() == 0.0 && value <= f64::from(u32::MAX)
    }
}

impl ShareOrCount {
    /// The count it means for `rows` rows: a share is rounded up, as scikit-learn does.
    pub fn of(self, rows: usize) -> usize {
        if self.0 < 1.0 { (self.0 * rows as f64).ceil() as usize } else { self.0 as usize }
    }
}
