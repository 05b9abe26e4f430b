//! The suite as a program.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use serde_json::Value;

/// Asks a server of the Open Inference Protocol whether it keeps it
#[derive(Parser)]
#[command(name = "slipway-conformance", version)]
struct Args {
    /// Where the server is, such as http://localhost:8080
    #[arg(long)]
    url: String,
    /// Where the server speaks gRPC, such as http://localhost:8080, to ask it that way, too
    #[arg(long, value_name = "URL")]
    grpc_url: Option<String>,
    /// Name of a model that is ready [default: the only one that /v2/models or /v2/repository/index lists]
    #[arg(long)]
    model: Option<String>,
    /// A file with the body of a request that the model answers [default: made from its metadata]
    #[arg(long, value_name = "FILE")]
    request: Option<PathBuf>,
    /// How to print what was found
    #[arg(long, value_enum, default_value_t = Style::Text)]
    output: Style,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Style {
    /// Lines for people
    Text,
    /// All findings
    Json,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether the server does all that the protocol requires.
fn run(args: &Args) -> Result<bool> {
    let request: Option<Value> = match &args.request {
        Some(file) => {
            let text = std::fs::read(file).with_context(|| file.display().to_string())?;
            Some(serde_json::from_slice(&text).with_context(|| format!("{} is no JSON", file.display()))?)
        }
        None => None,
    };
    let findings = slipway_conformance::examine(&args.url, args.grpc_url.as_deref(), args.model.as_deref(), request)?;
    match args.output {
        Style::Text => print!("{}", slipway_conformance::text(&findings)),
        Style::Json => println!("{}", serde_json::to_string_pretty(&findings)?),
    }
    Ok(findings.conform())
}
