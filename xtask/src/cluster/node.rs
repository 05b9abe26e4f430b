//! The processes of a node: starting them, watching them, and clearing them away.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::cgroups;
use super::config::Plan;
use super::network::{self, Network};
use crate::sh;

/// A service that ended this often without ever answering will not come.
const HOPELESS: u32 = 6;

/// The node of one cluster.
pub struct Node<'a> {
    name: &'a str,
    folder: &'a Path,
    network: Network,
}

/// What the supervisor says of its services.
#[derive(Debug, Deserialize)]
pub struct Status {
    /// The supervisor, as this machine counts processes.
    pub pid: u32,
    /// One entry a service, in the order of their start.
    pub services: Vec<Service>,
}

/// One service of the node.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Service {
    /// Its name, also of its log.
    pub name: String,
    /// Whether its process runs.
    pub running: bool,
    /// Whether it has answered since its process started.
    pub ready: bool,
    /// How often it ended and was started again.
    pub restarts: u32,
    /// When it last started or ended, RFC 3339.
    pub since: String,
    /// How it ended last.
    #[serde(default)]
    pub last_exit: String,
}

impl<'a> Node<'a> {
    /// The node of a cluster, whether it runs or not.
    pub fn new(name: &'a str, folder: &'a Path, network: Network) -> Self {
        Self { name, folder, network }
    }

    /// The services, if the supervisor runs.
    pub fn status(&self) -> Option<Status> {
        let status: Status = serde_json::from_slice(&fs::read(status_file(self.folder)).ok()?).ok()?;
        let command = fs::read(format!("/proc/{}/cmdline", status.pid)).ok()?;
        let words: Vec<_> = command.split(|byte| *byte == 0).collect();
        let plan = plan_file(self.folder);
        (words.contains(&b"supervise".as_slice()) && words.contains(&plan.as_os_str().as_encoded_bytes()))
            .then_some(status)
    }

    /// The supervisor, if it runs.
    pub fn pid(&self) -> Option<u32> {
        self.status().map(|status| status.pid)
    }

    /// Whether it runs, by this plan.
    pub fn runs(&self, plan: &Plan) -> bool {
        let same = fs::read(plan_file(self.folder)).ok() == serde_json::to_vec(plan).ok();
        same && self.status().is_some() && network::path(self.name).exists()
    }

    /// Starts the services of a plan in fresh namespaces, and leaves them running.
    pub fn start(&self, plan: &Plan, program: &Path) -> Result<()> {
        self.network.set_up(self.name)?;
        cgroups::set_up(self.name)?;
        let plan_file = plan_file(self.folder);
        fs::write(&plan_file, serde_json::to_vec(plan)?)?;
        let log = File::create(self.folder.join("logs/supervisor.log"))?;
        let network = format!("--net={}", network::path(self.name).display());
        // Not `ip netns exec`: it mounts /sys afresh, without the cgroups.
        let enter = ["nsenter", &network, "unshare", "--mount", "--pid", "--fork", "--kill-child"];
        sh::cmd("setsid", enter)
            .arg(program)
            .arg("supervise")
            .arg(&plan_file)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start the supervisor")?;
        Ok(())
    }

    /// Waits until the services that `needed` picks answer.
    pub fn await_services(&self, deadline: Instant, needed: impl Fn(&str) -> bool) -> Result<()> {
        loop {
            let status = self.status();
            let services = status.iter().flat_map(|status| &status.services);
            let waiting: Vec<&Service> = services.filter(|service| !service.ready && needed(&service.name)).collect();
            if status.is_some() && waiting.is_empty() {
                return Ok(());
            }
            let hopeless = waiting.iter().any(|service| service.restarts >= HOPELESS);
            if hopeless || Instant::now() > deadline {
                bail!("{}", self.explain(&waiting));
            }
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    fn explain(&self, waiting: &[&Service]) -> String {
        let name = waiting.iter().find(|service| service.restarts > 0).or(waiting.first());
        let name = name.map_or("supervisor", |service| service.name.as_str());
        let log = self.folder.join(format!("logs/{name}.log"));
        let said = fs::read_to_string(&log).unwrap_or_default();
        format!("{name} does not become ready; the end of {}:\n{}", log.display(), sh::tail(&said, 15))
    }

    /// Ends every process of the node and removes what is outside its folder: network,
    /// mounts, cgroups. What a broken run left goes as well.
    pub fn clear(&self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let processes = self.processes()?;
            if processes.is_empty() {
                break;
            }
            if Instant::now() > deadline {
                bail!("processes of the cluster {} do not end: {processes:?}", self.name);
            }
            // A process may have ended by itself meanwhile.
            sh::succeeds(sh::cmd("kill", ["-KILL"]).args(processes.iter().map(u32::to_string)));
            std::thread::sleep(Duration::from_millis(50));
        }
        self.unmount()?;
        self.network.tear_down(self.name)?;
        cgroups::tear_down(self.name)?;
        let status = status_file(self.folder);
        if status.exists() {
            fs::remove_file(status)?;
        }
        Ok(())
    }

    /// The supervisor, whoever is in the node's network namespace, and our own
    /// programs that were started for this cluster.
    fn processes(&self) -> Result<Vec<u32>> {
        let namespace = fs::metadata(network::path(self.name)).ok().map(|file| (file.dev(), file.ino()));
        let host = fs::metadata("/proc/self/ns/net").map(|file| (file.dev(), file.ino()))?;
        let supervisor = self.pid();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let process = entry?.path();
            let Some(pid) = process.file_name().and_then(|name| name.to_str()?.parse().ok()) else { continue };
            let network = fs::metadata(process.join("ns/net")).ok().map(|file| (file.dev(), file.ino()));
            let inside = network.is_some() && network == namespace && network != Some(host);
            if inside || Some(pid) == supervisor || self.started(&process) {
                found.push(pid);
            }
        }
        Ok(found)
    }

    /// Whether a process is one of the node's programs, working in this cluster's folder.
    fn started(&self, process: &Path) -> bool {
        const PROGRAMS: [&str; 7] = [
            "slipway-node",
            "unshare",
            "containerd",
            "containerd-shim",
            "containerd-shim-runc-v2",
            "runc",
            "versitygw",
        ];
        let Ok(command) = fs::read(process.join("cmdline")) else { return false };
        let command = String::from_utf8_lossy(&command);
        let program = command.split('\0').next().and_then(|program| program.rsplit('/').next());
        let folder = format!("{}/", self.folder.display());
        program.is_some_and(|program| PROGRAMS.contains(&program)) && command.contains(&folder)
    }

    /// The node's mounts are in a namespace of its own; any that are seen here come from a broken run.
    fn unmount(&self) -> Result<()> {
        let mounts = fs::read_to_string("/proc/self/mounts")?;
        let inside = mounts
            .lines()
            .filter_map(|mount| mount.split(' ').nth(1))
            .filter(|place| Path::new(place).starts_with(self.folder));
        for place in inside.collect::<Vec<_>>().into_iter().rev() {
            sh::output(&mut sh::cmd("umount", ["--lazy", place]))?;
        }
        Ok(())
    }
}

/// Where the supervisor writes what runs.
pub fn status_file(folder: &Path) -> PathBuf {
    folder.join("status.json")
}

fn plan_file(folder: &Path) -> PathBuf {
    folder.join("config/plan.json")
}
