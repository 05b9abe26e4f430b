//! Programs from the machine's distribution.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::progress::step;
use crate::sh;

/// What is needed, and the Debian package it comes in.
const PROGRAMS: [(&str, &str); 9] = [
    ("containerd", "containerd"),
    ("ctr", "containerd"),
    ("runc", "runc"),
    ("iptables", "iptables"),
    ("conntrack", "conntrack"),
    ("ip", "iproute2"),
    ("unshare", "util-linux"),
    ("kill", "procps"),
    ("buildah", "buildah"),
];

/// Where distributions put CNI plugins.
const CNI_DIRS: [&str; 3] = ["/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"];

/// The certificates that the store's image trusts.
pub const CA_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Installs what is missing.
pub fn ensure() -> Result<()> {
    let mut missing: Vec<&str> =
        PROGRAMS.iter().filter(|(program, _)| sh::find(program).is_none()).map(|(_, package)| *package).collect();
    if cni_dir().is_err() {
        missing.push("containernetworking-plugins");
    }
    if !Path::new(CA_BUNDLE).exists() {
        missing.push("ca-certificates");
    }
    missing.dedup();
    if missing.is_empty() {
        return Ok(());
    }
    install(&missing)
}

/// Where an installed program is.
pub fn program(name: &str) -> Result<PathBuf> {
    sh::find(name).with_context(|| format!("{name} is not installed"))
}

/// The folder with the CNI plugins a node uses.
pub fn cni_dir() -> Result<PathBuf> {
    CNI_DIRS
        .iter()
        .map(PathBuf::from)
        .find(|dir| dir.join("ptp").exists() && dir.join("portmap").exists())
        .context("the CNI plugins are not installed")
}

/// Whether the distribution has a package of this name.
pub fn offers(package: &str) -> bool {
    sh::output(&mut sh::cmd("apt-cache", ["policy", package])).is_ok_and(|policy| {
        policy.lines().any(|line| line.trim().starts_with("Candidate:") && !line.contains("(none)"))
    })
}

/// Installs packages; the lists are brought up to date when the first attempt fails.
pub fn install(packages: &[&str]) -> Result<()> {
    if sh::find("apt-get").is_none() {
        bail!("please install: {} (names as in Debian)", packages.join(", "));
    }
    step(&format!("installing {}", packages.join(", ")), || {
        let apt = |args: &[&str]| {
            let mut command = sh::cmd("apt-get", args);
            command.env("DEBIAN_FRONTEND", "noninteractive");
            sh::output(&mut command)
        };
        let install = || {
            let mut args = vec!["install", "--yes", "--quiet", "--no-install-recommends"];
            args.extend(packages);
            apt(&args)
        };
        if install().is_err() {
            apt(&["update", "--quiet"])?;
            install()?;
        }
        Ok(())
    })
}
