//! Findings for people.

use std::fmt::Write;

use crate::suite::{Findings, Level};

/// A line for each finding, and a count.
pub fn text(findings: &Findings) -> String {
    let mut text = String::new();
    for finding in &findings.0 {
        let word = match (&finding.instead, finding.level) {
            (None, _) => "  ok      ",
            (Some(_), Level::Required) => "  FAILED  ",
            (Some(_), Level::Recommended) => "  advised ",
        };
        let _ = writeln!(text, "{word}{}", finding.says);
        if let Some(instead) = &finding.instead {
            let _ = writeln!(text, "            {}", instead.replace('\n', " "));
        }
    }
    let [[kept, all], [followed, advised]] = [Level::Required, Level::Recommended].map(|level| findings.count(level));
    let _ =
        writeln!(text, "\n{kept} of {all} requirements are kept, {followed} of {advised} recommendations followed.");
    text
}
