//! Rows as linear models see them: standardised, and stored once for all passes of a fit.
//!
//! Columns that are mostly zero, such as those of one-hot categories, are stored by their other values only: what a pass costs
//! grows with the fields of a row, not with its categories.

use std::ops::Range;

use rayon::prelude::*;
use slipway_model::{Encoder, Scale};
use slipway_spec::Scaling;

use super::linalg::{Symmetric, add_scaled, dot};
use super::{FitError, Samples};
use crate::features::scale;

/// Most columns of a linear model.
const MAX_COLUMNS: usize = 4_000;
/// Most numbers that the rows of a fit are stored as.
const MAX_STORED: usize = 1 << 31;
/// Rows looked at to find out which columns are mostly zero.
const PROBED: usize = 1_000;
/// A column is stored by its values other than zero where their share is at most this.
const SPARSE: f64 = 0.25;
/// Rows that are encoded, or reduced, on their own, whatever the number of threads, so that sums are always the same.
const MIN_PART: usize = 1_024;
/// Most parts of a reduction.
const MAX_PARTS: usize = 64;
/// Most numbers that the partial results of one reduction hold together.
const MAX_PARTIAL: usize = 1 << 23;
/// Rows whose products are added at once.
const TOGETHER: usize = 4;

/// The rows of a fit. Inside, columns have places: first those stored in full, then a column of ones where there is an
/// intercept, then those that are mostly zero.
pub(super) struct Design {
    /// With scales from these rows.
    pub(super) encoder: Encoder,
    /// The rows, as places in the samples.
    pub(super) rows: Vec<u32>,
    /// The weight of each row.
    pub(super) weights: Vec<f64>,
    /// Whether there is a column of ones.
    pub(super) intercept: bool,
    /// The column at each place other than that of the intercept.
    columns: Vec<usize>,
    /// What was taken from each column of the encoder: its value is the stored one plus this. All 0 without an intercept.
    shifts: Vec<f64>,
    /// The weighted mean of each column of the encoder.
    pub(super) means: Vec<f64>,
    /// The standard deviation of each column of the encoder.
    deviations: Vec<f64>,
    /// Columns stored in full, the one of ones included.
    full: usize,
    values: Vec<f64>,
    /// Where the other values of each row start, and where the last ones end.
    starts: Vec<usize>,
    entries: Vec<Entry>,
}

/// A value of a column that is mostly zero.
#[derive(Clone, Copy, Debug)]
struct Entry {
    place: u32,
    value: f64,
}

/// One row of a [`Design`].
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    full: &'a [f64],
    entries: &'a [Entry],
}

impl Row<'_> {
    /// The sum of the columns times `weights`, one a place.
    pub(super) fn dot(&self, weights: &[f64]) -> f64 {
        let (full, _) = weights.split_at(self.full.len());
        self.entries.iter().fold(dot(self.full, full), |sum, entry| sum + entry.value * weights[entry.place as usize])
    }

    /// Adds the columns times `factor` to `sums`, one a place.
    pub(super) fn add_to(&self, factor: f64, sums: &mut [f64]) {
        add_scaled(&mut sums[..self.full.len()], factor, self.full);
        for entry in self.entries {
            sums[entry.place as usize] += factor * entry.value;
        }
    }
}

impl Design {
    /// Encodes `rows` and scales each column by its values there as its [`crate::features::Column`] says; by default numbers and
    /// times by weighted mean and population standard deviation, as scikit-learn's `StandardScaler`, but not columns of zeros
    /// and ones.
    pub(super) fn new(samples: &Samples, rows: &[u32], intercept: bool) -> Result<Design, FitError> {
        let width = samples.encoder.width();
        check_width(samples, rows.len())?;
        let weights = samples.weights_of(rows);
        if weights.iter().sum::<f64>() <= 0.0 {
            return Err(FitError(
                "the weights of all training rows are 0, so there is nothing to learn from".to_owned(),
            ));
        }
        let (mut full, mut sparse) = (Vec::new(), Vec::new());
        let probe = Probe::new(samples, rows);
        for (column, &share) in probe.shares.iter().enumerate() {
            // Standardising takes the mean from a column, which an intercept makes up for.
            let may_be_sparse = intercept || !samples.scaled(column);
            if may_be_sparse && share <= SPARSE { &mut sparse } else { &mut full }.push(column);
        }
        let mut design = Design {
            encoder: samples.encoder.clone(),
            rows: rows.to_vec(),
            weights,
            intercept,
            full: full.len() + usize::from(intercept),
            columns: [full, sparse].concat(),
            shifts: vec![0.0; width],
            means: vec![0.0; width],
            deviations: vec![0.0; width],
            values: Vec::new(),
            starts: vec![0],
            entries: Vec::new(),
        };
        let mut near = vec![0.0; design.places()];
        for (column, place) in design.place_of_columns().into_iter().enumerate() {
            near[place] = if place < design.full { probe.means[column] } else { 0.0 };
        }
        let sums = design.encode(samples, &near)?;
        design.standardise(samples, &near, &sums)?;
        Ok(design)
    }

