//! A steady caller that counts what went wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

/// An HTTP client.
pub type Http = Client<HttpConnector, Full<Bytes>>;

/// A client that keeps connections, as most callers do, or opens a new one for each request.
pub fn http(keep_alive: bool) -> Http {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(Duration::from_secs(2)));
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).pool_max_idle_per_host(if keep_alive { 32 } else { 0 }).build(connector)
}

/// Sends a request with a JSON body and reads the reply.
pub async fn post(http: &Http, url: &str, body: &Value) -> Result<(StatusCode, Value)> {
    let request = Request::builder()
        .method(Method::POST)
        .uri(url)
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body.to_string())))?;
    let response =
        tokio::time::timeout(Duration::from_secs(5), http.request(request)).await.context("no answer in 5 s")??;
    let status = response.status();
    let bytes = response.into_body().collect().await?.to_bytes();
    let value =
        serde_json::from_slice(&bytes).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&bytes).into_owned()));
    Ok((status, value))
}

/// Sends a request without a body and reads the reply as text.
pub async fn get(http: &Http, url: &str) -> Result<(StatusCode, String)> {
    let request = Request::builder().uri(url).body(Full::new(Bytes::new()))?;
    let response =
        tokio::time::timeout(Duration::from_secs(5), http.request(request)).await.context("no answer in 5 s")??;
    let status = response.status();
    Ok((status, String::from_utf8_lossy(&response.into_body().collect().await?.to_bytes()).into_owned()))
}

#[derive(Default)]
struct Counts {
    stop: AtomicBool,
    answered: AtomicU64,
    failed: AtomicU64,
    failures: Mutex<Vec<String>>,
}

/// A caller at a steady rate; half of its requests open a new connection.
pub struct Load {
    counts: Arc<Counts>,
    task: JoinHandle<()>,
}

impl Load {
    /// Begins to call, `rate` times a second.
    pub fn start(url: String, body: Value, rate: u32) -> Load {
        let counts = Arc::new(Counts::default());
        let shared = counts.clone();
        let task = tokio::spawn(async move {
            let clients = [http(true), http(false)];
            let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate);
            let mut calls = Vec::new();
            for turn in 0.. {
                ticks.tick().await;
                if shared.stop.load(Ordering::Relaxed) {
                    break;
                }
                let (http, url, body, counts) = (clients[turn % 2].clone(), url.clone(), body.clone(), shared.clone());
                calls.push(tokio::spawn(async move { counts.record(post(&http, &url, &body).await).await }));
                if calls.len() > 1_000 {
                    calls.retain(|call| !call.is_finished());
                }
            }
            futures::future::join_all(calls).await;
        });
        Load { counts, task }
    }

    /// Requests answered well so far.
    pub fn answered(&self) -> u64 {
        self.counts.answered.load(Ordering::Relaxed)
    }

    /// Stops calling and waits for the last answers. An error if a single request failed.
    pub async fn finish(self) -> Result<u64> {
        self.counts.stop.store(true, Ordering::Relaxed);
        let Load { counts, task } = self;
        task.await?;
        let (answered, failed) = (counts.answered.load(Ordering::Relaxed), counts.failed.load(Ordering::Relaxed));
        if failed > 0 {
            let failures = counts.failures.lock().await;
            bail!("{failed} of {} requests failed: {failures:#?}", answered + failed);
        }
        Ok(answered)
    }
}

impl Counts {
    async fn record(&self, result: Result<(StatusCode, Value)>) {
        let failure = match result {
            Ok((StatusCode::OK, body)) if body.get("prediction").is_some() => {
                self.answered.fetch_add(1, Ordering::Relaxed);
                return;
            }
            Ok((status, body)) => format!("{status} {body}"),
            Err(error) => format!("{error:#}"),
        };
        self.failed.fetch_add(1, Ordering::Relaxed);
        let mut failures = self.failures.lock().await;
        if failures.len() < 10 {
            failures.push(failure);
        }
    }
}
