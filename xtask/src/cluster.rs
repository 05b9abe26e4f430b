//! A real Kubernetes node on this machine, in namespaces of its own, with an S3 server beside it.
//!
//! Every process of the node lives in one network, one mount and one PID namespace. The first
//! process there, `slipway-node supervise`, starts the others and starts again what ends;
//! when it ends itself, the kernel takes everything else with it.

pub mod cli;

mod cgroups;
mod config;
mod machine;
mod network;
mod node;

use std::fmt::Write;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::progress::step;
use crate::tools::{PAUSE_IMAGE, Tools};
use crate::{sh, workspace};
use network::Network;
use node::Node;

/// How long a start may take before it is called failed.
const START_TIMEOUT: Duration = Duration::from_secs(90);

/// A cluster that runs on this machine.
#[derive(Clone, Debug, Serialize)]
pub struct Cluster {
    /// Its name: of its folder, network namespace, node and kubeconfig context.
    pub name: String,
    /// Whether it runs.
    pub running: bool,
    /// The administrator's kubeconfig; its only context is the cluster's.
    pub kubeconfig: PathBuf,
    /// The address of the node.
    pub node_ip: String,
    /// The address under which pods reach this machine.
    pub host_ip: String,
    /// The S3 server.
    pub s3: S3,
    /// What service accounts outside of Kubernetes itself have written, one audit event a line.
    pub audit_log: PathBuf,
    /// The programs it is made of and worked with.
    pub tools: Tools,
}

/// An S3 server, reached under the same address from this machine and from pods.
#[derive(Clone, Debug, Serialize)]
pub struct S3 {
    /// Its URL.
    pub endpoint: String,
    /// The administrator's access key.
    pub access_key: String,
    /// The administrator's secret key.
    pub secret_key: String,
    /// The folder with one folder a bucket.
    pub data_dir: PathBuf,
}

/// What is kept of a cluster between two commands.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    network: Network,
    access_key: String,
    secret_key: String,
}

