//! What a file is, by its first bytes: its name may say anything.

/// How the bytes of a file are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Gzip,
    Zstandard,
}

/// How a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Cells separated by a comma, semicolon or tab.
    Csv,
    /// One JSON object a line.
    JsonLines,
    Parquet,
}

const PARQUET: &[u8] = b"PAR1";

/// The packing that a file which begins with `sample` has.
pub(super) fn packing(sample: &[u8]) -> Option<Packing> {
    if sample.starts_with(b"\x1f\x8b") {
        Some(Packing::Gzip)
    } else if sample.starts_with(b"\x28\xb5\x2f\xfd") || is_skippable_frame(sample) {
        Some(Packing::Zstandard)
    } else {
        None
    }
}

/// A frame of Zstandard without data, such as parallel compressors begin with (RFC 8878, 3.1.2).
fn is_skippable_frame(sample: &[u8]) -> bool {
    matches!(sample, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// The format of what begins with `sample`, or what it is instead and what to do about it.
pub(super) fn format(sample: &[u8]) -> Result<Format, &'static str> {
    const FOREIGN: [(&[u8], &str); 24] = [
        (b"PK\x03\x04", "this is a spreadsheet (.xlsx) or ZIP file; save the table as CSV or Parquet"),
        (b"\xd0\xcf\x11\xe0", "this is an Excel file (.xls); save the table as CSV or Parquet"),
        (b"\x80\x02", PICKLE),
        (b"\x80\x03", PICKLE),
        (b"\x80\x04", PICKLE),
        (b"\x80\x05", PICKLE),
        (b"ARROW1", "this is an Arrow (Feather) file; save the table as Parquet"),
        (b"FEA1", "this is a Feather file; save the table as Parquet"),
        (b"ORC", "this is an ORC file; save the table as Parquet"),
        (b"Obj\x01", "this is an Avro file; save the table as Parquet"),
        (b"\x89HDF", "this is an HDF5 file; save the table as Parquet"),
        (b"\x93NUMPY", "this is a NumPy file, which has no column names; save the table as CSV or Parquet"),
        (b"SQLite format 3\0", "this is a SQLite database; save the table as CSV"),
        (b"%PDF", "this is a PDF file; save the table as CSV"),
        (b"BZh", "this file is compressed with bzip2; compress it with gzip or zstd, or not at all"),
        (b"\xfd7zXZ\0", "this file is compressed with xz; compress it with gzip or zstd, or not at all"),
        (b"\x04\x22\x4d\x18", "this file is compressed with lz4; compress it with gzip or zstd, or not at all"),
        (b"\x1f\x8b", "this file is compressed twice; compress it once"),
        (b"\x28\xb5\x2f\xfd", "this file is compressed twice; compress it once"),
        (b"\xff\xfe", "this file is UTF-16 text; save it as UTF-8"),
        (b"\xfe\xff", "this file is UTF-16 text; save it as UTF-8"),
        (b"{\\rtf", "this is a text document (RTF); save the table as CSV"),
        (b"<?xml", "this is XML; save the table as CSV"),
        (b"PAR2", "this is no Parquet file, but a parity archive; give the table itself"),
    ];
    if sample.starts_with(PARQUET) {
        return Ok(Format::Parquet);
    }
    if let Some((_, problem)) = FOREIGN.iter().find(|(magic, _)| sample.starts_with(magic)) {
        return Err(problem);
    }
    if sample.get(257..262) == Some(b"ustar") {
        return Err("this is a tar archive; give the file in it");
    }
    if sample.contains(&0) {
        return Err("this is no text file: it holds a zero byte");
    }
    let text = sample.strip_prefix(b"\xef\xbb\xbf").unwrap_or(sample).trim_ascii_start();
    let begins = |word: &[u8]| text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    if begins(b"<!doctype html") || begins(b"<html") {
        return Err("this is a web page (HTML), perhaps of a sign-in or an error; download the file itself");
    }
    match text {
        [b'{', rest @ ..] if matches!(rest.trim_ascii_start(), [] | [b'"' | b'}', ..]) => Ok(Format::JsonLines),
        [b'[', rest @ ..] if matches!(rest.trim_ascii_start(), [b'{' | b'[', ..]) => Err(
            "this is a JSON array; write one object a line instead (JSON lines), without [, ] and commas between them",
        ),
        _ => Ok(Format::Csv),
    }
}

const PICKLE: &str = "this is a Python pickle, which may run any program when it is opened and is not read; save the table as \
                      CSV or Parquet";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_first_bytes() {
        assert_eq!(packing(b"\x1f\x8b\x08\0"), Some(Packing::Gzip));
        assert_eq!(packing(b"\x28\xb5\x2f\xfd\0"), Some(Packing::Zstandard));
        assert_eq!(packing(b"\x52\x2a\x4d\x18\0"), Some(Packing::Zstandard));
        assert_eq!(packing(b"a,b"), None);
        for (sample, expected) in [
            (b"a,b\n1,2\n".as_slice(), Ok(Format::Csv)),
            (b"", Ok(Format::Csv)),
            (b"PAR1\x15\x04", Ok(Format::Parquet)),
            (b"\xef\xbb\xbf {\"a\": 1}\n", Ok(Format::JsonLines)),
            (b"{a},b\n1,2\n", Ok(Format::Csv)),
            (b"[a],b\n1,2\n", Ok(Format::Csv)),
            (b" [\n {\"a\": 1}]", Err("this is a JSON array")),
            (b"PK\x03\x04", Err("this is a spreadsheet")),
            (b"\x80\x04\x95", Err("this is a Python pickle")),
            (b"\n<!DOCTYPE html><title>", Err("this is a web page")),
            (b"\x00\x01", Err("this is no text file")),
        ] {
            let found = format(sample);
            match expected {
                Ok(format) => assert_eq!(found, Ok(format), "{sample:?}"),
                Err(start) => assert!(found.is_err_and(|why| why.starts_with(start)), "{sample:?}"),
            }
        }
    }
}
