//! Slipway's trainer: a process for each model, as a user runs it, and one that fits again and again, as scikit-learn's does.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::cases::Case;
use super::outcome::Fit;
use super::tables::{Kind, Prepared};
use crate::{images, sh, workspace};

/// Wrong usage or spec: what the trainer does not know.
const USAGE: i32 = 64;

/// The trainer and where it works.
pub struct Ours {
    trainer: PathBuf,
    timer: PathBuf,
    folder: PathBuf,
    /// The environment of its image.
    environment: Vec<(String, String)>,
}

/// What the example `time_fits` prints of a fit.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Took {
    /// Wall time.
    pub seconds: f64,
    /// CPU time of all threads.
    pub cpu_seconds: f64,
}

/// CPU seconds of a fit from which on it does not matter whether the process has fitted before.
const LONG_SECONDS: f64 = 1.0;

/// How one run of the trainer ended.
pub enum Trained<T> {
    /// With a model.
    Done(T),
    /// It does not know this estimator or one of the parameters.
    Unknown(String),
}

/// What is read of `report.json`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Metrics on the test rows.
    pub metrics: BTreeMap<String, f64>,
    /// The search, where there was one.
    #[serde(default)]
    pub search: Option<Search>,
    /// What a person should know.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// CPU time of each part.
    pub cpu_timings: BTreeMap<String, f64>,
}

/// What a search found.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Search {
    /// Number of points.
    pub points: usize,
    /// Mean score of the best point over the folds.
    pub best_score: f64,
    /// The best point.
    pub best_parameters: Value,
}

impl Report {
    /// CPU seconds of fitting.
    fn fit_seconds(&self) -> f64 {
        self.cpu_timings.get("fit").copied().unwrap_or_default()
    }

    /// The metrics, CPU seconds of fitting as they were measured, and those of all parts of the run together.
    fn fit(&self, cpu_seconds: f64) -> Fit {
        Fit {
            metrics: self.metrics.clone(),
            cpu_seconds,
            run_seconds: Some(self.cpu_timings.values().sum()),
            converged: !self.warnings.iter().any(|warning| warning.contains("converge")),
        }
    }
}

impl Ours {
    /// Takes the trainer from the folder of release builds.
    pub fn new() -> Result<Ours> {
        let target = workspace::target();
        let release = |name: &str| target.join("release").join(name);
        Ok(Ours {
            trainer: release("slipway-trainer"),
            timer: release("examples/time_fits"),
            folder: target.join("bench/run"),
            environment: images::environment("trainer")?,
        })
    }

    /// The folder that the artefact of the last run is in.
    pub fn artefact(&self) -> PathBuf {
        self.folder.join("output")
    }

    /// Trains on one thread. What the fit took is measured in a process that has fitted the same before, as scikit-learn's
    /// has.
    pub fn fit(&self, table: &Prepared, case: &Case, seed: usize) -> Result<Trained<Fit>> {
        let report = match self.train(table, case, &case.parameters(table, seed), None, 1)? {
            Trained::Done(report) => report,
            Trained::Unknown(why) => return Ok(Trained::Unknown(why)),
        };
        let first = report.fit_seconds();
        let again = if first < LONG_SECONDS { self.times(table, case, seed, 2, 1)?.pop() } else { None };
        Ok(Trained::Done(report.fit(again.map_or(first, |again| again.cpu_seconds))))
    }

    /// Trains with a grid to search, where there is one, on so many threads.
    pub fn train(
        &self,
        table: &Prepared,
        case: &Case,
        parameters: &Map<String, Value>,
        search: Option<&Value>,
        threads: usize,
    ) -> Result<Trained<Report>> {
        let run = self.write(&spec(table, case, parameters, search))?;
        let mut command = sh::cmd(&self.trainer, [Path::new("--run"), &run, Path::new("--data"), &table.path]);
        command.arg("--output").arg(self.artefact());
        self.set_environment(&mut command, threads);
        let output = command.output().with_context(|| self.trainer.display().to_string())?;
        let said = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(0) => {}
            Some(USAGE) => return Ok(Trained::Unknown(sh::tail(said.trim(), 1))),
            _ => bail!("slipway-trainer ended with {}:\n{}", output.status, sh::tail(said.trim(), 5)),
        }
        let report = self.artefact().join("report.json");
        let text = fs::read_to_string(&report).with_context(|| report.display().to_string())?;
        Ok(Trained::Done(serde_json::from_str(&text).context("report.json")?))
    }

    /// Fits so many times in one process on so many threads, and says what each fit took.
    pub fn times(&self, table: &Prepared, case: &Case, seed: usize, times: usize, threads: usize) -> Result<Vec<Took>> {
        let run = self.write(&spec(table, case, &case.parameters(table, seed), None))?;
        let mut command = sh::cmd(&self.timer, [run.as_path(), table.path.as_path()]);
        command.arg(times.to_string());
        self.set_environment(&mut command, threads);
        serde_json::from_str(&sh::output(&mut command)?).context("time_fits")
    }

    fn set_environment(&self, command: &mut Command, threads: usize) {
        command.envs(self.environment.iter().cloned()).env("RAYON_NUM_THREADS", threads.to_string());
    }

    fn write(&self, spec: &Value) -> Result<PathBuf> {
        fs::create_dir_all(&self.folder)?;
        let run = self.folder.join("run.yaml");
        // JSON is YAML.
        fs::write(&run, spec.to_string())?;
        Ok(run)
    }

    /// Bytes of the artefact of the last run: the manifest and the files it lists.
    pub fn artefact_bytes(&self) -> Result<u64> {
        let manifest = self.artefact().join("manifest.json");
        let text = fs::read_to_string(&manifest).with_context(|| manifest.display().to_string())?;
        let parsed: Value = serde_json::from_str(&text)?;
        let files = parsed["files"].as_array().context("manifest.json lists no files")?;
        let sizes = files.iter().map(|file| {
            let name = file["name"].as_str().context("a file has no name")?;
            Ok(fs::metadata(self.artefact().join(name))?.len())
        });
        Ok(sizes.sum::<Result<u64>>()? + text.len() as u64)
    }
}

fn spec(table: &Prepared, case: &Case, parameters: &Map<String, Value>, search: Option<&Value>) -> Value {
    let features = table.features.iter().map(|feature| match feature.kind {
        Kind::Number => json!({"name": feature.name, "type": "Number", "missing": "Median"}),
        Kind::Category => json!({"name": feature.name, "type": "Category", "encoding": case.encoding}),
    });
    let mut builtin = json!({
        "estimator": case.estimator,
        "parameters": parameters,
        "features": features.collect::<Vec<_>>(),
        "split": {"column": "set"},
    });
    if let Some(search) = search {
        builtin["search"] = search.clone();
    }
    json!({"modelName": "bench", "target": table.target, "task": table.task, "train": {"builtin": builtin}})
}
