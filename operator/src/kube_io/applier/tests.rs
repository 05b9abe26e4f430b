use std::sync::Mutex;

use http_body_util::BodyExt;
use hyper::{Method, Request, Response, StatusCode};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service};
use kube::Client;
use kube::client::Body;
use serde_json::json;

use super::super::error::{Class, Classified};
use super::*;

#[test]
fn defaults_of_the_server_are_no_difference() {
    let desired = json!({"spec": {"selector": {"app": "x"}, "ports": [{"name": "http", "port": 80}]}});
    let live = json!({"spec": {
        "selector": {"app": "x"}, "clusterIP": "10.0.0.1",
        "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
    }});
    assert!(contains(&live, &desired));
}

#[test]
fn a_changed_or_lost_field_is_a_difference() {
    let desired = json!({"selector": {"revision": "b"}, "args": ["a", "b"]});
    assert!(!contains(&json!({"selector": {"revision": "a"}, "args": ["a", "b"]}), &desired));
    assert!(!contains(&json!({"selector": {"revision": "b"}, "args": ["a"]}), &desired));
    assert!(!contains(&json!({"args": ["a", "b"]}), &desired));
}

#[test]
fn a_container_injected_by_others_is_no_difference() {
    let desired = json!({"containers": [{"name": "server", "image": "s:1"}]});
    let live = json!({"containers": [{"name": "proxy", "image": "p"}, {"name": "server", "image": "s:1"}]});
    assert!(contains(&live, &desired));
}

#[test]
fn a_quantity_may_be_written_in_another_unit() {
    assert!(contains(&json!({"cpu": "1", "memory": "1Gi"}), &json!({"cpu": "1000m", "memory": "1024Mi"})));
    assert!(!contains(&json!({"cpu": "2"}), &json!({"cpu": "1000m"})));
}

#[test]
fn empty_means_absent() {
    assert!(contains(&json!({}), &json!({"tolerations": [], "annotations": {}})));
}

#[test]
fn the_stamp_changes_when_a_field_goes() {
    let service =
        |labels: Value| -> Service { serde_json::from_value(json!({"metadata": {"labels": labels}})).unwrap() };
    let with = json(&stamped(&service(json!({"a": "1", "b": "2"}))));
    let without = json(&stamped(&service(json!({"a": "1"}))));
    assert!(!contains(&with, &without));
    assert!(contains(&with, &with));
}

/// An API server that answers as `answer` says, and the requests that it got: method, path and body.
#[derive(Clone)]
struct Server {
    requests: Arc<Mutex<Vec<(Method, String, Value)>>>,
    answer: fn(&Method, &str) -> (u16, Value),
}

impl Server {
    fn new(answer: fn(&Method, &str) -> (u16, Value)) -> Server {
        Server { requests: Arc::default(), answer }
    }

    fn basis(&self) -> Basis {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await?.to_bytes();
                let body = serde_json::from_slice(&body).unwrap_or_default();
                let path = parts.uri.path().rsplit('/').next().unwrap_or_default().to_owned();
                let (code, answer) = (server.answer)(&parts.method, &path);
                server.requests.lock().unwrap().push((parts.method, path, body));
                let mut response = Response::new(Body::from(answer.to_string().into_bytes()));
                *response.status_mut() = StatusCode::from_u16(code).unwrap();
                Ok::<_, kube::Error>(response)
            }
        });
        Basis::new(&Client::new(service, "ml"), &object("parent", "1"))
    }

    /// Methods and names.
    fn asked(&self) -> Vec<String> {
        self.requests.lock().unwrap().iter().map(|(method, path, _)| format!("{method} {path}")).collect()
    }

    fn body(&self, method: &Method) -> Value {
        let requests = self.requests.lock().unwrap();
        requests.iter().find(|request| request.0 == *method).map(|request| request.2.clone()).unwrap()
    }
}

/// A config map of that name and version; its UID is its name, and so is its owner's.
fn object(name: &str, version: &str) -> ConfigMap {
    serde_json::from_value(found(name, version)).unwrap()
}

fn found(name: &str, version: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {
            "name": name, "namespace": "ml", "uid": name, "resourceVersion": version,
            "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "parent", "uid": "parent", "controller": true}],
        },
    })
}

fn status(code: u16, reason: &str) -> (u16, Value) {
    (
        code,
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": reason, "code": code}),
    )
}

fn fresh(_: &Method, name: &str) -> (u16, Value) {
    (200, found(name, "1"))
}

fn stale(_: &Method, name: &str) -> (u16, Value) {
    (200, found(name, "2"))
}