    /// Number of rows.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Number of places: columns, and one for the intercept.
    pub(super) fn places(&self) -> usize {
        self.columns.len() + usize::from(self.intercept)
    }

    /// Where the intercept has its place.
    pub(super) fn intercept_place(&self) -> Option<usize> {
        self.intercept.then(|| self.full - 1)
    }

    /// The place of each column of the encoder.
    pub(super) fn place_of_columns(&self) -> Vec<usize> {
        let mut places = vec![0; self.columns.len()];
        for (order, &column) in self.columns.iter().enumerate() {
            places[column] = self.place(order);
        }
        places
    }

    /// Multiplications of one pass over a row.
    pub(super) fn density(&self) -> f64 {
        self.full as f64 + self.entries.len() as f64 / self.len() as f64
    }

    /// The row at `place` among the rows of the fit.
    pub(super) fn row(&self, place: usize) -> Row<'_> {
        Row {
            full: &self.values[place * self.full..(place + 1) * self.full],
            entries: &self.entries[self.starts[place]..self.starts[place + 1]],
        }
    }

    /// One coefficient for each column of the encoder, and the intercept, of `weights` by place.
    pub(super) fn coefficients(&self, weights: &[f64]) -> (Vec<f64>, f64) {
        let coefficients: Vec<f64> = self.place_of_columns().into_iter().map(|place| weights[place]).collect();
        let intercept = self.intercept_place().map_or(0.0, |place| weights[place]);
        let shifted: f64 = coefficients.iter().zip(&self.shifts).map(|(weight, shift)| weight * shift).sum();
        (coefficients, intercept - shifted)
    }

    /// How much each column of the encoder moves the sums that have these coefficients: a coefficient's size times the column's
    /// standard deviation, on average over the sums.
    pub(super) fn importances(&self, coefficients: &[Vec<f64>]) -> Vec<f64> {
        let size = |column: usize| coefficients.iter().map(|sum| sum[column].abs()).sum::<f64>();
        let importance = |(column, deviation): (usize, &f64)| deviation * size(column) / coefficients.len() as f64;
        self.deviations.iter().enumerate().map(importance).collect()
    }

    /// Divides the rows into parts, `reduce`s each, in parallel, to `size` numbers, and adds those up in order.
    pub(super) fn reduce(&self, size: usize, reduce: impl Fn(Range<usize>, &mut [f64]) + Sync) -> Vec<f64> {
        let most = (MAX_PARTIAL / size.max(1)).clamp(1, MAX_PARTS);
        let length = self.len().div_ceil(most).max(MIN_PART);
        let parts: Vec<Vec<f64>> = (0..self.len())
            .step_by(length)
            .collect::<Vec<_>>()
            .into_par_iter()
            .map(|start| {
                let mut sums = vec![0.0; size];
                reduce(start..(start + length).min(self.len()), &mut sums);
                sums
            })
            .collect();
        let mut parts = parts.into_iter();
        let mut whole = parts.next().unwrap_or_else(|| vec![0.0; size]);
        for part in parts {
            add_scaled(&mut whole, 1.0, &part);
        }
        whole
    }

    /// The sum over the rows of `factors`, one a row, times the products of each two places.
    pub(super) fn products(&self, factors: &[f64]) -> Symmetric {
        let size = self.places();
        let values = self.reduce(size * (size + 1) / 2, |rows, sums| {
            self.add_products(rows.clone(), &factors[rows], sums);
        });
        Symmetric { size, values }
    }

    /// Adds the products of `rows`, times `factors`, to a lower triangle.
    pub(super) fn add_products(&self, rows: Range<usize>, factors: &[f64], triangle: &mut [f64]) {
        let (start, full) = (rows.start, self.full);
        for (group, factors) in factors.chunks(TOGETHER).enumerate() {
            let first = start + group * TOGETHER;
            let values = &self.values[first * full..(first + factors.len()) * full];
            match (values.len() == TOGETHER * full, factors.try_into()) {
                (true, Ok(factors)) => add_four(values, factors, full, triangle),
                _ => {
                    for (values, factor) in values.chunks_exact(full.max(1)).zip(factors) {
                        add_one(values, *factor, triangle);
                    }
                }
            }
        }
        if self.entries.is_empty() {
            return;
        }
        for (place, factor) in rows.zip(factors) {
            let row = self.row(place);
            for (position, entry) in row.entries.iter().enumerate() {
                let (own, scaled) = (entry.place as usize, factor * entry.value);
                let sums = &mut triangle[own * (own + 1) / 2..][..=own];
                add_scaled(&mut sums[..full], scaled, row.full);
                for other in &row.entries[..=position] {
                    sums[other.place as usize] += scaled * other.value;
                }
            }
        }
    }

    /// The place of the column that is `order`th inside.
    fn place(&self, order: usize) -> usize {
        let stored_in_full = self.full - usize::from(self.intercept);
        order + usize::from(self.intercept && order >= stored_in_full)
    }

    /// Stores the columns as the encoder gives them; returns the sums of [`Part`], of all rows. `near` has a value of each place
    /// that is near its mean.
    fn encode(&mut self, samples: &Samples, near: &[f64]) -> Result<Vec<[f64; 2]>, FitError> {
        // Straight into their place: they are not kept twice.
        let width = self.full.max(1);
        let mut values = vec![0.0; self.rows.len() * width];
        let parts: Vec<Part> = self
            .rows
            .par_chunks(MIN_PART)
            .zip(self.weights.par_chunks(MIN_PART))
            .zip(values.par_chunks_mut(MIN_PART * width))
            .map(|(rows, values)| self.encode_part(samples, near, rows, values))
            .collect::<Result<_, FitError>>()?;
        self.values = if self.full > 0 { values } else { Vec::new() };
        self.entries.reserve_exact(parts.iter().map(|part| part.entries.len()).sum());
        self.starts.reserve_exact(self.rows.len());
        let mut sums = vec![[0.0; 2]; self.places()];
        for part in parts {
            let before = self.entries.len();
            self.entries.extend(part.entries);
            self.starts.extend(part.ends.into_iter().map(|end| before + end));
            for (sums, own) in sums.iter_mut().flatten().zip(part.sums.iter().flatten()) {
                *sums += own;
            }
        }
        Ok(sums)
    }

    /// Encodes some rows; `values` are of those stored in full.
    fn encode_part(
        &self,
        samples: &Samples,
        near: &[f64],
        (rows, weights): (&[u32], &[f64]),
        values: &mut [f64],
    ) -> Result<Part, FitError> {
        let mut part =
            Part { entries: Vec::new(), ends: Vec::with_capacity(rows.len()), sums: vec![[0.0; 2]; self.places()] };
        let places = self.place_of_columns();
        let width = self.full.max(1);
        // Fields column by column, all others row by row.
        let (mut others, mut first) = (Vec::new(), 0);
        for block in self.encoder.blocks() {
            let columns = first..first + block.width();
            first = columns.end;
            match block.as_field() {
                Some((field, fill)) if places[columns.start] < self.full => {
                    let place = places[columns.start];
                    let field = &samples.fields[field];
                    for (value, &row) in values[place..].iter_mut().step_by(width).zip(rows) {
                        *value = field.at(row, fill);
                    }
                }
                _ => others.push((block, &places[columns])),
            }
        }
        let mut columns = Vec::new();
        for (at, &row) in rows.iter().enumerate() {
            for (block, places) in &others {
                columns.clear();
                block.encode(|field| samples.fields[field][row as usize], &mut columns);
                for (&value, &place) in columns.iter().zip(*places) {
                    if place < self.full {
                        values[at * width + place] = value;
                    } else if value != 0.0 {
                        part.entries.push(Entry { place: place as u32, value });
                    }
                }
            }
            part.ends.push(part.entries.len());
        }
        if let Some(place) = self.intercept_place() {
            values[place..].iter_mut().step_by(width).for_each(|value| *value = 1.0);
        }
        self.add_up(near, weights, values, &mut part);
        // What is not finite makes such a sum.
        if !part.sums.iter().flatten().all(|sum| sum.is_finite()) {
            self.check_finite(samples, rows)?;
        }
        Ok(part)
    }

    /// Sums up what means and variances are made of.
    fn add_up(&self, near: &[f64], weights: &[f64], values: &[f64], part: &mut Part) {
        let (sums, sparse) = part.sums.split_at_mut(self.full);
        for (row, &weight) in values.chunks_exact(self.full.max(1)).zip(weights) {
            for (([sum, squares], value), near) in sums.iter_mut().zip(row).zip(near) {
                let weighted = weight * (value - near);
                *sum += weighted;
                *squares += weighted * (value - near);
            }
        }
        let mut start = 0;
        for (&end, &weight) in part.ends.iter().zip(weights) {
            for Entry { place, value } in &part.entries[start..end] {
                let [sum, squares] = &mut sparse[*place as usize - self.full];
                *sum += weight * value;
                *squares += weight * value * value;
            }
            start = end;
        }
    }

    /// Refuses the first row with a column that is missing or infinite.
    fn check_finite(&self, samples: &Samples, rows: &[u32]) -> Result<(), FitError> {
        let (mut decoded, mut columns) = (Vec::new(), Vec::new());
        rows.iter().try_for_each(|&row| {
            columns.clear();
            samples.encode(&self.encoder, row, &mut decoded, &mut columns);
            samples.check_finite(row, &columns)
        })
    }

    /// Finds the scales of the encoder, and scales and centres what is stored; `sums` are those of [`Part`], of all rows, and
    /// of what is `near` them.
    fn standardise(&mut self, samples: &Samples, near: &[f64], sums: &[[f64; 2]]) -> Result<(), FitError> {
        let total: f64 = self.weights.iter().sum();
        let places = self.places();
        let mut centres = vec![0.0; places];
        let mut factors = vec![1.0; places];
        let mut scales = vec![Scale { mean: 0.0, scale: 1.0 }; self.columns.len()];
        for (order, &column) in self.columns.iter().enumerate() {
            let place = self.place(order);
            let stored_in_full = place < self.full;
            let [moved, squares] = sums[place].map(|sum| sum / total);
            let mean = near[place] + moved;
            // Little is cancelled: a probe is near the mean, and so is 0 where a column is mostly zero.
            let variance = squares - moved * moved;
            if !variance.is_finite() {
                let name = samples.column_name(column);
                return Err(FitError(format!("the numbers of {name} are too large to be squared; scale them down")));
            }
            scales[column] = match samples.columns[column].scaling {
                Scaling::None => scales[column],
                Scaling::Standard => standard(mean, variance, self.len()),
                other => scale::of_values(other, &mut self.values_at(place)),
            };
            // Without an intercept the stored value is the encoder's.
            centres[place] = match (self.intercept, stored_in_full) {
                (true, true) => mean,
                (true, false) => 0.0,
                (false, _) => scales[column].mean,
            };
            let constant = variance <= rounding(mean, variance, self.len());
            factors[place] =
                if constant && (self.intercept || samples.scaled(column)) { 0.0 } else { 1.0 / scales[column].scale };
            self.deviations[column] = variance.max(0.0).sqrt() * factors[place].abs();
            // The encoder's value is (x - its mean) / its scale, the stored one (x - centre) / the same scale.
            self.shifts[column] = (centres[place] - scales[column].mean) / scales[column].scale;
            self.means[column] = (mean - scales[column].mean) / scales[column].scale;
        }
        if let Some(place) = self.intercept_place() {
            centres[place] = 0.0;
        }
        self.values.par_chunks_mut(self.full.max(1) * MIN_PART).for_each(|part| {
            for row in part.chunks_exact_mut(self.full.max(1)) {
                for ((value, centre), factor) in row.iter_mut().zip(&centres).zip(&factors) {
                    *value = (*value - centre) * factor;
                }
            }
        });
        for entry in &mut self.entries {
            entry.value *= factors[entry.place as usize];
        }
        self.encoder = samples.encoder.clone().with_scales(scales);
        Ok(())
    }

    /// What is stored at a place, row by row.
    fn values_at(&self, place: usize) -> Vec<f64> {
        let of_row = |row: usize| {
            let Row { full, entries } = self.row(row);
            let entry = || entries.iter().find(|entry| entry.place as usize == place).map_or(0.0, |entry| entry.value);
            full.get(place).copied().unwrap_or_else(entry)
        };
        (0..self.len()).map(of_row).collect()
    }
}

