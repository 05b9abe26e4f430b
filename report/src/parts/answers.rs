//! Predictions against the truth.

use slipway_spec::Report;
use slipway_spec::pictures::AnswerPictures;

use super::{classes, regression};
use crate::Section;
use crate::element::el;

pub(crate) fn section(report: &Report) -> Option<Section> {
    let mut content = match &report.pictures.answers {
        Some(AnswerPictures::Regression(pictures)) => regression::figures(pictures, &report.about.target),
        Some(AnswerPictures::Classification(pictures)) => classes::figures(pictures, &report.about),
        None => Vec::new(),
    };
    content.extend(report.pictures.notes.iter().take(20).map(|note| el("p").class("note").text(note)));
    (!content.is_empty()).then_some(Section { id: "answers", title: "Predictions and the truth", content })
}
