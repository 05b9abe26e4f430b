//! Rows of named values, decoded while they are read.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use slipway_model::{Field, FieldError, Value};

use super::combine::{COMBINE, Combined, ID, Id, Lists};
use super::table::{Outcome, Table};
use super::{Cell, Key, Keys, duplicate, fault};
use crate::api::deadline::Deadline;
use crate::api::error::{ApiError, Detail, summary};
use crate::state::{App, Places};

/// The key under which an object holds a list of rows.
const INSTANCES: &str = "instances";
/// Most mistakes that a reply lists: all of one row, however wide it is.
pub const MAX_DETAILS: usize = slipway_model::schema::MAX_FIELDS;
/// Most unknown fields that a reply names.
const MAX_UNKNOWN: usize = 20;
/// Longest name of an unknown field that a reply repeats, characters.
const MAX_NAME: usize = 100;
/// How often the deadline is looked at, rows.
const DEADLINE_EVERY: usize = 64;

/// What a body may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One row, a list of rows, or an object with `instances` or with lists to `combine`.
    Any,
    /// An object with `instances`; what else it holds is no field.
    Instances,
}

/// What a body held.
#[derive(Debug)]
pub struct Rows {
    /// How the rows stood in it.
    pub shape: Shape,
    /// Each row, decoded, or what is wrong with it.
    pub rows: Table,
    /// The fields that the model does not know.
    pub unknown: Unknown,
}

/// How rows stand in a body.
#[derive(Debug)]
pub enum Shape {
    /// One row, not a list.
    Single,
    /// A list of rows.
    List,
    /// Lists of which every combination is a row.
    Combined(Lists),
}

/// What is wrong with a row.
#[derive(Clone, Debug)]
pub struct RowError {
    /// The mistakes, as far as the reply has room for them.
    pub details: Vec<Detail>,
    /// How many there are.
    pub mistakes: usize,
    /// In one line.
    pub message: String,
}

impl RowError {
    /// A row with one mistake.
    pub fn one(detail: Detail) -> RowError {
        let details = vec![detail];
        RowError { message: summary(&details, 1), details, mistakes: 1 }
    }

    /// A row with mistakes in its fields.
    pub fn of_fields(row: usize, errors: Vec<FieldError>) -> RowError {
        let mistakes = errors.len();
        let details: Vec<_> = errors.into_iter().map(|error| Detail::of_field(row, error)).collect();
        RowError { message: summary(&details, mistakes), details, mistakes }
    }
}

/// Fields that the model does not know.
#[derive(Debug, Default)]
pub struct Unknown {
    /// Names, as far as the reply has room for them.
    names: BTreeSet<String>,
    /// Whether there are more names.
    more: bool,
    /// How many there are, over all rows.
    pub count: u64,
}

impl Unknown {
    /// Notes one.
    pub fn add(&mut self, name: &str) {
        self.count += 1;
        let name: String = name.chars().take(MAX_NAME).collect();
        if self.names.len() < MAX_UNKNOWN || self.names.contains(&name) {
            self.names.insert(name);
        } else {
            self.more = true;
        }
    }

    /// What a reply says of them.
    pub fn warnings(&self) -> Vec<String> {
        let named = self.names.iter().map(|name| format!("{name}: the model does not know this field; it was ignored"));
        let more = self.more.then(|| "more unknown fields were ignored".to_owned());
        named.chain(more).collect()
    }
}

/// Reads the rows of a body.
pub fn read(app: &App, body: &[u8], form: Form, deadline: Deadline) -> Result<Rows, ApiError> {
    let mut scan = Scan::new(app, deadline);
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let read = Body { scan: &mut scan, form }
        .deserialize(&mut deserializer)
        .and_then(|rows| deserializer.end().map(|()| rows));
    match (read, scan.stopped) {
        (_, Some(error)) => Err(error),
        (Err(error), None) => Err(fault(body, &error)),
        (Ok((shape, rows)), None) => Ok(Rows { shape, rows, unknown: scan.unknown }),
    }
}

