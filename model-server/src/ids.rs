//! Identifiers of predictions and requests.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

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
    /// A new identifier: 32 hexadecimal digits.
    pub fn next(&self) -> String {
        let number = u128::from(self.process) << 64 | u128::from(self.next.fetch_add(1, Ordering::Relaxed));
        // By hand, as every reply has two of them.
        let digit = |place: u32| char::from(b"0123456789abcdef"[(number >> (4 * place) & 15) as usize]);
        (0..32).rev().map(digit).collect()
    }

    /// A new identifier of 64 bits, such as that of a span in a trace.
    pub fn span(&self) -> u64 {
        // Other processes take part in the same trace: where they count from is not where this one does.
        self.process ^ self.next.fetch_add(1, Ordering::Relaxed)
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
        assert!(ids.iter().all(|id| id.len() == 32));
    }
}
