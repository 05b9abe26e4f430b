//! Slow, greedy and hasty clients, over real connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_client::metrics::gauge::Gauge;
use slipway_model_server::api;
use slipway_model_server::config::Limits;
use slipway_model_server::listen::{self, Options, Stage, Watcher};
use slipway_model_server::state::App;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::http::{Connection, post};
use crate::support::twice;

/// A server on a thread of its own; it stops when dropped.
pub struct Server {
    pub address: SocketAddr,
    pub app: Arc<App>,
    pub stage: watch::Sender<Stage>,
    ended: Option<std::thread::JoinHandle<()>>,
}

#[derive(Clone)]
struct Counted(Arc<App>);

impl Watcher for Counted {
    fn connections(&self) -> &Gauge {
        &self.0.metrics.connections
    }

    fn refused(&self) {}
}

impl Server {
    fn start(limits: Limits) -> Server {
        Server::of(twice().app_within(limits))
    }

    /// Serves `app`.
    pub fn of(app: Arc<App>) -> Server {
        let options = Options::new(&app.settings.limits);
        Server::with(app, options)
    }

    /// Serves `app` on connections with `options`.
    pub fn with(app: Arc<App>, options: Options) -> Server {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (stage, stages) = watch::channel(Stage::Open);
        let (router, watcher) = (api::router(app.clone()), Counted(app.clone()));
        let ended = std::thread::spawn(move || {
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                listen::serve(listener, router, options, stages, watcher).await;
            });
        });
        Server { address, app, stage, ended: Some(ended) }
    }

    fn connect(&self) -> Connection {
        Connection::open(self.address).unwrap()
    }

    /// Waits until so many connections are open.
    pub fn await_connections(&self, count: i64) {
        let begun = Instant::now();
        while self.app.metrics.connections.get() != count {
            assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", self.app.metrics.connections);
            std::thread::yield_now();
        }
    }
}

impl Server {
    /// Waits for the end.
    pub fn join(&mut self) {
        if let Some(ended) = self.ended.take() {
            ended.join().unwrap();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stage.send_replace(Stage::Closing);
        self.join();
    }
}

fn short() -> Limits {
    Limits { header_timeout: 1, body_timeout: 1, idle_timeout: 1, ..Limits::default() }
}

const ROW: &str = r#"{"x": 2}"#;

#[test]
fn slow_headers_are_cut_off_while_others_are_served() {
    let server = Server::start(Limits { idle_timeout: 60, ..short() });
    let mut silent = server.connect();
    let mut slow = server.connect();
    let mut polite = server.connect();
    assert_eq!(polite.post("/predict", ROW).unwrap().status, 200);
    let begun = Instant::now();
    slow.write("POST /predict HTTP/1.1\r\nHost: x\r\n").unwrap();
    assert_eq!(slow.read().unwrap().unwrap().status, 408);
    assert!(slow.is_closed());
    assert!(silent.is_closed());
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(polite.post("/predict", ROW).unwrap().status, 200, "between requests there is more time");
    polite.write("POST /predict HTTP/1.1\r\n").unwrap();
    assert_eq!(polite.read().unwrap().unwrap().status, 408, "but not within the next one");
}

#[test]
fn a_connection_without_requests_is_closed() {
    let server = Server::start(Limits { header_timeout: 60, ..short() });
    let mut idle = server.connect();
    assert_eq!(idle.get("/v2").unwrap().status, 200);
    let begun = Instant::now();
    assert!(idle.is_closed());
    assert!(begun.elapsed() >= Duration::from_millis(900), "{:?}", begun.elapsed());
}

#[test]
fn a_body_that_stands_still_is_408_and_one_that_moves_is_read() {
    let server = Server::start(Limits { idle_timeout: 60, ..short() });
    let mut stuck = server.connect();
    stuck.write(&post("/predict", ROW)[..post("/predict", ROW).len() - 2]).unwrap();
    let reply = stuck.read().unwrap().unwrap();
    assert_eq!(reply.status, 408);
    assert!(reply.body.contains("nothing of the body came for 1 seconds"), "{}", reply.body);
    assert!(stuck.is_closed());

    let mut moving = server.connect();
    let request = post("/predict", ROW);
    let (head, body) = request.split_at(request.len() - ROW.len());
    moving.write(head).unwrap();
    for byte in body.bytes() {
        std::thread::sleep(Duration::from_millis(300));
        moving.write([byte]).unwrap();
    }
    assert_eq!(moving.read().unwrap().unwrap().status, 200);
}

#[test]
fn a_body_that_is_too_large_is_413_however_it_is_sent() {
    let server = Server::start(Limits { max_body_bytes: 100_000, ..Limits::default() });
    let large = format!("{{\"x\": 1, \"y\": \"{}\"}}", "y".repeat(300_000));
    let mut announced = server.connect();
    let reply = announced.post("/predict", &large).unwrap();
    assert_eq!(reply.status, 413, "{}", reply.body);
    assert!(reply.body.contains("the body is larger than 100000 bytes"), "{}", reply.body);
    assert!(reply.headers.contains("connection: close"));

    let mut chunked = server.connect();
    let head = "POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    chunked.write(format!("{head}{:x}\r\n{large}\r\n0\r\n\r\n", large.len())).unwrap();
    assert_eq!(chunked.read().unwrap().unwrap().status, 413);

    let mut asking = server.connect();
    let head = "POST /predict HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1000000000\r\n\r\n";
    asking.write(head).unwrap();
    assert_eq!(asking.read().unwrap().unwrap().status, 413, "nothing had to be sent");
}

#[test]
fn a_refusal_reaches_clients_that_send_everything_first() {
    let server = Server::start(Limits::default());
    let body = format!("{ROW}{}", " ".repeat(10_000_000));
    for (path, status) in
        [("/nothing", 404), ("/v2", 405), ("/v2/models/other/infer", 404), ("/v1/models/other:predict", 404)]
    {
        assert_eq!(server.connect().post(path, &body).unwrap().status, status, "{path}");
    }
    let csv = post("/predict", &body).replace("application/json", "text/plain");
    let mut client = server.connect();
    client.write(csv).unwrap();
    assert_eq!(client.read().unwrap().unwrap().status, 415);
}

#[test]
fn a_client_that_does_not_read_its_replies_is_dropped() {
    let server = Server::start(short());
    let mut client = server.connect();
    let rows = format!("[{}]", vec![ROW; 100_000].join(","));
    client.write(post("/predict", &rows).repeat(4)).unwrap();
    server.await_connections(1);
    server.await_connections(0);
    drop(client);
}

#[test]
fn bodies_in_chunks_and_in_pieces_are_read() {
    let server = Server::start(Limits::default());
    let mut client = server.connect();
    client.write("POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{\"x\r\n").unwrap();
    client.write("5\r\n\": 2}\r\n0\r\n\r\n").unwrap();
    assert!(client.read().unwrap().unwrap().body.contains("\"prediction\":4.0"));
    let filler = " ".repeat(500_000);
    assert_eq!(client.post("/predict", &format!("{filler}{ROW}")).unwrap().status, 200);
}

#[test]
fn too_many_bytes_under_way_are_429() {
    let server = Server::start(Limits { max_pending_bytes: 40_000, ..Limits::default() });
    let body = format!("{}{ROW}", " ".repeat(1_000_000));
    let mut client = server.connect();
    let reply = client.post("/predict", &body).unwrap();
    assert_eq!(reply.status, 429, "{}", reply.body);
    assert!(reply.headers.contains("retry-after: 1"));
    assert_eq!(server.connect().post("/predict", ROW).unwrap().status, 200, "what was held is given back");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = Server::start(Limits::default());
    let mut client = server.connect();
    let all: String = (0..50).map(|x| post("/predict", &format!("{{\"x\": {x}}}"))).collect();
    client.write(all).unwrap();
    for x in 0..50 {
        let reply = client.read().unwrap().unwrap();
        assert!(reply.body.contains(&format!("\"prediction\":{:?}", 2.0 * f64::from(x))), "{}", reply.body);
    }
}

#[test]
fn what_is_no_http_is_refused() {
    let server = Server::start(Limits::default());
    let mut noise = server.connect();
    noise.write("\x16\x03\x01 this is no HTTP\r\n\r\n").unwrap();
    assert_eq!(noise.read().unwrap().unwrap().status, 400);
    let mut wide = server.connect();
    wide.write(format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(200_000))).unwrap();
    assert_eq!(wide.read().unwrap().unwrap().status, 431);
}

