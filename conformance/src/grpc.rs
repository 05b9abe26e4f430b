//! The protocol over gRPC.

pub mod client;
pub mod messages;

pub use client::{Caller, Status};
