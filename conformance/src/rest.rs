//! The protocol over REST.

mod infer;
mod mistakes;
mod server;

use serde_json::Value;

use crate::client::Answer;
use crate::suite::{Check, hold};

/// All questions, in the order of a client's steps.
pub fn checks() -> Vec<Check> {
    let mut checks = server::checks();
    checks.extend(infer::checks());
    checks.extend(mistakes::checks());
    checks
}

fn asked(answer: anyhow::Result<Answer>) -> Result<Answer, String> {
    answer.map_err(|error| format!("{error:#}"))
}

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str, String> {
    value[key].as_str().ok_or_else(|| format!("{key} is no text in {value}"))
}

fn list<'a>(value: &'a Value, key: &str) -> Result<&'a Vec<Value>, String> {
    value[key].as_array().ok_or_else(|| format!("{key} is no list in {value}"))
}

/// The protocol's datatypes.
const DATATYPES: [&str; 14] = [
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "BF16", "FP32", "FP64",
    "BYTES",
];

/// That a tensor, or the metadata of one, has a name, a datatype and a shape.
fn tensor(value: &Value) -> Result<(), String> {
    text(value, "name")?;
    let datatype = text(value, "datatype")?;
    hold(DATATYPES.contains(&datatype), || format!("{datatype} is no datatype of the protocol"))?;
    let shape = list(value, "shape")?;
    hold(shape.iter().all(Value::is_i64), || format!("the shape has something else than whole numbers: {value}"))
}
