//! A Kubernetes control plane as child processes on loopback: etcd, kube-apiserver, kube-controller-manager. Nothing of
//! it needs root, and there is no node: a [`crate::kubelet`] plays the pods.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::api::{Api, Endpoint};
use crate::process::Process;

/// Longest wait for a component to get ready.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often to ask for what cannot be watched yet.
const LOOK: Duration = Duration::from_millis(25);

/// First address of the range of Services.
const FIRST_SERVICE: &str = "10.96.0.1";
const SERVICES: &str = "10.96.0.0/16";
/// The account that the chart gives the operator.
const OPERATOR: &str = "system:serviceaccount:slipway-system:slipway-operator";
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// What makes children of objects, ends them and cleans up after them.
const CONTROLLERS: &str = "deployment-controller,replicaset-controller,job-controller,garbage-collector-controller,\
                           ttl-after-finished-controller,disruption-controller";

/// A control plane, gone when dropped.
#[derive(Debug)]
pub struct ControlPlane {
    /// Where it is.
    pub endpoint: Endpoint,
    /// Shown by who may do everything.
    pub admin: String,
    /// Shown by who may do what the chart lets the operator do.
    pub operator: String,
    // Dropped in this order: each talks to the next.
    processes: Vec<Process>,
}

impl ControlPlane {
    /// Starts one from the program `node` (`slipway-node`), with all it writes under `folder`, and the API definitions and
    /// roles of the checkout at `root`.
    pub async fn start(node: &Path, folder: &Path, root: &Path) -> Result<ControlPlane> {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let builder = Builder { node, folder };
        builder.keys()?;
        let (admin, operator) = (secret()?, secret()?);
        let tokens = format!(
            "{admin},admin,1,\"system:masters\"\n{operator},{OPERATOR},2,\"system:serviceaccounts,system:authenticated\"\n"
        );
        fs::write(folder.join("tokens.csv"), tokens)?;

        let etcd_url = loopback("http", free_port()?);
        let etcd = builder.etcd(&etcd_url)?;
        ready(&etcd, &Endpoint::plain(etcd_url.clone())?, "").await?;
        let port = free_port()?;
        let endpoint = Endpoint::new(loopback("https", port), &builder.pki("ca.crt"))?;
        let apiserver = builder.apiserver(&etcd_url, port)?;
        ready(&apiserver, &endpoint, &admin).await?;
        define(&Api::new(&endpoint, &admin), root).await?;
        // After the definitions: what is deleted with its owner is found out at the start, then every half minute.
        let manager = builder.controller_manager(&endpoint, &admin)?;
        Ok(ControlPlane { endpoint, admin, operator, processes: vec![manager, apiserver, etcd] })
    }

    /// A client that may do everything.
    pub fn api(&self) -> Api {
        Api::new(&self.endpoint, &self.admin)
    }

    /// Fails where a component has ended.
    pub fn check(&self) -> Result<()> {
        self.processes.iter().try_for_each(Process::check)
    }
}

struct Builder<'a> {
    node: &'a Path,
    folder: &'a Path,
}

impl Builder<'_> {
    fn pki(&self, file: &str) -> PathBuf {
        self.folder.join("pki").join(file)
    }

    fn keys(&self) -> Result<()> {
        fs::create_dir_all(self.folder.join("pki"))?;
        let mut pki = Command::new(self.node);
        pki.args(["pki", "--name", "rig", "--node-ip", "127.0.0.1", "--service-ip", FIRST_SERVICE, "--dir"]);
        let made = pki.arg(self.folder.join("pki")).output().with_context(|| self.node.display().to_string())?;
        if !made.status.success() {
            bail!("slipway-node pki: {}", String::from_utf8_lossy(&made.stderr));
        }
        Ok(())
    }

    fn start(&self, component: &str, args: &[String]) -> Result<Process> {
        let log = self.folder.join(format!("{component}.log"));
        Process::start(component, Command::new(self.node).arg(component).args(args), &log, |_| ())
    }

    fn etcd(&self, url: &str) -> Result<Process> {
        let peer = loopback("http", free_port()?);
        self.start(
            "etcd",
            &[
                "--name=rig".to_owned(),
                format!("--data-dir={}", self.folder.join("etcd").display()),
                format!("--listen-client-urls={url}"),
                format!("--advertise-client-urls={url}"),
                format!("--listen-peer-urls={peer}"),
                format!("--initial-advertise-peer-urls={peer}"),
                format!("--initial-cluster=rig={peer}"),
                // Made to be thrown away: it need not survive a power cut.
                "--unsafe-no-fsync=true".to_owned(),
                "--log-level=warn".to_owned(),
            ],
        )
    }

    fn apiserver(&self, etcd: &str, port: u16) -> Result<Process> {
        let account_key = self.pki("service-account.key");
        self.start(
            "kube-apiserver",
            &[
                format!("--etcd-servers={etcd}"),
                "--bind-address=127.0.0.1".to_owned(),
                "--advertise-address=127.0.0.1".to_owned(),
                format!("--secure-port={port}"),
                // A loopback address is no endpoint of a Service.
                "--endpoint-reconciler-type=none".to_owned(),
                format!("--service-cluster-ip-range={SERVICES}"),
                "--authorization-mode=RBAC".to_owned(),
                format!("--token-auth-file={}", self.folder.join("tokens.csv").display()),
                // Nobody makes service accounts here, and pods of an account that does not exist would be refused.
                "--disable-admission-plugins=ServiceAccount".to_owned(),
                format!("--tls-cert-file={}", self.pki("apiserver.crt").display()),
                format!("--tls-private-key-file={}", self.pki("apiserver.key").display()),
                "--service-account-issuer=https://kubernetes.default.svc.cluster.local".to_owned(),
                format!("--service-account-key-file={}", account_key.display()),
                format!("--service-account-signing-key-file={}", account_key.display()),
                // Dozens of operators at a time are the point: none of them shall wait for the others.
                "--enable-priority-and-fairness=false".to_owned(),
                "--max-requests-inflight=4000".to_owned(),
                "--max-mutating-requests-inflight=2000".to_owned(),
            ],
        )
    }

    fn controller_manager(&self, endpoint: &Endpoint, token: &str) -> Result<Process> {
        let kubeconfig = self.folder.join("kube-controller-manager.kubeconfig");
        let content = kubeconfig_of(&endpoint.url, token, Some(&self.pki("ca.crt")));
        fs::write(&kubeconfig, content.to_string())?;
        self.start(
            "kube-controller-manager",
            &[
                format!("--kubeconfig={}", kubeconfig.display()),
                format!("--controllers={CONTROLLERS}"),
                "--secure-port=0".to_owned(),
                "--leader-elect=false".to_owned(),
                "--kube-api-qps=2000".to_owned(),
                "--kube-api-burst=4000".to_owned(),
                "--concurrent-deployment-syncs=20".to_owned(),
                "--concurrent-replicaset-syncs=20".to_owned(),
                "--concurrent-job-syncs=20".to_owned(),
            ],
        )
    }
}

