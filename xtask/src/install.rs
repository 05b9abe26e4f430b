//! Slipway's own parts on a cluster: the images, and the chart that runs them.

use anyhow::{Context, Result};

use crate::images::{self, Builder, Image, Profile};
use crate::progress::step;
use crate::target::Target;
use crate::{sh, tools, workspace};

/// Where the operator runs.
pub const NAMESPACE: &str = "slipway-system";

/// Images as a cluster's pods name them.
pub struct Images {
    images: Vec<(&'static str, Image)>,
}

impl Images {
    /// Compiles the named programs, makes images of them and brings them to the cluster.
    pub fn deliver(target: &Target, names: &[&'static str], profile: Profile) -> Result<Images> {
        let builder = Builder::new(tools::buildah()?);
        let built = images::build(&builder, names, profile)?;
        let delivered = step("bringing the images to the cluster", || target.deliver(&builder, &built))?;
        Ok(Images { images: names.iter().copied().zip(delivered).collect() })
    }

    /// The image of a program.
    pub fn get(&self, name: &str) -> Result<&Image> {
        let found = self.images.iter().find(|(candidate, _)| *candidate == name);
        found.map(|(_, image)| image).with_context(|| format!("no image of {name}"))
    }
}

/// Installs or upgrades the chart with these images, and waits until the operator is ready.
pub fn chart(target: &Target, images: &Images) -> Result<()> {
    let labelled = serde_json::json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    });
    sh::output_with_input(
        target.kubectl_command().args(["apply", "--server-side", "--filename", "-"]),
        &labelled.to_string(),
    )?;
    let mut helm = target.helm_command();
    helm.args(["upgrade", "--install", "slipway", "charts/slipway", "--namespace", NAMESPACE])
        .args([
            "--wait",
            "--timeout",
            "90s",
            "--set",
            &format!("image.registry={}", images.get("operator")?.registry()),
        ])
        .current_dir(workspace::root());
    for (value, name) in
        [("operator", "operator"), ("trainer", "trainer"), ("store", "store"), ("modelServer", "model-server")]
    {
        let tag = &images.get(name)?.tag;
        helm.args(["--set-string", &format!("{value}.image.tag={tag}")]);
    }
    step("installing the chart", || sh::output(&mut helm))?;
    Ok(())
}
