//! The step `train` in a training pod: `/slipway/run.json` and `/slipway/input` to `/slipway/output`.

use std::fs;
use std::path::{Path, PathBuf};

use slipway_model::artefact::read_bounded;
use slipway_spec::Run;
use slipway_spec::contract::MAX_RUN_BYTES;

use crate::error::{DataError, Error};
use crate::train::{Progress, Trained, train};

/// Trains what the file `run` asks for on the only file in the folder `input`. Nothing is done, and `None` returned, where an
/// earlier attempt has committed an outcome.
pub fn step(run: &Path, input: &Path, output: &Path, progress: Progress<'_>) -> Result<Option<Trained>, Error> {
    let run = read_run(run)?;
    if run.committed {
        progress.line("an earlier attempt has committed the outcome of this run; there is nothing to train");
        return Ok(None);
    }
    train(&run, &only_file(input)?, output, progress).map(Some)
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
    let io_error = |error| Error::io(dir, error);
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(io_error)? {
        let path = entry.map_err(io_error)?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    match (files.pop(), files.len()) {
        (Some(file), 0) => Ok(file),
        (None, _) => Err(Error::NotFound(dir.join("*.csv"))),
        (Some(_), others) => {
            Err(DataError::new(&dir.display().to_string(), format!("{} files; expected one", others + 1)).into())
        }
    }
}
