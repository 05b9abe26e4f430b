//! Storage that is slow, breaks off, goes away, comes back, or does not know us.

use std::fs;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::gateway::{BUCKET, Gateway};
use crate::support::proxy::{Fault, Proxy};
use crate::support::{Attempt, Ended, Place, run, slipway_store};
use serde_json::json;
use slipway_model::Digest;
use slipway_store::download::download;
use slipway_store::{Content, Location, Policy, Put, Store, StoreError};

const SIZE: usize = 6 << 20;
const CUT: usize = 1 << 20;

fn policy() -> Policy {
    let second = Duration::from_secs(1);
    Policy { connect: second, answer: 5 * second, stall: second, give_up_after: 5 * second }
}

fn bytes() -> Vec<u8> {
    (0..SIZE).map(|place| (place * 31 + place / 251) as u8).collect()
}

fn download_with(variables: slipway_store::Variables) -> Result<(Digest, Vec<u8>), StoreError> {
    let store = Store::new(policy(), variables);
    let location = Location::parse(&format!("s3://{BUCKET}/big")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("big");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let digest = runtime.block_on(async {
        let object = store.head(&location).await?;
        download(&store, &object, &path).await
    });
    assert_eq!(path.exists(), digest.is_ok(), "whole or not at all");
    Ok((digest?, fs::read(&path).unwrap()))
}

#[test]
fn a_download_goes_on_where_the_connection_broke() {
    let Some(gateway) = Gateway::start() else { return };
    let bytes = bytes();
    gateway.put("big", &bytes);
    for fault in [Fault::Cut, Fault::Stall] {
        let proxy = Proxy::start(gateway.port, fault, CUT, 3, |_| {});
        let (digest, downloaded) = download_with(Gateway::store_variables(proxy.port)).unwrap();
        assert_eq!(proxy.broken.load(Ordering::SeqCst), 3);
        assert!(downloaded == bytes);
        assert_eq!(digest, Digest::of(&bytes));
    }
}

#[test]
fn a_server_that_is_killed_midway_and_comes_back_is_waited_for() {
    let Some(gateway) = Gateway::start() else { return };
    let bytes = bytes();
    gateway.put("big", &bytes);
    let (port, gateway) = (gateway.port, Arc::new(Mutex::new(gateway)));
    let server = gateway.clone();
    let proxy = Proxy::start(port, Fault::Cut, CUT, 1, move |_| {
        server.lock().unwrap().kill();
        let server = server.clone();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(500));
            server.lock().unwrap().restart();
        });
    });
    let variables = Gateway::store_variables(proxy.port);
    let (_, downloaded) = download_with(variables).unwrap();
    assert!(downloaded == bytes);
}

#[test]
fn a_server_that_stays_away_is_given_up_in_bounded_time() {
    let Some(gateway) = Gateway::start() else { return };
    gateway.put("big", &bytes());
    let (port, gateway) = (gateway.port, Arc::new(Mutex::new(gateway)));
    let server = gateway.clone();
    let proxy = Proxy::start(port, Fault::Cut, CUT, 1, move |_| server.lock().unwrap().kill());
    let variables = Gateway::store_variables(proxy.port);
    let started = Instant::now();
    let error = download_with(variables).unwrap_err();
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[test]
fn an_object_that_is_written_to_while_it_is_read_is_not_mixed() {
    let Some(gateway) = Gateway::start() else { return };
    gateway.put("big", &bytes());
    let (port, gateway) = (gateway.port, Arc::new(Mutex::new(gateway)));
    let server = gateway.clone();
    let proxy = Proxy::start(port, Fault::Cut, CUT, 1, move |_| server.lock().unwrap().put("big", &vec![7; SIZE]));
    let variables = Gateway::store_variables(proxy.port);
    let error = download_with(variables).unwrap_err();
    assert!(matches!(error, StoreError::Changed { .. }), "{error}");
}

#[test]
fn what_is_written_once_is_never_overwritten() {
    Place::each(|place| {
        let variables = match place {
            Place::S3(gateway) => Gateway::store_variables(gateway.port),
            Place::Files(_) => slipway_store::Variables::default(),
        };
        let store = Store::new(policy(), variables);
        let location = Location::parse(&place.uri("a/b/once")).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let put = |bytes| store.put_if_absent(&location, Content::Bytes(bytes));
            assert_eq!(put(b"first").await.unwrap(), Put::Created);
            assert_eq!(put(b"second").await.unwrap(), Put::Exists);
            assert_eq!(store.get(&location, 100).await.unwrap(), b"first");
            let error = store.get(&location, 3).await.unwrap_err();
            assert!(matches!(error, StoreError::TooLarge { size: 5, .. }), "{error}");
            let names = store.list(&Location::parse(&place.uri("a/b/")).unwrap()).await.unwrap();
            assert_eq!(names, ["once"]);
        });
    });
}

#[test]
fn a_folder_is_listed_page_by_page() {
    let Some(gateway) = Gateway::start() else { return };
    for number in 0..1_005 {
        gateway.put(&format!("many/{number:04}.csv"), b"x");
    }
    gateway.put("many/below/hidden.csv", b"x");
    let store = Store::new(policy(), Gateway::store_variables(gateway.port));
    let folder = Location::parse(&format!("s3://{BUCKET}/many/")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert_eq!(runtime.block_on(store.list(&folder)).unwrap().len(), 1_005);
}

#[test]
fn credentials_that_are_wrong_or_missing_are_said_to_be() {
    let digest = Digest::of(b"x").to_string();
    let output = tempfile::tempdir().unwrap();
    let output = output.path().to_str().unwrap();
    let args = ["fetch-model", "--uri", "s3://bucket/m/", "--digest", &digest, "--output", output];
    Ended::of(slipway_store(&args).output().unwrap())
        .expect(69, "there are no credentials: put AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");

    let Some(gateway) = Gateway::start() else { return };
    gateway.put("data/orders-2024-05-01.csv", b"x");
    let place = Place::S3(gateway);
    for (name, value) in [("AWS_ACCESS_KEY_ID", "nobody"), ("AWS_SECRET_ACCESS_KEY", "wrong")] {
        let attempt = Attempt::new(&place, &run(&place, "uid-1", &json!({})));
        let ended = Ended::of(attempt.command("fetch").env(name, value).output().unwrap());
        ended.expect(69, "look at AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the storage Secret");
        let head = json!({"data": {"uri": place.uri("data/orders-2024-05-01.csv")}});
        let attempt = Attempt::new(&place, &run(&place, "uid-1", &head));
        Ended::of(attempt.command("fetch").env(name, value).output().unwrap()).expect(69, "look at AWS_ACCESS_KEY_ID");
    }
    let attempt = Attempt::new(&place, &run(&place, "uid-1", &json!({})));
    let ended = Ended::of(attempt.command("fetch").env_remove("AWS_SECRET_ACCESS_KEY").output().unwrap());
    ended.expect(69, "AWS_SECRET_ACCESS_KEY is missing");
}

#[test]
fn storage_that_is_down_ends_a_step_in_bounded_time() {
    let place = Place::Files(tempfile::tempdir().unwrap());
    let mut run = run(&place, "uid-1", &json!({}));
    run["spec"]["output"]["uri"] = json!("s3://bucket/models/");
    let attempt = Attempt::new(&place, &run);
    let started = Instant::now();
    let mut command = attempt.command("fetch");
    command.env("AWS_ACCESS_KEY_ID", "x").env("AWS_SECRET_ACCESS_KEY", "y");
    command.env("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    Ended::of(command.output().unwrap()).expect(69, "storage cannot be reached: http://127.0.0.1:1");
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
}
