//! Stands between one operator and the API server: notes every write, and does to it what the script says.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use bytes::Bytes;
use futures::StreamExt;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, BodyStream, Full, StreamBody};
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING,
};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use crate::api::Api;
use crate::call::Call;
use crate::fault::{DELAY, Fault, Script, Side};
use crate::journal::{Entry, Journal};

/// Longest that an answer is kept from the operator: longer than it waits for one.
const STALL: Duration = Duration::from_secs(60);

type Body = UnsyncBoxBody<Bytes, hyper::Error>;
type Answered = Result<Response<Body>, Lost>;

/// A proxy, gone with all its connections when dropped.
#[derive(Debug)]
pub struct Proxy {
    /// Where it listens, without TLS.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    serving: AbortHandle,
}

struct Shared {
    api: Api,
    script: Option<Script>,
    began: Instant,
    life: AtomicUsize,
    journal: Mutex<Journal>,
    writes: watch::Sender<usize>,
    /// Kills the operator and starts another one.
    replace: OnceLock<Box<dyn Fn() + Send + Sync>>,
    watches: watch::Sender<Watching>,
}

/// What is done to watches.
#[derive(Clone, Copy, Debug, Default)]
struct Watching {
    /// How often those that were open have been ended, and silenced.
    cuts: usize,
    mutes: usize,
    /// Until when they are held, and the plural of the kind where it is only one.
    held: Option<(Instant, Option<&'static str>)>,
}

impl Watching {
    /// Whether something has been done to a watch that was opened then.
    fn has_ended(self, opened: Watching) -> bool {
        (self.cuts, self.mutes) != (opened.cuts, opened.mutes)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("script", &self.script).finish_non_exhaustive()
    }
}

/// The connection ends without an answer.
#[derive(Debug)]
struct Lost;

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the answer is lost")
    }
}

impl std::error::Error for Lost {}

impl Proxy {
    /// A proxy that asks in the name of whom `api` stands for.
    pub async fn start(api: Api, script: Option<Script>) -> Result<Proxy> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let shared = Arc::new(Shared {
            api,
            script,
            began: Instant::now(),
            life: AtomicUsize::new(1),
            journal: Mutex::default(),
            writes: watch::Sender::new(0),
            replace: OnceLock::new(),
            watches: watch::Sender::default(),
        });
        let address = listener.local_addr()?;
        let serving = tokio::spawn(serve(listener, shared.clone())).abort_handle();
        Ok(Proxy { address, shared, serving })
    }

    /// Says how the operator is killed and the next one started.
    pub fn on_kill(&self, replace: impl Fn() + Send + Sync + 'static) {
        // Said once.
        let _ = self.shared.replace.set(Box::new(replace));
    }

    /// Kills the operator and starts the next one.
    pub async fn kill(&self) {
        let _ = self.shared.clone().kill().await;
    }

    /// The writes so far.
    pub fn journal(&self) -> Journal {
        self.shared.journal().clone()
    }

    /// A receiver that is told of each write by its number.
    pub fn writes(&self) -> watch::Receiver<usize> {
        self.shared.writes.subscribe()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Serves until it is dropped, and its connections with it.
async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let _ = stream.set_nodelay(true);
        let (shared, life) = (shared.clone(), shared.life.load(Ordering::Relaxed));
        connections.spawn(async move {
            let service = service_fn(move |request| shared.clone().handle(life, request));
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service);
            // One that the operator, or its end, has closed.
            let _ = connection.await;
        });
    }
}

impl Shared {
    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn handle(self: Arc<Self>, life: usize, request: Request<Incoming>) -> Answered {
        let call =
            Call::parse(request.method().as_str(), request.uri().path(), request.uri().query().unwrap_or_default());
        if call.is_write() { self.write(life, call, request).await } else { self.read(&call, request).await }
    }

    async fn read(&self, call: &Call, request: Request<Incoming>) -> Answered {
        let opened = *self.watches.borrow();
        let response = self.api.send(forwarded(request).await?).await.map_err(|_| Lost)?;
        let (mut head, body) = response.into_parts();
        strip(&mut head.headers);
        let body = if call.is_watch {
            interruptible(body, call.resource.clone(), opened, self.watches.subscribe())
        } else {
            body.boxed_unsync()
        };
        Ok(Response::from_parts(head, body))
    }

