//! What a train step left behind, to a verdict: the one function behind the laptop's report and what the cluster publishes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use slipway_spec::contract::{Exit, file};
use slipway_spec::{
    About, CheckResult, Comparison, DataIdentity, Judgement, Metric, Metrics, Pictures, Report, Run, Train,
    TrainingNotes, Verdict, judge::judge,
};

mod numbers;

use crate::artefact::{self, Artefact, ArtefactError};
use crate::checks::{self, Evidence};
use crate::digest::Digest;
use crate::manifest::{Distributions, Golden, GoldenRow, Manifest};
use crate::metrics::{self, Evaluation};
use crate::neighbours::Neighbours;
use crate::pictures::Drawn;
use crate::predictor::Model;
use crate::schema::Output;
use crate::test_rows::{Answers, TestRows};
use numbers::Numbers;

/// Largest `training.json`, bytes.
const MAX_TRAINING_BYTES: u64 = 4 << 20;
/// Largest `metrics.json`, bytes.
const MAX_METRICS_BYTES: u64 = 64 << 10;
/// Most metrics a training image reports.
const MAX_METRICS: usize = 256;
/// How far a prediction in `test.csv` may lie from the model's own, times its size where that is above 1.
const TOLERANCE: f64 = 1e-6;
/// Largest tolerance of golden rows that says anything.
const MAX_GOLDEN_TOLERANCE: f64 = 1e-3;
/// Of golden rows that are made here.
const GOLDEN_TOLERANCE: f64 = 1e-9;
const GOLDEN_ROWS: usize = 10;

/// What was found.
#[derive(Clone, Debug)]
pub struct Examined {
    /// The content of `report.json`.
    pub report: Report,
    /// The verdict with everything that led to it.
    pub judgement: Judgement,
    /// The manifest as it was written.
    pub manifest: Manifest,
    /// Its digest: the artefact's.
    pub digest: Digest,
    /// Size of all files the manifest lists, bytes.
    pub size: u64,
}

/// Why there is no verdict. The message names the file.
#[derive(Debug, thiserror::Error)]
pub enum ExamineError {
    /// The train step wrote no artefact.
    #[error("{}: the training step wrote no manifest.json", .0.display())]
    NoArtefact(PathBuf),
    /// The artefact is unsound.
    #[error(transparent)]
    Artefact(ArtefactError),
    /// The champion's artefact is unsound.
    #[error("the champion: {0}")]
    Champion(ArtefactError),
    /// A file is not what it must be.
    #[error("{}: {reason}", .path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong, with row and column.
        reason: String,
    },
}

impl ExamineError {
    /// How a program ends on this error.
    pub fn exit(&self) -> Exit {
        Exit::Data
    }
}

