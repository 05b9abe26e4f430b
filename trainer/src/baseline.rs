//! What a model must beat: the same answer to every row.

use slipway_model::test_rows::Answers;
use slipway_model::{Output, metrics};
use slipway_spec::{Baseline, Estimator, Metric, Parameters};

use crate::data::dataset::Dataset;
use crate::learner::{FitError, Target, dummy};

/// `Dummy` with its default strategy, learnt from the training rows, and what its answer is worth on the test rows, whose truth
/// `answers` holds; `asked` are metrics that the report has beside its usual ones.
pub(crate) fn baseline(
    dataset: &Dataset,
    output: &Output,
    answers: &Answers,
    asked: &[Metric],
) -> Result<Baseline, FitError> {
    let (rows, target) = (&dataset.rows.train, &dataset.target);
    let values = target.values.iter();
    // Rows without a target are no training rows.
    let all = if target.classes.is_empty() {
        Target::Numbers(values.copied().collect())
    } else {
        Target::Classes { codes: values.map(|class| *class as u32).collect(), count: target.classes.len() }
    };
    let weights = dataset.weights.as_ref().map(|weights| rows.iter().map(|&row| weights[row as usize]).collect());
    let answer = dummy::answer(&all, rows, weights, &Parameters::default())?;
    let same = match answers {
        Answers::Numbers { truth, .. } => {
            Answers::Numbers { truth: truth.clone(), predicted: vec![answer[0]; truth.len()] }
        }
        Answers::Classes { truth, .. } => Answers::Classes {
            truth: truth.clone(),
            predicted: vec![output.class(&answer); truth.len()],
            probabilities: Some(answer.repeat(truth.len())),
        },
    };
    let metrics = metrics::evaluate_with(output, same.scored(), asked).metrics;
    let said = output.classes().get(output.class(&answer)).cloned().unwrap_or_else(|| answer[0].to_string());
    Ok(Baseline {
        estimator: Estimator::Dummy,
        strategy: dummy::default_strategy(output.task()),
        answer: Some(said),
        metrics,
    })
}