/// Some rows, encoded.
struct Part {
    entries: Vec<Entry>,
    ends: Vec<usize>,
    /// Of each place the weighted sums of its values, and of their squares, less what is near them.
    sums: Vec<[f64; 2]>,
}

/// What some rows say of all, column by column.
struct Probe {
    /// The share of values other than zero.
    shares: Vec<f64>,
    /// The mean; 0 where there is none.
    means: Vec<f64>,
}

fn check_width(samples: &Samples, rows: usize) -> Result<(), FitError> {
    let width = samples.encoder.width();
    let advice = "leave features out, encode categories as Ordinal, or use a tree";
    if width > MAX_COLUMNS {
        return Err(FitError(format!(
            "a linear model of {width} columns, categories one-hot; at most {MAX_COLUMNS} are possible: {advice}"
        )));
    }
    if rows.saturating_mul(samples.fields.len()) > MAX_STORED {
        return Err(FitError(format!(
            "{rows} rows of {} fields are too many for a linear model: {advice}",
            samples.fields.len()
        )));
    }
    Ok(())
}

impl Probe {
    /// Looks at rows spread over all.
    fn new(samples: &Samples, rows: &[u32]) -> Probe {
        let width = samples.encoder.width();
        let (mut counts, mut first, mut moved) = (vec![0_usize; width], Vec::new(), vec![0.0; width]);
        let (mut decoded, mut columns) = (Vec::new(), Vec::new());
        let mut probed = 0;
        for &row in rows.iter().step_by(rows.len().div_ceil(PROBED).max(1)) {
            columns.clear();
            samples.encode(&samples.encoder, row, &mut decoded, &mut columns);
            if first.is_empty() {
                first.clone_from(&columns);
            }
            for (((count, value), first), moved) in counts.iter_mut().zip(&columns).zip(&first).zip(&mut moved) {
                *count += usize::from(*value != 0.0);
                *moved += value - first;
            }
            probed += 1;
        }
        let probed = f64::from(probed.max(1));
        // The mean of equal values is exactly that value.
        let mean = |(first, moved): (&f64, &f64)| Some(first + moved / probed).filter(|mean| mean.is_finite());
        Probe {
            shares: counts.into_iter().map(|count| count as f64 / probed).collect(),
            means: first.iter().zip(&moved).map(|pair| mean(pair).unwrap_or(0.0)).collect(),
        }
    }
}

