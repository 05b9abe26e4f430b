//! `slipway-store` over a folder and over a real S3 server: `target/tools/bin/versitygw` where `cargo xtask cluster` has built
//! it, or what `SLIPWAY_VERSITYGW` names. Without one, the S3 half is left out and says so; with the variable set it never is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod faults;
mod fetch_model;
mod steps;
mod support;
