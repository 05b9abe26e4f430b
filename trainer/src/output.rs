//! The files a run leaves behind.

use std::fs;
use std::path::Path;

use serde::Serialize;
use slipway_model::manifest::FORMAT_VERSION;
use slipway_model::test_rows::{Answers, MAX_TEST_BYTES};
use slipway_model::{Artefact, Input, Lineage, Manifest, Model, artefact};
use slipway_spec::contract::file;
use slipway_spec::{Builtin, Metrics, Run, Split, TrainingNotes};

use crate::data::dataset::Dataset;
use crate::error::Error;
use crate::evidence::Evidence;
use crate::train::Trained;

/// What was learned, to be written.
pub(crate) struct Learnt<'a> {
    pub(crate) run: &'a Run,
    pub(crate) builtin: &'a Builtin,
    pub(crate) dataset: &'a Dataset,
    pub(crate) model: &'a Model,
    pub(crate) evidence: Evidence,
    pub(crate) metrics: Metrics,
    /// The model was fitted on all rows; the metrics are of one that was not.
    pub(crate) all_rows: bool,
}

/// Writes how training went into `dir`, after everything else.
pub(crate) fn write_notes(dir: &Path, notes: &TrainingNotes) -> Result<(), Error> {
    write_json(&dir.join(file::TRAINING), notes)
}

