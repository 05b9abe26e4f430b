//! What can go wrong in each stage, beside what the status tells its user.

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
    #[error(transparent)]
    Act(#[from] ActError),
}

impl Classified for Error {
    fn class(&self) -> Class {
        match self {
            Error::Validate(_) => Class::Invalid,
            Error::Persist(error) => error.class(),
            Error::Act(error) => error.class(),
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

/// Why the cluster is not as it should be.
#[derive(Debug, Error)]
pub enum ActError {
    /// The API server refused or did not answer.
    #[error(transparent)]
    Io(#[from] IoError),
    /// An object of that name belongs to somebody else.
    #[error("{kind} {name} exists and is not this deployment's; delete it, or give the deployment another name")]
    Foreign {
        /// Kind.
        kind: String,
        /// Name.
        name: String,
    },
}

impl Classified for ActError {
    fn class(&self) -> Class {
        match self {
            ActError::Io(error) => error.class(),
            // Nobody tells when the foreign object goes.
            ActError::Foreign { .. } => Class::Transient,
        }
    }
}
