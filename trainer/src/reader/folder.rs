//! The files of a folder.

use std::fs;
use std::path::{Path, PathBuf};

use slipway_spec::report::MAX_DATA_FILES;

use crate::error::{DataError, Error};

/// The files of the folder `dir` with their names, sorted by them. Hidden and empty files do not count.
pub(crate) fn files(dir: &Path) -> Result<Vec<(String, PathBuf)>, Error> {
    let io_error = |error| Error::io(dir, error);
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(io_error)? {
        let path = entry.map_err(io_error)?.path();
        let metadata = fs::metadata(&path).map_err(|error| Error::io(&path, error))?;
        let Some(name) = path.file_name().map(|name| name.to_string_lossy().into_owned()) else { continue };
        if metadata.is_file() && metadata.len() > 0 && !name.starts_with('.') {
            files.push((name, path));
        }
        if files.len() > MAX_DATA_FILES {
            let problem = format!("more than {MAX_DATA_FILES} files; put them together into fewer");
            return Err(DataError::new(&dir.display().to_string(), problem).into());
        }
    }
    if files.is_empty() {
        return Err(Error::NotFound(dir.join("*.csv")));
    }
    files.sort();
    Ok(files)
}
