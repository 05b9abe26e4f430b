//! An inference request as it stands in the body.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use slipway_model::Value;
use slipway_model::schema::MAX_FIELDS;

use super::binary;
use crate::api::error::ApiError;
use crate::api::json::{Cell, Key, Keys, fault};
use crate::api::wants::{THRESHOLD, read_threshold};

/// Most dimensions of a tensor.
pub const MAX_RANK: usize = 8;
/// Most outputs that a request may name.
pub const MAX_OUTPUTS: usize = 100;

/// What a caller asks for.
#[derive(Debug, Default)]
pub struct InferRequest<'de> {
    /// The caller's name for the request.
    pub id: Option<Cow<'de, str>>,
    /// The tensors.
    pub inputs: Vec<Tensor<'de>>,
    /// The outputs wanted; all, where none is named.
    pub outputs: Vec<Wanted<'de>>,
    /// Whether outputs that do not say otherwise are wanted as bytes.
    pub binary_outputs: bool,
    /// From which probability on the positive class is decided for, where that is said.
    pub threshold: Option<f64>,
}

/// An output that a caller names.
#[derive(Debug, Default)]
pub struct Wanted<'de> {
    /// Its name.
    pub name: Cow<'de, str>,
    /// Whether it is wanted as bytes, where that is said.
    pub binary: Option<bool>,
}

/// One tensor.
#[derive(Debug, Default)]
pub struct Tensor<'de> {
    /// Its name.
    pub name: Cow<'de, str>,
    /// Its shape.
    pub shape: Vec<usize>,
    /// The name of its datatype.
    pub datatype: Cow<'de, str>,
    /// Its values, row by row.
    pub cells: Vec<Cell<'de>>,
    /// How many bytes behind the JSON hold the values, where they do.
    bytes: Option<usize>,
}

impl Tensor<'_> {
    /// Its name, for messages.
    pub fn told_name(&self) -> Value<'_> {
        Value::Text(&self.name)
    }

    /// How many values its shape has. The error says what is not as the protocol demands.
    pub fn size(&self) -> Result<usize, String> {
        let name = self.told_name();
        if self.name.is_empty() || self.datatype.is_empty() || self.shape.is_empty() {
            return Err(format!("input {name}: expected name, shape, datatype and data"));
        }
        let size = self.shape.iter().try_fold(1, |size: usize, length| size.checked_mul(*length));
        size.ok_or_else(|| format!("input {name}: the shape {:?} has more values than can be", self.shape))
    }

    /// Whether it holds as many values as its shape has.
    pub fn check(&self) -> Result<(), String> {
        if self.size()? == self.cells.len() {
            return Ok(());
        }
        let (name, count, shape) = (self.told_name(), self.cells.len(), &self.shape);
        Err(format!("input {name}: {count} values in data do not fit the shape {shape:?}"))
    }
}

/// What stands in `parameters` and is understood.
#[derive(Debug, Default)]
struct Parameters {
    /// `binary_data_size` of a tensor.
    size: Option<usize>,
    /// `binary_data` of an output.
    output: Option<bool>,
    /// `binary_data_output` of a request.
    outputs: Option<bool>,
    /// `threshold` of a request: a number, or a text that is one.
    threshold: Option<f64>,
}

impl<'de> Fields<'de> for Parameters {
    const WHAT: &'static str = "parameters as an object";

    fn read<A: MapAccess<'de>>(&mut self, key: &str, object: &mut A) -> Result<bool, A::Error> {
        match key {
            "binary_data_size" => self.size = Some(object.next_value()?),
            "binary_data" => self.output = Some(object.next_value()?),
            "binary_data_output" => self.outputs = Some(object.next_value()?),
            THRESHOLD => {
                self.threshold = Some(match object.next_value()? {
                    Cell::Number(number) => number,
                    Cell::Text(text) => read_threshold(&text),
                    _ => f64::NAN,
                });
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Values that the tensors of a request may still hold.
#[derive(Debug)]
struct Room {
    left: usize,
    exceeded: bool,
}

/// Reads a body whose tensors may hold `max_rows` rows of `fields` values. All of it is JSON, or `json_length` bytes and
/// tensors follow.
pub fn read(
    body: &[u8],
    json_length: Option<usize>,
    max_rows: usize,
    fields: usize,
) -> Result<InferRequest<'_>, ApiError> {
    let length = json_length.unwrap_or(body.len());
    let Some((json, bytes)) = body.split_at_checked(length) else {
        let (header, all) = (binary::HEADER, body.len());
        return Err(ApiError::bad_request(format!("{header} is {length}; the body has only {all} bytes")));
    };
    let mut request = read_json(json, max_rows, fields)?;
    let mut rest = bytes;
    for tensor in &mut request.inputs {
        let Some(size) = tensor.bytes else { continue };
        let wrong = |reason: &str| ApiError::bad_request(format!("input {}: {reason}", tensor.told_name()));
        let Some((bytes, after)) = rest.split_at_checked(size) else {
            return Err(wrong(&format!("binary_data_size is {size}; only {} bytes follow", rest.len())));
        };
        let cells = binary::cells(&tensor.datatype, bytes, tensor.shape.iter().product());
        tensor.cells = cells.map_err(|reason| wrong(&reason))?;
        rest = after;
    }
    if rest.is_empty() {
        Ok(request)
    } else {
        Err(ApiError::bad_request(format!("{} bytes follow that belong to no tensor", rest.len())))
    }
}

fn read_json(body: &[u8], max_rows: usize, fields: usize) -> Result<InferRequest<'_>, ApiError> {
    let mut room = Room { left: max_rows.saturating_mul(fields), exceeded: false };
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let request = Object(RequestReader { request: InferRequest::default(), room: &mut room });
    let request = request.deserialize(&mut deserializer).and_then(|read| deserializer.end().map(|()| read.request));
    request.map_err(|error| if room.exceeded { ApiError::too_many_rows(max_rows) } else { fault(body, &error) })
}

/// An object whose keys are read one by one. Keys nobody takes are read and forgotten.
trait Fields<'de>: Sized {
    /// What the object is, for messages.
    const WHAT: &'static str;

