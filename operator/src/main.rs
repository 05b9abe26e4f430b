//! `slipway-operator`: see the flags of [`Config`].

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use slipway_operator::config::{Config, LogFormat};
use slipway_operator::run::run;
use slipway_spec::contract::{Exit, reason_last};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let config = match Config::try_parse() {
        Ok(config) => config,
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
    set_up_log(config.log_format);
    match start(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("slipway-operator: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main(worker_threads = 2)]
async fn start(config: Config) -> anyhow::Result<()> {
    let (stop, stopped) = watch::channel(false);
    let mut terminate = signal(SignalKind::terminate()).context("wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("wait for SIGINT")?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("told to stop");
        let _ = stop.send(true);
        // Keeps the channel: its end would mean the same.
        std::future::pending::<()>().await;
    });
    Ok(run(config, stopped).await?)
}

fn set_up_log(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Json => log.json().flatten_event(true).with_span_list(false).init(),
        LogFormat::Text => log.init(),
    }
}
