//! `cargo xtask conformance`: the suite of the crate `conformance`, which is built first.

use anyhow::Result;

use crate::{sh, workspace};

/// The arguments of `cargo xtask conformance`.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub struct Args {
    /// What the suite takes: --url, --grpc-url, --model, --request, --output; --help tells more
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    arguments: Vec<String>,
}

/// Builds the suite, and runs it in front of the user.
pub fn run(args: &Args) -> Result<()> {
    let mut cargo = sh::cmd("cargo", ["run", "--quiet", "--profile", "ci", "--package", "slipway-conformance", "--"]);
    sh::in_front(cargo.args(&args.arguments).current_dir(workspace::root()))
}
