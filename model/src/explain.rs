//! Why a prediction is what it is: what each field of the row adds to it.

use std::ops::Range;

use crate::encoder::Source;
use crate::estimator::{Asked, Explanations, OutputScale};
use crate::predictor::Model;
use crate::schema::Output;

/// Explains the predictions of a model. Found out once; small.
#[derive(Clone, Debug, PartialEq)]
pub struct Explainer {
    explanations: Explanations,
    /// Where the columns of each part of the encoder come from.
    sources: Vec<(Range<usize>, Source)>,
}

/// Why a model cannot explain its predictions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this model cannot tell what each field contributes: {0}")]
pub struct NotExplainable(&'static str);

/// What the fields of a row add to its prediction.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The class that is explained: of two classes the positive one, of more the one that is predicted; none for a number.
    pub class: Option<usize>,
    /// What is predicted where nothing is known of the row, on the explainer's [`OutputScale`].
    pub base: f64,
    /// What each field adds, in the order of the fields. With the base they sum up to the prediction on that scale.
    pub contributions: Vec<f64>,
}

impl Explanation {
    /// The prediction on the explainer's scale.
    pub fn total(&self) -> f64 {
        self.base + self.contributions.iter().sum::<f64>()
    }

    fn is_finite(&self) -> bool {
        self.total().is_finite() && self.contributions.iter().all(|contribution| contribution.is_finite())
    }
}

impl Explainer {
    /// How `model` is explained, if it can be.
    pub fn new(model: &Model) -> Result<Explainer, NotExplainable> {
        let learned = model.learned();
        let explanations = learned.estimator.explanations(model.output().width()).map_err(NotExplainable)?;
        let mut first = 0;
        let source = |block: &crate::encoder::Block| {
            let columns = first..first + block.width();
            first = columns.end;
            (columns, block.source.clone())
        };
        let sources = learned.encoder.blocks().iter().map(source).collect();
        Ok(Explainer { explanations, sources })
    }

    /// What contributions are measured on.
    pub fn scale(&self) -> OutputScale {
        self.explanations.scale
    }

    /// Steps that explaining one row takes, some nanoseconds each.
    pub fn steps(&self) -> usize {
        self.explanations.steps()
    }

    /// Explains the predictions of decoded rows by `model`, of which this is. `raw` are the numbers that
    /// [`Model::predict_rows`] gives for them. None where a row's values are so large that there is no finite answer.
    ///
    /// A column goes to the field it was made of, one that was made of two fields by half to each.
    pub fn explain(&self, model: &Model, rows: &[&[f64]], raw: &[f64]) -> Vec<Option<Explanation>> {
        let encoder = &model.learned().encoder;
        let (fields, width, output) = (model.fields().len(), encoder.width(), model.output());
        let mut columns = Vec::with_capacity(rows.len() * width);
        for row in rows {
            encoder.encode(row, &mut columns);
        }
        let classes: Vec<_> = raw.chunks_exact(output.width()).map(|raw| explained_class(output, raw)).collect();
        let mut given = vec![0.0; columns.len()];
        let mut rest = &mut given[..];
        let ask = |(row, class): (usize, &Option<usize>)| {
            // Not in chunks: a model may do without columns.
            let (contributions, others) = std::mem::take(&mut rest).split_at_mut(width);
            rest = others;
            Asked { columns: &columns[row * width..][..width], class: class.unwrap_or(0), contributions, base: 0.0 }
        };
        let mut asked: Vec<Asked<'_>> = classes.iter().enumerate().map(ask).collect();
        model.learned().estimator.explain(&self.explanations, &mut asked);
        let explained = asked.iter().zip(classes).map(|(asked, class)| Explanation {
            class,
            base: asked.base,
            contributions: self.by_field(asked.contributions, fields),
        });
        explained.map(|explanation| explanation.is_finite().then_some(explanation)).collect()
    }

    /// From what columns add to what fields add.
    fn by_field(&self, columns: &[f64], fields: usize) -> Vec<f64> {
        let mut contributions = vec![0.0; fields];
        for (range, source) in &self.sources {
            let sum: f64 = columns[range.clone()].iter().sum();
            match *source {
                Source::Field { field } => contributions[field] += sum,
                Source::Ratio { of: one, to: other, .. } | Source::Difference { of: one, minus: other, .. } => {
                    contributions[one] += 0.5 * sum;
                    contributions[other] += 0.5 * sum;
                }
            }
        }
        contributions
    }
}

/// The class that is explained.
fn explained_class(output: &Output, raw: &[f64]) -> Option<usize> {
    match output {
        Output::Regression { .. } => None,
        Output::Classification { classes, positive_class, .. } if classes.len() == 2 => {
            Some(positive_class.unwrap_or(1))
        }
        Output::Classification { .. } => Some(output.class(raw)),
    }
}

#[cfg(test)]
mod tests;
