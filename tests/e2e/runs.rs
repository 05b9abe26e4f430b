//! What goes wrong in a run: each ends with a reason and words that say what to do.

use anyhow::{Context, Result};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, ResourceQuota};
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, ListParams};
use serde_json::{Value, json};
use slipway_e2e::{Space, condition, text};

use crate::data::{self, run};

/// Applies a run that must end badly, and checks reason and message.
async fn fails(space: &Space, name: &str, more: &Value, reason: &str, words: &[&str]) -> Result<DynamicObject> {
    space.apply(&run(space, name, more).to_string())?;
    let run = space.finished(name).await?;
    let succeeded = condition(&run, "Succeeded")?;
    assert_eq!((succeeded.status.as_str(), succeeded.reason.as_str()), ("False", reason), "{}", succeeded.message);
    for word in words {
        assert!(succeeded.message.contains(word), "{word} is not in: {}", succeeded.message);
    }
    Ok(run)
}

fn container(space: &Space, args: &[&str]) -> Value {
    json!({"train": {"builtin": null, "container": {"image": space.environment.images.fixture, "args": args}}})
}

#[tokio::test]
async fn bad_data_ends_a_run_at_once_with_what_to_mend() -> Result<()> {
    let space = data::space("baddata").await?;
    let uri = |key: &str| format!("s3://{}/{key}", space.name);
    fails(&space, "no-file", &json!({"data": {"uri": uri("data/none.csv")}}), "DataNotFound", &["data/none.csv"])
        .await?;
    fails(&space, "no-newest", &json!({"data": {"uri": uri("nothing/")}}), "DataNotFound", &["nothing/"]).await?;
    fails(
        &space,
        "no-bucket",
        &json!({"data": {"uri": "s3://no-such-bucket/x.csv"}}),
        "DataNotFound",
        &["no-such-bucket"],
    )
    .await?;
    fails(&space, "no-target", &json!({"target": "hours"}), "BadData", &["hours", "hours_to_dispatch"]).await?;
    let text = json!({"train": {"builtin": {"features": [{"name": "product_code", "type": "Number"}]}}});
    let run = fails(&space, "text", &text, "BadData", &["product_code", "SKU"]).await?;
    assert_eq!(text_of_attempts(&space, &run).await?, 1, "bad data is not tried again");
    Ok(())
}

/// Pods that were made for a run.
async fn text_of_attempts(space: &Space, run: &DynamicObject) -> Result<usize> {
    let name = run.metadata.name.as_deref().context("name")?;
    let pods =
        space.pods().list(&ListParams::default().labels(&format!("batch.kubernetes.io/job-name={name}"))).await?;
    Ok(pods.items.len())
}

#[tokio::test]
async fn wrong_credentials_are_named() -> Result<()> {
    let space = data::space("denied").await?;
    space.set_credentials("nobody", "nothing")?;
    fails(&space, "denied", &json!({"retries": 0}), "StorageUnavailable", &["slipway-storage"]).await?;
    Ok(())
}

#[tokio::test]
async fn a_gate_on_a_metric_that_an_image_does_not_report_fails() -> Result<()> {
    let space = data::space("metric").await?;
    let error = space
        .apply(&run(&space, "unknown", &json!({"gates": [{"metric": "speed", "atLeast": 1}]})).to_string())
        .unwrap_err()
        .to_string();
    assert!(error.contains("r2, mae"), "{error}");

    // The built-in trainer as somebody's own image: it may report what it likes, but not this.
    let own = json!({
        "train": {"builtin": null, "container": {"image": space.environment.images.trainer, "args": ["step"]}},
        "gates": [{"metric": "speed", "atLeast": 1}],
    });
    space.apply(&run(&space, "own", &own).to_string())?;
    let own = space.finished("own").await?;
    assert_eq!(condition(&own, "Succeeded")?.status, "False");
    Ok(())
}

#[tokio::test]
async fn an_image_of_the_users_that_fails_is_quoted() -> Result<()> {
    let space = data::space("image").await?;
    let failing = container(&space, &["fail", "1", "cannot find the beans"]);
    let run = fails(&space, "beans", &failing, "JobFailed", &["cannot find the beans"]).await?;
    assert_eq!(run.data["status"]["logTail"], json!(["cannot find the beans"]));
    Ok(())
}

#[tokio::test]
async fn a_run_waits_while_it_is_held() -> Result<()> {
    let space = data::space("held").await?;
    space.apply(&run(&space, "held", &json!({"suspend": true})).to_string())?;
    let says = |reason: &'static str| {
        move |run: &DynamicObject| condition(run, "Succeeded").is_ok_and(|condition| condition.reason == reason)
    };
    space.until("TrainingRun", "held", "its being held", says("Suspended")).await?;
    let jobs: Api<Job> = Api::namespaced(space.client.clone(), &space.name);
    assert!(jobs.get_opt("held").await?.is_none(), "a held run has no Job");
    space.apply(&run(&space, "held", &json!({"suspend": false})).to_string())?;
    let run = space.finished("held").await?;
    assert_eq!(condition(&run, "Succeeded")?.reason, "GatesPassed");
    Ok(())
}

#[tokio::test]
async fn training_killed_for_memory_says_so() -> Result<()> {
    let space = data::space("memory").await?;
    let mut eating = container(&space, &["eat-memory"]);
    eating["pod"] = json!({"resources": {"limits": {"memory": "64Mi"}, "requests": {"memory": "64Mi"}}});
    eating["retries"] = json!(0);
    let words = ["train: used all the memory of its limit of 64Mi", "pod.resources.limits.memory"];
    fails(&space, "hungry", &eating, "OOMKilled", &words).await?;
    Ok(())
}

