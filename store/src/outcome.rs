//! What became of a run, as storage knows it: `manifest.json` of a published model, or `report.json` of a refused one. The
//! first that is there counts.

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
use crate::store::Store;

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

/// The outcome that is in storage.
pub async fn find(store: &Store, folder: &Location) -> Result<Option<Summary>, StepError> {
    let place = folder.join(file::MANIFEST);
    if let Some(bytes) = store.find(&place, MAX_MANIFEST_BYTES).await? {
        let (manifest, digest) = artefact::parse_manifest(&place.as_path(), &bytes, None)?;
        return published(store, folder, &manifest, digest).await.map(Some);
    }
    let place = folder.join(file::REPORT);
    let Some(bytes) = store.find(&place, MAX_REPORT_BYTES).await? else { return Ok(None) };
    Ok(Some(summarise(&parse(&place, &bytes)?, folder, None)))
}

async fn published(
    store: &Store,
    folder: &Location,
    manifest: &Manifest,
    digest: Digest,
) -> Result<Summary, StepError> {
    let entry = report_entry(manifest)
        .ok_or_else(|| StepError::Data(format!("{}: it lists no {}", folder.join(file::MANIFEST), file::REPORT)))?;
    let place = folder.join(&entry.hex());
    let bytes = store.get(&place, MAX_REPORT_BYTES).await?;
    if Digest::of(&bytes) != entry {
        return Err(StepError::Data(format!("{place}: the digest is {}, expected {entry}", Digest::of(&bytes))));
    }
    Ok(summarise(&parse(&place, &bytes)?, folder, Some((manifest, digest))))
}

fn report_entry(manifest: &Manifest) -> Option<Digest> {
    manifest.files.iter().find(|entry| entry.name == file::REPORT).map(|entry| entry.digest)
}

fn parse(place: &Location, bytes: &[u8]) -> Result<Report, StepError> {
    serde_json::from_slice(bytes).map_err(|error| StepError::Data(format!("{place}: {error}")))
}

/// What the operator is told. `artefact` is the manifest of a published model with its digest.
pub fn summarise(report: &Report, folder: &Location, artefact: Option<(&Manifest, Digest)>) -> Summary {
    let Report { verdict, gates, checks, .. } = report.clone();
    let judgement = Judgement { verdict, gates, checks };
    let place = artefact.and_then(|(manifest, _)| report_entry(manifest)).map(|digest| digest.hex());
    let size: u64 =
        artefact.map(|(manifest, _)| manifest.files.iter().map(|entry| entry.size).sum()).unwrap_or_default();
    Summary {
        verdict,
        task: report.task,
        uri: folder.to_string(),
        digest: artefact.map(|(_, digest)| digest.to_string()),
        size_bytes: size.try_into().unwrap_or(i64::MAX),
        report: folder.join(place.as_deref().unwrap_or(file::REPORT)).to_string(),
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