/// Loads what the train step wrote into `output`, replaying its golden rows, computes every metric from its test rows by the
/// model itself where it can, scores the champion on the same rows, evaluates checks, judges, gathers what there is to draw,
/// and writes the final manifest and `report.json`. Doing it again gives the same bytes.
///
/// `champion` is the folder of the champion's artefact, `data` what was trained on; without it the manifest's own word counts.
pub fn examine(
    output: &Path,
    run: &Run,
    champion: Option<&Path>,
    data: Option<DataIdentity>,
) -> Result<Examined, ExamineError> {
    let Artefact { mut manifest, model, .. } = Artefact::load(output, None).map_err(|error| match error {
        ArtefactError::NoManifest(path) => ExamineError::NoArtefact(path),
        other => ExamineError::Artefact(other),
    })?;
    check_manifest(&output.join(file::MANIFEST), &manifest, run)?;
    let champion = champion.map(|dir| Artefact::load(dir, None)).transpose().map_err(ExamineError::Champion)?;
    let held_out = held_out(output, run)?;
    let judged = held_out.as_ref().unwrap_or(&model);
    let training: TrainingNotes = read_json(output, file::TRAINING, MAX_TRAINING_BYTES)?.unwrap_or_default();
    let mut findings = Findings { warnings: training.warnings.clone(), ..Findings::default() };

    let evidence = gather(output, judged, run.spec.evaluation.group_by.as_deref())?;
    let asked = run.spec.gated_metrics();
    if let Some(evidence) = &evidence {
        findings.own = metrics::evaluate_with(judged.output(), evidence.answers.scored(), &asked);
        findings.numbers = Numbers::of(judged, evidence, run, &asked, &mut findings.warnings);
        if let Some(champion) = &champion {
            findings.warn_of_a_champion_that_saw_all(champion);
            findings.compare(judged, &champion.model, evidence, run);
        }
    } else if champion.is_some() {
        findings.uncomparable("the training step wrote no test.csv");
    }
    findings.add_reported(read_metrics(output)?, judged.output(), evidence.as_ref().map(|e| &e.answers));

    let checks = check(&model, held_out.is_some(), evidence.as_ref(), run, &manifest.distributions)?;
    let comparison = findings.comparison.as_ref();
    let comparison = comparison.map(|(champion, challenger)| Comparison { champion, challenger });
    let baseline = training.baseline.as_ref().map(|baseline| &baseline.metrics);
    let judgement = judge(&findings.judged(), comparison, baseline, &run.spec.gates, checks);

    complete(&mut manifest, run, data, &findings.own.metrics, &judgement);
    if let Some(evidence) = evidence.as_ref().filter(|_| manifest.golden.rows.is_empty()) {
        manifest.golden = golden(&model, evidence);
    }
    if let Some(evidence) = &evidence {
        manifest.distributions.neighbours = Neighbours::of(&evidence.answers);
    }
    let pictures = pictures(judged, evidence.as_ref(), run, &training);
    let digest = artefact::write_manifest(output, &manifest).map_err(ExamineError::Artefact)?;
    let report = findings.report(about(&manifest, digest), &manifest, training, &judgement, pictures);
    write_report(output, &report)?;
    let size = manifest.size();
    Ok(Examined { report, judgement, manifest, digest, size })
}

/// Whether the artefact is what the run asked for.
fn check_manifest(path: &Path, manifest: &Manifest, run: &Run) -> Result<(), ExamineError> {
    let invalid = |reason: String| Err(ExamineError::Invalid { path: path.to_owned(), reason });
    let (output, spec) = (&manifest.output, &run.spec);
    if let Some(task) = spec.task.filter(|task| *task != output.task()) {
        return invalid(format!("the model is for {}, the run asks for {task}", output.task()));
    }
    if output.name() != spec.target {
        return invalid(format!("the model predicts {:?}, the run's target is {:?}", output.name(), spec.target));
    }
    if let Some(asked) = &spec.positive_class {
        let positive = match output {
            Output::Classification { classes, positive_class: Some(place), .. } => classes.get(*place),
            _ => None,
        };
        if positive != Some(asked) {
            return invalid(format!("the model's positive class is {positive:?}, the run asks for {asked:?}"));
        }
    }
    if !(0.0..=MAX_GOLDEN_TOLERANCE).contains(&manifest.golden.tolerance) {
        let tolerance = manifest.golden.tolerance;
        return invalid(format!("golden tolerance {tolerance}; write a number from 0 to {MAX_GOLDEN_TOLERANCE}"));
    }
    Ok(())
}

/// The model that was fitted on the training rows alone, where the published one was fitted on all rows.
fn held_out(output: &Path, run: &Run) -> Result<Option<Model>, ExamineError> {
    match &run.spec.train {
        Train::Builtin(builtin) if builtin.refit_on_all_rows => {
            let artefact = Artefact::load(&output.join(file::HELD_OUT), None).map_err(ExamineError::Artefact)?;
            Ok(Some(artefact.model))
        }
        _ => Ok(None),
    }
}

