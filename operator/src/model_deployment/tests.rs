use std::collections::BTreeMap;
use std::sync::Arc;

use clap::Parser;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};
use slipway_crds::model_deployment::{Blocked, BlockedReason, ModelDeployment, Phase, Revision, Stable};
use slipway_crds::training_run::TrainingRun;

use super::act::{self, Step};
use super::build::{self, Built};
use super::observe::Observed;
use super::status;
use super::target::{Finding, Resolved, resolve};
use super::validate::{Source, ValidDeployment, validate};
use crate::config::Config;
use crate::rollout::{Health, Inputs, State, Trouble, Workload, layout, step};

const FOLLOW: &str = include_str!("tests/fixtures/follow.yaml");
const PINNED: &str = include_str!("tests/fixtures/pinned.yaml");

fn object(yaml: &str) -> ModelDeployment {
    serde_saphyr::from_str(yaml).unwrap()
}

fn valid(yaml: &str) -> ValidDeployment {
    validate(&object(yaml), &["models".to_owned()]).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn config() -> Config {
    Config::try_parse_from([
        "operator",
        "--trainer-image=trainer:1",
        "--store-image=store:1",
        "--server-image=server:1",
    ])
    .unwrap()
}

/// A run of `time-to-dispatch`, created at that second.
fn run(name: &str, second: i64, more: &Value) -> Arc<TrainingRun> {
    let mut run = json!({
        "apiVersion": "slipway.dev/v1alpha1",
        "kind": "TrainingRun",
        "metadata": {
            "name": name, "namespace": "shop", "uid": format!("uid-{name}"), "creationTimestamp": at(second).to_string(),
        },
        "spec": {
            "modelName": "time-to-dispatch",
            "data": {"uri": "s3://slipway/orders.csv"},
            "target": "hours",
            "train": {"builtin": {"estimator": "DecisionTree"}},
            "gates": [{"metric": "r2", "atLeast": 0.5}],
            "output": {"uri": "s3://slipway/models/"},
        },
        "status": {
            "artefact": {"uri": format!("s3://slipway/models/time-to-dispatch/uid-{name}/"), "digest": format!("sha256:{name}")},
            "metrics": [{"name": "r2", "value": 0.9}],
            "conditions": [{
                "type": "Succeeded", "status": "True", "reason": "GatesPassed", "message": "",
                "lastTransitionTime": "2024-01-01T00:00:00Z",
            }],
        },
    });
    merge(&mut run, more);
    Arc::new(serde_json::from_value(run).unwrap())
}

fn merge(object: &mut Value, more: &Value) {
    match (object, more) {
        (Value::Object(object), Value::Object(more)) => {
            more.iter().for_each(|(key, value)| merge(object.entry(key).or_insert(Value::Null), value));
        }
        (object, more) => *object = more.clone(),
    }
}

fn with_r2(value: f64) -> Value {
    json!({"status": {"metrics": [{"name": "r2", "value": value}]}})
}

fn target(yaml: &str, runs: &[Arc<TrainingRun>], state: &State) -> Resolved {
    resolve(&valid(yaml), runs, state)
}

fn stable(revision: Revision) -> State {
    State { stable: Some(Stable { revision, since: at(0) }), ..State::default() }
}

fn chosen(resolved: &Resolved) -> &str {
    resolved.target.as_ref().and_then(|target| target.training_run.as_deref()).unwrap_or("nothing")
}

#[test]
fn the_newest_passing_run_is_followed() {
    let failed = json!({"status": {"conditions": [{
        "type": "Succeeded", "status": "False", "reason": "GateFailed", "message": "",
        "lastTransitionTime": "2024-01-01T00:00:00Z",
    }]}});
    let without_gates = json!({"spec": {"gates": []}});
    let of_another_model = json!({"spec": {"modelName": "other"}});
    let runs = [
        run("a", 10, &json!({})),
        run("b", 20, &json!({})),
        run("failed", 30, &failed),
        run("free", 40, &without_gates),
        run("other", 50, &of_another_model),
    ];
    assert_eq!(chosen(&target(FOLLOW, &runs, &State::default())), "b");
    let requiring = FOLLOW.replace("dispatch}}", "dispatch, require: [{metric: r2, atLeast: 0.8}]}}");
    assert_eq!(chosen(&target(&requiring, &runs, &State::default())), "free", "it asks for something itself");
    let asking_more = FOLLOW.replace("dispatch}}", "dispatch, require: [{metric: r2, atLeast: 0.95}]}}");
    let nothing = target(&asking_more, &runs[..2], &State::default());
    let expected = "no TrainingRun with modelName time-to-dispatch can be served yet: \
                    b does not meet require: r2 is 0.9, below 0.95";
    assert_eq!(nothing.finding, Finding::Nothing(expected.to_owned()));
}

#[test]
fn following_goes_forward_only() {
    let (a, b) = (run("a", 10, &json!({})), run("b", 20, &json!({})));
    let serving_b = stable(target(FOLLOW, &[a.clone(), b.clone()], &State::default()).target.unwrap());
    let deleted = target(FOLLOW, std::slice::from_ref(&a), &serving_b);
    assert_eq!((chosen(&deleted), &deleted.finding), ("b", &Finding::Kept));
    let none = target(FOLLOW, &[], &serving_b);
    assert_eq!(
        none.target.as_ref().map(|target| &target.revision),
        serving_b.stable.as_ref().map(|s| &s.revision.revision)
    );
    let newer = run("c", 30, &json!({}));
    assert_eq!(chosen(&target(FOLLOW, &[a, b, newer], &serving_b)), "c");
}

#[test]
fn the_best_run_is_followed_by_the_direction_of_its_metric() {
    let best = FOLLOW.replace("dispatch}}", "dispatch, policy: BestPassing, metric: r2}}");
    let runs = [run("good", 10, &with_r2(0.97)), run("worse", 20, &with_r2(0.91))];
    let resolved = target(&best, &runs, &State::default());
    assert_eq!(chosen(&resolved), "good");
    let serving = stable(resolved.target.unwrap());
    assert_eq!(chosen(&target(&best, &runs[1..], &serving)), "good", "a deleted run is still the best");
    let lowest = best.replace("metric: r2", "metric: mae");
    let mae = |value| json!({"status": {"metrics": [{"name": "mae", "value": value}]}});
    let runs = [run("a", 10, &mae(1.5)), run("b", 20, &mae(1.1)), run("c", 30, &mae(1.3))];
    assert_eq!(chosen(&target(&lowest, &runs, &State::default())), "b");
}

#[test]
fn a_revision_is_what_its_user_chose() {
    let valid_pinned = valid(PINNED);
    let Source::Pinned(artefact) = valid_pinned.source.clone() else { panic!("pinned") };
    let name = |yaml: &str| valid(yaml).revision_name(&artefact);
    assert_eq!(name(PINNED), name(&PINNED.replace("replicas: 1", "replicas: 7")));
    assert_eq!(name(PINNED), name(&PINNED.replace("inputs: Compatible", "inputs: Any")));
    assert_ne!(name(PINNED), name(&PINNED.replace("server:2", "server:3")));
    assert_ne!(name(PINNED), name(&PINNED.replace("secretName: other", "secretName: third")));
    let hash = |yaml: &str| valid(yaml).template_hash();
    assert_ne!(hash(PINNED), hash(&PINNED.replace("inputs: Compatible", "inputs: Any")), "inputs are tried again");
    let long = "a".repeat(52);
    assert!(valid(&PINNED.replace("name: orders", &format!("name: {long}"))).revision_name(&artefact).len() <= 63);
}

#[test]
fn a_service_account_that_is_not_allowed_is_named() {
    let refused = validate(&object(PINNED), &[]).unwrap();
    let Source::Invalid(message) = refused.source else { panic!("{:?}", refused.source) };
    assert!(message.contains("models is not among the service accounts"), "{message}");
}

fn built_yaml(yaml: &str, state: &State, attempt: Option<i64>) -> Deployment {
    let valid = valid(yaml);
    let runs = [run("second", 20, &json!({}))];
    let revision = resolve(&valid, &runs, &State::default()).target.unwrap();
    let workload = Workload { revision, replicas: valid.replicas, attempt: attempt.map(at) };
    build::deployment(&Built { valid: &valid, workload: &workload, stable: state.stable.as_ref(), config: &config() })
}

#[test]
fn objects() {
    let first = target(FOLLOW, &[run("first", 10, &json!({}))], &State::default()).target.unwrap();
    insta::assert_yaml_snapshot!("followed_candidate", built_yaml(FOLLOW, &stable(first.clone()), Some(100)));
    insta::assert_yaml_snapshot!("pinned_with_everything", built_yaml(PINNED, &stable(first), Some(100)));
    insta::assert_yaml_snapshot!("route", build::service(&valid(FOLLOW), Some("orders-0123456789")));
    insta::assert_yaml_snapshot!("budget", build::budget(&valid(FOLLOW), Some("orders-0123456789")));
    assert!(build::budget(&valid(PINNED), Some("orders-0123456789")).is_none(), "one pod has to be movable");
}

fn pod(status: &Value) -> Arc<Pod> {
    Arc::new(
        serde_json::from_value(json!({
            "metadata": {
                "name": "p", "namespace": "shop", "creationTimestamp": at(100).to_string(),
                "labels": {"slipway.dev/revision": "orders-1", "app.kubernetes.io/instance": "orders"},
            },
            "status": status,
        }))
        .unwrap(),
    )
}

fn health(pods: Vec<Arc<Pod>>, conditions: &Value) -> Health {
    let deployment: Deployment = serde_json::from_value(json!({
        "metadata": {
            "name": "orders-1", "creationTimestamp": at(100).to_string(), "annotations": {"slipway.dev/users-image": "true"},
        },
        "status": {"conditions": conditions},
    }))
    .unwrap();
    let observed = Observed { deployments: vec![Arc::new(deployment)], pods, ..Observed::default() };
    observed.health(&State::default()).remove("orders-1").unwrap()
}

fn container(name: &str, more: &Value) -> Value {
    let mut status = json!({"name": name, "ready": false, "restartCount": 0, "image": "i", "imageID": "", "state": {}});
    merge(&mut status, more);
    status
}

fn server(more: &Value) -> Arc<Pod> {
    pod(&json!({"containerStatuses": [container("server", more)]}))
}

#[test]
fn a_pods_own_words_are_its_last_line() {
    let fetch = container(
        "fetch-model",
        &json!({"state": {"terminated": {"exitCode": 65, "message": "first line\nmodel.json: wrong digest\n\n"}}}),
    );
    let health = health(vec![pod(&json!({"initContainerStatuses": [fetch]}))], &json!([]));
    let words = "fetch-model: model.json: wrong digest".to_owned();
    assert_eq!(health.troubles, [Trouble::Exit { code: 65, words }]);
}

#[test]
fn a_second_failed_start_is_seen_before_the_third_begins() {
    let ended = json!({"exitCode": 137, "reason": "OOMKilled"});
    let running_again = json!({"restartCount": 1, "state": {"running": {}}, "lastState": {"terminated": ended}});
    let waiting = json!({
        "restartCount": 1, "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": ended},
    });
    let times = |more: &Value| health(vec![server(more)], &json!([])).troubles;
    let words = || "server: exit code 137 (OOMKilled)".to_owned();
    assert_eq!(times(&running_again), [Trouble::FailedStart { times: 1, words: words() }]);
    assert_eq!(times(&waiting), [Trouble::FailedStart { times: 2, words: words() }]);
}