#[test]
fn no_more_connections_than_allowed() {
    let server = Server::start(Limits { max_connections: 2, ..Limits::default() });
    let held = [server.connect(), server.connect()];
    server.await_connections(2);
    let reply = server.connect().get("/v2").unwrap();
    assert_eq!((reply.status, reply.body.as_str()), (429, "{\"error\":\"too many connections are open\"}"));
    drop(held);
    server.await_connections(0);
    assert_eq!(server.connect().get("/v2").unwrap().status, 200);
}

#[test]
fn closing_finishes_what_is_in_flight() {
    let mut server = Server::start(Limits::default());
    let mut idle = server.connect();
    assert_eq!(idle.get("/v2").unwrap().status, 200);
    let mut busy = server.connect();
    let request = post("/predict", ROW);
    let (begin, end) = request.split_at(request.len() - 3);
    busy.write(begin).unwrap();
    server.await_connections(2);
    // Its headers are read when another request, sent later, is answered.
    assert_eq!(server.connect().get("/v2").unwrap().status, 200);
    server.stage.send_replace(Stage::Closing);
    assert!(idle.is_closed());
    busy.write(end).unwrap();
    assert_eq!(busy.read().unwrap().unwrap().status, 200);
    assert!(busy.is_closed());
    server.join();
    assert!(Connection::open(server.address).is_err());
}

#[test]
fn a_stream_is_answered_while_it_comes_and_only_standing_still_ends_it() {
    let server = Server::start(short());
    let mut stream = server.connect();
    stream
        .write("POST /predict HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n")
        .unwrap();
    let mut text = String::new();
    // Longer than any timer, one row after the other.
    for row in 1..=8 {
        stream.write("a\r\n{\"x\": 12}\n\r\n").unwrap();
        let line = format!("\"row\":{row},\"prediction\":24.0,");
        while !text.contains(&line) {
            text.push_str(&stream.line().unwrap());
        }
        std::thread::sleep(Duration::from_millis(250));
    }
    // Then nothing comes.
    while !text.contains("{\"error\":\"nothing of the body came for 1 seconds\"}") {
        text.push_str(&stream.line().unwrap());
    }
    assert!(text.starts_with("HTTP/1.1 200 OK"), "{text}");
}
