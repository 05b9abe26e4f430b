//! How long fits take once the rows are read, in seconds, as JSON, one after the other in one process:
//! `cargo run --release --example time_fits -- RUN.yaml DATA TIMES`. `RAYON_NUM_THREADS` says how many threads.

use std::error::Error;
use std::path::Path;

use slipway_trainer::reader::DataSource;
use slipway_trainer::{spec_file, time_fits};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [run, data, times] = arguments.as_slice() else { return Err("name RUN.yaml, DATA and TIMES".into()) };
    let run = spec_file::read(Path::new(run), Path::new(data), Path::new("."))?;
    let took = time_fits(&run, DataSource::from(data.as_str()), times.parse()?)?;
    println!("{}", serde_json::to_string(&took)?);
    Ok(())
}
