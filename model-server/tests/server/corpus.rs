//! What callers and files have got wrong elsewhere, kept in `tests/corpus`, whole and damaged further. `make.py` there says what
//! the folders and names mean.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use axum::body::Body;
use axum::http::{Request, Version};
use serde_json::{Value, json};
use slipway_conformance::grpc::client::framed;
use slipway_model::{Artefact, Digest, Kernel};
use slipway_spec::contract::Exit;
use tempfile::TempDir;

use crate::endure::requests::Requests;
use crate::process::starting;
use crate::support::{Client, crime, dispatch, forest, iris, orders, twice};

/// Seeds of the damage that each request and each file takes.
const DAMAGES: i64 = 20;
/// What a server that refuses an artefact may have of memory for itself, KiB: its program and stacks are most of it.
const MEMORY: u32 = 64 * 1024;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name)
}

/// The files of a folder, by name.
fn files(name: &str) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder(name)).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = entries.filter(|path| path.is_file()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{name}");
    let file = |path: PathBuf| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(path).unwrap());
    paths.into_iter().map(file).collect()
}

/// The request that a body of the corpus is meant for.
fn request(folder: &str, name: &str, model: &str, body: Vec<u8>) -> Request<Body> {
    let path = match folder {
        "v1" => format!("/v1/models/{model}:predict"),
        "infer" => format!("/v2/models/{model}/infer"),
        "grpc" => "/inference.GRPCInferenceService/ModelInfer".to_owned(),
        _ => "/predict".to_owned(),
    };
    let request = Request::post(path);
    if folder == "grpc" {
        let request = request.version(Version::HTTP_2).header("content-type", "application/grpc");
        return request.body(Body::from(framed(&body))).unwrap();
    }
    let request = match name.rsplit_once('.').unwrap().1 {
        "csv" => request.header("content-type", "text/csv"),
        "ndjson" => request.header("content-type", "application/x-ndjson"),
        "bin" => {
            let head = body.iter().position(|&byte| byte == b'\n').map_or(body.len(), |end| end + 1);
            let request = request.header("content-type", "application/octet-stream");
            request.header("inference-header-content-length", head)
        }
        _ => request.header("content-type", "application/json"),
    };
    request.body(body.into()).unwrap()
}

/// The code of an answer, of gRPC where it was asked over that, and the body.
async fn ask(client: &Client, folder: &str, name: &str, body: Vec<u8>) -> (u16, String) {
    let model = client.app.manifest().model_name.clone();
    let (status, headers, body) = client.send_bytes(request(folder, name, &model, body)).await;
    if folder != "grpc" {
        return (status.as_u16(), String::from_utf8_lossy(&body).into_owned());
    }
    assert_eq!(status, 200, "{name}");
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    (text("grpc-status").map_or(0, |code| code.parse().unwrap()), text("grpc-message").unwrap_or_default())
}

const FOLDERS: [&str; 4] = ["predict", "v1", "infer", "grpc"];

