//! What a run reports.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::contract::MAX_MESSAGE_BYTES;
use crate::data_report::DataReport;
use crate::estimator::Estimator;
use crate::evaluation::{GroupReport, Interval, ThresholdReport};
use crate::judge::{CheckResult, GateResult, Judgement, Verdict};
use crate::metric::Metrics;
use crate::parameters::{DummyStrategy, Parameters};
use crate::pictures::{Importances, Pictures};
use crate::run::Task;

/// Which bytes a run trained on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct DataIdentity {
    /// The object: `s3://BUCKET/KEY`, or a path on a laptop; the prefix, ending in `/`, of several read as one table.
    pub uri: String,
    /// sha256 of the bytes, as `sha256:` and 64 hexadecimal digits; of several files that of [`set_digest_text`].
    pub digest: String,
    /// Size, bytes; of several files, of all of them together.
    pub size_bytes: i64,
    /// The store's entity tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// The store's version of the object, where it keeps versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// The time in the object's name, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// The files of a prefix that is read as one table, sorted by name; empty for a single file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<DataFile>,
}

/// Most files that are read as one table.
pub const MAX_DATA_FILES: usize = 1_000;

/// One of several files that are read as one table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct DataFile {
    /// Its name in the prefix.
    pub name: String,
    /// sha256 of the bytes, as `sha256:` and 64 hexadecimal digits.
    pub digest: String,
    /// Size, bytes.
    pub size_bytes: i64,
    /// The store's entity tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// The store's version of the object, where it keeps versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
}

/// The text whose sha256 identifies several files read as one table: for each, in the order of their names, its digest, a
/// blank, its name and a line feed, as `sha256sum` lists them.
pub fn set_digest_text<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    files.into_iter().flat_map(|(name, digest)| [digest, " ", name, "\n"]).collect()
}

/// Everything known about a run: `report.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Name of the model.
    pub model_name: String,
    /// The run's UID: the model's version.
    pub version: String,
    /// The task, given or inferred.
    pub task: Task,
    /// What was trained.
    #[serde(default)]
    pub about: About,
    /// The verdict.
    pub verdict: Verdict,
    /// Metrics on the test rows.
    pub metrics: Metrics,
    /// Metrics that are undefined on these test rows, with the reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub undefined: BTreeMap<String, String>,
    /// Metrics that Slipway could not recompute: the training image's own word.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub self_reported: Vec<String>,
    /// 95 % confidence intervals of metrics.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub intervals: BTreeMap<String, Interval>,
    /// The metrics within groups of test rows, where the spec asks for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<GroupReport>,
    /// The champion's metrics on the same test rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub champion_metrics: Option<Metrics>,
    /// Every gate.
    pub gates: Vec<GateResult>,
    /// Every check.
    pub checks: Vec<CheckResult>,
    /// How training went.
    #[serde(flatten)]
    pub training: TrainingNotes,
    /// The data.
    pub data: DataIdentity,
    /// What there is to draw of the test rows.
    #[serde(default)]
    pub pictures: Pictures,
}

/// What was trained.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct About {
    /// The learning algorithm, by scikit-learn's name, or what a training image calls it.
    pub estimator: String,
    /// What is predicted.
    pub target: String,
    /// The classes, in the order of probabilities; empty for a regression.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// The class that precision, recall and the threshold speak of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positive_class: Option<String>,
    /// Probability from which the positive class is predicted. Absent: the more probable class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// Number of features.
    pub features: usize,
    /// The parameters trained with, searched ones included.
    #[serde(default)]
    pub parameters: Parameters,
    /// Digest of the artefact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Size of all files of the artefact, bytes.
    #[serde(default)]
    pub size_bytes: u64,
    /// Rows of the data.
    #[serde(default)]
    pub rows: u64,
    /// Columns of the data.
    #[serde(default)]
    pub columns: u64,
    /// Seed of the split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Version of the trainer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trainer: Option<String>,
    /// Image that trained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Revision of the code or configuration behind the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_revision: Option<String>,
}

/// How training went, as the train step tells it: `training.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrainingNotes {
    /// The search, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<SearchReport>,
    /// The threshold of a classifier, where the spec asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<ThresholdReport>,
    /// The judged model was fitted on the training rows; the published one on this many rows, the test rows included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refitted_on: Option<usize>,
    /// Rows by their use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<RowCounts>,
    /// What the data look like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_report: Option<DataReport>,
    /// What the estimator looks at, by its own account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub importances: Option<Importances>,
    /// What a model must beat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Baseline>,
    /// Of a forest with `oob_score`: r2 or accuracy on the training rows, each predicted by the trees that have not seen it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oob_score: Option<f64>,
    /// What a person should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Wall time of each part of the run, seconds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub timings: BTreeMap<String, f64>,
    /// CPU time of each part of the run, all threads together, seconds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cpu_timings: BTreeMap<String, f64>,
}

