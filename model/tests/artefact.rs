//! An artefact reads back as written, and a damaged one is refused with the name of the file.
#![allow(clippy::unwrap_used, reason = "a failed test ends")]

use std::fs;
use std::path::Path;

use slipway_model::{
    Artefact, ArtefactError, Distributions, Encoder, Estimator, Field, Golden, GoldenRow, Input, Lineage, Linear, Link,
    Manifest, Model, Output, artefact,
};
use slipway_spec::contract::Exit;

fn write(dir: &Path) -> slipway_model::Digest {
    let fields = vec![Field { name: "x".to_owned(), ..Field::default() }];
    let output = Output::Regression { name: "y".to_owned(), range: None, unit: None };
    let estimator = Estimator::Linear(Linear {
        link: Link::Identity,
        coefficients: vec![vec![2.0]],
        intercepts: vec![0.1],
        means: Vec::new(),
    });
    let model = Model::new(fields.clone(), output.clone(), Encoder::identity(1), estimator).unwrap();
    let row = serde_json::json!({"x": 3}).as_object().unwrap().clone();
    let mut manifest = Manifest {
        format_version: 1,
        model_name: "line".to_owned(),
        version: "v".to_owned(),
        input: Input::Row { fields },
        output,
        estimator: "LinearRegression".to_owned(),
        files: vec![],
        metrics: [("r2".to_owned(), 1.0 / 3.0)].into(),
        gates: vec![],
        checks: vec![],
        lineage: Lineage::default(),
        golden: Golden { tolerance: 1e-9, rows: vec![GoldenRow { row, expected: vec![6.1] }] },
        distributions: Distributions::default(),
    };
    artefact::write(dir, &mut manifest, &model, &[]).unwrap()
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

#[test]
fn an_artefact_reads_back_as_written() {
    let dir = tempfile::tempdir().unwrap();
    let digest = write(dir.path());
    let artefact = Artefact::load(dir.path(), Some(digest)).unwrap();
    assert_eq!(artefact.digest, digest);
    assert_eq!(artefact.manifest.metrics["r2"], 1.0 / 3.0);
    assert_eq!(artefact.model.predict_raw(&[3.0]), [6.1]);
}

#[test]
fn whatever_is_wrong_is_refused_and_named() {
    type Damage = fn(&Path);
    let cases: [(&str, Damage, Exit); 7] = [
        ("there is no manifest.json", |dir| fs::remove_file(dir.join("manifest.json")).unwrap(), Exit::NotFound),
        ("manifest.json: the digest is", |dir| edit(&dir.join("manifest.json"), "\"line\"", "\"lime\""), Exit::Data),
        ("model.json: the digest is", |dir| edit(&dir.join("model.json"), "2.0", "3.0"), Exit::Data),
        ("model.json: 0 bytes", |dir| fs::write(dir.join("model.json"), "").unwrap(), Exit::Data),
        ("model.json: No such file", |dir| fs::remove_file(dir.join("model.json")).unwrap(), Exit::Data),
        (
            "model.json: ",
            |dir| {
                fs::rename(dir.join("model.json"), dir.join("elsewhere")).unwrap();
                std::os::unix::fs::symlink(dir.join("elsewhere"), dir.join("model.json")).unwrap();
            },
            Exit::Data,
        ),
        ("manifest.json: the digest is", |dir| fs::write(dir.join("manifest.json"), "{}").unwrap(), Exit::Data),
    ];
    for (message, damage, exit) in cases {
        let dir = tempfile::tempdir().unwrap();
        let digest = write(dir.path());
        damage(dir.path());
        let error = Artefact::load(dir.path(), Some(digest)).unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
        assert_eq!(error.exit(), exit, "{error}");
    }
}

#[test]
fn a_manifest_cannot_reach_outside_its_folder() {
    for name in ["../model.json", "/etc/passwd", "a/b", ".hidden", "manifest.json", ""] {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path());
        edit(&dir.path().join("manifest.json"), "\"name\": \"model.json\"", &format!("\"name\": {name:?}"));
        let error = Artefact::load(dir.path(), None).unwrap_err();
        assert!(error.to_string().contains("is not allowed"), "{name}: {error}");
    }
}

#[test]
fn a_golden_row_answered_differently_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path());
    edit(&dir.path().join("manifest.json"), "6.1", "6.2");
    let error = Artefact::load(dir.path(), None).unwrap_err();
    assert!(matches!(error, ArtefactError::Golden { row: 1, .. }), "{error}");
}
