use serde_json::json;

use super::*;
use crate::history::tests::event;

fn history(events: Vec<(What, &Kind, &str, Value)>) -> History {
    let mut history = History::default();
    for (version, (what, kind, name, object)) in (1..).zip(events) {
        history.push(event(version, what, kind, name, object));
    }
    history
}

fn found(history: History) -> Vec<String> {
    let never_served = vec!["sha256:bad".to_owned()];
    judge(&Ended { history, never_served, ..Ended::default() }).iter().map(ToString::to_string).collect()
}

fn service(revision: &str) -> (What, &'static Kind, &'static str, Value) {
    (What::Modified, &SERVICE, "orders", json!({"spec": {"selector": {"slipway.dev/revision": revision}}}))
}

fn pod(what: What, name: &'static str, revision: &str, ready: &str) -> (What, &'static Kind, &'static str, Value) {
    let pod = json!({
        "metadata": {"labels": {"slipway.dev/revision": revision}},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    });
    (what, &POD, name, pod)
}

fn revision(name: &'static str, digest: &str) -> (What, &'static Kind, &'static str, Value) {
    (What::Added, &DEPLOYMENT, name, json!({"metadata": {"annotations": {"slipway.dev/artefact-digest": digest}}}))
}

fn pinned(digest: &str) -> (What, &'static Kind, &'static str, Value) {
    (What::Modified, &MODEL_DEPLOYMENT, "orders", json!({"spec": {"model": {"pinned": {"digest": digest}}}}))
}

#[test]
fn a_second_job_of_a_run_is_one_too_many() {
    let job = |uid: &str| (What::Added, &JOB, "first", json!({"metadata": {"uid": uid}}));
    assert_eq!(found(history(vec![job("1"), job("1")])), Vec::<String>::new());
    assert_eq!(found(history(vec![job("1"), job("2")])), ["O3: there were 2 Jobs first"]);
}

#[test]
fn a_good_promotion_is_fine() {
    let story = vec![
        pinned("sha256:a"),
        revision("orders-a", "sha256:a"),
        service("none"),
        pod(What::Added, "a1", "orders-a", "True"),
        service("orders-a"),
        pinned("sha256:b"),
        revision("orders-b", "sha256:b"),
        pod(What::Added, "b1", "orders-b", "True"),
        service("orders-b"),
        pod(What::Deleted, "a1", "orders-a", "True"),
    ];
    assert_eq!(found(history(story)), Vec::<String>::new());
}

#[test]
fn a_model_that_nobody_asked_for_gets_no_traffic() {
    let story = vec![pinned("sha256:a"), revision("orders-c", "sha256:c"), service("orders-c")];
    assert_eq!(found(history(story)), ["O4: nobody had asked for orders-c, which got traffic at version 3"]);
    let story = vec![pinned("sha256:bad"), revision("orders-b", "sha256:bad"), service("orders-b")];
    assert_eq!(found(history(story)), ["O4: orders-b was refused and got traffic at version 3"]);
}

#[test]
fn a_route_that_loses_its_last_ready_pod_is_noticed_once() {
    let story = vec![
        pinned("sha256:a"),
        revision("orders-a", "sha256:a"),
        service("orders-a"),
        pod(What::Added, "a1", "orders-a", "True"),
        pod(What::Added, "a2", "orders-a", "True"),
        pod(What::Deleted, "a2", "orders-a", "True"),
        pod(What::Modified, "a1", "orders-a", "False"),
        pod(What::Modified, "a1", "orders-a", "False"),
        pod(What::Modified, "a1", "orders-a", "True"),
    ];
    assert_eq!(found(history(story)), ["O5: orders led to no ready pod of orders-a since version 7, a Pod a1"]);
}

#[test]
fn a_route_that_moves_to_where_nobody_is_ready_is_noticed() {
    let story = vec![
        pinned("sha256:a"),
        revision("orders-a", "sha256:a"),
        pod(What::Added, "a1", "orders-a", "True"),
        service("orders-a"),
        pinned("sha256:b"),
        revision("orders-b", "sha256:b"),
        service("orders-b"),
    ];
    assert_eq!(found(history(story)), ["O5: orders led to no ready pod of orders-b since version 7, a Service orders"]);
}

