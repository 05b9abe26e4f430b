//! Object storage, and the steps around training that use it: [`fetch`], [`publish`], [`report`], and [`fetch_model`] in
//! front of a server.
//!
//! A [`Store`] holds objects at a [`Location`], `s3://` or `file://`, with the same layout and the same rules for both: what
//! is written once is never overwritten.

pub mod cli;
pub mod dataset;
pub mod download;
pub mod error;
pub mod fetch;
pub mod fetch_model;
mod files;
pub mod location;
pub mod newest;
pub mod outcome;
pub mod policy;
pub mod publish;
pub mod put;
pub mod report;
mod s3;
pub mod step;
pub mod store;
pub mod workspace;

pub use error::StoreError;
pub use location::Location;
pub use policy::Policy;
pub use s3::Variables;
pub use step::StepError;
pub use store::{Content, Object, Put, Store};
