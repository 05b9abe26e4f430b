//! `slipway-store`: see [`slipway_store::cli`].

use std::process::ExitCode;

use clap::Parser;
use slipway_spec::contract::{Exit, reason_last};
use slipway_store::cli::{Cli, run};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            eprintln!("{}", reason_last(&error.to_string()));
            return Exit::Usage.code().into();
        }
        Err(help) => {
            // Where help cannot be printed, nothing can.
            let _ = help.print();
            return ExitCode::SUCCESS;
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: {error}");
            return Exit::Internal.code().into();
        }
    };
    match runtime.block_on(run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One line, whatever a server or a file put into the message.
            let message = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
            eprintln!("error: {message}");
            error.exit().code().into()
        }
    }
}
