//! One run: from a file to a fitted model with all that is known of it.

use std::collections::BTreeSet;
use std::path::Path;

use slipway_model::{Model, Output, metrics};
use slipway_spec::contract::file;
use slipway_spec::{
    Baseline, Builtin, ClassWeight, DataIdentity, DataReport, Estimator as Algorithm, Feature, FeatureType,
    FindingKind, FoldKind, Folding, Importances, Metric, Metrics, Parameters, RowCounts, Run, SearchReport, Split,
    Threshold, ThresholdReport, Train, TrainingNotes, similar,
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
use crate::progress::{Listener, Steps};
use crate::reader::{self, DataSource, Request, Table};
use crate::search::Ground;
use crate::{baseline, evidence, search, threshold};

/// Metrics on fewer test rows say little.
const FEW_TEST_ROWS: usize = 20;

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

/// What is asked for.
#[derive(Clone, Copy)]
struct Job<'a> {
    run: &'a Run,
    builtin: &'a Builtin,
    output: &'a Path,
    progress: Progress<'a>,
}

/// Trains what `run` asks for on `data`, a file or a folder, and writes the artefact, `metrics.json`, `test.csv` and
/// `training.json` into the folder `output`, which is made where it is missing. Nothing is judged.
pub fn train(run: &Run, data: impl Into<DataSource>, output: &Path, progress: Progress<'_>) -> Result<Trained, Error> {
    let Train::Builtin(builtin) = &run.spec.train else {
        return Err(Error::Spec(
            "spec.train names an image of its own; run that image instead of this trainer".to_owned(),
        ));
    };
    run.spec.check().map_err(Error::Spec)?;
    let job = Job { run, builtin, output, progress };
    let mut clock = Clock::default();
    let table = job.read(&data.into(), &mut clock)?;
    let identity = identity(&table);
    let (dataset, mut notes) = job.prepare(table)?;
    clock.lap("prepare");
    let model_output = dataset.target.output(&run.spec.target, &dataset.rows.train);
    let Fit { model, account, parameters, search, threshold } =
        fit(builtin, &dataset, model_output, &mut notes.warnings, &mut clock, progress)?;
    progress.line(&format!("fitted in {:.2} s; testing on {} rows", clock.last(), dataset.rows.test.len()));
    let (evidence, metrics, baseline) = test(run, &dataset, &model)?;
    clock.lap("test");
    notes = TrainingNotes {
        search,
        threshold,
        baseline: Some(baseline),
        importances: account.importances,
        oob_score: account.oob_score,
        ..notes
    };
    let mut trained = Trained { data: identity, parameters, columns: dataset.table.columns.len(), notes };
    let tested = Learnt { run, builtin, dataset: &dataset, model: &model, evidence, metrics, all_rows: false };
    trained.notes.warnings.extend(tested.write_test_rows(output)?);
    if builtin.refit_on_all_rows {
        tested.write_artefact(&output.join(file::HELD_OUT), &trained)?;
        clock.lap("write");
        let Learnt { evidence, metrics, .. } = tested;
        job.publish_refitted(dataset, model.output(), (evidence, metrics), &mut trained, &mut clock)?;
    } else {
        tested.write_artefact(output, &trained)?;
    }
    clock.lap("write");
    trained.notes.timings = clock.timings();
    trained.notes.cpu_timings = clock.cpu_timings();
    write_notes(output, &trained.notes)?;
    progress.line(&format!("wrote the artefact to {}", output.display()));
    Ok(trained)
}