/// Evaluates the checks on the model that is to be published. It has not made the answers of `evidence` where it was fitted
/// again on all rows.
fn check(
    model: &Model,
    refitted: bool,
    evidence: Option<&TestEvidence>,
    run: &Run,
    distributions: &Distributions,
) -> Result<Vec<CheckResult>, ExamineError> {
    let inputs = evidence.and_then(|evidence| evidence.test.inputs.as_ref());
    let columns: Vec<&str> = inputs.map(|inputs| inputs.columns().collect()).unwrap_or_default();
    let checks = |rows: &[Vec<f64>], predicted: &[f64]| {
        checks::evaluate(&run.spec.checks, Evidence { model, rows, predicted, columns: &columns, distributions })
    };
    match evidence {
        None => Ok(checks(&[], &[])),
        Some(evidence) if !refitted || run.spec.checks.is_empty() => {
            Ok(checks(&evidence.rows, evidence.answers.numbers()))
        }
        Some(evidence) => {
            let invalid = |reason| ExamineError::Invalid { path: file::TEST.into(), reason };
            let rows = inputs.map(|inputs| inputs.decode(model).collect::<Result<Vec<_>, _>>());
            let rows = rows.transpose().map_err(invalid)?.unwrap_or_default();
            let answers = evidence.answers.by(model, rows.iter().map(Vec::as_slice).enumerate());
            Ok(checks(&rows, answers.numbers()))
        }
    }
}

/// What is known of the test rows.
struct TestEvidence {
    test: TestRows,
    /// Decoded by the model; empty where only predictions are known.
    rows: Vec<Vec<f64>>,
    /// By the model itself where it could be asked, otherwise by the train step.
    answers: Answers,
}

/// Reads `test.csv`, if there is one, and asks the model the same rows.
fn gather(output: &Path, model: &Model, group_by: Option<&str>) -> Result<Option<TestEvidence>, ExamineError> {
    let path = output.join(file::TEST);
    if !exists(&path)? {
        return Ok(None);
    }
    let invalid = |reason: String| ExamineError::Invalid { path: path.clone(), reason };
    let test = TestRows::read(&path, model.output(), group_by).map_err(invalid)?;
    let Some(inputs) = &test.inputs else {
        let answers = test.answers.clone();
        return Ok(Some(TestEvidence { test, rows: Vec::new(), answers }));
    };
    let rows = inputs.decode(model).collect::<Result<Vec<_>, _>>().map_err(invalid)?;
    let answers = test.answers.by(model, rows.iter().map(Vec::as_slice).enumerate());
    same_answers(&test.answers, &answers, model.output()).map_err(invalid)?;
    Ok(Some(TestEvidence { test, rows, answers }))
}

fn same_answers(said: &Answers, own: &Answers, output: &Output) -> Result<(), String> {
    let close = |said: f64, own: f64| (said - own).abs() <= TOLERANCE * own.abs().max(1.0);
    let differs = |row: usize, said: &dyn std::fmt::Display, own: &dyn std::fmt::Display| {
        Err(format!("row {}: the prediction is {said}, the model itself predicts {own}", row + 1))
    };
    match (said, own) {
        (Answers::Numbers { predicted: said, .. }, Answers::Numbers { predicted: own, .. }) => {
            match said.iter().zip(own).position(|(said, own)| !close(*said, *own)) {
                None => Ok(()),
                Some(row) => differs(row, &said[row], &own[row]),
            }
        }
        (
            Answers::Classes { predicted: said, probabilities: said_all, .. },
            Answers::Classes { predicted: own, probabilities: Some(own_all), .. },
        ) => {
            let width = output.width();
            if let Some(said_all) = said_all
                && let Some(place) = said_all.iter().zip(own_all).position(|(said, own)| !close(*said, *own))
            {
                return differs(place / width, &said_all[place], &own_all[place]);
            }
            let classes = output.classes();
            let differing = said.iter().zip(own).enumerate().position(|(row, (said, own))| {
                said != own && !undecided(output, &own_all[row * width..][..width], *said, *own)
            });
            match differing {
                None => Ok(()),
                Some(row) => differs(row, &classes[said[row]], &classes[own[row]]),
            }
        }
        _ => Ok(()),
    }
}

