//! What the chart installs, seen from the cluster: who may do what, what `helm test` says, and the examples beside it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::json;
use slipway_e2e::{Environment, Space};

use crate::data;

#[tokio::test]
async fn the_operator_may_do_what_the_golden_file_says_and_no_more() -> Result<()> {
    let space = Space::new("rbac").await?;
    let golden = fs::read_to_string(space.environment.root.join("tests/golden/rbac/operator.txt"))?;
    let operator = format!("system:serviceaccount:{}:slipway-operator", space.environment.operator_namespace);
    let listed = space.kubectl(&["auth", "can-i", "--list", "--as", &operator])?;
    assert_eq!(resources(&listed), golden.lines().collect::<Vec<_>>());
    Ok(())
}

/// Resources with their verbs, in order. What everybody may read of a server, such as its version, is left out.
fn resources(listed: &str) -> Vec<String> {
    let mut lines: Vec<_> = listed
        .lines()
        .skip(1)
        .filter(|line| !line.starts_with(' '))
        .map(|line| line.split_whitespace().filter(|word| *word != "[]").collect::<Vec<_>>().join(" "))
        .collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn who_may_edit_or_view_a_namespace_may_do_so_with_runs_and_deployments() -> Result<()> {
    let space = Space::new("users").await?;
    for role in ["edit", "view"] {
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": role},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": format!("{role}-user")}],
        });
        space.apply(&binding.to_string())?;
    }
    // The controller that joins aggregated roles has had all the time of the installation.
    for (user, verb, resource, allowed) in [
        ("edit-user", "create", "trainingruns.slipway.dev", true),
        ("edit-user", "delete", "modeldeployments.slipway.dev", true),
        ("edit-user", "update", "modeldeployments.slipway.dev/scale", true),
        ("edit-user", "update", "trainingruns.slipway.dev/status", false),
        ("view-user", "watch", "modeldeployments.slipway.dev", true),
        ("view-user", "create", "trainingruns.slipway.dev", false),
        ("stranger", "get", "trainingruns.slipway.dev", false),
    ] {
        // kubectl answers no with an exit code.
        let (resource_name, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let subresource = format!("--subresource={subresource}");
        let answer = space.kubectl(&["auth", "can-i", verb, resource_name, &subresource, "--as", user]);
        let answer = answer.is_ok_and(|yes| yes == "yes");
        assert_eq!(answer, allowed, "{user} {verb} {resource}");
    }
    Ok(())
}

#[tokio::test]
async fn the_cluster_takes_every_example() -> Result<()> {
    let space = Space::new("examples").await?;
    let mut examples = vec![];
    yaml_files(&space.environment.root.join("deploy/examples"), &mut examples)?;
    assert!(examples.len() >= 6, "{examples:?}");
    for example in examples {
        let here = fs::read_to_string(&example)?.replace("slipway-examples", &space.name);
        let copy = tempfile::Builder::new().suffix(".yaml").tempfile()?;
        fs::write(copy.path(), here)?;
        let file = copy.path().to_string_lossy();
        space
            .kubectl(&["apply", "--dry-run=server", "--validate=strict", "--filename", &file])
            .with_context(|| example.display().to_string())?;
    }
    Ok(())
}

fn yaml_files(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            yaml_files(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
    Ok(())
}

#[tokio::test]
async fn helm_test_predicts_with_the_model_it_is_given() -> Result<()> {
    let space = data::serving("helm").await?;
    let url = format!("test.url=http://orders.{}", space.name);
    helm(&space.environment, &["upgrade", "slipway", "charts/slipway", "--reuse-values", "--set", &url])?;
    let said = helm(&space.environment, &["test", "slipway", "--logs", "--timeout", "60s"])?;
    assert!(said.contains("Succeeded") && said.contains("\"prediction\":"), "{said}");
    Ok(())
}

fn helm(environment: &Environment, args: &[&str]) -> Result<String> {
    let output = Command::new(&environment.tools.helm)
        .arg("--kubeconfig")
        .arg(&environment.kubeconfig)
        .args(["--namespace", &environment.operator_namespace])
        .args(args)
        .current_dir(&environment.root)
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!("helm {args:?}: {}\n{said}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(said)
}
