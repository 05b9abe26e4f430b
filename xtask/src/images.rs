//! Container images of one static program each.

pub mod cli;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::progress::step;
use crate::tools::{self, CA_BUNDLE};
use crate::{sh, workspace};

/// The programs that have an image, by the image's name: `slipway-NAME` in `slipway/NAME`.
pub const NAMES: [&str; 4] = ["operator", "trainer", "store", "model-server"];
/// The same, and the one that does in tests whatever a container may do.
pub const TEST_NAMES: [&str; 5] = ["operator", "trainer", "store", "model-server", "fixture"];

/// How the programs are compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// As released: small and fast
    Release,
    /// Quick to build, for tests
    Ci,
}

impl Profile {
    fn name(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Ci => "ci",
        }
    }
}

/// An image by its name; what is in it decides its tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Such as `slipway/operator`.
    pub repository: String,
    /// A short hash of what is in it.
    pub tag: String,
}

impl Image {
    /// The name to use in a pod.
    pub fn reference(&self) -> String {
        format!("{}:{}", self.repository, self.tag)
    }

    /// Where it comes from, with the default of container runtimes written out.
    pub fn registry(&self) -> String {
        let prefix = self.repository.rsplit_once('/').map_or("", |(prefix, _)| prefix);
        let has_host = prefix.split('/').next().is_some_and(|host| host.contains(['.', ':']) || host == "localhost");
        if has_host { prefix.to_owned() } else { format!("docker.io/{prefix}") }
    }

    /// The same image in a registry: `operator` at `ghcr.io/me` is `ghcr.io/me/operator`.
    pub fn in_registry(&self, registry: &str) -> Self {
        let name = self.repository.rsplit('/').next().unwrap_or(&self.repository);
        Self { repository: format!("{}/{name}", registry.trim_end_matches('/')), tag: self.tag.clone() }
    }
}

/// Compiles the named programs and makes an image of each. What has not changed is not made again.
pub fn build(builder: &Builder, names: &[&str], profile: Profile) -> Result<Vec<Image>> {
    let programs = compile(names, profile)?;
    names
        .iter()
        .map(|name| {
            let program = programs.join(format!("slipway-{name}"));
            builder.image_of(name, &program).with_context(|| format!("building the image of {name}"))
        })
        .collect()
}

/// Begins to compile in silence, while other things are built: alone, neither fills two cores to its end. What goes wrong
/// is said by [`build`], which must follow. Returns what waits for the end.
pub fn compile_ahead(names: &[&str], profile: Profile) -> Result<impl FnOnce() + use<>> {
    let mut build = compilation(names, profile)?;
    let compiling = thread::spawn(move || sh::succeeds(&mut build));
    Ok(move || {
        let wait = || compiling.join().unwrap_or(false);
        step("compiling Slipway (about 10 minutes, once)", wait);
    })
}

/// Compiles static programs and returns the folder they are in.
pub fn compile(names: &[&str], profile: Profile) -> Result<PathBuf> {
    sh::in_front(&mut compilation(names, profile)?)?;
    programs(profile)
}

fn compilation(names: &[&str], profile: Profile) -> Result<Command> {
    let mut build = cargo("build", profile)?;
    match profile {
        // Each with no more than it needs itself.
        Profile::Release => {
            build.args(names.iter().flat_map(|name| ["--package".to_owned(), format!("slipway-{name}")]));
        }
        // With what the tests need beside, so that tests and images share all that is compiled.
        Profile::Ci => {
            build.args(["--workspace", "--tests"]);
        }
    }
    build.args(names.iter().flat_map(|name| ["--bin".to_owned(), format!("slipway-{name}")]));
    Ok(build)
}

/// The folder of compiled programs.
pub fn programs(profile: Profile) -> Result<PathBuf> {
    Ok(workspace::target().join(host_triple()?).join(profile.name()))
}

/// cargo with the settings of images. With `--workspace`, whatever is compiled for one command serves the others.
pub fn cargo(subcommand: &str, profile: Profile) -> Result<Command> {
    let target = host_triple()?;
    let mut cargo = sh::cmd("cargo", [subcommand, "--profile", profile.name(), "--target", &target]);
    // Naming the target keeps these builds and the flags away from those of the host.
    cargo.current_dir(workspace::root()).env("RUSTFLAGS", "-C target-feature=+crt-static");
    Ok(cargo)
}

