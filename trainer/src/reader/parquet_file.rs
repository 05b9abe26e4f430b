//! Parquet, column by column. The format: <https://parquet.apache.org/docs/file-format/>.

use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type as Physical};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{AsBytes, DataType};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, FileReader, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;

use super::column::{Builder, Plan};
use super::columns::Columns;
use super::number::Style;
use super::{Input, MAX_CELL_BYTES, MAX_ROWS, Request, unpack};
use crate::error::DataError;

/// Values that are decoded at once.
const BATCH: usize = 8_192;
/// Bytes that a cell takes in memory.
const CELL_BYTES: u64 = 8;
const SECONDS_A_DAY: f64 = 86_400.0;

/// Reads Parquet; `file` is its name in messages.
pub(super) fn read(
    file: &str,
    input: Input<'_>,
    request: &Request<'_>,
    columns: &mut Columns,
) -> Result<(), DataError> {
    let failed = |failure: io::Error| DataError::new(file, failure.to_string());
    match input {
        Input::File(path) => Reader::new(file, File::open(path).map_err(failed)?)?.read(request, columns),
        Input::Memory(bytes) => Reader::new(file, Bytes::copy_from_slice(bytes))?.read(request, columns),
    }
}

/// What the values of a column mean.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Boolean,
    Integer {
        unsigned: bool,
    },
    Float,
    /// A 16-bit float in two bytes.
    HalfFloat,
    /// A whole number of units, of which this many are 1.
    Decimal {
        units: f64,
    },
    /// Days since 1970-01-01.
    Date,
    /// Time since 1970-01-01 UTC in this part of a second.
    Timestamp {
        a_second: i64,
    },
    /// Time since midnight in this part of a second; a number of seconds.
    TimeOfDay {
        a_second: i64,
    },
    Text,
    /// Sixteen bytes.
    Uuid,
}

/// One value, decoded but for its meaning.
enum Value<'a> {
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Bytes(&'a [u8]),
    /// Seconds since 1970-01-01 UTC.
    Time(f64),
}

/// Why a column cannot be read.
enum Fault {
    Damage(ParquetError),
    /// The value at a row of the group.
    Value(usize, &'static str),
}

struct Reader<'a, R: ChunkReader> {
    file: &'a str,
    parquet: SerializedFileReader<R>,
    size: u64,
}

/// Asks the library for something. It asserts what a damaged page may break, and only there is a panic no bug of ours; what it
/// has half read is thrown away with the error.
fn ask<T>(work: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(ParquetError::General("its pages cannot be decoded; write it again".to_owned())))
}

fn damaged(error: &ParquetError) -> String {
    format!("the Parquet file is cut off or damaged, or has a part that is not read: {error}")
}

