//! Columns sorted once, for every tree that is grown on them.

use std::borrow::Cow;
use std::sync::OnceLock;

use crate::learner::Samples;

/// Columns of no more different values than this are counted value by value, and never sorted.
pub(super) const FEW: usize = 256;
/// Values of all columns from which on their order is not kept: every tree sorts for itself, which takes it a little longer
/// and saves twice the memory of the values.
const MANY_VALUES: usize = 1 << 22;
/// Rows from which on sorting by digits is quicker than by comparison.
const MANY_ROWS: usize = 2048;

/// The columns that trees split on.
#[derive(Debug)]
pub(crate) struct Presorted {
    pub(super) columns: Vec<SortedColumn>,
    /// Of columns of few values, some at a time, the places of each row's values among those of the column.
    pub(super) ranks: Vec<Ranks>,
    pub(super) matrix: Matrix,
}

/// The places of the values of some columns among all of their columns.
#[derive(Debug)]
pub(super) struct Ranks {
    /// Row by row; 0 in a lane that is no column.
    pub(super) rows: Vec<[u8; LANES]>,
    /// Different values of each lane.
    pub(super) values: [usize; LANES],
}

impl Ranks {
    /// Number of lanes that are columns.
    pub(super) fn width(&self) -> usize {
        self.values.iter().filter(|&&values| values > 0).count()
    }
}

/// Columns that are looked at together.
pub(super) const LANES: usize = 4;

/// The values of some columns in one row.
pub(super) type Lanes = [f32; LANES];

/// The columns row by row, as 32-bit floats, NaN where a value is missing: a row is in one place of memory when all its
/// columns are looked at. The last lanes of a row that are no column are 0.
#[derive(Debug)]
pub(super) struct Matrix {
    values: Vec<Lanes>,
    /// Lanes of a row, in groups.
    pub(super) groups: usize,
    pub(super) width: usize,
    pub(super) rows: usize,
    pub(super) has_missing: bool,
    /// Column by column, where that was asked for.
    columns: OnceLock<Vec<f32>>,
}

/// The rows of one column by their values.
#[derive(Debug)]
pub(super) enum SortedColumn {
    /// Of no more than [`FEW`] different values, missing ones included.
    Few {
        /// Its values, ascending, missing ones last.
        values: Vec<f32>,
        /// Which of the groups of [`Presorted::ranks`] it is in, and its lane there.
        group: usize,
        lane: usize,
    },
    /// Of more.
    Many {
        /// The keys of all rows, ascending; none where there are too many to be kept.
        keys: Vec<u64>,
    },
}

/// A key sorts rows by their values, missing ones last, then by their numbers.
pub(super) fn key(value: f32, row: u32) -> u64 {
    sortable(value) << 32 | u64::from(row)
}

/// The row of a key.
pub(super) fn row(key: u64) -> u32 {
    key as u32
}

/// The value of a key, NaN where it is missing.
pub(super) fn value(key: u64) -> f32 {
    let bits = (key >> 32) as u32;
    f32::from_bits(if bits >> 31 == 1 { bits ^ 1 << 31 } else { !bits })
}

/// Whether two keys have the same value.
pub(super) fn is_same(a: u64, b: u64) -> bool {
    (a ^ b) >> 32 == 0
}

impl Presorted {
    /// Sorts the columns of all samples.
    pub(crate) fn new(samples: &Samples) -> Presorted {
        let (width, rows) = (samples.columns.len(), samples.rows());
        Presorted::of(samples.each_column(), width, [rows, rows], rows.saturating_mul(width) < MANY_VALUES)
    }

