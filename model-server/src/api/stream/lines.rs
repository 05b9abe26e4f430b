//! A JSON object a line.

use bytes::{Buf, Bytes};

use super::{MAX_ROW, Next};
use crate::api::json::rows::{self, Unknown};
use crate::state::App;

/// Rows as they come. Empty lines are no rows.
#[derive(Debug, Default)]
pub struct Lines {
    /// What came and was not read.
    input: Bytes,
    /// The beginning of a line whose end has not come.
    begun: Vec<u8>,
    ended: bool,
    unknown: Unknown,
}

impl Lines {
    /// More of the body.
    pub fn push(&mut self, bytes: Bytes) {
        self.input = bytes;
    }

    /// The body has ended.
    pub fn finish(&mut self) {
        self.ended = true;
    }

    /// The next row.
    pub fn next(&mut self, app: &App, number: usize) -> Next {
        loop {
            let end = self.input.iter().position(|&byte| byte == b'\n');
            let length = end.unwrap_or(self.input.len());
            if self.begun.len() + length > MAX_ROW {
                return Next::Broken(format!("row {number}: expected a line of at most {MAX_ROW} bytes"));
            }
            if end.is_none() && !(self.ended && self.begun.len() + length > 0) {
                self.begun.extend_from_slice(&self.input);
                self.input.clear();
                return if self.ended { Next::End } else { Next::Starved };
            }
            let rest = self.input.split_to(length);
            if end.is_some() {
                self.input.advance(1);
            }
            let row = if self.begun.is_empty() {
                read(app, &rest, number, &mut self.unknown)
            } else {
                self.begun.extend_from_slice(&rest);
                let row = read(app, &self.begun, number, &mut self.unknown);
                self.begun.clear();
                row
            };
            if let Some(row) = row {
                return row;
            }
        }
    }

    /// How many unknown fields came since the last time.
    pub fn take_unknown(&mut self) -> u64 {
        std::mem::take(&mut self.unknown.count)
    }
}

fn read(app: &App, line: &[u8], number: usize, unknown: &mut Unknown) -> Option<Next> {
    let line = line.trim_ascii();
    (!line.is_empty()).then(|| Next::Row(rows::read_one(app, line, number, unknown)))
}
