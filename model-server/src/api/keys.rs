//! Keys that callers must show, read from a file and read again when it changes.

use std::io;
use std::path::PathBuf;
use std::sync::{PoisonError, RwLock};

use axum::http::{HeaderMap, header};
use slipway_model::Digest;

/// The header that holds a key, besides `Authorization: Bearer KEY`.
const HEADER: &str = "x-api-key";
/// Largest file of keys, bytes.
const MAX_BYTES: u64 = 1 << 20;

/// The keys that open the API.
#[derive(Debug)]
pub struct Keys {
    path: PathBuf,
    /// Not the keys themselves: their digests are all that comparing needs.
    known: RwLock<Vec<Digest>>,
}

impl Keys {
    /// The keys of a file: one a line, blank lines and those that begin with `#` aside.
    pub fn read(path: PathBuf) -> io::Result<Keys> {
        let known = RwLock::new(digests(&path)?);
        Ok(Keys { path, known })
    }

    /// Reads the file again. Returns whether the keys are others now; where the file is no good they stay as they are.
    pub fn reload(&self) -> io::Result<bool> {
        let read = digests(&self.path)?;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let changed = *known != read;
        *known = read;
        Ok(changed)
    }

    /// Whether a request shows one of the keys.
    pub fn admit(&self, headers: &HeaderMap) -> bool {
        let Some(shown) = shown(headers) else { return false };
        let shown = Digest::of(shown);
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        // All keys are compared, byte for byte: time tells nothing.
        known.iter().fold(false, |admitted, key| admitted | same(key.bytes(), shown.bytes()))
    }
}

fn shown(headers: &HeaderMap) -> Option<&[u8]> {
    if let Some(key) = headers.get(HEADER) {
        return Some(key.as_bytes().trim_ascii());
    }
    let (scheme, key) = headers.get(header::AUTHORIZATION)?.as_bytes().split_first_chunk::<7>()?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| key.trim_ascii())
}

fn same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    one.iter().zip(other).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

fn digests(path: &std::path::Path) -> io::Result<Vec<Digest>> {
    if std::fs::metadata(path)?.len() > MAX_BYTES {
        return Err(io::Error::other("larger than 1 MiB"));
    }
    let text = std::fs::read_to_string(path)?;
    let keys = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let digests: Vec<Digest> = keys.map(|key| Digest::of(key.as_bytes())).collect();
    if digests.is_empty() { Err(io::Error::other("it holds no key; write one a line")) } else { Ok(digests) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_taken_from_two_headers_and_follow_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        assert!(Keys::read(path.clone()).is_err());
        std::fs::write(&path, "# nobody\n\n").unwrap();
        assert!(Keys::read(path.clone()).is_err());
        std::fs::write(&path, "# the dashboard\nfirst\n second \n").unwrap();
        let keys = Keys::read(path.clone()).unwrap();
        let admits = |name: &'static str, value: &'static str| {
            keys.admit(
                &[(name, value)]
                    .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
                    .into_iter()
                    .collect(),
            )
        };
        assert!(admits("x-api-key", "first") && admits("authorization", "bearer second"));
        assert!(!admits("x-api-key", "") && !admits("authorization", "Basic first") && !admits("accept", "first"));
        assert!(!admits("x-api-key", "# the dashboard") && !admits("authorization", "Bearer firs"));
        assert!(!keys.reload().unwrap());
        std::fs::write(&path, "third\n").unwrap();
        assert!(keys.reload().unwrap());
        assert!(admits("x-api-key", "third") && !admits("x-api-key", "first"));
        std::fs::write(&path, "").unwrap();
        assert!(keys.reload().is_err() && admits("x-api-key", "third"));
    }
}
