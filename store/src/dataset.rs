//! Which bytes a run trains on: chosen once, recorded in storage, the same for every later attempt.

use std::path::Path;

use jiff::civil::DateTime;
use slipway_model::Digest;
use slipway_spec::contract::file;
use slipway_spec::{DataIdentity, Run, Train};

use crate::download::download;
use crate::error::StoreError;
use crate::location::Location;
use crate::newest::{newest, time_in};
use crate::step::StepError;
use crate::store::{Content, Object, Put, Store};
use crate::workspace::make_readable;

/// Largest data file, bytes.
pub const MAX_DATA_BYTES: u64 = 16 << 30;
/// Largest `dataset.json`, bytes.
const MAX_RECORD_BYTES: u64 = 64 << 10;
/// How often data is chosen anew because it was written to while it was read.
const MAX_CHOICES: usize = 3;

/// Brings the run's data into the folder `input`: what an earlier attempt recorded in `folder`, otherwise what the run's spec
/// says, which is recorded then.
pub async fn bring(store: &Store, run: &Run, folder: &Location, input: &Path) -> Result<DataIdentity, StepError> {
    let record = folder.join(file::DATASET);
    if let Some(identity) = read(store, &record).await? {
        return again(store, &identity, input).await.map(|()| identity);
    }
    let identity = choose(store, run, input).await?;
    let bytes = serde_json::to_vec_pretty(&identity).map_err(|error| StepError::Data(format!("{record}: {error}")))?;
    if store.put_if_absent(&record, Content::Bytes(&bytes)).await? == Put::Created {
        return Ok(identity);
    }
    // Another attempt was quicker: its choice counts.
    let theirs = read(store, &record).await?.ok_or(StoreError::NotFound(record))?;
    if theirs.digest != identity.digest || theirs.uri != identity.uri {
        if theirs.uri != identity.uri {
            remove(input, &identity)?;
        }
        again(store, &theirs, input).await?;
    }
    Ok(theirs)
}

async fn read(store: &Store, record: &Location) -> Result<Option<DataIdentity>, StepError> {
    let Some(bytes) = store.find(record, MAX_RECORD_BYTES).await? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| StepError::Data(format!("{record}: {error}")))
}

fn remove(input: &Path, identity: &DataIdentity) -> Result<(), StepError> {
    let path = input.join(Location::parse(&identity.uri)?.name());
    std::fs::remove_file(&path).map_err(StepError::io(&path))
}

/// Chooses the data by the spec and downloads it.
async fn choose(store: &Store, run: &Run, input: &Path) -> Result<DataIdentity, StepError> {
    let mut choices = 1;
    loop {
        let (location, time) = resolve(store, run).await?;
        let object = store.head(&location).await?;
        match save(store, &object, input).await {
            Ok(digest) => return identify(object, digest, time),
            Err(StepError::Store(StoreError::Changed { .. })) if choices < MAX_CHOICES => choices += 1,
            Err(error) => return Err(error),
        }
    }
}

fn identify(object: Object, digest: Digest, time: Option<DateTime>) -> Result<DataIdentity, StepError> {
    let size_bytes =
        i64::try_from(object.size).map_err(|error| StepError::Data(format!("{}: {error}", object.location)))?;
    Ok(DataIdentity {
        uri: object.location.to_string(),
        digest: digest.to_string(),
        size_bytes,
        etag: object.etag,
        version_id: object.version_id,
        time: time.map(|time| format!("{time}Z")),
        files: Vec::new(),
    })
}

/// The object that the spec means, and the time in its name.
async fn resolve(store: &Store, run: &Run) -> Result<(Location, Option<DateTime>), StepError> {
    let location = Location::parse(&run.spec.data.uri)?;
    if !location.is_folder() {
        let time = time_in(location.name());
        return Ok((location, time));
    }
    let extensions: &[&str] = match run.spec.train {
        Train::Builtin(_) => &["csv"],
        Train::Container(_) => &["csv", "parquet"],
    };
    let names = store.list(&location).await?;
    let (name, time) =
        newest(&names, extensions).map_err(|error| StepError::NoNewest { folder: location.to_string(), error })?;
    Ok((location.join(name), Some(time)))
}

/// Brings exactly the bytes that an earlier attempt read.
async fn again(store: &Store, identity: &DataIdentity, input: &Path) -> Result<(), StepError> {
    let location = Location::parse(&identity.uri)?;
    let recorded: Digest = identity.digest.parse().map_err(|error| StepError::Data(format!("{location}: {error}")))?;
    let object = Object {
        location: location.clone(),
        size: identity.size_bytes.try_into().unwrap_or_default(),
        // A version never changes; without one the entity tag tells whether the object did.
        etag: identity.etag.clone().filter(|_| identity.version_id.is_none()),
        version_id: identity.version_id.clone(),
    };
    let first = "this run's first attempt read";
    let digest = save(store, &object, input).await.map_err(|error| match error {
        StepError::Store(StoreError::NotFound(_) | StoreError::NoBucket(_)) => {
            StepError::NotFound(format!("{location}: the data that {first} is gone; start a new run"))
        }
        StepError::Store(StoreError::Changed { reason, .. }) => {
            StepError::Data(format!("{location}: the data is not what {first}: {reason}; start a new run"))
        }
        other => other,
    })?;
    if digest == recorded {
        Ok(())
    } else {
        let message = format!("{location}: the data is not what {first}: the digest is {digest}, it was {recorded}");
        Err(StepError::Data(message))
    }
}

async fn save(store: &Store, object: &Object, input: &Path) -> Result<Digest, StepError> {
    let (location, size) = (&object.location, object.size);
    if size > MAX_DATA_BYTES {
        return Err(StoreError::TooLarge { location: location.clone(), size, limit: MAX_DATA_BYTES }.into());
    }
    let name = location.name();
    if name.is_empty() || name == "." || name.len() > 200 {
        return Err(StepError::Usage(format!("{location}: {name:?} cannot be the name of a file here")));
    }
    let path = input.join(name);
    let digest = download(store, object, &path).await?;
    make_readable(&path)?;
    Ok(digest)
}