/// The same answer to every row, learnt from the same training rows: what a model must beat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Baseline {
    /// Always `Dummy`, unless a training image says otherwise.
    pub estimator: Estimator,
    /// How it answers.
    pub strategy: DummyStrategy,
    /// What it answers to every row: a number, or the class it predicts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// Its metrics on the test rows.
    pub metrics: Metrics,
}

/// Rows of a data set by their use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RowCounts {
    /// Rows trained on.
    pub train: usize,
    /// Rows tested on.
    pub test: usize,
    /// Rows left out: an embargo, or a missing target.
    pub left_out: usize,
}

/// What a search tried and found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SearchReport {
    /// The metric that decided.
    pub metric: String,
    /// Number of folds.
    pub folds: usize,
    /// Number of points tried.
    pub points: usize,
    /// The rounds of successive halving.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rounds: Vec<SearchRound>,
    /// Mean score of the best point over the folds.
    pub best_score: f64,
    /// The best point.
    pub best_parameters: Parameters,
    /// The best points, at most 100, best first; of successive halving those of the last round first.
    pub results: Vec<SearchPoint>,
}

/// One round of successive halving.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SearchRound {
    /// Points that were tried in it.
    pub points: usize,
    /// What each was given: rows, or trees.
    pub resources: usize,
    /// Mean score of its best point.
    pub best_score: f64,
}

/// One point of a search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SearchPoint {
    /// Its parameters.
    pub parameters: Parameters,
    /// Mean score over the folds.
    pub score: f64,
    /// Score of each fold.
    pub fold_scores: Vec<f64>,
}

/// What a run tells the operator in its termination message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The verdict.
    pub verdict: Verdict,
    /// The task, given or inferred.
    pub task: Task,
    /// The folder of the artefact; of a refused run, where its report lies.
    pub uri: String,
    /// Digest of the artefact; absent where the model was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Size of all files of the artefact, bytes.
    #[serde(default)]
    pub size_bytes: i64,
    /// Where `report.html` lies; `report.json` is beside it.
    pub report: String,
    /// The object trained on.
    pub data_uri: String,
    /// Digest of the data.
    pub data_digest: String,
    /// Metrics: those with gates, then others while there is room.
    pub metrics: Metrics,
    /// How many gates and checks failed.
    #[serde(default)]
    pub failed: usize,
    /// The first failure, or for a passed run the first warning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How many warnings the report holds.
    #[serde(default)]
    pub warnings: usize,
}

impl Summary {
    /// JSON of at most [`MAX_MESSAGE_BYTES`]. Metrics without a gate go first when room is short, then the message is cut,
    /// then gated metrics go.
    pub fn to_message(&self, gated: &[&str]) -> String {
        let mut summary = self.clone();
        loop {
            let text = serde_json::to_string(&summary).unwrap_or_default();
            if text.len() <= MAX_MESSAGE_BYTES {
                return text;
            }
            let excess = text.len() - MAX_MESSAGE_BYTES;
            let ungated = summary.metrics.keys().rev().find(|name| !gated.contains(&name.as_str())).cloned();
            if let Some(name) = ungated {
                summary.metrics.remove(&name);
            } else if let Some(message) = summary.message.take_if(|message| message.len() > 40) {
                let keep = message.floor_char_boundary(message.len().saturating_sub(excess + 4).max(36));
                summary.message = Some(format!("{} …", &message[..keep]));
            } else if summary.metrics.pop_last().is_none() && summary.message.take().is_none() {
                return text;
            }
        }
    }

    /// The message of a run that was judged.
    pub fn first_message(judgement: &Judgement) -> Option<String> {
        judgement.failures().next().or_else(|| judgement.warnings().next()).map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_fits_the_termination_message_and_keeps_gated_metrics() {
        let mut summary = Summary {
            verdict: Verdict::Refused,
            task: Task::Regression,
            uri: format!("s3://bucket/{}/", "x".repeat(200)),
            digest: Some(format!("sha256:{}", "0".repeat(64))),
            size_bytes: 1,
            report: format!("s3://bucket/{}/report.html", "x".repeat(200)),
            data_uri: "s3://bucket/data.csv".to_owned(),
            data_digest: format!("sha256:{}", "1".repeat(64)),
            metrics: (0..30).map(|i| (format!("metric_{i:02}"), 1.0 / f64::from(i + 1))).collect(),
            failed: 2,
            message: Some("ä".repeat(2_000)),
            warnings: 0,
        };
        summary.metrics.insert("r2".to_owned(), 0.974_471_234_567_891);
        let message = summary.to_message(&["r2"]);
        assert!(message.len() <= MAX_MESSAGE_BYTES, "{}", message.len());
        let read: Summary = serde_json::from_str(&message).unwrap();
        assert_eq!(read.metrics["r2"], 0.974_471_234_567_891);
        assert_eq!((read.verdict, read.digest), (summary.verdict, summary.digest));
        assert!(read.message.unwrap().ends_with('…'));
    }
}
