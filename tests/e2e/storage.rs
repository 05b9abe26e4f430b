//! Object storage that goes away or goes bad.

use anyhow::{Context, Result};
use serde_json::json;
use slipway_e2e::{Environment, Load, Space, condition, has_condition, s3, text};

use crate::data::{self, deployment, known_row, run};

#[tokio::test]
async fn storage_that_stops_during_training_is_tried_again_then_named() -> Result<()> {
    let mut server = s3::Server::start(&Environment::load()?)?;
    let space = Space::with_storage("s3stop", server.access().clone()).await?;
    space.put("data/orders.csv", data::time_to_dispatch(&space.environment.root)?).await?;
    server.stop();
    space.apply(&run(&space, "stranded", &json!({"retries": 1})).to_string())?;
    let run = space
        .until_within(std::time::Duration::from_secs(400), "TrainingRun", "stranded", "the end of the run", |run| {
            has_condition(run, "Succeeded", "False")
        })
        .await?;
    let succeeded = condition(&run, "Succeeded")?;
    assert_eq!(succeeded.reason, "StorageUnavailable", "{}", succeeded.message);
    let attempts = space.kubectl(&["get", "pods", "-l", "batch.kubernetes.io/job-name=stranded", "-o", "name"])?;
    assert_eq!(attempts.lines().count(), 2, "one retry: {attempts}");
    Ok(())
}

#[tokio::test]
async fn storage_that_stops_while_serving_changes_nothing() -> Result<()> {
    let mut server = s3::Server::start(&Environment::load()?)?;
    let space = Space::with_storage("s3serve", server.access().clone()).await?;
    space.put("data/orders.csv", data::time_to_dispatch(&space.environment.root)?).await?;
    space.apply(&run(&space, "first", &json!({})).to_string())?;
    space.apply(&deployment("orders", &json!({})).to_string())?;
    let before = space.served("orders").await?;
    let load = Load::start(format!("{}/predict", space.url("orders").await?), known_row(), 100);
    server.stop();
    // The operator looks at the deployment again, and callers call for a while.
    space.kubectl(&["annotate", "modeldeployment", "orders", "note=touched"])?;
    while load.answered() < 1_000 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    load.finish().await?;
    let after = space.served("orders").await?;
    assert_eq!(text(&before, "/status/stable/revision"), text(&after, "/status/stable/revision"));
    Ok(())
}

/// A deployment that is paused while a second run succeeds, so that its artefact can be spoilt before it is fetched.
async fn paused_before_second(test: &str) -> Result<(Space, String)> {
    let space = data::serving(test).await?;
    space.patch("ModelDeployment", "orders", json!({"spec": {"rollout": {"paused": true}}})).await?;
    space.apply(&run(&space, "second", &json!({})).to_string())?;
    let second = space.finished("second").await?;
    assert_eq!(condition(&second, "Succeeded")?.status, "True");
    let prefix = format!("models/time-to-dispatch/{}/", second.metadata.uid.as_deref().context("uid")?);
    Ok((space, prefix))
}

#[tokio::test]
async fn an_artefact_with_one_byte_changed_is_taken_back() -> Result<()> {
    let (space, prefix) = paused_before_second("byte").await?;
    let manifest: serde_json::Value = serde_json::from_slice(&space.read(&format!("{prefix}manifest.json")).await?)?;
    let files = manifest["files"].as_array().context("files")?;
    let model = files.iter().find(|file| file["name"] == "model.json").context("model.json")?;
    let hex = model["digest"].as_str().context("digest")?.trim_start_matches("sha256:");
    let key = format!("{prefix}{hex}");
    let mut bytes = space.read(&key).await?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    space.put(&key, bytes).await?;

    let stable = text(&space.served_while_paused("orders").await?, "/status/stable/digest").to_owned();
    let load = Load::start(format!("{}/predict", space.url("orders").await?), known_row(), 200);
    space.patch("ModelDeployment", "orders", json!({"spec": {"rollout": {"paused": false}}})).await?;
    let rolled_back = space.rolled_back("orders").await?;
    load.finish().await?;
    let served = condition(&rolled_back, "TargetServed")?;
    assert!(served.message.contains("the digest is sha256:"), "{}", served.message);
    assert_eq!(text(&rolled_back, "/status/stable/digest"), stable);
    assert_eq!(condition(&rolled_back, "Ready")?.status, "True", "a stable that serves is ready");
    Ok(())
}

#[tokio::test]
async fn a_retrain_that_lost_a_category_is_taken_back() -> Result<()> {
    let space = data::serving("category").await?;
    let all = data::time_to_dispatch(&space.environment.root)?;
    let fewer: Vec<_> = all.lines().filter(|line| !line.ends_with("SKU005")).collect();
    space.put("data/fewer.csv", fewer.join("\n")).await?;
    let load = Load::start(format!("{}/predict", space.url("orders").await?), known_row(), 200);
    let uri = format!("s3://{}/data/fewer.csv", space.name);
    space.apply(&run(&space, "narrow", &json!({"data": {"uri": uri}})).to_string())?;
    let rolled_back = space.rolled_back("orders").await?;
    load.finish().await?;
    let served = condition(&rolled_back, "TargetServed")?;
    assert!(served.message.contains("SKU005"), "{}", served.message);
    Ok(())
}
