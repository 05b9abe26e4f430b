//! The story, chapter by chapter.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::caller::{Caller, RATE};
use super::objects::{KNOWN_PREDICTION, MODEL, ROW, Run, deployment};
use super::stage::{Stage, condition, row};
use super::timeline::{Timeline, note};
use crate::progress::elapsed;

const DATA: &str = "datasets/time-to-dispatch/orders-2021-07-08T14:28:02.csv";
const FEWER: &str = "datasets/fewer/orders-2021-07-09T14:28:02.csv";

/// Plays all chapters; the deployment is left running.
pub fn play(stage: &Stage, timeline: &mut Timeline) -> Result<()> {
    first_prediction(stage, timeline)?;
    timeline.chapter(&format!("A client calls {RATE} times a second from here on"));
    let caller = Caller::start(&format!("{}/predict", stage.url()?), &row()?);
    let result = upgrades_and_faults(stage, timeline, &caller);
    let (answered, failed) = caller.counts();
    timeline.chapter(&format!("All the while {answered} requests were answered and {failed} failed"));
    result?;
    ensure!(failed == 0, "{failed} requests failed");
    note(&format!("The story took {}.", elapsed(timeline.elapsed())));
    what_next(stage)
}

fn first_prediction(stage: &Stage, timeline: &mut Timeline) -> Result<()> {
    timeline.chapter("From a CSV to a prediction");
    stage.put(DATA, super::time_to_dispatch()?.as_bytes())?;
    timeline.tell(&format!("uploaded s3://{}/{DATA}", stage.bucket));
    let run = Run { name: "first", data: "datasets/time-to-dispatch/", depth: 6, r2_at_least: 0.9 };
    for line in run.yaml(&stage.bucket).lines().chain(["---"]).chain(deployment().lines()) {
        note(&format!("  | {line}"));
    }
    let applied = Instant::now();
    stage.apply(&run.yaml(&stage.bucket))?;
    stage.apply(&deployment())?;
    timeline.tell("applied both");
    milestones(stage, timeline)?;
    let answer = loop {
        match stage.predict() {
            Ok(answer) => break answer,
            Err(error) if applied.elapsed() > Duration::from_secs(120) => {
                return Err(error.context("no prediction after two minutes"));
            }
            Err(_) => thread::sleep(Duration::from_millis(50)),
        }
    };
    timeline.tell(&format!("{ROW} -> {}", answer["prediction"]));
    note(&format!("{} from kubectl apply to the first prediction", elapsed(applied.elapsed())));
    Ok(())
}

