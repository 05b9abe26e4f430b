//! Models judged against the one that serves, and data as large as people have.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::Result;
use kube::api::DynamicObject;
use serde_json::{Value, json};
use slipway_e2e::{condition, has_condition, text};

use crate::data::{self, run};

/// A gate that lets nothing pass that is worse than the model that serves.
fn no_worse() -> Value {
    json!([{"metric": "r2", "champion": {"worseByAtMost": 0}}])
}

#[tokio::test]
async fn a_run_worse_than_the_champion_on_the_same_rows_is_refused_and_a_better_one_followed() -> Result<()> {
    let space = data::serving("champion").await?;
    let champion = text(&space.served("orders").await?, "/status/stable/digest").to_owned();

    let worse = json!({"train": {"builtin": {"parameters": {"max_depth": 3}}}, "gates": no_worse()});
    space.apply(&run(&space, "worse", &worse).to_string())?;
    let worse = space.finished("worse").await?;
    let succeeded = condition(&worse, "Succeeded")?;
    assert_eq!((succeeded.status.as_str(), succeeded.reason.as_str()), ("False", "GateFailed"));
    assert_eq!(text(&worse, "/status/champion/digest"), champion);
    let prefix = format!("models/time-to-dispatch/{}/", worse.metadata.uid.as_deref().unwrap());
    let report: Value = serde_json::from_slice(&space.read(&format!("{prefix}report.json")).await?)?;
    let (own, of_champion) = (&report["metrics"]["r2"], &report["championMetrics"]["r2"]);
    assert!(own.as_f64().unwrap() < of_champion.as_f64().unwrap(), "{own} and {of_champion}");
    // The status links the page a person reads.
    assert!(text(&worse, "/status/report").ends_with(&format!("{prefix}report.html")), "{:#}", worse.data["status"]);
    let page = String::from_utf8(space.read(&format!("{prefix}report.html")).await?)?;
    assert!(page.to_lowercase().starts_with("<!doctype html>") && page.contains("time-to-dispatch"), "{page:.300}");
    assert_eq!(text(&space.served("orders").await?, "/status/stable/digest"), champion);

    space.apply(&run(&space, "better", &json!({"gates": no_worse()})).to_string())?;
    let better = space.finished("better").await?;
    assert_eq!(condition(&better, "Succeeded")?.status, "True", "{:#}", better.data);
    space
        .until("ModelDeployment", "orders", "the better run to be stable", |deployment| {
            text(deployment, "/status/stable/digest") == text(&better, "/status/artefact/digest")
                && has_condition(deployment, "TargetServed", "True")
        })
        .await?;
    Ok(())
}

#[tokio::test]
async fn three_hundred_megabytes_train_in_a_pod_of_one_gibibyte() -> Result<()> {
    let space = data::space("large").await?;
    space.put("data/large.csv", large_csv(300_000_000)).await?;
    let large = json!({
        "data": {"uri": format!("s3://{}/data/large.csv", space.name)},
        "target": "y",
        "train": {"builtin": {"parameters": {"max_depth": 5}, "split": {"column": null, "random": {}}}},
        "gates": [{"metric": "r2", "atLeast": 0.5}],
        "pod": {"resources": {"limits": {"memory": "1Gi"}}},
    });
    space.apply(&run(&space, "large", &large).to_string())?;
    let ended = |run: &DynamicObject| ["True", "False"].iter().any(|status| has_condition(run, "Succeeded", status));
    let patience = Duration::from_secs(400);
    let large = space.until_within(patience, "TrainingRun", "large", "the end of the run", ended).await?;
    assert_eq!(condition(&large, "Succeeded")?.status, "True", "{:#}\n{}", large.data, space.diagnosis().await);
    Ok(())
}

/// CSV of at least `bytes` bytes: 20 numbers of eight digits that look random, and a target that follows two of them.
fn large_csv(bytes: usize) -> String {
    let names: Vec<_> = (0..20).map(|column| format!("x{column}")).collect();
    let mut csv = String::with_capacity(bytes + 300);
    let mut state = 1_u64;
    csv += &names.join(",");
    csv += ",y\n";
    while csv.len() < bytes {
        let mut sum = 0;
        for column in 0..20 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let value = state >> 37;
            sum += if column < 2 { value } else { 0 };
            // Writing to a String cannot fail.
            let _ = write!(csv, "{}.{:04},", value / 10_000, value % 10_000);
        }
        let _ = writeln!(csv, "{sum}");
    }
    csv
}
