//! Why a step ends without having done its work.

use std::io;
use std::path::{Path, PathBuf};

use slipway_model::{ArtefactError, ExamineError};
use slipway_spec::contract::Exit;

use crate::error::StoreError;
use crate::newest::NoNewest;

/// Why a step ends without having done its work.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// Wrong usage, or a run that cannot be read.
    #[error("{0}")]
    Usage(String),
    /// Storage.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No file of a folder is the newest.
    #[error("{folder}: {error}")]
    NoNewest {
        /// The folder.
        folder: String,
        /// Why.
        error: NoNewest,
    },
    /// An artefact is unsound.
    #[error(transparent)]
    Artefact(#[from] ArtefactError),
    /// What the train step left behind is unsound.
    #[error(transparent)]
    Examine(#[from] ExamineError),
    /// Something in storage or on the working volume is not what it must be.
    #[error("{0}")]
    Data(String),
    /// An input does not exist.
    #[error("{0}")]
    NotFound(String),
    /// A gate or a check refused the model.
    #[error("refused: {0}")]
    Refused(String),
    /// It took too long.
    #[error("it was not done after {0} s")]
    TimedOut(u64),
    /// A file of this machine cannot be read or written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl StepError {
    /// For `map_err` of a file operation on `path`.
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> StepError {
        let path = path.to_owned();
        move |source| StepError::Io { path, source }
    }

    /// How a program ends on this error.
    pub fn exit(&self) -> Exit {
        match self {
            StepError::Usage(_) => Exit::Usage,
            StepError::Store(error) => error.exit(),
            StepError::NoNewest { error, .. } => error.exit(),
            StepError::Artefact(error) => error.exit(),
            StepError::Examine(error) => error.exit(),
            StepError::Data(_) => Exit::Data,
            StepError::NotFound(_) => Exit::NotFound,
            StepError::Refused(_) => Exit::Refused,
            StepError::TimedOut(_) => Exit::Unavailable,
            StepError::Io { .. } => Exit::Internal,
        }
    }
}
