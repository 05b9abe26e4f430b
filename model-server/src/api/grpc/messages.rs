//! The messages of `inference.GRPCInferenceService`, as the Open Inference Protocol numbers their fields.

use std::borrow::Cow;

use slipway_model::schema::MAX_FIELDS;

use super::wire::{Malformed, Reader, Value, Writer};
use crate::api::error::ApiError;
use crate::api::json::Cell;
use crate::api::v2::batch::{Data, Inferred};
use crate::api::v2::request::{InferRequest, MAX_OUTPUTS, MAX_RANK, Tensor, Wanted};
use crate::api::v2::{Target, binary};
use crate::api::wants::{THRESHOLD, read_threshold};

/// Why a message cannot be taken.
enum Fault {
    /// It is not what the protocol says.
    Wrong(String),
    /// It holds more values than allowed.
    TooMany,
}

impl From<Malformed> for Fault {
    fn from(malformed: Malformed) -> Fault {
        Fault::Wrong(malformed.to_string())
    }
}

impl From<String> for Fault {
    fn from(reason: String) -> Fault {
        Fault::Wrong(reason)
    }
}

/// `ModelReadyRequest` or `ModelMetadataRequest`.
pub fn target(message: &[u8]) -> Result<Target, ApiError> {
    let mut target = Target::default();
    let mut reader = Reader::new(message);
    let wrong = |malformed: Malformed| ApiError::bad_request(malformed.to_string());
    while let Some((number, value)) = reader.next().map_err(wrong)? {
        match number {
            1 => value.text().map_err(wrong)?.clone_into(&mut target.model),
            2 => target.version = version(value.text().map_err(wrong)?),
            _ => {}
        }
    }
    Ok(target)
}

/// No version stands for any.
fn version(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// `ModelInferRequest`.
#[derive(Debug, Default)]
pub struct Infer<'de> {
    /// The model that is meant.
    pub target: Target,
    /// What is asked of it.
    pub request: InferRequest<'de>,
}

