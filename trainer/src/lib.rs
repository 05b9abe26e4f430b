//! Rows to a model: reads CSV, finds out what its columns are, splits, searches, fits, and writes an artefact.
//!
//! ```text
//! reader (file → text by column) → data (types, target, split, missing values)
//!        → features (columns of numbers) → learner, search → train → output
//! ```
//!
//! Files in, files out: nothing here knows of a network or of Kubernetes. Equal input gives an equal model, whatever the
//! number of threads.

mod baseline;
mod clock;
mod data;
mod error;
#[cfg(feature = "linfa")]
pub mod estimators;
mod evidence;
mod features;
mod folds;
mod learner;
mod output;
pub mod progress;
pub mod reader;
mod search;
pub mod spec_file;
pub mod step;
mod summary;
mod threshold;
mod timing;
mod train;

use slipway_model::rng;

pub use error::{DataError, Error};
pub use progress::Listener;
pub use summary::summary;
pub use timing::{Took, time_fits};
pub use train::{Progress, Trained, train};
