//! JSON as callers send it, read strictly: a key that stands twice is refused, whatever is nested is bounded in depth by
//! the parser.

pub mod combine;
pub mod rows;
pub mod table;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use slipway_model::Value;

use super::error::ApiError;

/// Most keys of an object that are no fields.
const MAX_KEYS: usize = 10_000;

/// A key or another text, borrowed where it holds no escapes.
pub struct Key<'de>(pub Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}

/// The keys of an object so far.
#[derive(Default)]
pub struct Keys<'de>(BTreeSet<Cow<'de, str>>);

impl<'de> Keys<'de> {
    /// Notes a key, which must be new.
    pub fn add<E: de::Error>(&mut self, key: Cow<'de, str>) -> Result<(), E> {
        if self.0.contains(&key) {
            return Err(duplicate(&key));
        }
        if self.0.len() == MAX_KEYS {
            return Err(E::custom(format_args!("more than {MAX_KEYS} unknown keys in one object")));
        }
        self.0.insert(key);
        Ok(())
    }
}

/// The error about a key that stands twice.
pub fn duplicate<E: de::Error>(key: &str) -> E {
    E::custom(format_args!("the key {} stands twice", Value::Text(key)))
}

/// One value: a scalar, or the fact that it is a list or an object.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell<'de> {
    /// `null`.
    Missing,
    /// A number.
    Number(f64),
    /// True or false.
    Boolean(bool),
    /// A text.
    Text(Cow<'de, str>),
    /// A list, whatever it holds.
    List,
    /// An object, whatever it holds.
    Object,
}

impl Cell<'_> {
    /// As a field reads it.
    pub fn value(&self) -> Value<'_> {
        match self {
            Cell::Missing => Value::Missing,
            Cell::Number(number) => Value::Number(*number),
            Cell::Boolean(value) => Value::Boolean(*value),
            Cell::Text(text) => Value::Text(text),
            Cell::List => Value::Other("a list"),
            Cell::Object => Value::Other("an object"),
        }
    }
}

impl<'de> Deserialize<'de> for Cell<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CellVisitor)
    }
}

struct CellVisitor;

impl<'de> Visitor<'de> for CellVisitor {
    type Value = Cell<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Cell<'de>, E> {
        Ok(Cell::Missing)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Cell<'de>, E> {
        Ok(Cell::Boolean(value))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Cell<'de>, E> {
        Ok(Cell::Number(number as f64))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Cell<'de>, E> {
        Ok(Cell::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Cell<'de>, E> {
        Ok(Cell::Number(number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Cell<'de>, E> {
        Ok(Cell::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Cell<'de>, E> {
        Ok(Cell::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Cell<'de>, A::Error> {
        while list.next_element::<Cell<'de>>()?.is_some() {}
        Ok(Cell::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Cell<'de>, A::Error> {
        let mut keys = Keys::default();
        while let Some(Key(key)) = object.next_key()? {
            keys.add(key)?;
            object.next_value::<Cell<'de>>()?;
        }
        Ok(Cell::Object)
    }
}

/// What is wrong with a body that could not be read.
pub fn fault(body: &[u8], error: &serde_json::Error) -> ApiError {
    if body.iter().all(u8::is_ascii_whitespace) {
        return ApiError::bad_request("the body is empty; send JSON");
    }
    match error.classify() {
        serde_json::error::Category::Data => ApiError::bad_request(error.to_string()),
        _ => ApiError::bad_request(format!("the body is not valid JSON: {error}")),
    }
}
