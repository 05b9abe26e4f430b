//! Where an object lies.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::StoreError;

/// Longest address that is read, bytes.
const MAX_BYTES: usize = 2048;

/// An object, or a folder of objects where the key ends in `/` or is empty.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Location {
    /// `s3://BUCKET/KEY`.
    S3 {
        /// The bucket.
        bucket: String,
        /// The key, without a leading `/`.
        key: String,
    },
    /// `file:///PATH`, for a laptop.
    File {
        /// The absolute path; a folder's ends in `/`.
        path: String,
    },
}

impl Location {
    /// Reads `s3://BUCKET/KEY` or `file:///PATH`.
    pub fn parse(uri: &str) -> Result<Location, StoreError> {
        let bad = |why: &str| Err(StoreError::Address { uri: uri.chars().take(200).collect(), why: why.to_owned() });
        if uri.len() > MAX_BYTES || uri.contains(char::is_control) {
            return bad("it is too long or has control characters");
        }
        if uri.split('/').any(|part| part == "..") {
            return bad("it has a part ..");
        }
        if let Some(rest) = uri.strip_prefix("s3://") {
            let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '-';
            if bucket.len() < 3 || bucket.len() > 63 || !bucket.chars().all(plain) {
                return bad("a bucket's name has 3 to 63 lower-case letters, digits, dots and hyphens");
            }
            return Ok(Location::S3 { bucket: bucket.to_owned(), key: key.to_owned() });
        }
        match uri.strip_prefix("file://") {
            Some(path) if path.starts_with('/') => Ok(Location::File { path: path.to_owned() }),
            _ => bad("write s3://BUCKET/PATH, or file:///PATH on a laptop"),
        }
    }

    fn key(&self) -> &str {
        match self {
            Location::S3 { key, .. } => key,
            Location::File { path } => path,
        }
    }

    /// Whether this is a folder.
    pub fn is_folder(&self) -> bool {
        self.key().is_empty() || self.key().ends_with('/')
    }

    /// The part after the last `/`.
    pub fn name(&self) -> &str {
        self.key().rsplit('/').next().unwrap_or_default()
    }

    /// The object or folder `name` in this folder.
    #[must_use]
    pub fn join(&self, name: &str) -> Location {
        let key = self.key();
        let slash = if self.is_folder() { "" } else { "/" };
        let key = format!("{key}{slash}{name}");
        match self {
            Location::S3 { bucket, .. } => Location::S3 { bucket: bucket.clone(), key },
            Location::File { .. } => Location::File { path: key },
        }
    }

    /// The same place as a path, for messages of functions that read files.
    pub fn as_path(&self) -> PathBuf {
        match self {
            Location::S3 { .. } => Path::new(&self.to_string()).to_owned(),
            Location::File { path } => Path::new(path).to_owned(),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::S3 { bucket, key } => write!(f, "s3://{bucket}/{key}"),
            Location::File { path } => write!(f, "file://{path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_back_as_written_and_join() {
        for (uri, joined) in [
            ("s3://bucket/a/", "s3://bucket/a/b"),
            ("s3://bucket/a", "s3://bucket/a/b"),
            ("s3://bucket/", "s3://bucket/b"),
            ("file:///tmp/a/", "file:///tmp/a/b"),
        ] {
            let location = Location::parse(uri).unwrap();
            assert_eq!(location.to_string(), uri);
            assert_eq!(location.join("b").to_string(), joined);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for uri in [
            "",
            "bucket/key",
            "s3://",
            "s3://Bucket/key",
            "s3://b/key",
            "file://relative",
            "s3://bucket/../x",
            "https://x/y",
        ] {
            assert!(Location::parse(uri).is_err(), "{uri}");
        }
    }
}