impl<'de> Infer<'de> {
    /// Reads a message whose tensors may hold `max_rows` rows of `fields` values.
    pub fn read(message: &'de [u8], max_rows: usize, fields: usize) -> Result<Infer<'de>, ApiError> {
        let mut room = max_rows.saturating_mul(fields);
        Infer::read_within(message, &mut room).map_err(|fault| match fault {
            Fault::Wrong(reason) => ApiError::bad_request(reason),
            Fault::TooMany => ApiError::too_many_rows(max_rows),
        })
    }

    fn read_within(message: &'de [u8], room: &mut usize) -> Result<Infer<'de>, Fault> {
        let mut infer = Infer::default();
        let mut raw: Vec<&'de [u8]> = Vec::new();
        let mut reader = Reader::new(message);
        while let Some((number, value)) = reader.next()? {
            let request = &mut infer.request;
            match number {
                1 => value.text()?.clone_into(&mut infer.target.model),
                2 => infer.target.version = version(value.text()?),
                3 => request.id = Some(Cow::Borrowed(value.text()?)).filter(|id| !id.is_empty()),
                5 => bounded(&mut request.inputs, input(value.bytes()?, room)?, MAX_FIELDS, "inputs")?,
                6 => bounded(&mut request.outputs, output(value.bytes()?)?, MAX_OUTPUTS, "outputs")?,
                7 => bounded(&mut raw, value.bytes()?, MAX_FIELDS, "raw_input_contents")?,
                4 => request.threshold = threshold(value.bytes()?)?.or(request.threshold),
                _ => {}
            }
        }
        infer.request.binary_outputs = !raw.is_empty();
        fill(&mut infer.request.inputs, &raw, room)?;
        Ok(infer)
    }
}

/// The value of an entry of `parameters`, where it is that of a threshold: a number, or a text that is one.
fn threshold(entry: &[u8]) -> Result<Option<f64>, Malformed> {
    let (mut is_threshold, mut number) = (false, None);
    let mut reader = Reader::new(entry);
    while let Some((place, value)) = reader.next()? {
        match place {
            1 => is_threshold = value.text()? == THRESHOLD,
            2 => {
                let mut parameter = Reader::new(value.bytes()?);
                while let Some((kind, value)) = parameter.next()? {
                    // Of the kinds of parameters: int64_param, string_param, double_param.
                    number = match (kind, value) {
                        (2, Value::Varint(whole)) => Some(whole.cast_signed() as f64),
                        (3, value) => Some(read_threshold(value.text()?)),
                        (4, Value::Fixed64(bytes)) => Some(f64::from_le_bytes(bytes)),
                        _ => Some(f64::NAN),
                    };
                }
            }
            _ => {}
        }
    }
    Ok(number.filter(|_| is_threshold))
}

/// Adds an element to a list of at most `most`.
fn bounded<T>(list: &mut Vec<T>, element: T, most: usize, name: &str) -> Result<(), Fault> {
    if list.len() == most {
        return Err(Fault::Wrong(format!("more than {most} {name}")));
    }
    list.push(element);
    Ok(())
}

/// `InferRequestedOutputTensor`.
fn output(message: &[u8]) -> Result<Wanted<'_>, Fault> {
    let mut wanted = Wanted::default();
    let mut reader = Reader::new(message);
    while let Some((number, value)) = reader.next()? {
        if number == 1 {
            wanted.name = Cow::Borrowed(value.text()?);
        }
    }
    Ok(wanted)
}

/// `InferInputTensor`.
fn input<'de>(message: &'de [u8], room: &mut usize) -> Result<Tensor<'de>, Fault> {
    let mut tensor = Tensor::default();
    let mut contents = Vec::new();
    let mut reader = Reader::new(message);
    while let Some((number, value)) = reader.next()? {
        match number {
            1 => tensor.name = Cow::Borrowed(value.text()?),
            2 => tensor.datatype = Cow::Borrowed(value.text()?),
            3 => value.numbers(|length| {
                let length = usize::try_from(length.cast_signed());
                let length = length.map_err(|_| Fault::Wrong("shape: expected lengths of 0 or more".to_owned()))?;
                bounded(&mut tensor.shape, length, MAX_RANK, "lengths in shape")
            })?,
            5 => bounded(&mut contents, value.bytes()?, 1, "contents in an input")?,
            _ => {}
        }
    }
    for contents in contents {
        tensor.cells = cells(contents, &tensor, room)?;
    }
    Ok(tensor)
}

/// `InferTensorContents`: the values of a tensor, in the one list that is for its datatype.
fn cells<'de>(contents: &'de [u8], tensor: &Tensor<'_>, room: &mut usize) -> Result<Vec<Cell<'de>>, Fault> {
    let (wanted, name) = match &*tensor.datatype {
        "BOOL" => (1, "bool_contents"),
        "INT8" | "INT16" | "INT32" => (2, "int_contents"),
        "INT64" => (3, "int64_contents"),
        "UINT8" | "UINT16" | "UINT32" => (4, "uint_contents"),
        "UINT64" => (5, "uint64_contents"),
        "FP32" => (6, "fp32_contents"),
        "FP64" => (7, "fp64_contents"),
        "BYTES" => (8, "bytes_contents"),
        // Halves have no list of their own; what is no datatype is told later.
        _ => (0, "raw_input_contents"),
    };
    let mut cells = Vec::new();
    let mut push = |cell: Cell<'de>| -> Result<(), Fault> {
        *room = room.checked_sub(1).ok_or(Fault::TooMany)?;
        cells.push(cell);
        Ok(())
    };
    let float = |number: f64| if number.is_nan() { Cell::Missing } else { Cell::Number(number) };
    let mut reader = Reader::new(contents);
    while let Some((number, value)) = reader.next()? {
        if number != wanted {
            let (input, datatype) = (tensor.told_name(), &tensor.datatype);
            return Err(Fault::Wrong(format!("input {input}: the values of {datatype} are to be in {name}")));
        }
        match number {
            1 => value.numbers(|number| push(Cell::Boolean(number != 0)))?,
            2 | 3 => value.numbers(|number| push(Cell::Number(number.cast_signed() as f64)))?,
            4 | 5 => value.numbers(|number| push(Cell::Number(number as f64)))?,
            6 => value.floats(|number| push(float(f64::from(number))))?,
            7 => value.doubles(|number| push(float(number)))?,
            _ => {
                let text = std::str::from_utf8(value.bytes()?);
                push(Cell::Text(Cow::Borrowed(text.map_err(|_| "a text is not UTF-8".to_owned())?)))?;
            }
        }
    }
    Ok(cells)
}

