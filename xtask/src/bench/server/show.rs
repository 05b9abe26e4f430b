//! Results as Markdown, which a terminal shows well enough.

use std::fmt::Write;

use super::outcome::Results;
use crate::bench::thousands;

/// Everything.
pub fn markdown(results: &Results) -> String {
    let mut text = format!(
        "Measured on {} with {}, in turns: {} for each figure.\n",
        results.machine, results.versions, results.rounds
    );
    let mut kinds: Vec<(&str, usize, usize)> = Vec::new();
    for measured in &results.measured {
        let kind = (measured.model, measured.rows, measured.connections);
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    for (model, rows, connections) in kinds {
        let rows_text = if rows == 1 { "one row".to_owned() } else { format!("{} rows", thousands(rows)) };
        let many = if connections == 1 { "one connection".to_owned() } else { format!("{connections} connections") };
        let _ = write!(
            text,
            "\n#### The {model}, {rows_text} a request, {many}\n\n\
             | server | CPU µs a request | requests/s | p50 ms | p99 ms |\n|---|--:|--:|--:|--:|\n"
        );
        let of_kind = |measured: &&super::Measured| {
            (measured.model, measured.rows, measured.connections) == (model, rows, connections)
        };
        for measured in results.measured.iter().filter(of_kind) {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {:.2} | {:.2} |",
                measured.server,
                figure(measured.cpu_microseconds),
                figure(measured.requests_per_second),
                measured.p50_milliseconds,
                measured.p99_milliseconds
            );
        }
    }
    text += "\n#### Starting, and memory\n\n\
             | server | model | seconds to the first prediction | MB after all requests |\n|---|---|--:|--:|\n";
    for started in &results.started {
        let megabytes = started.memory_bytes as f64 / 1e6;
        let _ = writeln!(
            text,
            "| {} | {} | {:.3} | {megabytes:.1} |",
            started.server, started.model, started.ready_seconds
        );
    }
    text += "\n#### Promises\n\n| what | measured | promised | |\n|---|--:|---|---|\n";
    for promise in &results.promises {
        let verdict = if promise.kept { "kept" } else { "missed" };
        let _ = writeln!(text, "| {} | {:.3} | {} | {verdict} |", promise.what, promise.measured, promise.promised);
    }
    text
}

fn figure(value: f64) -> String {
    if value < 100.0 { format!("{value:.1}") } else { thousands(value.round() as usize) }
}
