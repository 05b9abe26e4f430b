//! W3C Trace Context, level 1: which trace of a larger system a request is a part of.
//!
//! <https://www.w3.org/TR/trace-context-1>

use std::fmt;

use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// The header that says it.
pub const HEADER: HeaderName = HeaderName::from_static("traceparent");
/// Digits of the trace, of the caller's span, and of flags, each after a dash, after two of the version.
const LENGTH: usize = 2 + 1 + 32 + 1 + 16 + 1 + 2;
/// The flag that the caller records the trace.
const SAMPLED: u8 = 1;

/// Where a request belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The trace: 32 hexadecimal digits.
    id: [u8; 32],
    /// What the caller does for it: 16 hexadecimal digits.
    caller: [u8; 16],
    /// What this server does for it.
    span: u64,
    sampled: bool,
}

impl Trace {
    /// The trace that a request names; `span` identifies what this server does for it. A header that is not as it should be
    /// is none.
    pub fn of(headers: &HeaderMap, span: impl FnOnce() -> u64) -> Option<Trace> {
        let mut values = headers.get_all(HEADER).iter();
        let value = values.next()?.as_bytes();
        if values.next().is_some() {
            return None;
        }
        let (known, rest) = value.split_at_checked(LENGTH)?;
        let (version, id, caller, flags) = (&known[..2], &known[3..35], &known[36..52], &known[53..]);
        let is_hexadecimal = |digits: &[u8]| digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        let is_set = |digits: &[u8]| is_hexadecimal(digits) && digits.iter().any(|&digit| digit != b'0');
        let has_dashes = [2, 35, 52].iter().all(|&place| known[place] == b'-');
        // Later versions may go on behind another dash.
        let ends = rest.is_empty() || version != b"00" && rest[0] == b'-';
        let is_whole =
            is_hexadecimal(version) && version != b"ff" && is_set(id) && is_set(caller) && is_hexadecimal(flags);
        if !(has_dashes && ends && is_whole) {
            return None;
        }
        let flags = u8::from_str_radix(std::str::from_utf8(flags).ok()?, 16).ok()?;
        // All zeros are nobody's.
        let span = span().max(1);
        let (id, caller) = (id.try_into().ok()?, caller.try_into().ok()?);
        Some(Trace { id, caller, span, sampled: flags & SAMPLED != 0 })
    }

    /// The trace, for logs.
    pub fn id(&self) -> &str {
        std::str::from_utf8(&self.id).unwrap_or_default()
    }

    /// What the caller does for it.
    pub fn caller(&self) -> &str {
        std::str::from_utf8(&self.caller).unwrap_or_default()
    }

    /// Whether the caller records it.
    pub fn is_sampled(&self) -> bool {
        self.sampled
    }

    /// What this server does for it, for logs.
    pub fn span(&self) -> String {
        format!("{:016x}", self.span)
    }

    /// The header of the reply.
    pub fn header(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(self.to_string()).ok()
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{:016x}-{:02x}", self.id(), self.span, u8::from(self.sampled) * SAMPLED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn of(values: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, value.parse().unwrap());
        }
        Trace::of(&headers, || 7).map(|trace| trace.to_string())
    }

    #[test]
    fn a_trace_goes_on_with_a_span_of_its_own() {
        let answer = |flags: &str| Some(format!("00-{ID}-0000000000000007-{flags}"));
        assert_eq!(of(&[&format!("00-{ID}-00f067aa0ba902b7-01")]), answer("01"));
        assert_eq!(of(&[&format!("00-{ID}-00f067aa0ba902b7-02")]), answer("00"));
        assert_eq!(of(&[&format!("cc-{ID}-00f067aa0ba902b7-01-what-comes-later")]), answer("01"));
    }

    #[test]
    fn what_is_no_trace_is_passed_over() {
        let good = format!("00-{ID}-00f067aa0ba902b7-01");
        for bad in [
            String::new(),
            "x".repeat(55),
            good.to_uppercase(),
            good.replace("00f067aa0ba902b7", "0000000000000000"),
            good.replace(ID, &"0".repeat(32)),
            good.replace(ID, &"\u{e9}".repeat(16)),
            good.replacen("00", "ff", 1),
            good.replace('-', "_"),
            format!("{good}-01"),
            format!("{good}.01"),
            good[..54].to_owned(),
        ] {
            assert_eq!(of(&[&bad]), None, "{bad}");
        }
        assert_eq!(of(&[&good, &good]), None);
    }
}