    async fn write(self: Arc<Self>, life: usize, mut call: Call, request: Request<Incoming>) -> Answered {
        let request = forwarded(request).await?;
        if call.name.is_empty() {
            let body =
                request.body().clone().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
            let object: Value = serde_json::from_slice(&body).unwrap_or_default();
            object["metadata"]["name"].as_str().unwrap_or_default().clone_into(&mut call.name);
        }
        let (number, fault) = self.begin(life, call);
        match fault {
            // A storm comes from elsewhere.
            None | Some(Fault::Storm) => self.forward(number, request).await,
            Some(Fault::Kill(Side::Before)) => Err(self.kill().await),
            Some(Fault::Kill(Side::After)) => {
                let _ = self.clone().forward(number, request).await;
                Err(self.kill().await)
            }
            Some(Fault::Lose) => {
                let _ = self.forward(number, request).await;
                Err(Lost)
            }
            Some(Fault::Delay) => {
                tokio::time::sleep(DELAY).await;
                self.forward(number, request).await
            }
            Some(Fault::Answer(code, Side::Before)) => Ok(refusal(code)),
            Some(Fault::Answer(code, Side::After)) => {
                let _ = self.forward(number, request).await;
                Ok(refusal(code))
            }
            Some(Fault::Stall) => {
                tokio::time::sleep(STALL).await;
                Err(Lost)
            }
            Some(Fault::CutWatches) => {
                self.watches.send_modify(|watching| watching.cuts += 1);
                self.forward(number, request).await
            }
            Some(Fault::MuteWatches) => {
                self.watches.send_modify(|watching| watching.mutes += 1);
                self.forward(number, request).await
            }
            Some(Fault::Hold(kind)) => {
                let held = (Instant::now() + DELAY, kind.map(|kind| kind.plural));
                self.watches.send_modify(|watching| watching.held = Some(held));
                self.forward(number, request).await
            }
        }
    }

    fn begin(&self, life: usize, call: Call) -> (usize, Option<Fault>) {
        let mut journal = self.journal();
        let fault = self.script.and_then(|script| script.fault_at(journal.len() + 1));
        let entry = Entry { at: self.began.elapsed(), life, call, code: None, version: String::new(), fault };
        let number = journal.begin(entry);
        drop(journal);
        self.writes.send_replace(number);
        (number, fault)
    }

    /// Carries a write to its end even where nobody waits for the answer any more: what is on its way arrives.
    async fn forward(self: Arc<Self>, number: usize, request: Request<Full<Bytes>>) -> Answered {
        let carrying = tokio::spawn(async move {
            let response = self.api.send(request).await.map_err(|_| Lost)?;
            let (mut head, body) = response.into_parts();
            let body = body.collect().await.map_err(|_| Lost)?.to_bytes();
            let object: Value = serde_json::from_slice(&body).unwrap_or_default();
            let version = object["metadata"]["resourceVersion"].as_str().unwrap_or_default();
            self.journal().answer(number, head.status.as_u16(), version);
            strip(&mut head.headers);
            Ok(Response::from_parts(head, full(body)))
        });
        carrying.await.map_err(|_| Lost)?
    }

    async fn kill(self: Arc<Self>) -> Lost {
        let killing = tokio::task::spawn_blocking(move || {
            self.life.fetch_add(1, Ordering::Relaxed);
            if let Some(replace) = self.replace.get() {
                replace();
            }
        });
        // The answer is lost either way.
        let _ = killing.await;
        Lost
    }
}

/// The request for the API server: its body is known, and the answer must be readable here.
async fn forwarded(request: Request<Incoming>) -> Result<Request<Full<Bytes>>, Lost> {
    let (mut head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Lost)?.to_bytes();
    strip(&mut head.headers);
    for header in [HOST, AUTHORIZATION, ACCEPT_ENCODING] {
        head.headers.remove(header);
    }
    head.version = hyper::Version::HTTP_11;
    Ok(Request::from_parts(head, Full::new(body)))
}

/// What belongs to one connection.
fn strip(headers: &mut hyper::HeaderMap) {
    for header in [CONNECTION, TRANSFER_ENCODING, CONTENT_LENGTH] {
        headers.remove(header);
    }
}

fn full(body: Bytes) -> Body {
    Full::new(body).map_err(|never| match never {}).boxed_unsync()
}

fn refusal(code: u16) -> Response<Body> {
    let message = "the rig says so";
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message, "reason": "Rig"});
    let mut response = Response::new(full(Bytes::from(status.to_string())));
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
    response
}

/// A watch that ends when it is cut, goes on in silence when it is muted, and is late when it is held.
fn interruptible(body: Incoming, resource: String, opened: Watching, watches: watch::Receiver<Watching>) -> Body {
    let (tell, told) = futures::channel::oneshot::channel();
    let mut changes = watches.clone();
    let interrupted = async move {
        if let Ok(now) = changes.wait_for(|now| now.has_ended(opened)).await {
            // Nobody listens where the watch has ended by itself.
            let _ = tell.send(now.mutes > opened.mutes);
        }
    };
    let silence = futures::stream::once(async move {
        if told.await.is_ok_and(|is_muted| is_muted) {
            futures::future::pending::<()>().await;
        }
    });
    let silence = silence.filter_map(|()| futures::future::ready(None));
    let late = BodyStream::new(body).then(move |frame| {
        let held = watches.borrow().held.filter(|(_, kind)| kind.is_none_or(|kind| kind == resource));
        async move {
            if let Some((until, _)) = held {
                tokio::time::sleep_until(until.into()).await;
            }
            frame
        }
    });
    BodyExt::boxed_unsync(StreamBody::new(late.take_until(interrupted).chain(silence)))
}

#[cfg(test)]
mod tests;
