//! Requests of all kinds: none is answered as if the server were at fault, and no connection breaks.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use hyper::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use serde_json::{Value, json};
use slipway_conformance::grpc::client::framed;
use slipway_conformance::grpc::messages::{Contents, InferRequest, Tensor};

use super::requests::{Requests, Sent};
use crate::process::Server;
use crate::support::{Kit, crime, dispatch, forest, iris, orders};

/// How requests were answered.
#[derive(Default)]
struct Outcome {
    /// By status.
    answered: BTreeMap<u16, usize>,
    /// What must not happen.
    faults: Vec<String>,
}

impl Outcome {
    fn add(&mut self, other: Outcome) {
        for (status, count) in other.answered {
            *self.answered.entry(status).or_default() += count;
        }
        self.faults.extend(other.faults);
    }
}

/// A connection on which answers are read whole.
struct Caller {
    stream: BufReader<TcpStream>,
}

impl Caller {
    fn open(address: SocketAddr) -> io::Result<Caller> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        stream.set_nodelay(true)?;
        Ok(Caller { stream: BufReader::new(stream) })
    }

    /// The status of the answer, and whether the connection goes on.
    fn ask(&mut self, sent: &Sent) -> io::Result<(u16, bool)> {
        self.stream.get_mut().write_all(&sent.bytes)?;
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let wrong = || io::Error::other("no HTTP");
        let status: u16 = line.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(wrong)?;
        let mut headers = String::new();
        while self.stream.read_line(&mut headers)? > 2 {}
        let headers = headers.to_ascii_lowercase();
        let length = headers.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
        if headers.contains("transfer-encoding: chunked") && !sent.head_only {
            self.read_chunks()?;
        } else if !sent.head_only {
            let mut body = vec![0; length.unwrap_or(0)];
            self.stream.read_exact(&mut body)?;
        }
        // Connections of HTTP/1.0 end with the answer.
        Ok((status, line.starts_with("HTTP/1.1") && !headers.contains("connection: close")))
    }

    fn read_chunks(&mut self) -> io::Result<()> {
        loop {
            let mut size = String::new();
            self.stream.read_line(&mut size)?;
            let size = usize::from_str_radix(size.trim(), 16).map_err(io::Error::other)?;
            let mut chunk = vec![0; size + 2];
            self.stream.read_exact(&mut chunk)?;
            if size == 0 {
                return Ok(());
            }
        }
    }
}

/// Sends so many requests one after the other.
fn send(address: SocketAddr, mut requests: Requests, count: usize) -> Outcome {
    let mut outcome = Outcome::default();
    let mut caller = None;
    let mut before = String::new();
    for number in 0..count {
        let sent = requests.next();
        let connection = caller.get_or_insert_with(|| Caller::open(address).unwrap());
        let text = String::from_utf8_lossy(&sent.bytes).into_owned();
        let told = |what: &str| format!("request {number}: {what}: {text:?} after {before:?}");
        match connection.ask(&sent) {
            Ok((status, goes_on)) => {
                *outcome.answered.entry(status).or_default() += 1;
                if status >= 500 && !(status == 504 && sent.hurries) {
                    outcome.faults.push(told(&status.to_string()));
                }
                if !goes_on {
                    caller = None;
                }
            }
            Err(error) => {
                outcome.faults.push(told(&error.to_string()));
                caller = None;
            }
        }
        before = text;
    }
    outcome
}

/// Sends so many calls one after the other.
fn call(address: SocketAddr, mut requests: Requests, good: &[u8], count: usize) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut outcome = Outcome::default();
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let io = TokioIo::new(stream);
        let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        for _ in 0..count {
            let message = requests.message(good);
            let request = Request::post(format!("http://{address}/inference.GRPCInferenceService/ModelInfer"));
            let request = request.header("content-type", "application/grpc").header("te", "trailers");
            let body = http_body_util::Full::new(framed(&message));
            match sender.send_request(request.body(body).unwrap()).await {
                Err(error) => outcome.faults.push(format!("call: {error}: {message:?}")),
                Ok(reply) => {
                    let status = reply.headers().get("grpc-status").map_or("", |status| status.to_str().unwrap());
                    *outcome.answered.entry(reply.status().as_u16()).or_default() += 1;
                    if ["2", "13", "14", "15"].contains(&status) || reply.status() != 200 {
                        outcome.faults.push(format!("call: status {status}: {message:?}"));
                    }
                }
            }
        }
        outcome
    })
}

/// A good message of rows whose fields are numbers.
fn message(name: &str, row: &Value) -> Vec<u8> {
    let tensor = |(name, value): (&String, &Value)| Tensor {
        name: name.clone(),
        datatype: "FP64".to_owned(),
        shape: vec![1],
        contents: Some(Contents { fp64s: value.as_f64().into_iter().collect(), ..Contents::default() }),
        ..Tensor::default()
    };
    let inputs = row.as_object().into_iter().flatten().map(tensor).collect();
    InferRequest { model_name: name.to_owned(), inputs, ..InferRequest::default() }.encode_to_vec()
}

fn make_noise(count: usize) {
    const CALLERS: i64 = 4;
    let kits: [(Kit, &str, Value); 5] = [
        (dispatch(), "time-to-dispatch", json!({"orders_placed": 10, "product_code": "SKU001"})),
        (crime(), "crime", json!({"x": 1, "y": 2})),
        (iris(), "iris", json!({"sepal_length": 5, "sepal_width": 3, "petal_length": 1, "petal_width": 0.2})),
        (
            orders(),
            "orders",
            json!({"amount": 1, "<weekend> & \"more\"": true, "sold_at": "2024-05-01", "colour": "red"}),
        ),
        (forest(), "forest", json!({"x": 1, "y": 0})),
    ];
    let begun = Instant::now();
    let mut outcome = Outcome::default();
    let each = count / kits.len() / (CALLERS as usize + 1);
    for (seed, (kit, name, row)) in (0..).step_by(10).zip(kits) {
        let dir = tempfile::tempdir().unwrap();
        kit.write(dir.path());
        let server =
            Server::start(dir.path(), &["--header-timeout", "2", "--body-timeout", "2", "--drain-seconds", "0"]);
        let address = server.address;
        let requests = |caller: i64| Requests::new(seed + caller, name, row.clone());
        let message = message(name, &row);
        thread::scope(|scope| {
            let callers: Vec<_> = (0..CALLERS)
                .map(|caller| {
                    let requests = requests(caller);
                    scope.spawn(move || send(address, requests, each))
                })
                .collect();
            outcome.add(call(address, requests(CALLERS), &message, each));
            for caller in callers {
                outcome.add(caller.join().unwrap());
            }
        });
        println!("{name}: memory at most {} MB", server.peak_memory() / 1_000_000);
        assert_eq!(server.probe("/readyz"), 200);
        server.signal("-TERM");
        assert_eq!(server.end(), 0);
    }
    println!("{count} requests in {:?}, by status: {:?}", begun.elapsed(), outcome.answered);
    let faults = outcome.faults.len();
    assert!(outcome.faults.is_empty(), "{faults} faults: {:#?}", &outcome.faults[..faults.min(5)]);
}

#[test]
fn nothing_that_is_sent_is_the_servers_fault() {
    make_noise(5_000);
}

#[test]
#[ignore = "sends a million requests"]
fn nothing_of_a_million_requests_is_the_servers_fault() {
    make_noise(1_000_000);
}
