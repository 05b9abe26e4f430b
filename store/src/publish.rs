//! `publish`: what the train step left behind, judged, and stored where it passed.

use std::path::Path;

use slipway_model::{Artefact, Examined, FileEntry, artefact, examine};
use slipway_spec::contract::file;
use slipway_spec::{DataIdentity, Run, Summary, Verdict};

use crate::location::Location;
use crate::outcome;
use crate::step::StepError;
use crate::store::{Content, Put, Store};
use crate::workspace::{Workspace, read_json};

/// Judges and stores. Whatever outcome is in storage first counts, also where this attempt found another.
pub async fn publish(
    store: &Store,
    run: &Run,
    workspace: &Workspace,
    termination_log: Option<&Path>,
) -> Result<(), StepError> {
    let folder = outcome::folder(run)?;
    let summary = match read_json::<Summary>(&workspace.committed())? {
        Some(committed) => outcome::complete(store, &folder).await?.unwrap_or(committed),
        None => commit(store, run, &folder, workspace).await?,
    };
    outcome::announce(&summary, run, termination_log);
    outcome::verdict(&summary)
}

async fn commit(store: &Store, run: &Run, folder: &Location, workspace: &Workspace) -> Result<Summary, StepError> {
    let dataset = workspace.dataset();
    let identity: DataIdentity = read_json(&dataset)?
        .ok_or_else(|| StepError::Data(format!("{}: it is missing; run fetch first", dataset.display())))?;
    let champion = workspace.champion();
    let champion = champion.join(file::MANIFEST).is_file().then_some(champion);
    let output = workspace.output();
    let examined = examine(&output, run, champion.as_deref(), Some(identity))?;
    println!("{}", outcome::describe(&examined.report));

    if let Some(earlier) = outcome::find(store, folder).await? {
        return Ok(earlier);
    }
    let put = match examined.report.verdict {
        Verdict::Passed => store_artefact(store, folder, &output, &examined).await?,
        Verdict::Refused => outcome::store_report(store, folder, &examined.report).await?,
    };
    if put == Put::Exists {
        let other = outcome::find(store, folder).await?;
        return other.ok_or_else(|| StepError::Data(format!("{folder}: another attempt's outcome came and went")));
    }
    outcome::store_report(store, folder, &examined.report).await?;
    outcome::store_page(store, folder, &examined.report).await?;
    let artefact = (examined.report.verdict == Verdict::Passed).then_some((&examined.manifest, examined.digest));
    Ok(outcome::summarise(&examined.report, folder, artefact))
}

/// Stores the files, each under its digest, then the manifest.
async fn store_artefact(
    store: &Store,
    folder: &Location,
    output: &Path,
    examined: &Examined,
) -> Result<Put, StepError> {
    // What is stored is what a server will load.
    Artefact::load(output, Some(examined.digest))?;
    for entry in &examined.manifest.files {
        store_file(store, &folder.join(&entry.digest.hex()), output, entry).await?;
    }
    let manifest = artefact::read_bounded(&output.join(file::MANIFEST), artefact::MAX_MANIFEST_BYTES)?;
    Ok(store.put_if_absent(&folder.join(file::MANIFEST), Content::Bytes(&manifest)).await?)
}

async fn store_file(store: &Store, to: &Location, output: &Path, entry: &FileEntry) -> Result<Put, StepError> {
    let path = output.join(&entry.name);
    let content = Content::File { path: &path, size: entry.size, digest: entry.digest };
    Ok(store.put_if_absent(to, content).await?)
}
