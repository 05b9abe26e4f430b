//! What a model is: its [`schema`], the [`encoder`] that turns a row into numbers, the learned [`estimator`], and the
//! [`artefact`] that carries them from training to serving.
//!
//! One decoder and one encoder of a row serve training and serving, so that the two cannot drift apart. Nothing here
//! touches the network, and nothing in an artefact is ever executed.

pub mod artefact;
pub mod checks;
pub mod digest;
pub mod distribution;
pub mod encoder;
pub mod estimator;
pub mod examine;
mod explain;
pub mod manifest;
pub mod metrics;
mod neighbours;
pub mod pictures;
mod predictor;
pub mod rng;
pub mod schema;
pub mod test_rows;
pub mod value;

pub use artefact::{Artefact, ArtefactError};
pub use digest::Digest;
pub use distribution::Distribution;
pub use encoder::{Block, Encoder, Form, Scale, Source};
pub use estimator::{
    Combine, Constant, Estimator, Kernel, Kernels, Linear, Link, NaiveBayes, NormalClass, OutputScale, TreeNode, Trees,
    TreesBuilder, TreesError,
};
pub use examine::{ExamineError, Examined, examine, report_of};
pub use explain::{Explainer, Explanation, NotExplainable};
pub use manifest::{Distributions, FileEntry, Golden, GoldenRow, Input, Lineage, Manifest};
pub use neighbours::{Neighbours, TruthRange};
pub use predictor::{Learned, Model, ModelError, Prediction, most_probable};
pub use schema::{Field, Output, Range, Unknown};
pub use value::{FieldError, Value};
