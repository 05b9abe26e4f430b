//! How long a caller waits for an answer, as it says itself.

use std::future::Future;
use std::time::Duration;

use axum::http::HeaderMap;
use tokio::time::{Instant, timeout_at};

use super::error::ApiError;

/// The header that says it, in milliseconds.
pub const HEADER: &str = "x-request-timeout-ms";
/// Longest deadline, milliseconds: an hour.
const MAX_MILLISECONDS: u64 = 3_600_000;

/// When the caller stops waiting, if it said so.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// The deadline that a request's headers set, from now on.
    pub fn of(headers: &HeaderMap) -> Result<Deadline, ApiError> {
        let Some(value) = headers.get(HEADER) else { return Ok(Deadline(None)) };
        let milliseconds: Option<u64> = value.to_str().ok().and_then(|text| text.trim().parse().ok());
        match milliseconds.filter(|milliseconds| (1..=MAX_MILLISECONDS).contains(milliseconds)) {
            Some(milliseconds) => Ok(Deadline(Some(Instant::now() + Duration::from_millis(milliseconds)))),
            None => {
                Err(ApiError::bad_request(format!("{HEADER}: expected milliseconds, from 1 to {MAX_MILLISECONDS}")))
            }
        }
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
