//! One run: from a file to a fitted model with all that is known of it.

use std::collections::BTreeSet;
use std::path::Path;

use slipway_model::{Model, Output, metrics};
use slipway_spec::contract::file;
use slipway_spec::{
    Builtin, DataIdentity, DataReport, Derived, Estimator, Feature, FeatureType, FindingKind, FoldKind, Folding,
    Importances, Metric, Of, Parameters, RowCounts, Run, SearchReport, Split, Threshold, ThresholdReport, Train,
    TrainingNotes,
};

use crate::clock::Clock;
use crate::data::dataset::Dataset;
use crate::data::keys;
use crate::data::report;
use crate::data::target::{TargetColumn, no_such_column};
use crate::error::Error;
use crate::evidence::{Evidence, MAX_DISTRIBUTIONS};
use crate::folds::Keys;
use crate::learner::{self, Learner, Samples, Scorer};
use crate::output::{Learnt, write_notes};
use crate::progress::Listener;
use crate::reader::{self, DataSource, Request};
use crate::search::Ground;
use crate::{baseline, evidence, search, threshold};

/// Told what is going on.
pub type Progress<'a> = &'a dyn Listener;

/// What a run made.
#[derive(Clone, Debug)]
pub struct Trained {
    /// The bytes it trained on.
    pub data: DataIdentity,
    /// The estimator's parameters, searched ones included.
    pub parameters: Parameters,
    /// Columns of the data.
    pub columns: usize,
    /// How training went.
    pub notes: TrainingNotes,
}

/// Trains what `run` asks for on `data`, a file or a folder, and writes the artefact, `metrics.json`, `test.csv` and
/// `training.json` into the folder `output`, which is made where it is missing. Nothing is judged.
pub fn train(run: &Run, data: impl Into<DataSource>, output: &Path, progress: Progress<'_>) -> Result<Trained, Error> {
    let data = data.into();
    let Train::Builtin(builtin) = &run.spec.train else {
        return Err(Error::Spec(
            "spec.train names an image of its own; run that image instead of this trainer".to_owned(),
        ));
    };
    check_features(builtin).map_err(Error::Spec)?;
    let mut clock = Clock::default();
    let request = Request { texts: texts(builtin), max_unpacked_bytes: data.max_unpacked_bytes };
    let table = reader::read(&data.path, &request)?;
    clock.lap("read");
    progress.line(&format!(
        "read {} rows and {} columns of {} in {:.2} s",
        table.rows,
        table.columns.len(),
        table.file,
        clock.last()
    ));
    let identity = DataIdentity {
        // Where the file lies must not change a byte of the artefact.
        uri: table.file.clone(),
        digest: table.digest.to_string(),
        size_bytes: table.size.cast_signed(),
        files: table.files.clone(),
        ..DataIdentity::default()
    };
    let mut dataset = Dataset::new(table, &run.spec, builtin)?;
    check_spec(run, builtin, &dataset.target).map_err(Error::Spec)?;
    if let Some(column) = run.spec.evaluation.group_by.as_ref().filter(|name| dataset.table.column(name).is_none()) {
        return Err(no_such_column(&dataset.table, column, "evaluation.groupBy").into());
    }
    let mut warnings = std::mem::take(&mut dataset.warnings);
    let data_report = report::describe(&dataset, &run.spec.target, builtin);
    tell(&data_report, &mut warnings);
    clock.lap("prepare");
    let rows = RowCounts {
        train: dataset.rows.train.len(),
        test: dataset.rows.test.len(),
        left_out: dataset.rows.left_out.len(),
    };
    progress.line(&format!("{} rows to train on, {} to test on, {} left out", rows.train, rows.test, rows.left_out));

    let model_output = dataset.target.output(&run.spec.target, &dataset.rows.train);
    let Fit { model, account, parameters, search, threshold } =
        fit(builtin, &dataset, model_output, &mut warnings, &mut clock, progress)?;
    let evidence = evidence::gather(&dataset, &model);
    let evaluation = metrics::evaluate(model.output(), evidence.answers.scored());
    let baseline = baseline::baseline(&dataset, model.output(), &evidence.answers, &run.spec.gated_metrics());
    let baseline = baseline.map_err(|error| Error::Data(dataset.table.error(error.0)))?;
    clock.lap("test");
    if dataset.features.len() > MAX_DISTRIBUTIONS {
        warnings.push(format!("distributions are kept of the first {MAX_DISTRIBUTIONS} features only"));
    }
    let mut trained = Trained {
        data: identity,
        parameters,
        columns: dataset.table.columns.len(),
        notes: TrainingNotes {
            search,
            threshold,
            rows: Some(rows),
            baseline: Some(baseline),
            importances: account.importances,
            oob_score: account.oob_score,
            data_report: Some(data_report),
            warnings,
            ..TrainingNotes::default()
        },
    };
    let metrics = evaluation.metrics;
    let judged = Learnt { run, builtin, dataset: &dataset, model: &model, evidence, metrics, all_rows: false };
    trained.notes.warnings.extend(judged.write_test_rows(output)?);
    if builtin.refit_on_all_rows {
        judged.write_artefact(&output.join(file::HELD_OUT), &trained)?;
        let Learnt { evidence, metrics, .. } = judged;
        clock.lap("write");
        let (dataset, model) = refit(run, builtin, dataset, model.output(), &mut trained)?;
        let mut evidence = Evidence { answers: evidence.answers, ..evidence::gather(&dataset, &model) };
        evidence.describe_answers(model.output());
        clock.lap("refit");
        let rows = dataset.rows.train.len();
        progress.line(&format!(
            "fitted again on all {rows} rows; the metrics are of the model that has not seen the test rows"
        ));
        trained.notes.refitted_on = Some(rows);
        let learnt = Learnt { run, builtin, dataset: &dataset, model: &model, evidence, metrics, all_rows: true };
        learnt.write_artefact(output, &trained)?;
    } else {
        judged.write_artefact(output, &trained)?;
    }
    clock.lap("write");
    trained.notes.timings = clock.timings();
    trained.notes.cpu_timings = clock.cpu_timings();
    write_notes(output, &trained.notes)?;
    progress.line(&format!("wrote the artefact to {}", output.display()));
    Ok(trained)
}