/// Whether rounding may have decided between two classes.
fn undecided(output: &Output, probabilities: &[f64], one: usize, other: usize) -> bool {
    let margin = match output {
        Output::Classification { positive_class: Some(positive), threshold: Some(threshold), .. } => {
            probabilities[*positive] - threshold
        }
        _ => probabilities[one] - probabilities[other],
    };
    margin.abs() <= TOLERANCE
}

/// Metrics and where they come from.
#[derive(Default)]
struct Findings {
    own: Evaluation,
    /// What else is known of them.
    numbers: Numbers,
    /// The champion's metrics and the model's, on the rows that both can read.
    comparison: Option<(Metrics, Metrics)>,
    self_reported: Vec<String>,
    warnings: Vec<String>,
}

impl Findings {
    fn uncomparable(&mut self, reason: &str) {
        self.warnings.push(format!("nothing can be compared with the champion: {reason}"));
        self.comparison = Some(Default::default());
    }

    fn warn_of_a_champion_that_saw_all(&mut self, champion: &Artefact) {
        if champion.manifest.lineage.fitted_on_all_rows {
            self.warnings.push(
                "the champion was fitted on all rows of its data; where these test rows were among them, it knew their answers"
                    .to_owned(),
            );
        }
    }

    /// Every number that a gate may ask for, by its key.
    fn judged(&self) -> Metrics {
        let mut judged = self.own.metrics.clone();
        judged.extend(self.numbers.keyed());
        judged
    }

    fn compare(&mut self, model: &Model, champion: &Model, evidence: &TestEvidence, run: &Run) {
        let Some(inputs) = &evidence.test.inputs else {
            return self.uncomparable("test.csv has no input: columns");
        };
        let (output, other) = (model.output(), champion.output());
        if output.task() != other.task() {
            return self.uncomparable(&format!("it has another task, {}", other.task()));
        }
        if output.classes() != other.classes() {
            return self.uncomparable(&format!(
                "it has other classes, {:?} instead of {:?}",
                listed(other.classes()),
                listed(output.classes())
            ));
        }
        let (mut places, mut rows, mut first_error) = (Vec::new(), Vec::new(), None);
        for (place, row) in inputs.decode(champion).enumerate() {
            match row {
                Ok(row) => {
                    places.push(place);
                    rows.push(row);
                }
                Err(error) => _ = first_error.get_or_insert(error),
            }
        }
        let total = evidence.rows.len();
        if let Some(error) = first_error {
            if rows.is_empty() {
                return self.uncomparable(&format!("it can read none of the test rows: {error}"));
            }
            let unread = total - rows.len();
            self.warnings.push(format!(
                "the champion cannot read {unread} of {total} test rows, so both are compared on the others: {error}"
            ));
        }
        let groups: Option<Vec<&str>> =
            evidence.test.groups.as_ref().map(|groups| places.iter().map(|&place| groups[place].as_str()).collect());
        let by = |model: &Model, rows: &mut dyn Iterator<Item = &[f64]>| {
            let answers = evidence.answers.by(model, places.iter().copied().zip(rows));
            let asked = run.spec.gated_metrics();
            // The positive class that counts is the new model's, and each model's threshold is its own.
            let mut metrics = metrics::evaluate_with(output, answers.scored(), &asked).metrics;
            if let Some(groups) = &groups {
                metrics.extend(numbers::of_groups(output, answers.scored(), groups, run, &asked));
            }
            metrics
        };
        let champions = by(champion, &mut rows.iter().map(Vec::as_slice));
        let own = by(model, &mut places.iter().map(|place| evidence.rows[*place].as_slice()));
        self.comparison = Some((champions, own));
    }

    /// Adds what the train step reports and Slipway could not compute.
    fn add_reported(&mut self, reported: BTreeMap<String, Option<f64>>, output: &Output, answers: Option<&Answers>) {
        let computable = |metric: Metric| match answers {
            Some(Answers::Classes { probabilities: None, .. }) => !metrics::needs_probabilities(metric),
            Some(_) => true,
            None => false,
        };
        for (name, value) in reported {
            let metric = Metric::parse(&name).filter(|metric| metric.task() == output.task());
            match (value, metric.is_some_and(computable)) {
                (Some(value), false) => {
                    self.own.undefined.remove(&name);
                    self.own.metrics.insert(name.clone(), value);
                    self.self_reported.push(name);
                }
                (None, false) => {
                    self.own.undefined.insert(name, "the training step says so".to_owned());
                }
                (Some(value), true) => self.warn_of_difference(&name, value),
                (None, true) => {}
            }
        }
    }

