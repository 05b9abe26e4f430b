//! The cluster that `cargo xtask test` has prepared.

use std::path::PathBuf;

use anyhow::{Context, Result};
use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde::Deserialize;

/// Names the file that describes the environment.
pub const VARIABLE: &str = "SLIPWAY_E2E";

/// What the tests run against.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Environment {
    /// Of the cluster's administrator.
    pub kubeconfig: PathBuf,
    /// What service accounts have written, one audit event a line; only of a cluster of our own.
    pub audit_log: Option<PathBuf>,
    /// Where pods reach this machine.
    pub host_ip: String,
    /// The cluster's S3 server.
    pub s3: S3Access,
    /// Programs.
    pub tools: Tools,
    /// Images, as pods name them.
    pub images: Images,
    /// Namespace of the operator.
    pub operator_namespace: String,
    /// Root of the checkout.
    pub root: PathBuf,
}

/// An S3 server and how to log in.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct S3Access {
    /// URL.
    pub endpoint: String,
    /// Access key.
    pub access_key: String,
    /// Secret key.
    pub secret_key: String,
}

/// Programs the tests run.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tools {
    /// kubectl.
    pub kubectl: PathBuf,
    /// helm.
    pub helm: PathBuf,
    /// An S3 server.
    pub versitygw: PathBuf,
}

/// Images, as pods name them.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Images {
    /// The operator.
    pub operator: String,
    /// The trainer.
    pub trainer: String,
    /// The storage steps.
    pub store: String,
    /// The model server.
    pub model_server: String,
    /// `slipway-fixture`: whatever a test needs a container to do.
    pub fixture: String,
}

impl Environment {
    /// Reads the environment.
    pub fn load() -> Result<Environment> {
        let file = std::env::var_os(VARIABLE)
            .with_context(|| format!("{VARIABLE} is not set: these tests are run by `cargo xtask test`"))?;
        let content = std::fs::read(&file).with_context(|| PathBuf::from(&file).display().to_string())?;
        serde_json::from_slice(&content).context("the description of the test environment")
    }

    /// A client with the administrator's rights.
    pub async fn client(&self) -> Result<Client> {
        let kubeconfig = Kubeconfig::read_from(&self.kubeconfig)?;
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        Ok(Client::try_from(config)?)
    }
}
