//! From a table of text to typed columns, a target, and a split.

pub(crate) mod dataset;
mod derive;
mod feature;
pub(crate) mod fill;
pub(crate) mod infer;
pub(crate) mod keys;
pub(crate) mod report;
pub(crate) mod split;
pub(crate) mod target;
mod weights;
