//! Rows as lines of a table.

use std::str;

use axum::http::HeaderValue;
use axum::http::StatusCode;
use bytes::{Buf, Bytes};
use csv_core::ReadRecordResult;
use slipway_model::schema::MAX_FIELDS;
use slipway_model::{Field, Value};

use super::{MAX_ROW, Next};
use crate::api::error::{ApiError, Detail};
use crate::api::json::rows::{RowError, Unknown};
use crate::state::App;

/// Most cells of a row.
const MAX_CELLS: usize = 2 * MAX_FIELDS;

/// Rows as they come, after a header.
#[derive(Debug)]
pub struct CsvRows {
    parser: csv_core::Reader,
    /// What came and was not read.
    input: Bytes,
    ended: bool,
    /// The texts of the cells, one after the other, as far as they have come.
    text: Vec<u8>,
    text_length: usize,
    /// Where each cell ends.
    ends: Vec<usize>,
    cells: usize,
    header: Option<Header>,
}

/// What the header says.
#[derive(Debug)]
struct Header {
    /// How many columns there are.
    columns: usize,
    /// The column of each field.
    places: Vec<Option<usize>>,
    unknown: Unknown,
}

impl Default for CsvRows {
    fn default() -> Self {
        CsvRows {
            parser: csv_core::Reader::new(),
            input: Bytes::new(),
            ended: false,
            text: vec![0; 1024],
            text_length: 0,
            ends: vec![0; 64],
            cells: 0,
            header: None,
        }
    }
}

/// A record of the table.
enum Record {
    Whole,
    Starved,
    End,
    TooLong,
}

impl CsvRows {
    /// More of the body.
    pub fn push(&mut self, bytes: Bytes) {
        self.input = bytes;
    }

    /// The body has ended.
    pub fn finish(&mut self) {
        self.ended = true;
    }

    /// Whether the header has come.
    pub fn started(&mut self, app: &App) -> Result<bool, ApiError> {
        if self.header.is_some() {
            return Ok(true);
        }
        match self.record() {
            Record::Starved => Ok(false),
            Record::End => Err(ApiError::bad_request("the body is empty; send a header with the names of the fields")),
            Record::TooLong => Err(ApiError::bad_request(format!("the header is longer than {MAX_ROW} bytes"))),
            Record::Whole => {
                let names = (0..self.cells).map(|cell| self.cell(cell)).collect::<Result<Vec<_>, _>>();
                let names = names.map_err(|_| ApiError::bad_request("the header is not UTF-8"))?;
                self.header = Some(header(app, &names)?);
                self.clear();
                Ok(true)
            }
        }
    }

    /// The next row.
    pub fn next(&mut self, app: &App, number: usize) -> Next {
        let record = self.record();
        match (record, &self.header) {
            (Record::Whole, Some(header)) => {
                let row = self.row(app, header, number);
                self.clear();
                Next::Row(row)
            }
            (Record::Starved, _) => Next::Starved,
            (Record::End, _) | (_, None) => Next::End,
            (Record::TooLong, _) => {
                Next::Broken(format!("row {number}: expected at most {MAX_ROW} bytes and {MAX_CELLS} cells"))
            }
        }
    }

    /// About columns that are ignored.
    pub fn warnings(&self) -> Option<HeaderValue> {
        let warnings = self.header.as_ref()?.unknown.warnings();
        let text: String = warnings.join("; ").chars().map(|c| if matches!(c, ' '..='~') { c } else { '?' }).collect();
        if text.is_empty() { None } else { HeaderValue::from_str(&text).ok() }
    }

    /// Reads on, up to the end of a record.
    fn record(&mut self) -> Record {
        loop {
            if self.input.is_empty() && !self.ended {
                return Record::Starved;
            }
            let (text, ends) = (&mut self.text[self.text_length..], &mut self.ends[self.cells..]);
            let (result, read, written, cells) = self.parser.read_record(&self.input, text, ends);
            self.input.advance(read);
            self.text_length += written;
            self.cells += cells;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull if self.text.len() < MAX_ROW => self.text.resize(4 * self.text.len(), 0),
                ReadRecordResult::OutputEndsFull if self.ends.len() < MAX_CELLS => {
                    self.ends.resize(4 * self.ends.len(), 0);
                }
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => return Record::TooLong,
                ReadRecordResult::Record => return Record::Whole,
                ReadRecordResult::End => return Record::End,
            }
        }
    }

    fn clear(&mut self) {
        self.text_length = 0;
        self.cells = 0;
    }

    fn cell(&self, cell: usize) -> Result<&str, str::Utf8Error> {
        let start = if cell == 0 { 0 } else { self.ends[cell - 1] };
        str::from_utf8(&self.text[start..self.ends[cell]])
    }

    fn row(&self, app: &App, header: &Header, number: usize) -> Result<Vec<f64>, RowError> {
        if self.cells != header.columns {
            let expected = format!("{} cells, as in the header", header.columns);
            return Err(RowError::one(Detail::of_row(number, &expected, self.cells.to_string())));
        }
        let value = |place: usize, _: &Field| match header.places[place].map(|column| self.cell(column)) {
            None | Some(Ok("")) => Value::Missing,
            Some(Ok(text)) => Value::Text(text),
            Some(Err(_)) => Value::Other("text that is not UTF-8"),
        };
        app.model().decode(value).map_err(|errors| RowError::of_fields(number, errors))
    }
}

/// Finds the fields among the names of columns.
fn header(app: &App, names: &[&str]) -> Result<Header, ApiError> {
    let fields = app.model().fields();
    let mut places = vec![None; fields.len()];
    let mut unknown = Unknown::default();
    for (column, name) in names.iter().enumerate() {
        let name = if column == 0 { name.trim_start_matches('\u{feff}') } else { name };
        match app.places.get(name) {
            None => unknown.add(name),
            Some(place) if places[place].is_some() => {
                return Err(ApiError::bad_request(format!("the column {} stands twice", Value::Text(name))));
            }
            Some(place) => places[place] = Some(column),
        }
    }
    let missing: Vec<Detail> = fields
        .iter()
        .zip(&places)
        .filter(|(field, place)| place.is_none() && field.required())
        .map(|(field, _)| Detail {
            row: 0,
            field: Some(field.name.clone()),
            expected: "a column of this name in the header".to_owned(),
            got: "none".to_owned(),
        })
        .collect();
    if missing.is_empty() {
        Ok(Header { columns: names.len(), places, unknown })
    } else {
        let mistakes = missing.len();
        Err(ApiError::bad_rows(StatusCode::UNPROCESSABLE_ENTITY, missing, mistakes))
    }
}
