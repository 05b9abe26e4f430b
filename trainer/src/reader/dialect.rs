//! What separates cells, and files that are no CSV at all.

/// Separators that are looked for, the likeliest first.
const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];
/// Records of the sample that are looked at.
const SAMPLED: usize = 100;

/// The separator with which the most records of `sample`, the beginning of a file, have as many cells as the header; among
/// equals the one that makes the most cells. A comma where nothing is separated.
pub(super) fn delimiter(sample: &[u8]) -> u8 {
    let mut best = (b',', 0.0, 1);
    for delimiter in DELIMITERS {
        let (share, cells) = regularity(sample, delimiter);
        if cells > 1 && (share, cells) > (best.1, best.2) {
            best = (delimiter, share, cells);
        }
    }
    best.0
}

/// The share of records with as many cells as the header, and that number of cells.
fn regularity(sample: &[u8], delimiter: u8) -> (f64, usize) {
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(sample);
    let mut cells: Vec<usize> =
        reader.byte_records().take(SAMPLED).map_while(Result::ok).map(|record| record.len()).collect();
    if cells.len() > 2 {
        // The sample may end within its last record.
        cells.pop();
    }
    let Some(&header) = cells.first() else { return (0.0, 0) };
    let regular = cells.iter().filter(|&&count| count == header).count();
    (regular as f64 / cells.len() as f64, header)
}

/// Refuses, by its first bytes, a file that is no text in UTF-8.
pub(super) fn refuse_foreign(sample: &[u8]) -> Result<(), String> {
    let known: [(&[u8], &str); 6] = [
        (b"PAR1", "this is a Parquet file; save the table as CSV"),
        (b"PK\x03\x04", "this is a spreadsheet or ZIP file; save the table as CSV"),
        (b"\x1f\x8b", "this file is compressed with gzip; unpack it first"),
        (b"\x28\xb5\x2f\xfd", "this file is compressed with Zstandard; unpack it first"),
        (b"\xff\xfe", "this file is UTF-16 text; save it as UTF-8"),
        (b"\xfe\xff", "this file is UTF-16 text; save it as UTF-8"),
    ];
    match known.iter().find(|(magic, _)| sample.starts_with(magic)) {
        Some((_, problem)) => Err((*problem).to_owned()),
        None if sample.contains(&0) => Err("this is no text file: it holds a zero byte".to_owned()),
        None => Ok(()),
    }
}
