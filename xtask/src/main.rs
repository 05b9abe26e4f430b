//! The project's own commands, run as `cargo xtask COMMAND`.

mod bench;
mod chart;
mod cluster;
mod codegen;
mod conformance;
mod demo;
mod images;
mod install;
mod progress;
mod sh;
mod target;
mod test;
mod tools;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Everything it takes to build, try and test Slipway on one machine.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Watch Slipway train, judge, serve, upgrade and take back, on a real cluster
    Demo(demo::Args),
    /// A real Kubernetes node with object storage on this machine
    Cluster(cluster::cli::Args),
    /// Build the container images, and bring them to a cluster
    Images(images::cli::Args),
    /// Generate the files that follow from the code
    Codegen(codegen::Args),
    /// Check the chart: lint, schema, and what it renders
    Chart(chart::Args),
    /// Run all tests, those on a real cluster included
    Test(test::Args),
    /// Measure Slipway beside what people use today
    Bench(bench::Args),
    /// Ask any server of the Open Inference Protocol whether it keeps it
    Conformance(conformance::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Demo(args) => demo::run(&args),
        Command::Cluster(args) => cluster::cli::run(&args),
        Command::Images(args) => images::cli::run(&args),
        Command::Codegen(args) => codegen::run(&args),
        Command::Chart(args) => chart::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Conformance(args) => conformance::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}
