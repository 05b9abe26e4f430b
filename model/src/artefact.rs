//! An artefact on disk: a folder with `manifest.json` and the files it lists.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use slipway_spec::contract::{Exit, file};

use crate::digest::Digest;
use crate::encoder::Encoder;
use crate::estimator::{Estimator, Trees};
use crate::manifest::{FORMAT_VERSION, FileEntry, MAX_GOLDEN_ROWS, Manifest};
use crate::predictor::{Learned, Model};

/// Largest `manifest.json`, bytes.
pub const MAX_MANIFEST_BYTES: u64 = 16 << 20;
/// Largest file of an artefact, bytes.
pub const MAX_FILE_BYTES: u64 = 2 << 30;
/// Most files of an artefact.
pub const MAX_FILES: usize = 64;

/// An artefact that was read and found sound.
#[derive(Clone, Debug)]
pub struct Artefact {
    /// Digest of the manifest's bytes.
    pub digest: Digest,
    /// The manifest.
    pub manifest: Manifest,
    /// The model, ready to predict.
    pub model: Model,
}

/// Why an artefact cannot be used. The message names the file.
#[derive(Debug, thiserror::Error)]
pub enum ArtefactError {
    /// There is no manifest.
    #[error("{}: there is no manifest.json", .0.display())]
    NoManifest(PathBuf),
    /// A file cannot be read or written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The manifest is not the expected one.
    #[error("{}: the digest is {actual}, expected {expected}", .path.display())]
    WrongDigest {
        /// The file.
        path: PathBuf,
        /// Of the bytes that are there.
        actual: Digest,
        /// Of the bytes that should be there.
        expected: Digest,
    },
    /// A file is not what it must be.
    #[error("{}: {reason}", .path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A golden row is answered differently than in training.
    #[error("{}: golden row {row} is answered with {actual:?}, expected {expected:?}", .path.display())]
    Golden {
        /// The manifest.
        path: PathBuf,
        /// The row, from 1.
        row: usize,
        /// The prediction now.
        actual: Vec<f64>,
        /// The prediction in training.
        expected: Vec<f64>,
    },
}

impl ArtefactError {
    /// How a program ends on this error.
    pub fn exit(&self) -> Exit {
        match self {
            ArtefactError::NoManifest(_) => Exit::NotFound,
            ArtefactError::Io { .. }
            | ArtefactError::WrongDigest { .. }
            | ArtefactError::Invalid { .. }
            | ArtefactError::Golden { .. } => Exit::Data,
        }
    }
}

impl Artefact {
    /// Reads the artefact in `dir`, verifies every digest, puts the model together and replays the golden rows.
    /// With `expected`, the manifest must have that digest.
    pub fn load(dir: &Path, expected: Option<Digest>) -> Result<Artefact, ArtefactError> {
        let (manifest, digest) = read_manifest(dir, expected)?;
        for entry in &manifest.files {
            verify_file(dir, entry)?;
        }
        let model = read_model(dir, &manifest)?;
        replay(dir, &manifest, &model)?;
        Ok(Artefact { digest, manifest, model })
    }
}

/// Reads and checks `manifest.json` in `dir`, not the files it lists.
pub fn read_manifest(dir: &Path, expected: Option<Digest>) -> Result<(Manifest, Digest), ArtefactError> {
    let path = dir.join(file::MANIFEST);
    let bytes = match read_bounded(&path, MAX_MANIFEST_BYTES) {
        Err(ArtefactError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Err(ArtefactError::NoManifest(dir.to_owned()));
        }
        other => other?,
    };
    parse_manifest(&path, &bytes, expected)
}

