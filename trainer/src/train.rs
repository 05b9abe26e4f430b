//! One run: from a file to a fitted model with all that is known of it.

use std::path::Path;

use slipway_model::{Model, Output, metrics};
use slipway_spec::{
    Builtin, DataIdentity, Estimator, Metric, Parameters, RowCounts, Run, SearchReport, Task, Train, TrainingNotes,
};

use crate::clock::Clock;
use crate::data::dataset::Dataset;
use crate::error::Error;
use crate::learner::{self, Samples, Scorer};
use crate::output::Learnt;
use crate::{baseline, evidence, reader, search};

/// Told what is going on, a line at a time.
pub type Progress<'a> = &'a (dyn Fn(&str) + Sync);

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

/// Trains what `run` asks for on the CSV file `data`, and writes the artefact, `metrics.json`, `test.csv` and
/// `training.json` into the folder `output`, which is made where it is missing. Nothing is judged.
pub fn train(run: &Run, data: &Path, output: &Path, progress: Progress<'_>) -> Result<Trained, Error> {
    let Train::Builtin(builtin) = &run.spec.train else {
        return Err(Error::Spec(
            "spec.train names an image of its own; run that image instead of this trainer".to_owned(),
        ));
    };
    let mut clock = Clock::default();
    let table = reader::read(data)?;
    clock.lap("read");
    progress(&format!(
        "read {} rows and {} columns of {} in {:.2} s",
        table.rows,
        table.columns.len(),
        table.file,
        clock.last()
    ));
    let identity = DataIdentity {
        uri: data.display().to_string(),
        digest: table.digest.to_string(),
        size_bytes: table.size.cast_signed(),
        ..DataIdentity::default()
    };
    let mut dataset = Dataset::new(table, &run.spec, builtin)?;
    check_spec(run, builtin, dataset.target.task).map_err(Error::Spec)?;
    let mut warnings = std::mem::take(&mut dataset.warnings);
    clock.lap("prepare");
    let rows = RowCounts {
        train: dataset.rows.train.len(),
        test: dataset.rows.test.len(),
        left_out: dataset.rows.left_out.len(),
    };
    progress(&format!("{} rows to train on, {} to test on, {} left out", rows.train, rows.test, rows.left_out));

    let model_output = dataset.target.output(&run.spec.target, &dataset.rows.train);
    let (model, parameters, searched) = fit(builtin, &dataset, model_output, &mut warnings, &mut clock, progress)?;
    let evidence = evidence::gather(&dataset, &model);
    let evaluation = metrics::evaluate(model.output(), evidence.answers.scored());
    let baseline = baseline::baseline(&dataset, model.output(), &evidence.answers);
    let baseline = baseline.map_err(|error| Error::Data(dataset.table.error(error.0)))?;
    clock.lap("test");
    let trained = Trained {
        data: identity,
        parameters,
        columns: dataset.table.columns.len(),
        notes: TrainingNotes {
            search: searched,
            rows: Some(rows),
            baseline: Some(baseline),
            warnings,
            ..TrainingNotes::default()
        },
    };
    let learnt = Learnt { run, builtin, dataset: &dataset, model: &model, evidence, metrics: evaluation.metrics };
    let trained = learnt.write(output, trained, clock)?;
    progress(&format!("wrote the artefact to {}", output.display()));
    Ok(trained)
}

/// Searches, where that is asked for, and fits on all training rows.
fn fit(
    builtin: &Builtin,
    dataset: &Dataset,
    output: Output,
    warnings: &mut Vec<String>,
    clock: &mut Clock,
    progress: Progress<'_>,
) -> Result<(Model, Parameters, Option<SearchReport>), Error> {
    let samples = Samples::new(dataset, builtin.estimator);
    clock.lap("encode");
    let fit_error = |error: learner::FitError| Error::Data(dataset.table.error(error.0));
    let learner = learner::learner(builtin.estimator, &samples).map_err(fit_error)?;
    let searched = match &builtin.search {
        None => None,
        Some(asked) => {
            let metric = search::metric(asked, dataset.target.task).map_err(Error::Spec)?;
            let scorer = Scorer { metric, output: output.clone() };
            let found = search::search(&*learner, &samples, &builtin.parameters, asked, &scorer, progress);
            let found = found.map_err(fit_error)?;
            clock.lap("search");
            progress(&format!("the best has {} {:.5}; it took {:.2} s", found.metric, found.best_score, clock.last()));
            Some(found)
        }
    };
    let parameters = searched.as_ref().map_or(&builtin.parameters, |found| &found.best_parameters).clone();
    let all: Vec<u32> = (0..samples.rows() as u32).collect();
    let fitted = learner.fit(&all, &parameters).map_err(fit_error)?;
    warnings.extend(fitted.warnings);
    let model = Model::new(dataset.fields(), output, fitted.encoder, fitted.estimator)
        .map_err(|error| Error::Internal(error.to_string()))?;
    clock.lap("fit");
    Ok((model, parameters, searched))
}

/// What can be said of the spec once the task is known.
fn check_spec(run: &Run, builtin: &Builtin, task: Task) -> Result<(), String> {
    if !builtin.estimator.tasks().contains(&task) {
        let inferred = if run.spec.task.is_none() { ", which was inferred from the target" } else { "" };
        let (estimator, names) = (builtin.estimator, Estimator::names(task));
        return Err(format!("{estimator} is not for {task}{inferred}; write one of {names}"));
    }
    builtin.parameters.check(builtin.estimator, task).map_err(|error| format!("parameters: {error}"))?;
    if let Some(asked) = &builtin.search {
        asked.grid.check(&builtin.parameters, builtin.estimator, task).map_err(|error| error.to_string())?;
        search::metric(asked, task)?;
    }
    for gate in &run.spec.gates {
        if Metric::parse(&gate.metric).is_none_or(|metric| metric.task() != task) {
            let name = &gate.metric;
            return Err(format!("gates: {name} is no metric for {task}; write one of {}", Metric::names(task)));
        }
    }
    Ok(())
}