fn standard(mean: f64, variance: f64, rows: usize) -> Scale {
    Scale { mean, scale: if variance > rounding(mean, variance, rows) { variance.sqrt() } else { 1.0 } }
}

/// A column whose variance is not above this is constant: it varies only by rounding.
fn rounding(mean: f64, variance: f64, rows: usize) -> f64 {
    let count = rows as f64;
    count * f64::EPSILON * variance + (count * mean * f64::EPSILON).powi(2)
}

/// Adds the products of one row, times `factor`, to a lower triangle.
fn add_one(row: &[f64], factor: f64, triangle: &mut [f64]) {
    let mut rest = triangle;
    for (place, value) in row.iter().enumerate() {
        let (sums, after) = rest.split_at_mut(place + 1);
        add_scaled(sums, factor * value, &row[..=place]);
        rest = after;
    }
}

/// The same for four rows, one after the other in `rows`: reads and writes each sum once.
fn add_four(rows: &[f64], factors: &[f64; TOGETHER], full: usize, triangle: &mut [f64]) {
    let (first, rest) = rows.split_at(full);
    let (second, rest) = rest.split_at(full);
    let (third, fourth) = rest.split_at(full);
    let mut rest = triangle;
    for place in 0..full {
        let (sums, after) = rest.split_at_mut(place + 1);
        let values = [first[place], second[place], third[place], fourth[place]];
        let scaled: [f64; TOGETHER] = std::array::from_fn(|row| factors[row] * values[row]);
        let columns = first.iter().zip(second).zip(third).zip(fourth);
        for (sum, (((a, b), c), d)) in sums.iter_mut().zip(columns) {
            *sum += (scaled[0] * a + scaled[1] * b) + (scaled[2] * c + scaled[3] * d);
        }
        rest = after;
    }
}
