//! Thousands of connections that are idle or slow, beside callers who want an answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::quantile;
use crate::http::post;
use crate::process::Server;
use crate::support::twice;

const BODY: &str = r#"{"x": 1}"#;
/// Requests a second of those who want an answer.
const PACE: u32 = 200;

/// Sends a request a byte at a time, for ever, on a new connection where the server has had enough.
async fn slow(address: SocketAddr, stop: Arc<AtomicBool>, cut: Arc<AtomicUsize>) {
    let request = post("/predict", BODY);
    while !stop.load(Ordering::Relaxed) {
        let Ok(mut stream) = TcpStream::connect(address).await else { continue };
        for byte in request.bytes() {
            tokio::time::sleep(Duration::from_millis(200)).await;
            if stop.load(Ordering::Relaxed) {
                return;
            }
            if stream.write_all(&[byte]).await.is_err() {
                cut.fetch_add(1, Ordering::Relaxed);
                break;
            }
        }
    }
}

/// How long each of the requests took that are sent at an even pace over a few connections.
async fn polite(address: SocketAddr, seconds: u32) -> Vec<Duration> {
    const CONNECTIONS: u32 = 8;
    let callers: Vec<_> = (0..CONNECTIONS)
        .map(|caller| {
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.set_nodelay(true).unwrap();
                let every = Duration::from_secs(1) * CONNECTIONS / PACE;
                let mut next = tokio::time::Instant::now() + every * caller / CONNECTIONS;
                let mut took = Vec::new();
                let mut reply = vec![0; 4096];
                for _ in 0..seconds * PACE / CONNECTIONS {
                    tokio::time::sleep_until(next).await;
                    next += every;
                    let begun = Instant::now();
                    stream.write_all(post("/predict", BODY).as_bytes()).await.unwrap();
                    let read = stream.read(&mut reply).await.unwrap();
                    took.push(begun.elapsed());
                    assert!(reply[..read].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&reply[..read]));
                }
                took
            })
        })
        .collect();
    let mut took = Vec::new();
    for caller in callers {
        took.extend(caller.await.unwrap());
    }
    took.sort_unstable();
    took
}

fn beside(idle: usize, slow_ones: usize, seconds: u32) {
    let dir = tempfile::tempdir().unwrap();
    twice().write(dir.path());
    let most = (idle + slow_ones + 100).to_string();
    let server =
        Server::start(dir.path(), &["--max-connections", &most, "--idle-timeout", "600", "--drain-seconds", "0"]);
    let address = server.address;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let told = |what: &str, took: &[Duration]| {
        let [median, high, most] = [0.5, 0.99, 1.0].map(|share| quantile(took, share));
        println!("{what}: {} requests, median {median:?}, 99 % {high:?}, most {most:?}", took.len());
    };
    runtime.block_on(async {
        told("alone", &polite(address, seconds).await);
        let stop = Arc::new(AtomicBool::new(false));
        let cut = Arc::new(AtomicUsize::new(0));
        let mut held = Vec::new();
        for _ in 0..idle {
            held.push(TcpStream::connect(address).await.unwrap());
        }
        // Those that never sent anything are cut off after the time for headers: these did, and wait.
        for stream in &mut held {
            stream.write_all(b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        }
        for stream in &mut held {
            let mut reply = [0; 1024];
            assert!(stream.read(&mut reply).await.unwrap() > 0);
        }
        let slow: Vec<_> = (0..slow_ones).map(|_| tokio::spawn(slow(address, stop.clone(), cut.clone()))).collect();
        tokio::time::sleep(Duration::from_secs(u64::from(seconds.min(6)))).await;
        told(&format!("beside {idle} idle and {slow_ones} slow"), &polite(address, seconds).await);
        stop.store(true, Ordering::Relaxed);
        for one in slow {
            one.await.unwrap();
        }
        println!("slow ones cut off: {}", cut.load(Ordering::Relaxed));
        for stream in &mut held {
            stream.write_all(b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
            let mut reply = [0; 1024];
            assert!(stream.read(&mut reply).await.unwrap() > 0, "an idle connection still serves");
        }
    });
    println!("memory at most: {} MB", server.peak_memory() / 1_000_000);
    server.signal("-TERM");
    assert_eq!(server.end(), 0);
}

#[test]
fn callers_are_served_beside_idle_and_slow_connections() {
    beside(200, 50, 2);
}

#[test]
#[ignore = "opens 5,500 connections, which `ulimit -n 20000` must allow"]
fn callers_are_served_beside_5000_idle_and_500_slow_connections() {
    beside(5_000, 500, 30);
}
