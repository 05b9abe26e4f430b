//! `cargo xtask bench server`: the model server beside its peers with the same models, in one run, in turns.

mod awake;
mod contender;
mod load;
mod outcome;
mod processes;
mod show;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;

use self::awake::Awake;
use self::contender::{Contender, Running, Sent};
use self::outcome::{Measured, Results, Started};
use super::{Style, between_marks, machine};
use crate::progress::{self, step};
use crate::{sh, tools, workspace};

/// Times that every server is measured with every kind of request; the best counts, since what else the machine does makes
/// a turn slower and never faster.
const ROUNDS: usize = 5;
const QUICK_ROUNDS: usize = 1;
/// How long one measurement takes.
const TIME: Duration = Duration::from_secs(2);
/// The models, both of scikit-learn and tree for tree the same in Slipway.
const MODELS: [(&str, &str); 2] = [
    ("tree", "estimator: DecisionTree\n    parameters: {max_depth: 6, random_state: 0}"),
    ("forest", "estimator: RandomForest\n    parameters: {n_estimators: 100, random_state: 0}"),
];
/// Rows of a request, and connections.
const KINDS: [(usize, usize); 4] = [(1, 1), (1, 16), (100, 1), (5_000, 1)];
const DOCUMENT: &str = "docs/benchmarks.md";
const MARK: &str = "bench server";

/// The arguments of `cargo xtask bench server`.
#[derive(clap::Args)]
pub struct Args {
    /// Only servers whose names begin with one of these
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    only: Vec<String>,
    /// Each measured once
    #[arg(long)]
    quick: bool,
    /// Send so many requests to Slipway alone, and tell its memory before and after
    #[arg(long, value_name = "REQUESTS")]
    soak: Option<usize>,
    /// How to print the results
    #[arg(long, value_enum, default_value_t = Style::Text)]
    output: Style,
    /// Write the results into docs/benchmarks.md
    #[arg(long)]
    update_docs: bool,
}

/// Measures and prints.
pub fn run(args: &Args) -> Result<()> {
    let contenders: Vec<Contender> = Contender::ALL.into_iter().filter(|contender| args.wants(*contender)).collect();
    if contenders.is_empty() {
        let names: Vec<&str> = Contender::ALL.into_iter().map(Contender::name).collect();
        bail!("no server begins with {}; there are {}", args.only.join(", "), names.join(", "));
    }
    step("building the trainer and the server", build)?;
    let folder = workspace::target().join("bench/server");
    let sent = step("training the models", || prepare(&folder))?;
    if let Some(requests) = args.soak {
        return soak(&folder, &sent, requests);
    }
    let rounds = if args.quick { QUICK_ROUNDS } else { ROUNDS };
    let mut results = Results { machine: machine(), versions: versions(), rounds, ..Results::default() };
    let awake = Awake::start()?;
    for (model, _) in MODELS {
        measure(&contenders, &folder, model, &sent, &mut results)?;
    }
    drop(awake);
    results.judge();
    fs::write(folder.join("results.json"), serde_json::to_vec_pretty(&results)?)?;
    let text = show::markdown(&results);
    match args.output {
        Style::Text => progress::print(&text)?,
        Style::Json => progress::print(&format!("{}\n", serde_json::to_string_pretty(&results)?))?,
    }
    if args.update_docs {
        let path = workspace::root().join(DOCUMENT);
        let document = fs::read_to_string(&path).with_context(|| DOCUMENT.to_owned())?;
        fs::write(
            &path,
            between_marks(&document, MARK, &text).with_context(|| format!("{DOCUMENT} has lost its marks"))?,
        )?;
        eprintln!("wrote {DOCUMENT}");
    }
    Ok(())
}

impl Args {
    fn wants(&self, contender: Contender) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| contender.name().starts_with(name.as_str()))
    }
}

fn build() -> Result<()> {
    let mut cargo = sh::cmd("cargo", ["build", "--release", "--quiet"]);
    cargo.args(["--package", "slipway-trainer", "--package", "slipway-model-server", "--bins"]);
    sh::in_front(cargo.current_dir(workspace::root()))
}

