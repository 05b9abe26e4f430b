//! What to train: the part of a `TrainingRun` that every step of the run reads.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::check::Check;
use crate::estimator::Estimator;
use crate::evaluation::{Evaluation, Threshold};
use crate::feature::{Derived, Feature};
use crate::gate::Gate;
use crate::metric::Metric;
use crate::parameters::Parameters;
use crate::search::Search;
use crate::split::Split;

/// One run, as the operator hands it to the steps in `SLIPWAY_RUN` and `fetch` to `train` in `/slipway/run.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// Name of the `TrainingRun`.
    pub name: String,
    /// Namespace of the `TrainingRun`.
    pub namespace: String,
    /// UID of the `TrainingRun`; the artefact's version.
    pub uid: String,
    /// The model that gates compare with, resolved when the Job was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub champion: Option<ArtefactRef>,
    /// Image that trains, for the lineage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Revision of the code or configuration behind this run, for the lineage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_revision: Option<String>,
    /// An earlier attempt has committed an outcome: `train` has nothing to do.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub committed: bool,
    /// What to train.
    pub spec: TrainingSpec,
}

/// An artefact in object storage.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ArtefactRef {
    /// The folder that holds `manifest.json`: `s3://BUCKET/PATH/`.
    #[cfg_attr(feature = "schemars", schemars(schema_with = "crate::schema::s3_uri"))]
    pub uri: String,
    /// sha256 of `manifest.json`, as `sha256:` and 64 hexadecimal digits.
    #[cfg_attr(feature = "schemars", schemars(schema_with = "crate::schema::digest"))]
    pub digest: String,
}

/// What to train, on what, how it is judged, and where the result goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TrainingSpec {
    /// Name of the model this run trains a version of.
    #[cfg_attr(feature = "schemars", schemars(schema_with = "crate::schema::model_name"))]
    pub model_name: String,
    /// The data.
    pub data: Data,
    /// Column to predict.
    #[cfg_attr(feature = "schemars", schemars(length(min = 1, max = 256)))]
    pub target: String,
    /// Regression or Classification. Left out, it is inferred: text, booleans or exactly two values in the target mean
    /// Classification, other numbers Regression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<Task>,
    /// The class that precision, recall, f1 and thresholds speak of, of two. Default: the last in sorted order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schemars", schemars(length(min = 1, max = 256)))]
    pub positive_class: Option<String>,
    /// How to train: exactly one of `builtin` and `container`.
    pub train: Train,
    /// What else is computed of the test rows.
    #[serde(default, skip_serializing_if = "Evaluation::is_empty")]
    pub evaluation: Evaluation,
    /// Conditions on metrics that the model must meet to be published.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schemars", schemars(length(max = 32)))]
    pub gates: Vec<Gate>,
    /// Conditions on the model's behaviour that it must meet to be published.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schemars", schemars(length(max = 16)))]
    pub checks: Vec<Check>,
    /// Where the artefact goes.
    pub output: Output,
}

impl TrainingSpec {
    /// The metrics that gates name, as far as Slipway computes them.
    pub fn gated_metrics(&self) -> Vec<Metric> {
        let mut gated: Vec<Metric> = self.gates.iter().filter_map(|gate| Metric::parse(&gate.metric)).collect();
        gated.sort_unstable();
        gated.dedup();
        gated
    }
}

/// The data a run trains on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema), schemars(extend("x-kubernetes-validations" = crate::schema::data_rules())))]
#[serde(rename_all = "camelCase")]
pub struct Data {
    /// A file, or a prefix ending in `/`: `s3://BUCKET/KEY`. CSV (also compressed, .gz or .zst), Parquet or JSON lines.
    #[cfg_attr(feature = "schemars", schemars(schema_with = "crate::schema::s3_uri"))]
    pub uri: String,
    /// Which files of a prefix. A uri that names a file is that file.
    #[serde(default)]
    pub select: Select,
}

/// Which files of a prefix are the data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema), schemars(inline))]
pub enum Select {
    /// The one with the newest time in its name, such as `orders-2024-05-01T06:30:00.csv`.
    #[default]
    Newest,
    /// All data files, at most 1,000, as one table: they have the same format and columns, these in any order. Data files
    /// are called .csv, .tsv, .jsonl or .ndjson, also with .gz or .zst, or .parquet; others and empty ones do not count.
    All,
}

/// Where the artefact goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// The prefix under which `<modelName>/<run uid>/` is made: `s3://BUCKET/PATH/`.
    #[cfg_attr(feature = "schemars", schemars(schema_with = "crate::schema::s3_uri"))]
    pub uri: String,
}

/// What kind of answer the model gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema), schemars(inline))]
pub enum Task {
    /// A number.
    Regression,
    /// A class, with a probability for each.
    Classification,
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Task::Regression => "Regression",
            Task::Classification => "Classification",
        })
    }
}

/// How to train: Slipway's own trainer or an image of yours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Train {
    /// Slipway's own trainer.
    Builtin(Box<Builtin>),
    /// An image of yours. It reads `/slipway/input` and writes an artefact to `/slipway/output`.
    Container(Container),
}

/// A training image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Container {
    /// The image.
    #[cfg_attr(feature = "schemars", schemars(length(min = 1, max = 512)))]
    pub image: String,
    /// Entry point; the image's own when left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schemars", schemars(length(max = 64), inner(length(max = 4096))))]
    pub command: Vec<String>,
    /// Arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schemars", schemars(length(max = 64), inner(length(max = 4096))))]
    pub args: Vec<String>,
    /// Environment variables, as plain values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schemars", schemars(length(max = 64)))]
    pub env: Vec<EnvVar>,
}

/// An environment variable with a plain value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct EnvVar {
    /// Name.
    #[cfg_attr(feature = "schemars", schemars(length(min = 1, max = 256), extend("pattern" = "^[A-Za-z_][A-Za-z0-9_]*$")))]
    pub name: String,
    /// Value.
    #[cfg_attr(feature = "schemars", schemars(length(max = 4096)))]
    pub value: String,
}

/// Slipway's own trainer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema), schemars(extend("x-kubernetes-validations" = crate::schema::builtin_rules())))]
#[serde(rename_all = "camelCase")]
pub struct Builtin {
    /// The learning algorithm.
    pub estimator: Estimator,
    /// Its parameters, by scikit-learn's names.
    #[serde(default, skip_serializing_if = "Parameters::is_empty")]
    pub parameters: Parameters,
    /// Search for the best parameters by cross-validation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<Search>,
    /// What is known of the columns; whatever is not said here is inferred.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schemars", schemars(length(max = 1024), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])))]
    pub features: Vec<Feature>,
    /// Columns made of others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schemars", schemars(length(max = 256), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])))]
    pub derive: Vec<Derived>,
    /// What the target of a Regression is measured in, such as h or USD, for the API's documentation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schemars", schemars(length(min = 1, max = crate::feature::MAX_UNIT)))]
    pub target_unit: Option<String>,
    /// A column that says how much each row counts in training, a number from 0 on; it is no feature. Default: all alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schemars", schemars(length(min = 1, max = 256)))]
    pub sample_weight: Option<String>,
    /// How test rows are set aside.
    #[serde(default)]
    pub split: Split,
    /// From which probability on the positive class is predicted. Default: the more probable of the two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<Threshold>,
    /// Judge the model that was fitted on the training rows, and publish one that is fitted in the same way on all rows, the
    /// test rows included. Metrics, gates and the comparison with the champion are of the first, checks of the second.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refit_on_all_rows: bool,
}
