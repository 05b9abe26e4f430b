//! A column as it is kept: numbers and times as such, everything else as texts of which each is kept once.

use std::borrow::Cow;
use std::sync::Arc;

use slipway_model::value::{parse_timestamp, write_timestamp};

use super::dictionary::{self, Dictionary, Interner};
use super::number::{self, Style};

/// Spellings of a missing value in text files, beside the empty cell.
pub const MISSING: [&str; 9] = ["NA", "N/A", "n/a", "#N/A", "null", "NULL", "NaN", "nan", "<NA>"];

const TOO_MUCH_TEXT: &str = "the column holds more than 4 GiB of different texts";

/// One column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its name.
    pub name: String,
    pub(crate) cells: Cells,
}

/// The values of a column, one a row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cells {
    /// Numbers; NaN where they are missing, never infinite.
    Numbers(Arc<Vec<f64>>),
    /// Times, seconds since 1970-01-01 UTC; NaN where they are missing.
    Times(Arc<Vec<f64>>),
    /// Texts.
    Texts(Texts),
}

/// Texts, of which each is kept once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Texts {
    /// One a row: its number in the dictionary, or [`dictionary::MISSING`].
    pub(crate) codes: Vec<u32>,
    pub(crate) dictionary: Dictionary,
}

impl Texts {
    /// How often each text of the dictionary occurs.
    pub(crate) fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.dictionary.len()];
        for &code in self.codes.iter().filter(|&&code| code != dictionary::MISSING) {
            counts[code as usize] += 1;
        }
        counts
    }
}

impl Column {
    /// The cell of a row as text, trimmed; empty where the value is missing.
    pub fn cell(&self, row: usize) -> Cow<'_, str> {
        match &self.cells {
            Cells::Numbers(values) | Cells::Times(values) if values[row].is_nan() => "".into(),
            Cells::Numbers(values) => values[row].to_string().into(),
            Cells::Times(values) => write_timestamp(values[row]).into(),
            Cells::Texts(texts) if texts.codes[row] == dictionary::MISSING => "".into(),
            Cells::Texts(texts) => texts.dictionary.get(texts.codes[row]).into(),
        }
    }

    /// The cells, in order.
    pub fn cells(&self) -> impl Iterator<Item = Cow<'_, str>> {
        (0..self.len()).map(|row| self.cell(row))
    }

    /// Whether a row has no value.
    pub fn is_missing(&self, row: usize) -> bool {
        match &self.cells {
            Cells::Numbers(values) | Cells::Times(values) => values[row].is_nan(),
            Cells::Texts(texts) => texts.codes[row] == dictionary::MISSING,
        }
    }

    /// Number of cells.
    pub fn len(&self) -> usize {
        match &self.cells {
            Cells::Numbers(values) | Cells::Times(values) => values.len(),
            Cells::Texts(texts) => texts.codes.len(),
        }
    }

    /// Whether there is no cell.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The column as texts, whatever it is kept as.
    pub(crate) fn texts(&self) -> Cow<'_, Texts> {
        match &self.cells {
            Cells::Texts(texts) => Cow::Borrowed(texts),
            Cells::Numbers(_) | Cells::Times(_) => {
                let mut builder = Builder::new(self.name.clone(), Plan::Texts);
                for cell in self.cells() {
                    // Numbers and times have less text than there may be.
                    let _ = builder.push_text(&cell);
                }
                match builder.finish() {
                    Ok(Column { cells: Cells::Texts(texts), .. }) => Cow::Owned(texts),
                    Ok(_) | Err(_) => Cow::Owned(Texts::default()),
                }
            }
        }
    }
}

/// What a column is taken for until a cell says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    Numbers(Style),
    Times,
    Texts,
}

impl Plan {
    /// What all of `cells` are, of which empty ones are missing.
    pub(super) fn of<'a>(cells: impl Iterator<Item = &'a str> + Clone, delimiter: u8) -> Plan {
        let mut present = cells.filter(|cell| !cell.is_empty());
        let style = Style::of(&present, delimiter);
        if present.clone().all(|cell| style.parse(cell).is_some()) {
            Plan::Numbers(style)
        } else if present.all(|cell| parse_date(cell).is_some()) {
            Plan::Times
        } else {
            Plan::Texts
        }
    }
}

/// The time that `cell` is. Dates begin with a year; whatever else might be read as one is rather a name.
pub(crate) fn parse_date(cell: &str) -> Option<f64> {
    let bytes = cell.as_bytes();
    let looks = bytes.len() >= 10 && bytes[..4].iter().all(u8::is_ascii_digit) && bytes[4] == b'-';
    if looks { parse_timestamp(cell) } else { None }
}

/// A column that grows.
#[derive(Debug)]
pub(super) struct Builder {
    name: String,
    cells: Growing,
}

#[derive(Debug)]
enum Growing {
    Numbers {
        values: Vec<f64>,
        style: Style,
        /// Whether all cells were spelled as [`f64`] spells itself, so that their text can be had again.
        verbatim: bool,
    },
    Times(Vec<f64>),
    Texts {
        codes: Vec<u32>,
        interner: Interner,
    },
    /// What was taken for numbers or times turned out to be text, and the spelling of its first cells is gone.
    Lost,
}

