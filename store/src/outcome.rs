//! What became of a run, as storage knows it: `manifest.json` of a published model, or `report.json` alone of a refused one.
//! The first that is there counts; what comes after it tells of it, and is completed by whoever finds it incomplete.

use std::fs;
use std::io::Write;
use std::path::Path;

use slipway_model::artefact::{self, MAX_MANIFEST_BYTES};
use slipway_model::{Digest, Manifest};
use slipway_spec::contract::{file, path};
use slipway_spec::judge::Short;
use slipway_spec::{Judgement, Outcome, Report, Run, Summary, Verdict};

use crate::location::Location;
use crate::step::StepError;
use crate::store::{Content, Put, Store};

/// Largest `report.json`, bytes.
const MAX_REPORT_BYTES: u64 = 16 << 20;

/// The folder of a run's artefact, or of its report.
pub fn folder(run: &Run) -> Result<Location, StepError> {
    let part = |what: &str, text: &str| {
        let plain = !text.is_empty() && text.len() <= 128 && !text.starts_with('.');
        if plain && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
            Ok(format!("{text}/"))
        } else {
            Err(StepError::Usage(format!("{text:?} is no {what}")))
        }
    };
    let name = part("name of a model", &run.spec.model_name)?;
    let uid = part("uid of a run", &run.uid)?;
    Ok(Location::parse(&run.spec.output.uri)?.join(&name).join(&uid))
}

/// The outcome that is in storage, in short.
pub async fn find(store: &Store, folder: &Location) -> Result<Option<Summary>, StepError> {
    Ok(read(store, folder).await?.map(|(summary, _)| summary))
}

/// The outcome that is in storage, after an attempt that was interrupted: its report and page are stored where they are
/// missing.
pub async fn complete(store: &Store, folder: &Location) -> Result<Option<Summary>, StepError> {
    let Some((summary, report)) = read(store, folder).await? else { return Ok(None) };
    store_report(store, folder, &report).await?;
    store_page(store, folder, &report).await?;
    Ok(Some(summary))
}

async fn read(store: &Store, folder: &Location) -> Result<Option<(Summary, Report)>, StepError> {
    let place = folder.join(file::REPORT);
    let report = store.find(&place, MAX_REPORT_BYTES).await?;
    let report = report.map(|bytes| parse(&place, &bytes)).transpose()?;
    let place = folder.join(file::MANIFEST);
    let Some(bytes) = store.find(&place, MAX_MANIFEST_BYTES).await? else {
        return Ok(report.map(|report| (summarise(&report, folder, None), report)));
    };
    let (manifest, digest) = artefact::parse_manifest(&place.as_path(), &bytes, None)?;
    // A report of another model is that of an attempt that came too late.
    let report = report.filter(|report| report.about.digest == Some(digest.to_string()));
    let report = report.unwrap_or_else(|| slipway_model::report_of(&manifest, digest));
    Ok(Some((summarise(&report, folder, Some((&manifest, digest))), report)))
}

/// Stores `report.json`. Of a refused run this is the outcome.
pub async fn store_report(store: &Store, folder: &Location, report: &Report) -> Result<Put, StepError> {
    let place = folder.join(file::REPORT);
    let json = serde_json::to_vec_pretty(report).map_err(|error| StepError::Data(format!("{place}: {error}")))?;
    Ok(store.put_if_absent(&place, Content::Bytes(&json)).await?)
}

/// Stores `report.html`.
pub async fn store_page(store: &Store, folder: &Location, report: &Report) -> Result<Put, StepError> {
    let page = slipway_report::page(report);
    Ok(store.put_if_absent(&folder.join(file::PAGE), Content::Bytes(page.as_bytes())).await?)
}

fn parse(place: &Location, bytes: &[u8]) -> Result<Report, StepError> {
    serde_json::from_slice(bytes).map_err(|error| StepError::Data(format!("{place}: {error}")))
}

/// What the operator is told. `artefact` is the manifest of a published model with its digest.
pub fn summarise(report: &Report, folder: &Location, artefact: Option<(&Manifest, Digest)>) -> Summary {
    let Report { verdict, gates, checks, .. } = report.clone();
    let judgement = Judgement { verdict, gates, checks };
    let size = artefact.map(|(manifest, _)| manifest.size()).unwrap_or_default();
    Summary {
        verdict,
        task: report.task,
        uri: folder.to_string(),
        digest: artefact.map(|(_, digest)| digest.to_string()),
        size_bytes: size.try_into().unwrap_or(i64::MAX),
        report: folder.join(file::PAGE).to_string(),
        data_uri: report.data.uri.clone(),
        data_digest: report.data.digest.clone(),
        metrics: report.metrics.clone(),
        failed: judgement.failures().count(),
        message: Summary::first_message(&judgement),
        warnings: report.training.warnings.len() + judgement.warnings().count(),
    }
}

/// Tells the kubelet: writes the summary to `log`, by default the pod's own place for last words where there is one.
pub fn announce(summary: &Summary, run: &Run, log: Option<&Path>) {
    let gated: Vec<_> = run.spec.gates.iter().map(|gate| gate.metric.as_str()).collect();
    let message = summary.to_message(&gated);
    let (path, create) = log.map_or((Path::new(path::TERMINATION_LOG), false), |log| (log, true));
    let file = fs::OpenOptions::new().write(true).truncate(true).create(create).open(path);
    if let Err(error) = file.and_then(|mut file| file.write_all(message.as_bytes())) {
        eprintln!("warning: {}: {error}", path.display());
    }
    println!("{message}");
}

/// A report as a person reads it.
pub fn describe(report: &Report) -> String {
    let mark = |outcome| match outcome {
        Outcome::Passed => "passed",
        Outcome::Warned => "warned",
        Outcome::Failed => "failed",
    };
    let mut lines = vec![format!("{} {}: {:?}", report.model_name, report.version, report.verdict)];
    lines.extend(report.metrics.iter().map(|(name, value)| format!("  {name:<20} {}", Short(*value))));
    lines.extend(report.undefined.iter().map(|(name, reason)| format!("  {name:<20} undefined: {reason}")));
    lines.extend(report.gates.iter().map(|gate| format!("  {}: {}", mark(gate.outcome), gate.message)));
    lines.extend(report.checks.iter().map(|check| format!("  {}: {}", mark(check.outcome), check.message)));
    lines.extend(report.training.warnings.iter().map(|warning| format!("  warning: {warning}")));
    lines.join("\n")
}

/// How the step ends on this outcome.
pub fn verdict(summary: &Summary) -> Result<(), StepError> {
    match summary.verdict {
        Verdict::Passed => Ok(()),
        Verdict::Refused => Err(StepError::Refused(summary.message.clone().unwrap_or_default())),
    }
}
