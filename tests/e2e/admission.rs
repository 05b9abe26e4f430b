//! What `kubectl apply` refuses, and what it says.

use anyhow::Result;
use slipway_e2e::Environment;

#[tokio::test]
async fn examples_in_the_repository_are_accepted() -> Result<()> {
    let environment = Environment::load()?;
    let folder = environment.root.join("deploy/examples");
    let output = std::process::Command::new(&environment.tools.kubectl)
        .arg("--kubeconfig")
        .arg(&environment.kubeconfig)
        .args(["apply", "--dry-run=server", "--recursive", "--namespace", "default", "--filename"])
        .arg(&folder)
        .output()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
