//! Objects as files of this machine, by the rules of object storage.

use std::fs;
use std::io::{self, SeekFrom, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use crate::error::StoreError;
use crate::location::Location;
use crate::store::{self, Content, MAX_LISTED, Object, Put, Reading};

const PIECE_BYTES: usize = 256 << 10;

#[derive(Debug)]
pub(crate) struct Body {
    location: Location,
    file: tokio::fs::File,
}

impl Body {
    pub async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        let mut piece = vec![0; PIECE_BYTES];
        let read = self.file.read(&mut piece).await.map_err(|error| classify(&self.location, error))?;
        piece.truncate(read);
        Ok((read > 0).then(|| piece.into()))
    }
}

fn classify(location: &Location, error: io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => StoreError::NotFound(location.clone()),
        _ => StoreError::Io { path: location.as_path(), source: error },
    }
}

/// Size and time of a file stand for its content.
fn describe(location: &Location, metadata: &fs::Metadata) -> Result<Object, StoreError> {
    if !metadata.is_file() {
        return Err(StoreError::NotFound(location.clone()));
    }
    let modified = metadata.modified().map_err(|error| classify(location, error))?;
    let nanoseconds = modified.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let etag = Some(format!("{}-{nanoseconds}", metadata.len()));
    Ok(Object { location: location.clone(), size: metadata.len(), etag, version_id: None })
}

pub(crate) fn head(location: &Location, path: &str) -> Result<Object, StoreError> {
    describe(location, &fs::metadata(path).map_err(|error| classify(location, error))?)
}

pub(crate) async fn read(object: &Object, path: &str, offset: u64) -> Result<Reading, StoreError> {
    let location = &object.location;
    let error = |error| classify(location, error);
    let mut file = tokio::fs::File::open(path).await.map_err(error)?;
    let now = describe(location, &file.metadata().await.map_err(error)?)?;
    if object.etag.is_some() && object.etag != now.etag {
        return Err(StoreError::Changed { location: location.clone(), reason: "it was changed".to_owned() });
    }
    file.seek(SeekFrom::Start(offset)).await.map_err(error)?;
    let body = store::Body::File(Body { location: location.clone(), file });
    Ok(Reading { size: now.size, etag: now.etag, body })
}

pub(crate) fn put(path: &str, content: Content<'_>) -> Result<Put, StoreError> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let path = Path::new(path);
    let error = |source| StoreError::Io { path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(error)?;
    }
    // A link is made only where there is none: what took a name first keeps it, whole.
    let place = COUNT.fetch_add(1, Ordering::Relaxed);
    let partial = path.with_file_name(format!(".{}-{place}.partial", std::process::id()));
    let written = match content {
        Content::Bytes(bytes) => fs::File::create(&partial).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        }),
        Content::File { path: from, .. } => fs::copy(from, &partial).map(drop),
    };
    let linked = written.and_then(|()| fs::hard_link(&partial, path));
    let removed = fs::remove_file(&partial);
    match linked {
        Ok(()) => removed.map_err(error).map(|()| Put::Created),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Put::Exists),
        Err(source) => Err(error(source)),
    }
}

pub(crate) fn list(folder: &Location, path: &str) -> Result<Vec<String>, StoreError> {
    let error = |error| classify(folder, error);
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(error)? {
        let entry = entry.map_err(error)?;
        let is_file = entry.file_type().map_err(error)?.is_file();
        if let Some(name) = entry.file_name().to_str().filter(|_| is_file) {
            names.push(name.to_owned());
        }
        if names.len() > MAX_LISTED {
            return Err(store::too_many(folder));
        }
    }
    Ok(names)
}
