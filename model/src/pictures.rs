//! What there is to draw of a model's answers on test rows. Equal input gives equal pictures.

mod classification;
mod dependence;
mod histogram;
mod permutation;
mod regression;

use slipway_spec::pictures::AnswerPictures;
use slipway_spec::{Metric, Pictures};

use crate::metrics;
use crate::predictor::Model;
use crate::rng::Rng;
use crate::schema::Output;
use crate::test_rows::Answers;

/// A model's answers on test rows.
#[derive(Clone, Copy, Debug)]
pub struct Drawn<'a> {
    /// The model.
    pub model: &'a Model,
    /// The rows, decoded by the model; empty where only the answers are known.
    pub rows: &'a [Vec<f64>],
    /// Truth and predictions.
    pub answers: &'a Answers,
}

impl Drawn<'_> {
    /// Everything that can be drawn. How much the model needs a feature is told by `metric`, if it is given and defined on
    /// these rows.
    pub fn pictures(self, metric: Option<Metric>) -> Pictures {
        let mut pictures = Pictures { answers: self.answers(), ..Pictures::default() };
        if self.answers.is_empty() {
            pictures.notes.push("There are no test rows, so nothing can be drawn.".to_owned());
        } else if self.rows.is_empty() {
            let note =
                "The rows themselves are not in test.csv, so it is not known what the model needs each feature for.";
            pictures.notes.push(note.to_owned());
        } else {
            pictures.permutation = self.metric(metric).map(|metric| permutation::measure(self, metric));
            let first = pictures.permutation.iter().flat_map(|measured| &measured.features);
            let first: Vec<&str> = first.map(|feature| feature.feature.as_str()).collect();
            pictures.partial_dependence = dependence::of_features(self, &first);
        }
        pictures
    }

    fn answers(self) -> Option<AnswerPictures> {
        match self.answers {
            _ if self.answers.is_empty() => None,
            Answers::Numbers { truth, predicted } => {
                Some(AnswerPictures::Regression(regression::pictures(truth, predicted)))
            }
            Answers::Classes { truth, predicted, probabilities } => {
                let rows = classification::Rows { truth, predicted, probabilities: probabilities.as_deref() };
                Some(AnswerPictures::Classification(rows.pictures(self.model.output())))
            }
        }
    }

    /// The first metric that is defined on the rows.
    fn metric(self, preferred: Option<Metric>) -> Option<Metric> {
        let output = self.model.output();
        let usual: &[Metric] = match output {
            Output::Regression { .. } => &[Metric::R2, Metric::Mae],
            Output::Classification { positive_class: Some(_), .. } => &[Metric::RocAuc, Metric::Accuracy],
            Output::Classification { .. } => &[Metric::Accuracy],
        };
        let defined = |metric: &Metric| metrics::compute(*metric, output, self.answers.scored()).is_ok();
        preferred.into_iter().chain(usual.iter().copied()).find(defined)
    }
}

/// At most `most` places of `rows` rows, ascending; always the same ones.
fn sample(most: usize, rows: usize) -> Vec<usize> {
    Rng::new(0).sample(most, rows)
}

/// The value below which the share `part` of `sorted` lies, between neighbours by their distance.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let place = part * (sorted.len().saturating_sub(1)) as f64;
    let (below, rest) = (place.floor() as usize, place.fract());
    let value = |place: usize| sorted.get(place).or(sorted.last()).copied().unwrap_or_default();
    value(below) + rest * (value(below + 1) - value(below))
}

#[cfg(test)]
mod tests;
