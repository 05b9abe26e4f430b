//! Objects, wherever they lie.

use std::path::Path;

use bytes::Bytes;
use slipway_model::Digest;
use tokio::sync::OnceCell;

use crate::error::StoreError;
use crate::files;
use crate::location::Location;
use crate::policy::Policy;
use crate::s3::{S3, Variables};

/// Largest object that is written, bytes: what S3 takes in one request.
pub const MAX_OBJECT_BYTES: u64 = 5 << 30;
/// Most names that are listed in a folder.
pub const MAX_LISTED: usize = 100_000;

/// Object storage: any number of buckets behind one endpoint, and folders of this machine.
///
/// Every operation tries again while storage cannot be reached, for as long as the [`Policy`] says.
#[derive(Debug)]
pub struct Store {
    policy: Policy,
    variables: Variables,
    s3: OnceCell<S3>,
}

/// An object as storage describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Where it lies.
    pub location: Location,
    /// Size, bytes.
    pub size: u64,
    /// The store's entity tag: what is read must still have it.
    pub etag: Option<String>,
    /// The store's version of it: that very version is read.
    pub version_id: Option<String>,
}

/// What to write.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// Bytes.
    Bytes(&'a [u8]),
    /// A file of this machine.
    File {
        /// The file.
        path: &'a Path,
        /// Its size, bytes.
        size: u64,
        /// Its digest; storage refuses other bytes.
        digest: Digest,
    },
}

impl Content<'_> {
    /// Size, bytes.
    pub fn size(&self) -> u64 {
        match self {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::File { size, .. } => *size,
        }
    }

    /// Digest of the bytes.
    pub fn digest(&self) -> Digest {
        match self {
            Content::Bytes(bytes) => Digest::of(bytes),
            Content::File { digest, .. } => *digest,
        }
    }
}

/// How writing came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// The object is there now.
    Created,
    /// There was one before, and it stays.
    Exists,
}

/// An object being read.
#[derive(Debug)]
pub struct Reading {
    /// Size of the whole object, bytes.
    pub size: u64,
    /// The store's entity tag.
    pub etag: Option<String>,
    pub(crate) body: Body,
}

#[derive(Debug)]
pub(crate) enum Body {
    S3(Box<crate::s3::Body>),
    File(files::Body),
}

impl Reading {
    /// The next piece; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        match &mut self.body {
            Body::S3(body) => body.next().await,
            Body::File(body) => body.next().await,
        }
    }
}

impl Store {
    /// Nothing is connected before it is needed.
    pub fn new(policy: Policy, variables: Variables) -> Store {
        Store { policy, variables, s3: OnceCell::new() }
    }

    /// How long storage may take.
    pub fn policy(&self) -> Policy {
        self.policy
    }

    async fn s3(&self, location: &Location) -> Result<&S3, StoreError> {
        self.s3.get_or_try_init(|| S3::connect(self.policy, &self.variables, location)).await
    }

    /// Describes the object at `location`.
    pub async fn head(&self, location: &Location) -> Result<Object, StoreError> {
        let head = async || match location {
            Location::S3 { bucket, key } => self.s3(location).await?.head(location, bucket, key).await,
            Location::File { path } => files::head(location, path),
        };
        self.policy.retry(head).await
    }

    /// Begins to read `object` from byte `offset` on. One try only: see [`crate::download`].
    pub async fn read(&self, object: &Object, offset: u64) -> Result<Reading, StoreError> {
        match &object.location {
            Location::S3 { bucket, key } => self.s3(&object.location).await?.read(object, bucket, key, offset).await,
            Location::File { path } => files::read(object, path, offset).await,
        }
    }

    /// The whole of an object of at most `limit` bytes.
    pub async fn get(&self, location: &Location, limit: u64) -> Result<Vec<u8>, StoreError> {
        let object = Object { location: location.clone(), size: 0, etag: None, version_id: None };
        let get = async || {
            let mut reading = self.read(&object, 0).await?;
            let too_large = |size| StoreError::TooLarge { location: location.clone(), size, limit };
            if reading.size > limit {
                return Err(too_large(reading.size));
            }
            let mut bytes = Vec::new();
            while let Some(piece) = reading.next().await? {
                bytes.extend_from_slice(&piece);
                if bytes.len() as u64 > limit {
                    return Err(too_large(bytes.len() as u64));
                }
            }
            if bytes.len() as u64 == reading.size {
                Ok(bytes)
            } else {
                let reason = format!("{} bytes of {} came", bytes.len(), reading.size);
                Err(StoreError::Unreachable { location: location.clone(), reason })
            }
        };
        self.policy.retry(get).await
    }

    /// As [`Store::get`]; `None` where there is no such object. A missing bucket is an error.
    pub async fn find(&self, location: &Location, limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
        match self.get(location, limit).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(StoreError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes an object, unless there is one already; it is there whole or not at all.
    pub async fn put_if_absent(&self, location: &Location, content: Content<'_>) -> Result<Put, StoreError> {
        if content.size() > MAX_OBJECT_BYTES {
            let (size, limit) = (content.size(), MAX_OBJECT_BYTES);
            return Err(StoreError::TooLarge { location: location.clone(), size, limit });
        }
        let put = async || match location {
            Location::S3 { bucket, key } => self.s3(location).await?.put(location, bucket, key, content).await,
            Location::File { path } => files::put(path, content),
        };
        self.policy.retry(put).await
    }

    /// Names of the objects in a folder, not of those in folders within, sorted; at most [`MAX_LISTED`].
    pub async fn list(&self, folder: &Location) -> Result<Vec<String>, StoreError> {
        let list = async || match folder {
            Location::S3 { bucket, key } => self.s3(folder).await?.list(folder, bucket, key).await,
            Location::File { path } => files::list(folder, path),
        };
        let mut names = self.policy.retry(list).await?;
        names.sort_unstable();
        Ok(names)
    }
}

/// A folder with more names than are listed.
pub(crate) fn too_many(folder: &Location) -> StoreError {
    StoreError::Changed {
        location: folder.clone(),
        reason: format!("there are more than {MAX_LISTED} objects; name a folder with fewer"),
    }
}
