//! A value as a caller or a data file gives it, and how a field reads it.

use std::fmt;

use serde::Serialize;
use slipway_spec::FeatureType;

use crate::schema::{Field, Unknown};

/// Longest piece of a caller's value that a message repeats, characters.
const MAX_SHOWN: usize = 64;

/// One value of a row, before it is known whether it fits its field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// `null`, an absent field, an empty cell.
    Missing,
    /// A number.
    Number(f64),
    /// A text.
    Text(&'a str),
    /// True or false.
    Boolean(bool),
    /// Something no field takes, such as a list; named for the message.
    Other(&'static str),
}

impl<'a> From<&'a serde_json::Value> for Value<'a> {
    fn from(value: &'a serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Value::Missing,
            serde_json::Value::Bool(value) => Value::Boolean(*value),
            serde_json::Value::Number(number) => {
                number.as_f64().map_or(Value::Other("a number out of range"), Value::Number)
            }
            serde_json::Value::String(text) => Value::Text(text),
            serde_json::Value::Array(_) => Value::Other("a list"),
            serde_json::Value::Object(_) => Value::Other("an object"),
        }
    }
}

impl fmt::Display for Value<'_> {
    /// As a message shows it; long texts are cut.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Missing => f.write_str("nothing"),
            Value::Number(number) => write!(f, "{number}"),
            Value::Text(text) => match text.char_indices().nth(MAX_SHOWN) {
                None => write!(f, "{text:?}"),
                Some((end, _)) => write!(f, "{:?}…", &text[..end]),
            },
            Value::Boolean(value) => write!(f, "{value}"),
            Value::Other(what) => f.write_str(what),
        }
    }
}

/// Why a value does not fit its field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// The field.
    pub field: String,
    /// What the field takes, as `a number`.
    pub expected: String,
    /// What was given, shortened.
    pub got: String,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, got {}", self.field, self.expected, self.got)
    }
}

impl std::error::Error for FieldError {}

impl Field {
    /// Reads a value: a number as itself, a category as its place in [`Field::categories`], a boolean as 0 or 1, a timestamp
    /// as seconds since 1970-01-01 UTC. A missing value is NaN, or refused where the field is required. An unknown category
    /// is refused, or missing, or the place behind the last, as [`Field::unknown`] says.
    pub fn decode(&self, value: Value<'_>) -> Result<f64, FieldError> {
        if value == Value::Missing {
            return if self.required { Err(self.mismatch(value)) } else { Ok(f64::NAN) };
        }
        let decoded = match self.type_ {
            FeatureType::Number => {
                decode_number(value).filter(|number| self.minimum.is_none_or(|minimum| *number >= minimum))
            }
            FeatureType::Boolean => decode_boolean(value),
            FeatureType::Category => self.decode_category(value),
            FeatureType::Timestamp => match value {
                Value::Text(text) => parse_timestamp(text),
                _ => None,
            },
        };
        decoded.ok_or_else(|| self.mismatch(value))
    }

    fn decode_category(&self, value: Value<'_>) -> Option<f64> {
        let place = |text: &str| match self.categories.binary_search_by(|category| category.as_str().cmp(text)) {
            Ok(place) => Some(place as f64),
            Err(_) => match self.unknown {
                Unknown::Reject => None,
                Unknown::AsMissing => Some(f64::NAN),
                Unknown::Other => Some(self.categories.len() as f64),
            },
        };
        match value {
            Value::Text(text) => place(text),
            Value::Number(number) => place(&number.to_string()),
            Value::Boolean(value) => place(if value { "true" } else { "false" }),
            Value::Missing | Value::Other(_) => None,
        }
    }

    fn mismatch(&self, value: Value<'_>) -> FieldError {
        FieldError { field: self.name.clone(), expected: self.expectation(), got: value.to_string() }
    }

    /// What the field takes, for messages.
    fn expectation(&self) -> String {
        const MAX_LISTED: usize = 10;
        match self.type_ {
            FeatureType::Number => match self.minimum {
                None => "a number".to_owned(),
                Some(minimum) => format!("a number from {minimum} on"),
            },
            FeatureType::Boolean => "true or false".to_owned(),
            FeatureType::Timestamp => "a time such as 2024-05-01T06:30:00Z".to_owned(),
            FeatureType::Category if self.unknown != Unknown::Reject => "a text".to_owned(),
            FeatureType::Category => {
                let listed: Vec<_> =
                    self.categories.iter().take(MAX_LISTED).map(|category| format!("{category:?}")).collect();
                let more = self.categories.len().saturating_sub(MAX_LISTED);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                format!("one of {}{more}", listed.join(", "))
            }
        }
    }
}

fn decode_number(value: Value<'_>) -> Option<f64> {
    match value {
        Value::Number(number) => Some(number),
        Value::Text(text) => parse_number(text),
        Value::Missing | Value::Boolean(_) | Value::Other(_) => None,
    }
    .filter(|number| number.is_finite())
}

fn decode_boolean(value: Value<'_>) -> Option<f64> {
    match value {
        Value::Boolean(value) => Some(f64::from(u8::from(value))),
        Value::Number(number) => (number == 0.0 || number == 1.0).then_some(number),
        Value::Text(text) => parse_boolean(text).map(|value| f64::from(u8::from(value))),
        Value::Missing | Value::Other(_) => None,
    }
}

/// The number that all of `text` is: decimal or scientific, surrounding blanks allowed; never infinite or NaN.
pub fn parse_number(text: &str) -> Option<f64> {
    let text = text.trim();
    let starts_as_number = text.trim_start_matches(['+', '-']).starts_with(|c: char| c.is_ascii_digit() || c == '.');
    if starts_as_number { text.parse().ok().filter(|number: &f64| number.is_finite()) } else { None }
}

