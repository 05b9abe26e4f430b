//! Values of tensors, between JSON and both forms that gRPC has for them.

use serde_json::Value;

use super::messages::{Contents, InferRequest, InferResponse, Tensor};

/// The request that is the same as one over REST, with values in `contents`.
pub fn request(model: &str, rest: &Value) -> Result<InferRequest, String> {
    let inputs = rest["inputs"].as_array().ok_or("the request has no inputs")?;
    let inputs = inputs.iter().map(tensor).collect::<Result<_, _>>()?;
    Ok(InferRequest { model_name: model.to_owned(), inputs, ..InferRequest::default() })
}

fn tensor(input: &Value) -> Result<Tensor, String> {
    let text = |key: &str| input[key].as_str().unwrap_or_default().to_owned();
    let datatype = text("datatype");
    let mut data = Vec::new();
    flatten(&input["data"], &mut data);
    Ok(Tensor {
        name: text("name"),
        shape: input["shape"].as_array().into_iter().flatten().filter_map(Value::as_i64).collect(),
        contents: Some(contents(&datatype, &data)?),
        datatype,
        ..Tensor::default()
    })
}

fn flatten<'a>(data: &'a Value, flat: &mut Vec<&'a Value>) {
    match data {
        Value::Array(list) => list.iter().for_each(|value| flatten(value, flat)),
        value => flat.push(value),
    }
}

fn contents(datatype: &str, data: &[&Value]) -> Result<Contents, String> {
    let mut contents = Contents::default();
    for value in data {
        let wrong = || format!("{value} is no {datatype} that gRPC has contents for; name another --request");
        let integer = || value.as_i64().ok_or_else(wrong);
        let float = || value.as_f64().ok_or_else(wrong);
        match datatype {
            "BOOL" => contents.bools.push(value.as_bool().ok_or_else(wrong)?),
            "INT8" | "INT16" | "INT32" => contents.ints.push(integer()?.try_into().map_err(|_| wrong())?),
            "INT64" => contents.int64s.push(integer()?),
            "UINT8" | "UINT16" | "UINT32" => contents.uints.push(integer()?.try_into().map_err(|_| wrong())?),
            "UINT64" => contents.uint64s.push(value.as_u64().ok_or_else(wrong)?),
            "FP32" => contents.fp32s.push(float()? as f32),
            "FP64" => contents.fp64s.push(float()?),
            "BYTES" => contents.bytes.push(value.as_str().ok_or_else(wrong)?.as_bytes().to_vec()),
            _ => return Err(wrong()),
        }
    }
    Ok(contents)
}

/// The same request with values as bytes.
pub fn raw(request: &InferRequest) -> InferRequest {
    let mut raw = request.clone();
    for tensor in &mut raw.inputs {
        let contents = tensor.contents.take().unwrap_or_default();
        raw.raw_input_contents.push(bytes(&tensor.datatype, &contents));
    }
    raw
}

fn bytes(datatype: &str, contents: &Contents) -> Vec<u8> {
    match datatype {
        "BOOL" => contents.bools.iter().map(|&value| u8::from(value)).collect(),
        "INT8" => contents.ints.iter().map(|value| value.to_le_bytes()[0]).collect(),
        "INT16" => contents.ints.iter().flat_map(|value| (*value as i16).to_le_bytes()).collect(),
        "INT32" => contents.ints.iter().flat_map(|value| value.to_le_bytes()).collect(),
        "INT64" => contents.int64s.iter().flat_map(|value| value.to_le_bytes()).collect(),
        "UINT8" => contents.uints.iter().map(|value| value.to_le_bytes()[0]).collect(),
        "UINT16" => contents.uints.iter().flat_map(|value| (*value as u16).to_le_bytes()).collect(),
        "UINT32" => contents.uints.iter().flat_map(|value| value.to_le_bytes()).collect(),
        "UINT64" => contents.uint64s.iter().flat_map(|value| value.to_le_bytes()).collect(),
        "FP32" => contents.fp32s.iter().flat_map(|value| value.to_le_bytes()).collect(),
        "FP64" => contents.fp64s.iter().flat_map(|value| value.to_le_bytes()).collect(),
        _ => {
            let with_length = |text: &Vec<u8>| [&(text.len() as u32).to_le_bytes()[..], text].concat();
            contents.bytes.iter().flat_map(with_length).collect()
        }
    }
}

