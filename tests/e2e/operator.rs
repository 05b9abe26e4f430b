//! The operator killed, and the operator at rest.

use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, ListParams};
use serde_json::{Value, json};
use slipway_e2e::{Load, Space, condition, text};

use crate::data::{self, known_row, run};

/// Kills the operator without warning. Kubernetes starts another.
async fn kill_operator(space: &Space) -> Result<()> {
    let namespace = &space.environment.operator_namespace;
    let operators = ListParams::default().labels("app.kubernetes.io/component=operator");
    let deployments: Api<Deployment> = Api::namespaced(space.client.clone(), namespace);
    assert!(!deployments.list(&operators).await?.items.is_empty(), "no operator in {namespace}");
    // Another test may have killed the pod just now.
    let pods: Api<Pod> = Api::namespaced(space.client.clone(), namespace);
    pods.delete_collection(&DeleteParams::default().grace_period(0), &operators).await?;
    Ok(())
}

#[tokio::test]
async fn a_run_ends_the_same_whenever_the_operator_is_killed() -> Result<()> {
    type Moment = fn(&DynamicObject) -> bool;
    let moments: [(&str, Moment); 3] = [
        ("at-once", |_| true),
        ("started", |run| run.data.pointer("/status/job").is_some()),
        ("ended", |run| run.data.pointer("/status/completionTime").is_some()),
    ];
    let space = data::space("kill-run").await?;
    let mut digests = Vec::new();
    for (name, moment) in moments {
        space.apply(&run(&space, name, &json!({})).to_string())?;
        space.until("TrainingRun", name, "the moment to kill the operator", moment).await?;
        kill_operator(&space).await?;
        let run = space.finished(name).await?;
        assert_eq!(condition(&run, "Succeeded")?.status, "True", "{name}: {:#}", run.data);
        digests.push(run.data["status"]["data"]["digest"].clone());
        let jobs: Api<Job> = Api::namespaced(space.client.clone(), &space.name);
        let jobs = jobs.list(&ListParams::default()).await?.items;
        let of_run = jobs.iter().filter(|job| job.metadata.name.as_deref() == Some(name)).count();
        assert!(of_run <= 1, "one Job a run");
        let pods =
            space.pods().list(&ListParams::default().labels(&format!("batch.kubernetes.io/job-name={name}"))).await?;
        assert!(pods.items.len() <= 1, "trained once");
    }
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]), "{digests:?}");
    Ok(())
}

#[tokio::test]
async fn a_rollout_arrives_whenever_the_operator_is_killed() -> Result<()> {
    type Moment = fn(&DynamicObject) -> bool;
    let moments: [(&str, u32, Moment); 3] = [
        ("a candidate appears", 5, |d| d.data.pointer("/status/candidate").is_some_and(|c| !c.is_null())),
        ("traffic is switched", 7, |d| text(d, "/status/rollout/state") == "Baking"),
        ("it has ended", 8, |d| text(d, "/status/rollout/state") == "Idle"),
    ];
    let space = data::serving("kill-rollout").await?;
    let load = Load::start(format!("{}/predict", space.url("orders").await?), known_row(), 100);
    for (what, depth, moment) in moments {
        let name = format!("depth-{depth}");
        space.apply(
            &run(&space, &name, &json!({"train": {"builtin": {"parameters": {"max_depth": depth}}}})).to_string(),
        )?;
        let run = space.finished(&name).await?;
        space.until("ModelDeployment", "orders", what, moment).await?;
        kill_operator(&space).await?;
        space
            .until("ModelDeployment", "orders", "the new run to be stable", |deployment| {
                text(deployment, "/status/stable/digest") == text(&run, "/status/artefact/digest")
            })
            .await?;
        space.served("orders").await?;
    }
    load.finish().await?;
    let deployments: Api<Deployment> = Api::namespaced(space.client.clone(), &space.name);
    let running = deployments.list(&ListParams::default()).await?.items;
    let running = running.iter().filter(|d| d.spec.as_ref().and_then(|spec| spec.replicas) != Some(0)).count();
    assert_eq!(running, 1, "old revisions are scaled down");
    Ok(())
}

#[tokio::test]
async fn an_idle_operator_writes_nothing() -> Result<()> {
    let space = data::serving("idle").await?;
    // The events of the rollout come after it.
    let mut before = Vec::new();
    while before != written(&space).await? {
        before = written(&space).await?;
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    // Time itself is what is waited for here: that nothing happens.
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(before, written(&space).await?);
    Ok(())
}

/// What the operator has written in the space, by the API server's audit log; of a cluster that keeps none for us, the
/// versions of all objects the operator may write.
async fn written(space: &Space) -> Result<Vec<String>> {
    if let Some(log) = &space.environment.audit_log {
        let events = std::fs::read_to_string(log).with_context(|| log.display().to_string())?;
        let events: Vec<Value> = events.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        let here = events.iter().filter(|event| event["objectRef"]["namespace"] == space.name.as_str());
        let by_operator =
            |event: &&Value| event["user"]["username"].as_str().is_some_and(|user| user.contains("slipway"));
        let writes: Vec<_> =
            here.filter(by_operator).map(|event| format!("{} {}", event["verb"], event["requestURI"])).collect();
        anyhow::ensure!(!writes.is_empty(), "the audit log holds nothing of what the operator has certainly written");
        return Ok(writes);
    }
    let versions = |object: ObjectMeta| format!("{:?} {:?}", object.name, object.resource_version);
    let mut all = Vec::new();
    for kind in ["TrainingRun", "ModelDeployment"] {
        all.extend(space.api(kind).list(&ListParams::default()).await?.items.into_iter().map(|o| versions(o.metadata)));
    }
    let deployments: Api<Deployment> = Api::namespaced(space.client.clone(), &space.name);
    all.extend(deployments.list(&ListParams::default()).await?.items.into_iter().map(|o| versions(o.metadata)));
    Ok(all)
}
