//! Where things are in this checkout.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The root of the workspace.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// The folder for all that is built, downloaded or left running.
pub fn target() -> PathBuf {
    root().join("target")
}

/// Waits until no other process holds the lock; it is let go when the result is dropped.
pub fn lock(file: &Path) -> Result<File> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let opened = File::create(file).with_context(|| file.display().to_string())?;
    if opened.try_lock().is_err() {
        eprintln!("  waiting for another `cargo xtask` to finish …");
        opened.lock()?;
    }
    Ok(opened)
}