    fn warn_of_difference(&mut self, name: &str, reported: f64) {
        let Some(own) = self.own.metrics.get(name) else { return };
        if (reported - own).abs() > TOLERANCE * own.abs().max(1.0) {
            self.warnings
                .push(format!("metrics.json says {name} is {reported}; on test.csv it is {own}, which counts"));
        }
    }

    fn report(
        self,
        about: About,
        manifest: &Manifest,
        training: TrainingNotes,
        judgement: &Judgement,
        pictures: Pictures,
    ) -> Report {
        Report {
            model_name: manifest.model_name.clone(),
            version: manifest.version.clone(),
            task: manifest.output.task(),
            about,
            verdict: judgement.verdict,
            metrics: self.own.metrics,
            undefined: self.own.undefined,
            self_reported: self.self_reported,
            intervals: self.numbers.intervals,
            groups: self.numbers.groups,
            champion_metrics: self.comparison.map(|(champion, _)| plain(champion)),
            gates: judgement.gates.clone(),
            checks: judgement.checks.clone(),
            training: TrainingNotes { warnings: self.warnings, ..training },
            data: manifest.lineage.data.clone(),
            pictures,
        }
    }
}

/// The report of a published model as far as its manifest tells it, where the report itself was never stored.
pub fn report_of(manifest: &Manifest, digest: Digest) -> Report {
    let note = "The step that published this model was interrupted before it stored its report. What is here is what the \
                model's manifest tells.";
    Report {
        model_name: manifest.model_name.clone(),
        version: manifest.version.clone(),
        task: manifest.output.task(),
        about: about(manifest, digest),
        verdict: Verdict::Passed,
        metrics: manifest.metrics.clone(),
        undefined: BTreeMap::new(),
        self_reported: Vec::new(),
        intervals: BTreeMap::new(),
        groups: None,
        champion_metrics: None,
        gates: manifest.gates.clone(),
        checks: manifest.checks.clone(),
        training: TrainingNotes { warnings: vec![note.to_owned()], ..TrainingNotes::default() },
        data: manifest.lineage.data.clone(),
        pictures: Pictures::default(),
    }
}

/// What was trained, as the manifest tells it.
fn about(manifest: &Manifest, digest: Digest) -> About {
    let (output, lineage) = (&manifest.output, &manifest.lineage);
    let (positive, threshold) = match output {
        Output::Classification { positive_class, threshold, .. } => (*positive_class, *threshold),
        Output::Regression { .. } => (None, None),
    };
    About {
        estimator: manifest.estimator.clone(),
        target: output.name().to_owned(),
        classes: output.classes().to_vec(),
        positive_class: positive.and_then(|class| output.classes().get(class)).cloned(),
        threshold,
        features: manifest.input.fields().len(),
        parameters: lineage.parameters.clone(),
        digest: Some(digest.to_string()),
        size_bytes: manifest.size(),
        rows: lineage.rows,
        columns: lineage.columns,
        seed: lineage.seed,
        trainer: lineage.trainer.clone(),
        image: lineage.image.clone(),
        code_revision: lineage.code_revision.clone(),
    }
}

/// What there is to draw. What a feature is worth is told in the metric that matters to the run: the first gate's, or the
/// search's.
fn pictures(model: &Model, evidence: Option<&TestEvidence>, run: &Run, training: &TrainingNotes) -> Pictures {
    let Some(TestEvidence { rows, answers, .. }) = evidence else {
        let notes = vec!["The training step wrote no test.csv, so nothing can be drawn.".to_owned()];
        return Pictures { notes, ..Pictures::default() };
    };
    let gated = run.spec.gates.iter().map(|gate| gate.metric.as_str());
    let searched = training.search.as_ref().map(|search| search.metric.as_str());
    let metric = gated.chain(searched).find_map(Metric::parse);
    Drawn { model, rows, answers }.pictures(metric)
}

