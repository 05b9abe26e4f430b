//! The step `train` in a training pod: `/slipway/run.json` and `/slipway/input` to `/slipway/output`.

use std::path::{Path, PathBuf};

use slipway_model::artefact::read_bounded;
use slipway_spec::contract::MAX_RUN_BYTES;
use slipway_spec::{Run, Select};

use crate::error::{DataError, Error};
use crate::reader::{DataSource, files};
use crate::train::{Progress, Trained, train};

/// Trains what the file `run` asks for on the only file in the folder `input`, or under `select: All` on all files there.
/// Nothing is done, and `None` returned, where an earlier attempt has committed an outcome.
pub fn step(
    run: &Path,
    input: &Path,
    max_unpacked_bytes: Option<u64>,
    output: &Path,
    progress: Progress<'_>,
) -> Result<Option<Trained>, Error> {
    let run = read_run(run)?;
    if run.committed {
        progress.line("an earlier attempt has committed the outcome of this run; there is nothing to train");
        return Ok(None);
    }
    let path = match run.spec.data.select {
        Select::Newest => only_file(input)?,
        Select::All => input.to_owned(),
    };
    train(&run, DataSource { path, max_unpacked_bytes }, output, progress).map(Some)
}

fn read_run(path: &Path) -> Result<Run, Error> {
    if !path.exists() {
        return Err(Error::NotFound(path.to_owned()));
    }
    // Twice the size that fits into an environment variable: written with line breaks and indentation.
    let bytes = read_bounded(path, 2 * MAX_RUN_BYTES as u64)?;
    serde_json::from_slice(&bytes).map_err(|error| Error::Spec(format!("{}: {error}", path.display())))
}

fn only_file(dir: &Path) -> Result<PathBuf, Error> {
    let mut files = files(dir)?;
    match (files.pop(), files.len()) {
        (Some((_, file)), 0) => Ok(file),
        (_, others) => {
            let problem = format!("{} files; expected one, or `select: All`", others + 1);
            Err(DataError::new(&dir.display().to_string(), problem).into())
        }
    }
}
