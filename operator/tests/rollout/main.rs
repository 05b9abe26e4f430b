//! The rollout state machine against a small model of a cluster: stories to read, and rules that hold in all of them.

mod properties;
mod scenarios;
mod world;
