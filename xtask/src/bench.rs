//! `cargo xtask bench`: measures Slipway beside what people use today.

mod server;
mod trainer;

use std::fs;

use anyhow::Result;
use clap::{Subcommand, ValueEnum};

/// The arguments of `cargo xtask bench`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Train scikit-learn and Slipway on the same rows, and compare metrics and CPU seconds
    Trainer(trainer::Args),
    /// Ask MLServer, the KServe SDK, FastAPI, ONNX Runtime and Slipway the same, and compare CPU, speed and memory
    Server(server::Args),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Style {
    /// Tables for people
    Text,
    /// All that was measured
    Json,
}

/// Measures.
pub fn run(args: &Args) -> Result<()> {
    match &args.what {
        What::Trainer(args) => trainer::run(args),
        What::Server(args) => server::run(args),
    }
}

/// The processor and how many there are, such as `2 × AMD EPYC`.
fn machine() -> String {
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    let model = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    format!("{count} × {}", model.unwrap_or_else(|| "an unknown processor".to_owned()))
}

/// Replaces what stands between the two marks of a command. `None` where the marks are missing.
fn between_marks(document: &str, command: &str, text: &str) -> Option<String> {
    let begin = format!("<!-- measured: written by `cargo xtask {command} --update-docs` -->");
    let (before, rest) = document.split_once(&begin)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{begin}\n\n{}\n\n{END}{after}", text.trim()))
}

const END: &str = "<!-- end of what was measured -->";

/// `16512` as `16,512`.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let places = digits.chars().enumerate();
    let parts = places.map(|(place, digit)| {
        let comma = place > 0 && (digits.len() - place).is_multiple_of(3);
        if comma { format!(",{digit}") } else { digit.to_string() }
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let begin = "<!-- measured: written by `cargo xtask bench trainer --update-docs` -->";
        let document = format!("# Title\n{begin}\nold\n{END}\nfoot\n");
        let new = between_marks(&document, "bench trainer", "new\n").unwrap();
        assert_eq!(new, format!("# Title\n{begin}\n\nnew\n\n{END}\nfoot\n"));
        assert_eq!(between_marks(&new, "bench trainer", "new").unwrap(), new, "writing it again changes nothing");
        assert!(between_marks(&new, "bench server", "new").is_none(), "no marks");
    }

    #[test]
    fn large_numbers_have_commas() {
        assert_eq!(["999", "1,000", "16,512", "1,000,000"], [999, 1000, 16512, 1_000_000].map(thousands));
    }
}
