//! Which bytes a run trains on: chosen once, recorded in storage, the same for every later attempt.

use std::path::Path;

use jiff::civil::DateTime;
use slipway_model::Digest;
use slipway_spec::contract::{DATA_NAMES, data_format, file};
use slipway_spec::report::{MAX_DATA_FILES, set_digest_text};
use slipway_spec::{DataFile, DataIdentity, Run, Select};

use crate::download::download;
use crate::error::StoreError;
use crate::location::Location;
use crate::newest::{newest, show, time_in};
use crate::step::StepError;
use crate::store::{Content, Object, Put, Store};
use crate::workspace::make_readable;

/// Largest data file, bytes.
pub const MAX_DATA_BYTES: u64 = 16 << 30;
/// Largest `dataset.json`, bytes.
const MAX_RECORD_BYTES: u64 = 1 << 20;
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
        remove(input, &identity)?;
        again(store, &theirs, input).await?;
    }
    Ok(theirs)
}

async fn read(store: &Store, record: &Location) -> Result<Option<DataIdentity>, StepError> {
    let Some(bytes) = store.find(record, MAX_RECORD_BYTES).await? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| StepError::Data(format!("{record}: {error}")))
}

fn remove(input: &Path, identity: &DataIdentity) -> Result<(), StepError> {
    for (location, _) in files(identity)? {
        let path = input.join(location.name());
        std::fs::remove_file(&path).map_err(StepError::io(&path))?;
    }
    Ok(())
}

/// Each file of recorded data, and where it lies.
fn files(identity: &DataIdentity) -> Result<Vec<(Location, DataFile)>, StepError> {
    let location = Location::parse(&identity.uri)?;
    if identity.files.is_empty() {
        let file = DataFile {
            name: location.name().to_owned(),
            digest: identity.digest.clone(),
            size_bytes: identity.size_bytes,
            etag: identity.etag.clone(),
            version_id: identity.version_id.clone(),
        };
        return Ok(vec![(location, file)]);
    }
    Ok(identity.files.iter().map(|file| (location.join(&file.name), file.clone())).collect())
}

/// Chooses the data by the spec and downloads it.
async fn choose(store: &Store, run: &Run, input: &Path) -> Result<DataIdentity, StepError> {
    let mut choices = 1;
    loop {
        let chosen = match run.spec.data.select {
            Select::Newest => choose_one(store, run, input).await,
            Select::All => choose_all(store, run, input).await,
        };
        match chosen {
            Err(StepError::Store(StoreError::Changed { .. })) if choices < MAX_CHOICES => choices += 1,
            other => return other,
        }
    }
}

async fn choose_one(store: &Store, run: &Run, input: &Path) -> Result<DataIdentity, StepError> {
    let (location, time) = resolve(store, run).await?;
    let object = store.head(&location).await?;
    let DataFile { digest, size_bytes, etag, version_id, .. } = bring_file(store, object, input).await?;
    Ok(DataIdentity {
        uri: location.to_string(),
        digest,
        size_bytes,
        etag,
        version_id,
        time: time.map(|time| format!("{time}Z")),
        files: Vec::new(),
    })
}

/// Every data file of a folder, in the order of their names. Empty ones do not count.
async fn choose_all(store: &Store, run: &Run, input: &Path) -> Result<DataIdentity, StepError> {
    let folder = Location::parse(&run.spec.data.uri)?;
    if !folder.is_folder() {
        let message = format!("{folder}: select: All reads every file of a prefix; end the uri with /");
        return Err(StepError::Usage(message));
    }
    let names = store.list(&folder).await?;
    let data = data_files(&names).map_err(|problem| StepError::Data(format!("{folder}: {problem}")))?;
    let (mut files, mut size) = (Vec::new(), 0);
    for name in data {
        let object = store.head(&folder.join(name)).await?;
        size += object.size;
        if size > MAX_DATA_BYTES {
            return Err(StoreError::TooLarge { location: folder, size, limit: MAX_DATA_BYTES }.into());
        }
        if object.size > 0 {
            files.push(bring_file(store, object, input).await?);
        }
    }
    if files.is_empty() {
        let found = show(&names);
        return Err(StepError::NotFound(format!("{folder}: there is no data file ({DATA_NAMES}); there {found}")));
    }
    let listed = set_digest_text(files.iter().map(|file| (file.name.as_str(), file.digest.as_str())));
    Ok(DataIdentity {
        uri: folder.to_string(),
        digest: Digest::of(listed.as_bytes()).to_string(),
        size_bytes: files.iter().map(|file| file.size_bytes).sum(),
        files,
        ..DataIdentity::default()
    })
}