/// Metrics of all rows, without the other numbers of them.
fn plain(mut metrics: Metrics) -> Metrics {
    metrics.retain(|name, _| !name.contains('.'));
    metrics
}

/// The first few of many names.
fn listed(names: &[String]) -> &[String] {
    const MAX_LISTED: usize = 10;
    &names[..names.len().min(MAX_LISTED)]
}

/// Reads `metrics.json`, if there is one: names and numbers, null for a metric that is undefined.
fn read_metrics(output: &Path) -> Result<BTreeMap<String, Option<f64>>, ExamineError> {
    let metrics: BTreeMap<String, Option<f64>> =
        read_json(output, file::METRICS, MAX_METRICS_BYTES)?.unwrap_or_default();
    let invalid = |reason| Err(ExamineError::Invalid { path: output.join(file::METRICS), reason });
    if metrics.len() > MAX_METRICS {
        return invalid(format!("{} metrics; at most {MAX_METRICS} are read", metrics.len()));
    }
    let is_name = |name: &str| {
        name.len() <= 64
            && name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.@-".contains(c))
    };
    match metrics.keys().find(|name| !is_name(name)) {
        None => Ok(metrics),
        Some(name) => {
            invalid(format!("{name:?} is no name of a metric; write letters, digits, _ . @ - and 64 at most"))
        }
    }
}

fn exists(path: &Path) -> Result<bool, ExamineError> {
    path.try_exists().map_err(|error| ExamineError::Invalid { path: path.to_owned(), reason: error.to_string() })
}

fn read_json<T: serde::de::DeserializeOwned>(dir: &Path, name: &str, limit: u64) -> Result<Option<T>, ExamineError> {
    let path = dir.join(name);
    if !exists(&path)? {
        return Ok(None);
    }
    let bytes = artefact::read_bounded(&path, limit).map_err(ExamineError::Artefact)?;
    serde_json::from_slice(&bytes).map(Some).map_err(|error| ExamineError::Invalid {
        path,
        reason: format!("{error}; NaN and Infinity are no JSON, write null"),
    })
}

/// Fills in what only the outside knows.
fn complete(manifest: &mut Manifest, run: &Run, data: Option<DataIdentity>, metrics: &Metrics, judgement: &Judgement) {
    manifest.files.retain(|entry| ![file::REPORT, file::PAGE].contains(&entry.name.as_str()));
    manifest.model_name.clone_from(&run.spec.model_name);
    manifest.version.clone_from(&run.uid);
    manifest.metrics.clone_from(metrics);
    manifest.gates.clone_from(&judgement.gates);
    manifest.checks.clone_from(&judgement.checks);
    let lineage = &mut manifest.lineage;
    lineage.data = data.unwrap_or_else(|| lineage.data.clone());
    lineage.code_revision = run.code_revision.clone().or(lineage.code_revision.take());
    lineage.image = run.image.clone().or(lineage.image.take());
}

/// Golden rows from test rows, for a training image that writes none.
fn golden(model: &Model, evidence: &TestEvidence) -> Golden {
    let sent = evidence.test.inputs.iter().flat_map(|inputs| inputs.as_sent(model, GOLDEN_ROWS));
    let rows = sent.zip(&evidence.rows).map(|(row, decoded)| GoldenRow { row, expected: model.predict_raw(decoded) });
    Golden { tolerance: GOLDEN_TOLERANCE, rows: rows.collect() }
}

fn write_report(output: &Path, report: &Report) -> Result<(), ExamineError> {
    let path = output.join(file::REPORT);
    let bytes = serde_json::to_vec_pretty(report)
        .map_err(|error| ExamineError::Invalid { path: path.clone(), reason: error.to_string() })?;
    artefact::write_file(&path, &bytes).map_err(ExamineError::Artefact)
}
