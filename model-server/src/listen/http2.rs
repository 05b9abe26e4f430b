//! Connections of HTTP/2, of clients that know beforehand that the server speaks it: many requests at a time.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::CONNECTION;
use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::{Notify, watch};
use tokio::task_local;
use tokio::time::{Instant, sleep_until};
use tower::Service;

use super::guard::{Alarm, Flowing};
use super::unacked::Unacked;
use super::{MAX_HEAD_BYTES, Stage, Stream, Timeouts, reaches};

/// Most requests of a connection at a time.
const MAX_STREAMS: u32 = 100;
/// How much of a body, and of all bodies of a connection, is taken in before it is asked for, bytes.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;
/// How long a client may take to understand that it is to send no more requests.
const UNDERSTOOD: Duration = Duration::from_secs(1);
/// How much of a reply is handed over at a time, bytes: the rest waits until the client has taken that.
const PIECE: usize = 64 << 10;

/// Serves a connection to its end.
pub async fn serve(
    stream: Stream,
    router: Router,
    timeouts: Timeouts,
    mut stage: watch::Receiver<Stage>,
) -> hyper::Result<()> {
    let io = TokioIo::new(Unacked::new(Flowing::new(stream, timeouts.write)));
    let life = Arc::new(Life::default());
    let service = service_fn({
        let life = life.clone();
        move |request: hyper::Request<Incoming>| {
            let request_life = RequestLife::begin(&life);
            let answer = router.clone().call(request.map(Body::new));
            async move {
                let mut response = answer.await.unwrap_or_else(|never| match never {});
                // What this header says in HTTP/1, the connection has a frame for.
                if response.headers_mut().remove(CONNECTION).is_some() {
                    request_life.0.leave.notify_one();
                }
                Ok::<_, Infallible>(response.map(|body| Reply { body, rest: Bytes::new(), _life: request_life }))
            }
        }
    });
    let connection = http2::Builder::new(Requests { patience: timeouts.write })
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD_BYTES as u32)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(PIECE)
        .serve_connection(io, service);
    let mut connection = pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = reaches(&mut stage, Stage::Closing) => {}
        () = life.leave.notified() => {}
        () = life.idle(timeouts.header, timeouts.idle) => {}
    }
    // Requests that are under way are answered; new ones go elsewhere, once the client has understood.
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        ended = connection.as_mut() => ended,
        () = life.idle(UNDERSTOOD, UNDERSTOOD) => Ok(()),
    }
}

/// What happens on a connection.
#[derive(Debug)]
struct Life {
    begun: Instant,
    /// Requests that are being answered.
    open: AtomicUsize,
    /// When the last one ended, milliseconds after the beginning.
    last: AtomicU64,
    /// Wakes who is to end the connection.
    leave: Notify,
}

impl Default for Life {
    fn default() -> Self {
        Life { begun: Instant::now(), open: AtomicUsize::new(0), last: AtomicU64::new(0), leave: Notify::new() }
    }
}

impl Life {
    /// Waits until no request is under way, and none has been for `after`, or none at all for `first` from now on.
    async fn idle(&self, first: Duration, after: Duration) {
        let (first, before) = (Instant::now() + first, self.last.load(Ordering::Acquire));
        loop {
            let until = match self.last.load(Ordering::Acquire) {
                _ if self.open.load(Ordering::Acquire) > 0 => Instant::now() + after,
                last if last == before => first,
                last => self.begun + Duration::from_millis(last) + after,
            };
            if until <= Instant::now() {
                return;
            }
            sleep_until(until).await;
        }
    }
}

/// A request, until its reply has been handed over.
struct RequestLife(Arc<Life>);

impl RequestLife {
    fn begin(life: &Arc<Life>) -> RequestLife {
        life.open.fetch_add(1, Ordering::AcqRel);
        RequestLife(life.clone())
    }
}

impl Drop for RequestLife {
    fn drop(&mut self) {
        self.0.last.store(self.0.begun.elapsed().as_millis() as u64, Ordering::Release);
        self.0.open.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The body of a reply, in pieces.
struct Reply {
    body: Body,
    rest: Bytes,
    _life: RequestLife,
}

impl Reply {
    fn next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            let frame = ready!(hyper::body::Body::poll_frame(Pin::new(&mut self.body), cx));
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(bytes))) => self.rest = bytes,
                Some(Ok(Err(other))) => return Poll::Ready(Some(Ok(other))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        let piece = self.rest.split_to(self.rest.len().min(PIECE));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}

impl hyper::body::Body for Reply {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let next = self.next(cx);
        // Every reply is sent by a task of ours; were it not, nobody would wait for this.
        let _ = HANDED.try_with(|handed| {
            handed.set(Handed { polls: handed.get().polls + 1, awaits_client: next.is_ready() });
        });
        next
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.body.size_hint();
        let rest = self.rest.len() as u64;
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(hint.lower() + rest);
        hint
    }
}

/// How far the reply of a request has been handed over.
#[derive(Clone, Copy, Debug, Default)]
struct Handed {
    /// How often a piece was asked for.
    polls: u64,
    /// Whether there was one, so that it is the client's turn to take it.
    awaits_client: bool,
}

task_local! {
    static HANDED: Cell<Handed>;
}

/// Runs the requests of a connection, and gives up those whose client takes nothing for too long.
#[derive(Clone, Debug)]
struct Requests {
    patience: Duration,
}

impl<F: Future + Send + 'static> Executor<F> for Requests {
    fn execute(&self, request: F) {
        let patience = self.patience;
        tokio::spawn(HANDED.scope(Cell::default(), async move {
            let mut request = pin!(request);
            let mut alarm = Alarm::default();
            let mut polls = 0;
            poll_fn(|cx| {
                if request.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(());
                }
                let handed = HANDED.with(Cell::get);
                if handed.polls != polls {
                    polls = handed.polls;
                    alarm.deadline = handed.awaits_client.then(|| Instant::now() + patience);
                }
                alarm.poll(cx)
            })
            .await;
        }));
    }
}
