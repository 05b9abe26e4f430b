//! `fetch-model`: an artefact, verified, into a folder.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use slipway_model::artefact::{self, MAX_MANIFEST_BYTES};
use slipway_model::schema::breaking_changes;
use slipway_model::{ArtefactError, Digest, FileEntry, Manifest};
use slipway_spec::contract::file;

use crate::download::download;
use crate::error::StoreError;
use crate::location::Location;
use crate::step::StepError;
use crate::store::{Object, Store};

/// Largest artefact, bytes.
pub const MAX_ARTEFACT_BYTES: u64 = 4 << 30;
/// Largest page of a report that is brought along, bytes, and longest wait for it.
const MAX_PAGE_BYTES: u64 = 4 << 20;
const PAGE_DEADLINE: Duration = Duration::from_secs(10);
/// Folder within the output for what is not verified yet.
const STAGING: &str = ".incoming";

/// An artefact in storage.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Its folder.
    pub uri: Location,
    /// Digest of its manifest.
    pub digest: Digest,
}

/// Brings `wanted` into the folder `output`. `manifest.json` comes last: with it there, everything is there and verified.
///
/// Where the verified bytes are there already, storage is not asked. With `stable`, a model that would break its callers is
/// refused.
pub async fn fetch_model(
    store: &Store,
    wanted: &Wanted,
    stable: Option<&Wanted>,
    output: &Path,
) -> Result<(), StepError> {
    if is_there(output, wanted.digest) {
        println!("{}: {} is there already", output.display(), wanted.digest);
        return Ok(());
    }
    let place = wanted.uri.join(file::MANIFEST);
    let bytes = store.get(&place, MAX_MANIFEST_BYTES).await?;
    let (manifest, _) = artefact::parse_manifest(&place.as_path(), &bytes, Some(wanted.digest))?;
    if let Some(stable) = stable {
        check_compatible(store, &manifest, stable).await?;
    }
    let size: u64 = manifest.files.iter().map(|entry| entry.size).sum();
    if size > MAX_ARTEFACT_BYTES {
        return Err(StoreError::TooLarge { location: wanted.uri.clone(), size, limit: MAX_ARTEFACT_BYTES }.into());
    }
    let staging = output.join(STAGING);
    clear(output, &staging)?;
    for entry in &manifest.files {
        bring(store, &wanted.uri, entry, &staging).await?;
    }
    for entry in &manifest.files {
        let to = output.join(&entry.name);
        fs::rename(staging.join(&entry.name), &to).map_err(StepError::io(&to))?;
    }
    bring_page(store, &wanted.uri, output).await;
    artefact::write_file(&output.join(file::MANIFEST), &bytes)?;
    fs::remove_dir(&staging).map_err(StepError::io(&staging))?;
    println!("{}: {} ({size} bytes)", output.display(), wanted.digest);
    Ok(())
}

fn is_there(output: &Path, digest: Digest) -> bool {
    artefact::read_manifest(output, Some(digest))
        .is_ok_and(|(manifest, _)| manifest.files.iter().all(|entry| artefact::verify_file(output, entry).is_ok()))
}

/// Makes the folders and takes away what an earlier model or a broken try left.
fn clear(output: &Path, staging: &Path) -> Result<(), StepError> {
    let missing_is_fine = |error: io::Error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) };
    let manifest = output.join(file::MANIFEST);
    fs::remove_file(&manifest).or_else(missing_is_fine).map_err(StepError::io(&manifest))?;
    fs::remove_dir_all(staging).or_else(missing_is_fine).map_err(StepError::io(staging))?;
    fs::create_dir_all(staging).map_err(StepError::io(staging))
}

/// The page of the report, for the model card. It is no part of the artefact: the model is served without it as well.
async fn bring_page(store: &Store, folder: &Location, output: &Path) {
    let place = folder.join(file::PAGE);
    let page = match tokio::time::timeout(PAGE_DEADLINE, store.find(&place, MAX_PAGE_BYTES)).await {
        Ok(Ok(page)) => page,
        Ok(Err(error)) => {
            eprintln!("warning: the report is not brought along: {error}");
            None
        }
        Err(_) => {
            eprintln!("warning: the report is not brought along: no answer within {} s", PAGE_DEADLINE.as_secs());
            None
        }
    };
    let to = output.join(file::PAGE);
    // A page that is there belongs to an earlier model.
    let _ = fs::remove_file(&to);
    if let Some(page) = page
        && let Err(error) = artefact::write_file(&to, &page)
    {
        eprintln!("warning: the report is not brought along: {error}");
    }
}

async fn bring(store: &Store, folder: &Location, entry: &FileEntry, staging: &Path) -> Result<(), StepError> {
    let location = folder.join(&entry.digest.hex());
    let object = Object { location: location.clone(), size: entry.size, etag: None, version_id: None };
    let path = staging.join(&entry.name);
    let actual = download(store, &object, &path).await.map_err(|error| match error {
        StoreError::NotFound(location) => {
            StepError::Data(format!("{location}: {} is not there, though the manifest lists it", entry.name))
        }
        other => other.into(),
    })?;
    if actual == entry.digest {
        Ok(())
    } else {
        let path = format!("{} ({location})", entry.name).into();
        Err(ArtefactError::WrongDigest { path, actual, expected: entry.digest }.into())
    }
}

/// Whether callers of `stable` could go on with this model. A stable model whose manifest is gone or damaged in storage holds
/// nobody up.
async fn check_compatible(store: &Store, manifest: &Manifest, stable: &Wanted) -> Result<(), StepError> {
    let place = stable.uri.join(file::MANIFEST);
    let bytes = match store.get(&place, MAX_MANIFEST_BYTES).await {
        Ok(bytes) => bytes,
        Err(error @ (StoreError::NotFound(_) | StoreError::NoBucket(_) | StoreError::TooLarge { .. })) => {
            eprintln!("warning: inputs cannot be compared with the stable model's: {error}");
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    let before = match artefact::parse_manifest(&place.as_path(), &bytes, Some(stable.digest)) {
        Ok((manifest, _)) => manifest,
        Err(error) => {
            eprintln!("warning: inputs cannot be compared with the stable model's: {error}");
            return Ok(());
        }
    };
    let changes = breaking_changes(before.input.fields(), &before.output, manifest.input.fields(), &manifest.output);
    if changes.is_empty() {
        Ok(())
    } else {
        Err(StepError::Refused(format!(
            "{} {} would break callers: {}",
            manifest.model_name,
            manifest.version,
            changes.join("; ")
        )))
    }
}
