//! A stream of HTTP/2 that keeps acknowledged pings to itself.
//!
//! A server says goodbye twice: that it wants no more requests and, later, which one was the last. `h2` says the second as soon
//! as a ping has come back. Clients that use a connection from several threads, such as gRPC's, have not all heard of the first
//! by then, and `h2` takes what they still send for a breach of the protocol that ends all other requests, too. Without the
//! ping the second goodbye is never said: requests are answered as long as some come, and then the connection is closed.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a client sends first (RFC 9113, section 3.4), bytes.
const PREFACE: usize = 24;
/// Header of a frame (section 4.1), bytes.
const HEADER: usize = 9;
/// The type of a ping, and the flag that it is an answer (section 6.7).
const PING: u8 = 6;
const ACK: u8 = 1;
/// How much room a connection keeps while nothing comes, bytes.
const KEPT: usize = 1 << 10;

/// The stream.
#[derive(Debug)]
pub struct Unacked<S> {
    stream: S,
    frames: Frames,
    /// What came and is to be passed on.
    sorted: BytesMut,
}

impl<S> Unacked<S> {
    /// Of a connection that begins.
    pub fn new(stream: S) -> Unacked<S> {
        Unacked { stream, frames: Frames::default(), sorted: BytesMut::new() }
    }
}

/// Where in a frame a stream is.
#[derive(Debug)]
struct Frames {
    header: Vec<u8>,
    /// How much of the frame is to come.
    left: usize,
    is_kept: bool,
}

impl Default for Frames {
    fn default() -> Self {
        Frames { header: Vec::with_capacity(HEADER), left: PREFACE, is_kept: false }
    }
}

impl Frames {
    /// Appends to `sorted` what of `bytes` is to be passed on.
    fn sort(&mut self, mut bytes: &[u8], sorted: &mut BytesMut) {
        while !bytes.is_empty() {
            let wanted = if self.left > 0 { self.left } else { HEADER - self.header.len() };
            let (part, rest) = bytes.split_at(wanted.min(bytes.len()));
            bytes = rest;
            if self.left > 0 {
                self.left -= part.len();
                if !self.is_kept {
                    sorted.extend_from_slice(part);
                }
                continue;
            }
            self.header.extend_from_slice(part);
            if let [high, middle, low, kind, flags, ..] = self.header[..]
                && self.header.len() == HEADER
            {
                self.left = u32::from_be_bytes([0, high, middle, low]) as usize;
                self.is_kept = kind == PING && flags & ACK == ACK;
                if !self.is_kept {
                    sorted.extend_from_slice(&self.header);
                }
                self.header.clear();
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Unacked<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        while this.sorted.is_empty() {
            ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
            if buf.filled().len() == before {
                return Poll::Ready(Ok(()));
            }
            this.frames.sort(&buf.filled()[before..], &mut this.sorted);
            buf.set_filled(before);
        }
        // A header that has come in two parts may be a few bytes too many.
        let length = this.sorted.len().min(buf.remaining());
        buf.put_slice(&this.sorted[..length]);
        this.sorted.advance(length);
        if this.sorted.is_empty() && this.sorted.capacity() > KEPT {
            this.sorted = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Unacked<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_but_acknowledged_pings_is_passed_on_however_it_is_cut() {
        let frame = |kind: u8, flags: u8, payload: &[u8]| {
            let mut frame = vec![0, 0, payload.len() as u8, kind, flags, 0, 0, 0, 1];
            frame.extend_from_slice(payload);
            frame
        };
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        let (ping, ack) = (frame(6, 0, &[1; 8]), frame(6, 1, &[2; 8]));
        let (settings, data) = (frame(4, 1, &[]), frame(0, 1, &[6; 200]));
        let sent = [&preface, &settings, &ack, &ping, &data, &ack, &data].map(Vec::as_slice).concat();
        let kept = [&preface, &settings, &ping, &data, &data].map(Vec::as_slice).concat();
        for size in [1, 5, 16, 1000] {
            let (mut frames, mut sorted) = (Frames::default(), BytesMut::new());
            sent.chunks(size).for_each(|piece| frames.sort(piece, &mut sorted));
            assert!(sorted == kept, "{size}");
        }
    }
}
