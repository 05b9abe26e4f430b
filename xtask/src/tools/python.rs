//! Python with the libraries that benchmarks compare with, in an environment of its own.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::{dir, packages};
use crate::progress::step;
use crate::sh;

const LIBRARIES: [&str; 3] = ["scikit-learn==1.9.1", "numpy==2.4.6", "pandas==3.1.1"];

/// A Python that has scikit-learn; made or renewed where that is needed.
pub fn scikit_learn() -> Result<PathBuf> {
    let environment = dir().join("scikit-learn");
    let python = environment.join("bin/python");
    let stamp = dir().join("scikit-learn.origin");
    let origin = LIBRARIES.join(" ");
    if fs::read_to_string(&stamp).is_ok_and(|made_from| made_from == origin) && python.exists() {
        return Ok(python);
    }
    // An environment is made of the interpreter, of venv and of what venv unpacks pip from.
    if !sh::succeeds(&mut sh::cmd("python3", ["-c", "import venv, ensurepip"])) {
        packages::install(&["python3", "python3-venv"])?;
    }
    step("installing scikit-learn from PyPI (a minute, once)", || -> Result<()> {
        sh::output(sh::cmd("python3", ["-m", "venv", "--clear"]).arg(&environment))?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        sh::output(sh::cmd(&python, pip).args(LIBRARIES))?;
        Ok(())
    })
    .context("scikit-learn is needed to compare with")?;
    fs::write(stamp, origin)?;
    Ok(python)
}
