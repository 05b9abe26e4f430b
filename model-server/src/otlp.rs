//! Spans of requests that are part of a trace, sent to a collector as OTLP: JSON over HTTP.
//!
//! What is sent never holds a request up: where the collector is slow or away, spans are dropped and counted.
//!
//! <https://opentelemetry.io/docs/specs/otlp>

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::Uri;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use crate::api::trace::Trace;
use crate::metrics::Metrics;
use crate::probe;

/// Most spans that wait to be sent.
const MAX_WAITING: usize = 4_096;
/// Most spans of a message.
const MAX_TOGETHER: usize = 512;
/// How long spans wait for others.
const PAUSE: Duration = Duration::from_secs(2);
/// How long the collector may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Where collectors take traces.
const PATH: &str = "/v1/traces";

/// What the server did for a trace.
#[derive(Clone, Debug)]
pub struct Span {
    /// The trace, and the span's own number in it.
    pub trace: Trace,
    /// The route, as metrics name it.
    pub route: &'static str,
    /// The method of HTTP, one of those that are known.
    pub method: &'static str,
    /// The status of the answer; for gRPC the one that it has over REST.
    pub status: u16,
    /// When it began.
    pub begun: SystemTime,
    /// How long it took.
    pub duration: Duration,
}

enum Message {
    Span(Box<Span>),
    /// Sends what waits, and says so.
    Flush(oneshot::Sender<()>),
}

/// Sends spans.
#[derive(Clone, Debug)]
pub struct Exporter {
    sender: mpsc::Sender<Message>,
    metrics: Metrics,
}

impl Exporter {
    /// Sends spans of a server of `model` to the collector at `endpoint`, from now on.
    pub fn start(endpoint: &Uri, model: &str, version: &str, metrics: Metrics) -> Exporter {
        let (sender, receiver) = mpsc::channel(MAX_WAITING);
        let attributes = [("service.name", model), ("service.version", version)];
        let attributes = attributes.map(|(key, value)| attribute(key, &json!({"stringValue": value})));
        let resource = json!({"attributes": attributes});
        tokio::spawn(run(receiver, address(endpoint), resource, metrics.clone()));
        Exporter { sender, metrics }
    }

    /// Sends a span soon, if there is room for it.
    pub fn export(&self, span: Span) {
        if self.sender.try_send(Message::Span(Box::new(span))).is_err() {
            self.metrics.spans(0, 1);
        }
    }

    /// Sends what waits.
    pub async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        let flushing = async {
            if self.sender.send(Message::Flush(done)).await.is_ok() {
                // Who has ended has nothing to send.
                let _ = flushed.await;
            }
        };
        if timeout(PATIENCE, flushing).await.is_err() {
            tracing::warn!("the last spans were not sent in time");
        }
    }
}

/// Where traces go: the path may be left out.
fn address(endpoint: &Uri) -> Uri {
    if endpoint.path() != "/" {
        return endpoint.clone();
    }
    let text = format!("{}{PATH}", endpoint.to_string().trim_end_matches('/'));
    text.parse().unwrap_or_else(|_| endpoint.clone())
}

async fn run(mut receiver: mpsc::Receiver<Message>, address: Uri, resource: Value, metrics: Metrics) {
    let mut failing = false;
    while let Some(first) = receiver.recv().await {
        let until = Instant::now() + PAUSE;
        let (mut spans, mut flushed) = (Vec::new(), None);
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                Message::Span(span) => spans.push(in_json(&span)),
                Message::Flush(done) => flushed = Some(done),
            }
            let is_full = spans.len() == MAX_TOGETHER || flushed.is_some();
            next = if is_full { None } else { timeout_at(until, receiver.recv()).await.ok().flatten() };
        }
        let count = spans.len();
        if count > 0 {
            let scope = json!({"name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION")});
            let body =
                json!({"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": scope, "spans": spans}]}]});
            let sent = send(&address, body.to_string()).await;
            metrics.spans(if sent.is_ok() { count } else { 0 }, if sent.is_ok() { 0 } else { count });
            // Once for every time that the collector is away, not for every message.
            match &sent {
                Err(reason) if !failing => tracing::warn!(%address, reason, "cannot send spans"),
                Ok(()) if failing => tracing::info!(%address, "spans are sent again"),
                _ => {}
            }
            failing = sent.is_err();
        }
        if let Some(done) = flushed {
            // Who does not wait any more need not be told.
            let _ = done.send(());
        }
    }
}

async fn send(address: &Uri, body: String) -> Result<(), String> {
    let answer = timeout(PATIENCE, probe::exchange(address, Some(body), None)).await;
    let (status, _) = answer.map_err(|_| "no answer in time".to_owned())?.map_err(|error| error.to_string())?;
    if status.is_success() { Ok(()) } else { Err(format!("the collector answered {status}")) }
}

fn attribute(key: &str, value: &Value) -> Value {
    json!({"key": key, "value": value})
}

/// A span as OTLP writes it in JSON: identifiers as hexadecimal digits, whole numbers of 64 bits as texts.
fn in_json(span: &Span) -> Value {
    let begun = span.begun.duration_since(UNIX_EPOCH).unwrap_or_default();
    let nanoseconds = |time: Duration| time.as_nanos().to_string();
    // SPAN_KIND_SERVER; and STATUS_CODE_ERROR only where the fault is the server's.
    let (kind, is_error) = (2, span.status >= 500);
    json!({
        "traceId": span.trace.id(),
        "spanId": span.trace.span(),
        "parentSpanId": span.trace.caller(),
        "name": format!("{} {}", span.method, span.route),
        "kind": kind,
        "startTimeUnixNano": nanoseconds(begun),
        "endTimeUnixNano": nanoseconds(begun + span.duration),
        "attributes": [
            attribute("http.request.method", &json!({"stringValue": span.method})),
            attribute("http.route", &json!({"stringValue": span.route})),
            attribute("http.response.status_code", &json!({"intValue": span.status.to_string()})),
        ],
        "status": if is_error { json!({"code": 2}) } else { json!({}) },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_a_collector_may_be_left_out() {
        for (endpoint, expected) in [
            ("http://collector:4318", "http://collector:4318/v1/traces"),
            ("http://collector:4318/", "http://collector:4318/v1/traces"),
            ("http://collector/otlp/v1/traces", "http://collector/otlp/v1/traces"),
        ] {
            assert_eq!(address(&endpoint.parse().unwrap()).to_string(), expected);
        }
    }
}
