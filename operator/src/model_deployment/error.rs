//! What can go wrong in each stage, beside what the status tells its user.

use std::time::Duration;

use thiserror::Error;

use crate::kube_io::{Class, Classified, IoError};

/// Why a reconcile failed.
#[derive(Debug, Error)]
pub enum Error {
    /// The object cannot be read as one.
    #[error(transparent)]
    Validate(#[from] ValidateError),
    /// The status was not written, so nothing was done.
    #[error("persist: {0}")]
    Persist(#[source] IoError),
    /// The cluster is not yet as the status says.
    #[error("{source}")]
    Act {
        /// What went wrong.
        source: IoError,
        /// When the rollout has to be looked at again in any case.
        due_in: Option<Duration>,
    },
}

impl Classified for Error {
    fn class(&self) -> Class {
        match self {
            Error::Validate(_) => Class::Invalid,
            Error::Persist(error) => error.class(),
            // What the API server calls invalid may be so for a policy that changes without this object.
            Error::Act { source, .. } if source.class() == Class::Invalid => Class::Transient,
            Error::Act { source, .. } => source.class(),
        }
    }

    fn due_in(&self) -> Option<Duration> {
        match self {
            Error::Validate(_) | Error::Persist(_) => None,
            Error::Act { due_in, .. } => *due_in,
        }
    }
}

/// Why an object cannot be read as a deployment: never so for one that came from an API server.
#[derive(Debug, Error)]
pub enum ValidateError {
    /// It has no namespace.
    #[error("the object has no namespace")]
    Namespace,
    /// It has no name or no UID.
    #[error("the object has no name or no UID")]
    Uid,
}