impl<'a, R: ChunkReader + 'static> Reader<'a, R> {
    fn new(file: &'a str, source: R) -> Result<Self, DataError> {
        let size = source.len();
        let parquet =
            ask(|| SerializedFileReader::new(source)).map_err(|error| DataError::new(file, damaged(&error)))?;
        Ok(Reader { file, parquet, size })
    }

    fn error(&self, problem: impl Into<String>) -> DataError {
        DataError::new(self.file, problem)
    }

    fn read(&self, request: &Request<'_>, columns: &mut Columns) -> Result<(), DataError> {
        let metadata = self.parquet.metadata();
        let schema = metadata.file_metadata().schema_descr();
        let rows = self.check_size(metadata, schema.num_columns(), request)?;
        let (mut names, mut kinds) = (Vec::new(), Vec::new());
        for column in schema.columns() {
            let name = column.path().parts().first().map_or("", String::as_str).trim();
            kinds.push(kind(column).map_err(|problem| self.error(problem).in_column(name))?);
            names.push(name.to_owned());
        }
        let places = columns.places(names, |place, name| match kinds[place] {
            _ if request.is_text(name) => Plan::Texts,
            Kind::Boolean | Kind::Text | Kind::Uuid => Plan::Texts,
            Kind::Date | Kind::Timestamp { .. } => Plan::Times,
            _ => Plan::Numbers(Style::Plain),
        })?;
        if rows == 0 {
            return Err(self.error("the table has columns and no row"));
        }
        self.check_places(metadata)?;
        let mut before = 0;
        for number in 0..metadata.num_row_groups() {
            let group = ask(|| self.parquet.get_row_group(number)).map_err(|error| self.error(damaged(&error)))?;
            let rows = metadata.row_group(number).num_rows();
            for (place, &kind) in kinds.iter().enumerate() {
                let column = &mut columns.builders[places[place]];
                let reader = ask(|| group.get_column_reader(place)).map_err(|error| self.error(damaged(&error)))?;
                let read = chunk(reader, kind, column).map_err(|fault| match fault {
                    Fault::Damage(error) => self.error(damaged(&error)).in_column(column.name()),
                    Fault::Value(row, problem) => self.error(problem).at_row(before + row).in_column(column.name()),
                })?;
                if Ok(read) != usize::try_from(rows) {
                    let problem = format!("the Parquet file is damaged: {read} values where {rows} are announced");
                    return Err(self.error(problem).in_column(column.name()));
                }
            }
            before += usize::try_from(rows).unwrap_or_default();
            let done = self.size / metadata.num_row_groups() as u64 * (number as u64 + 1);
            request.told.iter().for_each(|told| told(done, self.size));
        }
        columns.rows += rows;
        Ok(())
    }

    /// The library stops the program where a column's bytes lie outside of the file.
    fn check_places(&self, metadata: &ParquetMetaData) -> Result<(), DataError> {
        let columns = metadata.row_groups().iter().flat_map(RowGroupMetaData::columns);
        let inside = |start: i64, length: i64| {
            let (start, length) = (u64::try_from(start).ok()?, u64::try_from(length).ok()?);
            start.checked_add(length).filter(|end| *end <= self.size)
        };
        for column in columns {
            let start = column.dictionary_page_offset().unwrap_or_else(|| column.data_page_offset());
            if inside(start, column.compressed_size()).is_none() || inside(column.data_page_offset(), 0).is_none() {
                let name = column.column_path().string();
                return Err(self.error("the Parquet file is damaged: it ends before this column").in_column(&name));
            }
        }
        Ok(())
    }

    /// The number of rows, if they fit into memory.
    fn check_size(
        &self,
        metadata: &ParquetMetaData,
        columns: usize,
        request: &Request<'_>,
    ) -> Result<usize, DataError> {
        let groups = metadata.row_groups().iter().map(|group| usize::try_from(group.num_rows()).ok());
        let rows = groups.sum::<Option<usize>>().filter(|rows| *rows <= MAX_ROWS);
        let rows = rows.ok_or_else(|| self.error(format!("more than {MAX_ROWS} rows")))?;
        let most = unpack::most(self.size, request.max_unpacked_bytes);
        if (rows as u64).saturating_mul(columns as u64).saturating_mul(CELL_BYTES) > most {
            let problem = format!("{rows} rows of {columns} columns take {CELL_BYTES} bytes a cell");
            return Err(self.error(format!("{problem}; {}", unpack::too_much(most, self.size))));
        }
        Ok(rows)
    }
}

