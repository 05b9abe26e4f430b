//! What separates cells.

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
