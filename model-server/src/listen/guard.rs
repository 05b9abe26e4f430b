//! Connections with timers: for a request's headers, for the time between requests, for a reply nobody reads.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

const TOO_SLOW: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// How long a connection may keep the server waiting.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For a request's headers, from the first byte; for the first byte of a new connection.
    pub header: Duration,
    /// For the next request.
    pub idle: Duration,
    /// For a reply to move on.
    pub write: Duration,
}

/// Whose turn it is on a connection: even where the client's next request is awaited, odd while one is answered.
#[derive(Clone, Debug, Default)]
pub struct Turns(Arc<AtomicUsize>);

impl Turns {
    /// A request begins or ends.
    pub fn next(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }
}

/// A stream that ends when the other side reads nothing for too long.
#[derive(Debug)]
pub struct Flowing<S> {
    stream: S,
    timeout: Duration,
    alarm: Alarm,
}

impl<S> Flowing<S> {
    /// Gives the other side of `stream` so long to read on.
    pub fn new(stream: S, timeout: Duration) -> Flowing<S> {
        Flowing { stream, timeout, alarm: Alarm::default() }
    }

    /// The result of a write, unless the other side has read nothing for too long.
    fn written<T>(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.alarm.deadline = None;
            return result;
        }
        self.alarm.deadline.get_or_insert_with(|| Instant::now() + self.timeout);
        ready!(self.alarm.poll(cx));
        Poll::Ready(Err(io::Error::from(io::ErrorKind::TimedOut)))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Flowing<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Flowing<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.written(cx, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.written(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_flush(cx);
        self.written(cx, result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.written(cx, result)
    }
}

/// A stream of HTTP/1 with all timers.
#[derive(Debug)]
pub struct Guard<S> {
    stream: Flowing<S>,
    timeouts: Timeouts,
    turns: Turns,
    /// The turn that `heard` and `read` speak of.
    turn: usize,
    /// Whether a part of the awaited request came.
    heard: bool,
    read: Alarm,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Guard<S> {
    /// Guards `stream`; the service reports its `turns`.
    pub fn new(stream: S, timeouts: Timeouts, turns: Turns) -> Guard<S> {
        let turn = turns.get();
        let read = Alarm { deadline: Some(Instant::now() + timeouts.header), sleep: None };
        let stream = Flowing::new(stream, timeouts.write);
        Guard { stream, timeouts, turns, turn, heard: false, read }
    }

    /// Notes a change of turns. Returns whether the client's next request is awaited.
    fn awaits_request(&mut self) -> bool {
        let turn = self.turns.get();
        if turn != self.turn {
            self.turn = turn;
            self.heard = false;
            self.read.deadline = Some(Instant::now() + self.timeouts.idle);
        }
        turn.is_multiple_of(2)
    }

    /// There is nothing to read: whether to wait on.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.awaits_request() {
            // Whoever reads the body has a timer of its own.
            return Poll::Pending;
        }
        ready!(self.read.poll(cx));
        if !self.heard {
            // Nothing was asked, so that nothing is to be answered: an ordinary end.
            return Poll::Ready(Ok(()));
        }
        // As far as it can be said at once.
        let _ = Pin::new(&mut self.stream).poll_write(cx, TOO_SLOW);
        let _ = Pin::new(&mut self.stream).poll_flush(cx);
        Poll::Ready(Err(io::Error::from(io::ErrorKind::TimedOut)))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Guard<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buf) {
            Poll::Pending => self.wait(cx),
            Poll::Ready(result) => {
                if buf.filled().len() > before && self.awaits_request() && !self.heard {
                    self.heard = true;
                    self.read.deadline = Some(Instant::now() + self.timeouts.header);
                }
                Poll::Ready(result)
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guard<S> {
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
        if self.awaits_request() {
            // After a reply nothing is read until something wakes the connection: bytes, or this.
            let _ = self.read.poll(cx);
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A deadline that is cheap to move, as it moves with every request: the runtime's timer is set only when there is something
/// to wait for, and moved only where it would come too late.
#[derive(Debug, Default)]
pub struct Alarm {
    /// When it goes off, if it does.
    pub deadline: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// Whether it has gone off.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.deadline else { return Poll::Pending };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        loop {
            ready!(sleep.as_mut().poll(cx));
            if sleep.deadline() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
    }
}
