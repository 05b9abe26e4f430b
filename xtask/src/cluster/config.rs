//! What the services of a node are told: the plan of the supervisor and their own files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Cluster, Record, cgroups, node, write_private};
use crate::tools::PAUSE_IMAGE;
use crate::{sh, workspace};

/// Where S3 is served, at the node's address.
pub const S3_PORT: u16 = 7070;

/// The container runtime's socket, as the node sees it.
pub const CONTAINERD_SOCKET: &str = "/run/containerd/containerd.sock";

/// What the cluster's own services need to be allowed.
pub const MANIFESTS: &str = include_str!("manifests.yaml");

/// What the supervisor is to run.
#[derive(Debug, Serialize)]
pub struct Plan {
    status: PathBuf,
    logs: PathBuf,
    /// Folders the node sees: where it sees them → where they are.
    binds: BTreeMap<PathBuf, PathBuf>,
    services: Vec<Service>,
}

/// One service of the node.
#[derive(Debug, Serialize)]
struct Service {
    name: &'static str,
    command: Vec<String>,
    env: BTreeMap<&'static str, String>,
    /// The services that must be ready before.
    after: &'static [&'static str],
    /// How to see that it is ready: `unix:PATH`, `tcp:HOST:PORT` or a URL.
    ready: String,
}

impl Service {
    fn new(name: &'static str, program: &Path, args: &[String]) -> Self {
        let mut command = vec![program.display().to_string()];
        command.extend_from_slice(args);
        Self { name, command, env: BTreeMap::new(), after: &[], ready: String::new() }
    }

    fn after(mut self, services: &'static [&'static str]) -> Self {
        self.after = services;
        self
    }

    fn ready(mut self, probe: String) -> Self {
        self.ready = probe;
        self
    }
}

/// The services of a cluster, with everything they are started with.
pub fn plan(cluster: &Cluster, folder: &Path) -> Result<Plan> {
    let record = Record::read(folder)?.context("the cluster has no record")?;
    let builder = Builder { cluster, folder, record };
    let mut binds = BTreeMap::from([
        (PathBuf::from("/var/lib/containerd"), folder.join("data/containerd")),
        (PathBuf::from("/var/lib/kubelet"), folder.join("data/kubelet")),
        (PathBuf::from("/var/log/pods"), folder.join("logs/pods")),
    ]);
    // The node has folders of its own for these: what is in them must be shown to it.
    if ["/run", "/tmp", "/var"].iter().any(|hidden| workspace::target().starts_with(hidden)) {
        binds.insert(workspace::target(), workspace::target());
    }
    Ok(Plan {
        status: node::status_file(folder),
        logs: folder.join("logs"),
        binds,
        services: vec![
            builder.etcd(),
            builder.containerd(),
            builder.s3(),
            builder.apiserver(),
            builder.controller_manager(),
            builder.scheduler(),
            builder.kubelet(),
            builder.proxy(),
            builder.coredns(),
        ],
    })
}

/// Writes all files that the plan's services read, and makes the folders they use.
pub fn write(cluster: &Cluster, folder: &Path) -> Result<()> {
    let record = Record::read(folder)?.context("the cluster has no record")?;
    let builder = Builder { cluster, folder, record };
    for dir in [
        "config/cni",
        "pki",
        "logs/pods",
        "data/etcd",
        "data/containerd",
        "data/kubelet",
        "data/s3",
        "data/s3-versions",
    ] {
        let dir = folder.join(dir);
        fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
    }
    builder.write_pki()?;
    let config = folder.join("config");
    fs::write(config.join("resolv.conf"), "")?;
    fs::write(config.join("containerd.toml"), builder.containerd_config()?)?;
    fs::write(config.join("Corefile"), builder.corefile())?;
    for (file, content) in [
        ("cni/10-ptp.conflist", builder.cni_config()),
        ("kubelet.json", builder.kubelet_config()),
        ("kube-proxy.json", builder.proxy_config()),
        ("audit.json", audit_policy()),
    ] {
        fs::write(config.join(file), serde_json::to_vec_pretty(&content)?)?;
    }
    Ok(())
}

