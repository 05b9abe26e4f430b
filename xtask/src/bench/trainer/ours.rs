//! Slipway's trainer, a process for each fit, as a user runs it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::cases::Case;
use super::outcome::Fit;
use super::tables::{Kind, Prepared};
use crate::{sh, workspace};

/// Wrong usage or spec: what the trainer does not know.
const USAGE: i32 = 64;

/// The trainer and where it works.
pub struct Ours {
    trainer: PathBuf,
    folder: PathBuf,
}

/// How one run of the trainer ended.
pub enum Trained {
    /// With a model.
    Done(Box<Report>),
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
    /// Wall time of each part.
    pub timings: BTreeMap<String, f64>,
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
    /// CPU seconds of fitting alone, and of all parts together.
    pub fn fit(&self) -> Fit {
        Fit {
            metrics: self.metrics.clone(),
            cpu_seconds: self.cpu_timings.get("fit").copied().unwrap_or_default(),
            run_seconds: Some(self.cpu_timings.values().sum()),
            converged: !self.warnings.iter().any(|warning| warning.contains("converge")),
        }
    }
}

impl Ours {
    /// Takes the trainer from the folder of release builds.
    pub fn new() -> Ours {
        let target = workspace::target();
        Ours { trainer: target.join("release/slipway-trainer"), folder: target.join("bench/run") }
    }

    /// The folder that the artefact of the last run is in.
    pub fn artefact(&self) -> PathBuf {
        self.folder.join("output")
    }

    /// Fits once on one thread.
    pub fn fit(&self, table: &Prepared, case: &Case, seed: usize) -> Result<Trained> {
        self.train(table, case, &case.parameters(table, seed), None, 1)
    }

    /// Trains with a grid to search, where there is one, on so many threads.
    pub fn train(
        &self,
        table: &Prepared,
        case: &Case,
        parameters: &Map<String, Value>,
        search: Option<&Value>,
        threads: usize,
    ) -> Result<Trained> {
        fs::create_dir_all(&self.folder)?;
        let run = self.folder.join("run.yaml");
        // JSON is YAML.
        fs::write(&run, spec(table, case, parameters, search).to_string())?;
        let mut command = sh::cmd(&self.trainer, [Path::new("--run"), &run, Path::new("--data"), &table.path]);
        command.arg("--output").arg(self.artefact()).env("RAYON_NUM_THREADS", threads.to_string());
        let output = command.output().with_context(|| self.trainer.display().to_string())?;
        let said = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(0) => {}
            Some(USAGE) => return Ok(Trained::Unknown(sh::tail(said.trim(), 1))),
            _ => bail!("slipway-trainer ended with {}:\n{}", output.status, sh::tail(said.trim(), 5)),
        }
        let report = self.artefact().join("report.json");
        let text = fs::read_to_string(&report).with_context(|| report.display().to_string())?;
        Ok(Trained::Done(Box::new(serde_json::from_str(&text).context("report.json")?)))
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
