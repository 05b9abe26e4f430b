//! How long a model takes to load and to predict one row, as JSON: `cargo run --release --example time_predict -- DIR`.
//!
//! The rows are the artefact's golden rows, taken in turn, once they are decoded.

use std::error::Error;
use std::hint::black_box;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use slipway_model::Artefact;

/// Long enough that starting and other programs do not count.
const AT_LEAST: Duration = Duration::from_millis(500);
/// Rows measured together; the median of these groups counts.
const GROUP: u32 = 100;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("which artefact?")?);
    let started = Instant::now();
    let artefact = Artefact::load(&folder, None)?;
    let load = started.elapsed();

    let model = &artefact.model;
    let mut rows = Vec::new();
    for golden in &artefact.manifest.golden.rows {
        rows.push(model.decode_json(&golden.row).map_err(|errors| format!("{errors:?}"))?);
    }
    let mut groups = Vec::new();
    let mut next = rows.iter().cycle();
    let began = Instant::now();
    while began.elapsed() < AT_LEAST {
        let group = Instant::now();
        for row in next.by_ref().take(GROUP as usize) {
            black_box(model.predict(black_box(row)));
        }
        groups.push(group.elapsed() / GROUP);
    }
    groups.sort_unstable();
    let row = groups.get(groups.len() / 2).ok_or("the artefact has no golden rows")?;
    println!(r#"{{"loadSeconds": {}, "rowSeconds": {}}}"#, load.as_secs_f64(), row.as_secs_f64());
    Ok(())
}