#[test]
fn a_route_to_nobody_owes_nobody_an_answer() {
    let training =
        |what| (what, &POD, "first-1", json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}}));
    let story = vec![pinned("sha256:a"), service("none"), training(What::Added), training(What::Deleted)];
    assert_eq!(found(history(story)), Vec::<String>::new());
}

#[test]
fn a_deleted_route_owes_nobody_an_answer() {
    let (_, kind, name, object) = service("orders-a");
    let story = vec![
        pinned("sha256:a"),
        revision("orders-a", "sha256:a"),
        pod(What::Added, "a1", "orders-a", "True"),
        service("orders-a"),
        (What::Deleted, kind, name, object),
        pod(What::Deleted, "a1", "orders-a", "True"),
    ];
    assert_eq!(found(history(story)), Vec::<String>::new());
}

#[test]
fn what_is_written_to_the_route_of_a_deleted_deployment_does_not_matter() {
    let (_, kind, name, object) = pinned("sha256:a");
    let story = vec![
        pinned("sha256:a"),
        revision("orders-a", "sha256:a"),
        pod(What::Added, "a1", "orders-a", "True"),
        (What::Deleted, kind, name, object),
        service("orders-a"),
        pod(What::Deleted, "a1", "orders-a", "True"),
    ];
    assert_eq!(found(history(story)), Vec::<String>::new());
}

fn orders(generation: i64, conditions: &Value) -> (What, &'static Kind, &'static str, Value) {
    let object =
        json!({"metadata": {"generation": generation}, "status": {"conditions": conditions, "readyReplicas": 1}});
    (What::Modified, &MODEL_DEPLOYMENT, "orders", object)
}

fn condition(type_: &str, status: &str, generation: i64, since: &str) -> Value {
    json!({"type": type_, "status": status, "observedGeneration": generation, "lastTransitionTime": since})
}

#[test]
fn conditions_speak_of_the_present_spec_and_change_when_they_change() {
    let good = vec![
        orders(1, &json!([condition("Ready", "False", 1, "t1")])),
        // A new spec that nobody has looked at yet.
        orders(2, &json!([condition("Ready", "False", 1, "t1")])),
        orders(2, &json!([condition("Ready", "True", 2, "t2")])),
    ];
    assert_eq!(found(history(good)), Vec::<String>::new());
    let old = vec![orders(2, &json!([condition("Ready", "True", 1, "t1")]))];
    assert_eq!(found(history(old)), ["O7: ModelDeployment orders at version 1: Ready speaks of generation 1, not 2"]);
    let restless = vec![
        orders(1, &json!([condition("Ready", "True", 1, "t1")])),
        orders(1, &json!([condition("Ready", "True", 1, "t2")])),
    ];
    assert_eq!(
        found(history(restless)),
        ["O7: ModelDeployment orders at version 2: lastTransitionTime of Ready changed without its status"]
    );
}

#[test]
fn conditions_do_not_contradict_each_other() {
    let both = json!([condition("Reconciling", "True", 1, "t1"), condition("Stalled", "True", 1, "t1")]);
    assert_eq!(
        found(history(vec![orders(1, &both)])),
        ["O7: ModelDeployment orders at version 1: both Reconciling and Stalled"]
    );
}

#[test]
fn the_end_is_compared_and_rest_is_rest() {
    let ended = Ended {
        undisturbed: Some([("Job first".to_owned(), json!({}))].into()),
        restless: vec!["PUT x".to_owned()],
        left: vec!["Job first".to_owned()],
        ..Ended::default()
    };
    let found: Vec<String> = judge(&ended).iter().map(ToString::to_string).collect();
    assert_eq!(found, ["O1: Job first is missing", "O2: written at rest: PUT x", "O6: Job first is left"]);
}
