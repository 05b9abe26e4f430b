//! A client that calls all the while, and counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::Value;
use ureq::Agent;

/// Requests a second, of all threads together.
pub const RATE: u32 = 200;
const THREADS: u32 = 4;

#[derive(Default)]
struct Counts {
    stop: AtomicBool,
    answered: AtomicU64,
    failed: AtomicU64,
}

/// Calls at a steady rate until it is dropped.
pub struct Caller {
    counts: Arc<Counts>,
    threads: Vec<JoinHandle<()>>,
}

impl Caller {
    /// Begins to call. Half of the threads open a new connection for each request.
    pub fn start(url: &str, body: &Value) -> Self {
        let counts = Arc::new(Counts::default());
        let threads = (0..THREADS)
            .map(|thread| {
                let (url, body, counts) = (url.to_owned(), body.clone(), counts.clone());
                let agent = agent(thread % 2 == 0);
                thread::spawn(move || call(&agent, &url, &body, &counts))
            })
            .collect();
        Self { counts, threads }
    }

    /// Requests answered and failed so far.
    pub fn counts(&self) -> (u64, u64) {
        (self.counts.answered.load(Ordering::Relaxed), self.counts.failed.load(Ordering::Relaxed))
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.counts.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A caller that panicked has been seen by its counts.
            let _ = thread.join();
        }
    }
}

fn agent(keep_alive: bool) -> Agent {
    Agent::config_builder()
        .max_idle_connections(if keep_alive { 10 } else { 0 })
        .timeout_global(Some(Duration::from_secs(5)))
        .http_status_as_error(false)
        .build()
        .into()
}

fn call(agent: &Agent, url: &str, body: &Value, counts: &Counts) {
    let pause = Duration::from_secs(1) / (RATE / THREADS);
    let mut next = Instant::now();
    while !counts.stop.load(Ordering::Relaxed) {
        let good = post(agent, url, body).is_ok();
        let count = if good { &counts.answered } else { &counts.failed };
        count.fetch_add(1, Ordering::Relaxed);
        next += pause;
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

fn post(agent: &Agent, url: &str, body: &Value) -> Result<Value> {
    let mut response = agent.post(url).send_json(body)?;
    let answer: Value = response.body_mut().read_json()?;
    if response.status() != 200 || answer.get("prediction").is_none() {
        bail!("{} {answer}", response.status());
    }
    Ok(answer)
}

/// Asks for one prediction.
pub fn predict(url: &str, body: &Value) -> Result<Value> {
    post(&agent(false), url, body)
}
