//! `slipway-model-server`: serves one model over HTTP.

use std::process::ExitCode;

use slipway_model_server::{Config, probe, run};

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|word| word == "probe") {
        return probe::main(std::env::args_os().skip(2));
    }
    let config = match Config::from_arguments(std::env::args_os()) {
        Ok(config) => config,
        Err(stop) => return stop.report(),
    };
    match run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The last line on stderr says why: the kubelet copies it into the pod's status.
            eprintln!("slipway-model-server: {error}");
            ExitCode::from(error.exit().code())
        }
    }
}
