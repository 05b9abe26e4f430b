//! The columns of a table that grows, file by file and row by row.

use std::collections::HashMap;

use super::column::{Builder, Plan};
use super::table::Part;
use super::{MAX_COLUMNS, MAX_NAME_BYTES, MAX_ROWS};
use crate::error::DataError;

const SAME_COLUMNS: &str = "all files of a folder need the same columns, in any order";

/// Columns that grow.
#[derive(Debug, Default)]
pub(super) struct Columns {
    pub(super) builders: Vec<Builder>,
    /// Rows that were begun.
    pub(super) rows: usize,
    /// The files that were begun, in order.
    pub(super) parts: Vec<Part>,
    places: HashMap<String, usize>,
}

impl Columns {
    /// Another file begins.
    pub(super) fn begin(&mut self, file: &str) {
        self.parts.push(Part { file: file.to_owned(), end: self.rows });
    }

    /// The file ends.
    pub(super) fn end(&mut self) -> Result<(), DataError> {
        let rows = self.rows;
        let names: Vec<String> = self.builders.iter().map(|column| column.name().to_owned()).collect();
        check_names(&names).map_err(|problem| self.error(problem))?;
        if let Some(part) = self.parts.last_mut() {
            part.end = rows;
        }
        Ok(())
    }

    /// Rows of the file that is read.
    pub(super) fn rows_of_file(&self) -> usize {
        // The end is the beginning as long as the file is read.
        self.rows - self.parts.last().map_or(0, |part| part.end)
    }

    fn error(&self, problem: impl Into<String>) -> DataError {
        DataError::new(self.parts.last().map_or("", |part| &part.file), problem)
    }

    /// The place in its file of a new row.
    pub(super) fn next_row(&mut self) -> Result<usize, DataError> {
        let row = self.rows_of_file();
        if self.rows >= MAX_ROWS {
            return Err(self.error(format!("more than {MAX_ROWS} rows")).at_row(row));
        }
        self.rows += 1;
        Ok(row)
    }

    /// The place of the column of that name.
    pub(super) fn place(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    /// Adds a column that the first file turns out to have, without values in all rows but the one that was begun.
    pub(super) fn add(&mut self, name: &str, plan: Plan) -> Result<(), String> {
        if self.parts.len() > 1 {
            return Err(format!("{} has no such column; {SAME_COLUMNS}", self.first_file()));
        }
        if self.builders.len() == MAX_COLUMNS {
            return Err(format!("more different names than the {MAX_COLUMNS} columns that are read"));
        }
        let mut builder = Builder::new(name.to_owned(), plan);
        (1..self.rows).for_each(|_| builder.push_missing());
        self.places.insert(name.to_owned(), self.builders.len());
        self.builders.push(builder);
        Ok(())
    }

    fn first_file(&self) -> &str {
        self.parts.first().map_or("", |part| &part.file)
    }

    /// The place of each column of a file that has these, which are those of the first file in any order. For the first file
    /// `plan` says what each is taken for.
    pub(super) fn places(
        &mut self,
        names: Vec<String>,
        plan: impl Fn(usize, &str) -> Plan,
    ) -> Result<Vec<usize>, DataError> {
        check_names(&names).map_err(|problem| self.error(problem))?;
        if self.parts.len() <= 1 {
            for (place, name) in names.into_iter().enumerate() {
                self.places.insert(name.clone(), place);
                let plan = plan(place, &name);
                self.builders.push(Builder::new(name, plan));
            }
            return Ok((0..self.builders.len()).collect());
        }
        let place = |name: &String| {
            self.place(name).ok_or_else(|| {
                self.error(format!("{} has no such column; {SAME_COLUMNS}", self.first_file())).in_column(name)
            })
        };
        let places = names.iter().map(place).collect::<Result<Vec<usize>, DataError>>()?;
        match self.builders.iter().find(|column| !names.iter().any(|name| name == column.name())) {
            None => Ok(places),
            Some(missing) => Err(self.lacks(missing.name())),
        }
    }

    /// The file that is read has not this column of the first one.
    pub(super) fn lacks(&self, name: &str) -> DataError {
        self.error(format!("the column is not there, and {} has it; {SAME_COLUMNS}", self.first_file())).in_column(name)
    }
}

/// Refuses columns that could not be told apart or named.
fn check_names(names: &[String]) -> Result<(), String> {
    if names.len() > MAX_COLUMNS {
        return Err(format!("{} columns; at most {MAX_COLUMNS} are read", names.len()));
    }
    for (place, name) in names.iter().enumerate() {
        if name.is_empty() {
            let hint = "give every column a name in the first row (a table saved together with its row numbers has a column \
                        without a name: save it without them)";
            return Err(format!("column {} has no name; {hint}", place + 1));
        }
        if name.len() > MAX_NAME_BYTES {
            return Err(format!("the name of column {} is longer than {MAX_NAME_BYTES} bytes", place + 1));
        }
    }
    let mut sorted: Vec<_> = names.iter().enumerate().map(|(place, name)| (name, place)).collect();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        None => Ok(()),
        Some(pair) => Err(format!(
            "columns {} and {} are both called {}; give each a name of its own",
            pair[0].1 + 1,
            pair[1].1 + 1,
            pair[0].0
        )),
    }
}
