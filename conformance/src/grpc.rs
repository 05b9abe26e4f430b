//! The protocol over gRPC.

pub mod client;
mod infer;
pub mod messages;
mod mistakes;
mod server;
mod values;

use std::fmt;

use prost::Message;

use crate::suite::{Check, Subject};
use messages::{InferRequest, InferResponse};

pub use client::{Caller, Status};

/// All questions, in the order of a client's steps.
pub(crate) fn checks() -> Vec<Check> {
    let mut checks = server::checks();
    checks.extend(infer::checks());
    checks.extend(mistakes::checks());
    for check in &mut checks {
        check.says.insert_str(0, "gRPC: ");
    }
    checks
}

/// Why a call did not succeed.
enum Failure {
    /// The server said so.
    Status(Status),
    /// There was no answer to a call.
    Broken(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Status(status) => status.fmt(f),
            Failure::Broken(reason) => f.write_str(reason),
        }
    }
}

/// Calls a method.
fn call<Answer: Message + Default>(subject: &Subject, method: &str, request: &impl Message) -> Result<Answer, Failure> {
    let Some(caller) = &subject.grpc else { return Err(Failure::Broken("gRPC is not to be asked".to_owned())) };
    let answer = caller.borrow_mut().call(method, request);
    answer.map_err(|error| Failure::Broken(format!("{error:#}")))?.map_err(Failure::Status)
}

/// Asks for predictions.
fn infer(subject: &Subject, request: &InferRequest) -> Result<InferResponse, Failure> {
    call(subject, "ModelInfer", request)
}

/// What must succeed.
fn answered<Answer>(answer: Result<Answer, Failure>) -> Result<Answer, String> {
    answer.map_err(|failure| failure.to_string())
}

/// What must fail, with one of these codes.
fn refused<Answer: fmt::Debug>(answer: Result<Answer, Failure>, codes: &[u16]) -> Result<(), String> {
    match answer {
        Err(Failure::Status(status)) if codes.contains(&status.code) && !status.message.is_empty() => Ok(()),
        Err(failure) => Err(failure.to_string()),
        Ok(answer) => Err(format!("answered {answer:?}").chars().take(200).collect()),
    }
}
