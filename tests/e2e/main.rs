//! The road from a CSV in object storage to a served prediction, and everything that can go wrong on it, on a real
//! cluster. `cargo xtask test` prepares it.

mod admission;
mod chart;
mod data;
mod judging;
mod operator;
mod road;
mod rollout;
mod runs;
mod storage;
