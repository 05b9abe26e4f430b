//! Bodies, read with bounds on size and time.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

use super::coding::{Coding, Unpacker};
use super::error::ApiError;
use super::v2::binary;
use crate::config::Limits;
use crate::state::PENDING_BLOCK;

/// How much of a body that nobody wants is still read, bytes.
const DISCARDED: u64 = 64 << 20;
/// How long that may take.
const DISCARDING: Duration = Duration::from_secs(5);

/// Refuses what is not said to be JSON.
pub fn require_json(headers: &HeaderMap) -> Result<(), ApiError> {
    if headers.contains_key(binary::HEADER) {
        return Err(ApiError::unsupported_media_type(
            "tensors as bytes are for the Open Inference Protocol; send JSON",
        ));
    }
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let subtype = essence.rsplit('/').next().unwrap_or_default();
    let is_json = subtype.eq_ignore_ascii_case("json") || subtype.to_ascii_lowercase().ends_with("+json");
    if is_json {
        Ok(())
    } else {
        Err(ApiError::unsupported_media_type(format!(
            "expected the header Content-Type: application/json, got {essence:?}"
        )))
    }
}

/// A body, and the room it takes in the memory set aside for bodies, for as long as it is held.
#[derive(Debug, Default)]
pub struct Held {
    /// The body.
    pub bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

/// A body as it comes, unpacked where it is compressed.
pub struct Source {
    /// The body itself.
    pub body: Body,
    unpacker: Option<Unpacker>,
    ended: bool,
}

impl Source {
    /// Reads `body`; what unpacking needs to remember is counted as `pending`.
    pub fn new(body: Body, coding: Option<Coding>, pending: &Arc<Semaphore>) -> Source {
        Source { body, unpacker: coding.map(|coding| Unpacker::new(coding, pending)), ended: false }
    }

    /// The next piece; none where the body has ended.
    pub async fn next(&mut self, limits: &Limits) -> Result<Option<Bytes>, ApiError> {
        let Some(unpacker) = &mut self.unpacker else { return next(&mut self.body, limits).await };
        loop {
            let unpacked = unpacker.step()?;
            if !unpacked.is_empty() {
                return Ok(Some(unpacked));
            }
            if self.ended {
                return Ok(None);
            }
            if let Some(bytes) = next(&mut self.body, limits).await? {
                unpacker.push(bytes);
                continue;
            }
            self.ended = true;
            let last = unpacker.finish()?;
            if !last.is_empty() {
                return Ok(Some(last));
            }
        }
    }
}

impl Source {
    /// The next piece. What follows one that cannot be unpacked is read and forgotten: the connection may go on.
    pub async fn next_or_discard(&mut self, limits: &Limits) -> Result<Option<Bytes>, ApiError> {
        let next = self.next(limits).await;
        if next.as_ref().is_err_and(|error| !error.closes()) {
            discard(&mut self.body).await;
        }
        next
    }
}

/// Reads a body, compressed as `coding` says.
pub async fn read(
    headers: &HeaderMap,
    body: Body,
    coding: Option<Coding>,
    limits: &Limits,
    pending: &Arc<Semaphore>,
) -> Result<Held, ApiError> {
    let limit = limits.max_body_bytes;
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(refuse(headers, body, ApiError::body_too_large(limit)).await);
    }
    let mut source = Source::new(body, coding, pending);
    let Some(first) = source.next_or_discard(limits).await? else { return Ok(Held::default()) };
    if coding.is_none() && announced == Some(first.len() as u64) {
        // Most bodies come in one piece, which is no larger than what is read at a time.
        return Ok(Held { bytes: first, _room: None });
    }
    let mut account = Account { pending, held: None, bytes: 0 };
    let mut read = BytesMut::with_capacity(announced.map_or(0, |length| length as usize).max(first.len()));
    let mut chunk = Some(first);
    while let Some(bytes) = chunk {
        let error = if read.len() + bytes.len() > limit {
            Some(ApiError::body_too_large(limit))
        } else {
            account.charge(bytes.len()).err()
        };
        if let Some(error) = error {
            drop((read, account));
            return Err(refuse(headers, source.body, error).await);
        }
        read.extend_from_slice(&bytes);
        chunk = source.next_or_discard(limits).await?;
    }
    Ok(Held { bytes: read.freeze(), _room: account.held })
}

/// The next piece of a body as it is; none where it has ended.
async fn next(body: &mut Body, limits: &Limits) -> Result<Option<Bytes>, ApiError> {
    loop {
        let frame = progress(limits, body.frame()).await?;
        match frame {
            None => return Ok(None),
            Some(Err(error)) => {
                return Err(ApiError::bad_request(format!("the body ended early: {error}")));
            }
            Some(Ok(frame)) => {
                if let Ok(bytes) = frame.into_data() {
                    return Ok(Some(bytes));
                }
            }
        }
    }
}

async fn progress<T>(limits: &Limits, step: impl Future<Output = T>) -> Result<T, ApiError> {
    timeout(limits.body_timeout(), step).await.map_err(|_| ApiError::too_slow(limits.body_timeout))
}

/// Refuses a request whose body was not asked for: most clients send all of it before they look at the reply, and would
/// otherwise see a broken connection.
pub async fn refuse(headers: &HeaderMap, mut body: Body, error: ApiError) -> ApiError {
    // Who asks first sends nothing after this answer.
    if !headers.contains_key(header::EXPECT) {
        discard(&mut body).await;
    }
    error
}

/// Reads on for a while and forgets what it reads.
pub async fn discard(body: &mut Body) {
    let until = Instant::now() + DISCARDING;
    let mut left = DISCARDED;
    while let Ok(Some(Ok(frame))) = timeout_at(until, body.frame()).await {
        let read = frame.data_ref().map_or(0, |bytes| bytes.len() as u64);
        let Some(rest) = left.checked_sub(read) else { return };
        left = rest;
    }
}

/// Room taken in the memory set aside for bodies that are arriving.
struct Account<'a> {
    pending: &'a Arc<Semaphore>,
    held: Option<OwnedSemaphorePermit>,
    bytes: usize,
}

impl Account<'_> {
    /// Takes room for `bytes` more.
    fn charge(&mut self, bytes: usize) -> Result<(), ApiError> {
        let before = self.bytes.div_ceil(PENDING_BLOCK);
        self.bytes += bytes;
        let blocks = (self.bytes.div_ceil(PENDING_BLOCK) - before) as u32;
        let permit = self.pending.clone().try_acquire_many_owned(blocks).map_err(|_| ApiError::too_many_bytes())?;
        match &mut self.held {
            Some(held) => held.merge(permit),
            None => self.held = Some(permit),
        }
        Ok(())
    }
}
