//! How long each kernel takes for a row, alone and in batches of 5,000, in microseconds
//! of a processor, as JSON:
//! `cargo run --release --example time_kernels -- ARTEFACT ROWS.csv`, or without arguments on 500 drawn trees of depth 6.

use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use slipway_model::rng::Rng;
use slipway_model::{Artefact, Combine, Estimator, Kernel, Link, TreeNode, TreesBuilder, Value};
use slipway_model::{Encoder, Field, Model, Output};

/// Rows of a batch.
const ROWS: usize = 5_000;
/// Spans that are measured; the least counts, as other programs only ever slow a machine down.
const SPANS: usize = 5;
/// How much of a processor's time a span takes at least: the system counts it in steps of a few milliseconds.
const SPAN: Duration = Duration::from_millis(100);

/// A model and rows to predict.
type Subject = (Model, Vec<Vec<f64>>);

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (mut model, rows) = match (arguments.next(), arguments.next()) {
        (Some(artefact), Some(rows)) => read(Path::new(&artefact), Path::new(&rows))?,
        _ => drawn(500, 6, 30)?,
    };
    let mut expected: Option<Vec<u64>> = None;
    for kernel in Kernel::ALL.map(Some).into_iter().chain([None]) {
        let started = Instant::now();
        let used = model.tune(kernel);
        let tuned = started.elapsed().as_secs_f64();
        let output = model.predict_rows(rows.iter().map(Vec::as_slice));
        let bits = output.iter().map(|number| number.to_bits()).collect();
        assert!(*expected.get_or_insert_with(|| Vec::clone(&bits)) == bits, "{kernel:?} answers otherwise");
        let row = measure(rows.len(), || {
            for row in &rows {
                black_box(model.predict_raw(black_box(row)));
            }
        })?;
        let batch = measure(rows.len(), || {
            black_box(model.predict_rows(black_box(&rows).iter().map(Vec::as_slice)));
        })?;
        let asked = kernel.map_or("timed", Kernel::name);
        println!(
            r#"{{"kernel": "{asked}", "used": "{used:?}", "tuneSeconds": {tuned}, "row": {row:.2}, "batch": {batch:.2}}}"#
        );
    }
    Ok(())
}

/// Microseconds of a processor that `work` takes for each of its rows.
fn measure(rows: usize, mut work: impl FnMut()) -> Result<f64, Box<dyn Error>> {
    let mut least = f64::INFINITY;
    for _ in 0..SPANS {
        let (started, mut times) = (cpu()?, 0);
        let spent = loop {
            work();
            times += 1;
            let spent = cpu()?.saturating_sub(started);
            if spent >= SPAN {
                break spent;
            }
        };
        least = least.min(spent.as_secs_f64() * 1e6 / (times * rows) as f64);
    }
    Ok(least)
}

/// Time that this thread has been on a processor, from Linux.
fn cpu() -> Result<Duration, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(Duration::from_nanos(text.split_whitespace().next().unwrap_or_default().parse()?))
}

fn read(artefact: &Path, rows: &Path) -> Result<Subject, Box<dyn Error>> {
    let model = Artefact::load(artefact, None)?.model;
    let mut reader = csv::Reader::from_path(rows)?;
    let headers = reader.headers()?.clone();
    let places: Vec<_> =
        model.fields().iter().map(|field| headers.iter().position(|name| name == field.name)).collect();
    let mut decoded = Vec::new();
    for record in reader.records().take(ROWS) {
        let record = record?;
        let value = |place: usize, _: &Field| match places[place].and_then(|place| record.get(place)) {
            None | Some("") => Value::Missing,
            Some(text) => Value::Text(text),
        };
        decoded.extend(model.decode(value));
    }
    Ok((model, decoded))
}

/// Complete trees of `depth` on `columns` columns, and rows that go anywhere.
fn drawn(trees: usize, depth: u32, columns: usize) -> Result<Subject, Box<dyn Error>> {
    let mut rng = Rng::new(1);
    let mut unit = move || (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    let mut builder = TreesBuilder::new(1);
    for _ in 0..trees {
        let splits = (1_u32 << depth) - 1;
        let mut nodes: Vec<TreeNode> = Vec::new();
        for place in 0..splits {
            let column = (unit() * columns as f64) as u32;
            nodes.push(TreeNode::Split { column, threshold: unit(), missing_left: unit() < 0.5, left: 2 * place + 1 });
        }
        nodes.extend((0..=splits).map(|value| TreeNode::Leaf { value, weight: 1.0 }));
        let values: Vec<f64> = (0..=splits).map(|_| unit() - 0.5).collect();
        builder.push(&nodes, &values);
    }
    let estimator = Estimator::Trees(builder.finish(Combine::Sum { base: vec![0.0], link: Link::Identity }));
    let field = |place| Field { name: format!("x{place}"), ..Field::default() };
    let output = Output::Regression { name: "y".to_owned(), range: None, unit: None };
    let encoder = Encoder::identity(columns);
    let model = Model::new((0..columns).map(field).collect(), output, encoder, estimator)?;
    let rows = (0..ROWS).map(|_| (0..columns).map(|_| unit()).collect()).collect();
    Ok((model, rows))
}
