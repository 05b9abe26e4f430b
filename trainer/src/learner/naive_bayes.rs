//! Gaussian naive Bayes.

use rayon::prelude::*;
use slipway_model::{Estimator, NaiveBayes, NormalClass};
use slipway_spec::{NonNegativeNumber, Parameters};

use super::linalg::add_scaled;
use super::{FitError, Fitted, Learner, Samples, Target};

/// Most numbers that are learnt.
const MAX_NUMBERS: usize = 1 << 22;
/// Rows that are summed on their own, at least, and the most parts there are, whatever the number of threads.
const MIN_PART: usize = 1_024;
const MAX_PARTS: usize = 16;
/// How far the priors' sum may be from 1.
const PRIORS_TOLERANCE: f64 = 1e-8;

/// GaussianNB, for Classification: a mean and a variance of each column in each class. Columns are not scaled.
pub(crate) struct GaussianNB<'a> {
    samples: &'a Samples,
}

impl<'a> GaussianNB<'a> {
    pub(crate) fn new(samples: &'a Samples) -> Self {
        GaussianNB { samples }
    }
}

impl Learner for GaussianNB<'_> {
    fn samples(&self) -> &Samples {
        self.samples
    }

    fn fit(&self, rows: &[u32], parameters: &Parameters) -> Result<Fitted, FitError> {
        let Target::Classes { codes, count } = &self.samples.target else {
            return Err(FitError("GaussianNB needs a target of classes".to_owned()));
        };
        let moments = Moments::new(self.samples, codes, *count, rows)?;
        let priors = self.priors(parameters, &moments)?;
        let smoothing = parameters.var_smoothing.map_or(1e-9, NonNegativeNumber::get) * moments.largest_variance();
        let width = moments.width;
        let mut classes = Vec::with_capacity(*count);
        for (class, prior) in priors.into_iter().enumerate() {
            if moments.weights[class] <= 0.0 {
                classes.push(None);
                continue;
            }
            let of_class = class * width..(class + 1) * width;
            let variances: Vec<f64> = moments.variances[of_class.clone()].iter().map(|v| v + smoothing).collect();
            if let Some(column) = variances.iter().position(|variance| !variance.is_normal()) {
                let name = self.samples.column_name(column);
                return Err(FitError(format!(
                    "{name} does not vary within a class, or varies too much, so it has no normal distribution; raise \
                     var_smoothing or leave it out"
                )));
            }
            let means = moments.means[of_class].to_vec();
            classes.push(Some(NormalClass { prior, means, variances }));
        }
        let estimator = Estimator::NaiveBayes(NaiveBayes { classes });
        Ok(Fitted::new(self.samples.encoder.clone(), estimator))
    }
}

impl GaussianNB<'_> {
    /// The prior of each class: as asked for, or its share of the weights.
    fn priors(&self, parameters: &Parameters, moments: &Moments) -> Result<Vec<f64>, FitError> {
        let Some(asked) = &parameters.priors else {
            let total: f64 = moments.weights.iter().sum();
            return Ok(moments.weights.iter().map(|weight| weight / total).collect());
        };
        let classes = &self.samples.classes;
        if let Some(unknown) = asked.keys().find(|name| !classes.contains(name)) {
            return Err(FitError(format!(
                "priors names the class {unknown}, which is not there; it has {}",
                classes.join(", ")
            )));
        }
        let priors: Option<Vec<f64>> = classes.iter().map(|class| asked.get(class).map(|prior| prior.get())).collect();
        let priors =
            priors.ok_or_else(|| FitError(format!("priors has to name every class: {}", classes.join(", "))))?;
        let sum: f64 = priors.iter().sum();
        if (sum - 1.0).abs() > PRIORS_TOLERANCE {
            return Err(FitError(format!("the priors have the sum {sum}; write probabilities with the sum 1")));
        }
        Ok(priors)
    }
}

/// What is learnt of each class, one class after the other.
struct Moments {
    width: usize,
    /// The weight of each class.
    weights: Vec<f64>,
    means: Vec<f64>,
    /// Population variances.
    variances: Vec<f64>,
}

impl Moments {
    fn new(samples: &Samples, codes: &[u32], count: usize, rows: &[u32]) -> Result<Moments, FitError> {
        let width = samples.encoder.width();
        if count.saturating_mul(width) > MAX_NUMBERS {
            return Err(FitError(format!(
                "{width} columns in {count} classes are too many for GaussianNB; leave features out"
            )));
        }
        let row_weights = samples.weights_of(rows);
        let mut weights = vec![0.0; count];
        for (&row, weight) in rows.iter().zip(&row_weights) {
            weights[codes[row as usize] as usize] += weight;
        }
        // A class without rows has the sum 0 and the weight 0.
        let per_weight = |sums: Vec<f64>| -> Vec<f64> {
            let divide = |(place, sum): (usize, f64)| if sum == 0.0 { 0.0 } else { sum / weights[place / width] };
            sums.into_iter().enumerate().map(divide).collect()
        };
        let of_class = |place: usize| codes[rows[place] as usize] as usize * width;
        let means = encoded_sums(samples, rows, count * width, |place, columns, sums| {
            add_scaled(&mut sums[of_class(place)..][..width], row_weights[place], columns);
        });
        let means = per_weight(means?);
        let variances = encoded_sums(samples, rows, count * width, |place, columns, sums| {
            let (first, weight) = (of_class(place), row_weights[place]);
            for ((sum, column), mean) in sums[first..].iter_mut().zip(columns).zip(&means[first..]) {
                *sum += weight * (column - mean) * (column - mean);
            }
        });
        let variances = per_weight(variances?);
        Ok(Moments { width, weights, means, variances })
    }

    /// The largest variance of a column over all rows.
    fn largest_variance(&self) -> f64 {
        let total: f64 = self.weights.iter().sum();
        let of_column = |column: usize| {
            let places =
                || self.weights.iter().enumerate().map(|(class, weight)| (weight, class * self.width + column));
            let mean = places().map(|(weight, place)| weight * self.means[place]).sum::<f64>() / total;
            let squares = places().map(|(weight, place)| {
                weight * (self.variances[place] + (self.means[place] - mean) * (self.means[place] - mean))
            });
            squares.sum::<f64>() / total
        };
        (0..self.width).map(of_column).fold(0.0, f64::max)
    }
}

/// Sums over the rows, encoded, in parts of fixed size, so that the result does not depend on the number of threads. `add` gets
/// the place of a row among `rows`, its columns and the sums.
fn encoded_sums(
    samples: &Samples,
    rows: &[u32],
    size: usize,
    add: impl Fn(usize, &[f64], &mut [f64]) + Sync,
) -> Result<Vec<f64>, FitError> {
    let length = rows.len().div_ceil(MAX_PARTS).max(MIN_PART);
    let parts: Vec<Vec<f64>> = rows
        .par_chunks(length)
        .enumerate()
        .map(|(part, part_rows)| {
            let mut sums = vec![0.0; size];
            let (mut decoded, mut columns) = (Vec::new(), Vec::new());
            for (place, &row) in part_rows.iter().enumerate() {
                columns.clear();
                samples.encode(&samples.encoder, row, &mut decoded, &mut columns);
                samples.check_finite(row, &columns)?;
                add(part * length + place, &columns, &mut sums);
            }
            Ok(sums)
        })
        .collect::<Result<_, FitError>>()?;
    let mut whole = vec![0.0; size];
    for part in parts {
        add_scaled(&mut whole, 1.0, &part);
    }
    Ok(whole)
}