/// Tells when the steps of the run and the first server pod were seen to end.
fn milestones(stage: &Stage, timeline: &mut Timeline) -> Result<()> {
    let mut left: Vec<(&str, &str)> = vec![
        ("fetch", "fetch: the data is there, its digest is recorded"),
        ("train", "train: the tree is grown and tested"),
        ("publish", "publish: gates and checks passed, the artefact is stored"),
        ("fetch-model", "fetch-model: a server pod has the artefact, its digest is right"),
    ];
    let deadline = Instant::now() + Duration::from_secs(120);
    while !left.is_empty() {
        let pods: Value = serde_json::from_str(&stage.kubectl(&["get", "pods", "--output", "json"])?)?;
        let ended = ended_containers(&pods);
        left.retain(|(container, what)| {
            let now = ended.iter().any(|name| name == container);
            if now {
                timeline.tell(what);
            }
            !now
        });
        if let Some((status, _, message)) = condition(&stage.get("trainingrun", "first")?, "Succeeded")
            && status == "False"
        {
            bail!("the first run failed: {message}");
        }
        if Instant::now() > deadline {
            bail!("waited two minutes for {left:?}");
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn ended_containers(pods: &Value) -> Vec<String> {
    let items = pods["items"].as_array().into_iter().flatten();
    items
        .flat_map(|pod| ["initContainerStatuses", "containerStatuses"].map(|list| &pod["status"][list]))
        .flat_map(|list| list.as_array().into_iter().flatten())
        .filter(|container| container["state"]["terminated"]["exitCode"] == 0)
        .filter_map(|container| container["name"].as_str().map(str::to_owned))
        .collect()
}

fn upgrades_and_faults(stage: &Stage, timeline: &mut Timeline, caller: &Caller) -> Result<()> {
    better_run(stage, timeline)?;
    gate(stage, timeline)?;
    broken_server(stage, timeline)?;
    corrupted(stage, timeline)?;
    lost_category(stage, timeline)?;
    let (_, failed) = caller.counts();
    ensure!(failed == 0, "{failed} requests failed");
    Ok(())
}

fn train(stage: &Stage, run: &Run<'_>) -> Result<Value> {
    stage.apply(&run.yaml(&stage.bucket))?;
    stage.until("trainingrun", run.name, "the end of the run", |run| {
        condition(run, "Succeeded").filter(|(status, ..)| *status != "Unknown").map(|_| run.clone())
    })
}

fn better_run(stage: &Stage, timeline: &mut Timeline) -> Result<()> {
    timeline.chapter("A better run is followed by itself");
    let run = train(stage, &Run { name: "second", data: "datasets/time-to-dispatch/", depth: 8, r2_at_least: 0.9 })?;
    timeline.tell(&format!("second has passed: {}", metrics(&run)));
    served(stage, &run)?;
    let answer = stage.predict()?;
    let prediction = answer["prediction"].as_f64().context("no prediction")?;
    timeline.tell(&format!("second is served: {ROW} -> {prediction}"));
    ensure!((prediction - KNOWN_PREDICTION).abs() < 1e-12, "expected {KNOWN_PREDICTION}");
    note("scikit-learn gives 0.6527543057985115");
    Ok(())
}

fn gate(stage: &Stage, timeline: &mut Timeline) -> Result<()> {
    timeline.chapter("A run whose gate fails is not served");
    let run = train(stage, &Run { name: "shallow", data: "datasets/time-to-dispatch/", depth: 1, r2_at_least: 0.9 })?;
    let (status, reason, message) = condition(&run, "Succeeded").context("no condition")?;
    ensure!(status == "False", "a tree of depth 1 passed its gate");
    timeline.tell(&format!("shallow: {reason}: {message}"));
    Ok(())
}

fn corrupted(stage: &Stage, timeline: &mut Timeline) -> Result<()> {
    timeline.chapter("An artefact with one byte changed is taken back");
    stage.patch(&json!({"rollout": {"paused": true}}))?;
    let run = train(stage, &Run { name: "spoilt", data: "datasets/time-to-dispatch/", depth: 9, r2_at_least: 0.9 })?;
    let uri = run["status"]["artefact"]["uri"].as_str().context("the run has no artefact")?;
    if !stage.spoil(uri, "model.json")? {
        note("left out: the disk of this S3 server is out of reach");
        return stage.patch(&json!({"rollout": {"paused": false}}));
    }
    timeline.tell("a byte of its model is changed on the disk of the S3 server, then the rollout may go on");
    stage.patch(&json!({"rollout": {"paused": false}}))?;
    taken_back(stage, timeline)
}

fn lost_category(stage: &Stage, timeline: &mut Timeline) -> Result<()> {
    timeline.chapter("A retrain that lost a category is taken back");
    let all = super::time_to_dispatch()?;
    let fewer: Vec<_> = all.lines().filter(|line| !line.ends_with("SKU005")).collect();
    stage.put(FEWER, (fewer.join("\n") + "\n").as_bytes())?;
    train(stage, &Run { name: "narrow", data: FEWER, depth: 8, r2_at_least: 0.9 })?;
    timeline.tell("narrow has passed, trained without SKU005");
    taken_back(stage, timeline)
}

fn broken_server(stage: &Stage, timeline: &mut Timeline) -> Result<()> {
    timeline.chapter("A server image that cannot start is taken back");
    // An image that is no model server: it refuses the flags and ends.
    stage.patch(&json!({"server": {"image": stage.image("trainer")?}}))?;
    taken_back(stage, timeline)?;
    stage.patch(&json!({"server": {"image": null}}))?;
    stage.until("modeldeployment", MODEL, "the target to be served again", |deployment| {
        condition(deployment, "TargetServed").filter(|(status, ..)| *status == "True").map(drop)
    })
}

/// Waits until the present target was refused, and tells why.
fn taken_back(stage: &Stage, timeline: &mut Timeline) -> Result<()> {
    let message = stage.until("modeldeployment", MODEL, "a rollback", |deployment| {
        condition(deployment, "TargetServed")
            .filter(|(status, reason, _)| *status == "False" && *reason == "RolledBack")
            .map(|(_, _, message)| message.to_owned())
    })?;
    timeline.tell(&format!("taken back: {message}"));
    let answer = stage.predict()?;
    note(&format!("and the last good model still answers {}", answer["prediction"]));
    Ok(())
}

fn served(stage: &Stage, run: &Value) -> Result<()> {
    let digest = &run["status"]["artefact"]["digest"];
    stage.until("modeldeployment", MODEL, "the run to be served", |deployment| {
        let stable = deployment["status"]["stable"]["digest"] == *digest;
        let done = condition(deployment, "TargetServed").is_some_and(|(status, ..)| status == "True");
        (stable && done).then_some(())
    })
}

fn metrics(run: &Value) -> String {
    let metrics = run["status"]["metrics"].as_array().into_iter().flatten();
    let told: Vec<_> = metrics
        .filter_map(|metric| Some((metric["name"].as_str()?, metric["value"].as_f64()?)))
        .map(
            |(name, value)| {
                if value.abs() < 1e6 { format!("{name} {value:.4}") } else { format!("{name} {value:.1e}") }
            },
        )
        .collect();
    told.join(", ")
}

fn what_next(stage: &Stage) -> Result<()> {
    let (kubectl, url, end) = (stage.shown_kubectl(), stage.url()?, stage.shown_end());
    println!(
        "
It goes on running. Try:

  curl {url}/predict -d '{ROW}' -H 'content-type: application/json'
  {kubectl} get trun,mdep
  {kubectl} describe mdep {MODEL}

In a browser: {url}
Take it all down: {end}"
    );
    Ok(())
}