/// The values of an output, in whichever form they came.
pub fn of_output(response: &InferResponse, place: usize) -> Result<Vec<Value>, String> {
    let tensor = response.outputs.get(place).ok_or("an output is missing")?;
    let datatype = tensor.datatype.as_str();
    let held = match response.raw_output_contents.get(place) {
        Some(bytes) => from_bytes(datatype, bytes)?,
        None => tensor.contents.clone().unwrap_or_default(),
    };
    Ok(match datatype {
        "BOOL" => held.bools.into_iter().map(Value::from).collect(),
        "INT8" | "INT16" | "INT32" => held.ints.into_iter().map(Value::from).collect(),
        "INT64" => held.int64s.into_iter().map(Value::from).collect(),
        "UINT8" | "UINT16" | "UINT32" => held.uints.into_iter().map(Value::from).collect(),
        "UINT64" => held.uint64s.into_iter().map(Value::from).collect(),
        "FP32" => held.fp32s.into_iter().map(Value::from).collect(),
        "FP64" => held.fp64s.into_iter().map(Value::from).collect(),
        "BYTES" => held.bytes.iter().map(|bytes| Value::from(String::from_utf8_lossy(bytes))).collect(),
        other => return Err(format!("the output {} is {other}, whose values this suite cannot read", tensor.name)),
    })
}

fn from_bytes(datatype: &str, bytes: &[u8]) -> Result<Contents, String> {
    fn chunks<const SIZE: usize, T>(bytes: &[u8], value: fn([u8; SIZE]) -> T) -> Result<Vec<T>, String> {
        let (chunks, rest) = bytes.as_chunks::<SIZE>();
        if rest.is_empty() {
            Ok(chunks.iter().map(|chunk| value(*chunk)).collect())
        } else {
            Err(format!("{} bytes are no whole number of values of {SIZE} bytes", bytes.len()))
        }
    }
    let mut contents = Contents::default();
    match datatype {
        "BOOL" => contents.bools = bytes.iter().map(|&byte| byte != 0).collect(),
        "INT8" => contents.ints = chunks(bytes, |bytes| i32::from(i8::from_le_bytes(bytes)))?,
        "INT16" => contents.ints = chunks(bytes, |bytes| i32::from(i16::from_le_bytes(bytes)))?,
        "INT32" => contents.ints = chunks(bytes, i32::from_le_bytes)?,
        "INT64" => contents.int64s = chunks(bytes, i64::from_le_bytes)?,
        "UINT8" => contents.uints = bytes.iter().map(|&byte| u32::from(byte)).collect(),
        "UINT16" => contents.uints = chunks(bytes, |bytes| u32::from(u16::from_le_bytes(bytes)))?,
        "UINT32" => contents.uints = chunks(bytes, u32::from_le_bytes)?,
        "UINT64" => contents.uint64s = chunks(bytes, u64::from_le_bytes)?,
        "FP32" => contents.fp32s = chunks(bytes, f32::from_le_bytes)?,
        "FP64" => contents.fp64s = chunks(bytes, f64::from_le_bytes)?,
        _ => {
            let mut rest = bytes;
            while let Some((length, after)) = rest.split_first_chunk() {
                let (text, after) = after
                    .split_at_checked(u32::from_le_bytes(*length) as usize)
                    .ok_or("a text ends behind its tensor")?;
                contents.bytes.push(text.to_vec());
                rest = after;
            }
        }
    }
    Ok(contents)
}
