//! Processors that do not sleep between two requests.

use std::process::{Child, Stdio};
use std::thread;

use anyhow::{Context, Result};

use crate::sh;

/// Keeps every processor busy, at the lowest priority, until it is dropped. A processor that sleeps while a single caller
/// reads its answer wakes with empty caches, and whoever is asked next pays for it: how much is a matter of the machine, and
/// more than what a server itself does for a row.
pub struct Awake(Vec<Child>);

impl Awake {
    /// Starts.
    pub fn start() -> Result<Awake> {
        let mut awake = Awake(Vec::new());
        for _ in 0..thread::available_parallelism()?.get() {
            let mut idler = sh::cmd("nice", ["-n", "19", "sh", "-c", "while :; do :; done"]);
            awake.0.push(idler.stdin(Stdio::null()).spawn().context("cannot run nice")?);
        }
        Ok(awake)
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        for idler in &mut self.0 {
            // One that has ended needs no end.
            let _ = idler.kill();
            let _ = idler.wait();
        }
    }
}