#[test]
fn an_image_error_reads_the_same_while_the_kubelet_waits() {
    let waiting = |reason: &str, message: &str| {
        let more = json!({"state": {"waiting": {"reason": reason, "message": message}}});
        health(vec![server(&more)], &json!([])).troubles
    };
    let first = waiting("ErrImagePull", "not found");
    assert_eq!(first, waiting("ImagePullBackOff", "Back-off pulling image \"x\": ErrImagePull: not found"));
    let words = "server: not found".to_owned();
    assert_eq!(first, [Trouble::Image { is_name_invalid: false, is_users: true, words }]);
}

#[test]
fn a_quota_is_told_without_the_name_of_a_pod_that_never_was() {
    let conditions = json!([{
        "type": "ReplicaFailure", "status": "True", "message": "pods \"orders-1-abc\" is forbidden: exceeded quota: small",
    }]);
    assert_eq!(health(vec![], &conditions).troubles, [Trouble::NoRoom { words: "exceeded quota: small".to_owned() }]);
}

#[test]
fn pods_on_their_way_out_evicted_or_of_before_do_not_count() {
    let ready = json!({"conditions": [{"type": "Ready", "status": "True"}]});
    let mut going = pod(&ready).as_ref().clone();
    going.metadata.deletion_timestamp = going.metadata.creation_timestamp.clone();
    let mut older = pod(&ready).as_ref().clone();
    older.metadata.creation_timestamp = Some(at(99).into());
    let evicted = pod(&json!({"phase": "Failed", "conditions": [{"type": "Ready", "status": "True"}]}));
    let health = health(vec![pod(&ready), Arc::new(going), Arc::new(older), evicted], &json!([]));
    assert_eq!((health.pods, health.ready), (1, 1));
}

