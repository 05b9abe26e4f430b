//! A namespace of its own for each test.

use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use aws_sdk_s3::primitives::ByteStream;
use futures::TryStreamExt;
use k8s_openapi::api::core::v1::{Event, Pod, Service};
use kube::api::{Api, ApiResource, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::runtime::wait::await_condition;
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use crate::environment::{Environment, S3Access};
use crate::load;
use crate::object::{find_condition, has_condition};
use crate::s3;

/// How long a test waits for what should take seconds.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A namespace with storage, deleted when the test ends.
pub struct Space {
    /// The environment.
    pub environment: Environment,
    /// A client with the administrator's rights.
    pub client: Client,
    /// Name of the namespace, and of the bucket.
    pub name: String,
    /// The S3 server that the namespace's Secret names.
    pub storage: S3Access,
}

impl Space {
    /// A namespace under Pod Security `restricted`, with a bucket of the same name on the cluster's S3 server.
    pub async fn new(test: &str) -> Result<Space> {
        let storage = Environment::load()?.s3;
        Space::with_storage(test, storage).await
    }

    /// The same, with storage on a server of the test's own.
    pub async fn with_storage(test: &str, storage: S3Access) -> Result<Space> {
        let environment = Environment::load()?;
        let client = environment.client().await?;
        let unique = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis() % 100_000_000;
        let name = format!("e2e-{test}-{unique}");
        let space = Space { environment, client, name, storage };
        space.kubectl_apply(&json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": space.name, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
        }))?;
        space.set_credentials(&space.storage.access_key, &space.storage.secret_key)?;
        s3::client(&space.storage).create_bucket().bucket(&space.name).send().await?;
        Ok(space)
    }

    /// Writes the Secret that the steps log in with.
    pub fn set_credentials(&self, access_key: &str, secret_key: &str) -> Result<()> {
        self.kubectl_apply(&json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "slipway-storage", "namespace": self.name},
            "stringData": {
                "AWS_ACCESS_KEY_ID": access_key,
                "AWS_SECRET_ACCESS_KEY": secret_key,
                "AWS_ENDPOINT_URL": self.storage.endpoint,
                "AWS_REGION": "us-east-1",
            },
        }))
    }

    /// Stores an object in the test's bucket.
    pub async fn put(&self, key: &str, content: impl Into<Vec<u8>>) -> Result<()> {
        let body = ByteStream::from(content.into());
        s3::client(&self.storage).put_object().bucket(&self.name).key(key).body(body).send().await?;
        Ok(())
    }

    /// Reads an object of the test's bucket.
    pub async fn read(&self, key: &str) -> Result<Vec<u8>> {
        let object = s3::client(&self.storage).get_object().bucket(&self.name).key(key).send().await?;
        Ok(object.body.collect().await?.to_vec())
    }

    /// Keys of the test's bucket below a prefix.
    pub async fn keys(&self, prefix: &str) -> Result<Vec<String>> {
        let listed = s3::client(&self.storage).list_objects_v2().bucket(&self.name).prefix(prefix).send().await?;
        Ok(listed.contents().iter().filter_map(|object| object.key().map(str::to_owned)).collect())
    }

    /// Applies YAML as a user does: with kubectl, in this namespace. The error is what kubectl says.
    pub fn apply(&self, yaml: &str) -> Result<()> {
        let value: Value = serde_saphyr::from_str(yaml).with_context(|| yaml.to_owned())?;
        self.kubectl_apply(&value)
    }

    fn kubectl_apply(&self, object: &Value) -> Result<()> {
        self.kubectl_with_input(
            &["apply", "--server-side", "--force-conflicts", "--filename", "-"],
            &object.to_string(),
        )
        .map(drop)
    }

    /// Runs kubectl in this namespace.
    pub fn kubectl(&self, args: &[&str]) -> Result<String> {
        self.kubectl_with_input(args, "")
    }

    fn kubectl_with_input(&self, args: &[&str], input: &str) -> Result<String> {
        use std::io::Write;
        let mut child = Command::new(&self.environment.tools.kubectl)
            .arg("--kubeconfig")
            .arg(&self.environment.kubeconfig)
            .args(["--namespace", &self.name])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        child.stdin.take().context("stdin")?.write_all(input.as_bytes())?;
        let output = child.wait_with_output()?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Objects of one of Slipway's kinds, `TrainingRun` or `ModelDeployment`.
    pub fn api(&self, kind: &str) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("slipway.dev", "v1alpha1", kind));
        Api::namespaced_with(self.client.clone(), &self.name, &resource)
    }

    /// Pods of this namespace.
    pub fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.name)
    }

    /// Changes the spec of an object as `kubectl patch` does.
    pub async fn patch(&self, kind: &str, name: &str, patch: Value) -> Result<DynamicObject> {
        Ok(self.api(kind).patch(name, &PatchParams::default(), &Patch::Merge(patch)).await?)
    }

    /// Waits until an object meets `condition`; the error shows its last state.
    pub async fn until(
        &self,
        kind: &str,
        name: &str,
        what: &str,
        condition: impl Fn(&DynamicObject) -> bool,
    ) -> Result<DynamicObject> {
        self.until_within(PATIENCE, kind, name, what, condition).await
    }

    /// The same, with a patience of its own.
    pub async fn until_within(
        &self,
        patience: Duration,
        kind: &str,
        name: &str,
        what: &str,
        condition: impl Fn(&DynamicObject) -> bool,
    ) -> Result<DynamicObject> {
        let api = self.api(kind);
        let met = |object: Option<&DynamicObject>| object.is_some_and(&condition);
        match tokio::time::timeout(patience, await_condition(api.clone(), name, met)).await {
            Ok(Ok(Some(object))) => Ok(object),
            Ok(Ok(None)) => bail!("{kind} {name} was deleted while waiting for {what}"),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => {
                let object = api.get(name).await.map_or_else(|e| e.to_string(), |o| format!("{:#}", o.data));
                bail!("{kind} {name}: waited {} s for {what}\n{object}\n{}", patience.as_secs(), self.diagnosis().await)
            }
        }
    }

    /// Waits until a run has ended, well or not.
    pub async fn finished(&self, run: &str) -> Result<DynamicObject> {
        self.until("TrainingRun", run, "the end of the run", |run| {
            has_condition(run, "Succeeded", "True") || has_condition(run, "Succeeded", "False")
        })
        .await
    }

    /// Waits until a deployment serves its target, no rollout is under way, and callers reach it.
    pub async fn served(&self, deployment: &str) -> Result<DynamicObject> {
        let served = self
            .until("ModelDeployment", deployment, "Ready, its target served", |deployment| {
                has_condition(deployment, "Ready", "True") && has_condition(deployment, "TargetServed", "True")
            })
            .await?;
        self.reachable(deployment).await?;
        Ok(served)
    }

    /// Waits until connections to a deployment's Service are taken: nodes learn of a new Service a moment after it was made.
    async fn reachable(&self, deployment: &str) -> Result<()> {
        let url = self.url(deployment).await?;
        let deadline = std::time::Instant::now() + Duration::from_secs(15);
        while let Err(error) = load::get(&load::http(false), &format!("{url}/v2/health/live")).await {
            if std::time::Instant::now() > deadline {
                return Err(error.context(format!("{deployment} is said to be served, but nothing answers at {url}")));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Waits until a paused deployment has a stable revision; gives its present state.
    pub async fn served_while_paused(&self, deployment: &str) -> Result<DynamicObject> {
        self.until("ModelDeployment", deployment, "Ready", |deployment| has_condition(deployment, "Ready", "True"))
            .await
    }

    /// Waits until a deployment has gone back from its target to the stable model.
    pub async fn rolled_back(&self, deployment: &str) -> Result<DynamicObject> {
        self.until("ModelDeployment", deployment, "a rollback", |deployment| {
            find_condition(deployment, "TargetServed")
                .is_some_and(|served| served.status == "False" && served.reason == "RolledBack")
        })
        .await
    }

    /// Waits until nothing matches.
    pub async fn gone<K>(&self, api: &Api<K>, selector: &str) -> Result<()>
    where
        K: Clone + std::fmt::Debug + serde::de::DeserializeOwned + kube::Resource,
    {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let left = api.list(&ListParams::default().labels(selector)).await?.items;
            if left.is_empty() {
                return Ok(());
            }
            if std::time::Instant::now() > deadline {
                bail!("still there: {:?}", left.iter().map(ResourceExt::name_any).collect::<Vec<_>>());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// The address at which callers on this machine reach a deployment.
    pub async fn url(&self, deployment: &str) -> Result<String> {
        let services: Api<Service> = Api::namespaced(self.client.clone(), &self.name);
        let spec = services.get(deployment).await?.spec.context("spec")?;
        let ip = spec.cluster_ip.context("clusterIP")?;
        let port = spec.ports.into_iter().flatten().next().context("port")?.port;
        Ok(format!("http://{ip}:{port}"))
    }

    /// Predicts one row.
    pub async fn predict(&self, deployment: &str, row: &Value) -> Result<Value> {
        let url = format!("{}/predict", self.url(deployment).await?);
        let (status, body) = load::post(&load::http(false), &url, row).await?;
        if status != 200 {
            bail!("{status} {body}");
        }
        Ok(body)
    }

    /// Creates an object of any kind.
    pub async fn create<K>(&self, object: &K) -> Result<K>
    where
        K: Clone
            + std::fmt::Debug
            + serde::Serialize
            + serde::de::DeserializeOwned
            + kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Ok(Api::namespaced(self.client.clone(), &self.name).create(&PostParams::default(), object).await?)
    }

    /// What a person would look at: pods and warnings.
    pub async fn diagnosis(&self) -> String {
        let mut text = String::new();
        if let Ok(pods) = self.pods().list(&ListParams::default()).await {
            for pod in pods {
                let status = pod
                    .status
                    .as_ref()
                    .map(|status| (&status.phase, &status.init_container_statuses, &status.container_statuses));
                let _ = writeln!(text, "pod {}: {status:?}", pod.name_any());
            }
        }
        let events: Api<Event> = Api::namespaced(self.client.clone(), &self.name);
        if let Ok(events) = events.list(&ListParams::default().fields("type=Warning")).await {
            for event in events {
                let about = event.involved_object.name.unwrap_or_default();
                let _ = writeln!(
                    text,
                    "{about}: {} {}",
                    event.reason.unwrap_or_default(),
                    event.message.unwrap_or_default()
                );
            }
        }
        text
    }

    /// The lines of a pod's container as they come.
    pub async fn logs(&self, pod: &str, container: &str) -> Result<Vec<String>> {
        use futures::AsyncBufReadExt;
        let params = kube::api::LogParams { container: Some(container.to_owned()), ..Default::default() };
        Ok(self.pods().log_stream(pod, &params).await?.lines().try_collect().await?)
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        // A failed test keeps its namespace where the person who runs it wants to look into it.
        if std::thread::panicking() && std::env::var_os("SLIPWAY_E2E_KEEP").is_some() {
            return;
        }
        let _ = Command::new(&self.environment.tools.kubectl)
            .arg("--kubeconfig")
            .arg(&self.environment.kubeconfig)
            .args(["delete", "namespace", &self.name, "--wait=false"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}
