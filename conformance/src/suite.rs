//! What is asked, of whom, and what was found.

use std::cell::RefCell;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde_json::{Value, json};

use crate::client::Client;
use crate::grpc::Caller;

/// Whether the protocol demands it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Level {
    /// The protocol says so.
    Required,
    /// The protocol leaves it open; clients rely on it.
    Recommended,
}

/// Asks the server; the error is what was found instead.
pub type Ask = Box<dyn Fn(&Subject) -> Result<(), String>>;

/// One question.
pub struct Check {
    /// What should be so.
    pub says: String,
    /// Whether the protocol demands it.
    pub level: Level,
    /// Asks.
    pub ask: Ask,
}

/// A question.
pub fn check(level: Level, says: impl Into<String>, ask: impl Fn(&Subject) -> Result<(), String> + 'static) -> Check {
    Check { says: says.into(), level, ask: Box::new(ask) }
}

/// Fails with a message unless something holds.
pub fn hold(holds: bool, instead: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(instead()) }
}

/// An answered question.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What should be so.
    pub says: String,
    /// Whether the protocol demands it.
    pub level: Level,
    /// What was found instead, if it is not so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instead: Option<String>,
}

/// All answered questions.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Findings(pub Vec<Finding>);

impl Findings {
    /// Whether all that the protocol demands is so.
    pub fn conform(&self) -> bool {
        self.0.iter().all(|finding| finding.instead.is_none() || finding.level == Level::Recommended)
    }

    /// How many of a level are so, and how many there are.
    pub fn count(&self, level: Level) -> [usize; 2] {
        let of_level = || self.0.iter().filter(move |finding| finding.level == level);
        [of_level().filter(|finding| finding.instead.is_none()).count(), of_level().count()]
    }
}

impl Check {
    /// Asks the server.
    pub fn run(&self, subject: &Subject) -> Finding {
        Finding { says: self.says.clone(), level: self.level, instead: (self.ask)(subject).err() }
    }
}

/// A server with a model.
pub struct Subject {
    /// The server.
    pub client: Client,
    /// The model's name.
    pub model: String,
    /// What `/v2/models/MODEL` says.
    pub metadata: Value,
    /// A request that the model answers.
    pub request: Value,
    /// The server over gRPC, where that is to be asked, too.
    pub grpc: Option<RefCell<Caller>>,
}

impl Subject {
    /// Looks for the model, and for a request that it answers.
    pub fn find(client: Client, grpc: Option<Caller>, model: Option<&str>, request: Option<Value>) -> Result<Subject> {
        let model = match model {
            Some(model) => model.to_owned(),
            None => only_model(&client)?,
        };
        let metadata = client.get(&format!("/v2/models/{model}"))?;
        let metadata =
            metadata.success().map_err(anyhow::Error::msg).with_context(|| format!("the metadata of {model}"))?;
        let request = request.map_or_else(|| made(&metadata), Ok)?;
        let subject = Subject { client, model, metadata, request, grpc: grpc.map(RefCell::new) };
        let answer = subject.infer(&subject.request)?;
        if answer.status != 200 {
            bail!(
                "the model answers {} to {}: {}\nname a file with a request that it answers with --request",
                answer.status,
                subject.request,
                answer.text()
            );
        }
        Ok(subject)
    }

    /// The address of the model.
    pub fn path(&self, rest: &str) -> String {
        format!("/v2/models/{}{rest}", self.model)
    }

    /// Asks for predictions.
    pub fn infer(&self, request: &Value) -> Result<crate::client::Answer> {
        self.client.post(&self.path("/infer"), request.to_string().as_bytes())
    }
}

fn only_model(client: &Client) -> Result<String> {
    let listed = client.get("/v2/models").ok().and_then(|answer| answer.success().ok());
    let listed = listed.and_then(|answer| answer["models"].as_array().cloned());
    let indexed = || client.post("/v2/repository/index", b"{}").ok()?.success().ok()?.as_array().cloned();
    let models = listed.or_else(indexed).unwrap_or_default();
    match &models[..] {
        [model] => {
            let name = model.as_str().or_else(|| model["name"].as_str());
            Ok(name.context("a model without a name is listed")?.to_owned())
        }
        _ => bail!("name the model with --model"),
    }
}

/// A request of one row, zeros where the metadata say no more.
fn made(metadata: &Value) -> Result<Value> {
    let inputs = metadata["inputs"].as_array().context("the metadata have no inputs; name a file with --request")?;
    let tensor = |input: &Value| {
        let shape = input["shape"].as_array().into_iter().flatten().map(|size| size.as_i64().unwrap_or(1).max(1));
        let shape: Vec<i64> = shape.collect();
        let value = match input["datatype"].as_str() {
            Some("BYTES") => json!(""),
            Some("BOOL") => json!(false),
            _ => json!(0),
        };
        let count = shape.iter().product::<i64>().clamp(1, 1_000_000) as usize;
        json!({"name": input["name"], "datatype": input["datatype"], "shape": shape, "data": vec![value; count]})
    };
    Ok(json!({"inputs": inputs.iter().map(tensor).collect::<Vec<_>>()}))
}