/// What the values of a column mean; nested ones are refused.
fn kind(column: &ColumnDescriptor) -> Result<Kind, String> {
    if column.path().parts().len() > 1 || column.max_rep_level() > 0 || column.max_def_level() > 1 {
        return Err(format!(
            "it is nested ({}); a table has one value a cell, so save its parts as columns of their own",
            column.path().string()
        ));
    }
    let decimal = |scale: i32| Kind::Decimal { units: 10_f64.powi(scale) };
    let kind = match (column.logical_type_ref(), column.converted_type()) {
        (Some(LogicalType::Decimal(decimal_type)), _) => Some(decimal(decimal_type.scale)),
        (None, ConvertedType::DECIMAL) => Some(decimal(column.type_scale())),
        (Some(LogicalType::Date), _) | (None, ConvertedType::DATE) => Some(Kind::Date),
        (Some(LogicalType::Timestamp(of)), _) => Some(Kind::Timestamp { a_second: a_second(of.unit) }),
        (None, ConvertedType::TIMESTAMP_MILLIS) => Some(Kind::Timestamp { a_second: 1_000 }),
        (None, ConvertedType::TIMESTAMP_MICROS) => Some(Kind::Timestamp { a_second: 1_000_000 }),
        (Some(LogicalType::Time(of)), _) => Some(Kind::TimeOfDay { a_second: a_second(of.unit) }),
        (None, ConvertedType::TIME_MILLIS) => Some(Kind::TimeOfDay { a_second: 1_000 }),
        (None, ConvertedType::TIME_MICROS) => Some(Kind::TimeOfDay { a_second: 1_000_000 }),
        (Some(LogicalType::Integer(of)), _) => Some(Kind::Integer { unsigned: !of.is_signed }),
        (None, ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64) => {
            Some(Kind::Integer { unsigned: true })
        }
        (Some(LogicalType::Uuid), _) => Some(Kind::Uuid),
        (Some(LogicalType::Float16), _) => Some(Kind::HalfFloat),
        (Some(LogicalType::Bson), _) | (_, ConvertedType::BSON | ConvertedType::INTERVAL) => None,
        _ => Some(match column.physical_type() {
            Physical::BOOLEAN => Kind::Boolean,
            Physical::INT32 | Physical::INT64 => Kind::Integer { unsigned: false },
            Physical::INT96 => Kind::Timestamp { a_second: 1 },
            Physical::FLOAT | Physical::DOUBLE => Kind::Float,
            Physical::BYTE_ARRAY | Physical::FIXED_LEN_BYTE_ARRAY => Kind::Text,
        }),
    };
    kind.ok_or_else(|| "its type is none that is read; save it as numbers or text".to_owned())
}

fn a_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::MILLIS => 1_000,
        TimeUnit::MICROS => 1_000_000,
        TimeUnit::NANOS => 1_000_000_000,
    }
}

/// Reads one column of one row group; gives the number of its rows.
fn chunk(reader: ColumnReader, kind: Kind, column: &mut Builder) -> Result<usize, Fault> {
    match reader {
        ColumnReader::BoolColumnReader(reader) => each(reader, kind, column, |value| Value::Boolean(*value)),
        ColumnReader::Int32ColumnReader(reader) => each(reader, kind, column, |&value| match kind {
            Kind::Integer { unsigned: true } => Value::Integer(value.cast_unsigned().into()),
            _ => Value::Integer(value.into()),
        }),
        ColumnReader::Int64ColumnReader(reader) => each(reader, kind, column, |value| Value::Integer(*value)),
        ColumnReader::Int96ColumnReader(reader) => {
            each(reader, kind, column, |value| Value::Time(seconds_of_julian(value.data())))
        }
        ColumnReader::FloatColumnReader(reader) => each(reader, kind, column, |&value| Value::Float(value.into())),
        ColumnReader::DoubleColumnReader(reader) => each(reader, kind, column, |value| Value::Float(*value)),
        ColumnReader::ByteArrayColumnReader(reader) => {
            each(reader, kind, column, |value| Value::Bytes(value.as_bytes()))
        }
        ColumnReader::FixedLenByteArrayColumnReader(reader) => {
            each(reader, kind, column, |value| Value::Bytes(value.as_bytes()))
        }
    }
}

/// The time of a 96-bit timestamp: nanoseconds of the day in 64 bits, then the Julian day.
fn seconds_of_julian(words: &[u32]) -> f64 {
    const JULIAN_1970: f64 = 2_440_588.0;
    let [low, high, day] = words else { return f64::NAN };
    let nanos = u64::from(*high) << 32 | u64::from(*low);
    (f64::from(*day) - JULIAN_1970) * SECONDS_A_DAY + nanos as f64 / 1e9
}

fn each<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    kind: Kind,
    column: &mut Builder,
    value: impl for<'v> Fn(&'v T::T) -> Value<'v>,
) -> Result<usize, Fault> {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    let mut rows = 0;
    loop {
        values.clear();
        levels.clear();
        let read = ask(|| reader.read_records(BATCH, Some(&mut levels), None, &mut values));
        let (records, _, _) = read.map_err(Fault::Damage)?;
        if records == 0 {
            return Ok(rows);
        }
        let mut present = values.iter();
        for place in 0..records {
            // A column that always has a value comes without levels.
            let is_present = levels.get(place).is_none_or(|level| *level == 1);
            let found = if is_present { present.next() } else { None };
            match found {
                Some(found) => {
                    let pushed = push(column, kind, &value(found));
                    pushed.map_err(|problem| Fault::Value(rows + place, problem))?;
                }
                None => column.push_missing(),
            }
        }
        rows += records;
    }
}

