//! Small dense linear algebra: products, symmetric matrices, and their pivoted Cholesky factor.

use rayon::prelude::*;

/// Numbers that are summed side by side, so that the compiler can use wide registers; the order is always the same.
const LANES: usize = 8;
/// Multiplications in one step of a factorisation from which on it is divided among threads.
const WORTH_DIVIDING: usize = 1 << 17;

/// The inner product of two lists of equal length.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut lanes = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    lanes.iter().sum::<f64>() + rest
}

/// Adds `factor` times `more` to `sums`.
pub(super) fn add_scaled(sums: &mut [f64], factor: f64, more: &[f64]) {
    for (sum, more) in sums.iter_mut().zip(more) {
        *sum += factor * more;
    }
}

/// The largest absolute value.
pub(super) fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |largest, value| value.abs().max(largest))
}

/// A symmetric matrix: its lower triangle, row after row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Symmetric {
    pub(super) size: usize,
    pub(super) values: Vec<f64>,
}

impl Symmetric {
    pub(super) fn zeros(size: usize) -> Symmetric {
        Symmetric { size, values: vec![0.0; size * (size + 1) / 2] }
    }

    /// A row up to its diagonal.
    pub(super) fn row(&self, row: usize) -> &[f64] {
        let start = row * (row + 1) / 2;
        &self.values[start..=start + row]
    }

    pub(super) fn row_mut(&mut self, row: usize) -> &mut [f64] {
        let start = row * (row + 1) / 2;
        &mut self.values[start..=start + row]
    }

    pub(super) fn get(&self, row: usize, column: usize) -> f64 {
        self.row(row.max(column))[row.min(column)]
    }

    pub(super) fn diagonal(&self, place: usize) -> f64 {
        self.row(place)[place]
    }

    /// A whole row.
    pub(super) fn whole_row(&self, row: usize) -> Vec<f64> {
        (0..self.size).map(|column| self.get(row, column)).collect()
    }
}

/// The factor L of a positive semi-definite matrix A = L Lᵀ, with as many columns as the matrix has rank, found by taking the
/// largest remaining diagonal first (Higham, Analysis of the Cholesky decomposition of a semi-definite matrix, 1990).
#[derive(Clone, Debug)]
pub(super) struct Factor {
    /// The row of the matrix that became each row of the factor.
    order: Vec<usize>,
    /// Rows of the factor, each as long as it is not zero.
    rows: Vec<Vec<f64>>,
    rank: usize,
    /// Smallest and largest pivot as a ratio.
    pub(super) spread: f64,
    /// The factor of LᵀL, where the rank is not full.
    inner: Option<Box<Factor>>,
}

impl Factor {
    /// Directions whose pivot is at most `negligible` times the largest count as zero.
    pub(super) fn new(matrix: &Symmetric, negligible: f64) -> Factor {
        let size = matrix.size;
        let mut order: Vec<usize> = (0..size).collect();
        let mut rows: Vec<Vec<f64>> = vec![Vec::new(); size];
        let mut rest: Vec<f64> = (0..size).map(|place| matrix.diagonal(place)).collect();
        let (mut rank, mut first, mut last) = (0, 0.0, 0.0);
        while rank < size {
            let pivot = (rank..size).fold(rank, |best, place| if rest[place] > rest[best] { place } else { best });
            if rank == 0 {
                first = rest[pivot];
            }
            if rest[pivot] <= negligible * first || rest[pivot] <= 0.0 {
                break;
            }
            last = rest[pivot];
            order.swap(rank, pivot);
            rows.swap(rank, pivot);
            rest.swap(rank, pivot);
            let (done, ahead) = rows.split_at_mut(rank + 1);
            let (own, root, column) = (&mut done[rank], last.sqrt(), order[rank]);
            let extend = |((row, rest), &place): ((&mut Vec<f64>, &mut f64), &usize)| {
                let value = (matrix.get(place, column) - dot(row, own)) / root;
                row.push(value);
                *rest -= value * value;
            };
            let (rest, places) = (&mut rest[rank + 1..], &order[rank + 1..]);
            if ahead.len() * (rank + 1) >= WORTH_DIVIDING {
                ahead.par_iter_mut().zip(rest).zip(places).for_each(extend);
            } else {
                ahead.iter_mut().zip(rest).zip(places).for_each(extend);
            }
            own.push(root);
            rank += 1;
        }
        let inner = (rank < size && rank > 0).then(|| Box::new(Factor::new(&normal(&rows, rank), 0.0)));
        Factor { order, rows, rank, spread: if first > 0.0 { last / first } else { 1.0 }, inner }
    }

