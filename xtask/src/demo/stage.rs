//! Where the story plays: a cluster, a namespace, a bucket.

use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::objects::{MODEL, NAMESPACE, ROW};
use crate::images::Image;
use crate::install::{self, Images};
use crate::target::Target;
use crate::{sh, workspace};

/// How long anything in the story may take.
const PATIENCE: Duration = Duration::from_secs(180);

/// An S3 server and how to log in.
pub struct Storage {
    /// URL.
    pub endpoint: String,
    /// Access key.
    pub access_key: String,
    /// Secret key.
    pub secret_key: String,
    /// Its disk with one folder a bucket, where it is on this machine.
    pub disk: Option<PathBuf>,
}

/// The cluster and the bucket of the story.
pub struct Stage {
    target: Target,
    images: Images,
    storage: Storage,
    /// Name of the bucket.
    pub bucket: String,
    store: PathBuf,
}

impl Stage {
    /// Sets the stage anew: an earlier story's namespace goes.
    pub fn set(target: Target, images: Images, storage: Storage, bucket: &str) -> Result<Self> {
        let stage = Self { target, images, storage, bucket: bucket.to_owned(), store: super::program("store")? };
        if let Some(disk) = &stage.storage.disk {
            std::fs::create_dir_all(disk.join(bucket))?;
        }
        stage.kubectl(&["delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait"])?;
        stage.apply(
            &json!({
                "apiVersion": "v1", "kind": "Namespace",
                "metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
            })
            .to_string(),
        )?;
        stage.apply(
            &json!({
                "apiVersion": "v1", "kind": "Secret",
                "metadata": {"name": "slipway-storage", "namespace": NAMESPACE},
                "stringData": {
                    "AWS_ACCESS_KEY_ID": stage.storage.access_key,
                    "AWS_SECRET_ACCESS_KEY": stage.storage.secret_key,
                    "AWS_ENDPOINT_URL": stage.storage.endpoint,
                    "AWS_REGION": "us-east-1",
                },
            })
            .to_string(),
        )?;
        Ok(stage)
    }

    /// Applies YAML in the story's namespace.
    pub fn apply(&self, yaml: &str) -> Result<()> {
        let mut kubectl = self.target.kubectl_command();
        kubectl.args(["--namespace", NAMESPACE, "apply", "--server-side", "--force-conflicts", "--filename", "-"]);
        sh::output_with_input(&mut kubectl, yaml).map(drop)
    }

    /// Runs kubectl in the story's namespace.
    pub fn kubectl(&self, args: &[&str]) -> Result<String> {
        sh::output(self.target.kubectl_command().args(["--namespace", NAMESPACE]).args(args))
    }

    /// The beginning of a kubectl command as a person types it.
    pub fn shown_kubectl(&self) -> String {
        format!("{} -n {NAMESPACE}", self.target.shown_kubectl())
    }

    /// What a person types to take down all that the story has made.
    pub fn shown_end(&self) -> String {
        match &self.target {
            Target::Local(_) => "cargo xtask cluster down".to_owned(),
            Target::Context { .. } => {
                let (kubectl, name, system) = (self.target.shown_kubectl(), self.target.name(), install::NAMESPACE);
                format!(
                    "{kubectl} delete namespace {NAMESPACE}; helm --kube-context {name} -n {system} uninstall slipway"
                )
            }
        }
    }

    /// An object as JSON.
    pub fn get(&self, kind: &str, name: &str) -> Result<Value> {
        Ok(serde_json::from_str(&self.kubectl(&["get", kind, name, "--output", "json"])?)?)
    }

    /// Changes the spec of the deployment.
    pub fn patch(&self, spec: &Value) -> Result<()> {
        let patch = json!({"spec": spec}).to_string();
        self.kubectl(&["patch", "modeldeployment", MODEL, "--type", "merge", "--patch", &patch]).map(drop)
    }

    /// Looks at an object until `seen` finds what it looks for.
    pub fn until<T>(&self, kind: &str, name: &str, what: &str, seen: impl Fn(&Value) -> Option<T>) -> Result<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let object = self.get(kind, name)?;
            if let Some(found) = seen(&object) {
                return Ok(found);
            }
            if Instant::now() > deadline {
                bail!("waited {} s for {what}; {kind} {name} says\n{:#}", PATIENCE.as_secs(), object["status"]);
            }
            thread::sleep(Duration::from_millis(150));
        }
    }

    /// Stores an object in the bucket.
    pub fn put(&self, key: &str, content: &[u8]) -> Result<()> {
        let folder = workspace::target().join("demo");
        std::fs::create_dir_all(&folder)?;
        let file = folder.join("object");
        std::fs::write(&file, content)?;
        sh::output(self.store_command().arg("put").arg(&file).arg(format!("s3://{}/{key}", self.bucket))).map(drop)
    }

    /// Changes one byte of a file of an artefact, on the disk of the S3 server; says whether it could.
    pub fn spoil(&self, artefact: &str, name: &str) -> Result<bool> {
        let Some(disk) = &self.storage.disk else { return Ok(false) };
        let folder = disk.join(artefact.trim_start_matches("s3://"));
        let manifest: Value = serde_json::from_slice(&std::fs::read(folder.join("manifest.json"))?)?;
        let files = manifest["files"].as_array().context("the manifest lists no files")?;
        let entry = files.iter().find(|file| file["name"] == name).with_context(|| format!("no {name}"))?;
        let object = folder.join(entry["digest"].as_str().context("digest")?.trim_start_matches("sha256:"));
        let mut bytes = std::fs::read(&object)?;
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&object, bytes)?;
        Ok(true)
    }

    fn store_command(&self) -> Command {
        let mut store = Command::new(&self.store);
        store
            .env("AWS_ACCESS_KEY_ID", &self.storage.access_key)
            .env("AWS_SECRET_ACCESS_KEY", &self.storage.secret_key)
            .env("AWS_ENDPOINT_URL", &self.storage.endpoint)
            .env("AWS_REGION", "us-east-1");
        store
    }

    /// An image, as pods name it.
    pub fn image(&self, name: &str) -> Result<String> {
        self.images.get(name).map(Image::reference)
    }

    /// Where the deployment answers for callers on this machine, once its Service exists.
    pub fn url(&self) -> Result<String> {
        let service = self.get("service", MODEL)?;
        let ip = service["spec"]["clusterIP"].as_str().context("the Service has no address")?;
        Ok(match service["spec"]["ports"][0]["port"].as_u64() {
            Some(80) | None => format!("http://{ip}"),
            Some(port) => format!("http://{ip}:{port}"),
        })
    }

    /// Asks for the known row.
    pub fn predict(&self) -> Result<Value> {
        super::caller::predict(&format!("{}/predict", self.url()?), &row()?)
    }
}

/// The known row as JSON.
pub fn row() -> Result<Value> {
    Ok(serde_json::from_str(ROW)?)
}

/// A condition's status, reason and message.
pub fn condition<'a>(object: &'a Value, type_: &str) -> Option<(&'a str, &'a str, &'a str)> {
    let conditions = object["status"]["conditions"].as_array()?;
    let found = conditions.iter().find(|condition| condition["type"] == type_)?;
    let current =
        found["observedGeneration"].is_null() || found["observedGeneration"] == object["metadata"]["generation"];
    current.then_some(())?;
    Some((found["status"].as_str()?, found["reason"].as_str()?, found["message"].as_str()?))
}
