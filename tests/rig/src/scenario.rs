//! What users do while the operator is being killed.

use std::time::Duration;

use anyhow::Result;
use futures::FutureExt;
use futures::future::{BoxFuture, Either, select};
use serde_json::{Value, json};

use crate::kind::{BUDGET, DEPLOYMENT, MODEL_DEPLOYMENT, SERVICE, TRAINING_RUN};
use crate::normal::RIVAL;
use crate::play::{Cast, Server, Training, digest};
use crate::stage::Stage;

/// A story with one end, whatever happens to the operator meanwhile.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// Who plays which part.
    pub cast: fn() -> Cast,
    /// What users do; ends when all is at rest again.
    pub play: for<'a> fn(&'a Stage) -> BoxFuture<'a, Result<()>>,
    /// Models that must never get traffic.
    pub never_served: &'static [&'static str],
    /// Whether it is part of every test, and not only of the long one.
    pub is_short: bool,
}

impl std::fmt::Debug for Scenario {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// All of them.
pub const ALL: [Scenario; 10] = [
    Scenario { name: "promote", cast: Cast::default, play: promote, never_served: &[], is_short: true },
    Scenario { name: "roll-back", cast: bad_artefact, play: roll_back, never_served: &["b"], is_short: true },
    Scenario { name: "train", cast: Cast::default, play: train, never_served: &[], is_short: true },
    Scenario { name: "refuse", cast: second_refused, play: refuse, never_served: &["second"], is_short: false },
    Scenario { name: "follow", cast: Cast::default, play: follow, never_served: &[], is_short: false },
    Scenario { name: "crash-loop", cast: crash_loop, play: roll_back, never_served: &["b"], is_short: false },
    Scenario { name: "supersede", cast: Cast::default, play: supersede, never_served: &[], is_short: false },
    Scenario { name: "delete", cast: goes_on, play: delete, never_served: &[], is_short: false },
    Scenario { name: "pause", cast: Cast::default, play: pause, never_served: &[], is_short: false },
    Scenario { name: "mend", cast: Cast::default, play: mend, never_served: &[], is_short: false },
];

/// As `promote`, while somebody else writes to the same objects all the time.
pub const RIVALS: Scenario =
    Scenario { name: "promote", cast: Cast::default, play: rivals, never_served: &[], is_short: false };

/// How often they write.
const RIVALRY: Duration = Duration::from_millis(50);

/// The scenario of that name.
pub fn find(name: &str) -> Option<Scenario> {
    ALL.into_iter().find(|scenario| scenario.name == name)
}

fn cast(servers: &[(&str, Server)], trainings: &[(&'static str, Training)]) -> Cast {
    Cast {
        servers: servers.iter().map(|(model, server)| (digest(model), *server)).collect(),
        trainings: trainings.iter().copied().collect(),
    }
}

fn bad_artefact() -> Cast {
    cast(&[("b", Server::Refused(65))], &[])
}

fn crash_loop() -> Cast {
    cast(&[("b", Server::Crashes)], &[])
}

fn second_refused() -> Cast {
    cast(&[], &[("second", Training::IsRefused)])
}

fn goes_on() -> Cast {
    cast(&[("b", Server::NeverReady)], &[("endless", Training::GoesOn)])
}

/// A first model, and a second one in its place.
fn promote(stage: &Stage) -> BoxFuture<'_, Result<()>> {
    async {
        stage.deploy_pinned("a").await?;
        stage.served("a").await?;
        stage.pin("b").await?;
        stage.served("b").await
    }
    .boxed()
}

/// A second model that is no good.
fn roll_back(stage: &Stage) -> BoxFuture<'_, Result<()>> {
    async {
        stage.deploy_pinned("a").await?;
        stage.served("a").await?;
        stage.pin("b").await?;
        stage.rolled_back_to("a").await
    }
    .boxed()
}

/// A run that passes its gates.
fn train(stage: &Stage) -> BoxFuture<'_, Result<()>> {
    async {
        stage.train("first").await?;
        stage.finished("first", "True").await
    }
    .boxed()
}

/// A run that passes and is followed, and one that fails a gate and changes nothing.
fn refuse(stage: &Stage) -> BoxFuture<'_, Result<()>> {
    async {
        stage.deploy_following().await?;
        stage.train("first").await?;
        stage.served("first").await?;
        stage.finished("first", "True").await?;
        stage.train("second").await?;
        stage.finished("second", "False").await?;
        stage.served("first").await
    }
    .boxed()
}

