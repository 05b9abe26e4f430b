//! The values of a field in the training rows.

use std::borrow::Cow;
use std::ops::Index;
use std::sync::Arc;

/// One value a training row: a column of the table as it is, of which some rows are the training rows, or a list of their own.
/// Large tables are not kept twice.
#[derive(Clone, Debug)]
pub(crate) struct Values {
    all: Arc<Vec<f64>>,
    /// Where the training rows stand; `None` where they are all there is.
    rows: Option<Arc<[u32]>>,
}

impl Values {
    /// The values of some rows of a column.
    pub(crate) fn of_rows(all: Arc<Vec<f64>>, rows: Arc<[u32]>) -> Self {
        Values { all, rows: Some(rows) }
    }

    /// The values in the order of the training rows, those that are missing replaced where there is something to `fill` in.
    pub(crate) fn filled(&self, fill: Option<f64>) -> Cow<'_, [f64]> {
        match (&self.rows, fill) {
            (None, None) => Cow::Borrowed(&self.all),
            (None, fill) => self.all.iter().map(|&value| or(value, fill)).collect(),
            (Some(rows), fill) => rows.iter().map(|&row| or(self.all[row as usize], fill)).collect(),
        }
    }

    /// The value of a training row, or what is to `fill` in where it is missing.
    pub(crate) fn at(&self, row: u32, fill: Option<f64>) -> f64 {
        or(self[row as usize], fill)
    }
}

fn or(value: f64, fill: Option<f64>) -> f64 {
    fill.filter(|_| value.is_nan()).unwrap_or(value)
}

impl From<Vec<f64>> for Values {
    fn from(values: Vec<f64>) -> Self {
        Values { all: Arc::new(values), rows: None }
    }
}

impl FromIterator<f64> for Values {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        Vec::from_iter(values).into()
    }
}

impl Index<usize> for Values {
    type Output = f64;

    fn index(&self, row: usize) -> &f64 {
        match &self.rows {
            None => &self.all[row],
            Some(rows) => &self.all[rows[row] as usize],
        }
    }
}