/// Where the API server writes down who wrote what.
pub fn audit_log(folder: &Path) -> PathBuf {
    folder.join("logs/audit.log")
}

/// Notes the writes of service accounts, leaving out those of Kubernetes itself.
fn audit_policy() -> Value {
    json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"]},
            {
                "level": "Metadata",
                "userGroups": ["system:serviceaccounts"],
                "verbs": ["create", "update", "patch", "delete", "deletecollection"],
            },
        ],
    })
}

struct Builder<'a> {
    cluster: &'a Cluster,
    folder: &'a Path,
    record: Record,
}

impl Builder<'_> {
    fn config(&self, file: &str) -> String {
        self.folder.join("config").join(file).display().to_string()
    }

    fn pki(&self, file: &str) -> String {
        self.folder.join("pki").join(file).display().to_string()
    }

    fn kubernetes(&self, name: &'static str, args: &[String]) -> Service {
        let args: Vec<String> = std::iter::once(name.to_owned()).chain(args.iter().cloned()).collect();
        Service::new(name, &self.cluster.tools.node, &args)
    }

    fn etcd(&self) -> Service {
        let args = [
            format!("--name={}", self.cluster.name),
            format!("--data-dir={}", self.folder.join("data/etcd").display()),
            "--listen-client-urls=http://127.0.0.1:2379".to_owned(),
            "--advertise-client-urls=http://127.0.0.1:2379".to_owned(),
            "--listen-peer-urls=http://127.0.0.1:2380".to_owned(),
            "--initial-advertise-peer-urls=http://127.0.0.1:2380".to_owned(),
            format!("--initial-cluster={}=http://127.0.0.1:2380", self.cluster.name),
            // Made to be thrown away: it need not survive a power cut.
            "--unsafe-no-fsync=true".to_owned(),
            "--log-level=warn".to_owned(),
        ];
        self.kubernetes("etcd", &args).ready("http://127.0.0.1:2379/readyz".to_owned())
    }

    fn containerd(&self) -> Service {
        let args = ["--config".to_owned(), self.config("containerd.toml")];
        Service::new("containerd", &self.cluster.tools.containerd, &args).ready(format!("unix:{CONTAINERD_SOCKET}"))
    }

    fn s3(&self) -> Service {
        let node = &self.cluster.node_ip;
        let args = [
            format!("--port={node}:{S3_PORT}"),
            "posix".to_owned(),
            format!("--versioning-dir={}", self.folder.join("data/s3-versions").display()),
            self.cluster.s3.data_dir.display().to_string(),
        ];
        let mut service =
            Service::new("s3", &self.cluster.tools.versitygw, &args).ready(format!("tcp:{node}:{S3_PORT}"));
        service.env.insert("ROOT_ACCESS_KEY", self.cluster.s3.access_key.clone());
        service.env.insert("ROOT_SECRET_KEY", self.cluster.s3.secret_key.clone());
        service
    }

    fn apiserver(&self) -> Service {
        let node = &self.cluster.node_ip;
        let args = [
            "--etcd-servers=http://127.0.0.1:2379".to_owned(),
            format!("--advertise-address={node}"),
            format!("--service-cluster-ip-range={}", self.record.network.services()),
            "--authorization-mode=Node,RBAC".to_owned(),
            "--enable-admission-plugins=NodeRestriction".to_owned(),
            "--allow-privileged=true".to_owned(),
            format!("--client-ca-file={}", self.pki("ca.crt")),
            format!("--tls-cert-file={}", self.pki("apiserver.crt")),
            format!("--tls-private-key-file={}", self.pki("apiserver.key")),
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local".to_owned(),
            format!("--service-account-key-file={}", self.pki("service-account.key")),
            format!("--service-account-signing-key-file={}", self.pki("service-account.key")),
            "--kubelet-preferred-address-types=InternalIP".to_owned(),
            format!("--kubelet-certificate-authority={}", self.pki("ca.crt")),
            format!("--kubelet-client-certificate={}", self.pki("apiserver-kubelet-client.crt")),
            format!("--kubelet-client-key={}", self.pki("apiserver-kubelet-client.key")),
            format!("--requestheader-client-ca-file={}", self.pki("front-proxy-ca.crt")),
            "--requestheader-allowed-names=front-proxy-client".to_owned(),
            "--requestheader-username-headers=X-Remote-User".to_owned(),
            "--requestheader-group-headers=X-Remote-Group".to_owned(),
            "--requestheader-extra-headers-prefix=X-Remote-Extra-".to_owned(),
            format!("--proxy-client-cert-file={}", self.pki("front-proxy-client.crt")),
            format!("--proxy-client-key-file={}", self.pki("front-proxy-client.key")),
            format!("--audit-policy-file={}", self.config("audit.json")),
            format!("--audit-log-path={}", audit_log(self.folder).display()),
            "--audit-log-maxsize=10".to_owned(),
            "--audit-log-maxbackup=1".to_owned(),
        ];
        self.kubernetes("kube-apiserver", &args).after(&["etcd"]).ready(format!("https://{node}:6443/readyz"))
    }

    fn controller_manager(&self) -> Service {
        let kubeconfig = self.pki("kube-controller-manager.kubeconfig");
        let args = [
            format!("--kubeconfig={kubeconfig}"),
            format!("--authentication-kubeconfig={kubeconfig}"),
            format!("--authorization-kubeconfig={kubeconfig}"),
            "--bind-address=127.0.0.1".to_owned(),
            "--leader-elect=false".to_owned(),
            "--use-service-account-credentials=true".to_owned(),
            // Dozens of controllers ask for their credentials at the start; the default makes that take 4 s.
            "--kube-api-qps=300".to_owned(),
            "--kube-api-burst=600".to_owned(),
            format!("--root-ca-file={}", self.pki("ca.crt")),
            format!("--service-account-private-key-file={}", self.pki("service-account.key")),
        ];
        self.kubernetes("kube-controller-manager", &args)
            .after(&["kube-apiserver"])
            .ready("https://127.0.0.1:10257/healthz".to_owned())
    }

    fn scheduler(&self) -> Service {
        let kubeconfig = self.pki("kube-scheduler.kubeconfig");
        let args = [
            format!("--kubeconfig={kubeconfig}"),
            format!("--authentication-kubeconfig={kubeconfig}"),
            format!("--authorization-kubeconfig={kubeconfig}"),
            "--bind-address=127.0.0.1".to_owned(),
            "--leader-elect=false".to_owned(),
        ];
        self.kubernetes("kube-scheduler", &args)
            .after(&["kube-apiserver"])
            .ready("https://127.0.0.1:10259/healthz".to_owned())
    }

    fn kubelet(&self) -> Service {
        let args = [
            format!("--config={}", self.config("kubelet.json")),
            format!("--kubeconfig={}", self.pki("kubelet.kubeconfig")),
            format!("--hostname-override={}", self.cluster.name),
            format!("--node-ip={}", self.cluster.node_ip),
        ];
        self.kubernetes("kubelet", &args)
            .after(&["kube-apiserver", "containerd"])
            .ready("http://127.0.0.1:10248/healthz".to_owned())
    }

    fn proxy(&self) -> Service {
        let args = [format!("--config={}", self.config("kube-proxy.json"))];
        self.kubernetes("kube-proxy", &args).after(&["kube-apiserver"]).ready("http://127.0.0.1:10256/livez".to_owned())
    }

    fn coredns(&self) -> Service {
        let args = ["-conf".to_owned(), self.config("Corefile")];
        self.kubernetes("coredns", &args).after(&["kube-apiserver"]).ready("http://127.0.0.1:8181/ready".to_owned())
    }

    /// Names outside the cluster do not exist: the answer says so, rather than that it cannot be had.
    fn corefile(&self) -> String {
        let (services, kubeconfig) = (self.record.network.services(), self.pki("coredns.kubeconfig"));
        format!(
            ".:53 {{
    errors
    ready 127.0.0.1:8181
    cache 5
    kubernetes cluster.local {services} {{
        kubeconfig {kubeconfig}
        ttl 5
    }}
    template ANY ANY . {{
        rcode NXDOMAIN
    }}
}}
"
        )
    }

    fn containerd_config(&self) -> Result<String> {
        // An overlay cannot have another overlay below what it writes to.
        let file_system = sh::output(sh::cmd("stat", ["--file-system", "--format=%T"]).arg(self.folder))?;
        let snapshotter = if file_system == "overlayfs" { "native" } else { "overlayfs" };
        let socket = Value::from(CONTAINERD_SOCKET);
        let cni_dir = Value::from(self.cluster.tools.cni_dir.display().to_string());
        let cni_config = Value::from(self.config("cni"));
        let image = Value::from(format!("docker.io/{PAUSE_IMAGE}"));
        // Pods may not get more of the machine's favour than their runtime has, where it cannot give that.
        Ok(format!(
            r#"version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
address = {socket}
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = {image}
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = {cni_dir}
conf_dir = {cni_config}
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "{snapshotter}"
default_runtime_name = "runc"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.internal.v1.opt"]
path = "/var/lib/containerd/opt"
"#
        ))
    }

    /// Every pod has a link of its own to the node, so all its traffic is routed and
    /// reaches services whether or not the kernel filters bridges.
    fn cni_config(&self) -> Value {
        json!({
            "cniVersion": "0.4.0",
            "name": self.cluster.name,
            "plugins": [
                {
                    "type": "ptp",
                    "ipam": {
                        "type": "host-local",
                        "ranges": [[{"subnet": self.record.network.pods()}]],
                        "routes": [{"dst": "0.0.0.0/0"}],
                    },
                },
                {"type": "portmap", "capabilities": {"portMappings": true}},
            ],
        })
    }

    fn kubelet_config(&self) -> Value {
        json!({
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "anonymous": {"enabled": false},
                "webhook": {"enabled": true},
                "x509": {"clientCAFile": self.pki("ca.crt")},
            },
            "authorization": {"mode": "Webhook"},
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": cgroups::root_of(&self.cluster.name),
            "clusterDNS": [self.cluster.node_ip],
            "clusterDomain": "cluster.local",
            "containerRuntimeEndpoint": format!("unix://{CONTAINERD_SOCKET}"),
            "failCgroupV1": false,
            "failSwapOn": false,
            "oomScoreAdj": 0,
            "resolvConf": self.config("resolv.conf"),
            "tlsCertFile": self.pki("kubelet-server.crt"),
            "tlsPrivateKeyFile": self.pki("kubelet-server.key"),
            // The disk is the developer's: how full it is says nothing about the node,
            // and an image once loaded must stay, for there is no registry to get it from.
            "evictionHard": {"memory.available": "100Mi", "nodefs.available": "0%", "imagefs.available": "0%"},
            "imageGCHighThresholdPercent": 100,
        })
    }

    fn proxy_config(&self) -> Value {
        json!({
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "clientConnection": {"kubeconfig": self.pki("kube-proxy.kubeconfig")},
            "bindAddress": self.cluster.node_ip,
            "clusterCIDR": self.record.network.pods(),
            // The table of connections is the machine's.
            "conntrack": {"maxPerCore": 0},
            "healthzBindAddress": "127.0.0.1:10256",
            "hostnameOverride": self.cluster.name,
            "mode": "iptables",
            "oomScoreAdj": 0,
        })
    }

    /// Keys and certificates stay those of the first start: clients go on working.
    fn write_pki(&self) -> Result<()> {
        let complete = self.folder.join("kubeconfig");
        if complete.exists() && self.folder.join("pki/service-account.key").exists() {
            return Ok(());
        }
        sh::output(
            sh::cmd(&self.cluster.tools.node, ["pki", "--name", &self.cluster.name])
                .args([
                    "--node-ip",
                    &self.cluster.node_ip,
                    "--service-ip",
                    &self.record.network.first_service(),
                    "--dir",
                ])
                .arg(self.folder.join("pki")),
        )?;
        write_private(&complete, &fs::read(self.folder.join("pki/admin.kubeconfig"))?)
    }
}
