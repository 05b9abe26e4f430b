//! The operator as a process of its own, started as often as it is killed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::sync::watch;

use crate::api::{Api, Endpoint};
use crate::control_plane::kubeconfig_of;
use crate::process::Process;
use crate::proxy::Proxy;

/// Longest wait for an operator to say where it listens, or to get ready.
const PATIENCE: Duration = Duration::from_secs(30);

/// The operators of one namespace, one at a time; the last one is killed when this is dropped.
#[derive(Debug)]
pub struct Operator {
    program: PathBuf,
    kubeconfig: PathBuf,
    log: PathBuf,
    namespace: String,
    /// Address of the probes of the one that runs.
    address: watch::Sender<Option<String>>,
    running: Mutex<Result<Process>>,
}

impl Operator {
    /// Starts one that looks after `namespace` and sees the API server through `proxy`; it is replaced when the proxy kills
    /// it. Its log is written to `folder`.
    pub fn start(program: &Path, folder: &Path, namespace: &str, proxy: &Proxy) -> Result<Arc<Operator>> {
        std::fs::create_dir_all(folder)?;
        let kubeconfig = folder.join(format!("{namespace}.kubeconfig"));
        let content = kubeconfig_of(&format!("http://{}", proxy.address), "", None);
        std::fs::write(&kubeconfig, content.to_string())?;
        let operator = Arc::new(Operator {
            program: program.to_owned(),
            kubeconfig,
            log: folder.join(format!("{namespace}.log")),
            namespace: namespace.to_owned(),
            address: watch::Sender::new(None),
            running: Mutex::new(Err(anyhow::anyhow!("not started"))),
        });
        operator.replace();
        operator.check()?;
        let replaced = Arc::downgrade(&operator);
        proxy.on_kill(move || {
            if let Some(operator) = replaced.upgrade() {
                operator.replace();
            }
        });
        Ok(operator)
    }

    fn running(&self) -> MutexGuard<'_, Result<Process>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Kills the one that runs, and starts another.
    fn replace(&self) {
        let mut running = self.running();
        if let Ok(process) = &*running {
            process.kill();
        }
        self.address.send_replace(None);
        *running = self.spawn();
    }

    fn spawn(&self) -> Result<Process> {
        let mut command = Command::new(&self.program);
        command
            .args(["--namespace", &self.namespace, "--metrics-listen", "127.0.0.1:0", "--log-format", "json"])
            .args([
                "--trainer-image",
                "rig/trainer:1",
                "--store-image",
                "rig/store:1",
                "--server-image",
                "rig/server:1",
            ])
            .env_clear()
            .env("KUBECONFIG", &self.kubeconfig)
            .env("RUST_LOG", "info");
        let address = self.address.clone();
        let listen = move |line: &str| {
            let said: Value = serde_json::from_str(line).unwrap_or_default();
            if let Some(listen) = said["listen"].as_str() {
                address.send_replace(Some(listen.to_owned()));
            }
        };
        Process::start("slipway-operator", &mut command, &self.log, listen)
    }

    /// Fails where the one that should run does not.
    pub fn check(&self) -> Result<()> {
        match &*self.running() {
            Ok(process) => process.check(),
            Err(error) => anyhow::bail!("{error:#}"),
        }
    }

    /// Its last words.
    pub fn tail(&self) -> String {
        self.running().as_ref().map(Process::tail).unwrap_or_default()
    }

    /// Waits until it says that it is ready.
    pub async fn ready(&self) -> Result<()> {
        let readiness = async {
            let mut addresses = self.address.subscribe();
            let address = addresses.wait_for(Option::is_some).await?.clone().unwrap_or_default();
            let endpoint = Endpoint::plain(format!("http://{address}"))?;
            let api = Api::new(&endpoint, "");
            while !api.get("/readyz").await?.status.is_success() {
                self.check()?;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(PATIENCE, readiness).await.with_context(|| format!("not ready:\n{}", self.tail()))?
    }
}
