//! `cargo xtask bench`: measures Slipway beside what people use today.

mod trainer;

use anyhow::Result;
use clap::Subcommand;

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
}

/// Measures.
pub fn run(args: &Args) -> Result<()> {
    match &args.what {
        What::Trainer(args) => trainer::run(args),
    }
}
