//! Metrics of classes and of their probabilities.

use slipway_spec::Metric;

use super::ranking::{average_precision, roc_auc};
use super::{mean, no_rows};

pub(super) struct Rows<'a> {
    pub classes: &'a [String],
    /// The positive class, of two.
    pub positive: Option<usize>,
    pub truth: &'a [usize],
    pub predicted: &'a [usize],
    pub probabilities: Option<&'a [f64]>,
}

/// How often a class is right, in the truth, and predicted.
#[derive(Clone, Copy, Default)]
struct Count {
    right: usize,
    truth: usize,
    predicted: usize,
}

impl Count {
    fn precision(self) -> f64 {
        ratio(self.right, self.predicted)
    }

    fn recall(self) -> f64 {
        ratio(self.right, self.truth)
    }

    fn f1(self) -> f64 {
        ratio(2 * self.right, self.truth + self.predicted)
    }
}

/// 0 where there is nothing to divide by, as in scikit-learn.
fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Matthews correlation coefficient of any number of classes (Gorodkin 2004); 0 where truth or answer is one class only.
fn matthews(counts: &[Count], rows: usize) -> f64 {
    let rows = rows as f64;
    let right: f64 = counts.iter().map(|count| count.right as f64).sum();
    let total = |value: fn(&Count) -> f64| counts.iter().map(value).sum::<f64>();
    let covariance = right * rows - total(|count| count.truth as f64 * count.predicted as f64);
    let spread = |squares: f64| rows * rows - squares;
    let of_truth = spread(total(|count| (count.truth as f64).powi(2)));
    let of_answers = spread(total(|count| (count.predicted as f64).powi(2)));
    if of_truth == 0.0 || of_answers == 0.0 { 0.0 } else { covariance / (of_truth * of_answers).sqrt() }
}

/// Cohen's kappa: 1 minus the share of wrong answers over the share that chance would make wrong.
fn kappa(counts: &[Count], rows: usize) -> Result<f64, String> {
    let rows = rows as f64;
    let right: f64 = counts.iter().map(|count| count.right as f64).sum();
    let by_chance: f64 = counts.iter().map(|count| count.truth as f64 * count.predicted as f64).sum();
    let wrong_by_chance = rows * rows - by_chance;
    if wrong_by_chance == 0.0 {
        return Err("truth and answers are one class only, so chance is always right".to_owned());
    }
    Ok(1.0 - (rows - right) * rows / wrong_by_chance)
}

impl Rows<'_> {
    pub(super) fn compute(&self, metric: Metric) -> Result<f64, String> {
        no_rows(self.truth)?;
        match metric {
            Metric::Accuracy => {
                let right = self.truth.iter().zip(self.predicted).filter(|(truth, predicted)| truth == predicted);
                Ok(ratio(right.count(), self.truth.len()))
            }
            Metric::BalancedAccuracy => {
                let present: Vec<_> = self.counts().into_iter().filter(|count| count.truth > 0).collect();
                Ok(mean(present.iter().map(|count| count.recall())))
            }
            Metric::Precision => self.of_classes(Count::precision, |_| true),
            Metric::Recall => self.of_classes(Count::recall, |count| count.truth > 0),
            Metric::F1 => self.of_classes(Count::f1, |count| count.truth + count.predicted > 0),
            Metric::MatthewsCorrcoef => Ok(matthews(&self.counts(), self.truth.len())),
            Metric::CohenKappa => kappa(&self.counts(), self.truth.len()),
            Metric::RocAuc => {
                if self.truth.iter().all(|class| *class == self.truth[0]) {
                    let only = &self.classes[self.truth[0]];
                    return Err(format!("it needs test rows of two classes or more, and all are {only:?}"));
                }
                self.of_scores(roc_auc)
            }
            Metric::AveragePrecision => self.of_scores(average_precision),
            Metric::LogLoss => self.log_loss(),
            Metric::Brier => self.brier(),
            other => Err(format!("{} is no metric for Classification", other.name())),
        }
    }

    fn counts(&self) -> Vec<Count> {
        let mut counts = vec![Count::default(); self.classes.len()];
        for (&truth, &predicted) in self.truth.iter().zip(self.predicted) {
            counts[truth].truth += 1;
            counts[predicted].predicted += 1;
            counts[truth].right += usize::from(truth == predicted);
        }
        counts
    }

    /// The positive class's value, or the mean over the classes that are seen or predicted.
    fn of_classes(&self, value: impl Fn(Count) -> f64, defined: impl Fn(Count) -> bool) -> Result<f64, String> {
        let counts = self.counts();
        if let Some(positive) = self.positive {
            let count = counts[positive];
            let class = &self.classes[positive];
            return if defined(count) { Ok(value(count)) } else { Err(format!("no test row is {class:?}")) };
        }
        let present: Vec<_> = counts.into_iter().filter(|count| count.truth + count.predicted > 0).collect();
        Ok(mean(present.iter().map(|count| value(*count))))
    }

    /// A metric of the positive class's probabilities, or its mean over the classes, each against the rest.
    fn of_scores(&self, value: impl Fn(&mut [(f64, bool)]) -> f64) -> Result<f64, String> {
        let probabilities = self.probabilities()?;
        let width = self.classes.len();
        let mut scored = Vec::with_capacity(self.truth.len());
        let mut one = |class: usize| {
            scored.clear();
            let scores = probabilities.iter().skip(class).step_by(width);
            scored.extend(scores.zip(self.truth).map(|(score, truth)| (*score, *truth == class)));
            if scored.iter().any(|(_, is_class)| *is_class) {
                Ok(value(&mut scored))
            } else {
                Err(format!("no test row is {:?}", self.classes[class]))
            }
        };
        if let Some(positive) = self.positive {
            return one(positive);
        }
        let values = (0..width).map(one).collect::<Result<Vec<_>, _>>()?;
        Ok(mean(values.into_iter()))
    }

    fn log_loss(&self) -> Result<f64, String> {
        let probabilities = self.probabilities()?;
        let loss = |(row, truth): (&[f64], &usize)| -row[*truth].clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln();
        Ok(mean(probabilities.chunks_exact(self.classes.len()).zip(self.truth).map(loss)))
    }

    /// The squared distance between probabilities and truth; half of it for two classes, where it counts twice.
    fn brier(&self) -> Result<f64, String> {
        let probabilities = self.probabilities()?;
        let distance = |(row, truth): (&[f64], &usize)| -> f64 {
            let error = |(class, p): (usize, &f64)| p - f64::from(u8::from(class == *truth));
            row.iter().enumerate().map(error).map(|error| error * error).sum()
        };
        let distance = mean(probabilities.chunks_exact(self.classes.len()).zip(self.truth).map(distance));
        Ok(if self.positive.is_some() { distance / 2.0 } else { distance })
    }

    fn probabilities(&self) -> Result<&[f64], String> {
        self.probabilities.ok_or_else(|| "there are no probabilities".to_owned())
    }
}