#[tokio::test]
async fn a_missing_training_image_is_named() -> Result<()> {
    let space = data::space("noimage").await?;
    let missing = json!({"train": {"builtin": null, "container": {"image": "localhost/no/such:image"}}, "activeDeadlineSeconds": 90});
    space.apply(&run(&space, "missing", &missing).to_string())?;
    space
        .until("TrainingRun", "missing", "a condition that names the image", |run| {
            condition(run, "Succeeded").is_ok_and(|condition| condition.message.contains("localhost/no/such:image"))
        })
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_quota_that_leaves_no_room_is_named() -> Result<()> {
    let space = data::space("quota").await?;
    let quota: ResourceQuota = serde_json::from_value(json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "small"},
        "spec": {"hard": {"requests.memory": "1Mi"}},
    }))?;
    space.create(&quota).await?;
    space.apply(&run(&space, "squeezed", &json!({})).to_string())?;
    space
        .until("TrainingRun", "squeezed", "a condition that names the quota", |run| {
            condition(run, "Succeeded").is_ok_and(|condition| condition.message.contains("quota"))
        })
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_run_with_injected_sidecars_ends() -> Result<()> {
    let space = data::space("sidecars").await?;
    let fixture = &space.environment.images.fixture;
    let sidecar = |name: &str| {
        format!(
            "JSONPatch{{op: 'add', path: '/spec/containers/-', value: Object.spec.containers{{name: '{name}', image: '{fixture}', args: ['stay'], securityContext: \
             Object.spec.containers.securityContext{{allowPrivilegeEscalation: false, runAsNonRoot: true, capabilities: \
             Object.spec.containers.securityContext.capabilities{{drop: ['ALL']}}, seccompProfile: \
             Object.spec.containers.securityContext.seccompProfile{{type: 'RuntimeDefault'}}}}}}}}"
        )
    };
    let policy = |kind: &str, spec: Value| json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": space.name}, "spec": spec});
    let only_here = json!({"matchLabels": {"kubernetes.io/metadata.name": space.name}});
    let injection = format!("[{}, {}]", sidecar("proxy"), sidecar("agent"));
    space.apply(
        &policy(
            "MutatingAdmissionPolicy",
            json!({
                "failurePolicy": "Fail",
                "reinvocationPolicy": "Never",
                "matchConstraints": {
                    "namespaceSelector": only_here,
                    "resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
                },
                "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": injection}}],
            }),
        )
        .to_string(),
    )?;
    space.apply(
        &policy(
            "MutatingAdmissionPolicyBinding",
            json!({"policyName": space.name, "matchResources": {"namespaceSelector": only_here}}),
        )
        .to_string(),
    )?;
    let result = async {
        // A policy takes effect a moment after it was made.
        let probe: Pod = serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe"},
            "spec": {
                "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [{"name": "main", "image": fixture, "args": ["stay"], "securityContext": {
                    "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
                }}],
            },
        }))?;
        loop {
            let made = space.create(&probe).await?;
            space.pods().delete("probe", &DeleteParams::default().grace_period(0)).await?;
            if made.spec.context("spec")?.containers.len() == 3 {
                break;
            }
            space.gone(&space.pods(), "").await?;
        }
        space.apply(&run(&space, "meshed", &json!({})).to_string())?;
        let run = space.finished("meshed").await?;
        assert_eq!(condition(&run, "Succeeded")?.status, "True", "{:#}", run.data);
        anyhow::Ok(())
    }
    .await;
    space.kubectl(&["delete", "mutatingadmissionpolicybinding,mutatingadmissionpolicy", &space.name])?;
    result
}

#[tokio::test]
async fn a_deleted_run_leaves_nothing_behind() -> Result<()> {
    let space = data::space("deleted").await?;
    space.apply(&run(&space, "brief", &container(&space, &["stay"])).to_string())?;
    let jobs: Api<Job> = Api::namespaced(space.client.clone(), &space.name);
    kube::runtime::wait::await_condition(jobs.clone(), "brief", |job: Option<&Job>| {
        job.and_then(|job| job.status.as_ref()).is_some_and(|status| status.active == Some(1))
    })
    .await?;
    space.kubectl(&["delete", "trainingrun", "brief"])?;
    space.gone(&jobs, "").await?;
    space.gone(&space.pods(), "").await?;
    let maps: Api<ConfigMap> = Api::namespaced(space.client.clone(), &space.name);
    let maps = maps.list(&ListParams::default()).await?.items;
    assert!(maps.iter().all(|map| map.metadata.name.as_deref() == Some("kube-root-ca.crt")), "{maps:?}");
    Ok(())
}

#[tokio::test]
async fn a_finished_run_is_never_run_again() -> Result<()> {
    let space = data::serving("once").await?;
    let before = space.finished("first").await?;
    space.kubectl(&["delete", "job", "first", "--ignore-not-found", "--wait"])?;
    space.gone(&space.pods(), "batch.kubernetes.io/job-name=first").await?;
    // Something the operator certainly reacts to, after the deletion: its end is behind whatever the deletion led to.
    space.kubectl(&["annotate", "trainingrun", "first", "note=touched"])?;
    space.apply(&run(&space, "second", &json!({})).to_string())?;
    space.finished("second").await?;
    let jobs: Api<Job> = Api::namespaced(space.client.clone(), &space.name);
    assert!(jobs.get_opt("first").await?.is_none());
    let after = space.finished("first").await?;
    assert_eq!(text(&before, "/status/artefact/digest"), text(&after, "/status/artefact/digest"));
    assert_eq!(before.data["status"], after.data["status"]);
    Ok(())
}
