//! Requests over and over on connections that stay open, as a caller in a hurry sends them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Longest answer to wait for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection.
pub struct Client {
    stream: TcpStream,
    received: Vec<u8>,
}

/// What was sent and came back.
#[derive(Debug, Default)]
pub struct Load {
    /// Requests that were answered.
    pub requests: usize,
    /// Answers that were no success.
    pub failed: usize,
    /// From the first request to the last answer.
    pub seconds: f64,
    /// How long each answer took, sorted, in seconds.
    pub latencies: Vec<f64>,
}

impl Load {
    /// The latency that a share of the answers stays within, in seconds.
    pub fn quantile(&self, share: f64) -> f64 {
        let place = (self.latencies.len() as f64 * share).ceil() as usize;
        self.latencies.get(place.saturating_sub(1)).copied().unwrap_or(f64::NAN)
    }
}

/// A request with a JSON body, as bytes.
pub fn request(path: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

impl Client {
    /// Connects.
    pub fn connect(address: SocketAddr) -> Result<Client> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Client { stream, received: Vec::with_capacity(1 << 16) })
    }

    /// Sends a request; returns the status and the body of its answer.
    pub fn send(&mut self, request: &[u8]) -> Result<(u16, &[u8])> {
        self.stream.write_all(request)?;
        self.received.clear();
        let head = loop {
            match self.received.windows(4).position(|four| four == b"\r\n\r\n") {
                Some(end) => break end + 4,
                None => self.receive()?,
            }
        };
        let text = String::from_utf8_lossy(&self.received[..head]).to_lowercase();
        let status =
            text.split(' ').nth(1).and_then(|status| status.parse().ok()).context("an answer without status")?;
        let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.context("an answer without a length")?.trim().parse()?;
        while self.received.len() < head + length {
            self.receive()?;
        }
        Ok((status, &self.received[head..]))
    }

    fn receive(&mut self) -> Result<()> {
        let mut part = [0; 1 << 13];
        let count = self.stream.read(&mut part)?;
        if count == 0 {
            bail!("the server closed the connection");
        }
        self.received.extend_from_slice(&part[..count]);
        Ok(())
    }
}

/// Sends one request over and over on each of so many connections.
pub fn run(address: SocketAddr, request: &[u8], connections: usize, time: Duration) -> Result<Load> {
    let mut clients = (0..connections).map(|_| Client::connect(address)).collect::<Result<Vec<_>>>()?;
    let started = Instant::now();
    let loads: Vec<Result<Load>> = thread::scope(|scope| {
        let running: Vec<_> =
            clients.iter_mut().map(|client| scope.spawn(move || repeat(client, request, time))).collect();
        running.into_iter().map(|thread| thread.join().unwrap_or_else(|_| bail!("a connection panicked"))).collect()
    });
    let mut all = Load { seconds: started.elapsed().as_secs_f64(), ..Load::default() };
    for load in loads {
        let load = load?;
        all.requests += load.requests;
        all.failed += load.failed;
        all.latencies.extend(load.latencies);
    }
    all.latencies.sort_by(f64::total_cmp);
    Ok(all)
}

fn repeat(client: &mut Client, request: &[u8], time: Duration) -> Result<Load> {
    let started = Instant::now();
    let mut load = Load::default();
    while started.elapsed() < time {
        let sent = Instant::now();
        let (status, _) = client.send(request)?;
        load.latencies.push(sent.elapsed().as_secs_f64());
        load.requests += 1;
        load.failed += usize::from(status != 200);
    }
    Ok(load)
}
