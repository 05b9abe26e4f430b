//! How long a caller waits for an answer, as it says itself.

use std::future::Future;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName};
use tokio::time::{Instant, timeout_at};

use super::error::ApiError;
use crate::config::MAX_DEADLINE;

/// The header that says it, in milliseconds.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-timeout-ms");
/// The header in which calls of gRPC say it.
const GRPC_HEADER: HeaderName = HeaderName::from_static("grpc-timeout");

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
        let after = |time: Duration| Deadline(Some(Instant::now() + time));
        let text = |name: HeaderName| Some(headers.get(name)?.to_str().unwrap_or_default().trim());
        if let Some(text) = text(HEADER) {
            let milliseconds = text.parse().ok().filter(|milliseconds| (1..=MAX_DEADLINE).contains(milliseconds));
            let wrong = || ApiError::bad_request(format!("{HEADER}: expected milliseconds, from 1 to {MAX_DEADLINE}"));
            return milliseconds.map(Duration::from_millis).map(after).ok_or_else(wrong);
        }
        if let Some(text) = text(GRPC_HEADER) {
            let wrong = || ApiError::bad_request(format!("{GRPC_HEADER}: expected up to 8 digits and a unit"));
            return of_grpc(text).map(after).ok_or_else(wrong);
        }
        Ok(usual.map_or(Deadline(None), |milliseconds| after(Duration::from_millis(milliseconds))))
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

/// A time as gRPC writes it, but never a longer one than others may ask for.
fn of_grpc(text: &str) -> Option<Duration> {
    let unit = text.chars().next_back()?;
    let digits = text.strip_suffix(unit).filter(|digits| (1..=8).contains(&digits.len()))?;
    let count: u64 = digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok())??;
    let time = match unit {
        'H' => Duration::from_secs(3600 * count),
        'M' => Duration::from_secs(60 * count),
        'S' => Duration::from_secs(count),
        'm' => Duration::from_millis(count),
        'u' => Duration::from_micros(count),
        'n' => Duration::from_nanos(count),
        _ => return None,
    };
    Some(time.min(Duration::from_millis(MAX_DEADLINE)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_grpc_are_read() {
        for (text, time) in [
            ("1S", Some(Duration::from_secs(1))),
            ("250m", Some(Duration::from_millis(250))),
            ("99999999n", Some(Duration::from_nanos(99_999_999))),
            ("7u", Some(Duration::from_micros(7))),
            ("2M", Some(Duration::from_secs(120))),
            ("99999999H", Some(Duration::from_secs(3600))),
            ("123456789m", None),
            ("+1S", None),
            ("1", None),
            ("S", None),
            ("", None),
            ("1\u{e9}", None),
        ] {
            assert_eq!(of_grpc(text), time, "{text:?}");
        }
    }
}