impl Job<'_> {
    /// Reads the data, and tells how far it is.
    fn read(self, data: &DataSource, clock: &mut Clock) -> Result<Table, Error> {
        let name = data.path.file_name().unwrap_or(data.path.as_os_str()).to_string_lossy();
        let title = format!("reading {name}");
        let steps = Steps::new(self.progress, &title);
        let megabytes = |bytes: u64| usize::try_from(bytes.div_ceil(1_000_000)).unwrap_or(usize::MAX);
        let told = |read, all| steps.tell("MB", megabytes(read), megabytes(all));
        let texts = texts(self.builtin);
        let request = Request { texts, max_unpacked_bytes: data.max_unpacked_bytes, told: Some(&told) };
        let table = reader::read(&data.path, &request)?;
        clock.lap("read");
        let (rows, columns, file) = (table.rows, table.columns.len(), &table.file);
        self.progress.line(&format!("read {rows} rows and {columns} columns of {file} in {:.2} s", clock.last()));
        Ok(table)
    }

    /// Finds out what the columns are, divides the rows, and looks at the data. The notes tell of it.
    fn prepare(self, table: Table) -> Result<(Dataset, TrainingNotes), Error> {
        let Job { run, builtin, .. } = self;
        let mut dataset = Dataset::new(table, &run.spec, builtin)?;
        check_spec(run, builtin, &dataset.target).map_err(Error::Spec)?;
        let group_by = run.spec.evaluation.group_by.as_ref();
        if let Some(column) = group_by.filter(|name| dataset.table.column(name).is_none()) {
            return Err(no_such_column(&dataset.table, column, "evaluation.groupBy").into());
        }
        let mut warnings = std::mem::take(&mut dataset.warnings);
        let data_report = report::describe(&dataset, &run.spec.target, builtin);
        tell(&data_report, &mut warnings);
        let (train, test, left_out) = (dataset.rows.train.len(), dataset.rows.test.len(), dataset.rows.left_out.len());
        self.progress.line(&format!("{train} rows to train on, {test} to test on, {left_out} left out"));
        if test < FEW_TEST_ROWS {
            let rows = if test == 1 { "is only 1 test row".to_owned() } else { format!("are only {test} test rows") };
            warnings.push(format!("there {rows}, so the metrics may be chance; set more rows aside, or gather more"));
        }
        if dataset.features.len() > MAX_DISTRIBUTIONS {
            warnings.push(format!("distributions are kept of the first {MAX_DISTRIBUTIONS} features only"));
        }
        let rows = Some(RowCounts { train, test, left_out });
        Ok((dataset, TrainingNotes { rows, data_report: Some(data_report), warnings, ..TrainingNotes::default() }))
    }

    /// Fits again on all rows and writes that model, with the answers and metrics of the one that was `tested`.
    fn publish_refitted(
        self,
        dataset: Dataset,
        judged: &Output,
        tested: (Evidence, Metrics),
        trained: &mut Trained,
        clock: &mut Clock,
    ) -> Result<(), Error> {
        let Job { run, builtin, output, progress } = self;
        let (dataset, model) = refit(run, builtin, dataset, judged, trained, progress)?;
        let mut evidence = Evidence { answers: tested.0.answers, ..evidence::gather(&dataset, &model) };
        evidence.describe_answers(model.output());
        clock.lap("refit");
        let rows = dataset.rows.train.len();
        progress.line(&format!(
            "fitted again on all {rows} rows; the metrics are of the model that has not seen the test rows"
        ));
        trained.notes.refitted_on = Some(rows);
        let metrics = tested.1;
        let learnt = Learnt { run, builtin, dataset: &dataset, model: &model, evidence, metrics, all_rows: true };
        learnt.write_artefact(output, trained)
    }
}

/// The data that were read. Where the file lies must not change a byte of the artefact.
fn identity(table: &Table) -> DataIdentity {
    DataIdentity {
        uri: table.file.clone(),
        digest: table.digest.to_string(),
        size_bytes: table.size.cast_signed(),
        files: table.files.clone(),
        ..DataIdentity::default()
    }
}

