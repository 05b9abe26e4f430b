//! What the tests of the stages begin with.

use clap::Parser;
use jiff::Timestamp;
use slipway_crds::training_run::TrainingRun;
use slipway_spec::{Metrics, Summary, Task, Verdict};

use super::validate::{ValidRun, validate};
use crate::config::Config;

/// The time of every test.
pub fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

/// Flags as the chart sets them.
pub fn config() -> Config {
    Config::parse_from([
        "slipway-operator",
        "--trainer-image=registry.example/slipway-trainer:1",
        "--store-image=registry.example/slipway-store:1",
        "--server-image=registry.example/slipway-model-server:1",
        "--allowed-service-accounts=trainer,other",
    ])
}

/// A run with these fields in its spec beside the needed ones: YAML in flow style.
pub fn run(spec: &str) -> TrainingRun {
    let mut run: serde_json::Value = serde_saphyr::from_str(
        "
apiVersion: slipway.dev/v1alpha1
kind: TrainingRun
metadata: {name: ttd-1, namespace: ml, uid: 11111111-2222-3333-4444-555555555555, generation: 1}
spec:
  modelName: time-to-dispatch
  data: {uri: 's3://slipway/datasets/time-to-dispatch/'}
  target: hours_to_dispatch
  train: {builtin: {estimator: DecisionTree}}
  gates: [{metric: r2, atLeast: 0.9}]
  output: {uri: 's3://slipway/models/'}
",
    )
    .unwrap();
    let more: serde_json::Map<String, serde_json::Value> = serde_saphyr::from_str(spec).unwrap();
    run["spec"].as_object_mut().unwrap().extend(more);
    serde_json::from_value(run).unwrap()
}

/// The same, validated.
pub fn valid(spec: &str) -> ValidRun {
    validate(&run(spec), &config()).unwrap()
}

/// What `publish` says about a model that passed or was refused.
pub fn summary(verdict: Verdict) -> Summary {
    let is_refused = verdict == Verdict::Refused;
    Summary {
        verdict,
        task: Task::Regression,
        uri: "s3://slipway/models/time-to-dispatch/1111/".to_owned(),
        digest: (!is_refused).then(|| format!("sha256:{}", "a".repeat(64))),
        size_bytes: 4_321,
        report: "s3://slipway/models/time-to-dispatch/1111/report.html".to_owned(),
        data_uri: "s3://slipway/datasets/time-to-dispatch/orders-2024-05-01T06:30:00.csv".to_owned(),
        data_digest: format!("sha256:{}", "b".repeat(64)),
        metrics: Metrics::from([("r2".to_owned(), if is_refused { 0.5 } else { 0.974 }), ("mae".to_owned(), 0.81)]),
        failed: usize::from(is_refused) * 2,
        message: is_refused.then(|| "r2 is 0.5, below 0.9".to_owned()),
        warnings: 0,
    }
}
