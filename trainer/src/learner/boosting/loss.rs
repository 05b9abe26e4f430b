//! What boosting makes small.
//!
//! Losses, their starting points and their leaf values are those of scikit-learn's `sklearn._loss`: the half of the squared
//! error and of the deviances, so that derivatives have no factor.

use rayon::prelude::*;
use slipway_model::Link;

/// Rows that are summed together, so that a sum does not depend on the number of threads.
const CHUNK: usize = 1 << 14;
/// Hessian sums below this leave a leaf at 0, as in scikit-learn.
const NEGLIGIBLE: f64 = 1e-150;

/// A loss of raw predictions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Loss {
    /// Half the squared difference.
    SquaredError,
    /// The absolute difference.
    AbsoluteError,
    /// The pinball loss of a quantile.
    Quantile(f64),
    /// The squared difference up to `delta`, beyond it the absolute one. `delta` is a quantile of the absolute differences.
    Huber { quantile: f64, delta: f64 },
    /// Half the Poisson deviance; raw predictions are logarithms.
    Poisson,
    /// Half the gamma deviance; raw predictions are logarithms.
    Gamma,
    /// Cross entropy of two classes, 0 and 1; raw predictions are log-odds.
    Binomial,
    /// Cross entropy of so many classes by softmax.
    Multinomial(usize),
    /// The exponential loss of `AdaBoost` for two classes; raw predictions are half the log-odds.
    Exponential,
}

/// Of each row, the truth and its weight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Truth<'a> {
    /// A number, or the place of a class.
    pub(super) values: &'a [f64],
    /// None: every row weighs 1.
    pub(super) weights: Option<&'a [f64]>,
}

/// First and second derivative of a loss by the raw prediction.
pub(super) type Slope = [f64; 2];

impl Loss {
    /// Raw predictions of a row, which is also the number of trees of a stage.
    pub(super) fn outputs(self) -> usize {
        if let Loss::Multinomial(classes) = self { classes } else { 1 }
    }

    /// From raw predictions, times [`Loss::link_factor`], to predictions.
    pub(super) fn link(self) -> Link {
        match self {
            Loss::SquaredError | Loss::AbsoluteError | Loss::Quantile(_) | Loss::Huber { .. } => Link::Identity,
            Loss::Poisson | Loss::Gamma => Link::Exponential,
            Loss::Binomial | Loss::Exponential => Link::Logistic,
            Loss::Multinomial(_) => Link::Softmax,
        }
    }

    /// Twice the raw predictions of the exponential loss are log-odds. Doubling loses no bit.
    pub(super) fn link_factor(self) -> f64 {
        if self == Loss::Exponential { 2.0 } else { 1.0 }
    }

    /// Whether the second derivative is 1 everywhere.
    pub(super) fn constant_hessian(self) -> bool {
        matches!(self, Loss::SquaredError | Loss::AbsoluteError | Loss::Quantile(_) | Loss::Huber { .. })
    }

    /// Whether leaves are given the value that is best for their rows instead of one Newton step.
    pub(super) fn solves_leaves(self) -> bool {
        matches!(self, Loss::AbsoluteError | Loss::Quantile(_) | Loss::Huber { .. })
    }

    /// The best constant raw predictions.
    pub(super) fn start(self, truth: Truth<'_>) -> Vec<f64> {
        let share = |class: usize| {
            let is_class: Vec<f64> = truth.values.iter().map(|&value| f64::from(value as usize == class)).collect();
            Truth { values: &is_class, ..truth }.mean().clamp(f64::EPSILON, 1.0 - f64::EPSILON)
        };
        match self {
            Loss::SquaredError => vec![truth.mean()],
            Loss::AbsoluteError | Loss::Huber { .. } => vec![truth.quantile(0.5)],
            Loss::Quantile(quantile) => vec![truth.quantile(quantile)],
            Loss::Poisson | Loss::Gamma => vec![truth.mean().max(f64::EPSILON).ln()],
            Loss::Binomial => vec![logit(share(1))],
            Loss::Exponential => vec![logit(share(1)) / 2.0],
            Loss::Multinomial(classes) => {
                let logs: Vec<f64> = (0..classes).map(|class| share(class).ln()).collect();
                let mean = logs.iter().sum::<f64>() / classes as f64;
                logs.into_iter().map(|log| log - mean).collect()
            }
        }
    }

    /// The same loss with the `delta` that the present raw predictions ask for.
    pub(super) fn adapted(self, truth: Truth<'_>, raw: &[Vec<f64>]) -> Loss {
        let Loss::Huber { quantile, .. } = self else { return self };
        let errors: Vec<f64> = truth.values.iter().zip(&raw[0]).map(|(y, raw)| (y - raw).abs()).collect();
        Loss::Huber { quantile, delta: Truth { values: &errors, ..truth }.weighted_quantile(quantile) }
    }

