//! `cargo xtask bench trainer`: scikit-learn and Slipway on the same rows, in one run.

mod cases;
mod generate;
mod ours;
mod outcome;
mod peer;
mod promises;
mod show;
mod tables;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use self::cases::Case;
use self::ours::{Ours, Trained};
use self::outcome::{Fit, Measured, Outcome, Promise, Results, Row};
use self::peer::Peer;
use self::tables::{Prepared, TABLES};
use super::{Style, between_marks, machine, thousands};
use crate::progress::{self, step};
use crate::{tools, workspace};

/// CPU seconds of scikit-learn that one estimator on one table may take before it is not repeated.
const ENOUGH_SECONDS: f64 = 2.0;
/// Most repeats: seeds of a random estimator, or times of another.
const MOST_SEEDS: usize = 20;
const MOST_TIMES: usize = 7;
/// Repeats of a quick run.
const QUICK_TIMES: usize = 3;
/// Where the results are told.
const DOCUMENT: &str = "docs/benchmarks.md";
/// The command between whose marks they stand there.
const MARK: &str = "bench trainer";

/// The arguments of `cargo xtask bench trainer`.
#[derive(clap::Args)]
pub struct Args {
    /// A folder with more data sets, beside those in `data/`
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Only this table, or these; `promises` are the grid search, threads, one row, and the size of a forest
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Only estimators whose names begin with one of these
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    estimators: Vec<String>,
    /// Fewer repeats, no large tables, and only a sample of scikit-learn's grid search
    #[arg(long)]
    quick: bool,
    /// How to print the results
    #[arg(long, value_enum, default_value_t = Style::Text)]
    output: Style,
    /// Write all results so far, those of earlier runs too, into docs/benchmarks.md
    #[arg(long)]
    update_docs: bool,
}

/// The name by which `--only` asks for the promises beyond single fits.
const PROMISES: &str = "promises";

/// Measures, prints, and keeps the results under `target/bench`.
pub fn run(args: &Args) -> Result<()> {
    check(args)?;
    let python = tools::python(tools::Library::ScikitLearn)?;
    step("building the trainer", promises::build)?;
    let tables = prepare(args)?;
    let mut bench = Bench { args, ours: Ours::new()?, peer: Peer::start(&python)?, results: Results::default() };
    bench.results.machine = machine();
    bench.results.versions.clone_from(&bench.peer.versions);
    for table in &tables {
        if args.is_asked(table.name) {
            bench.table(table)?;
        }
    }
    if args.is_asked(PROMISES) && args.estimators.is_empty() {
        bench.promises(&tables)?;
    }
    let results = bench.results;
    let all = keep(&results)?;
    match args.output {
        Style::Text => progress::print(&show::text_kept(&results))?,
        Style::Json => progress::print(&format!("{}\n", serde_json::to_string_pretty(&results)?))?,
    }
    if args.update_docs {
        update_docs(&all)?;
    }
    Ok(())
}

impl Args {
    fn is_asked(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }

    fn wants(&self, case: &Case) -> bool {
        self.estimators.is_empty() || self.estimators.iter().any(|name| case.estimator.starts_with(name.as_str()))
    }
}

fn check(args: &Args) -> Result<()> {
    let names: Vec<&str> = TABLES.iter().map(|table| table.name).chain([PROMISES]).collect();
    if let Some(unknown) = args.only.iter().find(|only| !names.contains(&only.as_str())) {
        bail!("there is no table {unknown}; there are {}", names.join(", "));
    }
    let known: Vec<&str> = cases::all().iter().map(|case| case.estimator).collect();
    if let Some(unknown) = args.estimators.iter().find(|name| !known.iter().any(|known| known.starts_with(*name))) {
        bail!("no estimator begins with {unknown}; there are {}", known.join(", "));
    }
    Ok(())
}

/// Brings the tables that are asked for, or needed for promises, into the form that both sides read.
fn prepare(args: &Args) -> Result<Vec<Prepared>> {
    let folders: Vec<PathBuf> = args.data.iter().cloned().chain([workspace::root().join("data")]).collect();
    let into = workspace::target().join("bench/data");
    let mut prepared = Vec::new();
    for table in &TABLES {
        let left_out = args.quick && table.is_large() && args.only.is_empty();
        let needed = args.is_asked(table.name) || args.is_asked(PROMISES) && !table.is_large();
        if left_out || !needed {
            continue;
        }
        match step(&format!("preparing {}", table.name), || table.prepare(&folders, &into))? {
            Some(table) => prepared.push(table),
            None => eprintln!("  {}: its files are not in data/; name a folder that has them with --data", table.name),
        }
    }
    Ok(prepared)
}