/// Two runs, each of which becomes what is served.
fn follow(stage: &Stage) -> BoxFuture<'_, Result<()>> {
    async {
        stage.deploy_following().await?;
        for run in ["first", "second"] {
            stage.train(run).await?;
            stage.served(run).await?;
            stage.finished(run, "True").await?;
        }
        Ok(())
    }
    .boxed()
}

/// Four models, each before the one before it is done.
fn supersede(stage: &Stage) -> BoxFuture<'_, Result<()>> {
    async {
        stage.deploy_pinned("a").await?;
        stage.served("a").await?;
        for model in ["b", "c", "d"] {
            stage.pin(model).await?;
            stage.tried(model).await?;
        }
        stage.pin("e").await?;
        stage.served("e").await
    }
    .boxed()
}

/// A deployment deleted in the middle of a rollout, and a run in the middle of its training.
fn delete(stage: &Stage) -> BoxFuture<'_, Result<()>> {
    async {
        stage.deploy_pinned("a").await?;
        stage.served("a").await?;
        stage.pin("b").await?;
        stage.tried("b").await?;
        stage.train("endless").await?;
        let is_training = |run: &Value| run["status"]["conditions"][0]["reason"] == "Training";
        stage.until(&TRAINING_RUN, "endless", "training", is_training).await?;
        stage.delete(&MODEL_DEPLOYMENT, "orders").await?;
        stage.delete(&TRAINING_RUN, "endless").await?;
        stage.empty().await
    }
    .boxed()
}

/// A rollout that is held before it gets traffic, and goes on.
fn pause(stage: &Stage) -> BoxFuture<'_, Result<()>> {
    async {
        stage.deploy_pinned("a").await?;
        stage.served("a").await?;
        // Long enough to be held in.
        stage.change(&json!({"spec": {"rollout": {"minReadySeconds": 8}}})).await?;
        stage.pin("b").await?;
        stage.tried("b").await?;
        stage.change(&json!({"spec": {"rollout": {"paused": true}}})).await?;
        let is_held = |orders: &Value| orders["status"]["rollout"]["state"] == "Held";
        stage.until(&MODEL_DEPLOYMENT, "orders", "the hold", is_held).await?;
        stage.change(&json!({"spec": {"rollout": {"paused": false, "minReadySeconds": 1}}})).await?;
        stage.served("b").await
    }
    .boxed()
}

/// What somebody breaks by hand is as it was a moment later.
fn mend(stage: &Stage) -> BoxFuture<'_, Result<()>> {
    async {
        stage.deploy_pinned("a").await?;
        stage.served("a").await?;
        let revision = stage.names(&DEPLOYMENT).pop().unwrap_or_default();
        let scaled = |deployment: &Value| deployment["spec"]["replicas"] == 2;
        stage.mended(&DEPLOYMENT, &revision, &json!({"spec": {"replicas": 1}}), scaled).await?;
        let part = "/metadata/labels/app.kubernetes.io~1part-of";
        let label = json!({"metadata": {"labels": {"app.kubernetes.io/part-of": "something-else"}}});
        let labelled = |service: &Value| service.pointer(part) == Some(&json!("slipway"));
        stage.mended(&SERVICE, "orders", &label, labelled).await?;
        stage.made_again(&BUDGET, "orders").await?;
        stage.made_again(&SERVICE, "orders").await?;
        stage.served("a").await
    }
    .boxed()
}

fn rivals(stage: &Stage) -> BoxFuture<'_, Result<()>> {
    let rivalry = async {
        for count in 0_u64.. {
            let change = json!({"metadata": {"annotations": {RIVAL: count.to_string()}}});
            for kind in [MODEL_DEPLOYMENT, DEPLOYMENT, SERVICE, BUDGET] {
                for name in stage.names(&kind) {
                    // What has gone meanwhile cannot be changed.
                    let _ = stage.api.patch(&kind, &stage.namespace, &name, &change).await;
                }
            }
            tokio::time::sleep(RIVALRY).await;
        }
    };
    async {
        match select(promote(stage), rivalry.boxed()).await {
            Either::Left((played, _)) => played,
            Either::Right(((), played)) => played.await,
        }
    }
    .boxed()
}
