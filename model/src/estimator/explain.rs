//! What each column adds to a prediction, whatever was learned.

use super::trees::{Combine, Plan};
use super::{Estimator, Link};

/// What contributions are measured on. Base and contributions add up to the prediction there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputScale {
    /// The predicted number.
    Prediction,
    /// The natural logarithm of the predicted number.
    Logarithm,
    /// The probability of the class.
    Probability,
    /// The natural logarithm of the probability of the class divided by that of the other one.
    LogOdds,
    /// The score of the class: probabilities are the softmax of all scores.
    Score,
}

impl OutputScale {
    /// All of them.
    pub const ALL: [OutputScale; 5] = [
        OutputScale::Prediction,
        OutputScale::Logarithm,
        OutputScale::Probability,
        OutputScale::LogOdds,
        OutputScale::Score,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            OutputScale::Prediction => "prediction",
            OutputScale::Logarithm => "logarithm",
            OutputScale::Probability => "probability",
            OutputScale::LogOdds => "log-odds",
            OutputScale::Score => "score",
        }
    }

    fn of_link(link: Link) -> OutputScale {
        match link {
            Link::Identity => OutputScale::Prediction,
            Link::Exponential => OutputScale::Logarithm,
            Link::Logistic => OutputScale::LogOdds,
            Link::Softmax => OutputScale::Score,
        }
    }

    /// Of a mean of what `outputs` numbers say.
    fn of_mean(outputs: usize) -> OutputScale {
        if outputs == 1 { OutputScale::Prediction } else { OutputScale::Probability }
    }
}

/// How an estimator is explained.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanations {
    /// What contributions are measured on.
    pub scale: OutputScale,
    /// Of trees, how they are walked.
    plan: Option<Plan>,
}

/// A row whose prediction is to be explained, and the answer.
#[derive(Debug)]
pub struct Asked<'a> {
    /// What the encoder made of the row.
    pub columns: &'a [f64],
    /// The class to explain; 0 for a number.
    pub class: usize,
    /// What each column adds; starts with 0.
    pub contributions: &'a mut [f64],
    /// What is predicted where nothing is known of a row; starts with 0.
    pub base: f64,
}

impl Asked<'_> {
    /// Turns the explanation of the second of two classes into that of the class that is asked for.
    fn turn(&mut self) {
        if self.class == 0 {
            self.base = -self.base;
            self.contributions.iter_mut().for_each(|contribution| *contribution = -*contribution);
        }
    }
}

impl Explanations {
    /// Steps that explaining one row takes, some nanoseconds each.
    pub fn steps(&self) -> usize {
        self.plan.as_ref().map_or(0, Plan::steps)
    }
}

impl Estimator {
    /// How predictions of so many numbers are explained; otherwise why they cannot be.
    pub(crate) fn explanations(&self, outputs: usize) -> Result<Explanations, &'static str> {
        let without_plan = |scale| Ok(Explanations { scale, plan: None });
        match self {
            Estimator::Trees(trees) => {
                let scale = match trees.combine() {
                    Combine::Mean => OutputScale::of_mean(outputs),
                    Combine::Sum { link, .. } => OutputScale::of_link(*link),
                };
                Ok(Explanations { scale, plan: Some(Plan::new(trees)?) })
            }
            Estimator::Linear(linear) if linear.means.is_empty() => {
                Err("it does not hold the means of the training rows; train it again")
            }
            Estimator::Linear(linear) => without_plan(OutputScale::of_link(linear.link)),
            Estimator::NaiveBayes(bayes) if bayes.classes.iter().any(Option::is_none) => {
                Err("one of its classes never occurred in training")
            }
            Estimator::NaiveBayes(_) => {
                without_plan(if outputs == 2 { OutputScale::LogOdds } else { OutputScale::Score })
            }
            Estimator::Constant(_) => without_plan(OutputScale::of_mean(outputs)),
        }
    }

    /// Explains rows as `explanations`, which are its own, say.
    pub(crate) fn explain(&self, explanations: &Explanations, rows: &mut [Asked<'_>]) {
        match self {
            Estimator::Trees(trees) => {
                if let Some(plan) = &explanations.plan {
                    trees.explain(plan, rows);
                }
            }
            Estimator::Linear(linear) => rows.iter_mut().for_each(|row| linear.explain(row)),
            Estimator::NaiveBayes(bayes) => rows.iter_mut().for_each(|row| bayes.explain(row)),
            Estimator::Constant(constant) => {
                for row in &mut *rows {
                    row.base = constant.values[row.class];
                }
            }
        }
        if explanations.scale == OutputScale::LogOdds {
            rows.iter_mut().for_each(Asked::turn);
        }
    }
}
