//! How long a caller waits for an answer, as it says itself.

use std::future::Future;
use std::time::Duration;

use axum::http::HeaderMap;
use tokio::time::{Instant, timeout_at};

use super::error::ApiError;
use crate::config::MAX_DEADLINE;

/// The header that says it, in milliseconds.
pub const HEADER: &str = "x-request-timeout-ms";
/// When the caller stops waiting, if it or a flag said so.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// No deadline.
    pub const fn none() -> Deadline {
        Deadline(None)
    }

    /// The deadline that a request's headers set, from now on, or the `usual` one, milliseconds.
    pub fn of(headers: &HeaderMap, usual: Option<u64>) -> Result<Deadline, ApiError> {
        let after = |milliseconds| Deadline(Some(Instant::now() + Duration::from_millis(milliseconds)));
        let Some(value) = headers.get(HEADER) else { return Ok(usual.map_or(Deadline(None), after)) };
        let milliseconds: Option<u64> = value.to_str().ok().and_then(|text| text.trim().parse().ok());
        let milliseconds = milliseconds.filter(|milliseconds| (1..=MAX_DEADLINE).contains(milliseconds));
        let wrong = || ApiError::bad_request(format!("{HEADER}: expected milliseconds, from 1 to {MAX_DEADLINE}"));
        milliseconds.map(after).ok_or_else(wrong)
    }

    /// Whether there is still time.
    pub fn check(self) -> Result<(), ApiError> {
        match self.0 {
            Some(deadline) if Instant::now() >= deadline => Err(ApiError::deadline()),
            _ => Ok(()),
        }
    }

    /// What `work` gives, if it does in time.
    pub async fn limit<T>(self, work: impl Future<Output = T>) -> Result<T, ApiError> {
        match self.0 {
            Some(deadline) => timeout_at(deadline, work).await.map_err(|_| ApiError::deadline()),
            None => Ok(work.await),
        }
    }
}