impl Cluster {
    /// What keeps this machine from running a node, if anything does.
    pub fn impossible() -> Option<&'static str> {
        machine::obstacle()
    }

    /// Brings the cluster up, or finds it running; returns when pods can run.
    pub fn up(name: &str) -> Result<Self> {
        check_machine(name)?;
        let tools = Tools::ensure()?;
        let _lock = lock(name)?;
        let folder = folder(name);
        let record = Record::ensure(name, &folder)?;
        let node = Node::new(name, &folder, record.network);
        let cluster = Self::from_record(name, record, tools, true);
        let plan = config::plan(&cluster, &folder)?;
        if node.runs(&plan) && step("checking the cluster", || cluster.await_ready(&node, START_TIMEOUT / 3)).is_ok() {
            return Ok(cluster);
        }
        node.clear()?;
        step("starting the node", || {
            config::write(&cluster, &folder)?;
            node.start(&plan, &cluster.tools.node)?;
            cluster.await_ready(&node, START_TIMEOUT)
        })
        .with_context(|| {
            format!("the cluster does not start; `cargo xtask cluster down --name {name}` clears it away")
        })?;
        Ok(cluster)
    }

    /// The cluster as it is, without changing anything; none when it was never brought up.
    pub fn find(name: &str) -> Result<Option<Self>> {
        let folder = folder(name);
        let Some(record) = Record::read(&folder)? else { return Ok(None) };
        let tools = Tools::ensure()?;
        let running = Node::new(name, &folder, record.network).pid().is_some();
        Ok(Some(Self::from_record(name, record, tools, running)))
    }

    /// Ends the cluster and removes all of it, also what a broken run left.
    pub fn down(name: &str) -> Result<()> {
        check_machine(name)?;
        let _lock = lock(name)?;
        let folder = folder(name);
        step("taking the node down", || {
            let network = Record::read(&folder).ok().flatten().map(|record| record.network);
            let network = network.unwrap_or_else(|| Network::preferred(name));
            Node::new(name, &folder, network).clear()?;
            if folder.exists() {
                fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
            }
            Ok(())
        })
    }

    /// Runs kubectl against the cluster and returns what it printed.
    pub fn kubectl<S: AsRef<std::ffi::OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Result<String> {
        sh::output(self.kubectl_command().args(args))
    }

    /// `kubectl`, to be completed with arguments.
    pub fn kubectl_command(&self) -> Command {
        self.client(&self.tools.kubectl)
    }

    /// `helm`, to be completed with arguments.
    pub fn helm_command(&self) -> Command {
        let mut command = self.client(&self.tools.helm);
        for (variable, folder) in
            [("HELM_CACHE_HOME", "cache"), ("HELM_CONFIG_HOME", "config"), ("HELM_DATA_HOME", "data")]
        {
            command.env(variable, self.client_folder().join(folder));
        }
        command
    }

    /// A client that reads and writes nothing of the user's own.
    fn client(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.arg("--kubeconfig").arg(&self.kubeconfig).env("KUBECACHEDIR", self.client_folder().join("kube"));
        command
    }

    fn client_folder(&self) -> PathBuf {
        folder(&self.name).join("client")
    }

    /// Makes the images of a docker archive known to the node.
    pub fn load_image(&self, archive: &Path) -> Result<()> {
        sh::output(self.ctr()?.args(["images", "import", "--digests=false"]).arg(archive))?;
        Ok(())
    }

    /// Whether the node has an image, named as in a pod.
    pub fn has_image(&self, image: &str) -> Result<bool> {
        let name = if image.starts_with("localhost/") { image.to_owned() } else { format!("docker.io/{image}") };
        let found = sh::output(self.ctr()?.args(["images", "list", "--quiet"]).arg(format!("name=={name}")))?;
        Ok(!found.is_empty())
    }

    /// The client of the node's container runtime.
    fn ctr(&self) -> Result<Command> {
        let node = status(&self.name).context("the cluster does not run")?;
        let socket = format!("/proc/{}/root{}", node.pid, config::CONTAINERD_SOCKET);
        Ok(sh::cmd(&self.tools.ctr, ["--address", &socket, "--namespace", "k8s.io"]))
    }

    fn from_record(name: &str, record: Record, tools: Tools, running: bool) -> Self {
        let folder = folder(name);
        let node_ip = record.network.node_ip();
        Self {
            name: name.to_owned(),
            running,
            kubeconfig: folder.join("kubeconfig"),
            host_ip: record.network.host_ip(),
            s3: S3 {
                endpoint: format!("http://{node_ip}:{}", config::S3_PORT),
                access_key: record.access_key,
                secret_key: record.secret_key,
                data_dir: folder.join("data/s3"),
            },
            audit_log: config::audit_log(&folder),
            node_ip,
            tools,
        }
    }

    /// Waits until every service answers and the node takes pods.
    fn await_ready(&self, node: &Node, patience: Duration) -> Result<()> {
        let deadline = Instant::now() + patience;
        node.await_services(deadline, |service| ["kube-apiserver", "containerd"].contains(&service))?;
        if !self.has_image(PAUSE_IMAGE)? {
            self.load_image(&self.tools.pause_archive)?;
        }
        sh::output_with_input(
            self.kubectl_command().args([
                "apply",
                "--server-side",
                "--force-conflicts",
                "--validate=false",
                "--filename",
                "-",
            ]),
            config::MANIFESTS,
        )?;
        node.await_services(deadline, |_| true)?;
        let ready = "jsonpath={.status.conditions[?(@.type==\"Ready\")].status}";
        while self.kubectl(["get", "node", &self.name, "--output", ready]).is_ok_and(|ready| ready != "True")
            || !sh::succeeds(self.kubectl_command().args(["get", "serviceaccount", "default"]))
        {
            if Instant::now() > deadline {
                bail!("the node did not become ready; see `cargo xtask cluster logs kubelet`");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }
}

impl Record {
    fn read(folder: &Path) -> Result<Option<Self>> {
        let file = folder.join("record.json");
        if !file.exists() {
            return Ok(None);
        }
        let content = fs::read(&file).with_context(|| file.display().to_string())?;
        serde_json::from_slice(&content).map(Some).with_context(|| {
            format!("{} is damaged: `cargo xtask cluster down` removes the cluster it belongs to", file.display())
        })
    }

    fn ensure(name: &str, folder: &Path) -> Result<Self> {
        if let Some(record) = Self::read(folder)? {
            return Ok(record);
        }
        let record = Self { network: Network::choose(name)?, access_key: random(10)?, secret_key: random(20)? };
        fs::create_dir_all(folder)?;
        write_private(&folder.join("record.json"), &serde_json::to_vec(&record)?)?;
        Ok(record)
    }
}

/// What runs in a cluster's node, as its supervisor last said; none when it does not run.
fn status(name: &str) -> Option<node::Status> {
    let folder = folder(name);
    let record = Record::read(&folder).ok()??;
    Node::new(name, &folder, record.network).status()
}

/// All of a cluster is in here.
fn folder(name: &str) -> PathBuf {
    workspace::target().join("cluster").join(name)
}

fn lock(name: &str) -> Result<fs::File> {
    workspace::lock(&workspace::target().join("cluster").join(format!("{name}.lock")))
}

/// Says what keeps this machine from running a node, if anything does.
fn check_machine(name: &str) -> Result<()> {
    if let Some(reason) = Cluster::impossible() {
        bail!("{reason}; `--context NAME` uses a cluster that exists");
    }
    let fits = name.len() <= 30
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !name.ends_with('-');
    if !fits {
        bail!("{name:?} cannot name a cluster: up to 30 lower-case letters, digits and dashes, such as slipway-test");
    }
    Ok(())
}

/// Writes a file that only its owner may read.
fn write_private(file: &Path, content: &[u8]) -> Result<()> {
    fs::write(file, "")?;
    fs::set_permissions(file, fs::Permissions::from_mode(0o600))?;
    fs::write(file, content).with_context(|| file.display().to_string())
}

/// Random bytes, in hexadecimal.
fn random(bytes: usize) -> Result<String> {
    let mut buffer = vec![0; bytes];
    fs::File::open("/dev/urandom")?.read_exact(&mut buffer)?;
    let mut text = String::new();
    for byte in buffer {
        write!(text, "{byte:02x}")?;
    }
    Ok(text)
}