/// Checks the bytes of a manifest; `path` is for messages.
pub fn parse_manifest(
    path: &Path,
    bytes: &[u8],
    expected: Option<Digest>,
) -> Result<(Manifest, Digest), ArtefactError> {
    let invalid = |reason: String| ArtefactError::Invalid { path: path.to_owned(), reason };
    let digest = Digest::of(bytes);
    if let Some(expected) = expected.filter(|expected| *expected != digest) {
        return Err(ArtefactError::WrongDigest { path: path.to_owned(), actual: digest, expected });
    }
    let manifest: Manifest = serde_json::from_slice(bytes).map_err(|error| invalid(error.to_string()))?;
    if manifest.format_version != FORMAT_VERSION {
        let version = manifest.format_version;
        return Err(invalid(format!("format version {version}; this program reads {FORMAT_VERSION}")));
    }
    if manifest.files.len() > MAX_FILES || manifest.golden.rows.len() > MAX_GOLDEN_ROWS {
        return Err(invalid(format!("more than {MAX_FILES} files or {MAX_GOLDEN_ROWS} golden rows")));
    }
    manifest.distributions.neighbours.check().map_err(invalid)?;
    for (place, entry) in manifest.files.iter().enumerate() {
        let plain = entry.name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && entry.name.len() <= 100
            && entry.name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
            && entry.name != file::MANIFEST;
        let again = manifest.files[..place].iter().any(|other| other.name == entry.name);
        if !plain || again || entry.size > MAX_FILE_BYTES {
            return Err(invalid(format!("the file {:?} of {} bytes is not allowed", entry.name, entry.size)));
        }
    }
    Ok((manifest, digest))
}

/// Verifies size and digest of one listed file.
pub fn verify_file(dir: &Path, entry: &FileEntry) -> Result<(), ArtefactError> {
    let path = dir.join(&entry.name);
    let io_error = |source| ArtefactError::Io { path: path.clone(), source };
    let metadata = fs::symlink_metadata(&path).map_err(io_error)?;
    if !metadata.is_file() || metadata.len() != entry.size {
        let reason = format!("{} bytes, the manifest says {}", metadata.len(), entry.size);
        return Err(ArtefactError::Invalid { path, reason });
    }
    let mut file = fs::File::open(&path).map_err(io_error)?;
    let mut digester = crate::digest::Digester::default();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer).map_err(io_error)? {
            0 => break,
            read => digester.update(&buffer[..read]),
        }
    }
    let actual = digester.finish();
    if actual == entry.digest {
        Ok(())
    } else {
        Err(ArtefactError::WrongDigest { path, actual, expected: entry.digest })
    }
}

fn read_model(dir: &Path, manifest: &Manifest) -> Result<Model, ArtefactError> {
    let path = dir.join(file::MODEL);
    let invalid = |reason: String| ArtefactError::Invalid { path: path.clone(), reason };
    if !manifest.files.iter().any(|entry| entry.name == file::MODEL) {
        return Err(invalid("the manifest does not list it".to_owned()));
    }
    let bytes = read_bounded(&path, MAX_FILE_BYTES)?;
    let stored: Stored = serde_json::from_slice(&bytes).map_err(|error| invalid(error.to_string()))?;
    let listed = manifest.files.iter().any(|entry| entry.name == file::TREES);
    let estimator = match stored.estimator {
        Some(estimator) => estimator,
        None if listed => read_trees(dir)?,
        None => return Err(invalid(format!("it has no estimator, and the manifest lists no {}", file::TREES))),
    };
    Model::new(manifest.input.fields().to_vec(), manifest.output.clone(), stored.encoder, estimator)
        .map_err(|error| invalid(error.to_string()))
}

fn read_trees(dir: &Path) -> Result<Estimator, ArtefactError> {
    let path = dir.join(file::TREES);
    let bytes = read_bounded(&path, MAX_FILE_BYTES)?;
    let trees = Trees::from_bytes(&bytes);
    trees.map(Estimator::Trees).map_err(|error| ArtefactError::Invalid { path, reason: error.to_string() })
}

/// The content of `model.json`.
#[derive(Deserialize)]
struct Stored {
    encoder: Encoder,
    /// Absent where it is in `trees.bin`.
    estimator: Option<Estimator>,
}

/// The same, to be written.
#[derive(Serialize)]
struct Storing<'a> {
    encoder: &'a Encoder,
    #[serde(skip_serializing_if = "Option::is_none")]
    estimator: Option<&'a Estimator>,
}

