//! The working volume of a run, which its steps share.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use slipway_model::artefact;
use slipway_spec::Run;
use slipway_spec::contract::{MAX_RUN_BYTES, env, file, path};

use crate::step::StepError;

/// Everybody may read; the steps run as different users.
const READABLE: u32 = 0o644;
const ENTERABLE: u32 = 0o755;
/// The train step, of whatever user, writes here, and `publish` completes it.
const WRITABLE: u32 = 0o777;
/// Largest file of the steps' own, bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// The working volume of a run.
#[derive(Clone, Debug)]
pub struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The volume at `root`: [`path::ROOT`] in a pod.
    pub fn new(root: &Path) -> Workspace {
        Workspace { root: root.to_owned() }
    }

    fn at(&self, place: &str) -> PathBuf {
        self.root.join(place.strip_prefix(path::ROOT).unwrap_or(place).trim_start_matches('/'))
    }

    /// Folder of the data.
    pub fn input(&self) -> PathBuf {
        self.at(path::INPUT)
    }

    /// Folder of what the train step writes.
    pub fn output(&self) -> PathBuf {
        self.at(path::OUTPUT)
    }

    /// Folder of the champion's artefact.
    pub fn champion(&self) -> PathBuf {
        self.at(path::META).join(file::CHAMPION)
    }

    /// File with the identity of the data.
    pub fn dataset(&self) -> PathBuf {
        self.at(path::META).join(file::DATASET)
    }

    /// File with an earlier attempt's outcome.
    pub fn committed(&self) -> PathBuf {
        self.at(path::META).join(file::COMMITTED)
    }

    /// File with the run, for the train step.
    pub fn run(&self) -> PathBuf {
        self.at(path::RUN)
    }

    /// Makes the folders, and empties those that only `fetch` fills.
    pub fn prepare(&self) -> Result<(), StepError> {
        for folder in [self.input(), self.at(path::META)] {
            make_folder(&folder, ENTERABLE)?;
            empty(&folder)?;
        }
        make_folder(&self.output(), WRITABLE)
    }
}

fn make_folder(folder: &Path, mode: u32) -> Result<(), StepError> {
    fs::create_dir_all(folder).map_err(StepError::io(folder))?;
    // A mount point may belong to somebody else, and then has the mode it was given.
    let _ = fs::set_permissions(folder, fs::Permissions::from_mode(mode));
    Ok(())
}

fn empty(folder: &Path) -> Result<(), StepError> {
    for entry in fs::read_dir(folder).map_err(StepError::io(folder))? {
        let entry = entry.map_err(StepError::io(folder))?;
        let path = entry.path();
        let is_folder = entry.file_type().map_err(StepError::io(&path))?.is_dir();
        let removed = if is_folder { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.map_err(StepError::io(&path))?;
    }
    Ok(())
}

/// Lets every user read a file.
pub(crate) fn make_readable(path: &Path) -> Result<(), StepError> {
    fs::set_permissions(path, fs::Permissions::from_mode(READABLE)).map_err(StepError::io(path))
}

/// Writes a file as JSON that every user may read.
pub(crate) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), StepError> {
    let bytes = serde_json::to_vec(value).map_err(|error| StepError::Data(format!("{}: {error}", path.display())))?;
    artefact::write_file(path, &bytes)?;
    make_readable(path)
}

/// Reads a file that an earlier step wrote; `None` where there is none.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, StepError> {
    if !path.try_exists().map_err(StepError::io(path))? {
        return Ok(None);
    }
    let bytes = artefact::read_bounded(path, MAX_FILE_BYTES)?;
    serde_json::from_slice(&bytes).map(Some).map_err(|error| StepError::Data(format!("{}: {error}", path.display())))
}

/// The run of [`env::RUN`].
pub fn run_from(json: &str) -> Result<Run, StepError> {
    if json.len() > MAX_RUN_BYTES {
        let message = format!("{}: {} bytes, more than the {MAX_RUN_BYTES} allowed", env::RUN, json.len());
        return Err(StepError::Usage(message));
    }
    serde_json::from_str(json).map_err(|error| StepError::Usage(format!("{}: {error}", env::RUN)))
}
