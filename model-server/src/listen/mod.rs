//! Connections: accepted up to a cap, guarded by timers, closed without breaking a request.

mod guard;
mod http1;
mod http2;
mod loops;
mod stream;
pub mod tls;
mod unacked;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures::FutureExt;
use prometheus_client::metrics::gauge::Gauge;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

pub use guard::Timeouts;
pub use loops::Loops;
pub use stream::Stream;
use tls::Tls;

use crate::config::Limits;

/// Largest head of a request, bytes; also the most that is read at a time.
const MAX_HEAD_BYTES: usize = 64 << 10;
/// How long accepting pauses when the system has no room for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Most connections that are told at the same time that there are too many; the others are just closed.
const MAX_REFUSALS: usize = 64;
/// How long that may take.
const REFUSING: Duration = Duration::from_secs(1);

const FULL: &[u8] = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nConnection: close\r\n\
    Content-Type: application/json\r\nContent-Length: 41\r\n\r\n{\"error\":\"too many connections are open\"}";

/// How far a listener is on its way to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Connections are accepted.
    Open,
    /// No new ones are; the open ones go on.
    NoNew,
    /// The open ones end as soon as they have answered.
    Closing,
}

/// What connections are allowed.
#[derive(Clone, Debug)]
pub struct Options {
    /// Timers.
    pub timeouts: Timeouts,
    /// Most connections.
    pub max_connections: usize,
    /// How connections are encrypted, if they are.
    pub tls: Option<Arc<Tls>>,
    /// The threads that serve connections; none for the one that accepts them.
    pub loops: Option<Loops>,
}

impl Options {
    /// From the flags.
    pub fn new(limits: &Limits) -> Options {
        let timeouts = Timeouts {
            header: Duration::from_secs(limits.header_timeout),
            idle: Duration::from_secs(limits.idle_timeout),
            write: limits.body_timeout(),
        };
        Options { timeouts, max_connections: limits.max_connections, tls: None, loops: None }
    }
}

/// What a listener tells about itself.
pub trait Watcher: Clone + Send + Sync + 'static {
    /// The number of open connections.
    fn connections(&self) -> &Gauge;
    /// A connection was turned away.
    fn refused(&self);
}

/// Serves `router` on `listener` until `stage` is [`Stage::Closing`] and every connection has ended.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    options: Options,
    mut stage: watch::Receiver<Stage>,
    watcher: impl Watcher,
) {
    let room = Arc::new(Semaphore::new(options.max_connections));
    let refusals = Arc::new(Semaphore::new(MAX_REFUSALS));
    let stages = stage.clone();
    let mut closed = pin!(reaches(&mut stage, Stage::NoNew));
    let admit = |stream: TcpStream| {
        if let Ok(permit) = room.clone().try_acquire_owned() {
            let (tls, router, stages) = (options.tls.clone(), router.clone(), stages.clone());
            let (timeouts, gauge) = (options.timeouts, watcher.connections().clone());
            let serve = move |stream| counted(connection(stream, tls, router, timeouts, stages), permit, gauge);
            match &options.loops {
                None => drop(tokio::spawn(serve(stream))),
                Some(loops) => {
                    if let Err(error) = loops.spawn(stream, serve) {
                        tracing::warn!(%error, "cannot hand over a connection");
                    }
                }
            }
        } else {
            watcher.refused();
            // Under TLS there is nothing to be said before the handshake.
            if options.tls.is_none()
                && let Ok(permit) = refusals.clone().try_acquire_owned()
            {
                tokio::spawn(async move {
                    // Who does not read the answer does without it.
                    let _ = timeout(REFUSING, turn_away(stream)).await;
                    drop(permit);
                });
            }
        }
    };
    loop {
        tokio::select! {
            biased;
            () = &mut closed => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => admit(stream),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
    // Whoever has connected already believes to be served.
    while let Some(Ok((stream, _))) = listener.accept().now_or_never() {
        admit(stream);
    }
    drop(listener);
    // All permits are back when the last connection has ended.
    let _ = room.acquire_many(u32::try_from(options.max_connections).unwrap_or(u32::MAX)).await;
}

/// Waits until `stage` is at least `wanted`, or nobody can move it any more.
async fn reaches(stage: &mut watch::Receiver<Stage>, wanted: Stage) {
    let _ = stage.wait_for(|stage| *stage >= wanted).await;
}

/// Says that there are too many connections, and waits until the other side has understood.
async fn turn_away(mut stream: TcpStream) -> std::io::Result<()> {
    stream.write_all(FULL).await?;
    stream.shutdown().await?;
    let mut ignored = [0; 1024];
    while stream.read(&mut ignored).await? > 0 {}
    Ok(())
}

async fn counted(connection: impl Future<Output = ()>, permit: OwnedSemaphorePermit, gauge: Gauge) {
    gauge.inc();
    connection.await;
    gauge.dec();
    drop(permit);
}

async fn connection(
    stream: TcpStream,
    tls: Option<Arc<Tls>>,
    router: Router,
    timeouts: Timeouts,
    mut stage: watch::Receiver<Stage>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let greeted = tokio::select! {
        biased;
        greeted = timeout(timeouts.header, greet(stream, tls)) => greeted,
        () = reaches(&mut stage, Stage::Closing) => return,
    };
    let ended = match greeted {
        // Where nothing came, nothing was asked.
        Err(_) => return,
        Ok(Ok(Greeted { stream, is_http2: false })) => http1::serve(stream, router, timeouts, stage).await,
        // Most connections need not hold what this takes.
        Ok(Ok(Greeted { stream, is_http2: true })) => Box::pin(http2::serve(stream, router, timeouts, stage)).await,
        Ok(Err(error)) => {
            tracing::debug!(%error, "a connection did not begin");
            return;
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// A connection of which is known what it speaks.
struct Greeted {
    stream: Stream,
    is_http2: bool,
}

/// Finds out what a client speaks.
async fn greet(stream: TcpStream, tls: Option<Arc<Tls>>) -> std::io::Result<Greeted> {
    let Some(tls) = tls else {
        let is_http2 = begins_http2(&stream).await?;
        return Ok(Greeted { stream: Stream::Plain(stream), is_http2 });
    };
    let stream = Box::pin(tls.acceptor().accept(stream)).await?;
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(tls::HTTP2);
    Ok(Greeted { stream: Stream::Tls(Box::new(stream.into())), is_http2 })
}

/// Whether a client begins with the preface of HTTP/2, of which no other request has the first letters.
async fn begins_http2(stream: &TcpStream) -> std::io::Result<bool> {
    let mut first = [0; 3];
    let count = stream.peek(&mut first).await?;
    Ok(first[..count] == *b"PRI")
}
