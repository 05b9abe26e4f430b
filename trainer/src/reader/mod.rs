//! Files of data as people have them, read into a table of typed columns.
//!
//! CSV with comma, semicolon or tab, JSON lines, and Parquet; the text formats also compressed with gzip or Zstandard. What a
//! file is, its first bytes say. A folder is read as one table. Everything is bounded; whatever is wrong is named by file, row
//! and column.
//!
//! A column of numbers or times is kept as such and everything else as numbers of texts that are kept once, so that a table
//! takes about as much memory as its file. What the columns are is guessed from the beginning of the file; where a guess
//! turns out wrong after spellings were let go (`007` among numbers, and then `A12`), the file is read a second time.

mod column;
mod columns;
mod csv_file;
mod dialect;
pub(crate) mod dictionary;
mod folder;
mod format;
mod json_lines;
pub(crate) mod number;
mod parquet_file;
mod source;
mod table;
mod unpack;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use slipway_model::Digest;
use slipway_spec::DataFile;
use slipway_spec::contract::data_format;
use slipway_spec::report::set_digest_text;

use self::column::LostText;
pub(crate) use self::column::{Cells, Texts, parse_date};
pub use self::column::{Column, MISSING};
use self::columns::Columns;
pub(crate) use self::folder::files;
use self::format::Format;
use self::source::{Peeked, Stored};
pub(crate) use self::table::Part;
pub use self::table::Table;
use crate::error::{DataError, Error};

/// Largest file, bytes, as it is stored and unpacked.
pub const MAX_FILE_BYTES: u64 = 8 << 30;
/// Most columns.
pub const MAX_COLUMNS: usize = 10_000;
/// Most rows.
pub const MAX_ROWS: usize = i32::MAX as usize;
/// Longest cell, bytes.
pub const MAX_CELL_BYTES: usize = 1 << 20;
/// Longest column name, bytes.
pub const MAX_NAME_BYTES: usize = 256;

const NOT_UTF8: &str = "is not UTF-8 text; save the file as UTF-8 (it may be in Latin-1 or Windows-1252)";

/// Where the data are.
#[derive(Clone, Debug)]
pub struct DataSource {
    /// A file, or a folder whose files are one table.
    pub path: PathBuf,
    /// Most bytes that a compressed file may unpack to. Default: 256 MiB or 200 times its size, whichever is more.
    pub max_unpacked_bytes: Option<u64>,
}

impl<P: Into<PathBuf>> From<P> for DataSource {
    fn from(path: P) -> Self {
        DataSource { path: path.into(), max_unpacked_bytes: None }
    }
}

/// Is told how many bytes of a file were read, and how many it has.
pub(crate) type Told<'a> = &'a dyn Fn(u64, u64);

/// How a table is to be read.
#[derive(Clone, Default)]
pub(crate) struct Request<'a> {
    /// Columns that are kept as text even where all cells are numbers.
    pub(crate) texts: BTreeSet<&'a str>,
    pub(crate) max_unpacked_bytes: Option<u64>,
    pub(crate) told: Option<Told<'a>>,
}

impl Request<'_> {
    fn is_text(&self, name: &str) -> bool {
        self.texts.contains(name)
    }
}

/// Where bytes come from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Input<'a> {
    File(&'a Path),
    Memory(&'a [u8]),
}

impl<'a> Input<'a> {
    fn open(self) -> io::Result<Box<dyn Read + 'a>> {
        Ok(match self {
            Input::File(path) => Box::new(File::open(path)?),
            Input::Memory(bytes) => Box::new(bytes),
        })
    }

    fn size(self) -> io::Result<u64> {
        match self {
            Input::File(path) => Ok(std::fs::metadata(path)?.len()),
            Input::Memory(bytes) => Ok(bytes.len() as u64),
        }
    }
}

/// Reads the file or folder at `path`.
pub(crate) fn read(path: &Path, request: &Request<'_>) -> Result<Table, Error> {
    let metadata = std::fs::metadata(path).map_err(|error| Error::io(path, error))?;
    let name = path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
    if !metadata.is_dir() {
        File::open(path).map_err(|error| Error::io(path, error))?;
        return Ok(read_set(&name, &[(name.clone(), Input::File(path))], request)?);
    }
    let mut paths = files(path)?;
    paths.retain(|(name, _)| data_format(name).is_some());
    if paths.is_empty() {
        return Err(Error::NotFound(path.join("*.csv")));
    }
    let files: Vec<_> = paths.iter().map(|(name, path)| (name.clone(), Input::File(path))).collect();
    let mut table = read_set(&name, &files, request)?;
    let digests = table.files.iter().map(|file| (file.name.as_str(), file.digest.as_str()));
    table.digest = Digest::of(set_digest_text(digests).as_bytes());
    table.size = table.files.iter().map(|file| file.size_bytes.unsigned_abs()).sum();
    Ok(table)
}

/// Reads the bytes of one file; `file` is its name in messages.
pub fn read_from(file: &str, bytes: &[u8]) -> Result<Table, DataError> {
    read_set(file, &[(file.to_owned(), Input::Memory(bytes))], &Request::default())
}