impl Learnt<'_> {
    /// Writes `test.csv` and `metrics.json` into `dir`, which is made where it is missing. Says what was left out.
    pub(crate) fn write_test_rows(&self, dir: &Path) -> Result<Option<String>, Error> {
        fs::create_dir_all(dir).map_err(|error| Error::io(dir, error))?;
        let (test, cut) = self.test_rows(MAX_TEST_BYTES as usize);
        artefact::write_file(&dir.join(file::TEST), &test)?;
        write_json(&dir.join(file::METRICS), &self.metrics)?;
        Ok(cut)
    }

    /// Writes the artefact into `dir`, which is made where it is missing, and reads it back, golden rows included.
    pub(crate) fn write_artefact(&self, dir: &Path, trained: &Trained) -> Result<(), Error> {
        fs::create_dir_all(dir).map_err(|error| Error::io(dir, error))?;
        artefact::write(dir, &mut self.manifest(trained), self.model, &[])?;
        Artefact::load(dir, None)?;
        Ok(())
    }

    fn manifest(&self, trained: &Trained) -> Manifest {
        let seed = match &self.builtin.split {
            Split::Random(random) => Some(random.seed),
            Split::Group(group) => Some(group.seed),
            Split::Column(_) | Split::Time(_) => None,
        };
        Manifest {
            format_version: FORMAT_VERSION,
            model_name: self.run.spec.model_name.clone(),
            version: self.run.uid.clone(),
            input: Input::Row { fields: self.dataset.fields() },
            output: self.model.output().clone(),
            estimator: self.builtin.estimator.to_string(),
            files: Vec::new(),
            metrics: self.metrics.clone(),
            gates: Vec::new(),
            checks: Vec::new(),
            lineage: Lineage {
                data: trained.data.clone(),
                rows: self.dataset.table.rows as u64,
                columns: self.dataset.table.columns.len() as u64,
                code_revision: self.run.code_revision.clone(),
                image: self.run.image.clone(),
                trainer: Some(env!("CARGO_PKG_VERSION").to_owned()),
                parameters: trained.parameters.clone(),
                fitted_on_all_rows: self.all_rows,
                seed,
            },
            golden: self.evidence.golden.clone(),
            distributions: self.evidence.distributions.clone(),
        }
    }

    /// `test.csv`, of at most `limit` bytes: without the rows' inputs where it would be longer, and then with fewer rows; what
    /// was left out is said.
    fn test_rows(&self, limit: usize) -> (Vec<u8>, Option<String>) {
        let (whole, complete) = self.render_test_rows(true, limit);
        if complete {
            return (whole, None);
        }
        let (short, complete) = self.render_test_rows(false, limit);
        let what = if complete { "without the rows' inputs" } else { "with only the first test rows" };
        (short, Some(format!("test.csv is written {what}, because it may not exceed {limit} bytes")))
    }

    /// Renders test rows up to `limit` bytes, and whether those were all.
    fn render_test_rows(&self, with_inputs: bool, limit: usize) -> (Vec<u8>, bool) {
        let table = &self.dataset.table;
        let target = self.model.output().name();
        let features = &self.dataset.features;
        let inputs = table.columns.iter().enumerate().filter(|(_, column)| with_inputs && column.name != target);
        let inputs = inputs.filter_map(|(place, column)| {
            let feature = features.iter().find(|feature| feature.place == place);
            let name = feature.map_or(&column.name, |feature| &feature.field.name);
            // A feature may have taken the name of a column that is none.
            let taken = feature.is_none() && features.iter().any(|feature| feature.field.name == *name);
            (!taken).then_some((name, column, feature))
        });
        let inputs: Vec<_> = inputs.collect();
        // Where the inputs do not name the group of a row.
        let named = |group: &str| inputs.iter().any(|(name, column, _)| *name == group && column.name == group);
        let group = self.run.spec.evaluation.group_by.as_deref().filter(|&group| !named(group));
        let group = group.and_then(|name| table.column(name)).map(|(_, column)| column);
        let classes = self.model.output().classes();
        let mut rows = Rows { text: Vec::new(), limit };
        let header = ["truth".to_owned(), "prediction".to_owned()].into_iter();
        let header = header.chain(classes.iter().map(|class| format!("probability:{class}")));
        let header = header.chain(group.map(|column| format!("group:{}", column.name)));
        rows.push(header.chain(inputs.iter().map(|(name, ..)| format!("input:{name}"))));
        for (place, &row) in self.dataset.rows.test.iter().enumerate() {
            let (prediction, probabilities) = self.answer(place);
            let answer = [self.dataset.target.text(row), prediction].into_iter();
            let answer = answer.chain(probabilities.iter().map(ToString::to_string));
            let answer = answer.chain(group.map(|column| column.cell(row as usize).into_owned()));
            let inputs = inputs.iter().map(|(_, column, feature)| {
                let cell = column.cell(row as usize);
                match feature {
                    None => cell.into_owned(),
                    Some(feature) => feature.typed.canonical(&cell, feature.typed.values[row as usize]).into_owned(),
                }
            });
            if !rows.push(answer.chain(inputs)) {
                return (rows.text, false);
            }
        }
        (rows.text, true)
    }

    /// The prediction for a test row as text, and its probabilities.
    fn answer(&self, place: usize) -> (String, &[f64]) {
        match &self.evidence.answers {
            Answers::Numbers { predicted, .. } => (predicted[place].to_string(), &[]),
            Answers::Classes { predicted, probabilities, .. } => {
                let classes = self.model.output().classes();
                let all = probabilities.as_deref().unwrap_or_default();
                let own = all.chunks_exact(classes.len()).nth(place).unwrap_or_default();
                (classes[predicted[place]].clone(), own)
            }
        }
    }
}

/// CSV that stops before it exceeds its limit.
struct Rows {
    text: Vec<u8>,
    limit: usize,
}

impl Rows {
    /// Appends a row, if there is room for it.
    fn push(&mut self, cells: impl Iterator<Item = String>) -> bool {
        let before = self.text.len();
        for (place, cell) in cells.enumerate() {
            if place > 0 {
                self.text.push(b',');
            }
            if cell.contains(['"', ',', '\n', '\r']) {
                self.text.extend(format!("\"{}\"", cell.replace('"', "\"\"")).bytes());
            } else {
                self.text.extend(cell.bytes());
            }
        }
        self.text.push(b'\n');
        let fits = self.text.len() <= self.limit;
        if !fits {
            self.text.truncate(before);
        }
        fits
    }
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    let bytes = serde_json::to_vec_pretty(value).map_err(|error| Error::Internal(error.to_string()))?;
    Ok(artefact::write_file(path, &bytes)?)
}
