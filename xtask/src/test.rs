//! `cargo xtask test`: everything that must hold, from formatting to faults on a real cluster.

use std::net::{IpAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::images::{self, Profile, TEST_NAMES};
use crate::install::{self, Images};
use crate::progress::elapsed;
use crate::target::{self, Target};
use crate::{chart, codegen, sh, tools, workspace};

/// The cluster of the tests, apart from the one people try things on.
const CLUSTER: &str = "slipway-test";
/// End-to-end tests that run side by side: they mostly wait.
const THREADS: &str = "4";

/// The rig's test that plays one run by name.
const RIG_REPLAY: &str = "one_run_again";

/// All crates, with what they have for users of other libraries; the same for each command, so that nothing is built twice.
const EVERYTHING: [&str; 3] = ["--workspace", "--features", "slipway-trainer/linfa"];

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
    /// Also what takes long: every scenario and every fault of the rig
    #[arg(long, conflicts_with = "only")]
    long: bool,
    /// Only the rig's tests whose names contain this, long ones included; or one run of the rig, such as promote:after:7,
    /// told in full. Needs no root
    #[arg(long, value_name = "FILTER", conflicts_with_all = ["only", "long", "no_cluster", "keep", "context"])]
    rig: Option<String>,
    #[command(flatten)]
    target: target::Args,
    /// With --context: the address at which that cluster's pods reach this machine, where the tests run S3 servers
    #[arg(long, value_name = "IP", requires = "context")]
    host_ip: Option<IpAddr>,
}

/// Runs all tests; stops at the first part that fails.
pub fn run(args: &Args) -> Result<()> {
    let mut parts = Parts::default();
    if let Some(filter) = &args.rig {
        rig(&mut parts, &Rig::Only(filter))?;
        parts.tell();
        return Ok(());
    }
    if args.only.is_none() {
        checks(&mut parts, args.no_cluster)?;
        if !args.no_cluster {
            rig(&mut parts, if args.long { &Rig::Long } else { &Rig::Short })?;
        }
    }
    if args.no_cluster {
        // That is all.
    } else if args.target.names_one() {
        on_their_cluster(&mut parts, args)?;
    } else {
        let result = on_our_cluster(&mut parts, args.only.as_deref());
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
        sh::in_front(clippy.args(EVERYTHING).args(["--all-targets", "--", "--deny", "warnings"]))
    })?;
    parts.part("generated files", || codegen::run(&codegen::Args { check: true }))?;
    parts.part("the chart", || chart::run(&chart::Args { update: false }))?;
    let s3_server = if no_cluster { None } else { Some(parts.part("tools", tools::Tools::ensure)?.versitygw) };
    parts.part("unit tests", || {
        let mut tests = images::cargo("test", Profile::Ci)?;
        if let Some(program) = s3_server {
            tests.env("SLIPWAY_VERSITYGW", program);
        }
        sh::in_front(tests.args(EVERYTHING))
    })
}

/// Which of the rig's tests.
enum Rig<'a> {
    Short,
    Long,
    Only(&'a str),
}

/// The operator on a control plane of its own, killed at every write. Needs no root.
fn rig(parts: &mut Parts, which: &Rig<'_>) -> Result<()> {
    let node = parts.part("a control plane", tools::control_plane)?;
    parts.part("the rig", || {
        let operator = images::compile(&["operator"], Profile::Ci)?.join("slipway-operator");
        let mut tests = images::cargo("test", Profile::Ci)?;
        tests.env("SLIPWAY_NODE", node).env("SLIPWAY_OPERATOR", operator).args(EVERYTHING);
        // One after the other: the sweeps fill the machine by themselves.
        tests.args(["--test", "rig", "--", "--nocapture", "--test-threads", "1"]);
        match which {
            Rig::Short => {}
            Rig::Long => drop(tests.args(["--include-ignored", "--skip", RIG_REPLAY])),
            Rig::Only(run) if run.contains(':') => drop(tests.env("SLIPWAY_RIG", run).args(["--ignored", RIG_REPLAY])),
            Rig::Only(filter) => drop(tests.args(["--include-ignored", "--skip", RIG_REPLAY, filter])),
        }
        sh::in_front(&mut tests)
    })
}

