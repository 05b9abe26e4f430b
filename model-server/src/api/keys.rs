//! Keys that callers must show, read from a file and read again when it changes.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;
use std::sync::{PoisonError, RwLock};

use axum::http::{HeaderMap, HeaderName, header};
use slipway_model::Digest;

/// The header that holds a key, besides `Authorization: Bearer KEY`.
pub const HEADER: HeaderName = HeaderName::from_static("x-api-key");
/// What makes a browser ask its user for a key: the name of the user does not matter, the password is the key.
pub const BASIC: &str = "Basic realm=\"the password is a key\", charset=\"UTF-8\"";
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
        let shown = Digest::of(&shown);
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        // All keys are compared, byte for byte: time tells nothing.
        known.iter().fold(false, |admitted, key| admitted | same(key.bytes(), shown.bytes()))
    }
}

/// The key that a request shows.
fn shown(headers: &HeaderMap) -> Option<Cow<'_, [u8]>> {
    if let Some(key) = headers.get(HEADER) {
        return Some(key.as_bytes().trim_ascii().into());
    }
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let space = value.iter().position(|&byte| byte == b' ')?;
    let (scheme, key) = (&value[..space], value[space..].trim_ascii());
    if scheme.eq_ignore_ascii_case(b"bearer") {
        return Some(key.into());
    }
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return None;
    }
    let mut user_and_key = from_base64(key)?;
    let colon = user_and_key.iter().position(|&byte| byte == b':')?;
    Some(user_and_key.split_off(colon + 1).into())
}

/// The bytes of a text of RFC 4648, section 4.
fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count) = (0_u32, 0);
    for letter in text {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Some(bytes)
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
        // As browsers send them: `user:first`, `:second`, `user:`, and what is no Base64.
        assert!(admits("authorization", "Basic dXNlcjpmaXJzdA==") && admits("authorization", "basic OnNlY29uZA=="));
        assert!(!admits("authorization", "Basic dXNlcjo=") && !admits("authorization", "Basic ?"));
        assert!(!keys.reload().unwrap());
        std::fs::write(&path, "third\n").unwrap();
        assert!(keys.reload().unwrap());
        assert!(admits("x-api-key", "third") && !admits("x-api-key", "first"));
        std::fs::write(&path, "").unwrap();
        assert!(keys.reload().is_err() && admits("x-api-key", "third"));
    }
}
