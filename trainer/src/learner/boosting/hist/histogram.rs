//! Sums of the derivatives by bin.

use super::bins::{BLOCK, Binned, MAX_BINS};

/// The rows of one bin.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Bin {
    /// Sums of the first and of the second derivative.
    pub(super) sums: [f64; 2],
    pub(super) rows: u32,
}

/// The bins of every column, one after the other.
pub(super) type Histogram = Vec<Bin>;

/// Where the bins of each column stand in a histogram.
#[derive(Debug)]
pub(super) struct Layout {
    /// Of each column the first bin, and at the end the number of bins. The bin of missing values is counted.
    offsets: Vec<usize>,
    /// Whether every row's second derivative is 1, which makes their sum the number of rows.
    unit_hessian: bool,
}

impl Layout {
    pub(super) fn new(binned: &Binned, unit_hessian: bool) -> Layout {
        let mut offsets = vec![0];
        let mut end = 0;
        for feature in &binned.features {
            end += feature.bins + usize::from(feature.missing);
            offsets.push(end);
        }
        Layout { offsets, unit_hessian }
    }

    /// A histogram of nothing.
    pub(super) fn empty(&self) -> Histogram {
        vec![Bin::default(); self.offsets.last().copied().unwrap_or(0)]
    }

    /// The parts of a histogram that belong to each block of columns.
    pub(super) fn blocks<'a>(&self, mut histogram: &'a mut [Bin]) -> Vec<&'a mut [Bin]> {
        let mut blocks = Vec::new();
        for first in (0..self.offsets.len() - 1).step_by(BLOCK) {
            let last = (first + BLOCK).min(self.offsets.len() - 1);
            let (block, rest) = histogram.split_at_mut(self.offsets[last] - self.offsets[first]);
            blocks.push(block);
            histogram = rest;
        }
        blocks
    }

    /// The bins of each column of a block.
    pub(super) fn features<'a>(&self, block: usize, bins: &'a [Bin]) -> impl Iterator<Item = (usize, &'a [Bin])> {
        let first = block * BLOCK;
        let last = (first + BLOCK).min(self.offsets.len() - 1);
        (first..last).map(move |feature| {
            let start = self.offsets[first];
            (feature, &bins[self.offsets[feature] - start..self.offsets[feature + 1] - start])
        })
    }

    /// Sums the derivatives of some rows into the bins of a block. `slopes` belong to `rows`, one to one.
    pub(super) fn fill(&self, block: usize, bins: &[[u8; BLOCK]], rows: &[u32], slopes: &[[f32; 2]], into: &mut [Bin]) {
        let first = block * BLOCK;
        let width = BLOCK.min(self.offsets.len() - 1 - first);
        let mut sums = [[[0.0; 2]; MAX_BINS]; BLOCK];
        let mut counts = [[0; MAX_BINS]; BLOCK];
        let into_sums = (&mut sums, &mut counts);
        match (width, self.unit_hessian) {
            (1, true) => sum::<1, false>(bins, rows, slopes, into_sums),
            (2, true) => sum::<2, false>(bins, rows, slopes, into_sums),
            (3, true) => sum::<3, false>(bins, rows, slopes, into_sums),
            (_, true) => sum::<BLOCK, false>(bins, rows, slopes, into_sums),
            (1, false) => sum::<1, true>(bins, rows, slopes, into_sums),
            (2, false) => sum::<2, true>(bins, rows, slopes, into_sums),
            (3, false) => sum::<3, true>(bins, rows, slopes, into_sums),
            (_, false) => sum::<BLOCK, true>(bins, rows, slopes, into_sums),
        }
        let mut into = into.iter_mut();
        for place in 0..width {
            let bins = self.offsets[first + place + 1] - self.offsets[first + place];
            for bin in 0..bins {
                if let Some(into) = into.next() {
                    let sums = sums[place][bin];
                    let rows = if self.unit_hessian { sums[1] as u32 } else { counts[place][bin] };
                    *into = Bin { sums, rows };
                }
            }
        }
    }
}

/// The inner loop of all training. Columns of a block are summed side by side, so that a row is read once and additions to
/// one bin after the other need not wait for each other.
fn sum<const WIDTH: usize, const COUNTED: bool>(
    bins: &[[u8; BLOCK]],
    rows: &[u32],
    slopes: &[[f32; 2]],
    (sums, counts): (&mut [[[f64; 2]; MAX_BINS]; BLOCK], &mut [[u32; MAX_BINS]; BLOCK]),
) {
    for (&row, slope) in rows.iter().zip(slopes) {
        let bins = bins[row as usize];
        let [gradient, hessian] = slope.map(f64::from);
        for place in 0..WIDTH {
            let bin = usize::from(bins[place]);
            let sum = &mut sums[place][bin];
            *sum = [sum[0] + gradient, sum[1] + hessian];
            if COUNTED {
                counts[place][bin] += 1;
            }
        }
    }
}

/// Takes the rows of one child from those of its parent, which leaves those of the other.
pub(super) fn subtract(parent: &mut [Bin], child: &[Bin]) {
    for (parent, child) in parent.iter_mut().zip(child) {
        parent.sums[0] -= child.sums[0];
        parent.sums[1] -= child.sums[1];
        parent.rows -= child.rows;
    }
}
