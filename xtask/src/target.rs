//! The cluster that a command works on: our own, or one that exists.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::cluster::Cluster;
use crate::images::{Builder, Image};
use crate::{sh, tools};

/// The options with which the user says which cluster to work on.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub struct Args {
    /// Use a cluster that exists: a context of your kubeconfig
    #[arg(long)]
    context: Option<String>,
    /// Where that cluster gets its images from, such as ghcr.io/me; they are pushed there
    #[arg(long, value_name = "HOST/PREFIX")]
    registry: Option<String>,
}

impl Args {
    /// Whether the user named a cluster or a registry.
    pub fn names_one(&self) -> bool {
        self.context.is_some() || self.registry.is_some()
    }

    /// Finds the cluster; `local` is brought up where the user named none.
    pub fn target(&self, local: &str) -> Result<Target> {
        match &self.context {
            None => Ok(Target::Local(Box::new(Cluster::up(local)?))),
            Some(name) => {
                let (kubectl, helm) = tools::clients()?;
                Ok(Target::Context { name: name.clone(), registry: self.registry.clone(), kubectl, helm })
            }
        }
    }
}

/// A cluster to work on.
pub enum Target {
    /// Ours, on this machine.
    Local(Box<Cluster>),
    /// One that exists, by the name of its context in the user's kubeconfig.
    Context {
        /// The context, always named, so that the user's current one is never touched.
        name: String,
        /// Where its nodes get images from.
        registry: Option<String>,
        /// The Kubernetes client.
        kubectl: PathBuf,
        /// The chart installer.
        helm: PathBuf,
    },
}

impl Target {
    /// `kubectl` for this cluster, to be completed with arguments.
    pub fn kubectl_command(&self) -> Command {
        match self {
            Self::Local(cluster) => cluster.kubectl_command(),
            Self::Context { name, kubectl, .. } => sh::cmd(kubectl, ["--context", name]),
        }
    }

    /// `helm` for this cluster, to be completed with arguments.
    pub fn helm_command(&self) -> Command {
        match self {
            Self::Local(cluster) => cluster.helm_command(),
            Self::Context { name, helm, .. } => sh::cmd(helm, ["--kube-context", name]),
        }
    }

    /// What the cluster is called.
    pub fn name(&self) -> &str {
        match self {
            Self::Local(cluster) => &cluster.name,
            Self::Context { name, .. } => name,
        }
    }

    /// `kubectl` for this cluster as a person types it.
    pub fn shown_kubectl(&self) -> String {
        match self {
            Self::Local(cluster) => {
                format!("{} --kubeconfig {}", cluster.tools.kubectl.display(), cluster.kubeconfig.display())
            }
            Self::Context { name, .. } => format!("kubectl --context {name}"),
        }
    }

    /// Brings images to where the cluster's nodes find them. Returns them under the names to use in pods.
    pub fn deliver(&self, builder: &Builder, images: &[Image]) -> Result<Vec<Image>> {
        images.iter().map(|image| self.deliver_one(builder, image)).collect()
    }

    fn deliver_one(&self, builder: &Builder, image: &Image) -> Result<Image> {
        match self {
            Self::Local(cluster) => {
                if !cluster.has_image(&image.reference())? {
                    let archive = builder.archive(image)?;
                    cluster.load_image(&archive)?;
                }
                Ok(image.clone())
            }
            Self::Context { registry: None, .. } => Ok(image.clone()),
            Self::Context { registry: Some(registry), .. } => {
                let pushed = image.in_registry(registry);
                builder.push(image, &pushed)?;
                Ok(pushed)
            }
        }
    }
}