/// What the model and the baseline answer on the test rows.
fn test(run: &Run, dataset: &Dataset, model: &Model) -> Result<(Evidence, Metrics, Baseline), Error> {
    let evidence = evidence::gather(dataset, model);
    let evaluation = metrics::evaluate(model.output(), evidence.answers.scored());
    let baseline = baseline::baseline(dataset, model.output(), &evidence.answers, &run.spec.gated_metrics());
    let baseline = baseline.map_err(|error| Error::Data(dataset.table.error(error.0)))?;
    Ok((evidence, evaluation.metrics, baseline))
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
pub(crate) fn texts(builtin: &Builtin) -> BTreeSet<&str> {
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
    progress: Progress<'_>,
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
        let told = Fitting { algorithm: builtin.estimator, progress, warnings: &mut trained.notes.warnings };
        fit_all(&*learner, &dataset, &trained.parameters, output, told)?.0
    };
    Ok((dataset, model))
}

/// What is told of a fit.
struct Fitting<'a> {
    algorithm: Algorithm,
    progress: Progress<'a>,
    warnings: &'a mut Vec<String>,
}

/// Fits on all training rows. A warning that is known already is not said again.
fn fit_all(
    learner: &dyn Learner,
    dataset: &Dataset,
    parameters: &Parameters,
    output: Output,
    told: Fitting<'_>,
) -> Result<(Model, Account), Error> {
    let Fitting { algorithm, progress, warnings } = told;
    let all: Vec<u32> = (0..learner.samples().rows() as u32).collect();
    let title = format!("fitting {algorithm}");
    progress.line(&format!("{title} on {} rows", all.len()));
    let steps = Steps::new(progress, &title);
    let fitted = learner.fit_telling(&all, parameters, &|what, done, total| steps.tell(what, done, total));
    let fitted = fitted.map_err(|error| Error::Data(dataset.table.error(error.0)))?;
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
    let metric = builtin.search.as_ref().map_or(Ok(None), |asked| asked.scored_by(Some(dataset.target.task)));
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
    let told = Fitting { algorithm: builtin.estimator, progress, warnings };
    let (model, account) = fit_all(&*learner, dataset, &parameters, output, told)?;
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

/// What can be said of the spec once the target is known.
fn check_spec(run: &Run, builtin: &Builtin, target: &TargetColumn) -> Result<(), String> {
    run.spec.check_words(Some(target.task))?;
    if builtin.threshold.is_some() && target.positive.is_none() {
        let classes = target.classes.len();
        return Err(format!("threshold is for two classes, and the target is for {classes} classes; leave it out"));
    }
    let class_weight = builtin.parameters.class_weight.iter().chain(searched_class_weights(builtin));
    for weights in class_weight {
        if let ClassWeight::Map(weights) = weights {
            check_classes("class_weight", weights.keys(), target)?;
        }
    }
    builtin.parameters.priors.as_ref().map_or(Ok(()), |priors| check_classes("priors", priors.keys(), target))
}

fn searched_class_weights(builtin: &Builtin) -> impl Iterator<Item = &ClassWeight> {
    let search = builtin.search.iter();
    let grids = search.flat_map(|search| search.grid.iter().chain(search.random.iter().map(|random| &random.choices)));
    grids.flat_map(|grid| grid.class_weight.iter().flatten())
}

/// Whether the target has the classes that a parameter names.
fn check_classes<'a>(
    parameter: &str,
    mut names: impl Iterator<Item = &'a String>,
    target: &TargetColumn,
) -> Result<(), String> {
    const LISTED: usize = 10;
    let classes = || target.classes.iter().map(String::as_str);
    let Some(unknown) = names.find(|name| !target.classes.contains(name)) else { return Ok(()) };
    let nearest = similar::nearest(unknown, classes());
    let hint = nearest.map_or(String::new(), |nearest| format!("did you mean {nearest}? "));
    let known: Vec<&str> = classes().take(LISTED).collect();
    Err(format!(
        "spec.train.builtin.parameters: {parameter} names the class {unknown}, which the target does not have; {hint}it has {}",
        known.join(", ")
    ))
}