/// Checks the inputs, and fills them from `raw` where the values stand there.
fn fill<'de>(inputs: &mut [Tensor<'de>], raw: &[&'de [u8]], room: &mut usize) -> Result<(), Fault> {
    if !raw.is_empty() && raw.len() != inputs.len() {
        let (raw, inputs) = (raw.len(), inputs.len());
        return Err(Fault::Wrong(format!("raw_input_contents has {raw} elements for {inputs} inputs")));
    }
    for (place, tensor) in inputs.iter_mut().enumerate() {
        let size = tensor.size()?;
        if let Some(bytes) = raw.get(place) {
            let wrong = |reason: &str| Fault::Wrong(format!("input {}: {reason}", tensor.told_name()));
            if !tensor.cells.is_empty() {
                return Err(wrong("its values are to be in contents or in raw_input_contents, not in both"));
            }
            *room = room.checked_sub(size).ok_or(Fault::TooMany)?;
            tensor.cells = binary::cells(&tensor.datatype, bytes, size).map_err(|reason| wrong(&reason))?;
        }
        tensor.check()?;
    }
    Ok(())
}

/// `ModelInferResponse`: with values as bytes where the request had such.
pub fn inferred(name: &str, version: &str, infer: &Infer<'_>, inferred: &Inferred<'_>) -> Writer {
    let id = infer.request.id.as_deref().unwrap_or_default();
    let mut response = Writer::default().text(1, name).text(2, version).text(3, id);
    if !inferred.warnings.is_empty() {
        let parameter = Writer::default().text(3, &inferred.warnings.join("; "));
        response = response.message(4, &Writer::default().text(1, "warnings").message(2, &parameter));
    }
    let raw = infer.request.binary_outputs;
    for output in &inferred.outputs {
        let shape = output.shape.iter().map(|&length| length as u64);
        let mut tensor = Writer::default().text(1, output.name).text(2, output.datatype).numbers(3, shape);
        if !raw {
            let contents = match &output.data {
                Data::Numbers(numbers) => Writer::default().doubles(7, numbers),
                Data::Texts(texts) => Writer::default().texts(8, texts.iter().map(AsRef::as_ref)),
            };
            tensor = tensor.message(5, &contents);
        }
        response = response.message(5, &tensor);
    }
    for output in inferred.outputs.iter().filter(|_| raw) {
        let mut bytes = Vec::new();
        output.data.push_to(&mut bytes);
        response = response.bytes(6, &bytes);
    }
    response
}

/// `ServerMetadataResponse`.
pub fn server(name: &str, version: &str) -> Writer {
    Writer::default().text(1, name).text(2, version)
}

/// `ModelMetadataResponse`, from what REST says.
pub fn model(metadata: &serde_json::Value) -> Writer {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let list = |key: &str| metadata[key].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut response = Writer::default().text(1, &text(&metadata["name"]));
    for version in list("versions") {
        response = response.bytes(2, text(version).as_bytes());
    }
    response = response.text(3, &text(&metadata["platform"]));
    for (number, key) in [(4, "inputs"), (5, "outputs")] {
        for tensor in list(key) {
            let shape = tensor["shape"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_i64);
            let named = Writer::default().text(1, &text(&tensor["name"])).text(2, &text(&tensor["datatype"]));
            response = response.message(number, &named.numbers(3, shape.map(i64::cast_unsigned)));
        }
    }
    response
}
