//! One run of a scenario: a namespace, a proxy, an operator, and at its end what the oracles judge.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::api::{Api, Endpoint};
use crate::control_plane::ControlPlane;
use crate::fault::{Replay, Script};
use crate::journal::Journal;
use crate::kind::{MODEL_DEPLOYMENT, TRAINING_RUN};
use crate::kubelet::Kubelet;
use crate::normal::normal;
use crate::operator::Operator;
use crate::oracle::{Ended, Violation, judge};
use crate::play::digest;
use crate::proxy::Proxy;
use crate::recorder::Recorder;
use crate::scenario::Scenario;
use crate::stage::Stage;

/// Longest time to come to rest after a scenario has come to its end: errors are tried again after up to some seconds.
const SETTLING: Duration = Duration::from_secs(30);

/// Runs so far, in all places: their namespaces are on one control plane.
static RUNS: AtomicUsize = AtomicUsize::new(1);

/// Where runs take place.
#[derive(Debug)]
pub struct Place {
    endpoint: Endpoint,
    admin: Api,
    operator_token: String,
    recorder: Recorder,
    operator: PathBuf,
    folder: PathBuf,
    /// For runs in which something happens: at rest they cost nothing.
    seats: Semaphore,
}

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// Which run.
    pub replay: Replay,
    /// The writes, in order.
    pub journal: Journal,
    /// How many of them came before all was at rest.
    pub writes: usize,
    /// The end, as undisturbed runs are compared with.
    pub end: BTreeMap<String, Value>,
    /// What did not hold.
    pub violations: Vec<Violation>,
    /// Why it did not even come to its end.
    pub error: Option<anyhow::Error>,
}

impl Outcome {
    /// Whether everything holds.
    pub fn is_good(&self) -> bool {
        self.error.is_none() && self.violations.is_empty()
    }
}

impl Place {
    /// On this control plane, with the operator `program`; logs go to `folder`. Of the runs, `busy` at a time do something;
    /// any number may be at rest.
    pub async fn new(plane: &ControlPlane, program: PathBuf, folder: PathBuf, busy: usize) -> Result<Place> {
        let admin = plane.api();
        let recorder = Recorder::start(&admin).await?;
        Ok(Place {
            endpoint: plane.endpoint.clone(),
            admin,
            operator_token: plane.operator.clone(),
            recorder,
            operator: program,
            folder,
            seats: Semaphore::new(busy),
        })
    }

    /// Plays a scenario. `window`: how long nothing may be written at its end. `undisturbed`: the end to compare with.
    pub async fn run(
        &self,
        scenario: &Scenario,
        replay: Replay,
        window: Duration,
        undisturbed: Option<BTreeMap<String, Value>>,
    ) -> Outcome {
        let number = RUNS.fetch_add(1, Ordering::Relaxed);
        let namespace = format!("{}-{number}", replay.to_string().replace(':', "-"));
        let outcome = self.run_in(&namespace, scenario, &replay, window, undisturbed).await;
        self.recorder.forget(&namespace);
        outcome.unwrap_or_else(|error| Outcome {
            replay,
            journal: Journal::default(),
            writes: 0,
            end: BTreeMap::new(),
            violations: vec![],
            error: Some(error),
        })
    }

    async fn run_in(
        &self,
        namespace: &str,
        scenario: &Scenario,
        replay: &Replay,
        window: Duration,
        undisturbed: Option<BTreeMap<String, Value>>,
    ) -> Result<Outcome> {
        let seat = self.seats.acquire().await?;
        let company = self.gather(namespace, scenario, replay).await?;
        let never_served = scenario.never_served.iter().map(|model| digest(model)).collect();
        let mut ended = Ended { undisturbed, never_served, ..Ended::default() };
        let mut played = company.play(scenario, replay).await;
        drop(seat);
        if played.is_ok() {
            ended.restless = company.rest(window).await;
            played = company.stage.settled().await.and_then(|()| company.operator.check());
        }
        ended.history = company.stage.feed.read(Clone::clone);
        ended.end = normal(&ended.history);
        let journal = company.proxy.journal();
        let writes = journal.len() - ended.restless.len();
        if played.is_ok() {
            let _seat = self.seats.acquire().await?;
            clean_up(&company.stage, &mut ended).await;
        }
        let error = played.err().map(|error| error.context(company.operator.tail()));
        let violations = judge(&ended);
        Ok(Outcome { replay: replay.clone(), journal, writes, end: ended.end, violations, error })
    }

    async fn gather(&self, namespace: &str, scenario: &Scenario, replay: &Replay) -> Result<Company> {
        let feed = self.recorder.record(namespace);
        let object = json!({"metadata": {"name": namespace}});
        self.admin.call(hyper::Method::POST, "/api/v1/namespaces", Some(&object)).await?.ok()?;
        let kubelet = Kubelet::start(self.admin.clone(), namespace, feed.clone(), (scenario.cast)());
        let proxy = Proxy::start(Api::new(&self.endpoint, &self.operator_token), replay.script).await?;
        let operator = Operator::start(&self.operator, &self.folder, namespace, &proxy)?;
        let stage = Stage { api: self.admin.clone(), namespace: namespace.to_owned(), feed };
        Ok(Company { stage, proxy, operator, _kubelet: kubelet })
    }
}

/// All who take part in a run.
struct Company {
    stage: Stage,
    operator: Arc<Operator>,
    proxy: Proxy,
    _kubelet: Kubelet,
}

impl Company {
    /// To the end of the scenario, and of the storm.
    async fn play(&self, scenario: &Scenario, replay: &Replay) -> Result<()> {
        let storm = async {
            for after in replay.script.iter().flat_map(Script::storm) {
                tokio::time::sleep(after).await;
                self.proxy.kill().await;
            }
        };
        let (played, ()) = tokio::join!((scenario.play)(&self.stage), storm);
        // An operator that has ended by itself is why the rest failed.
        self.operator.check()?;
        played
    }

    /// Waits until nothing has been written for `window`; gives the last writes where that does not come.
    async fn rest(&self, window: Duration) -> Vec<String> {
        let mut writes = self.proxy.writes();
        let quiet = async {
            loop {
                writes.borrow_and_update();
                if tokio::time::timeout(window, writes.changed()).await.is_err() {
                    return;
                }
            }
        };
        if tokio::time::timeout(SETTLING + window, quiet).await.is_ok() {
            return vec![];
        }
        let journal = self.proxy.journal().to_string();
        let last: Vec<String> = journal.lines().rev().take(5).map(str::to_owned).collect();
        last.into_iter().rev().collect()
    }
}

/// Deletes what users wrote, and notes what does not go with it.
async fn clean_up(stage: &Stage, ended: &mut Ended) {
    for kind in [MODEL_DEPLOYMENT, TRAINING_RUN] {
        for name in stage.names(&kind) {
            if let Err(error) = stage.delete(&kind, &name).await.context("clean up") {
                ended.left.push(format!("{error:#}"));
            }
        }
    }
    if stage.empty().await.is_err() {
        ended.left.extend(stage.feed.read(crate::history::History::names));
    }
}
