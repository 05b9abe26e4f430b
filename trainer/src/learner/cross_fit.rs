//! A learner of features that are learnt from the target: encoded anew for the rows of every fit.

use slipway_spec::{Estimator as Algorithm, Parameters};

use super::{FitError, Fitted, Learner, Samples, Scorer, learner};

/// Another learner, which sees each row of a fit encoded by what other rows taught.
pub(super) struct CrossFitted<'a> {
    pub(super) samples: &'a Samples,
    pub(super) algorithm: Algorithm,
}

impl Learner for CrossFitted<'_> {
    fn samples(&self) -> &Samples {
        self.samples
    }

    fn fit(&self, rows: &[u32], parameters: &Parameters) -> Result<Fitted, FitError> {
        let (seen, served) = self.samples.cross_fitted(rows);
        let fitted = learner(self.algorithm, &seen).fit(rows, parameters)?;
        let encoder = served.with_scales(fitted.encoder.scales().to_vec());
        Ok(Fitted { encoder, ..fitted })
    }

    fn validate(
        &self,
        points: &[Parameters],
        rows: &[u32],
        validation: &[u32],
        scorer: &Scorer,
    ) -> Result<Vec<Option<f64>>, FitError> {
        let (seen, _) = self.samples.cross_fitted(rows);
        learner(self.algorithm, &seen).validate(points, rows, validation, scorer)
    }
}