    /// Reads the value of `key`, if it takes that key. Returns whether it did.
    fn read<A: MapAccess<'de>>(&mut self, key: &str, object: &mut A) -> Result<bool, A::Error>;

    /// Checks the whole.
    fn finish<E: de::Error>(self) -> Result<Self, E> {
        Ok(self)
    }
}

struct Object<T>(T);

impl<'de, T: Fields<'de>> DeserializeSeed<'de> for Object<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Fields<'de>> Visitor<'de> for Object<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::WHAT)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<T, A::Error> {
        let mut fields = self.0;
        let mut keys = Keys::default();
        while let Some(Key(key)) = object.next_key()? {
            if !fields.read(&key, &mut object)? {
                object.next_value::<Cell<'de>>()?;
            }
            keys.add(key)?;
        }
        fields.finish()
    }
}

/// A list whose elements are read one by one, at most `most`.
struct List<F> {
    what: &'static str,
    most: usize,
    element: F,
}

/// Reads one element of a list.
trait Element<'de> {
    /// What it gives.
    type Value;

    /// Reads it.
    fn next<A: SeqAccess<'de>>(&mut self, list: &mut A) -> Result<Option<Self::Value>, A::Error>;
}

impl<'de, F: Element<'de>> DeserializeSeed<'de> for List<F> {
    type Value = Vec<F::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, F: Element<'de>> Visitor<'de> for List<F> {
    type Value = Vec<F::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = self.element.next(&mut list)? {
            if elements.len() == self.most {
                return Err(de::Error::custom(format_args!("more than {} in {}", self.most, self.what)));
            }
            elements.push(element);
        }
        Ok(elements)
    }
}

struct RequestReader<'a, 'de> {
    request: InferRequest<'de>,
    room: &'a mut Room,
}

impl<'de> Fields<'de> for RequestReader<'_, 'de> {
    const WHAT: &'static str = "an inference request as an object";

