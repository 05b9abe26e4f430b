//! How pods fare, scene by scene, as a kubelet would tell of it. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

/// What the server of a model does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// Gets ready and serves.
    Serves,
    /// Its artefact is refused with this exit code before it starts.
    Refused(i32),
    /// Ends as soon as it has started, again and again.
    Crashes,
    /// Runs and never gets ready.
    NeverReady,
}

/// What becomes of a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Training {
    /// Its model passes all gates and is published.
    Passes,
    /// Its model fails a gate.
    IsRefused,
    /// The step that trains never ends.
    GoesOn,
}

/// Who plays which part. Whoever is not named serves, or passes.
#[derive(Clone, Debug, Default)]
pub struct Cast {
    /// By the digest of the model.
    pub servers: BTreeMap<String, Server>,
    /// By the name of the run.
    pub trainings: BTreeMap<&'static str, Training>,
}

/// The digest of a model that is known by a name here.
pub fn digest(model: &str) -> String {
    let hex = model.bytes().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    format!("sha256:{hex:0<64.64}")
}

/// Its address.
pub fn address(model: &str) -> String {
    format!("s3://rig/models/{model}/")
}

/// How a pod looks from a moment on.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    /// How long after the scene before.
    pub after: Duration,
    phase: &'static str,
    /// In the order in which they run; the last is the pod's own, the others are init containers.
    containers: Vec<Container>,
}

#[derive(Clone, Debug, PartialEq)]
struct Container {
    name: String,
    state: State,
    restarts: i32,
}

