//! A CSV file as people have it, read into one run of text for each column.
//!
//! Comma, semicolon or tab; quotes, a byte order mark, any line ends. Cells are trimmed, and a cell that says that nothing is
//! there ([`MISSING`]) becomes an empty one. Everything is bounded; whatever is wrong is named by row and column.

mod dialect;
mod source;

use std::fs::File;
use std::path::Path;

use slipway_model::Digest;

use self::source::{End, Source};
use crate::error::{DataError, Error};

/// Largest file, bytes.
pub const MAX_FILE_BYTES: u64 = 8 << 30;
/// Most columns.
pub const MAX_COLUMNS: usize = 10_000;
/// Most rows.
pub const MAX_ROWS: usize = i32::MAX as usize;
/// Longest cell, bytes.
pub const MAX_CELL_BYTES: usize = 1 << 20;
/// Longest column name, bytes.
pub const MAX_NAME_BYTES: usize = 256;

/// Spellings of a missing value, beside the empty cell.
pub const MISSING: [&str; 9] = ["NA", "N/A", "n/a", "#N/A", "null", "NULL", "NaN", "nan", "<NA>"];

/// A table of text.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The file's name, for messages.
    pub file: String,
    /// The columns, in the order of the file; all of the same length.
    pub columns: Vec<Column>,
    /// Number of rows.
    pub rows: usize,
    /// What separates cells.
    pub delimiter: u8,
    /// Digest of the file's bytes.
    pub digest: Digest,
    /// Size of the file, bytes.
    pub size: u64,
}

/// One column of text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Column {
    /// Its name.
    pub name: String,
    text: String,
    ends: Vec<u32>,
}

impl Table {
    /// The column of that name, and its place.
    pub fn column(&self, name: &str) -> Option<(usize, &Column)> {
        self.columns.iter().enumerate().find(|(_, column)| column.name == name)
    }

    /// The columns' names.
    pub fn names(&self) -> Vec<&str> {
        self.columns.iter().map(|column| column.name.as_str()).collect()
    }

    /// An error of the whole table.
    pub(crate) fn error(&self, problem: impl Into<String>) -> DataError {
        DataError::new(&self.file, problem)
    }
}

impl Column {
    /// The cell of a row, trimmed; empty where the value is missing.
    pub fn cell(&self, row: usize) -> &str {
        let start = if row == 0 { 0 } else { self.ends[row - 1] as usize };
        &self.text[start..self.ends[row] as usize]
    }

    /// The cells, in order.
    pub fn cells(&self) -> impl Iterator<Item = &str> {
        (0..self.ends.len()).map(|row| self.cell(row))
    }

    /// Number of cells.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no cell.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    fn push(&mut self, cell: &str) -> Result<(), &'static str> {
        let cell = cell.trim();
        if !MISSING.contains(&cell) {
            self.text.push_str(cell);
        }
        let end = u32::try_from(self.text.len()).map_err(|_| "the column holds more than 4 GiB of text")?;
        self.ends.push(end);
        Ok(())
    }
}

/// Reads the CSV file at `path`.
pub fn read(path: &Path) -> Result<Table, Error> {
    let io_error = |source| Error::io(path, source);
    let file = File::open(path).map_err(io_error)?;
    let metadata = file.metadata().map_err(io_error)?;
    let name = path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
    if metadata.is_dir() {
        return Err(DataError::new(&name, "is a folder; give a CSV file").into());
    }
    if metadata.len() > MAX_FILE_BYTES {
        let problem = format!("{} bytes; at most {MAX_FILE_BYTES} are read", metadata.len());
        return Err(DataError::new(&name, problem).into());
    }
    let table = read_from(&name, file)?;
    Ok(table)
}

