//! Thousands of connections that are idle or slow, beside callers who want an answer.
//!
//! Two servers run side by side: one has the crowd, the other nobody. Who wants an answer asks the one and the other in turns of
//! seconds, so that whatever else the machine does touches both. The callers have threads of their own: in an event loop
//! shared with the crowd they would wait for the crowd's own client.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::quantile;
use crate::http::post;
use crate::process::Server;
use crate::support::twice;

const BODY: &str = r#"{"x": 1}"#;
/// Requests a second of those who want an answer.
const PACE: u32 = 200;
/// How often one who is slow sends a byte.
const SLOWLY: Duration = Duration::from_millis(200);
/// The server's patience with headers: as long as it takes until those who are slow come and go evenly.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sends a request a byte at a time, for ever, on a new connection where the server has had enough.
async fn slow(address: SocketAddr, begins: Duration) {
    let request = post("/predict", BODY);
    tokio::time::sleep(begins).await;
    loop {
        let Ok(mut stream) = TcpStream::connect(address).await else { continue };
        for byte in request.bytes() {
            if stream.write_all(&[byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(SLOWLY).await;
        }
    }
}

/// How long each of the requests took that are sent at an even pace over a few connections.
fn polite(address: SocketAddr, time: Duration) -> Vec<Duration> {
    const CALLERS: u32 = 8;
    let every = Duration::from_secs(1) * CALLERS / PACE;
    let begun = Instant::now() + Duration::from_millis(50);
    let call = move |caller: u32| {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut next = begun + every * caller / CALLERS;
        let mut took = Vec::new();
        let mut reply = vec![0; 4096];
        while next < begun + time {
            thread::sleep(next.saturating_duration_since(Instant::now()));
            next += every;
            let sent = Instant::now();
            stream.write_all(post("/predict", BODY).as_bytes()).unwrap();
            let read = stream.read(&mut reply).unwrap();
            took.push(sent.elapsed());
            assert!(reply[..read].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&reply[..read]));
        }
        took
    };
    let callers: Vec<_> = (0..CALLERS).map(|caller| thread::spawn(move || call(caller))).collect();
    sorted(callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect())
}

fn sorted(mut times: Vec<Duration>) -> Vec<Duration> {
    times.sort_unstable();
    times
}

/// A server, and connections to it that have asked something and wait.
struct Crowded {
    server: Server,
    idle: Vec<TcpStream>,
}

impl Crowded {
    fn new(model: &std::path::Path, runtime: &Runtime, idle: usize, slow_ones: usize) -> Crowded {
        let most = (idle + slow_ones + 100).to_string();
        let server =
            Server::start(model, &["--max-connections", &most, "--idle-timeout", "600", "--drain-seconds", "0"]);
        let address = server.address;
        let idle = runtime.block_on(async {
            let mut held = Vec::new();
            for _ in 0..idle {
                held.push(TcpStream::connect(address).await.unwrap());
            }
            held
        });
        let mut crowded = Crowded { server, idle };
        // Those that never sent anything are cut off after the time for headers.
        crowded.all_are_served(runtime);
        crowded
    }

    fn all_are_served(&mut self, runtime: &Runtime) {
        runtime.block_on(async {
            for stream in &mut self.idle {
                stream.write_all(b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
            }
            for stream in &mut self.idle {
                let mut reply = [0; 1024];
                assert!(stream.read(&mut reply).await.unwrap() > 0, "an idle connection still serves");
            }
        });
    }

    fn end(self) {
        println!("memory at most: {} MB", self.server.peak_memory() / 1_000_000);
        self.server.signal("-TERM");
        assert_eq!(self.server.end(), 0);
    }
}

/// Returns the 99th percentiles without and with the crowd, each the median of its turns: a turn in which another program had
/// the processors says nothing of the server.
fn beside(idle: usize, slow_ones: usize, rounds: usize, time: Duration, settling: Duration) -> [Duration; 2] {
    let dir = tempfile::tempdir().unwrap();
    twice().write(dir.path());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let alone = Crowded::new(dir.path(), &runtime, 0, 0);
    let mut crowded = Crowded::new(dir.path(), &runtime, idle, slow_ones);
    let (mut turns, mut highs) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for round in 0..rounds {
        let address = crowded.server.address;
        let begin = |number: u32| settling * number / slow_ones as u32;
        let slow: Vec<JoinHandle<()>> =
            (0..slow_ones as u32).map(|number| runtime.spawn(slow(address, begin(number)))).collect();
        thread::sleep(settling);
        let beside = polite(address, time);
        slow.iter().for_each(JoinHandle::abort);
        thread::sleep(Duration::from_millis(200));
        let without = polite(alone.server.address, time);
        let [p99_alone, p99_beside] = [&without, &beside].map(|took| quantile(took, 0.99));
        println!("round {round}: 99 % within {p99_alone:?} alone, {p99_beside:?} beside the crowd");
        highs[0].push(p99_alone);
        highs[1].push(p99_beside);
        turns[0].extend(without);
        turns[1].extend(beside);
    }
    let turns = turns.map(sorted);
    for (what, took) in ["alone", "beside the crowd"].iter().zip(&turns) {
        let [median, high, most] = [0.5, 0.99, 1.0].map(|share| quantile(took, share));
        println!("{what}: {} requests, median {median:?}, 99 % {high:?}, most {most:?}", took.len());
    }
    crowded.all_are_served(&runtime);
    crowded.end();
    alone.end();
    let highs = highs.map(|highs| quantile(&sorted(highs), 0.5));
    println!("99 %, medians of the turns: {:?} alone, {:?} beside the crowd", highs[0], highs[1]);
    highs
}

#[test]
fn callers_are_served_beside_idle_and_slow_connections() {
    beside(200, 50, 1, Duration::from_secs(2), Duration::from_millis(500));
}

#[test]
#[ignore = "opens 5,500 connections, which `ulimit -n 20000` must allow"]
fn callers_are_served_beside_5000_idle_and_500_slow_connections() {
    let [alone, beside] = beside(5_000, 500, 10, Duration::from_secs(6), PATIENCE + Duration::from_secs(1));
    assert!(beside <= 2 * alone, "99 % within {alone:?} alone, {beside:?} beside the crowd");
}
