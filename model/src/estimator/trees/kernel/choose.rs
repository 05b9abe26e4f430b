//! Which kernel is the quickest for a model, found by timing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::Trees;
use super::{Kernel, Layout, Tuned};
use crate::rng::Rng;

/// Trees of more nodes stay as they are: other layouts would take several times the memory, and a walk waits for memory anyway.
const MOST_NODES: usize = 1 << 18;
/// Rows that are timed.
const ROWS: usize = 16;
/// Times each kernel is timed; the best counts, as other programs only ever slow it down.
const ROUNDS: usize = 7;
/// Each is timed so many times at least: where another program comes between, that is seldom every time.
const LEAST_ROUNDS: usize = 3;
/// After this long no other round begins.
const PATIENCE: Duration = Duration::from_millis(2);

/// The quickest layouts of sound trees.
pub fn quickest(trees: &Trees) -> Tuned {
    if trees.nodes() > MOST_NODES {
        return Tuned::default();
    }
    let (columns, outputs) = (trees.nodes.columns(), trees.outputs());
    let samples = samples(trees, columns);
    let mut candidates: Vec<Option<Arc<Layout>>> = vec![None];
    let layouts = Kernel::ALL.into_iter().filter_map(|kernel| Layout::new(trees, kernel));
    candidates.extend(layouts.map(|layout| Some(Arc::new(layout))));
    let mut output = vec![0.0; ROWS * outputs];
    let mut best = [(Duration::MAX, 0); 2];
    let begun = Instant::now();
    for round in 0..ROUNDS {
        for (place, candidate) in candidates.iter().enumerate() {
            if round >= LEAST_ROUNDS && begun.elapsed() > PATIENCE {
                break;
            }
            let started = Instant::now();
            for (row, output) in samples.chunks(columns.max(1)).zip(output.chunks_mut(outputs)) {
                trees.predict_by(candidate.as_deref(), row, output);
            }
            let one_by_one = started.elapsed();
            let started = Instant::now();
            trees.predict_rows_by(candidate.as_deref(), &samples, &mut output);
            best[0] = best[0].min((one_by_one, place));
            best[1] = best[1].min((started.elapsed(), place));
        }
    }
    let [row, rows] = best.map(|(_, place)| candidates[place].clone());
    Tuned { row, rows }
}

/// Rows that split: each column holds thresholds and categories of splits on it, one after the other, drawn at random.
fn samples(trees: &Trees, columns: usize) -> Vec<f64> {
    let mut rng = Rng::new(0);
    let mut values = vec![Vec::new(); columns];
    trees.nodes.each_split(|node| {
        let known = &mut values[node.column()];
        if known.len() < 4 * ROWS {
            known.push(if node.by_set() { rng.below(32) as f64 } else { f64::from(node.threshold()) });
        }
    });
    let mut samples = Vec::with_capacity(ROWS * columns);
    for _ in 0..ROWS {
        samples.extend(values.iter().map(|known| {
            let count = known.len() as u64;
            if count == 0 { 0.0 } else { known[rng.below(count) as usize] }
        }));
    }
    samples
}
