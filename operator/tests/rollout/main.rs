//! The rollout state machine against a small model of a cluster: stories to read, and rules that hold in all of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed test ends")]

mod properties;
mod scenarios;
mod world;
