//! Names that separate programs must agree on: exit codes, paths in a training pod, environment variables.

/// How every Slipway program ends. 64 to 67 mean that trying again cannot help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Wrong usage or specification.
    Usage = 64,
    /// Bad data, or an artefact that is damaged.
    Data = 65,
    /// An input does not exist.
    NotFound = 66,
    /// A gate or a check refused the model.
    Refused = 67,
    /// A bug in Slipway.
    Internal = 70,
    /// Object storage could not be reached, or refused the credentials.
    Unavailable = 69,
}

impl Exit {
    /// The codes after which a retry is pointless.
    pub const NEVER_RETRIED: [i32; 4] = [64, 65, 66, 67];

    /// The process exit code.
    pub const fn code(self) -> u8 {
        self as u8
    }
}

/// A message about wrong flags with its first paragraph, the reason, moved to the end as one line: the last line of every
/// program says why it ended.
pub fn reason_last(message: &str) -> String {
    let (reason, rest) = message.trim().split_once("\n\n").unwrap_or((message, ""));
    let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    if rest.is_empty() { reason } else { format!("{}\n\n{reason}", rest.trim()) }
}

/// Environment variables.
pub mod env {
    /// The [`crate::Run`] as JSON, at most [`super::MAX_RUN_BYTES`].
    pub const RUN: &str = "SLIPWAY_RUN";
    /// The names a storage Secret may hold; only these are given to a step.
    pub const STORAGE: [&str; 7] = [
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
    ];
}

/// Paths in the pods of a run and of a server.
pub mod path {
    /// Root of a run's working volume.
    pub const ROOT: &str = "/slipway";
    /// The data files, read-only for `train`.
    pub const INPUT: &str = "/slipway/input";
    /// What `fetch` learned: data identity, champion. Not mounted in `train`.
    pub const META: &str = "/slipway/meta";
    /// What `train` writes.
    pub const OUTPUT: &str = "/slipway/output";
    /// The [`crate::Run`] as a file, for `train`.
    pub const RUN: &str = "/slipway/run.json";
    /// The artefact in a server pod.
    pub const MODEL: &str = "/slipway/model";
    /// Where a container leaves its last words for the kubelet.
    pub const TERMINATION_LOG: &str = "/dev/termination-log";
}

/// Names of files.
pub mod file {
    /// The artefact's table of contents; its sha256 is the artefact's digest.
    pub const MANIFEST: &str = "manifest.json";
    /// Everything known about a run, for programs. It tells how long training took, so it is no part of the artefact.
    pub const REPORT: &str = "report.json";
    /// The same for people: one page, made from [`REPORT`] alone.
    pub const PAGE: &str = "report.html";
    /// Which bytes a run trains on; recorded once so that every retry reads the same.
    pub const DATASET: &str = "dataset.json";
    /// Metrics a training image reports itself.
    pub const METRICS: &str = "metrics.json";
    /// A [`crate::report::TrainingNotes`]: how training went. Optional.
    pub const TRAINING: &str = "training.json";
    /// The learned model, in Slipway's own form; the trees of a model of trees are in [`TREES`].
    pub const MODEL: &str = "model.json";
    /// The trees of a model of trees, as numbers in a row.
    pub const TREES: &str = "trees.bin";
    /// Test rows with columns `truth` and `prediction`, for a classifier `probability:<class>`, and, so that checks can be
    /// evaluated and a champion scored on the same rows, the row itself as `input:<column>`.
    pub const TEST: &str = "test.csv";
    /// A folder: the artefact of the model that was fitted on the training rows alone, where the one beside it was fitted on
    /// all rows. It is judged, and stays where it is.
    pub const HELD_OUT: &str = "held-out";
    /// In [`super::path::META`]: folder of the champion's artefact.
    pub const CHAMPION: &str = "champion";
    /// In [`super::path::META`]: an earlier attempt's committed outcome; the attempt that finds it trains nothing.
    pub const COMMITTED: &str = "committed.json";
}

/// Largest `SLIPWAY_RUN`, bytes.
pub const MAX_RUN_BYTES: usize = 64 * 1024;
/// Largest termination message a step writes, bytes: the kubelet shares 12 KiB among all containers of a pod.
pub const MAX_MESSAGE_BYTES: usize = 1_200;

/// Names of data files as messages list them.
pub const DATA_NAMES: &str = ".csv, .tsv, .jsonl or .ndjson, also with .gz or .zst, or .parquet";

/// The format that a data file's name tells, without that of its compression; `None` of other files, of hidden ones and of the
/// markers that some programs leave, such as `_SUCCESS`.
pub fn data_format(name: &str) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase();
    let unpacked = lower.strip_suffix(".gz").or_else(|| lower.strip_suffix(".zst"));
    let (_, end) = unpacked.unwrap_or(&lower).rsplit_once('.')?;
    let text = ["csv", "tsv", "jsonl", "ndjson"].into_iter().find(|format| *format == end);
    let format = text.or((unpacked.is_none() && end == "parquet").then_some("parquet"));
    format.filter(|_| !name.starts_with(['.', '_']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_flags_end_with_the_reason() {
        let message =
            "error: the following were not provided:\n  --model <DIR>\n\nUsage: serve --model <DIR>\n\nTry --help.\n";
        assert_eq!(
            reason_last(message),
            "Usage: serve --model <DIR>\n\nTry --help.\n\nerror: the following were not provided: --model <DIR>"
        );
        assert_eq!(reason_last("error: no\n"), "error: no");
    }

    #[test]
    fn data_files_are_known_by_their_names() {
        for (name, expected) in [
            ("orders.csv", Some("csv")),
            ("orders.v2.CSV.GZ", Some("csv")),
            ("orders.jsonl.zst", Some("jsonl")),
            ("orders.parquet", Some("parquet")),
            ("orders.parquet.gz", None),
            ("orders.csv.bz2", None),
            ("orders.gz", None),
            ("csv", None),
            (".orders.csv", None),
            ("_SUCCESS", None),
        ] {
            assert_eq!(data_format(name), expected, "{name}");
        }
    }
}