#[tokio::test]
async fn the_first_write_of_a_pass_asks_whether_its_object_is_still_the_same() {
    let server = Server::new(fresh);
    let basis = server.basis();
    let applier = Applier::new(&basis, "test");
    applier.create(&object("a", "")).await.unwrap();
    applier.delete::<ConfigMap>(&Seen::of(&object("b", "1"))).await.unwrap();
    assert_eq!(server.asked(), ["GET parent", "POST configmaps", "DELETE b"]);
}

#[tokio::test]
async fn an_old_view_writes_nothing() {
    let server = Server::new(stale);
    let basis = server.basis();
    let applier = Applier::new(&basis, "test");
    let seen = Seen::of(&object("b", "1"));
    let results = [
        applier.create(&object("a", "")).await.map(|_| ()),
        applier.apply(&object("b", "1"), Some(&object("b", "1"))).await,
        applier.merge::<ConfigMap>(&seen, json!({})).await,
        applier.delete::<ConfigMap>(&seen).await,
    ];
    for result in results {
        assert_eq!(result.unwrap_err().class(), Class::Conflict);
    }
    assert!(server.asked().iter().all(|asked| asked == "GET parent"), "{:?}", server.asked());
}

#[tokio::test]
async fn a_status_that_was_written_needs_no_other_look() {
    let answer: fn(&Method, &str) -> (u16, Value) = |method, name| match *method {
        Method::PUT => (200, json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}})),
        _ => fresh(method, name),
    };
    let server = Server::new(answer);
    let basis = server.basis();
    let applier = Applier::new(&basis, "test");
    let mut run = Pod::default();
    run.metadata.name = Some("parent".to_owned());
    applier.replace_status(&run).await.unwrap();
    applier.create(&object("a", "")).await.unwrap();
    assert_eq!(server.asked(), ["PUT status", "POST configmaps"]);
}

#[tokio::test]
async fn what_is_changed_or_deleted_is_named_with_its_version() {
    let server = Server::new(fresh);
    let basis = server.basis();
    let applier = Applier::new(&basis, "test");
    let live = object("b", "7");
    applier.merge::<ConfigMap>(&Seen::of(&live), json!({"data": {"a": "b"}})).await.unwrap();
    applier.delete::<ConfigMap>(&Seen::of(&live)).await.unwrap();
    let named = json!({"uid": "b", "resourceVersion": "7"});
    assert_eq!(server.body(&Method::PATCH), json!({"data": {"a": "b"}, "metadata": named}));
    assert_eq!(server.body(&Method::DELETE)["preconditions"], named);

    let server = Server::new(fresh);
    let basis = server.basis();
    let mut desired = object("b", "");
    desired.metadata.resource_version = None;
    Applier::new(&basis, "test").apply(&desired, Some(&live)).await.unwrap();
    assert_eq!(server.body(&Method::PATCH)["metadata"]["resourceVersion"], "7");
}

#[tokio::test]
async fn an_object_is_made_with_one_write_and_then_left_alone() {
    let server = Server::new(fresh);
    let basis = server.basis();
    let applier = Applier::new(&basis, "test");
    let desired = object("b", "");
    applier.apply(&desired, None).await.unwrap();
    assert_eq!(server.asked(), ["GET parent", "POST configmaps"]);
    let live: ConfigMap = serde_json::from_value(server.body(&Method::POST)).unwrap();
    applier.apply(&desired, Some(&live)).await.unwrap();
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn a_name_that_is_taken_is_told_from_work_done_before() {
    let taken: fn(&Method, &str) -> (u16, Value) = |method, name| match *method {
        Method::POST => status(409, "AlreadyExists"),
        _ => (200, found(name, "1")),
    };
    let server = Server::new(taken);
    let basis = server.basis();
    let applier = Applier::new(&basis, "test");
    assert_eq!(applier.create(&object("a", "")).await.unwrap(), Created::Existing);
    let mut of_another = object("a", "");
    of_another.metadata.owner_references = None;
    assert!(matches!(applier.create(&of_another).await, Err(IoError::Foreign { .. })));
}

#[tokio::test]
async fn deleting_what_is_gone_is_fine_and_what_has_changed_is_a_conflict() {
    for (code, expected) in [(404, None), (409, Some(Class::Conflict)), (500, Some(Class::Transient))] {
        let answer: fn(&Method, &str) -> (u16, Value) = match code {
            404 => |method, name| if method == Method::DELETE { status(404, "NotFound") } else { fresh(method, name) },
            409 => |method, name| if method == Method::DELETE { status(409, "Conflict") } else { fresh(method, name) },
            _ => {
                |method, name| if method == Method::DELETE { status(500, "InternalError") } else { fresh(method, name) }
            }
        };
        let server = Server::new(answer);
        let basis = server.basis();
        let done = Applier::new(&basis, "test").delete::<ConfigMap>(&Seen::of(&object("b", "1"))).await;
        assert_eq!(done.err().map(|error| error.class()), expected, "{code}");
    }
}
