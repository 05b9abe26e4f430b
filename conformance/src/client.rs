//! Requests as they are, and answers as they come.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use ureq::Agent;
use ureq::http::{Method, Request};

/// Longest answer to wait for.
const PATIENCE: Duration = Duration::from_secs(60);
/// Largest answer to read, bytes.
const MAX_ANSWER: u64 = 64 << 20;
const JSON: &str = "application/json";

/// A server.
pub struct Client {
    agent: Agent,
    base: String,
}

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: Vec<u8>,
}

impl Client {
    /// Speaks to the server at a URL.
    pub fn new(url: &str) -> Result<Client> {
        ensure!(url.starts_with("http://"), "the URL must begin with http://, as http://localhost:8080 does");
        let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build();
        Ok(Client { agent: config.into(), base: url.trim_end_matches('/').to_owned() })
    }

    /// Asks for an address.
    pub fn get(&self, path: &str) -> Result<Answer> {
        self.send(&Method::GET, path, None, &[])
    }

    /// Sends JSON, or what should be.
    pub fn post(&self, path: &str, body: &[u8]) -> Result<Answer> {
        self.send(&Method::POST, path, Some(JSON), body)
    }

    /// Sends anything.
    pub fn send(&self, method: &Method, path: &str, content_type: Option<&str>, body: &[u8]) -> Result<Answer> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let asked = || format!("{method} {path}: no answer");
        let answer = if method == Method::GET {
            self.agent.run(request.body(())?).with_context(asked)?
        } else {
            self.agent.run(request.body(body)?).with_context(asked)?
        };
        let status = answer.status().as_u16();
        let body = answer.into_body().with_config().limit(MAX_ANSWER).read_to_vec().with_context(asked)?;
        Ok(Answer { status, body })
    }
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Result<Value, String> {
        serde_json::from_slice(&self.body).map_err(|_| format!("the body is no JSON: {}", self.text()))
    }

    /// The JSON of a success.
    pub fn success(&self) -> Result<Value, String> {
        if self.status == 200 { self.json() } else { Err(format!("answered {}: {}", self.status, self.text())) }
    }

    /// The beginning of the body.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).chars().take(200).collect()
    }
}