/// Trains the models on both sides.
fn prepare(folder: &Path) -> Result<Sent> {
    fs::create_dir_all(folder)?;
    let script = folder.join("prepare.py");
    fs::write(&script, include_str!("server/prepare.py"))?;
    let table = workspace::root().join("data/california_housing.csv");
    let python = tools::python(tools::Library::FastApi)?;
    sh::output(sh::cmd(python, [&script, &table]).arg(folder))?;
    let sent: Sent = serde_json::from_slice(&fs::read(folder.join("sent.json"))?)?;
    for (model, train) in MODELS {
        let run = folder.join(model).join("run.yaml");
        let text = format!(
            "modelName: bench\ntarget: {}\ntrain:\n  builtin:\n    {train}\n    split: {{column: set}}\n",
            sent.target
        );
        fs::write(&run, text)?;
        let mut trainer = sh::cmd(workspace::target().join("release/slipway-trainer"), ["--run"]);
        trainer.arg(&run).arg("--data").arg(folder.join("table.csv"));
        sh::output(trainer.arg("--output").arg(folder.join(model).join("slipway")))?;
    }
    Ok(sent)
}

/// Starts all servers with one model, and asks them in turns.
fn measure(
    contenders: &[Contender],
    folder: &Path,
    model: &'static str,
    sent: &Sent,
    results: &mut Results,
) -> Result<()> {
    let start = |contender: &Contender| {
        step(&format!("{model}: starting {}", contender.name()), || Running::start(*contender, folder, model, sent))
    };
    let servers = contenders.iter().map(start).collect::<Result<Vec<_>>>()?;
    for (rows, connections) in KINDS {
        let what = format!("{model}: {rows} rows a request, {connections} connections");
        let turns = step(&what, || -> Result<Vec<Vec<Measured>>> {
            (0..results.rounds)
                .map(|_| servers.iter().map(|server| one(server, model, sent, rows, connections)).collect())
                .collect()
        })?;
        for place in 0..servers.len() {
            let mut turns = turns.iter().map(|turn| &turn[place]);
            results.measured.extend(turns.next().map(|first| turns.fold(first.clone(), Measured::better)));
        }
    }
    results.started.extend(servers.iter().map(|server| Started {
        server: server.contender.name(),
        model,
        ready_seconds: server.ready_seconds,
        memory_bytes: server.processes().memory(),
    }));
    Ok(())
}

/// Asks one server for a while.
fn one(server: &Running, model: &'static str, sent: &Sent, rows: usize, connections: usize) -> Result<Measured> {
    let request = server.contender.request(sent, rows);
    let processes = server.processes();
    // Its caches are warm, as they would be.
    load::run(server.address, &request, connections, TIME / 10)?;
    let before = processes.cpu_seconds();
    let load = load::run(server.address, &request, connections, TIME)?;
    let cpu = processes.cpu_seconds() - before;
    ensure!(load.failed == 0, "{} failed {} of {} requests", server.contender.name(), load.failed, load.requests);
    Ok(Measured {
        server: server.contender.name(),
        model,
        rows,
        connections,
        cpu_microseconds: cpu * 1e6 / load.requests as f64,
        requests_per_second: load.requests as f64 / load.seconds,
        p50_milliseconds: load.quantile(0.5) * 1e3,
        p99_milliseconds: load.quantile(0.99) * 1e3,
    })
}

/// Whether memory stays the same over many requests.
fn soak(folder: &Path, sent: &Sent, requests: usize) -> Result<()> {
    let server = Running::start(Contender::Slipway, folder, "forest", sent)?;
    let request = server.contender.request(sent, 1);
    let processes = server.processes();
    let (mut done, mut failed, mut memory) = (0, 0, Vec::new());
    while done < requests {
        let load = load::run(server.address, &request, 16, TIME * 5)?;
        done += load.requests;
        failed += load.failed;
        memory.push(processes.memory());
        eprintln!("  {done} requests, {failed} failed, {:.2} MB", memory[memory.len() - 1] as f64 / 1e6);
    }
    let told = json!({"requests": done, "failed": failed, "memoryBytes": memory});
    progress::print(&format!("{told}\n"))?;
    Ok(())
}

/// What is compared with.
fn versions() -> String {
    use tools::Library::{FastApi, KServe, MlServer};
    let all: BTreeSet<&str> =
        [MlServer, KServe, FastApi].iter().flat_map(|library| library.installed()).copied().collect();
    all.into_iter().map(|package| package.replace("==", " ")).collect::<Vec<_>>().join(", ")
}
