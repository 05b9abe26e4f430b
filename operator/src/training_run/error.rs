//! Errors of the controller; what a user did wrong is no error but a condition.

use thiserror::Error;

use crate::kube_io::{Class, Classified, IoError};

/// Why a reconcile of a run could not be finished.
#[derive(Debug, Error)]
pub enum Error {
    /// An API call failed.
    #[error(transparent)]
    Io(#[from] IoError),
}

impl Classified for Error {
    fn class(&self) -> Class {
        match self {
            Error::Io(error) => error.class(),
        }
    }
}
