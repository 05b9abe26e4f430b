//! The table of contents of an artefact: `manifest.json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use slipway_spec::{CheckResult, DataIdentity, GateResult, Metrics, Parameters};

use crate::digest::Digest;
use crate::distribution::Distribution;
use crate::neighbours::Neighbours;
use crate::schema::{Field, Output};

/// The version of the artefact's format that this code writes and reads.
pub const FORMAT_VERSION: u32 = 1;
/// Most golden rows.
pub const MAX_GOLDEN_ROWS: usize = 64;

/// Everything about a model but what was learned. The sha256 of its bytes is the artefact's digest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// Name of the model.
    pub model_name: String,
    /// UID of the run: the model's version.
    pub version: String,
    /// What the model takes.
    pub input: Input,
    /// What it gives.
    pub output: Output,
    /// The learning algorithm, by scikit-learn's name, or what a training image calls it.
    pub estimator: String,
    /// The files of the artefact.
    pub files: Vec<FileEntry>,
    /// Metrics on the test rows.
    #[serde(default)]
    pub metrics: Metrics,
    /// How the gates came out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<GateResult>,
    /// How the checks came out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckResult>,
    /// Where the model comes from.
    pub lineage: Lineage,
    /// Rows whose predictions are known.
    pub golden: Golden,
    /// How values were spread in training.
    #[serde(default)]
    pub distributions: Distributions,
}

impl Manifest {
    /// Size of all files it lists, bytes.
    pub fn size(&self) -> u64 {
        self.files.iter().map(|entry| entry.size).sum()
    }
}

/// What a model takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all_fields = "camelCase")]
pub enum Input {
    /// One row of named values.
    Row {
        /// The fields, in the order of the encoder.
        fields: Vec<Field>,
    },
}

impl Input {
    /// The fields of a row.
    pub fn fields(&self) -> &[Field] {
        match self {
            Input::Row { fields } => fields,
        }
    }
}

/// A file of an artefact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its name in a folder; in object storage its key ends in its digest's hexadecimal digits.
    pub name: String,
    /// Size, bytes.
    pub size: u64,
    /// Digest of its bytes.
    pub digest: Digest,
}

/// Where a model comes from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lineage {
    /// The data.
    pub data: DataIdentity,
    /// Rows of the data.
    pub rows: u64,
    /// Columns of the data.
    pub columns: u64,
    /// Revision of the code or configuration behind the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_revision: Option<String>,
    /// Image that trained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Version of the trainer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trainer: Option<String>,
    /// The parameters trained with, searched ones included.
    #[serde(default)]
    pub parameters: Parameters,
    /// The model was fitted on all rows, those included that a model fitted on the others was tested on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fitted_on_all_rows: bool,
    /// Seed of the split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
}

/// Rows whose predictions are known, replayed before the model serves.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Golden {
    /// A prediction may differ by this much, times its size where that is above 1.
    pub tolerance: f64,
    /// At most [`MAX_GOLDEN_ROWS`].
    pub rows: Vec<GoldenRow>,
}

/// A row whose prediction is known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GoldenRow {
    /// The row, as a caller sends it.
    pub row: serde_json::Map<String, serde_json::Value>,
    /// The prediction: one number for a regression, one probability a class otherwise.
    pub expected: Vec<f64>,
}

/// How values were spread in training.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Distributions {
    /// Of each feature, by its name.
    pub features: BTreeMap<String, Distribution>,
    /// Of the predictions on the test rows: the number, or the probability of the positive class, or the class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predictions: Option<Distribution>,
    /// Of a regression, how far the truth lay from predictions on test rows.
    #[serde(default, skip_serializing_if = "Neighbours::is_empty")]
    pub neighbours: Neighbours,
}
