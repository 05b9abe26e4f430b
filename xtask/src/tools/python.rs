//! Python with the libraries that benchmarks compare with, each in an environment of its own.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::{dir, packages};
use crate::progress::step;
use crate::sh;

/// What to compare with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    /// scikit-learn itself.
    ScikitLearn,
    /// MLServer with its scikit-learn runtime.
    MlServer,
    /// The KServe SDK.
    KServe,
    /// FastAPI, and ONNX Runtime.
    FastApi,
}

impl Library {
    /// The name of its environment, and what is installed there.
    fn packages(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Library::ScikitLearn => ("scikit-learn", &["scikit-learn==1.9.1", "numpy==2.4.6", "pandas==3.1.1"]),
            // uvloop 0.22 and later end its worker at the start.
            Library::MlServer => {
                ("mlserver", &["mlserver==1.7.1", "mlserver-sklearn==1.7.1", "scikit-learn==1.9.1", "uvloop==0.21.0"])
            }
            Library::KServe => ("kserve", &["kserve==0.21.0", "scikit-learn==1.9.1"]),
            Library::FastApi => (
                "fastapi",
                &[
                    "fastapi==0.165.0",
                    "uvicorn[standard]==0.54.0",
                    "scikit-learn==1.9.1",
                    "onnxruntime==1.31.1",
                    "skl2onnx==1.20.0",
                ],
            ),
        }
    }

    /// What is installed, such as `fastapi==0.165.0`.
    pub fn installed(self) -> &'static [&'static str] {
        self.packages().1
    }
}

/// A Python that has a library; made or renewed where that is needed.
pub fn python(library: Library) -> Result<PathBuf> {
    let (name, packages) = library.packages();
    let environment = dir().join(name);
    let python = environment.join("bin/python");
    let stamp = dir().join(format!("{name}.origin"));
    let origin = packages.join(" ");
    if fs::read_to_string(&stamp).is_ok_and(|made_from| made_from == origin) && python.exists() {
        return Ok(python);
    }
    // An environment is made of the interpreter, of venv and of what venv unpacks pip from.
    if !sh::succeeds(&mut sh::cmd("python3", ["-c", "import venv, ensurepip"])) {
        packages::install(&["python3", "python3-venv"])?;
    }
    step(&format!("installing {name} from PyPI (a minute, once)"), || -> Result<()> {
        sh::output(sh::cmd("python3", ["-m", "venv", "--clear"]).arg(&environment))?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        sh::output(sh::cmd(&python, pip).args(packages))?;
        Ok(())
    })
    .with_context(|| format!("{name} is needed to compare with"))?;
    fs::write(stamp, origin)?;
    Ok(python)
}
