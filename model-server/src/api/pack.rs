//! Replies, compressed while they are sent.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::{Body as _, Frame};
use tokio::sync::OwnedSemaphorePermit;

use super::coding::Coding;

/// Replies smaller than this gain nothing, bytes.
const WORTHWHILE: u64 = 1 << 10;
/// How much is compressed at a time, bytes.
const PIECE: usize = 32 << 10;
/// zstd's level: quick before small.
const LEVEL: i32 = 1;

/// Compresses a reply that is worth it, if `room` gives a permit.
pub fn pack(response: Response, coding: Coding, room: impl FnOnce() -> Option<OwnedSemaphorePermit>) -> Response {
    let size = response.body().size_hint().exact();
    if size.is_some_and(|size| size < WORTHWHILE) || response.headers().contains_key(header::CONTENT_ENCODING) {
        return response;
    }
    let Some(permit) = room() else { return response };
    let (mut parts, body) = response.into_parts();
    let (name, encoder) = match coding {
        Coding::Zstd => match zstd::stream::write::Encoder::new(Vec::new(), LEVEL) {
            Ok(encoder) => ("zstd", Encoder::Zstd(encoder)),
            // It is the memory that is lacking.
            Err(_) => return Response::from_parts(parts, body),
        },
        Coding::Gzip | Coding::Zlib => ("gzip", Encoder::Gzip(GzEncoder::new(Vec::new(), Compression::fast()))),
    };
    parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
    parts.headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    parts.headers.remove(header::CONTENT_LENGTH);
    let packed =
        Packed { body, rest: Bytes::new(), encoder: Some(encoder), is_stream: size.is_none(), _permit: permit };
    Response::from_parts(parts, Body::new(packed))
}

enum Encoder {
    Gzip(GzEncoder<Vec<u8>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl Encoder {
    /// Compresses `bytes`; all of it comes out at once where it is not to be waited for.
    fn write(&mut self, bytes: &[u8], at_once: bool) -> io::Result<Bytes> {
        let output = match self {
            Encoder::Gzip(encoder) => {
                encoder.write_all(bytes)?;
                if at_once {
                    encoder.flush()?;
                }
                encoder.get_mut()
            }
            Encoder::Zstd(encoder) => {
                encoder.write_all(bytes)?;
                if at_once {
                    encoder.flush()?;
                }
                encoder.get_mut()
            }
        };
        Ok(std::mem::take(output).into())
    }

    fn finish(self) -> io::Result<Bytes> {
        Ok(match self {
            Encoder::Gzip(encoder) => encoder.finish()?.into(),
            Encoder::Zstd(encoder) => encoder.finish()?.into(),
        })
    }
}

/// A body that is compressed while it is sent.
struct Packed {
    body: Body,
    /// What of the body has not been compressed.
    rest: Bytes,
    encoder: Option<Encoder>,
    /// Whether each part of the body is to be sent as it comes.
    is_stream: bool,
    _permit: OwnedSemaphorePermit,
}

impl hyper::body::Body for Packed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        loop {
            if self.encoder.is_none() {
                return Poll::Ready(None);
            }
            if self.rest.is_empty() {
                match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                    Some(Ok(frame)) => self.rest = frame.into_data().unwrap_or_default(),
                    Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                    None => {
                        let last = self.encoder.take().map(Encoder::finish).transpose();
                        let frame = |last: Option<Bytes>| Frame::data(last.unwrap_or_default());
                        return Poll::Ready(Some(last.map(frame).map_err(axum::Error::new)));
                    }
                }
            }
            let length = self.rest.len().min(PIECE);
            let piece = self.rest.split_to(length);
            let at_once = self.is_stream && self.rest.is_empty();
            let Some(encoder) = &mut self.encoder else { return Poll::Ready(None) };
            match encoder.write(&piece, at_once) {
                Ok(packed) if packed.is_empty() => {}
                Ok(packed) => return Poll::Ready(Some(Ok(Frame::data(packed)))),
                Err(error) => return Poll::Ready(Some(Err(axum::Error::new(error)))),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.encoder.is_none()
    }
}