/// `true` or `false`, in any case.
pub fn parse_boolean(text: &str) -> Option<bool> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// Seconds since 1970-01-01 UTC of an RFC 3339 time, a date with a time (taken as UTC), or a date.
pub fn parse_timestamp(text: &str) -> Option<f64> {
    let text = text.trim();
    let timestamp = text.parse::<jiff::Timestamp>().ok().or_else(|| {
        let civil = text.parse::<jiff::civil::DateTime>().ok()?;
        civil.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    })?;
    Some(timestamp.as_duration().as_secs_f64())
}

/// The time, given as [`parse_timestamp`] reads it, as RFC 3339 writes it in UTC; a time that no calendar has as the nearest
/// that one has.
pub fn write_timestamp(seconds: f64) -> String {
    const NANOS: f64 = 1e9;
    let whole = seconds.floor();
    let fraction = seconds - whole;
    let read_again = |nanos: f64| whole + nanos / NANOS;
    // The coarsest fraction of a second that is read as this number again.
    let round_to = |unit: f64| (fraction * NANOS / unit).round() * unit;
    let coarse = [NANOS, 1e6, 1e3].map(round_to).into_iter().find(|&nanos| read_again(nanos) == seconds);
    let nanos = coarse.unwrap_or_else(|| round_to(1.0));
    let latest = if seconds > 0.0 { jiff::Timestamp::MAX } else { jiff::Timestamp::MIN };
    let carried = whole as i64 + i64::from(nanos >= NANOS);
    let nanos = if nanos >= NANOS { 0 } else { nanos as i32 };
    jiff::Timestamp::new(carried, nanos).unwrap_or(latest).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(type_: FeatureType) -> Field {
        let categories = if type_ == FeatureType::Category { vec!["1".to_owned(), "red".to_owned()] } else { vec![] };
        Field { name: "x".to_owned(), type_, categories, ..Field::default() }
    }

    #[test]
    fn values_are_read_by_the_fields_type() {
        use FeatureType::{Boolean, Category, Number, Timestamp};
        for (type_, value, expected) in [
            (Number, Value::Number(1.5), Some(1.5)),
            (Number, Value::Text(" 1e3 "), Some(1000.0)),
            (Number, Value::Text("+7"), Some(7.0)),
            (Number, Value::Text("ten"), None),
            (Number, Value::Text("inf"), None),
            (Number, Value::Text("1 2"), None),
            (Number, Value::Number(f64::INFINITY), None),
            (Number, Value::Boolean(true), None),
            (Boolean, Value::Boolean(true), Some(1.0)),
            (Boolean, Value::Text("False"), Some(0.0)),
            (Boolean, Value::Number(2.0), None),
            (Category, Value::Text("red"), Some(1.0)),
            (Category, Value::Number(1.0), Some(0.0)),
            (Category, Value::Text("Red"), None),
            (Timestamp, Value::Text("1970-01-02"), Some(86_400.0)),
            (Timestamp, Value::Text("1970-01-01T01:00:00+01:00"), Some(0.0)),
            (Timestamp, Value::Text("1970-01-01T00:00:01"), Some(1.0)),
            (Timestamp, Value::Text("yesterday"), None),
            (Number, Value::Other("a list"), None),
        ] {
            assert_eq!(field(type_).decode(value).ok(), expected, "{type_:?} {value}");
        }
    }

    #[test]
    fn a_time_is_written_as_it_is_read() {
        for text in [
            "1970-01-01T00:00:00Z",
            "1969-12-31T23:59:59.9Z",
            "2024-05-01T06:30:00Z",
            "2024-05-01T06:30:00.123456Z",
            "0001-01-01T00:00:00Z",
            "9999-12-30T22:00:00Z",
        ] {
            assert_eq!(write_timestamp(parse_timestamp(text).unwrap()), text);
        }
        for seconds in [0.1, 1e-9, 1_714_545_000.000_000_2, -0.75, 253_402_207_200.0, 1e300, -1e300, 0.999_999_999_999]
        {
            let written = write_timestamp(seconds);
            let read = parse_timestamp(&written).unwrap();
            assert!((read - seconds).abs() < 1e-9 || seconds.abs() > 1e12, "{seconds} {written}");
        }
    }

    #[test]
    fn a_missing_value_is_marked_or_refused() {
        let required = field(FeatureType::Number);
        assert_eq!(required.decode(Value::Missing).unwrap_err().to_string(), "x: expected a number, got nothing");
        let optional = Field { required: false, ..required };
        assert!(optional.decode(Value::Missing).unwrap().is_nan());
    }

    #[test]
    fn unknown_categories_and_small_numbers_are_treated_as_the_field_says() {
        let known = field(FeatureType::Category);
        let with = |unknown| Field { unknown, ..known.clone() }.decode(Value::Text("green"));
        assert!(with(Unknown::Reject).is_err());
        assert!(with(Unknown::AsMissing).unwrap().is_nan());
        assert_eq!(with(Unknown::Other), Ok(2.0));
        let from_zero = Field { minimum: Some(0.0), ..field(FeatureType::Number) };
        assert_eq!(from_zero.decode(Value::Number(0.0)), Ok(0.0));
        let error = from_zero.decode(Value::Number(-1.0)).unwrap_err();
        assert_eq!(error.to_string(), "x: expected a number from 0 on, got -1");
    }

    #[test]
    fn a_message_shows_a_long_value_cut() {
        let long = "y".repeat(10_000);
        let error = field(FeatureType::Category).decode(Value::Text(&long)).unwrap_err();
        assert!(error.got.len() < 100);
        assert_eq!(error.expected, r#"one of "1", "red""#);
    }
}
