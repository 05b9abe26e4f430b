//! Rollouts that go wrong: the last good model goes on answering.

use anyhow::{Context, Result};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use kube::Api;
use kube::api::{DeleteParams, ListParams};
use serde_json::json;
use slipway_e2e::{Load, condition, has_condition, text};

use crate::data::{self, known_row};

#[tokio::test]
async fn a_server_image_that_cannot_start_is_taken_back_without_a_failed_request() -> Result<()> {
    let space = data::serving("crash").await?;
    let load = Load::start(format!("{}/predict", space.url("orders").await?), known_row(), 200);
    let before = text(&space.served("orders").await?, "/status/stable/revision").to_owned();
    // The fixture refuses the server's flags and ends, again and again.
    let image = &space.environment.images.fixture;
    space.patch("ModelDeployment", "orders", json!({"spec": {"server": {"image": image}}})).await?;
    let rolled_back = space.rolled_back("orders").await?;
    load.finish().await?;
    assert_eq!(text(&rolled_back, "/status/stable/revision"), before);
    let served = condition(&rolled_back, "TargetServed")?;
    assert!(served.message.contains("slipway-fixture"), "the pod's own words: {}", served.message);

    // A denied target is not tried again by itself, but it is when the user asks for it.
    let denied = rolled_back.data["status"]["denied"].as_array().context("denied")?.len();
    assert_eq!(denied, 1);
    space.patch("ModelDeployment", "orders", json!({"spec": {"server": {"image": null}}})).await?;
    space.served("orders").await?;
    Ok(())
}

#[tokio::test]
async fn a_first_deployment_that_cannot_start_says_why() -> Result<()> {
    let space = data::space("initial").await?;
    let image = &space.environment.images.fixture;
    space.apply(&data::run(&space, "first", &json!({})).to_string())?;
    space.apply(&data::deployment("orders", &json!({"server": {"image": image}})).to_string())?;
    let stalled = space
        .until("ModelDeployment", "orders", "Stalled", |deployment| has_condition(deployment, "Stalled", "True"))
        .await?;
    let ready = condition(&stalled, "Ready")?;
    assert_eq!(ready.status, "False");
    assert!(ready.message.contains("slipway-fixture"), "{}", ready.message);
    Ok(())
}

#[tokio::test]
async fn a_deleted_server_pod_comes_back_and_nobody_notices() -> Result<()> {
    let space = data::serving("pod").await?;
    let load = Load::start(format!("{}/predict", space.url("orders").await?), known_row(), 100);
    let servers = ListParams::default().labels("slipway.dev/revision");
    let pods = space.pods().list(&servers).await?.items;
    let victim = pods[0].metadata.name.clone().context("name")?;
    space.pods().delete(&victim, &DeleteParams::default()).await?;
    let deployments: Api<Deployment> = Api::namespaced(space.client.clone(), &space.name);
    let revision = text(&space.served("orders").await?, "/status/stable/revision").to_owned();
    kube::runtime::wait::await_condition(deployments, &revision, |deployment: Option<&Deployment>| {
        deployment.and_then(|d| d.status.as_ref()).is_some_and(|status| status.ready_replicas == Some(2))
    })
    .await?;
    let gone = kube::runtime::wait::conditions::is_deleted(pods[0].metadata.uid.as_deref().context("uid")?);
    kube::runtime::wait::await_condition(space.pods(), &victim, gone).await?;
    load.finish().await?;
    Ok(())
}

#[tokio::test]
async fn a_deleted_deployment_leaves_nothing_behind() -> Result<()> {
    let space = data::serving("gone").await?;
    space
        .patch(
            "ModelDeployment",
            "orders",
            json!({"spec": {"server": {"env": [{"name": "RUST_LOG", "value": "info"}]}}}),
        )
        .await?;
    space
        .until("ModelDeployment", "orders", "a rollout under way", |deployment| {
            deployment.data.pointer("/status/candidate").is_some_and(|candidate| !candidate.is_null())
        })
        .await?;
    space.kubectl(&["delete", "modeldeployment", "orders"])?;
    space.gone(&Api::<Deployment>::namespaced(space.client.clone(), &space.name), "").await?;
    space.gone(&Api::<Service>::namespaced(space.client.clone(), &space.name), "").await?;
    space.gone(&space.pods(), "slipway.dev/revision").await?;
    assert_eq!(space.kubectl(&["get", "poddisruptionbudgets", "-o", "name"])?, "");
    Ok(())
}

#[tokio::test]
async fn deployments_scale_as_asked() -> Result<()> {
    let space = data::serving("scale").await?;
    space.kubectl(&["scale", "modeldeployment/orders", "--replicas=3"])?;
    space
        .until("ModelDeployment", "orders", "three ready replicas", |deployment| {
            deployment.data.pointer("/status/readyReplicas") == Some(&json!(3))
        })
        .await?;
    Ok(())
}
