//! The time of fits alone, for benchmarks.

use serde::Serialize;
use slipway_spec::{Run, Train};

use crate::clock::Clock;
use crate::data::dataset::Dataset;
use crate::error::Error;
use crate::learner::{Samples, learner};
use crate::reader::{self, DataSource, Request};
use crate::train::texts;

/// What a fit took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Took {
    /// Wall time, seconds.
    pub seconds: f64,
    /// CPU time of all threads, seconds.
    pub cpu_seconds: f64,
}

/// Reads `data` once, and fits what `run` asks for on its training rows, `times` over. Nothing is searched, tested or written;
/// the parameters are those of the spec.
pub fn time_fits(run: &Run, data: impl Into<DataSource>, times: usize) -> Result<Vec<Took>, Error> {
    let Train::Builtin(builtin) = &run.spec.train else {
        return Err(Error::Spec("spec.train names an image of its own; only built-in estimators are timed".to_owned()));
    };
    run.spec.check().map_err(Error::Spec)?;
    let data = data.into();
    let request = Request { texts: texts(builtin), max_unpacked_bytes: data.max_unpacked_bytes, told: None };
    let dataset = Dataset::new(reader::read(&data.path, &request)?, &run.spec, builtin)?;
    let samples = Samples::new(&dataset, builtin.estimator)?;
    let rows: Vec<u32> = (0..samples.rows() as u32).collect();
    let mut took = Vec::with_capacity(times);
    for _ in 0..times {
        let mut clock = Clock::default();
        let fitted = learner(builtin.estimator, &samples).fit(&rows, &builtin.parameters);
        let fitted = fitted.map_err(|error| Error::Data(dataset.table.error(error.0)))?;
        clock.lap("fit");
        drop(fitted);
        took.push(Took { seconds: clock.last(), cpu_seconds: clock.last_cpu() });
    }
    Ok(took)
}