/// The conditions after one look at `object`, a line each.
fn conditions(yaml: &str, runs: &[Arc<TrainingRun>], state: &State, health: &[(&str, Health)]) -> String {
    conditions_blocked(yaml, runs, state, health, None)
}

/// The same while a write does not come about.
fn conditions_blocked(
    yaml: &str,
    runs: &[Arc<TrainingRun>],
    state: &State,
    health: &[(&str, Health)],
    blocked: Option<&Blocked>,
) -> String {
    let (object, valid) = (object(yaml), valid(yaml));
    let resolved = resolve(&valid, runs, state);
    let health: BTreeMap<_, _> = health.iter().map(|(name, health)| ((*name).to_owned(), health.clone())).collect();
    let inputs = Inputs {
        target: resolved.target.as_ref(),
        replicas: valid.replicas,
        settings: &valid.settings,
        health: &health,
        routed: state.stable_name(),
    };
    let next = step(state, &inputs, at(1_000)).next;
    let layout = layout(&next, &inputs);
    let facts =
        status::Facts { valid: &valid, resolved: &resolved, state: &next, layout: &layout, health: &health, blocked };
    let status = status::status(&object, &facts, at(1_000));
    let line = |c: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition| {
        format!("{:<15} {:<8} {:<16} {}", c.type_, c.status, c.reason, c.message).trim_end().to_owned()
    };
    status.conditions.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn conditions_speak_of_the_spec() {
    let first = run("first", 10, &json!({}));
    let second = run("second", 20, &json!({}));
    let old = target(FOLLOW, std::slice::from_ref(&first), &State::default()).target.unwrap();
    let new = target(FOLLOW, std::slice::from_ref(&second), &State::default()).target.unwrap();
    let good = Health { pods: 2, ready: 2, verified: true, ..Health::default() };
    let rolled_back = |failed: &Revision, stable: Option<Stable>| {
        let refusal = json!({
            "state": if stable.is_some() { "RolledBack" } else { "Stalled" }, "failed": failed, "attempt": 1,
            "failure": {"reason": "CrashLoop", "message": "server: its last words", "at": "2024-01-01T00:00:00Z"},
        });
        let phase: Phase = serde_json::from_value(refusal).unwrap();
        let denied = vec![
            serde_json::from_value(json!({
                "digest": failed.digest, "templateHash": failed.template_hash, "reason": "CrashLoop",
                "message": "server: its last words", "at": "2024-01-01T00:00:00Z",
            }))
            .unwrap(),
        ];
        State { phase, stable, denied, ..State::default() }
    };
    let serving = stable(old.clone());
    let runs = [first, second];
    let old_name = old.revision.as_str();
    let pinned_target = target(PINNED, &[], &State::default()).target.unwrap();
    let stories = [
        ("nothing to follow", conditions(FOLLOW, &[], &State::default(), &[])),
        ("serving", conditions(FOLLOW, &runs[..1], &serving, &[(old_name, good.clone())])),
        ("a newer run", conditions(FOLLOW, &runs, &serving, &[(old_name, good.clone())])),
        (
            "followed and rolled back",
            conditions(FOLLOW, &runs, &rolled_back(&new, serving.stable.clone()), &[(old_name, good.clone())]),
        ),
        (
            "pinned and rolled back",
            conditions(PINNED, &[], &rolled_back(&pinned_target, serving.stable.clone()), &[(old_name, good.clone())]),
        ),
        ("the first one failed", conditions(FOLLOW, &runs, &rolled_back(&new, None), &[])),
        (
            "a second model whose Deployment may not be made",
            conditions_blocked(
                FOLLOW,
                &runs,
                &serving,
                &[(old_name, good)],
                Some(&Blocked {
                    reason: BlockedReason::Forbidden,
                    message: "create Deployment orders-1: no right".to_owned(),
                }),
            ),
        ),
        ("the stable one fell over", conditions(FOLLOW, &runs[..1], &serving, &[])),
    ];
    let text: Vec<_> = stories.iter().map(|(title, lines)| format!("# {title}\n{lines}")).collect();
    insta::assert_snapshot!(text.join("\n\n"));
}

#[test]
fn a_sleeping_revision_wakes_and_one_of_an_earlier_attempt_goes_first() {
    let deployment = built_yaml(FOLLOW, &State::default(), Some(100));
    let revision = target(FOLLOW, &[run("second", 20, &json!({}))], &State::default()).target.unwrap();
    let decided = |existing: &Deployment, attempt| {
        let workload = Workload { revision: revision.clone(), replicas: 2, attempt: Some(at(attempt)) };
        act::step(existing, &Built { valid: &valid(FOLLOW), workload: &workload, stable: None, config: &config() })
    };
    assert_eq!(decided(&deployment, 100), Step::Keep);
    assert_eq!(decided(&deployment, 200), Step::Delete);
    let mut asleep = deployment.clone();
    asleep.spec.as_mut().unwrap().replicas = Some(0);
    assert_eq!(decided(&asleep, 200), Step::Wake);
    assert_eq!(decided(&asleep, 100), Step::Scale);
    let mut going = deployment;
    going.metadata.deletion_timestamp = Some(at(100).into());
    assert_eq!(decided(&going, 200), Step::Keep);
}