/// Adds what the report found to the warnings, where they do not speak of the column already.
fn tell(report: &DataReport, warnings: &mut Vec<String>) {
    for finding in &report.findings {
        let told = |column: &String| warnings.iter().any(|warning| warning.starts_with(&format!("{column} ")));
        let grave = finding.kind < FindingKind::Identifier;
        if grave || !finding.column.as_ref().is_some_and(told) {
            warnings.push(finding.message.clone());
        }
    }
}

/// Columns of which every spelling counts, even where all cells are numbers.
fn texts(builtin: &Builtin) -> BTreeSet<&str> {
    let features = builtin.features.iter();
    let declared = features.filter(|feature| feature.type_.is_some_and(|type_| type_ != FeatureType::Number));
    let split = match &builtin.split {
        Split::Random(random) => random.stratify_by.as_deref(),
        Split::Column(column) => Some(column.as_str()),
        Split::Group(group) => Some(group.column.as_str()),
        Split::Time(_) => None,
    };
    declared.map(Feature::column).chain(split).collect()
}

/// Fits in the same way on all rows that have a target, with the threshold of `judged`. What the columns are is found out
/// anew.
fn refit(
    run: &Run,
    builtin: &Builtin,
    dataset: Dataset,
    judged: &Output,
    trained: &mut Trained,
) -> Result<(Dataset, Model), Error> {
    let dataset = dataset.on_all_rows(&run.spec, builtin)?;
    let mut output = dataset.target.output(&run.spec.target, &dataset.rows.train);
    if let (Output::Classification { threshold, .. }, Output::Classification { threshold: chosen, .. }) =
        (&mut output, judged)
    {
        *threshold = *chosen;
    }
    let model = {
        let samples = Samples::new(&dataset, builtin.estimator)?;
        let learner = learner::learner(builtin.estimator, &samples);
        fit_all(&*learner, &dataset, &trained.parameters, output, &mut trained.notes.warnings)?.0
    };
    Ok((dataset, model))
}

