//! The road itself.

use anyhow::Result;
use serde_json::json;
use slipway_e2e::{Load, condition, has_condition, load, text};

use crate::data::{self, KNOWN_PREDICTION, deployment, known_row, run};

#[tokio::test]
async fn a_csv_in_object_storage_becomes_a_prediction_known_to_the_last_digit() -> Result<()> {
    let space = data::space("road").await?;
    space.apply(&run(&space, "first", &json!({})).to_string())?;
    space.apply(&deployment("orders", &json!({})).to_string())?;
    let run = space.finished("first").await?;
    assert_eq!(condition(&run, "Succeeded")?.status, "True", "{:#}", run.data);
    assert_eq!(condition(&run, "Ready")?.status, "True");
    assert!(text(&run, "/status/artefact/digest").starts_with("sha256:"));
    let deployment = space.served("orders").await?;
    assert_eq!(text(&deployment, "/status/stable/digest"), text(&run, "/status/artefact/digest"));

    let answer = space.predict("orders", &known_row()).await?;
    let prediction = answer["prediction"].as_f64().unwrap();
    assert!((prediction - KNOWN_PREDICTION).abs() < 1e-12, "{answer}");
    assert_eq!(answer["model"], "time-to-dispatch");
    let report = format!("{}/report", space.url("orders").await?);
    let (status, page) = load::get(&load::http(true), &report).await?;
    assert!(status.is_success() && page.contains("time-to-dispatch"), "the model card leads to the report: {status}");
    Ok(())
}

#[tokio::test]
async fn a_better_run_is_followed_without_a_failed_request() -> Result<()> {
    let space = data::serving("follow").await?;
    let load = Load::start(format!("{}/predict", space.url("orders").await?), known_row(), 200);
    space.apply(&run(&space, "second", &json!({})).to_string())?;
    let second = space.finished("second").await?;
    space
        .until("ModelDeployment", "orders", "the second run to be stable", |deployment| {
            text(deployment, "/status/stable/digest") == text(&second, "/status/artefact/digest")
                && has_condition(deployment, "TargetServed", "True")
        })
        .await?;
    assert!(load.finish().await? > 0);
    let prediction = space.predict("orders", &known_row()).await?["prediction"].as_f64().unwrap();
    assert!((prediction - KNOWN_PREDICTION).abs() < 1e-12);
    Ok(())
}

#[tokio::test]
async fn a_run_whose_gate_fails_is_reported_whole_and_not_served() -> Result<()> {
    let space = data::serving("gate").await?;
    let stable = text(&space.served("orders").await?, "/status/stable/digest").to_owned();
    let bad = json!({
        "train": {"builtin": {"parameters": {"max_depth": 1}}},
        "gates": [{"metric": "r2", "atLeast": 0.9}, {"metric": "mae", "atMost": 0.1}],
    });
    space.apply(&run(&space, "bad", &bad).to_string())?;
    let bad = space.finished("bad").await?;
    let succeeded = condition(&bad, "Succeeded")?;
    assert_eq!((succeeded.status.as_str(), succeeded.reason.as_str()), ("False", "GateFailed"));
    assert!(succeeded.message.contains("r2 is 0."), "{}", succeeded.message);

    // Nothing of it is published but the report, which tells every failure.
    let prefix = format!("models/time-to-dispatch/{}/", bad.metadata.uid.as_deref().unwrap());
    let keys = space.keys(&prefix).await?;
    assert!(!keys.iter().any(|key| key.ends_with("manifest.json")), "{keys:?}");
    let report: serde_json::Value = serde_json::from_slice(&space.read(&format!("{prefix}report.json")).await?)?;
    assert_eq!(report["verdict"], "Refused");
    assert!(report["gates"].as_array().unwrap().iter().all(|gate| gate["outcome"] == "Failed"), "{report:#}");

    let deployment = space.served("orders").await?;
    assert_eq!(text(&deployment, "/status/stable/digest"), stable);
    Ok(())
}

#[tokio::test]
async fn a_pinned_model_is_served_and_a_wrong_digest_is_refused() -> Result<()> {
    let space = data::serving("pinned").await?;
    let stable = space.served("orders").await?;
    let uri = text(&stable, "/status/stable/uri").to_owned();
    let digest = text(&stable, "/status/stable/digest").to_owned();
    let pinned =
        |digest: &str| json!({"model": {"follow": null, "pinned": {"uri": uri, "digest": digest}}, "replicas": 1});
    space.apply(&deployment("exact", &pinned(&digest)).to_string())?;
    space.served("exact").await?;
    assert!(space.predict("exact", &known_row()).await.is_ok());

    let wrong = format!("sha256:{}", "0".repeat(64));
    space.apply(&deployment("wrong", &pinned(&wrong)).to_string())?;
    let refused = space
        .until("ModelDeployment", "wrong", "Stalled", |deployment| has_condition(deployment, "Stalled", "True"))
        .await?;
    let ready = condition(&refused, "Ready")?;
    assert_eq!(ready.status, "False");
    assert!(ready.message.contains(&wrong) && ready.message.contains(&digest), "{}", ready.message);
    Ok(())
}

#[tokio::test]
async fn the_served_model_speaks_every_protocol_of_the_contract() -> Result<()> {
    let space = data::serving("protocols").await?;
    let (http, url) = (load::http(true), space.url("orders").await?);
    let (status, body) =
        load::post(&http, &format!("{url}/v1/models/time-to-dispatch:predict"), &json!({"instances": [known_row()]}))
            .await?;
    assert_eq!(status, 200, "{body}");
    assert!(body["predictions"][0].is_number(), "{body}");
    let infer = json!({"inputs": [
        {"name": "product_code", "shape": [1], "datatype": "BYTES", "data": ["SKU001"]},
        {"name": "orders_placed", "shape": [1], "datatype": "FP64", "data": [10]},
    ]});
    let (status, body) = load::post(&http, &format!("{url}/v2/models/time-to-dispatch/infer"), &infer).await?;
    assert_eq!(status, 200, "{body}");
    for path in ["/", "/openapi.json", "/v2", "/v2/health/ready", "/v2/models/time-to-dispatch"] {
        assert_eq!(load::get(&http, &format!("{url}{path}")).await?.0, 200, "{path}");
    }
    let (status, body) =
        load::post(&http, &format!("{url}/predict"), &json!({"product_code": "SKU9", "orders_placed": "ten"})).await?;
    assert_eq!(status, 422);
    assert_eq!(body["details"].as_array().unwrap().len(), 2, "{body}");
    Ok(())
}