    /// Sorts so many columns of all rows, of which the first `trained` may be learnt from, unless every tree is to do so for
    /// itself.
    pub(super) fn of<'c>(
        columns: impl Iterator<Item = Cow<'c, [f64]>>,
        width: usize,
        [rows, trained]: [usize; 2],
        keeps_order: bool,
    ) -> Presorted {
        let mut matrix = Matrix::new(width, rows);
        let sorted: Vec<Sorted> = columns
            .enumerate()
            .map(|(place, column)| {
                matrix.fill(place, &column);
                Sorted::new(&column[..trained], keeps_order)
            })
            .collect();
        let mut ranks: Vec<Ranks> = Vec::new();
        let mut few = 0;
        let mut place = |sorted| match sorted {
            Sorted::Many(keys) => SortedColumn::Many { keys },
            Sorted::Few(values, of_rows) => {
                let (group, lane) = (few / LANES, few % LANES);
                few += 1;
                if lane == 0 {
                    ranks.push(Ranks { rows: vec![[0; LANES]; trained], values: [0; LANES] });
                }
                ranks[group].values[lane] = values.len();
                for (ranks, rank) in ranks[group].rows.iter_mut().zip(of_rows) {
                    ranks[lane] = rank;
                }
                SortedColumn::Few { values, group, lane }
            }
        };
        let columns = sorted.into_iter().map(&mut place).collect();
        Presorted { columns, ranks, matrix }
    }
}

/// Beyond the range of 32 bits there is nothing to tell apart; adding 0 makes -0 a 0.
fn narrow(value: f64) -> f32 {
    (value as f32).clamp(f32::MIN, f32::MAX) + 0.0
}

impl Matrix {
    fn new(width: usize, rows: usize) -> Matrix {
        let groups = width.div_ceil(LANES);
        Matrix {
            values: vec![[0.0; LANES]; groups * rows],
            groups,
            width,
            rows,
            has_missing: false,
            columns: OnceLock::new(),
        }
    }

    /// Takes the values of a column.
    fn fill(&mut self, column: usize, values: &[f64]) {
        let (group, lane) = (column / LANES, column % LANES);
        for (row, &value) in self.values[group..].iter_mut().step_by(self.groups).zip(values) {
            row[lane] = narrow(value);
            self.has_missing |= value.is_nan();
        }
    }

    /// Whether so many columns are most of them, so that all at once are looked at sooner than one after the other.
    pub(super) fn mostly(&self, columns: usize) -> bool {
        2 * columns >= self.width
    }

    /// The values of a column: nearer to each other than in rows, where few columns are looked at.
    pub(super) fn column(&self, column: usize) -> &[f32] {
        let columns = self.columns.get_or_init(|| {
            let rows = 0..self.rows as u32;
            (0..self.width).flat_map(|column| rows.clone().map(move |row| self.value(row, column))).collect()
        });
        &columns[column * self.rows..][..self.rows]
    }

    /// The columns of a row, and what fills up its lanes.
    pub(super) fn row(&self, row: u32) -> &[Lanes] {
        let start = row as usize * self.groups;
        &self.values[start..start + self.groups]
    }

    /// The value of a row.
    pub(super) fn value(&self, row: u32, column: usize) -> f32 {
        self.values[row as usize * self.groups + column / LANES][column % LANES]
    }
}

/// A column that was sorted: its different values with the place of each row's among them where these are few, or the keys.
enum Sorted {
    Few(Vec<f32>, Vec<u8>),
    Many(Vec<u64>),
}

impl Sorted {
    fn new(values: &[f64], keeps_order: bool) -> Sorted {
        if let Some((values, ranks)) = few(values) {
            return Sorted::Few(values, ranks);
        }
        if !keeps_order {
            return Sorted::Many(Vec::new());
        }
        let mut keys: Vec<u64> = (0..).zip(values).map(|(row, &value)| key(narrow(value), row)).collect();
        sort(&mut keys);
        Sorted::Many(keys)
    }
}

