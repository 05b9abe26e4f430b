//! Tensors as bytes behind the JSON of a request or reply: the protocol's extension for binary tensor data, which its Python
//! clients use unless told otherwise.

use std::borrow::Cow;
use std::str;

use axum::http::{HeaderMap, HeaderName};

use crate::api::body;
use crate::api::error::ApiError;
use crate::api::json::Cell;

/// The header that says how many bytes of a body are JSON; tensors follow.
pub const HEADER: HeaderName = HeaderName::from_static("inference-header-content-length");

/// Refuses what is neither JSON nor JSON with tensors behind it.
pub fn require(headers: &HeaderMap) -> Result<(), ApiError> {
    if headers.contains_key(HEADER) { Ok(()) } else { body::require_json(headers) }
}

/// How many bytes of the body are JSON, where that is said.
pub fn json_length(headers: &HeaderMap) -> Result<Option<usize>, ApiError> {
    let Some(value) = headers.get(HEADER) else { return Ok(None) };
    let length = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    length.map(Some).ok_or_else(|| ApiError::bad_request(format!("{HEADER}: expected a number of bytes")))
}

/// Reads `count` little-endian values of a datatype. A float that is not a number stands for a missing value.
pub fn cells<'de>(datatype: &str, bytes: &'de [u8], count: usize) -> Result<Vec<Cell<'de>>, String> {
    // Before anything is made of them: a byte may become much more.
    let wrong = |held: usize| Err(format!("{} bytes hold {held} values; its shape has {count}", bytes.len()));
    match size(datatype) {
        Some(size) if bytes.len() / size != count => return wrong(bytes.len() / size),
        _ => {}
    }
    let cells = match datatype {
        "BOOL" => bytes.iter().map(|&byte| Cell::Boolean(byte != 0)).collect(),
        "UINT8" => numbers(bytes, |[byte]| f64::from(byte))?,
        "INT8" => numbers(bytes, |[byte]| f64::from(byte.cast_signed()))?,
        "UINT16" => numbers(bytes, |bytes| f64::from(u16::from_le_bytes(bytes)))?,
        "INT16" => numbers(bytes, |bytes| f64::from(i16::from_le_bytes(bytes)))?,
        "UINT32" => numbers(bytes, |bytes| f64::from(u32::from_le_bytes(bytes)))?,
        "INT32" => numbers(bytes, |bytes| f64::from(i32::from_le_bytes(bytes)))?,
        "UINT64" => numbers(bytes, |bytes| u64::from_le_bytes(bytes) as f64)?,
        "INT64" => numbers(bytes, |bytes| i64::from_le_bytes(bytes) as f64)?,
        "FP16" => numbers(bytes, |bytes| half(u16::from_le_bytes(bytes)))?,
        "FP32" => numbers(bytes, |bytes| f64::from(f32::from_le_bytes(bytes)))?,
        "FP64" => numbers(bytes, f64::from_le_bytes)?,
        "BYTES" => texts(bytes, count)?,
        _ => return Err(format!("there is no datatype {datatype:?}; FP64, INT64, BOOL and BYTES are some")),
    };
    if cells.len() == count { Ok(cells) } else { wrong(cells.len()) }
}

/// Bytes of a value, where all have the same.
fn size(datatype: &str) -> Option<usize> {
    match datatype {
        "BOOL" | "UINT8" | "INT8" => Some(1),
        "UINT16" | "INT16" | "FP16" => Some(2),
        "UINT32" | "INT32" | "FP32" => Some(4),
        "UINT64" | "INT64" | "FP64" => Some(8),
        _ => None,
    }
}

fn numbers<const SIZE: usize>(bytes: &[u8], number: impl Fn([u8; SIZE]) -> f64) -> Result<Vec<Cell<'static>>, String> {
    let (chunks, rest) = bytes.as_chunks::<SIZE>();
    if !rest.is_empty() {
        return Err(format!("{} bytes are no whole number of values of {SIZE} bytes", bytes.len()));
    }
    let cell = |number: f64| if number.is_nan() { Cell::Missing } else { Cell::Number(number) };
    Ok(chunks.iter().map(|chunk| cell(number(*chunk))).collect())
}

/// A number of IEEE 754's half precision.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    sign * match exponent {
        0 => fraction * 2_f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * 2_f64.powi(exponent - 15),
    }
}

/// Texts, each after its length; at most one more than `count`.
fn texts(mut bytes: &[u8], count: usize) -> Result<Vec<Cell<'_>>, String> {
    let mut cells = Vec::new();
    while !bytes.is_empty() && cells.len() <= count {
        let ends = || "a text ends behind its tensor".to_owned();
        let (length, rest) = bytes.split_first_chunk().ok_or_else(ends)?;
        let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(ends)?;
        let text = str::from_utf8(text).map_err(|_| "a text is not UTF-8".to_owned())?;
        cells.push(Cell::Text(Cow::Borrowed(text)));
        bytes = rest;
    }
    Ok(cells)
}

/// Appends a text after its length.
pub fn push_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u32).to_le_bytes());
    bytes.extend(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_datatype_is_read() {
        for (datatype, bytes, expected) in [
            ("BOOL", &[0, 1][..], vec![Cell::Boolean(false), Cell::Boolean(true)]),
            ("INT8", &[255], vec![Cell::Number(-1.0)]),
            ("UINT8", &[255], vec![Cell::Number(255.0)]),
            ("INT16", &[0, 128], vec![Cell::Number(-32_768.0)]),
            ("UINT16", &[1, 2], vec![Cell::Number(513.0)]),
            (
                "FP16",
                &[0x00, 0x3c, 0x01, 0x00, 0x00, 0xfe],
                vec![Cell::Number(1.0), Cell::Number(2_f64.powi(-24)), Cell::Missing],
            ),
            ("FP32", &[0, 0, 0xc0, 0x3f], vec![Cell::Number(1.5)]),
            ("FP64", &[0, 0, 0, 0, 0, 0, 0xf8, 0x7f], vec![Cell::Missing]),
            ("BYTES", &[1, 0, 0, 0, b'a', 0, 0, 0, 0], vec![Cell::Text("a".into()), Cell::Text("".into())]),
        ] {
            assert_eq!(cells(datatype, bytes, expected.len()), Ok(expected), "{datatype}");
        }
        for (datatype, bytes) in [
            ("FP32", &[0; 3][..]),
            ("INT64", &[0; 12]),
            ("BYTES", &[9, 0, 0, 0, b'a']),
            ("BYTES", &[1]),
            ("BF16", &[0; 2]),
        ] {
            assert!(cells(datatype, bytes, 1).is_err(), "{datatype}");
        }
    }
}
