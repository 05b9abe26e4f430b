//! The rollout state machine: no client, no clock, no async.
