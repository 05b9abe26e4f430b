//! What can go wrong, and how the program ends then.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use slipway_model::ArtefactError;
use slipway_spec::contract::Exit;

use crate::reader::Part;

/// Why nothing was trained.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The specification cannot be followed.
    #[error("{0}")]
    Spec(String),
    /// A file that must be there is not.
    #[error("{}: there is no such file", .0.display())]
    NotFound(PathBuf),
    /// A file cannot be read or written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The data cannot be trained on.
    #[error("{0}")]
    Data(#[from] DataError),
    /// An artefact cannot be read or written.
    #[error("{0}")]
    Artefact(#[from] ArtefactError),
    /// A bug in the trainer.
    #[error("a bug in the trainer: {0}")]
    Internal(String),
}

impl Error {
    /// How the program ends.
    pub fn exit(&self) -> Exit {
        match self {
            Error::Spec(_) => Exit::Usage,
            Error::NotFound(_) => Exit::NotFound,
            Error::Io { .. } | Error::Data(_) => Exit::Data,
            Error::Artefact(error) => error.exit(),
            Error::Internal(_) => Exit::Internal,
        }
    }

    /// The error of reading or writing `path`.
    pub(crate) fn io(path: impl Into<PathBuf>, source: io::Error) -> Error {
        let path = path.into();
        if source.kind() == io::ErrorKind::NotFound { Error::NotFound(path) } else { Error::Io { path, source } }
    }
}

/// What is wrong with the data, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataError {
    file: String,
    /// Of a table from several files, which rows stand where.
    parts: Arc<[Part]>,
    row: Option<usize>,
    column: Option<String>,
    problem: String,
}

impl DataError {
    /// Something is wrong with the whole file.
    pub(crate) fn new(file: &str, problem: impl Into<String>) -> DataError {
        DataError { file: file.to_owned(), parts: Arc::default(), row: None, column: None, problem: problem.into() }
    }

    /// Something is wrong with a table whose rows come from these files.
    #[must_use]
    pub(crate) fn of_parts(self, parts: &Arc<[Part]>) -> DataError {
        DataError { parts: Arc::clone(parts), ..self }
    }

    /// It is wrong in the row at `place`, counted from 0; people count from 1, anew in every file.
    #[must_use]
    pub(crate) fn at_row(self, place: usize) -> DataError {
        let number = self.parts.partition_point(|part| part.end <= place);
        let start = number.checked_sub(1).map_or(0, |before| self.parts[before].end);
        let file = self.parts.get(number).map_or_else(|| self.file.clone(), |part| part.file.clone());
        DataError { file, row: Some(place - start + 1), ..self }
    }

    /// It is wrong in this column.
    #[must_use]
    pub(crate) fn in_column(self, name: &str) -> DataError {
        DataError { column: Some(name.to_owned()), ..self }
    }

    /// What to know or to do about it.
    #[must_use]
    pub(crate) fn explained(self, hint: &str) -> DataError {
        DataError { problem: format!("{}; {hint}", self.problem), ..self }
    }
}

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(row) = self.row {
            write!(f, ", row {row}")?;
        }
        if let Some(column) = &self.column {
            write!(f, ", column {column}")?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl std::error::Error for DataError {}
