//! The command line of `slipway-store`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use slipway_model::Digest;
use slipway_spec::contract::{env, path};

use crate::fetch_model::{Wanted, fetch_model};
use crate::location::Location;
use crate::policy::Policy;
use crate::put::put;
use crate::s3::Variables;
use crate::step::StepError;
use crate::store::Store;
use crate::workspace::{Workspace, run_from};
use crate::{fetch, publish, report};

/// Object storage for Slipway: the steps around training, and the artefact of a server.
///
/// S3 is reached by the usual AWS_… variables. Exit codes: 0 done, 64 wrong usage or spec, 65 bad data or artefact, 66 not
/// found, 67 refused by a gate or a check, 69 storage unreachable; the last line on stderr says why.
#[derive(Debug, Parser)]
#[command(name = "slipway-store", version)]
pub struct Cli {
    /// Seconds without an answer from storage after which it counts as unreachable
    #[arg(long, global = true, env = "SLIPWAY_GIVE_UP_AFTER", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=3600))]
    give_up_after: u64,
    /// Seconds the whole command may take
    #[arg(long, global = true, env = "SLIPWAY_TIMEOUT", default_value_t = 3600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Bring a run's data to its working volume, and record which it was
    Fetch(RunArgs),
    /// Judge what was trained, store it where it passed, and report
    Publish(ReportArgs),
    /// Report again what is in storage about a run
    Report(ReportArgs),
    /// Bring an artefact to a folder, verified
    FetchModel(FetchModelArgs),
    /// Store a file, such as data to train on; what is there already is never overwritten
    Put {
        /// The file
        file: PathBuf,
        /// Where it goes, as `s3://BUCKET/KEY`, or a folder ending in /
        uri: String,
    },
}

#[derive(Debug, Args)]
struct RunArgs {
    /// The working volume
    #[arg(long, default_value = path::ROOT)]
    root: PathBuf,
    /// The run as JSON
    #[arg(long, env = env::RUN, hide_env_values = true)]
    run: String,
}

#[derive(Debug, Args)]
struct ReportArgs {
    #[command(flatten)]
    run: RunArgs,
    /// File for the report in short, for the kubelet [default: /dev/termination-log, where it exists]
    #[arg(long)]
    termination_log: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct FetchModelArgs {
    /// The artefact's folder, as `s3://BUCKET/PATH/`
    #[arg(long, env = "SLIPWAY_MODEL_URI")]
    uri: String,
    /// Digest of its manifest.json, as `sha256:…`
    #[arg(long, env = "SLIPWAY_MODEL_DIGEST")]
    digest: Digest,
    /// Where it goes
    #[arg(long, default_value = path::MODEL)]
    output: PathBuf,
    /// Folder of the stable model's artefact: one that would break its callers is refused
    #[arg(long, env = "SLIPWAY_COMPATIBLE_WITH", requires = "compatible_digest")]
    compatible_with: Option<String>,
    /// Digest of the stable model's manifest.json
    #[arg(long, env = "SLIPWAY_COMPATIBLE_DIGEST", requires = "compatible_with")]
    compatible_digest: Option<Digest>,
}

/// Does what the command line says.
pub async fn run(cli: Cli) -> Result<(), StepError> {
    let store = Store::new(Policy::giving_up_after(Duration::from_secs(cli.give_up_after)), Variables::of_process());
    let done = tokio::time::timeout(Duration::from_secs(cli.timeout), Box::pin(execute(&store, cli.command))).await;
    done.unwrap_or(Err(StepError::TimedOut(cli.timeout)))
}

async fn execute(store: &Store, command: Command) -> Result<(), StepError> {
    match command {
        Command::Fetch(args) => fetch::fetch(store, &run_from(&args.run)?, &Workspace::new(&args.root)).await,
        Command::Publish(ReportArgs { run: args, termination_log }) => {
            let (run, workspace) = (run_from(&args.run)?, Workspace::new(&args.root));
            publish::publish(store, &run, &workspace, termination_log.as_deref()).await
        }
        Command::Report(ReportArgs { run: args, termination_log }) => {
            report::report(store, &run_from(&args.run)?, termination_log.as_deref()).await
        }
        Command::Put { file, uri } => put(store, &file, &Location::parse(&uri)?).await,
        Command::FetchModel(args) => {
            let wanted = Wanted { uri: Location::parse(&args.uri)?, digest: args.digest };
            let stable = match args.compatible_with.zip(args.compatible_digest) {
                Some((uri, digest)) => Some(Wanted { uri: Location::parse(&uri)?, digest }),
                None => None,
            };
            fetch_model(store, &wanted, stable.as_ref(), &args.output).await
        }
    }
}