/// Reads row `number` of a stream. What is no JSON costs only itself.
pub fn read_one(app: &App, line: &[u8], number: usize, unknown: &mut Unknown) -> Outcome {
    let mut scan = Scan::new(app, Deadline::none());
    scan.unknown = std::mem::take(unknown);
    let mut deserializer = serde_json::Deserializer::from_slice(line);
    let read =
        Row { scan: &mut scan, number }.deserialize(&mut deserializer).and_then(|row| deserializer.end().map(|()| row));
    *unknown = scan.unknown;
    read.unwrap_or_else(|error| Err(RowError::one(Detail::of_row(number, "a row as JSON", error.to_string()))))
}

/// What reading one body needs and notes.
pub struct Scan<'m> {
    /// The fields of a row.
    pub fields: &'m [Field],
    places: &'m Places,
    /// Most rows.
    pub max_rows: usize,
    deadline: Deadline,
    details_left: usize,
    unknown: Unknown,
    /// Why reading was stopped, where that is not the body's syntax.
    stopped: Option<ApiError>,
}

impl<'m> Scan<'m> {
    fn new(app: &'m App, deadline: Deadline) -> Scan<'m> {
        Scan {
            fields: app.model().fields(),
            places: &app.places,
            max_rows: app.max_rows,
            deadline,
            details_left: MAX_DETAILS,
            unknown: Unknown::default(),
            stopped: None,
        }
    }

    /// Stops reading for another reason than the body's syntax.
    pub fn stop<E: de::Error>(&mut self, error: ApiError) -> E {
        self.stopped = Some(error);
        E::custom("stopped")
    }

    /// Stops where the deadline has passed, looked at every few rows.
    pub fn look_at_deadline<E: de::Error>(&mut self, row: usize) -> Result<(), E> {
        if row.is_multiple_of(DEADLINE_EVERY) {
            self.deadline.check().map_err(|error| self.stop(error))
        } else {
            Ok(())
        }
    }

    /// A row's mistakes, given by the places of the fields.
    pub fn row_error(&mut self, row: usize, mut errors: Vec<(usize, FieldError)>) -> RowError {
        errors.sort_by_key(|(place, _)| *place);
        let mut error = RowError::of_fields(row, errors.into_iter().map(|(_, error)| error).collect());
        error.details.truncate(self.details_left);
        self.details_left -= error.details.len();
        error
    }
}

/// The whole body. Gives how rows stand in it, and the rows.
struct Body<'a, 'm> {
    scan: &'a mut Scan<'m>,
    form: Form,
}

impl<'de> DeserializeSeed<'de> for Body<'_, '_> {
    type Value = (Shape, Table);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Body<'_, '_> {
    type Value = (Shape, Table);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.form {
            Form::Any => "a row as an object, a list of rows, {\"instances\": [rows]}, or {\"combine\": [lists]}",
            Form::Instances => "{\"instances\": [rows]}",
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        if self.form == Form::Instances {
            return Err(de::Error::invalid_type(de::Unexpected::Seq, &self));
        }
        let room = self.scan.max_rows;
        Ok((Shape::List, List::<Table>::new(self.scan, room).visit_seq(list)?))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let Body { scan, form } = self;
        let room = scan.max_rows;
        let mut row = RowReader::new(1, scan.fields);
        let mut lists = None;
        while let Some(Key(key)) = object.next_key()? {
            let is_instances = key == INSTANCES && (form == Form::Instances || scan.places.get(INSTANCES).is_none());
            let is_combine = key == COMBINE && form == Form::Any && scan.places.get(COMBINE).is_none();
            if is_instances || is_combine {
                if lists.is_some() {
                    return Err(duplicate(if is_combine { COMBINE } else { INSTANCES }));
                }
                lists = Some(if is_combine {
                    let (lists, rows) = object.next_value_seed(Combined(&mut *scan))?;
                    (Shape::Combined(lists), rows)
                } else {
                    (Shape::List, object.next_value_seed(List::new(&mut *scan, room))?)
                });
            } else if form == Form::Instances {
                row.others.add(key)?;
                object.next_value::<Cell<'de>>()?;
            } else {
                row.read(scan, key, &mut object)?;
            }
        }
        match lists {
            Some(rows) => {
                row.forget(scan);
                Ok(rows)
            }
            None if form == Form::Instances => Err(de::Error::missing_field(INSTANCES)),
            None => {
                let mut rows = Table::new(scan.fields.len());
                rows.push(row.finish(scan));
                Ok((Shape::Single, rows))
            }
        }
    }
}

/// A list of rows or of parts of rows.
pub struct List<'a, 'm, E> {
    scan: &'a mut Scan<'m>,
    /// Most elements.
    room: usize,
    elements: PhantomData<E>,
}

/// What the elements of a list become.
pub trait Elements: Sized {
    /// The list, for messages.
    const NAME: &'static str;

