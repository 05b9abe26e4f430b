//! The operator's own HTTP: `/livez`, `/readyz` and `/metrics`.
//!
//! Liveness never depends on the API server: a restart would not bring it back.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::metrics::Metrics;

/// Longest wait for the headers of a request, and for the whole of a connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(60);
/// Most connections at a time.
const CONNECTIONS: usize = 32;

/// What the probes answer from.
#[derive(Debug)]
pub struct Probes {
    metrics: Arc<Metrics>,
    ready: AtomicBool,
}

impl Probes {
    /// Not ready yet.
    pub fn new(metrics: Arc<Metrics>) -> Probes {
        Probes { metrics, ready: AtomicBool::new(false) }
    }

    /// Says whether every store is filled and the controllers run.
    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Relaxed);
    }

    fn answer(&self, method: &Method, path: &str) -> (StatusCode, &'static str, String) {
        let text = "text/plain; charset=utf-8";
        match path {
            _ if method != Method::GET && method != Method::HEAD => {
                (StatusCode::METHOD_NOT_ALLOWED, text, "only GET\n".to_owned())
            }
            "/livez" => (StatusCode::OK, text, "ok\n".to_owned()),
            "/readyz" if self.ready.load(Ordering::Relaxed) => (StatusCode::OK, text, "ok\n".to_owned()),
            "/readyz" => {
                (StatusCode::SERVICE_UNAVAILABLE, text, "the cluster's objects are still being listed\n".to_owned())
            }
            "/metrics" => match self.metrics.encode() {
                Ok(metrics) => (StatusCode::OK, "application/openmetrics-text; version=1.0.0; charset=utf-8", metrics),
                Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, text, format!("{error}\n")),
            },
            _ => (StatusCode::NOT_FOUND, text, "there are /livez, /readyz and /metrics\n".to_owned()),
        }
    }
}

/// Binds `address`. Port 0 takes a free one.
pub async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Answers until `shutdown`.
pub async fn serve(listener: TcpListener, probes: Arc<Probes>, shutdown: impl Future<Output = ()>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    tokio::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            // Out of file handles, for example: some will be free soon.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let Ok(place) = room.clone().try_acquire_owned() else { continue };
        let probes = probes.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let (status, content_type, body) = probes.answer(request.method(), request.uri().path());
                let mut response = Response::new(Full::new(Bytes::from(body)));
                *response.status_mut() = status;
                response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(content_type));
                std::future::ready(Ok::<_, Infallible>(response))
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .serve_connection(TokioIo::new(stream), service);
            // A client that hung up is nobody's business.
            let _ = tokio::time::timeout(CONNECTION_TIMEOUT, connection).await;
            drop(place);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_comes_with_the_stores_and_liveness_without() {
        let probes = Probes::new(Arc::new(Metrics::default()));
        let status = |path| probes.answer(&Method::GET, path).0;
        assert_eq!(status("/livez"), StatusCode::OK);
        assert_eq!(status("/readyz"), StatusCode::SERVICE_UNAVAILABLE);
        probes.set_ready(true);
        assert_eq!(status("/readyz"), StatusCode::OK);
        assert_eq!(status("/nowhere"), StatusCode::NOT_FOUND);
        assert_eq!(probes.answer(&Method::POST, "/livez").0, StatusCode::METHOD_NOT_ALLOWED);
    }

    #[test]
    fn metrics_are_open_metrics() {
        let metrics = Arc::new(Metrics::default());
        metrics.reconciled("training-run", "ok", Duration::from_millis(3));
        let (status, content_type, body) = Probes::new(metrics).answer(&Method::GET, "/metrics");
        assert_eq!(status, StatusCode::OK);
        assert!(content_type.starts_with("application/openmetrics-text"));
        assert!(
            body.contains(r#"slipway_operator_reconciles_total{controller="training-run",outcome="ok"} 1"#),
            "{body}"
        );
        assert!(body.ends_with("# EOF\n"), "{body}");
    }
}
