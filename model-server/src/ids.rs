//! Identifiers of predictions and requests.
//!
//! A prediction that belongs to a request which its caller has named gets the same identifier whenever and wherever the request
//! is sent again: the first half of the sha256 of the model's digest, the request's name, the number of the row and its
//! values. Who asks twice, because the answer got lost or a proxy tried again, has one prediction, and who was never
//! answered can still say what came of it. Others are numbered.

use std::fmt::{self, Display};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Serialize, Serializer};
use slipway_model::Digest;
use slipway_model::digest::Digester;

/// An identifier of 128 bits; stands as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Identifier(u128);

impl Identifier {
    /// Its digits. By hand, as every reply has two identifiers.
    pub fn digits(self) -> [u8; 32] {
        let bytes = self.0.to_be_bytes();
        let half = |place: usize| bytes[place / 2] >> (4 * (1 - place % 2)) & 15;
        std::array::from_fn(|place| b"0123456789abcdef"[usize::from(half(place))])
    }
}

impl Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(str::from_utf8(&self.digits()).unwrap_or_default())
    }
}

impl Serialize for Identifier {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(str::from_utf8(&self.digits()).unwrap_or_default())
    }
}

/// Makes 128-bit identifiers: 64 bits drawn at random for the process, and a count.
#[derive(Debug)]
pub struct Ids {
    process: u64,
    next: AtomicU64,
}

impl Default for Ids {
    fn default() -> Self {
        // The standard library seeds its hashers from the operating system's randomness.
        let draw = || RandomState::new().hash_one(std::process::id());
        Ids { process: draw(), next: AtomicU64::new(draw() >> 1) }
    }
}

impl Ids {
    /// A new identifier.
    pub fn next(&self) -> Identifier {
        Identifier(u128::from(self.process) << 64 | u128::from(self.next.fetch_add(1, Ordering::Relaxed)))
    }

    /// A new identifier of 64 bits, such as that of a span in a trace.
    pub fn span(&self) -> u64 {
        // Other processes take part in the same trace: where they count from is not where this one does.
        self.process ^ self.next.fetch_add(1, Ordering::Relaxed)
    }
}

/// Names the predictions of one request.
#[derive(Clone, Default)]
pub struct Naming(Option<Digester>);

impl fmt::Debug for Naming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Naming(by request)" } else { "Naming(by number)" })
    }
}

impl Naming {
    /// For a request to the model of this digest, which its caller may have named.
    pub fn new(model: &Digest, request: Option<&[u8]>) -> Naming {
        Naming(request.map(|request| {
            let mut digester = Digester::default();
            digester.update(model.bytes());
            digester.update(&(request.len() as u64).to_le_bytes());
            digester.update(request);
            digester
        }))
    }

    /// Whether the caller has named the request.
    pub fn by_request(&self) -> bool {
        self.0.is_some()
    }

    /// The identifier of the prediction of a decoded row; `ids` has one for who has not named the request.
    pub fn name(&self, ids: &Ids, number: usize, row: &[f64]) -> Identifier {
        let Some(mut digester) = self.0.clone() else { return ids.next() };
        digester.update(&(number as u64).to_le_bytes());
        for value in row {
            digester.update(&value.to_bits().to_le_bytes());
        }
        let digest = digester.finish();
        let half = digest.bytes().first_chunk().map_or(0, |half| u128::from_be_bytes(*half));
        Identifier(half)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_never_repeat() {
        let (one, other) = (Ids::default(), Ids::default());
        let ids: std::collections::HashSet<_> = (0..1000).flat_map(|_| [one.next(), other.next()]).collect();
        assert_eq!(ids.len(), 2000);
        assert!(ids.iter().all(|id| id.to_string().len() == 32));
        assert_eq!(Identifier(0x0123_4567_89ab_cdef).to_string(), "00000000000000000123456789abcdef");
    }

    #[test]
    fn predictions_of_a_named_request_have_the_same_identifiers_wherever_it_is_answered() {
        let model = Digest::of(b"model");
        let name = |model: &Digest, request: &str, number, row: &[f64]| {
            Naming::new(model, Some(request.as_bytes())).name(&Ids::default(), number, row)
        };
        let id = name(&model, "r1", 1, &[1.0, f64::NAN]);
        assert_eq!(id, name(&model, "r1", 1, &[1.0, f64::NAN]));
        let others = [
            name(&Digest::of(b"other"), "r1", 1, &[1.0, f64::NAN]),
            name(&model, "r2", 1, &[1.0, f64::NAN]),
            name(&model, "r1", 2, &[1.0, f64::NAN]),
            name(&model, "r1", 1, &[2.0, f64::NAN]),
        ];
        assert!(!others.contains(&id), "{others:?}");
        let ids = Ids::default();
        let unnamed = Naming::new(&model, None);
        assert_ne!(unnamed.name(&ids, 1, &[1.0]), unnamed.name(&ids, 1, &[1.0]));
    }
}