/// What the image of a program sets for it.
pub fn environment(name: &str) -> Result<Vec<(String, String)>> {
    let path = containerfile(name);
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let set = text.lines().filter_map(|line| line.strip_prefix("ENV ")?.split_once('='));
    Ok(set.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

fn containerfile(name: &str) -> PathBuf {
    workspace::root().join("deploy/images").join(name).join("Containerfile")
}

fn host_triple() -> Result<String> {
    let version = sh::output(&mut sh::cmd("rustc", ["--version", "--verbose"]))?;
    let triple = version.lines().find_map(|line| line.strip_prefix("host: "));
    triple.map(str::to_owned).context("rustc does not name its host")
}

/// Makes images, in a store of its own under `target`.
pub struct Builder {
    buildah: PathBuf,
    store: PathBuf,
}

impl Builder {
    /// With buildah at this path.
    pub fn new(buildah: PathBuf) -> Self {
        Self { buildah, store: tools::dir().join("buildah") }
    }

    /// Builds a Containerfile; the context holds what it copies.
    pub fn build(&self, containerfile: &Path, context: &Path, reference: &str) -> Result<()> {
        let options = ["build", "--quiet", "--isolation", "chroot", "--timestamp", "0", "--tag", reference, "--file"];
        sh::output(self.buildah().args(options).arg(containerfile).arg(context))?;
        Ok(())
    }

    /// Writes an image to a docker archive.
    pub fn save(&self, reference: &str, archive: &Path) -> Result<()> {
        if archive.exists() {
            fs::remove_file(archive)?;
        }
        let target = format!("docker-archive:{}:{reference}", archive.display());
        sh::output(self.buildah().args(["push", "--quiet", &Self::local(reference), &target]))?;
        Ok(())
    }

    /// An image as a docker archive.
    pub fn archive(&self, image: &Image) -> Result<PathBuf> {
        let name = image.reference().replace(['/', ':'], "-");
        let archive = workspace::target().join("images").join(format!("{name}.tar"));
        if !archive.exists() {
            let partial = archive.with_extension("partial");
            self.save(&image.reference(), &partial)?;
            fs::rename(partial, &archive)?;
        }
        Ok(archive)
    }

    /// Pushes an image to a registry, with the credentials that `buildah login` or docker keeps.
    pub fn push(&self, image: &Image, to: &Image) -> Result<()> {
        let (from, to) = (Self::local(&image.reference()), to.reference());
        step(&format!("pushing {to}"), || {
            let mut push = self.buildah();
            push.args(["push", "--quiet"]);
            if to.starts_with("localhost:") || to.starts_with("127.0.0.1:") {
                // As Docker does: the registries of kind and k3d speak no TLS.
                push.arg("--tls-verify=false");
            }
            sh::output(push.args([&from, &format!("docker://{to}")]))
        })?;
        Ok(())
    }

    fn image_of(&self, name: &str, program: &Path) -> Result<Image> {
        let containerfile = containerfile(name);
        let image = Image { repository: format!("slipway/{name}"), tag: tag(&[program, &containerfile])? };
        let reference = image.reference();
        if sh::succeeds(self.buildah().args(["inspect", "--type", "image", &Self::local(&reference)])) {
            return Ok(image);
        }
        let context = workspace::target().join("images/context").join(name);
        fs::create_dir_all(&context)?;
        fs::copy(program, context.join(format!("slipway-{name}")))?;
        fs::copy(CA_BUNDLE, context.join("ca-certificates.crt")).with_context(|| CA_BUNDLE.to_owned())?;
        step(&format!("building the image {reference}"), || self.build(&containerfile, &context, &reference))?;
        Ok(image)
    }

    /// buildah's own name of an image without a registry.
    fn local(reference: &str) -> String {
        format!("localhost/{reference}")
    }

    fn buildah(&self) -> Command {
        let mut command = sh::cmd(&self.buildah, ["--storage-driver", "vfs", "--root"]);
        command.arg(self.store.join("root")).arg("--runroot").arg(self.store.join("run"));
        command
    }
}

/// Names the content of files, shortly.
fn tag(files: &[&Path]) -> Result<String> {
    let sums = sh::output(sh::cmd("sha256sum", ["--"]).args(files))?;
    // Where they are does not matter.
    let sums: Vec<&str> = sums.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let sum = sh::output_with_input(&mut Command::new("sha256sum"), &sums.join("\n"))?;
    Ok(sum.chars().take(12).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_keeps_its_name_and_tag_in_a_registry() {
        let image = Image { repository: "slipway/operator".to_owned(), tag: "0123".to_owned() };
        assert_eq!(image.registry(), "docker.io/slipway");
        let image = image.in_registry("ghcr.io/me/");
        assert_eq!(
            (image.reference(), image.registry()),
            ("ghcr.io/me/operator:0123".to_owned(), "ghcr.io/me".to_owned())
        );
    }

    #[test]
    fn the_tag_follows_the_content_wherever_it_is() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let (once, again) = (tag(&[&here]).unwrap(), tag(&[&here]).unwrap());
        assert_eq!(once, again);
        assert_eq!(once.len(), 12);
        assert_ne!(once, tag(&[&here, &here]).unwrap());
    }
}
