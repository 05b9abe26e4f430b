//! The writes that came through a proxy, in their order. Pure.

use std::fmt;
use std::time::Duration;

use crate::call::Call;
use crate::fault::Fault;

/// One write.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Since the proxy began.
    pub at: Duration,
    /// Which operator it came from: the first, or one that was started later.
    pub life: usize,
    /// What was asked.
    pub call: Call,
    /// Code of the API server's answer; `None` where it was not asked, or has not answered yet.
    pub code: Option<u16>,
    /// Version of the object after it, in a good answer.
    pub version: String,
    /// What was done to it.
    pub fault: Option<Fault>,
}

/// All writes; the number of one is its place, from 1.
#[derive(Clone, Debug, Default)]
pub struct Journal(Vec<Entry>);

impl Journal {
    /// Notes a write when it comes. Gives its number.
    pub fn begin(&mut self, entry: Entry) -> usize {
        self.0.push(entry);
        self.0.len()
    }

    /// Notes the answer to the write `number`.
    pub fn answer(&mut self, number: usize, code: u16, version: &str) {
        if let Some(entry) = self.0.get_mut(number.wrapping_sub(1)) {
            entry.code = Some(code);
            version.clone_into(&mut entry.version);
        }
    }

    /// The writes.
    pub fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// Number of writes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there was none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, entry) in self.0.iter().enumerate() {
            let Entry { at, life, call, code, version, fault } = entry;
            let code = code.map_or("–".to_owned(), |code| code.to_string());
            write!(f, "{:>4} {:>7.3} s  operator {life}  {call} → {code}", index + 1, at.as_secs_f64())?;
            if !version.is_empty() {
                write!(f, " version {version}")?;
            }
            if let Some(fault) = fault {
                write!(f, "  [{fault}]")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Side;

    #[test]
    fn a_journal_reads_like_one() {
        let mut journal = Journal::default();
        let entry = |path: &str, fault| Entry {
            at: Duration::from_millis(1_204),
            life: 1,
            call: Call::parse("POST", path, "fieldManager=slipway-operator%2Froute"),
            code: None,
            version: String::new(),
            fault,
        };
        let first = journal.begin(entry("/api/v1/namespaces/n/services", None));
        let second = journal.begin(entry("/api/v1/namespaces/n/services", Some(Fault::Kill(Side::Before))));
        assert_eq!((first, second), (1, 2));
        journal.answer(first, 201, "77");
        assert_eq!(
            journal.to_string(),
            "   1   1.204 s  operator 1  POST services as slipway-operator/route → 201 version 77\n   2   1.204 s  operator 1  POST services as slipway-operator/route → –  [before]\n"
        );
    }
}
