//! Predictions with all that a caller wants to know of them.

use slipway_model::{Explanation, Model, Prediction, TruthRange};

use super::error::{ApiError, Detail};
use super::wants::Wants;
use crate::ids::{Identifier, Naming};
use crate::state::App;

/// Rows that are predicted together; then the deadline is looked at.
const TOGETHER: usize = 256;
/// Steps of explaining that are done together, some nanoseconds each.
const STEPS_TOGETHER: usize = 20_000_000;

/// What is said of a row.
#[derive(Clone, Debug)]
pub struct Told {
    /// What is predicted.
    pub prediction: Prediction,
    /// What each field adds, where that is wanted.
    pub explanation: Option<Explanation>,
    /// Where the truth lay for rows with nearly the same prediction, where that is wanted.
    pub range: Option<TruthRange>,
    /// The prediction's identifier.
    pub id: Identifier,
}

/// Predicts rows for a caller.
#[derive(Clone, Debug)]
pub struct Teller {
    /// What the caller wants.
    pub wants: Wants,
    /// How predictions are named.
    pub naming: Naming,
}

impl Teller {
    /// Most rows that are told together.
    pub fn together(&self, app: &App) -> usize {
        if self.wants.contributions {
            (STEPS_TOGETHER / app.explaining_steps().max(1)).clamp(1, TOGETHER)
        } else {
            TOGETHER
        }
    }

    /// Refuses rows that cannot be explained, or not in good time, where that is wanted.
    pub fn check_rows(&self, app: &App, rows: usize) -> Result<(), ApiError> {
        if !self.wants.contributions {
            return Ok(());
        }
        app.check_explains()?;
        let most = app.max_explained();
        if rows <= most { Ok(()) } else { Err(ApiError::too_many_explained(most)) }
    }

    /// Predicts decoded rows with their numbers. An error says why a row has no finite answer.
    pub fn tell(&self, app: &App, rows: &[(usize, &[f64])]) -> Vec<Result<Told, Detail>> {
        let model = app.model();
        let width = model.output().width();
        let raw = model.predict_rows(rows.iter().map(|(_, row)| *row));
        let explanations = self.explain(app, rows, &raw);
        let predicted = rows.iter().zip(raw.chunks_exact(width)).zip(explanations);
        let told = predicted.map(|(((number, row), raw), explanation)| {
            let prediction = prediction(model, raw).ok_or_else(|| too_large(*number))?;
            if explanation.is_none() && self.wants.contributions {
                return Err(not_explained(*number));
            }
            let range = match prediction {
                Prediction::Number(number) if self.wants.range => app.neighbours().range(number),
                _ => None,
            };
            Ok(Told { prediction, explanation, range, id: self.naming.name(&app.ids, *number, row) })
        });
        told.collect()
    }

    fn explain(&self, app: &App, rows: &[(usize, &[f64])], raw: &[f64]) -> Vec<Option<Explanation>> {
        // Who wants none must not wait for what they take.
        let explainer = if self.wants.contributions { app.explainer() } else { None };
        let Some(explainer) = explainer else { return vec![None; rows.len()] };
        let rows: Vec<&[f64]> = rows.iter().map(|(_, row)| *row).collect();
        explainer.explain(app.model(), &rows, raw)
    }
}

/// What the numbers of a row mean; nothing where one is not finite.
fn prediction(model: &Model, raw: &[f64]) -> Option<Prediction> {
    raw.iter().all(|number| number.is_finite()).then(|| model.prediction(raw.to_vec()))
}

/// The mistake of a row whose values are so large that there is no finite prediction.
pub fn too_large(number: usize) -> Detail {
    Detail::of_row(number, "values with a finite prediction", "values that are too large")
}

/// The mistake of a row whose values are so large that they do not contribute finite numbers.
fn not_explained(number: usize) -> Detail {
    Detail::of_row(number, "values that contribute finite numbers", "values that are too large")
}
