//! SIGTERM under load, over HTTP/1.1 and HTTP/2.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use hyper::Request;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::process::Server;
use crate::support::twice;

const BODY: &str = r#"{"x": 1}"#;

/// What the clients of one server share.
struct Clients {
    address: SocketAddr,
    stop: AtomicBool,
    answered: AtomicUsize,
    failed: AtomicUsize,
}

impl Clients {
    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    fn request(&self) -> Request<String> {
        let request = Request::post(format!("http://{}/predict", self.address));
        let request = request.header("host", "x").header("content-type", "application/json");
        request.body(BODY.to_owned()).unwrap()
    }

    async fn stream(&self) -> TokioIo<TcpStream> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        TokioIo::new(stream)
    }

    fn count(&self, answered: Result<(), String>) {
        let counter = if let Err(error) = answered {
            eprintln!("failed: {error}");
            &self.failed
        } else {
            &self.answered
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// One request after the other, on a new connection where the server closes the old one.
    async fn http1(self: Arc<Self>) {
        while self.goes_on() {
            let (mut sender, connection) = http1::handshake(self.stream().await).await.unwrap();
            tokio::spawn(connection);
            let mut open = true;
            while open && self.goes_on() {
                let reply = sender.send_request(self.request()).await;
                self.count(match reply {
                    Ok(reply) => {
                        open = reply.headers().get("connection").is_none_or(|value| value != "close");
                        let status = reply.status();
                        let whole = reply.into_body().collect().await;
                        if status == 200 && whole.is_ok() { Ok(()) } else { Err(format!("{status} {whole:?}")) }
                    }
                    Err(error) => {
                        open = false;
                        Err(error.to_string())
                    }
                });
            }
        }
    }

    /// The same over HTTP/2, where a connection that takes no more is replaced.
    async fn http2(self: Arc<Self>) {
        while self.goes_on() {
            let (mut sender, connection) = http2::handshake(TokioExecutor::new(), self.stream().await).await.unwrap();
            tokio::spawn(connection);
            while self.goes_on() && sender.ready().await.is_ok() {
                self.count(match sender.send_request(self.request()).await {
                    Ok(reply) => {
                        let status = reply.status();
                        let whole = reply.into_body().collect().await;
                        if status == 200 && whole.is_ok() { Ok(()) } else { Err(format!("{status} {whole:?}")) }
                    }
                    // It was not sent, as the connection takes no more.
                    Err(error) if error.is_canceled() || format!("{error:?}").contains("NO_ERROR") => break,
                    Err(error) => Err(format!("{error:?}")),
                });
            }
        }
    }
}

/// Stops a server under 32 clients of each protocol; returns how many requests were answered, and how many failed.
fn stop_under_load(address_of: &Server) -> (usize, usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let clients = Arc::new(Clients {
        address: address_of.address,
        stop: AtomicBool::new(false),
        answered: AtomicUsize::new(0),
        failed: AtomicUsize::new(0),
    });
    let mut running = Vec::new();
    for _ in 0..32 {
        running.push(runtime.spawn(clients.clone().http1()));
        running.push(runtime.spawn(clients.clone().http2()));
    }
    let await_answers = |more: usize| {
        let begun = Instant::now();
        let until = clients.answered.load(Ordering::Relaxed) + more;
        while clients.answered.load(Ordering::Relaxed) < until && begun.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    await_answers(2_000);
    address_of.signal("-TERM");
    await_answers(2_000);
    // Within the drain period, as when a Service no longer sends anybody.
    clients.stop.store(true, Ordering::Relaxed);
    for client in running {
        runtime.block_on(client).unwrap();
    }
    (clients.answered.load(Ordering::Relaxed), clients.failed.load(Ordering::Relaxed))
}

fn stop_often(times: usize) {
    let dir = tempfile::tempdir().unwrap();
    twice().write(dir.path());
    let mut all = 0;
    for _ in 0..times {
        let server = Server::start(dir.path(), &["--drain-seconds", "10"]);
        let (answered, failed) = stop_under_load(&server);
        assert_eq!(failed, 0, "of {answered}");
        assert!(answered >= 4_000, "{answered}");
        all += answered;
        server.signal("-TERM");
        assert_eq!(server.end(), 0);
    }
    println!("{times} stops under 64 clients: {all} requests answered, none failed");
}

#[test]
fn no_request_of_64_clients_fails_when_it_stops() {
    stop_often(1);
}

#[test]
#[ignore = "stops 20 times"]
fn no_request_of_64_clients_fails_in_20_stops() {
    stop_often(20);
}
