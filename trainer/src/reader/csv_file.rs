//! Cells separated by a comma, semicolon or tab.

use std::io::{self, Read};

use super::column::Plan;
use super::columns::Columns;
use super::dialect;
use super::source::Peeked;
use super::{MAX_CELL_BYTES, NOT_UTF8, Request};
use crate::error::DataError;

/// Longest record, bytes: a quote that is never closed must not fill the memory.
const MAX_RECORD_BYTES: usize = 256 << 20;
/// Records of a file's beginning by which columns are taken for numbers, times or texts.
const SAMPLED: usize = 2_000;

/// Reads CSV; `file` is its name in messages. Gives the separator.
pub(super) fn read(
    file: &str,
    mut source: Peeked<impl Read>,
    request: &Request<'_>,
    columns: &mut Columns,
) -> Result<u8, DataError> {
    let error = |problem: String| DataError::new(file, problem);
    let delimiter = dialect::delimiter(source.head());
    let samples = samples(source.head(), source.is_whole(), delimiter);
    source.skip_byte_order_mark();
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .buffer_capacity(1 << 16)
        .from_reader(Guard { inner: source, since_record: 0, last: 0 });

    let mut record = csv::ByteRecord::new();
    let mut next = |record: &mut csv::ByteRecord, row: Option<usize>| {
        reader.get_mut().since_record = 0;
        reader.read_byte_record(record).map_err(|failure| {
            let problem = match failure.into_kind() {
                csv::ErrorKind::Io(failure) => failure.to_string(),
                other => format!("{other:?}"),
            };
            row.map_or(error(problem.clone()), |row| error(problem).at_row(row))
        })
    };
    if !next(&mut record, None)? {
        return Err(error("the file is empty".to_owned()));
    }
    let names = header(file, &record)?;
    let places = columns.places(names, |place, name| {
        let cells = samples.iter().filter_map(|record| record.get(place)).map(str::trim);
        let cells = cells.map(|cell| if super::MISSING.contains(&cell) { "" } else { cell });
        if request.is_text(name) { Plan::Texts } else { Plan::of(cells, delimiter) }
    })?;
    let mut ends_quoted = false;
    while next(&mut record, Some(columns.rows_of_file()))? {
        push_row(file, columns, &places, &record)?;
        // Only a quoted cell holds a line end.
        ends_quoted = record.iter().next_back().is_some_and(|cell| cell.contains(&b'\n'));
    }
    let rows = columns.rows_of_file();
    if rows == 0 {
        return Err(error("there is a header and no row below it".to_owned()));
    }
    if ends_quoted && reader.get_ref().last != b'"' {
        return Err(error("a quote is never closed".to_owned()).at_row(rows - 1));
    }
    Ok(delimiter)
}

/// The first records below the header, without the last of a file that goes on behind the sample.
fn samples(head: &[u8], whole: bool, delimiter: u8) -> Vec<csv::StringRecord> {
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).has_headers(true).flexible(true).from_reader(head);
    let records = reader.byte_records().map_while(Result::ok).take(SAMPLED);
    let mut records: Vec<_> = records.map(csv::StringRecord::from_byte_record_lossy).collect();
    if !whole && records.len() < SAMPLED {
        records.pop();
    }
    records
}

fn header(file: &str, record: &csv::ByteRecord) -> Result<Vec<String>, DataError> {
    let names = record.iter().enumerate().map(|(place, cell)| {
        let name = std::str::from_utf8(cell);
        let name = name.map_err(|_| DataError::new(file, format!("the name of column {} {NOT_UTF8}", place + 1)))?;
        Ok(name.trim().to_owned())
    });
    names.collect()
}

fn push_row(file: &str, columns: &mut Columns, places: &[usize], record: &csv::ByteRecord) -> Result<(), DataError> {
    let row = columns.next_row()?;
    let error = |problem: String| DataError::new(file, problem).at_row(row);
    if record.len() != places.len() {
        let lines = record.iter().any(|cell| cell.contains(&b'\n'));
        let hint = if lines { "; is a quote never closed?" } else { "" };
        return Err(error(format!("{} cells where the header has {}{hint}", record.len(), places.len())));
    }
    for (cell, &place) in record.iter().zip(places) {
        let column = &mut columns.builders[place];
        let pushed = if cell.len() > MAX_CELL_BYTES {
            Err("a cell longer than 1 MiB; is a quote never closed?")
        } else {
            column.push_cell(cell)
        };
        pushed.map_err(|problem| error(problem.to_owned()).in_column(column.name()))?;
    }
    Ok(())
}

/// Bounds each record, and remembers how the file ends.
struct Guard<R> {
    inner: R,
    since_record: usize,
    /// The last byte that is no blank.
    last: u8,
}

impl<R: Read> Read for Guard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.since_record > MAX_RECORD_BYTES {
            return Err(io::Error::other("a row longer than 256 MiB; is a quote never closed?"));
        }
        let read = self.inner.read(buffer)?;
        self.since_record += read;
        self.last = buffer[..read].trim_ascii_end().last().copied().unwrap_or(self.last);
        Ok(read)
    }
}
