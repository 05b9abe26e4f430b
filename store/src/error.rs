//! Why storage did not do what was asked.

use std::io;
use std::path::PathBuf;

use slipway_spec::contract::Exit;

use crate::location::Location;

/// Why storage did not do what was asked. The message names the object.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// An address cannot be read.
    #[error("{uri:?} is no address of an object: {why}")]
    Address {
        /// What was given.
        uri: String,
        /// What is wrong with it, and what to write instead.
        why: String,
    },
    /// There is no object.
    #[error("{0}: there is no such object")]
    NotFound(Location),
    /// There is no bucket.
    #[error("{0}: there is no bucket of that name")]
    NoBucket(Location),
    /// There are no credentials.
    #[error(
        "{location}: there are no credentials: put AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY into the storage Secret, or give \
         the service account an identity of its own ({reason})"
    )]
    NoCredentials {
        /// The object.
        location: Location,
        /// What was looked for.
        reason: String,
    },
    /// The credentials are refused.
    #[error("{location}: storage refuses the credentials ({reason}); look at {keys} in the storage Secret")]
    Denied {
        /// The object.
        location: Location,
        /// Storage's own word.
        reason: String,
        /// What to look at.
        keys: &'static str,
    },
    /// The object is not what it was, or not what it must be.
    #[error("{location}: {reason}")]
    Changed {
        /// The object.
        location: Location,
        /// What differs.
        reason: String,
    },
    /// Something is larger than is read.
    #[error("{location}: {size} bytes, more than the {limit} that are read")]
    TooLarge {
        /// The object.
        location: Location,
        /// Its size, bytes.
        size: u64,
        /// The limit, bytes.
        limit: u64,
    },
    /// Storage cannot be reached, or broke off.
    #[error("{location}: storage cannot be reached: {reason}")]
    Unreachable {
        /// The object.
        location: Location,
        /// Endpoint and cause.
        reason: String,
    },
    /// Storage answers with an error that trying again does not change.
    #[error("{location}: storage answers {reason}")]
    Rejected {
        /// The object.
        location: Location,
        /// Its own word.
        reason: String,
    },
    /// A file on this machine cannot be read or written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl StoreError {
    /// Whether trying again may help.
    pub fn is_transient(&self) -> bool {
        matches!(self, StoreError::Unreachable { .. })
    }

    /// How a program ends on this error.
    pub fn exit(&self) -> Exit {
        match self {
            StoreError::Address { .. } => Exit::Usage,
            StoreError::Changed { .. } | StoreError::TooLarge { .. } => Exit::Data,
            StoreError::NotFound(_) | StoreError::NoBucket(_) => Exit::NotFound,
            StoreError::NoCredentials { .. }
            | StoreError::Denied { .. }
            | StoreError::Unreachable { .. }
            | StoreError::Rejected { .. } => Exit::Unavailable,
            StoreError::Io { .. } => Exit::Internal,
        }
    }
}