#[derive(Clone, Debug, PartialEq)]
enum State {
    Waiting(&'static str),
    Running { is_ready: bool },
    Ended { code: i32, said: String },
}

const STEP: Duration = Duration::from_millis(60);

/// How a pod fares.
pub fn scenes(pod: &Value, cast: &Cast) -> Vec<Scene> {
    let names = containers(pod);
    if let Some(digest) = pod.pointer("/metadata/annotations/slipway.dev~1artefact-digest").and_then(Value::as_str) {
        return server(&names, cast.servers.get(digest).copied().unwrap_or(Server::Serves));
    }
    let run = pod["metadata"]["labels"]["slipway.dev/training-run"].as_str().unwrap_or_default();
    training(&names, run, cast.trainings.get(run).copied().unwrap_or(Training::Passes))
}

fn containers(pod: &Value) -> Vec<String> {
    let of = |list: &str| pod["spec"][list].as_array().cloned().unwrap_or_default();
    let all = of("initContainers").into_iter().chain(of("containers"));
    all.map(|container| container["name"].as_str().unwrap_or_default().to_owned()).collect()
}

/// A scene in which the container at `turn` is in `state`: those before it have ended well, those after it wait.
fn scene(names: &[String], turn: usize, state: &State, restarts: i32) -> Scene {
    let place = |(index, name): (usize, &String)| {
        let state = match index.cmp(&turn) {
            std::cmp::Ordering::Less => State::Ended { code: 0, said: String::new() },
            std::cmp::Ordering::Equal => state.clone(),
            std::cmp::Ordering::Greater => State::Waiting("PodInitializing"),
        };
        Container { name: name.clone(), state, restarts: if index == turn { restarts } else { 0 } }
    };
    let phase = if turn + 1 == names.len() { "Running" } else { "Pending" };
    Scene { after: STEP, phase, containers: names.iter().enumerate().map(place).collect() }
}

fn server(names: &[String], server: Server) -> Vec<Scene> {
    let last = names.len().saturating_sub(1);
    let ended = |code, said: &str| State::Ended { code, said: said.to_owned() };
    let running = State::Running { is_ready: false };
    let fetching = scene(names, 0, &running, 0);
    let started = scene(names, last, &running, 0);
    match server {
        Server::Serves => vec![fetching, started, scene(names, last, &State::Running { is_ready: true }, 0)],
        Server::Refused(code) => vec![fetching, scene(names, 0, &ended(code, "manifest.json: not a model"), 0)],
        Server::Crashes => {
            let crashed = ended(101, "thread 'main' panicked");
            let crash = |restarts| scene(names, last, &crashed, restarts);
            vec![fetching, started, crash(0), scene(names, last, &running, 1), crash(1)]
        }
        Server::NeverReady => vec![fetching, started],
    }
}

fn training(names: &[String], run: &str, training: Training) -> Vec<Scene> {
    let running = State::Running { is_ready: true };
    let last = names.len().saturating_sub(1);
    let steps = (0..names.len()).map(|turn| scene(names, turn, &running, 0));
    let (code, phase, said) = match training {
        Training::GoesOn => return steps.take(names.len().min(2)).collect(),
        Training::Passes => (0, "Succeeded", summary(run, "Passed")),
        Training::IsRefused => (67, "Failed", summary(run, "Refused")),
    };
    let mut end = scene(names, last, &State::Ended { code, said }, 0);
    end.phase = phase;
    steps.chain([end]).collect()
}

/// What `publish` says at its end.
fn summary(run: &str, verdict: &str) -> String {
    let is_passed = verdict == "Passed";
    let mut summary = json!({
        "verdict": verdict,
        "task": "Regression",
        "uri": address(run),
        "sizeBytes": 1_000,
        "report": format!("{}report.html", address(run)),
        "dataUri": "s3://rig/data/orders.csv",
        "dataDigest": digest("data"),
        "metrics": {"r2": if is_passed { 0.97 } else { 0.4 }},
        "failed": usize::from(!is_passed),
    });
    if is_passed {
        summary["digest"] = json!(digest(run));
    } else {
        summary["message"] = json!("r2 is 0.4, below 0.9");
    }
    summary.to_string()
}

impl Scene {
    /// The pod's status at `now`, RFC 3339.
    pub fn status(&self, now: &str) -> Value {
        let statuses: Vec<Value> = self.containers.iter().map(|container| container.status(now)).collect();
        let (init, own) = statuses.split_at(statuses.len().saturating_sub(1));
        let is_ready = self.phase == "Running" && own.iter().all(|status| status["ready"] == true);
        let is_initialized = init.iter().all(|status| status["state"]["terminated"]["exitCode"] == 0);
        let condition = |type_: &str, holds: bool| json!({"type": type_, "status": if holds { "True" } else { "False" }, "lastTransitionTime": now});
        json!({
            "phase": self.phase,
            "startTime": now,
            "conditions": [
                condition("PodScheduled", true),
                condition("Initialized", is_initialized),
                condition("ContainersReady", is_ready),
                condition("Ready", is_ready),
            ],
            "initContainerStatuses": init,
            "containerStatuses": own,
        })
    }
}

impl Container {
    fn status(&self, now: &str) -> Value {
        let (state, is_ready) = match &self.state {
            State::Waiting(reason) => (json!({"waiting": {"reason": reason}}), false),
            State::Running { is_ready } => (json!({"running": {"startedAt": now}}), *is_ready),
            State::Ended { code, said } => {
                let reason = if *code == 0 { "Completed" } else { "Error" };
                let end =
                    json!({"exitCode": code, "reason": reason, "message": said, "startedAt": now, "finishedAt": now});
                (json!({"terminated": end}), *code == 0)
            }
        };
        json!({
            "name": self.name,
            "image": "rig/image:1",
            "imageID": "rig",
            "ready": is_ready,
            "restartCount": self.restarts,
            "state": state,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(annotations: &Value, labels: &Value, init: &[&str], own: &str) -> Value {
        let named = |names: &[&str]| names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>();
        json!({
            "metadata": {"annotations": annotations, "labels": labels},
            "spec": {"initContainers": named(init), "containers": named(&[own])},
        })
    }

    fn fares(pod: &Value, cast: &Cast) -> Vec<Value> {
        scenes(pod, cast).iter().map(|scene| scene.status("2026-01-01T00:00:00Z")).collect()
    }

    fn ready(status: &Value) -> bool {
        status["conditions"][3]["status"] == "True"
    }

    #[test]
    fn a_digest_is_one() {
        assert_eq!(digest("a").len(), 71);
        assert_ne!(digest("a"), digest("b"));
        assert_eq!(digest(&"long".repeat(20)).len(), 71);
    }

    #[test]
    fn a_good_server_fetches_starts_and_gets_ready() {
        let pod = pod(&json!({"slipway.dev/artefact-digest": digest("a")}), &json!({}), &["fetch-model"], "server");
        let fares = fares(&pod, &Cast::default());
        assert_eq!(fares.iter().map(ready).collect::<Vec<_>>(), [false, false, true]);
        assert_eq!(fares[0]["containerStatuses"][0]["state"]["waiting"]["reason"], "PodInitializing");
        assert_eq!(fares[1]["initContainerStatuses"][0]["ready"], true);
    }

    #[test]
    fn a_refused_artefact_ends_the_fetching() {
        let pod = pod(&json!({"slipway.dev/artefact-digest": digest("b")}), &json!({}), &["fetch-model"], "server");
        let cast = Cast { servers: [(digest("b"), Server::Refused(65))].into(), ..Cast::default() };
        let end = fares(&pod, &cast).pop().unwrap();
        assert_eq!(end["initContainerStatuses"][0]["state"]["terminated"]["exitCode"], 65);
        assert_eq!(end["phase"], "Pending");
        assert!(!ready(&end));
    }

    #[test]
    fn a_crash_loop_counts_its_restarts() {
        let pod = pod(&json!({"slipway.dev/artefact-digest": digest("b")}), &json!({}), &["fetch-model"], "server");
        let cast = Cast { servers: [(digest("b"), Server::Crashes)].into(), ..Cast::default() };
        let end = fares(&pod, &cast).pop().unwrap();
        assert_eq!(end["containerStatuses"][0]["restartCount"], 1);
        assert_eq!(end["containerStatuses"][0]["state"]["terminated"]["exitCode"], 101);
    }

    #[test]
    fn a_run_ends_with_its_summary() {
        let labels = json!({"slipway.dev/training-run": "first"});
        let pod = pod(&json!({}), &labels, &["fetch", "train"], "publish");
        let passed = fares(&pod, &Cast::default());
        assert_eq!(passed.len(), 4);
        let end = &passed[3]["containerStatuses"][0]["state"]["terminated"];
        assert_eq!((end["exitCode"].as_i64(), passed[3]["phase"].as_str()), (Some(0), Some("Succeeded")));
        let said: Value = serde_json::from_str(end["message"].as_str().unwrap()).unwrap();
        assert_eq!(said["digest"], digest("first"));

        let cast = Cast { trainings: [("first", Training::IsRefused)].into(), ..Cast::default() };
        let refused = fares(&pod, &cast).pop().unwrap();
        let end = &refused["containerStatuses"][0]["state"]["terminated"];
        assert_eq!(end["exitCode"], 67);
        assert!(!end["message"].as_str().unwrap().contains("digest\":\"sha256:66"));

        let cast = Cast { trainings: [("first", Training::GoesOn)].into(), ..Cast::default() };
        let training = fares(&pod, &cast).pop().unwrap();
        assert!(training["initContainerStatuses"][1]["state"]["running"].is_object());
    }
}
