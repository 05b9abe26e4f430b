//! `cargo xtask test`: everything that must hold, from formatting to faults on a real cluster.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::json;

use crate::cluster::Cluster;
use crate::images::{self, Profile, TEST_NAMES};
use crate::install::{self, Images};
use crate::progress::elapsed;
use crate::target::Target;
use crate::{chart, codegen, sh, tools, workspace};

/// The cluster of the tests, apart from the one people try things on.
const CLUSTER: &str = "slipway-test";
/// End-to-end tests that run side by side: they mostly wait.
const THREADS: &str = "4";

/// The arguments of `cargo xtask test`.
#[derive(clap::Args)]
pub struct Args {
    /// Leave out all that needs a cluster, and so root
    #[arg(long)]
    no_cluster: bool,
    /// Leave the cluster of the tests running, to look into it or to test again sooner
    #[arg(long, conflicts_with = "no_cluster")]
    keep: bool,
    /// Only the end-to-end tests whose names contain this; nothing else is checked
    #[arg(long, value_name = "NAME", conflicts_with = "no_cluster")]
    only: Option<String>,
}

/// Runs all tests; stops at the first part that fails.
pub fn run(args: &Args) -> Result<()> {
    let mut parts = Parts::default();
    if args.only.is_none() {
        checks(&mut parts, args.no_cluster)?;
    }
    if !args.no_cluster {
        let result = on_a_cluster(&mut parts, args.only.as_deref());
        if !args.keep {
            parts.part("the cluster goes", || Cluster::down(CLUSTER))?;
        }
        result?;
    }
    parts.tell();
    Ok(())
}

/// All that needs neither root nor a cluster, though the tests of object storage want the S3 server of one.
fn checks(parts: &mut Parts, no_cluster: bool) -> Result<()> {
    let root = workspace::root();
    parts.part("formatting", || sh::in_front(sh::cmd("cargo", ["fmt", "--all", "--check"]).current_dir(&root)))?;
    parts.part("clippy", || {
        let mut clippy = images::cargo("clippy", Profile::Ci)?;
        sh::in_front(clippy.args(["--workspace", "--all-targets", "--", "--deny", "warnings"]))
    })?;
    parts.part("generated files", || codegen::run(&codegen::Args { check: true }))?;
    parts.part("the chart", || chart::run(&chart::Args { update: false }))?;
    let s3_server = if no_cluster { None } else { Some(parts.part("tools", tools::Tools::ensure)?.versitygw) };
    parts.part("unit tests", || {
        let mut tests = images::cargo("test", Profile::Ci)?;
        if let Some(program) = s3_server {
            tests.env("SLIPWAY_VERSITYGW", program);
        }
        sh::in_front(tests.arg("--workspace"))
    })
}

fn on_a_cluster(parts: &mut Parts, only: Option<&str>) -> Result<()> {
    let cluster = parts.part("a cluster", || Cluster::up(CLUSTER))?;
    let target = Target::Local(Box::new(cluster.clone()));
    let images = parts.part("images", || Images::deliver(&target, &TEST_NAMES, Profile::Ci))?;
    parts.part("installation", || install::chart(&target, &images))?;
    let environment = write_environment(&cluster, &images)?;
    parts.part("end-to-end tests", || {
        let mut tests = images::cargo("test", Profile::Ci)?;
        tests.env("SLIPWAY_E2E", environment).args(["--workspace", "--test", "e2e", "--", "--test-threads", THREADS]);
        sh::in_front(tests.args(only))
    })
}

/// Tells the end-to-end tests where everything is.
fn write_environment(cluster: &Cluster, images: &Images) -> Result<PathBuf> {
    let image = |name| images.get(name).map(images::Image::reference);
    let environment = json!({
        "kubeconfig": cluster.kubeconfig,
        "hostIp": cluster.host_ip,
        "s3": {
            "endpoint": cluster.s3.endpoint,
            "accessKey": cluster.s3.access_key,
            "secretKey": cluster.s3.secret_key,
        },
        "tools": cluster.tools,
        "images": {
            "operator": image("operator")?,
            "trainer": image("trainer")?,
            "store": image("store")?,
            "modelServer": image("model-server")?,
            "fixture": image("fixture")?,
        },
        "operatorNamespace": install::NAMESPACE,
        "root": workspace::root(),
    });
    let file = workspace::target().join("cluster").join(format!("{CLUSTER}-e2e.json"));
    write(&file, &environment.to_string())?;
    Ok(file)
}

fn write(file: &Path, content: &str) -> Result<()> {
    std::fs::write(file, content).with_context(|| file.display().to_string())
}

/// The parts of the test, with the time each took.
#[derive(Default)]
struct Parts(Vec<(String, Duration)>);

impl Parts {
    fn part<T>(&mut self, what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        eprintln!("\n== {what}");
        let started = Instant::now();
        let result = work().with_context(|| format!("{what} failed"))?;
        self.0.push((what.to_owned(), started.elapsed()));
        Ok(result)
    }

    fn tell(&self) {
        eprintln!("\nAll passed.");
        for (what, time) in &self.0 {
            eprintln!("  {what:<20} {}", elapsed(*time));
        }
    }
}