/// Fits on all training rows. A warning that is known already is not said again.
fn fit_all(
    learner: &dyn Learner,
    dataset: &Dataset,
    parameters: &Parameters,
    output: Output,
    warnings: &mut Vec<String>,
) -> Result<(Model, Account), Error> {
    let all: Vec<u32> = (0..learner.samples().rows() as u32).collect();
    let fitted = learner.fit(&all, parameters).map_err(|error| Error::Data(dataset.table.error(error.0)))?;
    let account = Account { importances: learner.samples().importances(&fitted), oob_score: fitted.oob_score };
    for warning in fitted.warnings {
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
    let model = Model::new(dataset.fields(), output, fitted.encoder, fitted.estimator)
        .map_err(|error| Error::Internal(error.to_string()))?;
    Ok((model, account))
}

/// What a model says of itself.
struct Account {
    importances: Option<Importances>,
    oob_score: Option<f64>,
}

/// What was fitted on the training rows.
struct Fit {
    model: Model,
    account: Account,
    parameters: Parameters,
    search: Option<SearchReport>,
    threshold: Option<ThresholdReport>,
}

/// Searches and chooses a threshold, where that is asked for, and fits on all training rows.
fn fit(
    builtin: &Builtin,
    dataset: &Dataset,
    mut output: Output,
    warnings: &mut Vec<String>,
    clock: &mut Clock,
    progress: Progress<'_>,
) -> Result<Fit, Error> {
    let samples = Samples::new(dataset, builtin.estimator)?;
    clock.lap("encode");
    let fit_error = |error: learner::FitError| Error::Data(dataset.table.error(error.0));
    let learner = learner::learner(builtin.estimator, &samples);
    if let (Some(Threshold::Value(given)), Output::Classification { threshold, .. }) = (&builtin.threshold, &mut output)
    {
        *threshold = Some(*given);
    }
    let metric = builtin.search.as_ref().map_or(Ok(None), |asked| search::metric(asked, dataset.target.task).map(Some));
    let metric = metric.map_err(Error::Spec)?.unwrap_or(Metric::Accuracy);
    let scorer = Scorer { metric, output: output.clone() };
    let keys = builtin.search.as_ref().map_or(Ok(Keys::None), |asked| keys(dataset, &asked.folds_by))?;
    let ground = Ground { learner: &*learner, samples: &samples, scorer: &scorer, keys: &keys, progress };
    let mut searched = None;
    if let Some(asked) = &builtin.search {
        let found = search::search(ground, &builtin.parameters, asked).map_err(fit_error)?;
        clock.lap("search");
        progress.line(&format!("the best has {} {:.5}; it took {:.2} s", found.metric, found.best_score, clock.last()));
        searched = Some(found);
    }
    let parameters = searched.as_ref().map_or(&builtin.parameters, |found| &found.best_parameters).clone();
    let mut chosen = None;
    if let (Some(rule), Some(positive)) = (builtin.threshold, dataset.target.positive) {
        let (report, warning) =
            threshold::choose(ground, rule, positive, &parameters, builtin.search.as_ref()).map_err(fit_error)?;
        warnings.extend(warning);
        if let Output::Classification { threshold, .. } = &mut output {
            *threshold = Some(report.value);
        }
        chosen = Some(report);
        clock.lap("threshold");
    }
    let (model, account) = fit_all(&*learner, dataset, &parameters, output, warnings)?;
    clock.lap("fit");
    Ok(Fit { model, account, parameters, search: searched, threshold: chosen })
}

/// What folds are made by, of the training rows.
fn keys(dataset: &Dataset, by: &Folding) -> Result<Keys, Error> {
    const FIELD: &str = "search.foldsBy.column";
    let (table, rows) = (&dataset.table, &dataset.rows.train);
    let keys = match (by.kind, &by.column) {
        (Some(FoldKind::GroupKFold), Some(column)) => keys::groups(table, column, rows, FIELD).map(Keys::Groups),
        (Some(FoldKind::TimeSeriesSplit), Some(column)) => {
            let days = by.embargo_days.is_some_and(|days| days > 0);
            keys::times(table, column, rows, FIELD, days).map(Keys::Times)
        }
        _ => Ok(Keys::None),
    };
    Ok(keys?)
}

/// What can be said of the features before there are data.
fn check_features(builtin: &Builtin) -> Result<(), String> {
    builtin.features.iter().try_for_each(Feature::check)?;
    builtin.derive.iter().try_for_each(Derived::check)
}

/// What can be said of the spec once the task is known.
fn check_spec(run: &Run, builtin: &Builtin, target: &TargetColumn) -> Result<(), String> {
    let task = target.task;
    if !builtin.estimator.tasks().contains(&task) {
        let inferred = if run.spec.task.is_none() { ", which was inferred from the target" } else { "" };
        let (estimator, names) = (builtin.estimator, Estimator::names(task));
        return Err(format!("{estimator} is not for {task}{inferred}; write one of {names}"));
    }
    builtin.parameters.check(builtin.estimator, task).map_err(|error| format!("parameters: {error}"))?;
    if let Some(asked) = &builtin.search {
        asked.check(&builtin.parameters, builtin.estimator, task).map_err(|error| error.to_string())?;
        search::metric(asked, task)?;
    }
    if let Some(threshold) = &builtin.threshold {
        threshold.check()?;
        if target.positive.is_none() {
            let classes = target.classes.len();
            let what = if classes == 0 { task.to_string() } else { format!("{classes} classes") };
            return Err(format!("threshold is for two classes, and the target is for {what}; leave it out"));
        }
    }
    check_evaluation(run)?;
    for gate in &run.spec.gates {
        if Metric::parse(&gate.metric).is_none_or(|metric| metric.task() != task) {
            let name = &gate.metric;
            return Err(format!("gates: {name} is no metric for {task}; write one of {}", Metric::names(task)));
        }
    }
    Ok(())
}

/// Whether gates about groups and intervals can be judged.
fn check_evaluation(run: &Run) -> Result<(), String> {
    let evaluation = &run.spec.evaluation;
    for gate in &run.spec.gates {
        match gate.of {
            Of::WorstGroup | Of::GroupGap if evaluation.group_by.is_none() => {
                return Err("gates: WorstGroup and GroupGap need groups; write evaluation.groupBy".to_owned());
            }
            Of::ConfidenceBound if evaluation.confidence.as_ref().is_some_and(|asked| asked.resamples < 1) => {
                return Err("gates: ConfidenceBound needs evaluation.confidence.resamples above 0".to_owned());
            }
            Of::ConfidenceBound if gate.champion.is_some() => {
                return Err(
                    "gates: the champion has no confidence bound to compare with; leave of or champion out".to_owned()
                );
            }
            _ => {}
        }
    }
    Ok(())
}
