//! What a server must go through: each test is short here and long where it is asked for,
//!
//! ```console
//! $ cargo test --release -p slipway-model-server --test server endure -- --ignored --nocapture --test-threads 1
//! ```
//!
//! which takes about ten minutes and says what it measured.

mod crowd;
mod noise;
pub mod requests;
mod stop;
mod table;

use std::time::Duration;

/// The value that a share of `sorted` does not exceed.
fn quantile(sorted: &[Duration], share: f64) -> Duration {
    let place = (share * (sorted.len() - 1) as f64).round() as usize;
    sorted.get(place).copied().unwrap_or_default()
}