struct Bench<'a> {
    args: &'a Args,
    ours: Ours,
    peer: Peer,
    results: Results,
}

impl Bench<'_> {
    /// Measures all estimators on a table, and prints them.
    fn table(&mut self, table: &Prepared) -> Result<()> {
        let mut rows = Vec::new();
        for case in cases::all().iter().filter(|case| case.is_for(table) && self.args.wants(case)) {
            let label = case.label();
            let result = step(&format!("{}: {label}", table.name), || self.case(table, case));
            let result = result.unwrap_or_else(|error| Outcome::Failed(format!("{error:#}")));
            rows.push(Row { table: table.name.to_owned(), train_rows: table.train_rows, estimator: label, result });
        }
        if self.args.output == Style::Text {
            let [train, test] = [table.train_rows, table.test_rows].map(thousands);
            let features = table.features.len();
            let title = format!("{}: {features} features, {train} rows to train on, {test} to test on", table.name);
            progress::print(&show::text_table(&title, &rows))?;
        }
        self.results.rows.extend(rows);
        // What was measured stays, whatever happens next.
        keep(&self.results)?;
        Ok(())
    }

    /// Fits both in turns, with one seed after the other.
    fn case(&mut self, table: &Prepared, case: &Case) -> Result<Outcome> {
        let (mut ours, mut theirs): (Vec<Fit>, Vec<Fit>) = (Vec::new(), Vec::new());
        let mut repeats = 1;
        while ours.len() < repeats {
            let seed = ours.len();
            match self.ours.fit(table, case, seed)? {
                Trained::Unknown(why) => return Ok(Outcome::Unavailable(why)),
                Trained::Done(fit) => ours.push(fit),
            }
            if case.has_peer(table) {
                theirs.push(self.peer.fit(table, case, seed)?);
            }
            if seed == 0 {
                let first = theirs.first().unwrap_or(&ours[0]);
                repeats = self.repeats(case, first.cpu_seconds);
            }
        }
        Ok(Outcome::Measured(Measured::new(case, table, &ours, &theirs)))
    }

    /// How often to fit what took so many CPU seconds at first.
    fn repeats(&self, case: &Case, seconds: f64) -> usize {
        let most = match (self.args.quick, case.random) {
            (true, _) => QUICK_TIMES,
            (false, true) => MOST_SEEDS,
            (false, false) => MOST_TIMES,
        };
        ((ENOUGH_SECONDS / seconds.max(1e-6)) as usize).clamp(1, most)
    }

    /// Measures what is promised beyond single fits.
    fn promises(&mut self, tables: &[Prepared]) -> Result<()> {
        let mut found: Vec<Promise> = Vec::new();
        if let Some(table) = tables.iter().find(|table| table.name == "time_to_dispatch") {
            let (ours, peer, quick) = (&self.ours, &mut self.peer, self.args.quick);
            found.push(step("the grid search", || promises::grid(ours, peer, table, quick))?);
        }
        for table in tables.iter().filter(|table| promises::suits_forests(table) && !table.name.contains("100k")) {
            for estimator in promises::forests(table) {
                let what = format!("{estimator} on {} with one thread and with two", table.name);
                found.push(step(&what, || promises::threads(&self.ours, table, estimator))?);
            }
        }
        if let Some(table) = ["adult", "california_housing"].iter().find_map(|name| named(tables, name)) {
            let (ours, peer) = (&self.ours, &mut self.peer);
            found.extend(step("one row through a forest, and its size", || promises::forest(ours, peer, table))?);
        }
        if self.args.output == Style::Text {
            progress::print(&show::text_promises(&found))?;
        }
        self.results.promises = found;
        Ok(())
    }
}

fn named<'a>(tables: &'a [Prepared], name: &str) -> Option<&'a Prepared> {
    tables.iter().find(|table| table.name == name)
}

/// Adds results to those of earlier runs, and returns all of them.
fn keep(results: &Results) -> Result<Results> {
    let file = workspace::target().join("bench/results.json");
    let mut all: Results =
        fs::read(&file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    all.merge(results.clone());
    fs::write(&file, serde_json::to_vec_pretty(&all)?)?;
    Ok(all)
}

fn update_docs(results: &Results) -> Result<()> {
    let path = workspace::root().join(DOCUMENT);
    let document = fs::read_to_string(&path).with_context(|| DOCUMENT.to_owned())?;
    let order: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
    let text = show::markdown(results, &order);
    let updated = between_marks(&document, MARK, &text).with_context(|| format!("{DOCUMENT} has lost its marks"))?;
    fs::write(&path, updated)?;
    eprintln!("wrote {DOCUMENT}");
    Ok(())
}