fn on_our_cluster(parts: &mut Parts, only: Option<&str>) -> Result<()> {
    let cluster = parts.part("a cluster", || Cluster::up(CLUSTER))?;
    let place = json!({
        "kubeconfig": cluster.kubeconfig,
        "auditLog": cluster.audit_log,
        "hostIp": cluster.host_ip,
        "s3": s3_access(&cluster.s3.endpoint, &cluster.s3.access_key, &cluster.s3.secret_key),
        "tools": cluster.tools,
    });
    end_to_end(parts, &Target::Local(Box::new(cluster)), place, only)
}

/// On a cluster that exists already, with an S3 server of ours on this machine.
fn on_their_cluster(parts: &mut Parts, args: &Args) -> Result<()> {
    let host_ip =
        args.host_ip.context("--context needs --host-ip: the address at which its pods reach this machine")?;
    let target = args.target.target(CLUSTER)?;
    let folder = workspace::target().join("cluster").join("theirs");
    std::fs::create_dir_all(&folder)?;
    let kubeconfig = folder.join("kubeconfig");
    let view = ["config", "view", "--minify", "--flatten", "--output", "json"];
    write(&kubeconfig, &sh::output(target.kubectl_command().args(view))?)?;
    let (kubectl, helm) = tools::clients()?;
    let versitygw = parts.part("tools", tools::s3_server)?;
    let s3 = S3Server::start(&versitygw, host_ip, &folder)?;
    let place = json!({
        "kubeconfig": kubeconfig,
        "hostIp": host_ip,
        "s3": s3.access,
        "tools": {"kubectl": kubectl, "helm": helm, "versitygw": versitygw},
    });
    end_to_end(parts, &target, place, args.only.as_deref())
}

/// The end-to-end tests; `place` tells them where everything is but what is made here.
fn end_to_end(parts: &mut Parts, target: &Target, mut place: Value, only: Option<&str>) -> Result<()> {
    let images = parts.part("images", || Images::deliver(target, &TEST_NAMES, Profile::Ci))?;
    parts.part("installation", || install::chart(target, &images))?;
    let image = |name| images.get(name).map(images::Image::reference);
    place["images"] = json!({
        "operator": image("operator")?,
        "trainer": image("trainer")?,
        "store": image("store")?,
        "modelServer": image("model-server")?,
        "fixture": image("fixture")?,
    });
    place["operatorNamespace"] = install::NAMESPACE.into();
    place["root"] = json!(workspace::root());
    let environment = workspace::target().join("cluster").join(format!("{CLUSTER}-e2e.json"));
    write(&environment, &place.to_string())?;
    parts.part("end-to-end tests", || {
        let mut tests = images::cargo("test", Profile::Ci)?;
        tests.env("SLIPWAY_E2E", environment).args(EVERYTHING);
        tests.args(["--test", "e2e", "--", "--test-threads", THREADS]);
        sh::in_front(tests.args(only))
    })
}

fn s3_access(endpoint: &str, access_key: &str, secret_key: &str) -> Value {
    json!({"endpoint": endpoint, "accessKey": access_key, "secretKey": secret_key})
}

/// An S3 server on this machine, for as long as the tests run.
struct S3Server {
    access: Value,
    process: Child,
}

impl S3Server {
    fn start(program: &Path, host_ip: IpAddr, folder: &Path) -> Result<S3Server> {
        let address = TcpListener::bind((host_ip, 0))
            .and_then(|socket| socket.local_addr())
            .with_context(|| format!("--host-ip {host_ip} is no address of this machine"))?;
        let (access_key, secret_key) = ("testaccess", "testsecret");
        let (data, versions) = (folder.join("s3"), folder.join("s3-versions"));
        std::fs::create_dir_all(&data)?;
        std::fs::create_dir_all(&versions)?;
        let process = Command::new(program)
            .env("ROOT_ACCESS_KEY", access_key)
            .env("ROOT_SECRET_KEY", secret_key)
            .args(["--port", &address.to_string(), "posix", "--versioning-dir"])
            .args([&versions, &data])
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| program.display().to_string())?;
        Ok(S3Server { access: s3_access(&format!("http://{address}"), access_key, secret_key), process })
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        // One that has ended already needs no end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
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