    /// Writes the derivatives by each raw prediction, times the rows' weights, through `store`.
    pub(super) fn slopes<T: Send>(
        self,
        truth: Truth<'_>,
        raw: &[Vec<f64>],
        slopes: &mut [Vec<T>],
        store: impl Fn(Slope) -> T + Sync,
    ) {
        let norms = self.norms(raw);
        for (output, slopes) in slopes.iter_mut().enumerate() {
            slopes.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, slopes)| {
                let rows = chunk * CHUNK..chunk * CHUNK + slopes.len();
                let weights = truth.weights.map(|weights| &weights[rows.clone()]);
                let part = Part {
                    values: &truth.values[rows.clone()],
                    raw: &raw[output][rows.clone()],
                    norms: norms.get(rows).unwrap_or_default(),
                    output,
                };
                self.slopes_of(&part, |place, [gradient, hessian]| {
                    let weight = weights.map_or(1.0, |weights| weights[place]);
                    slopes[place] = store([gradient * weight, hessian * weight]);
                });
            });
        }
    }

    /// Of each row, what softmax needs of all its raw predictions; empty where nobody needs it.
    fn norms(self, raw: &[Vec<f64>]) -> Vec<[f64; 2]> {
        if !matches!(self, Loss::Multinomial(_)) {
            return Vec::new();
        }
        let mut norms = vec![[0.0; 2]; raw[0].len()];
        norms.par_iter_mut().enumerate().for_each(|(row, norm)| *norm = self::norm(raw, row));
        norms
    }

    fn slopes_of(self, part: &Part<'_>, mut store: impl FnMut(usize, Slope)) {
        let rows = part.values.iter().zip(part.raw).enumerate();
        match self {
            Loss::SquaredError => rows.for_each(|(row, (y, raw))| store(row, [raw - y, 1.0])),
            Loss::AbsoluteError => rows.for_each(|(row, (y, raw))| store(row, [if raw > y { 1.0 } else { -1.0 }, 1.0])),
            Loss::Quantile(quantile) => {
                rows.for_each(|(row, (y, raw))| store(row, [if y >= raw { -quantile } else { 1.0 - quantile }, 1.0]));
            }
            Loss::Huber { delta, .. } => {
                rows.for_each(|(row, (y, raw))| store(row, [(raw - y).clamp(-delta, delta), 1.0]));
            }
            Loss::Poisson => rows.for_each(|(row, (y, raw))| {
                let expected = raw.exp();
                store(row, [expected - y, expected]);
            }),
            Loss::Gamma => rows.for_each(|(row, (y, raw))| {
                let ratio = y * (-raw).exp();
                store(row, [1.0 - ratio, ratio]);
            }),
            Loss::Binomial => rows.for_each(|(row, (y, raw))| {
                let probability = expit(*raw);
                store(row, [probability - y, probability * (1.0 - probability)]);
            }),
            Loss::Exponential => rows.for_each(|(row, (y, raw))| {
                let slope = if *y > 0.5 { (-raw).exp() } else { raw.exp() };
                store(row, [if *y > 0.5 { -slope } else { slope }, slope]);
            }),
            Loss::Multinomial(_) => rows.for_each(|(row, (y, raw))| {
                let [largest, sum] = part.norms[row];
                let probability = (raw - largest).exp() / sum;
                let is_class = f64::from(*y as usize == part.output);
                store(row, [probability - is_class, probability * (1.0 - probability)]);
            }),
        }
    }

    /// The mean loss of the rows, each by its weight.
    pub(super) fn mean(self, truth: Truth<'_>, raw: &[Vec<f64>]) -> f64 {
        let sum = |first: usize, values: &[f64]| {
            let mut sum = 0.0;
            for (row, &y) in (first..).zip(values) {
                sum += self.of(y, raw, row) * truth.weights.map_or(1.0, |weights| weights[row]);
            }
            sum
        };
        let sums: Vec<f64> =
            truth.values.par_chunks(CHUNK).enumerate().map(|(chunk, values)| sum(chunk * CHUNK, values)).collect();
        sums.iter().sum::<f64>() / truth.weight()
    }

    /// The loss of one row.
    fn of(self, y: f64, raw: &[Vec<f64>], row: usize) -> f64 {
        let own = raw[0][row];
        let error = y - own;
        match self {
            Loss::SquaredError => error * error / 2.0,
            Loss::AbsoluteError => error.abs(),
            Loss::Quantile(quantile) => error * if error >= 0.0 { quantile } else { quantile - 1.0 },
            Loss::Huber { delta, .. } if error.abs() <= delta => error * error / 2.0,
            Loss::Huber { delta, .. } => delta * (error.abs() - delta / 2.0),
            Loss::Poisson => own.exp() - y * own,
            Loss::Gamma => own + y * (-own).exp(),
            Loss::Binomial => softplus(own) - y * own,
            Loss::Exponential => if y > 0.5 { -own } else { own }.exp(),
            Loss::Multinomial(_) => {
                let [largest, sum] = norm(raw, row);
                largest + sum.ln() - raw[y as usize][row]
            }
        }
    }

    /// What a leaf should add for rows that are still off by `errors`, for losses that solve leaves.
    pub(super) fn leaf(self, errors: Truth<'_>) -> f64 {
        match self {
            Loss::Quantile(quantile) => errors.quantile(quantile),
            Loss::Huber { delta, .. } => {
                let median = errors.quantile(0.5);
                let terms: Vec<f64> = errors.values.iter().map(|error| (error - median).clamp(-delta, delta)).collect();
                median + Truth { values: &terms, ..errors }.mean()
            }
            _ => errors.quantile(0.5),
        }
    }

    /// What a leaf should add by one Newton step, from the sums of the derivatives of its rows (Friedman 2001).
    pub(super) fn newton(self, [gradient, hessian]: Slope) -> f64 {
        if hessian.abs() < NEGLIGIBLE {
            return 0.0;
        }
        let step = -gradient / hessian;
        if let Loss::Multinomial(classes) = self { step * (classes as f64 - 1.0) / classes as f64 } else { step }
    }
}

