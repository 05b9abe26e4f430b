//! `slipway-trainer`: on a laptop trains and judges what a `run.yaml` says; in a training pod it is the step `train`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use slipway_model::artefact;
use slipway_spec::Verdict;
use slipway_spec::contract::{Exit, file, path, reason_last};
use slipway_trainer::progress::{Listener, Stderr};
use slipway_trainer::reader::DataSource;
use slipway_trainer::{spec_file, step, summary, train};

/// Trains a model on a table and judges it.
///
/// Exit codes: 0 done, 64 wrong usage or spec, 65 bad data, 66 a file is not there, 67 refused by a gate or check.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    laptop: Option<Laptop>,
}

/// Training on a laptop.
#[derive(Debug, Args)]
struct Laptop {
    /// What to train: a `TrainingRun` in YAML, or only its spec.
    #[arg(long, value_name = "FILE")]
    run: PathBuf,
    /// The data: a file in CSV (also .gz or .zst), Parquet or JSON lines, or a folder of such files as one table.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Most bytes that a compressed file may unpack to. Default: 256 MiB or 200 times its size, whichever is more.
    #[arg(long, value_name = "BYTES", env = "SLIPWAY_MAX_UNPACKED_BYTES")]
    max_unpacked_bytes: Option<u64>,
    /// The artefact of the model to compare with.
    #[arg(long, value_name = "DIR")]
    champion: Option<PathBuf>,
    /// Where the artefact, report.json and report.html go.
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    /// How to print the outcome.
    #[arg(long, value_enum, default_value_t = Style::Text)]
    report: Style,
}

/// How the outcome is printed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Style {
    /// For people.
    Text,
    /// The content of report.json.
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The step `train` of a training pod: trains and writes, but judges nothing.
    Step {
        /// The run, as JSON.
        #[arg(long, value_name = "FILE", default_value = path::RUN)]
        run: PathBuf,
        /// The folder with the data file, or with several.
        #[arg(long, value_name = "DIR", default_value = path::INPUT)]
        input: PathBuf,
        /// Most bytes that a compressed file may unpack to. Default: 256 MiB or 200 times its size, whichever is more.
        #[arg(long, value_name = "BYTES", env = "SLIPWAY_MAX_UNPACKED_BYTES")]
        max_unpacked_bytes: Option<u64>,
        /// Where the artefact goes.
        #[arg(long, value_name = "DIR", default_value = path::OUTPUT)]
        output: PathBuf,
    },
}

/// The Parquet library asserts on some damaged pages: that is bad data and no bug.
fn refuse_damaged_parquet() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.location().is_some_and(|place| place.file().contains("/parquet-")) {
            eprintln!("the Parquet file is damaged: its pages cannot be decoded; write it again");
            std::process::exit(Exit::Data.code().into());
        }
        usual(panic);
    }));
}

fn main() -> ExitCode {
    refuse_damaged_parquet();
    let exit = match Cli::try_parse() {
        Ok(Cli { command: Some(Command::Step { run, input, max_unpacked_bytes, output }), .. }) => {
            match step::step(&run, &input, max_unpacked_bytes, &output, &Stderr::default()) {
                Ok(_) => Exit::Done,
                Err(error) => fail(error.exit(), &error.to_string()),
            }
        }
        Ok(Cli { laptop: Some(laptop), .. }) => on_laptop(&laptop),
        Ok(_) => fail(Exit::Usage, "write --run, --data and --output; --help tells more"),
        Err(error) if error.use_stderr() => fail(Exit::Usage, &reason_last(&error.to_string())),
        Err(help) => {
            // Where help cannot be printed, nothing can.
            let _ = help.print();
            Exit::Done
        }
    };
    ExitCode::from(exit.code())
}

fn on_laptop(laptop: &Laptop) -> Exit {
    let progress = Stderr::default();
    let mut run = match spec_file::read(&laptop.run, &laptop.data, &laptop.output) {
        Ok(run) => run,
        Err(error) => return fail(error.exit(), &error.to_string()),
    };
    let data = DataSource { path: laptop.data.clone(), max_unpacked_bytes: laptop.max_unpacked_bytes };
    let trained = match train(&run, data, &laptop.output, &progress) {
        Ok(trained) => trained,
        Err(error) => return fail(error.exit(), &error.to_string()),
    };
    progress.line("judging, and drawing the report");
    run.uid = spec_file::version(&run.spec, &trained.data.digest);
    let data = Some(trained.data.clone());
    let examined = match slipway_model::examine(&laptop.output, &run, laptop.champion.as_deref(), data) {
        Ok(examined) => examined,
        Err(error) => return fail(error.exit(), &error.to_string()),
    };
    let page = slipway_report::page(&examined.report);
    if let Err(error) = artefact::write_file(&laptop.output.join(file::PAGE), page.as_bytes()) {
        return fail(error.exit(), &error.to_string());
    }
    match laptop.report {
        Style::Text => print!("{}", summary(&trained, &examined, &laptop.output)),
        Style::Json => match serde_json::to_string_pretty(&examined.report) {
            Ok(json) => println!("{json}"),
            Err(error) => return fail(Exit::Internal, &error.to_string()),
        },
    }
    match examined.report.verdict {
        Verdict::Passed => Exit::Done,
        Verdict::Refused => {
            let failures: Vec<_> = examined.judgement.failures().collect();
            fail(Exit::Refused, &format!("refused: {}", failures.join("; ")))
        }
    }
}

/// Says why, on the last line.
fn fail(exit: Exit, why: &str) -> Exit {
    eprintln!("{why}");
    exit
}