/// A kubeconfig; JSON is YAML.
pub fn kubeconfig_of(url: &str, token: &str, ca: Option<&Path>) -> Value {
    let mut cluster = json!({"server": url});
    if let Some(ca) = ca {
        cluster["certificate-authority"] = json!(ca);
    }
    let user = if token.is_empty() { json!({}) } else { json!({"token": token}) };
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "rig", "cluster": cluster}],
        "users": [{"name": "rig", "user": user}],
        "contexts": [{"name": "rig", "context": {"cluster": "rig", "user": "rig"}}],
        "current-context": "rig",
    })
}

fn loopback(scheme: &str, port: u16) -> String {
    format!("{scheme}://{}:{port}", Ipv4Addr::LOCALHOST)
}

/// A port that nobody listens at.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn secret() -> Result<String> {
    use std::io::Read;
    let mut bytes = [0; 16];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    }))
}

async fn ready(process: &Process, endpoint: &Endpoint, token: &str) -> Result<()> {
    let api = Api::new(endpoint, token);
    eventually(&format!("{} to get ready", endpoint.url), || async {
        process.check()?;
        Ok(api.get("/readyz").await.is_ok_and(|answer| answer.status.is_success()).then_some(()))
    })
    .await
}

/// Applies the API definitions and the operator's roles, and waits until objects can be made.
async fn define(api: &Api, root: &Path) -> Result<()> {
    let folder = root.join("crds/yaml");
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let definition = documents(&entry?.path())?.into_iter().next().context("an empty definition")?;
        api.call(hyper::Method::POST, DEFINITIONS, Some(&definition)).await?.ok()?;
        let spec = &definition["spec"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (group, plural) = (text(&spec["group"]), text(&spec["names"]["plural"]));
        let path = format!("/apis/{group}/{}/{plural}", text(&spec["versions"][0]["name"]));
        let served = || async { Ok(api.get(&path).await?.status.is_success().then_some(())) };
        eventually(&format!("{plural} to be served"), served).await?;
    }
    let chart = root.join("tests/golden/chart/default.yaml");
    for object in documents(&chart)? {
        let plural = match object["kind"].as_str() {
            Some("ClusterRole") => "clusterroles",
            Some("ClusterRoleBinding") => "clusterrolebindings",
            _ => continue,
        };
        let path = format!("/apis/rbac.authorization.k8s.io/v1/{plural}");
        api.call(hyper::Method::POST, &path, Some(&object)).await?.ok()?;
    }
    Ok(())
}

/// The documents of a YAML file.
fn documents(file: &Path) -> Result<Vec<Value>> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let parts = text.split("\n---").map(|part| part.trim_start_matches("---"));
    let read = |part: &str| serde_saphyr::from_str::<Value>(part).with_context(|| file.display().to_string());
    let documents: Vec<Value> = parts.filter(|part| !part.trim().is_empty()).map(read).collect::<Result<_>>()?;
    Ok(documents.into_iter().filter(Value::is_object).collect())
}

/// Asks until there is an answer.
async fn eventually<T, F: Future<Output = Result<Option<T>>>>(what: &str, mut look: impl FnMut() -> F) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        if Instant::now() > deadline {
            bail!("waited {} s for {what}", PATIENCE.as_secs());
        }
        tokio::time::sleep(LOOK).await;
    }
}