#[tokio::test]
async fn what_went_wrong_elsewhere_is_answered_as_its_name_says() {
    let artefact = Artefact::load(&folder("artefact/good"), None).unwrap();
    let client = Client::serving(artefact);
    let mut wrong = Vec::new();
    for folder in FOLDERS {
        for (name, body) in files(folder) {
            let expected: u16 = name.split('-').next().unwrap().parse().unwrap();
            let (code, text) = ask(&client, folder, &name, body).await;
            let text: String = text.chars().take(300).collect();
            let told = (400..500).contains(&expected) && !text.starts_with(r#"{"error":""#);
            if code != expected || told {
                wrong.push(format!("{folder}/{name}: {code} {text}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn whatever_becomes_of_it_is_never_the_servers_fault() {
    let mut clients: Vec<Client> = [dispatch(), crime(), iris(), orders(), forest(), twice()].map(Client::new).into();
    clients.push(Client::serving(Artefact::load(&folder("artefact/good"), None).unwrap()));
    for folder in FOLDERS {
        for (name, body) in files(folder) {
            for seed in 0..DAMAGES {
                let damaged = Requests::new(seed, "", Value::Null).message(&body);
                let client = &clients[seed as usize % clients.len()];
                let (code, text) = ask(client, folder, &name, damaged).await;
                let fine = if folder == "grpc" { [0, 3, 5, 8].contains(&code) } else { code < 500 };
                assert!(fine, "{folder}/{name}, damage {seed}: {code} {text}");
            }
        }
    }
}

/// The file that one of the corpus stands for.
fn replaced(name: &str) -> &'static str {
    match name.split('-').next().unwrap() {
        "manifest" => "manifest.json",
        "model" => "model.json",
        _ => "trees.bin",
    }
}

/// The good artefact with `content` for one of its files, which the manifest vouches for.
fn artefact_with(file: &str, content: &[u8]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files("artefact/good") {
        fs::write(dir.path().join(name), content).unwrap();
    }
    fs::write(dir.path().join(file), content).unwrap();
    if file != "manifest.json" {
        let path = dir.path().join("manifest.json");
        let mut manifest: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let mut entries = manifest["files"].as_array_mut().unwrap().iter_mut();
        let entry = entries.find(|entry| entry["name"] == file).unwrap();
        (entry["size"], entry["digest"]) = (json!(content.len()), json!(Digest::of(content).to_string()));
        fs::write(path, manifest.to_string()).unwrap();
    }
    dir
}

#[test]
fn hostile_artefacts_are_refused_in_little_memory() {
    let reasons = [
        ("manifest-a-file-by-its-whole-path.json", "is not allowed"),
        ("manifest-a-file-of-absurd-size.json", "is not allowed"),
        ("manifest-a-file-outside.json", "is not allowed"),
        ("manifest-a-file-twice.json", "is not allowed"),
        ("manifest-another-golden-answer.json", "golden row 1"),
        ("manifest-cut-off.json", "EOF"),
        ("manifest-deep.json", "manifest.json: "),
        ("manifest-no-fields.json", "field"),
        ("manifest-of-another-format.json", "format version 2"),
        ("manifest-too-many-files.json", "more than 64 files"),
        ("model-a-field-that-is-not-there.json", "field"),
        ("model-a-form-that-nobody-knows.json", "Pickle"),
        ("model-columns-beyond-memory.json", "columns"),
        ("model-deep.json", "model.json: "),
        ("model-no-columns.json", "column"),
        ("model-nothing.json", "EOF"),
        ("trees-a-byte-more.bin", "trees.bin: "),
        ("trees-a-leaf-that-is-no-number.bin", "leaf"),
        ("trees-a-threshold-that-is-no-number.bin", "threshold"),
        ("trees-beyond-memory.bin", "trees.bin: "),
        ("trees-columns-beyond-memory.bin", "columns"),
        ("trees-cut-off.bin", "too early"),
        ("trees-leaves-beyond-memory.bin", "too early"),
        ("trees-of-a-later-format.bin", "format version 99"),
        ("trees-of-something-else.bin", "no trees of Slipway"),
        ("trees-splits-without-end.bin", "trees.bin: "),
        ("trees-thresholds-beyond-the-end.bin", "too early"),
    ];
    let kept: BTreeSet<String> = files("artefact").into_iter().map(|(name, _)| name).collect();
    assert_eq!(kept, reasons.iter().map(|(name, _)| (*name).to_owned()).collect());
    let mut wrong = Vec::new();
    for (name, reason) in reasons {
        let dir = artefact_with(replaced(name), &fs::read(folder("artefact").join(name)).unwrap());
        let (code, told) = starting(dir.path(), MEMORY);
        if code != 65 || !told.contains(reason) {
            wrong.push(format!("{name}: {code} {told}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn any_damage_to_an_artefact_is_refused_or_does_no_harm() {
    for (file, content) in files("artefact/good") {
        for seed in 0..10 * DAMAGES {
            let dir = artefact_with(&file, &Requests::new(seed, "", Value::Null).message(&content));
            match Artefact::load(dir.path(), None) {
                Ok(mut artefact) => {
                    for kernel in Kernel::ALL {
                        artefact.model.tune(Some(kernel));
                        for golden in &artefact.manifest.golden.rows {
                            artefact.model.predict_raw(&artefact.model.decode_json(&golden.row).unwrap());
                        }
                    }
                }
                Err(error) => assert!(matches!(error.exit(), Exit::Data), "{file}, damage {seed}: {error}"),
            }
        }
    }
}