fn replay(dir: &Path, manifest: &Manifest, model: &Model) -> Result<(), ArtefactError> {
    let path = dir.join(file::MANIFEST);
    for (place, golden) in manifest.golden.rows.iter().enumerate() {
        let row = model.decode_json(&golden.row).map_err(|errors| {
            let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
            ArtefactError::Invalid {
                path: path.clone(),
                reason: format!("golden row {}: {}", place + 1, errors.join("; ")),
            }
        })?;
        let actual = model.predict_raw(&row);
        let close = |actual: f64, expected: f64| {
            (actual - expected).abs() <= manifest.golden.tolerance * expected.abs().max(1.0)
        };
        let same =
            actual.len() == golden.expected.len() && actual.iter().zip(&golden.expected).all(|(a, e)| close(*a, *e));
        if !same {
            return Err(ArtefactError::Golden { path, row: place + 1, actual, expected: golden.expected.clone() });
        }
    }
    Ok(())
}

/// Writes an artefact into `dir`, which exists: the model, then the manifest, which gets a list of the files written and of
/// `extra` ones that are there already. Returns the digest.
pub fn write(dir: &Path, manifest: &mut Manifest, model: &Model, extra: &[&str]) -> Result<Digest, ArtefactError> {
    let path = dir.join(file::MODEL);
    let invalid = |path: &Path, error: &serde_json::Error| ArtefactError::Invalid {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let Learned { encoder, estimator } = model.learned();
    let (trees, estimator) =
        if let Estimator::Trees(trees) = estimator { (Some(trees), None) } else { (None, Some(estimator)) };
    let stored = serde_json::to_vec(&Storing { encoder, estimator }).map_err(|error| invalid(&path, &error))?;
    write_file(&path, &stored)?;
    let mut names = vec![file::MODEL];
    if let Some(trees) = trees {
        write_file(&dir.join(file::TREES), &trees.to_bytes())?;
        names.push(file::TREES);
    }
    names.extend(extra);
    list_files(dir, manifest, &names)?;
    write_manifest(dir, manifest)
}

/// Lists the named files of `dir` in the manifest, in place of whatever it listed.
pub fn list_files(dir: &Path, manifest: &mut Manifest, names: &[&str]) -> Result<(), ArtefactError> {
    manifest.files.clear();
    for name in names {
        let bytes = read_bounded(&dir.join(name), MAX_FILE_BYTES)?;
        manifest.files.push(FileEntry {
            name: (*name).to_owned(),
            size: bytes.len() as u64,
            digest: Digest::of(&bytes),
        });
    }
    Ok(())
}

/// Writes `manifest.json` into `dir`. Returns the digest.
pub fn write_manifest(dir: &Path, manifest: &Manifest) -> Result<Digest, ArtefactError> {
    let path = dir.join(file::MANIFEST);
    let bytes = serde_json::to_vec_pretty(manifest)
        .map_err(|error| ArtefactError::Invalid { path: path.clone(), reason: error.to_string() })?;
    write_file(&path, &bytes)?;
    Ok(Digest::of(&bytes))
}

/// Writes a file whole or not at all.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), ArtefactError> {
    let io_error = |source| ArtefactError::Io { path: path.to_owned(), source };
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    // A training image may have left anything of that name; what a link points to must not be written.
    match fs::remove_file(&partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error(error)),
        _ => {}
    }
    let mut file = fs::File::create_new(&partial).map_err(io_error)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io_error)?;
    fs::rename(&partial, path).map_err(io_error)
}

/// Reads a file of at most `limit` bytes.
pub fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, ArtefactError> {
    let io_error = |source| ArtefactError::Io { path: path.to_owned(), source };
    // A pipe or a device could keep the reader for ever.
    if !fs::metadata(path).map_err(io_error)?.is_file() {
        return Err(ArtefactError::Invalid { path: path.to_owned(), reason: "it is no file".to_owned() });
    }
    let file = fs::File::open(path).map_err(io_error)?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(io_error)?;
    if bytes.len() as u64 > limit {
        let reason = format!("more than {limit} bytes, the most that is read");
        return Err(ArtefactError::Invalid { path: path.to_owned(), reason });
    }
    Ok(bytes)
}