    /// None so far.
    fn none(scan: &Scan<'_>) -> Self;

    /// How many there are.
    fn number(&self) -> usize;

    /// Reads another one. Returns whether there was one.
    fn read<'de, A: SeqAccess<'de>>(&mut self, scan: &mut Scan<'_>, list: &mut A) -> Result<bool, A::Error>;
}

impl<'a, 'm, E> List<'a, 'm, E> {
    /// Of at most `room` elements.
    pub fn new(scan: &'a mut Scan<'m>, room: usize) -> List<'a, 'm, E> {
        List { scan, room, elements: PhantomData }
    }
}

impl<'de, E: Elements> DeserializeSeed<'de> for List<'_, '_, E> {
    type Value = E;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<E, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, E: Elements> Visitor<'de> for List<'_, '_, E> {
    type Value = E;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(E::NAME)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<E, A::Error> {
        let List { scan, room, .. } = self;
        let mut elements = E::none(scan);
        while elements.read(scan, &mut list)? {
            if elements.number() > room {
                return Err(scan.stop(ApiError::too_many_rows(scan.max_rows)));
            }
            scan.look_at_deadline(elements.number())?;
        }
        Ok(elements)
    }
}

impl Elements for Table {
    const NAME: &'static str = "a list of rows";

    fn none(scan: &Scan<'_>) -> Table {
        Table::new(scan.fields.len())
    }

    fn number(&self) -> usize {
        self.count()
    }

    fn read<'de, A: SeqAccess<'de>>(&mut self, scan: &mut Scan<'_>, list: &mut A) -> Result<bool, A::Error> {
        let row = list.next_element_seed(Row { scan, number: self.count() + 1 })?;
        Ok(row.map(|row| self.push(row)).is_some())
    }
}

/// One row of a list.
struct Row<'a, 'm> {
    scan: &'a mut Scan<'m>,
    number: usize,
}

impl Row<'_, '_> {
    /// A value that is no row costs only itself.
    fn refuse(self, value: Value<'_>) -> Outcome {
        self.scan.details_left = self.scan.details_left.saturating_sub(1);
        Err(RowError::one(Detail::of_row(self.number, "an object of fields", value.to_string())))
    }
}

impl<'de> DeserializeSeed<'de> for Row<'_, '_> {
    type Value = Outcome;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Outcome, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Row<'_, '_> {
    type Value = Outcome;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Outcome, A::Error> {
        let mut row = RowReader::new(self.number, self.scan.fields);
        while let Some(Key(key)) = object.next_key()? {
            row.read(self.scan, key, &mut object)?;
        }
        Ok(row.finish(self.scan))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Outcome, A::Error> {
        while list.next_element::<Cell<'de>>()?.is_some() {}
        Ok(self.refuse(Value::Other("a list")))
    }

    fn visit_unit<E>(self) -> Result<Outcome, E> {
        Ok(self.refuse(Value::Missing))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Outcome, E> {
        Ok(self.refuse(Value::Boolean(value)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Outcome, E> {
        Ok(self.refuse(Value::Number(number as f64)))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Outcome, E> {
        Ok(self.refuse(Value::Number(number as f64)))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Outcome, E> {
        Ok(self.refuse(Value::Number(number)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Outcome, E> {
        Ok(self.refuse(Value::Text(text)))
    }
}

/// Some of a row's fields.
#[derive(Debug)]
pub struct Part {
    values: Vec<f64>,
    /// Which fields it has.
    pub seen: Vec<bool>,
    errors: Vec<(usize, FieldError)>,
    /// What the caller tells it by.
    pub id: Option<Id>,
}

impl Part {
    /// Reads one.
    pub fn read<'de, A: MapAccess<'de>>(scan: &mut Scan<'_>, mut object: A) -> Result<Part, A::Error> {
        let mut row = RowReader::new(0, scan.fields);
        let mut id = None;
        while let Some(Key(key)) = object.next_key()? {
            if key == ID && scan.places.get(ID).is_none() {
                row.others.add(key)?;
                id = Id::of(&object.next_value()?)?;
            } else {
                row.read(scan, key, &mut object)?;
            }
        }
        Ok(Part { values: row.values, seen: row.seen, errors: row.errors, id })
    }

    /// The value of a field that it has.
    pub fn value(&self, place: usize) -> Result<f64, FieldError> {
        let error = self.errors.iter().find(|(wrong, _)| *wrong == place);
        error.map_or(Ok(self.values[place]), |(_, error)| Err(error.clone()))
    }
}

/// A row while it is read.
struct RowReader<'de> {
    number: usize,
    values: Vec<f64>,
    seen: Vec<bool>,
    /// Where the next field is expected: callers tend to keep the schema's order.
    next: usize,
    errors: Vec<(usize, FieldError)>,
    others: Keys<'de>,
}

impl<'de> RowReader<'de> {
    fn new(number: usize, fields: &[Field]) -> RowReader<'de> {
        RowReader {
            number,
            values: vec![0.0; fields.len()],
            seen: vec![false; fields.len()],
            next: 0,
            errors: Vec::new(),
            others: Keys::default(),
        }
    }

    /// Reads the value of `key`.
    fn read<A: MapAccess<'de>>(
        &mut self,
        scan: &mut Scan<'_>,
        key: Cow<'de, str>,
        object: &mut A,
    ) -> Result<(), A::Error> {
        let expected = scan.fields.get(self.next).is_some_and(|field| field.name == key);
        let place = if expected { Some(self.next) } else { scan.places.get(&key) };
        let Some(place) = place else {
            scan.unknown.add(&key);
            self.others.add(key)?;
            object.next_value::<Cell<'de>>()?;
            return Ok(());
        };
        if self.seen[place] {
            return Err(duplicate(&key));
        }
        self.next = place + 1;
        self.seen[place] = true;
        let cell: Cell<'de> = object.next_value()?;
        self.decode(place, &scan.fields[place], cell.value());
        Ok(())
    }

    fn decode(&mut self, place: usize, field: &Field, value: Value<'_>) {
        match field.decode(value) {
            Ok(value) => self.values[place] = value,
            Err(error) => self.errors.push((place, error)),
        }
    }

    fn finish(mut self, scan: &mut Scan<'_>) -> Outcome {
        for (place, field) in scan.fields.iter().enumerate() {
            if !self.seen[place] {
                self.decode(place, field, Value::Missing);
            }
        }
        if self.errors.is_empty() { Ok(self.values) } else { Err(scan.row_error(self.number, self.errors)) }
    }

    /// Fields beside a list of rows belong to no row.
    fn forget(self, scan: &mut Scan<'_>) {
        for (field, _) in scan.fields.iter().zip(self.seen).filter(|(_, seen)| *seen) {
            scan.unknown.add(&field.name);
        }
    }
}