/// Reads CSV from `source`; `file` is its name in messages.
pub fn read_from(file: &str, source: impl std::io::Read) -> Result<Table, DataError> {
    let error = |problem: String| DataError::new(file, problem);
    let mut source = Source::new(source);
    let sample = source.peek().map_err(|failure| error(failure.to_string()))?;
    dialect::refuse_foreign(sample).map_err(error)?;
    let delimiter = dialect::delimiter(sample);
    source.skip_byte_order_mark();
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(source);

    let mut record = csv::ByteRecord::new();
    let mut next = |record: &mut csv::ByteRecord, row: Option<usize>| {
        reader.get_mut().start_record();
        reader.read_byte_record(record).map_err(|failure| {
            let place = error(failure.to_string());
            row.map_or(place.clone(), |row| place.at_row(row))
        })
    };
    if !next(&mut record, None)? {
        return Err(error("the file is empty".to_owned()));
    }
    let mut columns = header(file, &record)?;
    let mut rows = 0;
    let mut ends_quoted = false;
    while next(&mut record, Some(rows))? {
        push_row(file, &mut columns, rows, &record)?;
        // Only a quoted cell holds a line end.
        ends_quoted = record.iter().next_back().is_some_and(|cell| cell.contains(&b'\n'));
        rows += 1;
    }
    if rows == 0 {
        return Err(error("there is a header and no row below it".to_owned()));
    }
    let End { digest, size, last } = reader.into_inner().finish();
    if ends_quoted && last != b'"' {
        return Err(error("a quote is never closed".to_owned()).at_row(rows - 1));
    }
    Ok(Table { file: file.to_owned(), columns, rows, delimiter, digest, size })
}

fn header(file: &str, record: &csv::ByteRecord) -> Result<Vec<Column>, DataError> {
    let error = |problem: String| Err(DataError::new(file, problem));
    if record.len() > MAX_COLUMNS {
        return error(format!("{} columns; at most {MAX_COLUMNS} are read", record.len()));
    }
    let mut columns: Vec<Column> = Vec::with_capacity(record.len());
    for (place, cell) in record.iter().enumerate() {
        let Ok(name) = std::str::from_utf8(cell) else {
            return error(format!("the name of column {} {NOT_UTF8}", place + 1));
        };
        let name = name.trim();
        if name.is_empty() {
            let hint = "give every column a name in the first row (a table saved together with its row numbers has a column \
                        without a name: save it without them)";
            return error(format!("column {} has no name; {hint}", place + 1));
        }
        if name.len() > MAX_NAME_BYTES {
            return error(format!("the name of column {} is longer than {MAX_NAME_BYTES} bytes", place + 1));
        }
        columns.push(Column { name: name.to_owned(), ..Column::default() });
    }
    let mut sorted: Vec<_> = columns.iter().enumerate().map(|(place, column)| (column.name.as_str(), place)).collect();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        None => Ok(columns),
        Some(pair) => error(format!(
            "columns {} and {} are both called {}; give each a name of its own",
            pair[0].1 + 1,
            pair[1].1 + 1,
            pair[0].0
        )),
    }
}

const NOT_UTF8: &str = "is not UTF-8 text; save the file as UTF-8 (it may be in Latin-1 or Windows-1252)";

fn push_row(file: &str, columns: &mut [Column], row: usize, record: &csv::ByteRecord) -> Result<(), DataError> {
    let error = |problem: String| DataError::new(file, problem).at_row(row);
    if row >= MAX_ROWS {
        return Err(error(format!("more than {MAX_ROWS} rows")));
    }
    if record.len() != columns.len() {
        let lines = record.iter().any(|cell| cell.contains(&b'\n'));
        let hint = if lines { "; is a quote never closed?" } else { "" };
        return Err(error(format!("{} cells where the header has {}{hint}", record.len(), columns.len())));
    }
    for (cell, column) in record.iter().zip(columns) {
        let failed = |problem: &str| Err(error(problem.to_owned()).in_column(&column.name));
        if cell.len() > MAX_CELL_BYTES {
            return failed("a cell longer than 1 MiB; is a quote never closed?");
        }
        let Ok(text) = std::str::from_utf8(cell) else { return failed(NOT_UTF8) };
        if let Err(problem) = column.push(text) {
            return Err(error(problem.to_owned()).in_column(&column.name));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
