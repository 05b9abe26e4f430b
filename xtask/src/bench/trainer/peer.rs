//! scikit-learn, in a process of its own that stays for the whole benchmark.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use super::cases::Case;
use super::outcome::Fit;
use super::tables::Prepared;
use crate::{sh, workspace};

const SCRIPT: &str = include_str!("peer.py");

/// The process.
pub struct Peer {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// Its versions, such as `scikit-learn 1.9.1, numpy 2.4.6`.
    pub versions: String,
}

/// What scikit-learn says of one estimator after the fit.
#[derive(Debug, Deserialize)]
pub struct Examined {
    /// Size of its pickle.
    pub pickle_bytes: u64,
    /// Median CPU seconds of predicting one row.
    pub one_row_seconds: f64,
}

/// What a grid search found.
#[derive(Debug, Deserialize)]
pub struct Searched {
    /// CPU seconds of the whole grid.
    pub cpu_seconds: f64,
    /// Points that were really tried; the time of the others follows from these.
    pub measured_points: usize,
    /// Mean score of the best point over the folds.
    pub best_score: f64,
    /// Metrics on the test rows.
    pub metrics: std::collections::BTreeMap<String, f64>,
}

impl Peer {
    /// Starts it, on one thread.
    pub fn start(python: &Path) -> Result<Peer> {
        let script = workspace::target().join("bench/peer.py");
        std::fs::create_dir_all(workspace::target().join("bench"))?;
        std::fs::write(&script, SCRIPT)?;
        let mut command = sh::cmd(python, [&script]);
        for name in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"] {
            command.env(name, "1");
        }
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let requests = process.stdin.take().context("no stdin")?;
        let answers = BufReader::new(process.stdout.take().context("no stdout")?);
        let mut peer = Peer { process, requests, answers, versions: String::new() };
        let versions = peer.read()?;
        let text = |name: &str| versions[name].as_str().unwrap_or_default().to_owned();
        peer.versions = format!("scikit-learn {}, numpy {}", text("scikit_learn"), text("numpy"));
        Ok(peer)
    }

    /// Fits once.
    pub fn fit(&mut self, table: &Prepared, case: &Case, seed: usize) -> Result<Fit> {
        Ok(serde_json::from_value(self.ask(&request(table, case, seed))?)?)
    }

    /// Fits once, and looks at the fitted model.
    pub fn examine(&mut self, table: &Prepared, case: &Case) -> Result<Examined> {
        let mut asked = request(table, case, 0);
        asked["examine"] = json!(true);
        Ok(serde_json::from_value(self.ask(&asked)?)?)
    }

    /// Searches a grid with unshuffled folds by r2; `sample` limits how many points are tried.
    pub fn search(&mut self, table: &Prepared, case: &Case, grid: &Value, sample: Option<usize>) -> Result<Searched> {
        let mut asked = request(table, case, 42);
        asked["what"] = json!("search");
        asked["grid"] = grid.clone();
        asked["sample"] = json!(sample);
        Ok(serde_json::from_value(self.ask(&asked)?)?)
    }

    fn ask(&mut self, request: &Value) -> Result<Value> {
        writeln!(self.requests, "{request}").context("scikit-learn's process has ended")?;
        let answer = self.read()?;
        if let Some(error) = answer["error"].as_str() {
            bail!("scikit-learn: {error}");
        }
        Ok(answer)
    }

    fn read(&mut self) -> Result<Value> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        serde_json::from_str(&line).context("scikit-learn's process has ended")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn request(table: &Prepared, case: &Case, seed: usize) -> Value {
    json!({
        "what": "fit",
        "table": table,
        "encoding": case.encoding,
        "standardised": case.standardised,
        "estimator": case.estimator,
        "parameters": case.peer_parameters(table, seed),
    })
}
