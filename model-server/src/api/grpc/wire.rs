//! The wire format of protocol buffers: read in place, so that nothing a message claims takes memory before it is looked at.
//!
//! <https://protobuf.dev/programming-guides/encoding>

/// The bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message is not valid protobuf")]
pub struct Malformed;

/// The value of a field, as far as the wire format knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Whole numbers, truth values and enumerations.
    Varint(u64),
    /// Eight bytes: `double`.
    Fixed64([u8; 8]),
    /// Texts, bytes, messages and packed lists.
    Bytes(&'a [u8]),
    /// Four bytes: `float`.
    Fixed32([u8; 4]),
}

/// The fields of a message, one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads `message`.
    pub fn new(message: &'a [u8]) -> Reader<'a> {
        Reader(message)
    }

    /// Whether all has been read.
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The next field's number and value.
    pub fn next(&mut self) -> Result<Option<(u64, Value<'a>)>, Malformed> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(self.fixed()?),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
                let (bytes, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
                self.0 = rest;
                Value::Bytes(bytes)
            }
            5 => Value::Fixed32(self.fixed()?),
            // Groups have been deprecated for longer than this protocol exists.
            _ => return Err(Malformed),
        };
        if key >> 3 == 0 { Err(Malformed) } else { Ok(Some((key >> 3, value))) }
    }

    /// A number of up to 64 bits, seven a byte.
    pub fn varint(&mut self) -> Result<u64, Malformed> {
        let mut number = 0_u64;
        for place in 0..10 {
            let (&byte, rest) = self.0.split_first().ok_or(Malformed)?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Malformed)
    }

    /// So many bytes.
    pub fn fixed<const SIZE: usize>(&mut self) -> Result<[u8; SIZE], Malformed> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*bytes)
    }
}

impl<'a> Value<'a> {
    /// A text, bytes or a message.
    pub fn bytes(self) -> Result<&'a [u8], Malformed> {
        if let Value::Bytes(bytes) = self { Ok(bytes) } else { Err(Malformed) }
    }

    /// A text.
    pub fn text(self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed)
    }

    /// The numbers of a list, whether they stand together or alone.
    pub fn numbers<E: From<Malformed>>(self, mut take: impl FnMut(u64) -> Result<(), E>) -> Result<(), E> {
        match self {
            Value::Varint(number) => take(number),
            Value::Bytes(packed) => {
                let mut packed = Reader(packed);
                while !packed.is_empty() {
                    take(packed.varint()?)?;
                }
                Ok(())
            }
            _ => Err(Malformed.into()),
        }
    }

    /// The floats of a list of 32 bits each.
    pub fn floats<E: From<Malformed>>(self, mut take: impl FnMut(f32) -> Result<(), E>) -> Result<(), E> {
        match self {
            Value::Fixed32(bytes) => take(f32::from_le_bytes(bytes)),
            Value::Bytes(packed) => {
                let mut packed = Reader(packed);
                while !packed.is_empty() {
                    take(f32::from_le_bytes(packed.fixed()?))?;
                }
                Ok(())
            }
            _ => Err(Malformed.into()),
        }
    }

    /// The floats of a list of 64 bits each.
    pub fn doubles<E: From<Malformed>>(self, mut take: impl FnMut(f64) -> Result<(), E>) -> Result<(), E> {
        match self {
            Value::Fixed64(bytes) => take(f64::from_le_bytes(bytes)),
            Value::Bytes(packed) => {
                let mut packed = Reader(packed);
                while !packed.is_empty() {
                    take(f64::from_le_bytes(packed.fixed()?))?;
                }
                Ok(())
            }
            _ => Err(Malformed.into()),
        }
    }
}

/// A message that is written. Like every writer of proto3, it leaves out single values that are the default.
#[derive(Clone, Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// The message.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }

    /// A truth value.
    pub fn truth(mut self, number: u32, value: bool) -> Writer {
        if value {
            self.key(number, 0);
            self.0.push(1);
        }
        self
    }

    /// A single text.
    pub fn text(self, number: u32, text: &str) -> Writer {
        if text.is_empty() { self } else { self.bytes(number, text.as_bytes()) }
    }

    /// Bytes or an element of a list of them.
    pub fn bytes(mut self, number: u32, bytes: &[u8]) -> Writer {
        self.key(number, 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    /// A message or an element of a list of them.
    pub fn message(self, number: u32, message: &Writer) -> Writer {
        self.bytes(number, &message.0)
    }

    /// Elements of a list of texts.
    pub fn texts<'a>(self, number: u32, texts: impl IntoIterator<Item = &'a str>) -> Writer {
        texts.into_iter().fold(self, |writer, text| writer.bytes(number, text.as_bytes()))
    }

    /// A list of whole numbers.
    pub fn numbers(self, number: u32, numbers: impl IntoIterator<Item = u64>) -> Writer {
        let mut packed = Writer::default();
        for element in numbers {
            packed.varint(element);
        }
        if packed.0.is_empty() { self } else { self.message(number, &packed) }
    }

    /// A list of floats of 64 bits each.
    pub fn doubles(mut self, number: u32, numbers: &[f64]) -> Writer {
        if !numbers.is_empty() {
            self.key(number, 2);
            self.varint(8 * numbers.len() as u64);
            self.0.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        }
        self
    }

    fn key(&mut self, number: u32, kind: u32) {
        self.varint(u64::from(number << 3 | kind));
    }

    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let inner = Writer::default().text(1, "x").numbers(3, [u64::MAX, 300]);
        let message =
            Writer::default().truth(1, true).truth(2, false).text(3, "").message(5, &inner).doubles(7, &[0.5]);
        let bytes = message.finish();
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.next(), Ok(Some((1, Value::Varint(1)))));
        let (number, inner) = reader.next().unwrap().unwrap();
        let mut inner = Reader::new(inner.bytes().unwrap());
        assert_eq!((number, inner.next().unwrap().unwrap().1.text()), (5, Ok("x")));
        let mut numbers = Vec::new();
        let take = |number: u64| {
            numbers.push(number);
            Ok::<_, Malformed>(())
        };
        inner.next().unwrap().unwrap().1.numbers(take).unwrap();
        assert_eq!((numbers, inner.next()), (vec![u64::MAX, 300], Ok(None)));
        let mut doubles = Vec::new();
        let take = |number: f64| {
            doubles.push(number);
            Ok::<_, Malformed>(())
        };
        reader.next().unwrap().unwrap().1.doubles(take).unwrap();
        assert_eq!((doubles, reader.next()), (vec![0.5], Ok(None)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_message_or_malformed(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut reader = Reader::new(&bytes);
            let mut fields = 0;
            while let Ok(Some((_, value))) = reader.next() {
                fields += 1;
                let _ = (value.text(), value.numbers(|_| Ok::<_, Malformed>(())));
                let _ = (value.floats(|_| Ok::<_, Malformed>(())), value.doubles(|_| Ok::<_, Malformed>(())));
            }
            prop_assert!(fields <= bytes.len());
        }
    }
}
