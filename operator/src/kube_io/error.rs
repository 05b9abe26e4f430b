//! Errors of API calls and their classes.

use std::future::Future;
use std::time::Duration;

use thiserror::Error;

use super::gate::NotLeader;

/// What to do after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Trying again cannot help until the object changes.
    Invalid,
    /// Trying again later may help.
    Transient,
    /// The decision was made on old data: try again at once on newer.
    Conflict,
}

impl Class {
    /// Value of the `class` label of metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Class::Invalid => "invalid",
            Class::Transient => "transient",
            Class::Conflict => "conflict",
        }
    }
}

/// An error that knows its [`Class`].
pub trait Classified: std::error::Error + Send + Sync + 'static {
    /// The class.
    fn class(&self) -> Class;

    /// How long a wait may last at most, because something is due then whether or not the error goes away.
    fn due_in(&self) -> Option<Duration> {
        None
    }
}

/// An API call that failed.
#[derive(Debug, Error)]
pub enum IoError {
    /// The API server or the connection to it refused.
    #[error("{action}: {}", words(source))]
    Kube {
        /// What was being done, such as `create Job train-1`.
        action: String,
        /// The cause.
        #[source]
        source: Box<kube::Error>,
    },
    /// The object is not as it was when the decision was made.
    #[error("{object} has changed meanwhile")]
    Stale {
        /// Kind and name.
        object: String,
    },
    /// An object of that name belongs to somebody else.
    #[error("{kind} {name} exists and belongs to another object; delete it, or give this one another name")]
    Foreign {
        /// Kind.
        kind: String,
        /// Name.
        name: String,
    },
    /// Another operator writes.
    #[error("{action}: {NotLeader}")]
    NotLeader {
        /// What was being done.
        action: String,
    },
    /// The API server did not answer in time.
    #[error("{action}: no answer within {} s", after.as_secs())]
    Deadline {
        /// What was being done.
        action: String,
        /// How long was waited.
        after: Duration,
    },
}

/// What a person should read: of an answer its message, not all of its fields.
fn words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        error => error.to_string(),
    }
}

impl IoError {
    /// HTTP status code of the API server's answer, if it answered.
    pub fn code(&self) -> Option<u16> {
        match self {
            IoError::Kube { source, .. } => match source.as_ref() {
                kube::Error::Api(status) => Some(status.code),
                _ => None,
            },
            IoError::Stale { .. } | IoError::Foreign { .. } | IoError::NotLeader { .. } | IoError::Deadline { .. } => {
                None
            }
        }
    }
}

impl Classified for IoError {
    fn class(&self) -> Class {
        match (self, self.code()) {
            (IoError::Stale { .. } | IoError::NotLeader { .. }, _) | (_, Some(409)) => Class::Conflict,
            (_, Some(400 | 422)) => Class::Invalid,
            // Nobody tells when a foreign object goes.
            _ => Class::Transient,
        }
    }
}

/// Longest wait for one answer. The client itself never retries: a create that was answered 504 may have happened.
const DEADLINE: Duration = Duration::from_secs(15);

/// One API call, named by `action` for its errors, with the operator's own deadline.
pub async fn within_deadline<T>(
    action: impl FnOnce() -> String,
    call: impl Future<Output = kube::Result<T>>,
) -> Result<T, IoError> {
    within(DEADLINE, action, call).await
}

/// The same with another deadline.
pub async fn within<T>(
    deadline: Duration,
    action: impl FnOnce() -> String,
    call: impl Future<Output = kube::Result<T>>,
) -> Result<T, IoError> {
    match tokio::time::timeout(deadline, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(kube::Error::Service(error))) if error.is::<NotLeader>() => Err(IoError::NotLeader { action: action() }),
        Ok(Err(source)) => Err(IoError::Kube { action: action(), source: Box::new(source) }),
        Err(_) => Err(IoError::Deadline { action: action(), after: deadline }),
    }
}
