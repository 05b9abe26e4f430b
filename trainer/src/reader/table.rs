//! A table in memory.

use std::sync::Arc;

use slipway_model::Digest;
use slipway_spec::DataFile;

use super::column::Column;
use crate::error::DataError;

/// A table, column by column.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The file's name, or the folder's, for messages.
    pub file: String,
    /// The columns, in the order of the (first) file; all of the same length.
    pub columns: Vec<Column>,
    /// Number of rows.
    pub rows: usize,
    /// What separates cells.
    pub delimiter: u8,
    /// Digest of the file's bytes; of several that of [`slipway_spec::report::set_digest_text`].
    pub digest: Digest,
    /// Size of the file as it is stored, or of all files, bytes.
    pub size: u64,
    /// The files of a folder, sorted by name; empty for a single file.
    pub files: Vec<DataFile>,
    /// Which rows stand in which file; empty for a single file.
    pub(crate) parts: Arc<[Part]>,
}

/// Rows that one of several files holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) file: String,
    /// The first row behind them.
    pub(crate) end: usize,
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
        DataError::new(&self.file, problem).of_parts(&self.parts)
    }
}
