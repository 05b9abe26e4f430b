//! Rows as every combination of the elements of several lists: each element has some of a row's fields.

use std::fmt;

use serde::Serialize;
use serde::de::{self, DeserializeSeed, Deserializer, SeqAccess, Visitor};
use slipway_model::{FieldError, Value};

use super::Cell;
use super::rows::{Elements, List, Part, Scan};
use super::table::{Outcome, Table};
use crate::api::error::ApiError;

/// The key under which an object holds the lists.
pub const COMBINE: &str = "combine";
/// The key of an element that callers tell it by, where no field has this name.
pub const ID: &str = "id";
/// Most lists.
pub const MAX_LISTS: usize = 4;
/// Longest text that an element is told by, bytes.
pub const MAX_ID: usize = 128;

/// What an element is told by.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Id {
    /// A number.
    Number(f64),
    /// A whole number.
    Whole(i64),
    /// A text.
    Text(String),
}

impl Id {
    /// The value of an element's [`ID`].
    pub fn of<E: de::Error>(cell: &Cell<'_>) -> Result<Option<Id>, E> {
        match cell {
            Cell::Missing => Ok(None),
            // What JSON can hold and a float tells apart from its neighbours.
            Cell::Number(number) if number.fract() == 0.0 && number.abs() < 9e15 => Ok(Some(Id::Whole(*number as i64))),
            Cell::Number(number) => Ok(Some(Id::Number(*number))),
            Cell::Text(text) if text.len() <= MAX_ID => Ok(Some(Id::Text(text.clone().into_owned()))),
            _ => Err(E::custom(format_args!("{ID}: expected a number or a text of at most {MAX_ID} bytes"))),
        }
    }
}

/// The lists that rows were made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Lists(Vec<Vec<Option<Id>>>);

impl Lists {
    /// The places, from 1, of the elements that make a row, whose own place is from 0: the last list goes by first.
    pub fn places(&self, mut row: usize) -> Vec<usize> {
        let mut places = vec![0; self.0.len()];
        for (place, list) in places.iter_mut().zip(&self.0).rev() {
            *place = row % list.len() + 1;
            row /= list.len();
        }
        places
    }

    /// What these elements are told by; nothing where none is told by anything.
    pub fn ids(&self, places: &[usize]) -> Option<Vec<Option<&Id>>> {
        let ids = self.0.iter().zip(places).map(|(list, place)| list[place - 1].as_ref()).collect::<Vec<_>>();
        ids.iter().any(Option::is_some).then_some(ids)
    }
}

/// Reads the lists, and combines them.
pub struct Combined<'a, 'm>(pub &'a mut Scan<'m>);

impl<'de> DeserializeSeed<'de> for Combined<'_, '_> {
    type Value = (Lists, Table);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Combined<'_, '_> {
    type Value = (Lists, Table);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of lists of rows' parts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let scan = self.0;
        let mut lists: Vec<Vec<Part>> = Vec::new();
        let mut room = scan.max_rows;
        while let Some(parts) = list.next_element_seed(List::<Vec<Part>>::new(&mut *scan, room))? {
            room -= parts.len();
            if lists.len() == MAX_LISTS {
                return Err(de::Error::custom(format_args!("more than {MAX_LISTS} lists under {COMBINE}")));
            }
            lists.push(parts);
        }
        if lists.len() < 2 {
            return Err(de::Error::custom(format_args!("expected 2 to {MAX_LISTS} lists under {COMBINE}")));
        }
        let count = lists.iter().try_fold(1_usize, |count, list| count.checked_mul(list.len()));
        let count = count.filter(|count| *count <= scan.max_rows);
        let Some(count) = count else { return Err(scan.stop(ApiError::too_many_rows(scan.max_rows))) };
        let ids = lists.iter_mut().map(|list| list.iter_mut().map(|part| part.id.take()).collect());
        let told = Lists(ids.collect());
        let mut rows = Table::new(scan.fields.len());
        for row in 0..count {
            scan.look_at_deadline(row)?;
            let places = told.places(row);
            let parts: Vec<&Part> = lists.iter().zip(places).map(|(list, place)| &list[place - 1]).collect();
            rows.push(combine(scan, row + 1, &parts));
        }
        Ok((told, rows))
    }
}

/// The row that parts make together.
fn combine(scan: &mut Scan<'_>, number: usize, parts: &[&Part]) -> Outcome {
    let fields = scan.fields;
    let mut row = vec![0.0; fields.len()];
    let mut errors: Vec<(usize, FieldError)> = Vec::new();
    for (place, field) in fields.iter().enumerate() {
        let mut given = parts.iter().filter(|part| part.seen[place]);
        let value = match (given.next(), given.next()) {
            (None, _) => field.decode(Value::Missing),
            (Some(part), None) => part.value(place),
            (Some(_), Some(_)) => Err(FieldError {
                field: field.name.clone(),
                expected: "a value in one of the lists".to_owned(),
                got: "values in several".to_owned(),
            }),
        };
        match value {
            Ok(value) => row[place] = value,
            Err(error) => errors.push((place, error)),
        }
    }
    if errors.is_empty() { Ok(row) } else { Err(scan.row_error(number, errors)) }
}

impl Elements for Vec<Part> {
    const NAME: &'static str = "a list of rows' parts";

    fn none(_: &Scan<'_>) -> Vec<Part> {
        Vec::new()
    }

    fn number(&self) -> usize {
        self.len()
    }

    fn read<'de, A: SeqAccess<'de>>(&mut self, scan: &mut Scan<'_>, list: &mut A) -> Result<bool, A::Error> {
        let part = list.next_element_seed(PartReader(scan))?;
        Ok(part.map(|part| self.push(part)).is_some())
    }
}

/// One element of a list.
struct PartReader<'a, 'm>(&'a mut Scan<'m>);

impl<'de> DeserializeSeed<'de> for PartReader<'_, '_> {
    type Value = Part;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Part, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for PartReader<'_, '_> {
    type Value = Part;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of fields")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, object: A) -> Result<Part, A::Error> {
        Part::read(self.0, object)
    }
}