/// A column must be read once more, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LostText(pub(super) String);

impl Builder {
    pub(super) fn new(name: String, plan: Plan) -> Builder {
        let cells = match plan {
            Plan::Numbers(style) => Growing::Numbers { values: Vec::new(), style, verbatim: style == Style::Plain },
            Plan::Times => Growing::Times(Vec::new()),
            Plan::Texts => Growing::Texts { codes: Vec::new(), interner: Interner::default() },
        };
        Builder { name, cells }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Appends a cell of a text file: trimmed, and missing where it says so.
    pub(super) fn push_cell(&mut self, cell: &[u8]) -> Result<(), &'static str> {
        if let Growing::Numbers { values, style: Style::Plain, verbatim } = &mut self.cells
            && let Some((value, exact)) = number::parse_plain(cell)
        {
            values.push(value);
            *verbatim &= exact;
            return Ok(());
        }
        let cell = std::str::from_utf8(cell).map_err(|_| super::NOT_UTF8)?.trim();
        if cell.is_empty() || MISSING.contains(&cell) {
            self.push_missing();
            Ok(())
        } else {
            self.push_text(cell)
        }
    }

    pub(super) fn push_missing(&mut self) {
        match &mut self.cells {
            Growing::Numbers { values, .. } | Growing::Times(values) => values.push(f64::NAN),
            Growing::Texts { codes, .. } => codes.push(dictionary::MISSING),
            Growing::Lost => {}
        }
    }

    /// Appends a text, which may be a number or a time. An empty one is missing.
    pub(super) fn push_text(&mut self, text: &str) -> Result<(), &'static str> {
        if text.is_empty() {
            self.push_missing();
            return Ok(());
        }
        match &mut self.cells {
            Growing::Numbers { values, style, verbatim } => match style.parse(text) {
                Some(value) => {
                    values.push(value);
                    *verbatim = false;
                    Ok(())
                }
                None => self.push_other(text),
            },
            Growing::Times(values) => {
                match parse_date(text) {
                    Some(value) => values.push(value),
                    None => self.cells = Growing::Lost,
                }
                Ok(())
            }
            Growing::Texts { codes, interner } => {
                codes.push(interner.intern(text).ok_or(TOO_MUCH_TEXT)?);
                Ok(())
            }
            Growing::Lost => Ok(()),
        }
    }

    /// Appends a number; one that is not finite is missing.
    pub(super) fn push_number(&mut self, number: f64) -> Result<(), &'static str> {
        match &mut self.cells {
            Growing::Numbers { values, .. } => {
                values.push(if number.is_finite() { number } else { f64::NAN });
                Ok(())
            }
            _ if !number.is_finite() => {
                self.push_missing();
                Ok(())
            }
            Growing::Times(_) | Growing::Texts { .. } | Growing::Lost => self.push_text(&number.to_string()),
        }
    }

    /// Appends a whole number, of which a text keeps all digits.
    pub(super) fn push_integer(&mut self, number: i128) -> Result<(), &'static str> {
        const EXACT: i128 = 1 << 53;
        match &mut self.cells {
            Growing::Texts { .. } => self.push_text(&number.to_string()),
            Growing::Numbers { values, verbatim, .. } => {
                values.push(number as f64);
                *verbatim &= (-EXACT..=EXACT).contains(&number);
                Ok(())
            }
            Growing::Times(_) | Growing::Lost => self.push_number(number as f64),
        }
    }

    /// Appends a time, seconds since 1970-01-01 UTC.
    pub(super) fn push_time(&mut self, seconds: f64) -> Result<(), &'static str> {
        match &mut self.cells {
            Growing::Times(values) => {
                values.push(seconds);
                Ok(())
            }
            Growing::Numbers { .. } | Growing::Texts { .. } | Growing::Lost => {
                self.push_text(&write_timestamp(seconds))
            }
        }
    }

    /// Appends a text that is no number, though the column was taken for numbers.
    fn push_other(&mut self, text: &str) -> Result<(), &'static str> {
        let Growing::Numbers { values, verbatim, .. } = std::mem::replace(&mut self.cells, Growing::Lost) else {
            return Ok(());
        };
        let blank = values.iter().all(|value| value.is_nan());
        if blank && parse_date(text).is_some() {
            self.cells = Growing::Times(values);
        } else if blank || verbatim {
            self.cells = Growing::Texts { codes: Vec::with_capacity(values.len()), interner: Interner::default() };
            values.iter().try_for_each(|&value| self.push_number(value))?;
        }
        self.push_text(text)
    }

    pub(super) fn finish(self) -> Result<Column, LostText> {
        let cells = match self.cells {
            Growing::Numbers { mut values, .. } => {
                values.shrink_to_fit();
                Cells::Numbers(Arc::new(values))
            }
            Growing::Times(mut values) => {
                values.shrink_to_fit();
                Cells::Times(Arc::new(values))
            }
            Growing::Texts { mut codes, interner } => {
                codes.shrink_to_fit();
                Cells::Texts(Texts { codes, dictionary: interner.finish() })
            }
            Growing::Lost => return Err(LostText(self.name)),
        };
        Ok(Column { name: self.name, cells })
    }
}
