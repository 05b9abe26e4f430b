//! What a train step leaves behind.

use std::fs;
use std::path::Path;

use slipway_model::{
    Digest, Distributions, Encoder, Estimator, Field, FileEntry, Golden, GoldenRow, Input, Lineage, Linear, Link,
    Manifest, Model, Output, artefact,
};
use slipway_spec::FeatureType;

use super::Place;

/// Writes a model that predicts `slope * x`, and three test rows of `y = 2 * x`.
pub fn train(output: &Path, slope: f64) {
    write(output, slope, &["blue", "red"]);
    let row = |x: f64| format!("{},{},{x},red\n", 2.0 * x, slope * x);
    let rows: String = [1.0, 2.0, 3.0].map(row).concat();
    fs::write(output.join("test.csv"), format!("truth,prediction,input:x,input:colour\n{rows}")).unwrap();
}

/// Writes a model that predicts `slope * x`, with a category that does nothing.
pub fn write(dir: &Path, slope: f64, colours: &[&str]) -> Digest {
    let colour = Field {
        name: "colour".to_owned(),
        type_: FeatureType::Category,
        categories: colours.iter().map(|&colour| colour.to_owned()).collect(),
        ..Field::default()
    };
    let fields = vec![Field { name: "x".to_owned(), ..Field::default() }, colour];
    let output = Output::Regression { name: "y".to_owned(), range: None, unit: None };
    let estimator = Estimator::Linear(Linear {
        link: Link::Identity,
        coefficients: vec![vec![slope, 0.0]],
        intercepts: vec![0.0],
        means: Vec::new(),
    });
    let encoder = Encoder::identity(2);
    let model = Model::new(fields.clone(), output.clone(), encoder, estimator).unwrap();
    let row = serde_json::json!({"x": 3, "colour": "red"}).as_object().unwrap().clone();
    let mut manifest = Manifest {
        format_version: 1,
        model_name: "line".to_owned(),
        version: "v".to_owned(),
        input: Input::Row { fields },
        output,
        estimator: "LinearRegression".to_owned(),
        files: vec![],
        metrics: [].into(),
        gates: vec![],
        checks: vec![],
        lineage: Lineage::default(),
        golden: Golden { tolerance: 1e-9, rows: vec![GoldenRow { row, expected: vec![3.0 * slope] }] },
        distributions: Distributions::default(),
    };
    artefact::write(dir, &mut manifest, &model, &[]).unwrap()
}

/// Puts an artefact into the folder `prefix` of `place`.
pub fn upload(place: &Place, prefix: &str, slope: f64, colours: &[&str]) -> Digest {
    let dir = tempfile::tempdir().unwrap();
    let digest = write(dir.path(), slope, colours);
    for entry in files(dir.path()) {
        place.put(&format!("{prefix}{}", entry.digest.hex()), &fs::read(dir.path().join(&entry.name)).unwrap());
    }
    place.put(&format!("{prefix}manifest.json"), &fs::read(dir.path().join("manifest.json")).unwrap());
    digest
}

fn files(dir: &Path) -> Vec<FileEntry> {
    artefact::read_manifest(dir, None).unwrap().0.files
}
