//! The programs a cluster is made of: built once from source under `target/tools`,
//! or installed from the machine's distribution.

mod go;
mod packages;
mod python;

pub use packages::CA_BUNDLE;
pub use python::Library;

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::progress::step;
use crate::{images, sh, workspace};

/// The Kubernetes that `tests/cluster/go.mod` builds.
pub const KUBERNETES_VERSION: &str = "v1.36.3";

/// The name of the image that holds a pod's namespaces open.
pub const PAUSE_IMAGE: &str = "slipway/pause:1";

/// Where the programs are.
#[derive(Clone, Debug, Serialize)]
pub struct Tools {
    /// The Kubernetes client.
    pub kubectl: PathBuf,
    /// The chart installer.
    pub helm: PathBuf,
    /// The S3 server.
    pub versitygw: PathBuf,
    /// The image builder.
    pub buildah: PathBuf,
    /// All components of Kubernetes.
    #[serde(skip)]
    pub node: PathBuf,
    /// The container runtime.
    #[serde(skip)]
    pub containerd: PathBuf,
    /// Its client.
    #[serde(skip)]
    pub ctr: PathBuf,
    /// The folder of CNI plugins.
    #[serde(skip)]
    pub cni_dir: PathBuf,
    /// The pause image as a docker archive.
    #[serde(skip)]
    pub pause_archive: PathBuf,
}

impl Tools {
    /// Finds all programs; builds or installs those that are missing, saying so.
    pub fn ensure() -> Result<Self> {
        let _lock = workspace::lock(&dir().join("lock"))?;
        packages::ensure()?;
        let kubectl = kubectl()?;
        Ok(Self {
            node: bin("slipway-node"),
            kubectl,
            helm: helm()?,
            versitygw: versitygw()?,
            pause_archive: pause_archive()?,
            buildah: packages::program("buildah")?,
            containerd: packages::program("containerd")?,
            ctr: packages::program("ctr")?,
            cni_dir: packages::cni_dir()?,
        })
    }
}

/// The clients for a cluster that exists: the user's own, or else ours.
pub fn clients() -> Result<(PathBuf, PathBuf)> {
    let _lock = workspace::lock(&dir().join("lock"))?;
    let kubectl = sh::find("kubectl").map_or_else(kubectl, Ok)?;
    let helm = sh::find("helm").map_or_else(helm, Ok)?;
    Ok((kubectl, helm))
}

/// The chart installer, always ours: what it renders is compared to the letter.
pub fn chart_installer() -> Result<PathBuf> {
    let _lock = workspace::lock(&dir().join("lock"))?;
    helm()
}

/// The S3 server.
pub fn s3_server() -> Result<PathBuf> {
    let _lock = workspace::lock(&dir().join("lock"))?;
    versitygw()
}

/// All components of a control plane, in one program.
pub fn control_plane() -> Result<PathBuf> {
    let _lock = workspace::lock(&dir().join("lock"))?;
    kubectl()?;
    Ok(bin("slipway-node"))
}

/// The image builder, installed if it is missing.
pub fn buildah() -> Result<PathBuf> {
    let _lock = workspace::lock(&dir().join("lock"))?;
    packages::ensure()?;
    packages::program("buildah")
}

/// A Python that has a library, for benchmarks.
pub fn python(library: Library) -> Result<PathBuf> {
    let _lock = workspace::lock(&dir().join("lock"))?;
    python::python(library)
}

/// The folder of all that is built here.
pub fn dir() -> PathBuf {
    workspace::target().join("tools")
}

fn bin(name: &str) -> PathBuf {
    dir().join("bin").join(name)
}

fn kubectl() -> Result<PathBuf> {
    let version = "k8s.io/component-base/version";
    let flags =
        format!("-s -w -X {version}.gitVersion={KUBERNETES_VERSION} -X {version}.gitMajor=1 -X {version}.gitMinor=36");
    built("slipway-node", ".", &flags, "building Kubernetes from source (about 5 minutes, once)")?;
    let kubectl = bin("kubectl");
    if !kubectl.exists() {
        symlink("slipway-node", &kubectl)?;
    }
    Ok(kubectl)
}

fn helm() -> Result<PathBuf> {
    built("helm", "helm.sh/helm/v4/cmd/helm", "-s -w", "building helm (a minute, once)")
}

fn versitygw() -> Result<PathBuf> {
    let package = "github.com/versity/versitygw/cmd/versitygw";
    built("versitygw", package, "-s -w", "building the S3 server (a minute, once)")
}

/// Builds a Go program of the one module that names all versions, so that what the programs share is compiled once.
fn built(name: &str, package: &str, flags: &str, what: &str) -> Result<PathBuf> {
    let sources = workspace::root().join("tests/cluster");
    once(name, &fingerprint(&sources)?, |program| {
        step(what, || {
            let mut build = go::command()?;
            build.current_dir(&sources).args(["build", "-trimpath", "-ldflags", flags, "-o"]);
            sh::output(build.arg(program).arg(package))
        })
        .with_context(|| format!("building {package} in tests/cluster"))
        .map(drop)
    })
}

fn pause_archive() -> Result<PathBuf> {
    let sources = workspace::root().join("tests/cluster/pause");
    let fingerprint = fingerprint(&sources)?;
    once("pause.tar", &fingerprint, |archive| {
        let folder = dir().join("pause");
        fs::create_dir_all(&folder)?;
        sh::output(
            go::command()?
                .current_dir(&sources)
                .args(["build", "-trimpath", "-ldflags=-s -w", "-o"])
                .arg(folder.join("pause"))
                .arg("."),
        )?;
        fs::write(
            folder.join("Containerfile"),
            "FROM scratch\nCOPY pause /pause\nUSER 65535:65535\nENTRYPOINT [\"/pause\"]\n",
        )?;
        let builder = images::Builder::new(packages::program("buildah")?);
        builder.build(&folder.join("Containerfile"), &folder, PAUSE_IMAGE)?;
        builder.save(PAUSE_IMAGE, archive)
    })
}

/// Makes `target/tools/bin/NAME` unless what is there was made from the same `origin`.
fn once<T>(name: &str, origin: &str, make: impl FnOnce(&Path) -> Result<T>) -> Result<PathBuf> {
    let file = bin(name);
    let stamp = dir().join(format!("{name}.origin"));
    let current = fs::read_to_string(&stamp).is_ok_and(|made_from| made_from == origin);
    if !current || !file.exists() {
        fs::create_dir_all(dir().join("bin"))?;
        make(&file)?;
        fs::write(&stamp, origin)?;
    }
    Ok(file)
}

/// Names the state of the Go sources directly in a folder.
fn fingerprint(folder: &Path) -> Result<String> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.retain(|file| file.is_file());
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        file.file_name().hash(&mut hasher);
        fs::read(&file).with_context(|| file.display().to_string())?.hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}