/// Appends a value by its meaning.
fn push(column: &mut Builder, kind: Kind, value: &Value<'_>) -> Result<(), &'static str> {
    match (kind, value) {
        (_, Value::Boolean(value)) => column.push_text(if *value { "true" } else { "false" }),
        (_, Value::Time(seconds)) => column.push_time(*seconds),
        (_, Value::Float(number)) => column.push_number(*number),
        (Kind::Date, Value::Integer(days)) => column.push_time(*days as f64 * SECONDS_A_DAY),
        (Kind::Timestamp { a_second }, Value::Integer(since)) => column.push_time(seconds(*since, a_second)),
        (Kind::TimeOfDay { a_second }, Value::Integer(since)) => column.push_number(seconds(*since, a_second)),
        (Kind::Decimal { units }, Value::Integer(number)) => column.push_number(*number as f64 / units),
        (Kind::Integer { unsigned: true }, Value::Integer(number)) => {
            column.push_integer(number.cast_unsigned().into())
        }
        (_, Value::Integer(number)) => column.push_integer((*number).into()),
        (Kind::Decimal { units }, Value::Bytes(bytes)) => {
            column.push_number(big_endian(bytes).ok_or("a decimal of more than 16 bytes")? as f64 / units)
        }
        (Kind::HalfFloat, Value::Bytes(bytes)) => {
            column.push_number(half_float(bytes).ok_or("a 16-bit number that has not 2 bytes")?)
        }
        (Kind::Uuid, Value::Bytes(bytes)) => column.push_text(&uuid(bytes)),
        (_, Value::Bytes(bytes)) => {
            if bytes.len() > MAX_CELL_BYTES {
                return Err("a text longer than 1 MiB");
            }
            let text =
                std::str::from_utf8(bytes).map_err(|_| "bytes that are no UTF-8 text; save the column as text")?;
            column.push_text(text.trim())
        }
    }
}

/// Rounded as a time that is read from text.
fn seconds(since: i64, a_second: i64) -> f64 {
    (since / a_second) as f64 + (since % a_second) as f64 / a_second as f64
}

/// A number in two's complement.
fn big_endian(bytes: &[u8]) -> Option<i128> {
    let first = *bytes.first()?;
    let mut wide = [if first & 0x80 == 0 { 0 } else { 0xff }; 16];
    let start = wide.len().checked_sub(bytes.len())?;
    wide[start..].copy_from_slice(bytes);
    Some(i128::from_be_bytes(wide))
}

/// IEEE 754 binary16, little-endian.
fn half_float(bytes: &[u8]) -> Option<f64> {
    let bits = u16::from_le_bytes(bytes.try_into().ok()?);
    let fraction = f64::from(bits & 0x3ff);
    let magnitude = match i32::from(bits >> 10 & 0x1f) {
        0 => fraction * 2_f64.powi(-24),
        0x1f if fraction == 0.0 => f64::INFINITY,
        0x1f => f64::NAN,
        exponent => (1024.0 + fraction) * 2_f64.powi(exponent - 25),
    };
    Some(if bits & 0x8000 == 0 { magnitude } else { -magnitude })
}

fn uuid(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(36);
    for (place, byte) in bytes.iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.extend([byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap_or('0')));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_from_their_bytes() {
        assert_eq!(big_endian(&[0xff, 0x38]), Some(-200));
        assert_eq!(big_endian(&[0x00, 0xc8]), Some(200));
        assert_eq!(big_endian(&[0; 17]), None);
        assert_eq!(half_float(&[0x00, 0x3e]), Some(1.5));
        assert_eq!(half_float(&[0x01, 0x80]), Some(-(2_f64.powi(-24))));
        assert_eq!(uuid(&(0..16).collect::<Vec<u8>>()), "00010203-0405-0607-0809-0a0b0c0d0e0f");
        assert_eq!(seconds_of_julian(&[1_000_000_000, 0, 2_440_589]), 86_401.0);
        assert_eq!(seconds(-1_500, 1_000), -1.5);
    }
}
