//! Many rows in few allocations.

use std::collections::VecDeque;

use super::rows::RowError;

/// A decoded row, or what is wrong with it.
pub type Outcome = Result<Vec<f64>, RowError>;

/// Rows one after the other. A body may have a hundred thousand: what each had of its own would be scattered over the memory
/// that is left behind.
#[derive(Debug)]
pub struct Table {
    /// Values of a row.
    fields: usize,
    /// Of the good rows, those included that were taken.
    values: Vec<f64>,
    /// How many of the values were taken.
    taken: usize,
    rows: VecDeque<Result<(), Box<RowError>>>,
}

impl Table {
    /// Without rows, which will have so many values each.
    pub fn new(fields: usize) -> Table {
        Table { fields, values: Vec::new(), taken: 0, rows: VecDeque::new() }
    }

    /// How many rows there are.
    pub fn count(&self) -> usize {
        self.rows.len()
    }

    /// Appends a row.
    pub fn push(&mut self, row: Outcome) {
        self.rows.push_back(match row {
            // Most bodies have one.
            Ok(values) if self.values.is_empty() => {
                self.values = values;
                Ok(())
            }
            Ok(values) => {
                self.values.extend_from_slice(&values);
                Ok(())
            }
            Err(error) => Err(Box::new(error)),
        });
    }

    /// Takes the first rows away, at most so many.
    #[must_use]
    pub fn take(&mut self, most: usize) -> Table {
        if self.rows.len() <= most {
            return std::mem::replace(self, Table::new(self.fields));
        }
        let rows: VecDeque<_> = self.rows.drain(..most).collect();
        let good = rows.iter().filter(|row| row.is_ok()).count();
        let values = self.values[self.taken..][..good * self.fields].to_vec();
        self.taken += values.len();
        Table { fields: self.fields, values, taken: 0, rows }
    }

    /// The rows; none for those with which something is wrong.
    pub fn rows(&self) -> impl Iterator<Item = Option<&[f64]>> {
        let mut values = self.values[self.taken..].chunks_exact(self.fields);
        self.rows.iter().map(move |row| row.as_ref().ok().and_then(|()| values.next()))
    }

    /// What is wrong with the rows, where something is.
    pub fn into_errors(self) -> impl Iterator<Item = Result<(), RowError>> {
        self.rows.into_iter().map(|row| row.map_err(|error| *error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::error::Detail;

    #[test]
    fn rows_come_as_they_were_put_in_however_many_are_taken_at_a_time() {
        let wrong = |number| RowError::one(Detail::of_row(number, "a row", "none".to_owned()));
        let fill = || {
            let mut table = Table::new(2);
            for number in 0..7 {
                let values = vec![number as f64, 0.5];
                table.push(if number % 3 == 2 { Err(wrong(number)) } else { Ok(values) });
            }
            table
        };
        for most in [1, 2, 3, 7, 100] {
            let (mut table, mut seen) = (fill(), Vec::new());
            while table.count() > 0 {
                let part = table.take(most);
                assert!((1..=most).contains(&part.count()));
                seen.extend(part.rows().map(|row| row.map(|row| row[0])));
                assert_eq!(part.rows().map(|row| row.is_some()).collect::<Vec<_>>(), {
                    part.into_errors().map(|row| row.is_ok()).collect::<Vec<_>>()
                });
            }
            assert_eq!(seen, [Some(0.0), Some(1.0), None, Some(3.0), Some(4.0), None, Some(6.0)], "{most}");
        }
    }
}
