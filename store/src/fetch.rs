//! `fetch`: everything the train step needs, before it starts.

use slipway_spec::{ArtefactRef, Run};

use crate::dataset;
use crate::fetch_model::{self, Wanted};
use crate::location::Location;
use crate::outcome;
use crate::step::StepError;
use crate::store::Store;
use crate::workspace::{Workspace, write_json};

/// Prepares the working volume. Where an earlier attempt has committed an outcome, there is nothing to train: the outcome is
/// left for `publish`, and the train step is told.
pub async fn fetch(store: &Store, run: &Run, workspace: &Workspace) -> Result<(), StepError> {
    workspace.prepare()?;
    let folder = outcome::folder(run)?;
    if let Some(summary) = outcome::find(store, &folder).await? {
        println!("{folder}: an earlier attempt has finished; there is nothing to train");
        write_json(&workspace.committed(), &summary)?;
        return write_json(&workspace.run(), &Run { committed: true, ..run.clone() });
    }
    let identity = dataset::bring(store, run, &folder, &workspace.input()).await?;
    println!("data: {} ({} bytes, {})", identity.uri, identity.size_bytes, identity.digest);
    write_json(&workspace.dataset(), &identity)?;
    if let Some(champion) = champion(run) {
        fetch_champion(store, champion, workspace).await?;
    }
    write_json(&workspace.run(), &Run { committed: false, ..run.clone() })
}

/// The champion, where a gate compares with it.
fn champion(run: &Run) -> Option<&ArtefactRef> {
    run.champion.as_ref().filter(|_| run.spec.gates.iter().any(|gate| gate.champion.is_some()))
}

async fn fetch_champion(store: &Store, champion: &ArtefactRef, workspace: &Workspace) -> Result<(), StepError> {
    let wanted = Wanted {
        uri: Location::parse(&champion.uri)?,
        digest: champion.digest.parse().map_err(|error| StepError::Usage(format!("the champion: {error}")))?,
    };
    println!("champion: {}", champion.uri);
    fetch_model::fetch_model(store, &wanted, None, &workspace.champion()).await
}
