//! One JSON object a line. Its keys are columns; a key that a line lacks is missing there.

use std::fmt;
use std::io::{BufRead, BufReader, Read};

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::column::{Builder, Plan};
use super::columns::Columns;
use super::number::Style;
use super::source::Peeked;
use super::{MAX_CELL_BYTES, Request};
use crate::error::DataError;

/// Longest line, bytes.
const MAX_LINE_BYTES: u64 = 256 << 20;

/// Reads JSON lines; `file` is its name in messages.
pub(super) fn read(
    file: &str,
    mut source: Peeked<impl Read>,
    request: &Request<'_>,
    columns: &mut Columns,
) -> Result<(), DataError> {
    source.skip_byte_order_mark();
    let mut reader = BufReader::with_capacity(1 << 16, source);
    let count = columns.builders.len();
    let mut lines = Lines { request, next: vec![columns.rows; count], seen: vec![false; count], columns };
    let mut line = Vec::new();
    loop {
        line.clear();
        let row = lines.columns.rows_of_file();
        let error = |problem: String| DataError::new(file, problem).at_row(row);
        let read = reader.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line);
        if read.map_err(|failure| error(failure.to_string()))? == 0 {
            break;
        }
        if line.len() as u64 >= MAX_LINE_BYTES {
            return Err(error("a line longer than 256 MiB; write one object a line".to_owned()));
        }
        if !line.trim_ascii().is_empty() {
            lines.push(file, &line)?;
        }
    }
    lines.finish(file)
}

struct Lines<'a> {
    request: &'a Request<'a>,
    columns: &'a mut Columns,
    /// Of each column, the first row of the table that it has no cell for.
    next: Vec<usize>,
    /// Of each column, whether this file has its key.
    seen: Vec<bool>,
}

impl Lines<'_> {
    fn push(&mut self, file: &str, line: &[u8]) -> Result<(), DataError> {
        let place = self.columns.next_row()?;
        let row = self.columns.rows - 1;
        let mut fault = None;
        let mut deserializer = serde_json::Deserializer::from_slice(line);
        let read = Row { lines: self, place: row, fault: &mut fault }.deserialize(&mut deserializer);
        let read = read.and_then(|()| deserializer.end());
        let error = |problem: String| DataError::new(file, problem).at_row(place);
        match (fault, read) {
            (Some((column, problem)), _) => return Err(error(problem).in_column(&column)),
            (None, Err(problem)) => {
                // The line is always the first of its piece.
                let problem = problem.to_string();
                let problem = problem.split(" at line ").next().unwrap_or_default();
                return Err(error(format!("this is no JSON object on one line: {problem}")));
            }
            (None, Ok(())) => {}
        }
        for (column, next) in self.columns.builders.iter_mut().zip(&mut self.next).filter(|(_, next)| **next == row) {
            column.push_missing();
            *next += 1;
        }
        Ok(())
    }

    /// The column of a key, for the cell of this row.
    fn column(&mut self, key: &str, row: usize) -> Result<&mut Builder, String> {
        let place = match self.columns.place(key) {
            Some(place) if self.next[place] == row => place,
            Some(_) => return Err("the key occurs twice in one object".to_owned()),
            None => {
                let plan = if self.request.is_text(key) { Plan::Texts } else { Plan::Numbers(Style::Plain) };
                self.columns.add(key, plan)?;
                self.next.push(row);
                self.seen.push(true);
                self.next.len() - 1
            }
        };
        self.next[place] = row + 1;
        self.seen[place] = true;
        Ok(&mut self.columns.builders[place])
    }

    /// The keys that no line of this file has are no columns of it.
    fn finish(self, file: &str) -> Result<(), DataError> {
        if self.columns.builders.is_empty() {
            return Err(DataError::new(file, "no object has a key; there is nothing to read"));
        }
        match self.columns.builders.iter().zip(&self.seen).find(|(_, seen)| !**seen) {
            None => Ok(()),
            Some((column, _)) => Err(self.columns.lacks(column.name())),
        }
    }
}

/// One line; a cell that cannot be read is put into `fault` with its column.
struct Row<'a, 'b> {
    lines: &'a mut Lines<'b>,
    /// Its place in the table.
    place: usize,
    fault: &'a mut Option<(String, String)>,
}

impl<'de> DeserializeSeed<'de> for Row<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Row<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object such as {\"a\": 1, \"b\": \"x\"}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            let pushed = match self.lines.column(&key, self.place) {
                Ok(column) => map.next_value_seed(Cell(column))?.map_err(str::to_owned),
                Err(problem) => Err(problem),
            };
            if let Err(problem) = pushed {
                let error = A::Error::custom(&problem);
                *self.fault = Some((key, problem));
                return Err(error);
            }
        }
        Ok(())
    }
}

/// One value on its way to its column.
struct Cell<'a>(&'a mut Builder);

type Pushed = Result<(), &'static str>;

impl<'de> DeserializeSeed<'de> for Cell<'_> {
    type Value = Pushed;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Pushed, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Cell<'_> {
    type Value = Pushed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, a text, true, false or null")
    }

    fn visit_unit<E>(self) -> Result<Pushed, E> {
        self.0.push_missing();
        Ok(Ok(()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Pushed, E> {
        Ok(self.0.push_text(if value { "true" } else { "false" }))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Pushed, E> {
        Ok(self.0.push_integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Pushed, E> {
        Ok(self.0.push_integer(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Pushed, E> {
        Ok(self.0.push_number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Pushed, E> {
        if value.len() > MAX_CELL_BYTES {
            return Ok(Err("a text longer than 1 MiB"));
        }
        Ok(self.0.push_text(value.trim()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Pushed, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Err(NESTED))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Pushed, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Err(NESTED))
    }
}

const NESTED: &str =
    "the value is a list or an object; a table has one value a cell, so give its parts keys of their own";
