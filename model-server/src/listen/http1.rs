//! Connections of HTTP/1: one request after the other.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::sync::watch;
use tower::Service;

use super::guard::{Guard, Turns};
use super::{MAX_HEAD_BYTES, Stage, Stream, Timeouts, reaches};

/// Serves a connection to its end.
pub async fn serve(
    stream: Stream,
    router: Router,
    timeouts: Timeouts,
    mut stage: watch::Receiver<Stage>,
) -> hyper::Result<()> {
    let turns = Turns::default();
    let io = TokioIo::new(Guard::new(stream, timeouts, turns.clone()));
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        turns.next();
        let turns = turns.clone();
        let answer = router.clone().call(request.map(Body::new));
        async move {
            let response = answer.await.unwrap_or_else(|never| match never {});
            Ok::<_, Infallible>(response.map(|body| Reply { body, turns }))
        }
    });
    let connection =
        http1::Builder::new().header_read_timeout(None).max_buf_size(MAX_HEAD_BYTES).serve_connection(io, service);
    let mut connection = pin!(connection);
    tokio::select! {
        biased;
        ended = connection.as_mut() => return ended,
        () = reaches(&mut stage, Stage::Closing) => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

/// The body of a reply. With it ends the server's turn: until then the caller may still be sending rows of a stream.
struct Reply {
    body: Body,
    turns: Turns,
}

impl hyper::body::Body for Reply {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.turns.next();
    }
}