/// Rows whose derivatives by one raw prediction are wanted.
struct Part<'a> {
    values: &'a [f64],
    raw: &'a [f64],
    norms: &'a [[f64; 2]],
    output: usize,
}

impl Truth<'_> {
    /// Sum of the weights.
    fn weight(self) -> f64 {
        self.weights.map_or(self.values.len() as f64, |weights| weights.iter().sum())
    }

    fn mean(self) -> f64 {
        let sum: f64 = match self.weights {
            None => self.values.iter().sum(),
            Some(weights) => self.values.iter().zip(weights).map(|(value, weight)| value * weight).sum(),
        };
        sum / self.weight()
    }

    /// A quantile: without weights between the two values next to it, as numpy's default; with weights the value at which
    /// the weights up to it reach the share.
    fn quantile(self, share: f64) -> f64 {
        if self.weights.is_some() {
            return self.weighted_quantile(share);
        }
        let mut values = self.values.to_vec();
        let place = share * (values.len() as f64 - 1.0);
        let (_, &mut below, above) = values.select_nth_unstable_by(place as usize, f64::total_cmp);
        let above = above.iter().copied().fold(f64::INFINITY, f64::min);
        let part = place.fract();
        // Counted from the nearer one, as numpy does.
        match part {
            0.0 => below,
            part if part < 0.5 => below + (above - below) * part,
            part => above - (above - below) * (1.0 - part),
        }
    }

    /// The smallest value at which the weights up to it reach the share of their sum.
    fn weighted_quantile(self, share: f64) -> f64 {
        let weight = |row: usize| self.weights.map_or(1.0, |weights| weights[row]);
        let mut order: Vec<usize> = (0..self.values.len()).filter(|&row| weight(row) > 0.0).collect();
        order.sort_unstable_by(|&a, &b| self.values[a].total_cmp(&self.values[b]).then(a.cmp(&b)));
        let wanted = share * order.iter().map(|&row| weight(row)).sum::<f64>();
        let mut sum = 0.0;
        let reached = |&&row: &&usize| {
            sum += weight(row);
            sum >= wanted
        };
        let found = order.iter().find(reached).or(order.last());
        found.map_or(0.0, |&row| self.values[row])
    }
}

fn logit(probability: f64) -> f64 {
    (probability / (1.0 - probability)).ln()
}

fn expit(raw: f64) -> f64 {
    1.0 / (1.0 + (-raw).exp())
}

/// The largest of a row's raw predictions, and the sum of the exponentials of all less the largest.
fn norm(raw: &[Vec<f64>], row: usize) -> [f64; 2] {
    let largest = raw.iter().map(|raw| raw[row]).fold(f64::NEG_INFINITY, f64::max);
    [largest, raw.iter().map(|raw| (raw[row] - largest).exp()).sum()]
}

/// `ln(1 + exp(raw))`.
fn softplus(raw: f64) -> f64 {
    raw.max(0.0) + (-raw.abs()).exp().ln_1p()
}