/// The different values of a column, ascending, missing ones last, and the place of each row's among them; `None` where there
/// are more than [`FEW`].
pub(super) fn few(values: &[f64]) -> Option<(Vec<f32>, Vec<u8>)> {
    /// Of a table that is never more than a quarter full.
    const SLOTS: usize = 4 * FEW;
    // One more than the place of a value among those found so far; 0 in an empty slot.
    let mut slots = [0_u16; SLOTS];
    let mut found: Vec<u32> = Vec::with_capacity(FEW);
    let mut places = Vec::with_capacity(values.len());
    for &value in values {
        let sortable = sortable(narrow(value)) as u32;
        // Multiplicative hashing (Knuth 1973).
        let mut slot = (sortable.wrapping_mul(0x9e37_79b1) >> 22) as usize;
        let place = loop {
            match slots[slot] {
                0 if found.len() == FEW => return None,
                0 => {
                    found.push(sortable);
                    slots[slot] = found.len() as u16;
                    break found.len() - 1;
                }
                place if found[usize::from(place) - 1] == sortable => break usize::from(place) - 1,
                _ => slot = (slot + 1) % SLOTS,
            }
        };
        places.push(place as u8);
    }
    let mut order: Vec<usize> = (0..found.len()).collect();
    order.sort_unstable_by_key(|&place| found[place]);
    let mut ranks = [0; FEW];
    for (rank, &place) in order.iter().enumerate() {
        ranks[place] = rank as u8;
    }
    let values = order.iter().map(|&place| value(u64::from(found[place]) << 32)).collect();
    for place in &mut places {
        *place = ranks[usize::from(*place)];
    }
    Some((values, places))
}

impl SortedColumn {
    /// Whether no rows can be told apart by it.
    pub(super) fn is_constant(&self) -> bool {
        matches!(self, SortedColumn::Few { values, .. } if values.len() < 2)
    }

    /// Writes the keys of some rows, which are ascending, into `keys`, ascending too. `used` marks the rows, `value` is that of
    /// a row.
    pub(super) fn order(&self, rows: &[u32], used: &[bool], value: impl Fn(u32) -> f32, keys: &mut Vec<u64>) {
        keys.clear();
        match self {
            SortedColumn::Many { keys: all } if rows.len() == all.len() => keys.extend_from_slice(all),
            // Sorting a few rows is quicker than looking for them among all.
            SortedColumn::Many { keys: all } if !all.is_empty() && rows.len() * 16 > all.len() => {
                keys.extend(rows.iter().map(|_| 0));
                let mut kept = 0;
                for &key in all {
                    // Written in any case, and counted where it is used: no branch to mispredict.
                    if let Some(place) = keys.get_mut(kept) {
                        *place = key;
                    }
                    kept += usize::from(used[row(key) as usize]);
                }
            }
            _ => {
                keys.extend(rows.iter().map(|&row| key(value(row), row)));
                sort(keys);
            }
        }
    }
}

/// How many of these keys, which are ascending, have a value.
pub(super) fn present(keys: &[u64]) -> usize {
    match keys.last() {
        Some(&last) if value(last).is_nan() => keys.partition_point(|&key| !value(key).is_nan()),
        _ => keys.len(),
    }
}

/// Sorts keys of ascending rows, by three digits of what is before the row.
fn sort(keys: &mut Vec<u64>) {
    const DIGITS: usize = 1 << 11;
    if keys.len() < MANY_ROWS {
        return keys.sort_unstable();
    }
    let mut sorted = vec![0; keys.len()];
    for shift in [32, 43, 54] {
        let digit = |key: u64| (key >> shift) as usize % DIGITS;
        let mut places = [0; DIGITS];
        for &key in keys.iter() {
            places[digit(key)] += 1;
        }
        if places[digit(keys[0])] == keys.len() {
            continue;
        }
        let mut start = 0;
        for place in &mut places {
            (*place, start) = (start, start + *place);
        }
        for &key in keys.iter() {
            let place = &mut places[digit(key)];
            sorted[*place] = key;
            *place += 1;
        }
        std::mem::swap(keys, &mut sorted);
    }
}

/// Bits that sort as the floats do, missing values last.
fn sortable(value: f32) -> u64 {
    let bits = value.to_bits();
    if value.is_nan() {
        return u64::from(u32::MAX);
    }
    u64::from(if bits >> 31 == 1 { !bits } else { bits | 1 << 31 })
}