    fn read<A: MapAccess<'de>>(&mut self, key: &str, object: &mut A) -> Result<bool, A::Error> {
        match key {
            "id" => self.request.id = Some(object.next_value::<Key<'de>>()?.0),
            "inputs" => {
                let element = Tensors(self.room);
                let list = List { what: "inputs, a list of tensors", most: MAX_FIELDS, element };
                self.request.inputs = object.next_value_seed(list)?;
            }
            "outputs" => {
                let list = List { what: "outputs, a list of objects", most: MAX_OUTPUTS, element: Outputs };
                self.request.outputs = object.next_value_seed(list)?;
            }
            "parameters" => {
                let parameters = object.next_value_seed(Object(Parameters::default()))?;
                self.request.binary_outputs = parameters.outputs.unwrap_or(false);
                self.request.threshold = parameters.threshold;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

struct Outputs;

impl<'de> Element<'de> for Outputs {
    type Value = Wanted<'de>;

    fn next<A: SeqAccess<'de>>(&mut self, list: &mut A) -> Result<Option<Wanted<'de>>, A::Error> {
        list.next_element_seed(Object(Wanted::default()))
    }
}

impl<'de> Fields<'de> for Wanted<'de> {
    const WHAT: &'static str = "an output as an object with its name";

    fn read<A: MapAccess<'de>>(&mut self, key: &str, object: &mut A) -> Result<bool, A::Error> {
        match key {
            "name" => self.name = object.next_value::<Key<'de>>()?.0,
            "parameters" => self.binary = object.next_value_seed(Object(Parameters::default()))?.output,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

struct Tensors<'a>(&'a mut Room);

impl<'de> Element<'de> for Tensors<'_> {
    type Value = Tensor<'de>;

    fn next<A: SeqAccess<'de>>(&mut self, list: &mut A) -> Result<Option<Tensor<'de>>, A::Error> {
        let reader = TensorReader { tensor: Tensor::default(), lengths: Vec::new(), room: self.0 };
        Ok(list.next_element_seed(Object(reader))?.map(|reader| reader.tensor))
    }
}

struct TensorReader<'a, 'de> {
    tensor: Tensor<'de>,
    /// The lengths of the lists in the data, from the outermost in.
    lengths: Vec<usize>,
    room: &'a mut Room,
}

impl<'de> Fields<'de> for TensorReader<'_, 'de> {
    const WHAT: &'static str = "a tensor as an object with name, shape, datatype and data";

    fn read<A: MapAccess<'de>>(&mut self, key: &str, object: &mut A) -> Result<bool, A::Error> {
        match key {
            "name" => self.tensor.name = object.next_value::<Key<'de>>()?.0,
            "datatype" => self.tensor.datatype = object.next_value::<Key<'de>>()?.0,
            "shape" => {
                let list = List { what: "shape, a list of lengths", most: MAX_RANK, element: Lengths };
                self.tensor.shape = object.next_value_seed(list)?;
            }
            "data" => {
                let mut data = Data { cells: Vec::new(), lengths: Vec::new(), depth: None, room: self.room };
                object.next_value_seed(Nested { data: &mut data, depth: 0 })?;
                self.lengths = data.lengths.into_iter().flatten().collect();
                self.tensor.cells = data.cells;
            }
            "parameters" => {
                self.tensor.bytes = object.next_value_seed(Object(Parameters::default()))?.size;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn finish<E: de::Error>(self) -> Result<Self, E> {
        let tensor = &self.tensor;
        let (size, name) = (tensor.size().map_err(E::custom)?, tensor.told_name());
        if tensor.bytes.is_some() {
            if !tensor.cells.is_empty() {
                return Err(E::custom(format_args!("input {name}: expected either data or binary_data_size")));
            }
            let left = self.room.left.checked_sub(size);
            self.room.exceeded |= left.is_none();
            self.room.left = left.ok_or_else(|| E::custom("too many values"))?;
            return Ok(self);
        }
        tensor.check().map_err(E::custom)?;
        let (lengths, shape) = (&self.lengths, &tensor.shape);
        if lengths.len() > 1 && lengths != shape {
            return Err(E::custom(format_args!(
                "input {name}: data is nested as {lengths:?}, which is not the shape {shape:?}"
            )));
        }
        Ok(self)
    }
}

struct Lengths;

impl<'de> Element<'de> for Lengths {
    type Value = usize;

    fn next<A: SeqAccess<'de>>(&mut self, list: &mut A) -> Result<Option<usize>, A::Error> {
        list.next_element()
    }
}

/// The data of a tensor while it is read: flat, or nested as its shape says.
struct Data<'a, 'de> {
    cells: Vec<Cell<'de>>,
    /// The lengths of the lists, from the outermost in, as far as one has ended.
    lengths: Vec<Option<usize>>,
    /// How deep the values are.
    depth: Option<usize>,
    room: &'a mut Room,
}

impl<'de> Data<'_, 'de> {
    fn push<E: de::Error>(&mut self, depth: usize, cell: Cell<'de>) -> Result<(), E> {
        if *self.depth.get_or_insert(depth) != depth || depth == 0 {
            return Err(E::custom("data: expected a list of values, all nested alike"));
        }
        let Some(left) = self.room.left.checked_sub(1) else {
            self.room.exceeded = true;
            return Err(E::custom("too many values"));
        };
        self.room.left = left;
        self.cells.push(cell);
        Ok(())
    }

    fn note_length<E: de::Error>(&mut self, depth: usize, length: usize) -> Result<(), E> {
        if self.lengths.len() <= depth {
            self.lengths.resize(depth + 1, None);
        }
        if *self.lengths[depth].get_or_insert(length) == length {
            Ok(())
        } else {
            Err(E::custom("data: the nested lists differ in length"))
        }
    }
}

/// A value or a list in the data.
struct Nested<'a, 'b, 'de> {
    data: &'a mut Data<'b, 'de>,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Nested<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Nested<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("data, a list of values")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Nested { data, depth } = self;
        if depth == MAX_RANK {
            return Err(de::Error::custom("data: nested too deeply"));
        }
        let mut length = 0;
        while list.next_element_seed(Nested { data: &mut *data, depth: depth + 1 })?.is_some() {
            length += 1;
        }
        data.note_length(depth, length)
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.data.push(self.depth, Cell::Missing)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<(), E> {
        self.data.push(self.depth, Cell::Boolean(value))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<(), E> {
        self.data.push(self.depth, Cell::Number(number as f64))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<(), E> {
        self.data.push(self.depth, Cell::Number(number as f64))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<(), E> {
        self.data.push(self.depth, Cell::Number(number))
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<(), E> {
        self.data.push(self.depth, Cell::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        self.data.push(self.depth, Cell::Text(Cow::Owned(text.to_owned())))
    }
}
