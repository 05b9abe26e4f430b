//! What all tests share: one control plane, and where the programs are.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use slipway_rig::control_plane::ControlPlane;
use tokio::sync::OnceCell;

/// Path of a program, from the variable that names it.
fn program(variable: &str) -> Result<PathBuf> {
    let path = std::env::var_os(variable);
    path.map(PathBuf::from).with_context(|| format!("{variable} is not set: these tests are run by `cargo xtask test`"))
}

/// The operator.
pub fn operator() -> Result<PathBuf> {
    program("SLIPWAY_OPERATOR")
}

/// A folder for what this run of the tests writes.
pub fn folder() -> PathBuf {
    folders().join(std::process::id().to_string())
}

fn folders() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("rig")
}

/// Deletes what runs before this one have left to be looked at.
fn tidy() -> Result<()> {
    std::fs::create_dir_all(folders())?;
    for entry in std::fs::read_dir(folders())? {
        let entry = entry?;
        if !Path::new("/proc").join(entry.file_name()).exists() {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// The control plane, started by the first test that asks; the processes end with this one.
pub async fn control_plane() -> Result<&'static ControlPlane> {
    static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();
    let start = || async {
        tidy()?;
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).context("the checkout")?;
        ControlPlane::start(&program("SLIPWAY_NODE")?, &folder().join("control-plane"), root).await
    };
    SHARED.get_or_try_init(start).await
}