    /// The shortest x for which A x comes as close as possible to `right`.
    pub(super) fn solve(&self, right: &[f64]) -> Vec<f64> {
        let mut solution = vec![0.0; self.order.len()];
        let ordered: Vec<f64> = self.order.iter().map(|&place| right[place]).collect();
        let solved = match &self.inner {
            None if self.rank == 0 => return solution,
            None => self.substitute(ordered),
            Some(inner) => {
                let mut within = vec![0.0; self.rank];
                for (row, value) in self.rows.iter().zip(&ordered) {
                    add_scaled(&mut within, *value, row);
                }
                let within = inner.solve(&inner.solve(&within));
                self.rows.iter().map(|row| dot(row, &within[..row.len()])).collect()
            }
        };
        for (&place, value) in self.order.iter().zip(solved) {
            solution[place] = value;
        }
        solution
    }

    /// Solves L Lᵀ x = `right` for a factor of full rank.
    fn substitute(&self, mut right: Vec<f64>) -> Vec<f64> {
        for (place, row) in self.rows.iter().enumerate() {
            right[place] = (right[place] - dot(&row[..place], &right[..place])) / row[place];
        }
        for (place, row) in self.rows.iter().enumerate().rev() {
            right[place] /= row[place];
            let own = right[place];
            add_scaled(&mut right[..place], -own, &row[..place]);
        }
        right
    }
}

/// LᵀL.
fn normal(rows: &[Vec<f64>], rank: usize) -> Symmetric {
    let mut normal = Symmetric::zeros(rank);
    for row in rows {
        for (place, &value) in row.iter().enumerate() {
            add_scaled(normal.row_mut(place), value, &row[..=place]);
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symmetric(rows: &[&[f64]]) -> Symmetric {
        Symmetric { size: rows.len(), values: rows.concat() }
    }

    #[test]
    fn a_regular_system_is_solved() {
        let matrix = symmetric(&[&[4.0], &[2.0, 3.0], &[1.0, 0.5, 9.0]]);
        let solution = Factor::new(&matrix, 1e-12).solve(&[7.0, 5.5, 10.5]);
        for value in solution {
            assert!((value - 1.0).abs() < 1e-14, "{value}");
        }
    }

    #[test]
    fn of_many_solutions_the_shortest_is_found() {
        // The third direction is the sum of the others.
        let columns = [[1.0, 0.0, 1.0], [0.0, 2.0, 2.0]];
        let mut matrix = Symmetric::zeros(3);
        for i in 0..3 {
            for j in 0..=i {
                matrix.row_mut(i)[j] = columns.iter().map(|c| c[i] * c[j]).sum();
            }
        }
        let right: Vec<f64> = (0..3).map(|i| columns.iter().map(|c| c[i]).sum()).collect();
        let solution = Factor::new(&matrix, 1e-12).solve(&right);
        // The point of the plane x + z = 1, 2 y + 2 z = 1 that is nearest to 0.
        for (got, expected) in solution.iter().zip([0.5, 0.0, 0.5]) {
            assert!((got - expected).abs() < 1e-12, "{solution:?}");
        }
        assert_eq!(Factor::new(&Symmetric::zeros(2), 1e-12).solve(&[0.0, 0.0]), [0.0, 0.0]);
    }
}