/// The data files among sorted names: not too many, and all of one format.
fn data_files(names: &[String]) -> Result<Vec<&str>, String> {
    let mut first: Option<(&str, &str)> = None;
    let mut files = Vec::new();
    for name in names {
        let Some(format) = data_format(name) else { continue };
        let (first_name, first_format) = *first.get_or_insert((name, format));
        if format != first_format {
            return Err(format!("{first_name} and {name} are of different formats; write all files alike"));
        }
        files.push(name.as_str());
    }
    if files.len() > MAX_DATA_FILES {
        return Err(format!(
            "{} data files, more than the {MAX_DATA_FILES} that are read as one table; put them together into fewer",
            files.len()
        ));
    }
    Ok(files)
}

async fn bring_file(store: &Store, object: Object, input: &Path) -> Result<DataFile, StepError> {
    let digest = save(store, &object, input).await?;
    let size_bytes =
        i64::try_from(object.size).map_err(|error| StepError::Data(format!("{}: {error}", object.location)))?;
    Ok(DataFile {
        name: object.location.name().to_owned(),
        digest: digest.to_string(),
        size_bytes,
        etag: object.etag,
        version_id: object.version_id,
    })
}

/// The object that the spec means, and the time in its name.
async fn resolve(store: &Store, run: &Run) -> Result<(Location, Option<DateTime>), StepError> {
    let location = Location::parse(&run.spec.data.uri)?;
    if !location.is_folder() {
        let time = time_in(location.name());
        return Ok((location, time));
    }
    let names = store.list(&location).await?;
    let (name, time) = newest(&names).map_err(|error| StepError::NoNewest { folder: location.to_string(), error })?;
    Ok((location.join(name), Some(time)))
}

/// Brings exactly the bytes that an earlier attempt read.
async fn again(store: &Store, identity: &DataIdentity, input: &Path) -> Result<(), StepError> {
    for (location, file) in files(identity)? {
        file_again(store, location, file, input).await?;
    }
    Ok(())
}

async fn file_again(store: &Store, location: Location, file: DataFile, input: &Path) -> Result<(), StepError> {
    let recorded: Digest = file.digest.parse().map_err(|error| StepError::Data(format!("{location}: {error}")))?;
    let object = Object {
        location: location.clone(),
        size: file.size_bytes.try_into().unwrap_or_default(),
        // A version never changes; without one the entity tag tells whether the object did.
        etag: file.etag.filter(|_| file.version_id.is_none()),
        version_id: file.version_id,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_files_of_a_folder_are_of_one_format() {
        let of = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            data_files(&names).map(|files| files.join(" "))
        };
        assert_eq!(of(&["README.md", "_SUCCESS", "a.csv", "b.csv.gz"]), Ok("a.csv b.csv.gz".to_owned()));
        assert_eq!(of(&[]), Ok(String::new()));
        let message = "a.csv and b.parquet are of different formats; write all files alike";
        assert_eq!(of(&["a.csv", "b.parquet"]), Err(message.to_owned()));
        let many: Vec<String> = (0..=MAX_DATA_FILES).map(|number| format!("{number}.csv")).collect();
        assert!(data_files(&many).unwrap_err().starts_with("1001 data files, more than the 1000"));
    }
}