/// Reads files as one table, which is called `name` in messages. Digest and size are those of the last file.
pub(crate) fn read_set(name: &str, files: &[(String, Input<'_>)], request: &Request<'_>) -> Result<Table, DataError> {
    let changed = || DataError::new(name, "it was changed while it was read; start again when it is written");
    let first = match Raw::read(files, request)?.finish(name) {
        Ok(table) => return Ok(table),
        Err(lost) => lost,
    };
    let mut again = request.clone();
    again.texts.extend(first.columns.iter().map(|LostText(name)| name.as_str()));
    let second = Raw::read(files, &again)?.finish(name).map_err(|_| changed())?;
    if second.digest == first.digest { Ok(second) } else { Err(changed()) }
}

/// What was read, its columns not put together yet.
struct Raw {
    columns: Columns,
    /// Of each file.
    ends: Vec<End>,
}

/// What is known of a file that was read.
struct End {
    format: Format,
    delimiter: u8,
    digest: Digest,
    size: u64,
}

/// Columns whose text is needed and was let go.
struct Lost {
    columns: Vec<LostText>,
    digest: Digest,
}

impl Raw {
    fn read(files: &[(String, Input<'_>)], request: &Request<'_>) -> Result<Raw, DataError> {
        let mut raw = Raw { columns: Columns::default(), ends: Vec::with_capacity(files.len()) };
        for (file, input) in files {
            raw.columns.begin(file);
            let end = read_file(file, *input, request, &mut raw.columns)?;
            raw.columns.end()?;
            if let Some(first) = raw.ends.first()
                && (first.format, first.delimiter) != (end.format, end.delimiter)
            {
                let (first, this) = (first.describe(), end.describe());
                let problem = format!("it is {this}, and {} is {first}; write all files alike", files[0].0);
                return Err(DataError::new(file, problem));
            }
            raw.ends.push(end);
        }
        Ok(raw)
    }

    fn finish(self, name: &str) -> Result<Table, Lost> {
        let Raw { columns: Columns { builders, rows, parts, .. }, ends } = self;
        let (mut columns, mut lost) = (Vec::with_capacity(builders.len()), Vec::new());
        for builder in builders {
            match builder.finish() {
                Ok(column) => columns.push(column),
                Err(name) => lost.push(name),
            }
        }
        let (digest, size) = ends.last().map_or((Digest::of(b""), 0), |end| (end.digest, end.size));
        if !lost.is_empty() {
            return Err(Lost { columns: lost, digest });
        }
        let files = parts.iter().zip(&ends).map(|(part, end)| DataFile {
            name: part.file.clone(),
            digest: end.digest.to_string(),
            size_bytes: end.size.cast_signed(),
            ..DataFile::default()
        });
        Ok(Table {
            file: name.to_owned(),
            columns,
            rows,
            delimiter: ends.first().map_or(b',', |end| end.delimiter),
            digest,
            size,
            files: files.collect(),
            parts: parts.into(),
        })
    }
}

impl End {
    fn describe(&self) -> &'static str {
        match (self.format, self.delimiter) {
            (Format::JsonLines, _) => "JSON lines",
            (Format::Parquet, _) => "Parquet",
            (Format::Csv, b';') => "CSV with semicolons",
            (Format::Csv, b'\t') => "CSV with tabs",
            (Format::Csv, _) => "CSV with commas",
        }
    }
}

fn read_file(file: &str, input: Input<'_>, request: &Request<'_>, columns: &mut Columns) -> Result<End, DataError> {
    let failed = |failure: io::Error| DataError::new(file, failure.to_string());
    let size = input.size().map_err(failed)?;
    if size > MAX_FILE_BYTES {
        return Err(DataError::new(file, format!("{size} bytes; at most {MAX_FILE_BYTES} are read")));
    }
    let told = |read| request.told.iter().for_each(|told| told(read, size));
    let mut stored = Peeked::new(Stored::new(input.open().map_err(failed)?, &told)).map_err(failed)?;
    let packing = format::packing(stored.head());
    let unpacked: Box<dyn Read + '_> = match packing {
        None => Box::new(&mut stored),
        Some(packing) => unpack::unpack(&mut stored, packing, size, request.max_unpacked_bytes).map_err(failed)?,
    };
    let source = Peeked::new(unpacked).map_err(failed)?;
    let format = format::format(source.head()).map_err(|problem| DataError::new(file, problem))?;
    let delimiter = match format {
        Format::Csv => csv_file::read(file, source, request, columns)?,
        Format::JsonLines => json_lines::read(file, source, request, columns).map(|()| b',')?,
        Format::Parquet if packing.is_some() => {
            let problem = "this is a Parquet file that was compressed once more; unpack it, it is compressed inside";
            return Err(DataError::new(file, problem));
        }
        Format::Parquet => {
            drop(source);
            parquet_file::read(file, input, request, columns).map(|()| b',')?
        }
    };
    let (digest, size) = stored.into_inner().finish().map_err(failed)?;
    Ok(End { format, delimiter, digest, size })
}

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod tests;
