//! The `TrainingRun` API: one training of one model, never changed and never repeated.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use slipway_spec::schema::rule;
use slipway_spec::{ArtefactRef, Task, TrainingSpec, Verdict};

pub use crate::pod::PodSettings;
use crate::schema;

/// Reasons of the conditions of a run.
pub mod reason {
    // Succeeded Unknown: the run is under way.

    /// The Job is there or about to be; its pod has not begun.
    pub const STARTING: &str = "Starting";
    /// The data is being fetched.
    pub const FETCHING: &str = "Fetching";
    /// The model is being trained.
    pub const TRAINING: &str = "Training";
    /// The model is being judged and uploaded.
    pub const PUBLISHING: &str = "Publishing";
    /// An attempt failed, another is coming.
    pub const RETRYING: &str = "Retrying";
    /// The Job is done, but its report got lost and is being read from the store.
    pub const READING_REPORT: &str = "ReadingReport";
    /// A quota leaves no room. The run waits for room until its deadline.
    pub const QUOTA_EXCEEDED: &str = "QuotaExceeded";
    /// No node has room. The run waits for room until its deadline.
    pub const UNSCHEDULABLE: &str = "Unschedulable";
    /// `spec.suspend` holds the run.
    pub const SUSPENDED: &str = "Suspended";
    /// The queue of `spec.queueName` has not let the run go yet.
    pub const QUEUED: &str = "Queued";
    /// An image cannot be pulled. The run waits for it until its deadline; one whose name is none fails at once.
    pub const IMAGE_PULL: &str = "ImagePull";
    /// The Job's name is taken by an object of somebody else, or of a deleted run on its way out.
    pub const NAME_TAKEN: &str = "NameTaken";

    // Succeeded Unknown while there is hope, then False.

    /// A pod cannot be created or started for another reason, such as a policy of the cluster.
    pub const POD_NOT_STARTED: &str = "PodNotStarted";

    // Succeeded True.

    /// Trained, passed every gate and check, and published.
    pub const GATES_PASSED: &str = "GatesPassed";
    /// Trained and published; the run has neither gates nor checks.
    pub const PUBLISHED: &str = "Published";

    // Succeeded False.

    /// Trained, but a gate or a check refused the model: exit code 67.
    pub const GATE_FAILED: &str = "GateFailed";
    /// The spec cannot be trained: exit code 64, or refused by the operator or the API server.
    pub const INVALID_SPEC: &str = "InvalidSpec";
    /// The data, or the training image's output, is not what it must be: exit code 65.
    pub const BAD_DATA: &str = "BadData";
    /// The data does not exist: exit code 66.
    pub const DATA_NOT_FOUND: &str = "DataNotFound";
    /// Object storage could not be reached or refused the credentials, in every attempt: exit code 69.
    pub const STORAGE_UNAVAILABLE: &str = "StorageUnavailable";
    /// A step used more memory than its limit, in the last attempt.
    pub const OOM_KILLED: &str = "OOMKilled";
    /// `activeDeadlineSeconds` passed.
    pub const DEADLINE_EXCEEDED: &str = "DeadlineExceeded";
    /// A step failed in every attempt; the message has its last line.
    pub const JOB_FAILED: &str = "JobFailed";
    /// The Job is done, but its report can be read neither from the pod nor from the store.
    pub const REPORT_LOST: &str = "ReportLost";
}

/// Trains one version of a model on one state of the data, judges it, and publishes it if it is good. Does not change and
/// is not repeated: for another training create another run.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "slipway.dev",
    version = "v1alpha1",
    kind = "TrainingRun",
    plural = "trainingruns",
    shortname = "trun",
    category = "ml",
    namespaced,
    status = "TrainingRunStatus",
    derive = "PartialEq",
    selectable = ".spec.modelName",
    doc = "Trains one version of a model, judges it, and publishes it if it is good.",
    printcolumn(name = "Model", type_ = "string", json_path = ".spec.modelName"),
    printcolumn(
        name = "Succeeded",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Succeeded\")].status"
    ),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Succeeded\")].reason"),
    printcolumn(name = "Score", type_ = "string", json_path = ".status.score"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Succeeded\")].message",
        priority = 1
    ),
    printcolumn(name = "Digest", type_ = "string", json_path = ".status.artefact.digest", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = schema::name_rule()
)]
#[schemars(extend("x-kubernetes-validations" = spec_rules()))]
#[serde(rename_all = "camelCase")]
pub struct TrainingRunSpec {
    /// What to train.
    #[serde(flatten)]
    pub training: TrainingSpec,
    /// How the steps reach object storage.
    #[serde(default)]
    pub storage: Storage,
    /// The model that gates with `champion` compare with. Default: the stable model of the ModelDeployment in this
    /// namespace that follows this modelName.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub champion: Option<Champion>,
    /// The pods of this run.
    #[serde(default, skip_serializing_if = "PodSettings::is_empty")]
    pub pod: PodSettings,
    /// Holds the run: no pod runs while this is true, and a running one is stopped and starts again later. May be changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
    /// A LocalQueue of Kueue in this namespace, which decides when the run may start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::queue_name")]
    pub queue_name: Option<String>,
    /// How often a failed attempt is repeated. Bad data, a wrong spec or a failed gate is never repeated.
    #[serde(default = "default_retries")]
    #[schemars(range(min = 0, max = 10))]
    pub retries: i32,
    /// Seconds after which the run fails, all attempts together.
    #[serde(default = "default_active_deadline_seconds")]
    #[schemars(range(min = 10, max = 2_592_000))]
    pub active_deadline_seconds: i32,
    /// Seconds after its end after which this object is deleted; its artefact and report stay. May be changed.
    #[serde(default = "default_ttl_seconds_after_finished")]
    #[schemars(range(min = 0, max = 315_360_000))]
    pub ttl_seconds_after_finished: i32,
}

fn default_retries() -> i32 {
    2
}

fn default_active_deadline_seconds() -> i32 {
    7_200
}

fn default_ttl_seconds_after_finished() -> i32 {
    604_800
}

/// Fields of the spec that never change: all but `suspend` and `ttlSecondsAfterFinished`.
const IMMUTABLE: [&str; 15] = [
    "modelName",
    "data",
    "target",
    "task",
    "positiveClass",
    "train",
    "gates",
    "checks",
    "output",
    "storage",
    "champion",
    "pod",
    "queueName",
    "retries",
    "activeDeadlineSeconds",
];

fn spec_rules() -> Value {
    let same: Vec<_> = IMMUTABLE
        .iter()
        .map(|name| {
            format!("has(self.{name}) == has(oldSelf.{name}) && (!has(self.{name}) || self.{name} == oldSelf.{name})")
        })
        .collect();
    let mut rules = slipway_spec::schema::training_rules();
    rules.push(rule(
        same.join(" && "),
        "a TrainingRun does not change, only suspend and ttlSecondsAfterFinished may; create another run, for example \
         with metadata.generateName and kubectl create",
    ));
    rules.push(rule(
        "!has(self.queueName) || !has(self.suspend) || !self.suspend",
        "the queue decides when this run starts; leave out suspend and hold it there, or leave out queueName",
    ));
    Value::Array(rules)
}

/// How a pod reaches object storage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Storage {
    /// A Secret in this namespace with the usual AWS_* names: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
    /// AWS_SESSION_TOKEN, AWS_REGION, AWS_DEFAULT_REGION, AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_S3. Where it does not exist,
    /// the identity of the pod's service account is used.
    #[schemars(schema_with = "schema::object_name")]
    pub secret_name: String,
}

impl Default for Storage {
    fn default() -> Self {
        Storage { secret_name: "slipway-storage".to_owned() }
    }
}

/// Which model to compare with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Champion {
    /// A ModelDeployment in this namespace; its stable model is the champion.
    #[schemars(schema_with = "schema::object_name")]
    pub model_deployment: String,
}

/// What became of a run. Once `Succeeded` is True or False it does not change again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrainingRunStatus {
    /// The metadata.generation that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The Job; written before the Job is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobStatus>,
    /// When the run was taken up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When it ended, well or badly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
    /// The task, given or inferred.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<Task>,
    /// The model that gates compare with, found when the Job was made; absent where there was none or no gate asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub champion: Option<ArtefactRef>,
    /// The bytes trained on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<DataStatus>,
    /// The published model; absent where it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artefact: Option<ArtefactStatus>,
    /// Address of report.html, a page with every metric, gate, check, warning and picture; report.json beside it says the
    /// same to programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2_048))]
    pub report: Option<String>,
    /// Metrics on the test rows: those with gates, then others while there is room.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub metrics: Vec<MetricValue>,
    /// The metric of the first gate with its value, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub score: Option<String>,
    /// What gates and checks said together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judgement: Option<JudgementStatus>,
    /// The last lines that a step which failed has left, the latest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), inner(length(max = 256)))]
    pub log_tail: Vec<String>,
    /// Conditions: Succeeded, Ready (the same), Reconciling and Stalled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::condition::conditions_schema")]
    pub conditions: Vec<Condition>,
}

/// The Job of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobStatus {
    /// Name.
    #[schemars(length(max = 63))]
    pub name: String,
    /// Attempts begun so far.
    #[serde(default)]
    pub attempts: i32,
}

/// The bytes a run trained on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DataStatus {
    /// The object.
    #[schemars(length(max = 2_048))]
    pub uri: String,
    /// sha256 of its bytes, as `sha256:` and 64 hexadecimal digits.
    #[schemars(length(max = 128))]
    pub digest: String,
}

/// A published model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ArtefactStatus {
    /// The folder that holds manifest.json.
    #[schemars(length(max = 2_048))]
    pub uri: String,
    /// sha256 of manifest.json, as `sha256:` and 64 hexadecimal digits.
    #[schemars(length(max = 128))]
    pub digest: String,
    /// Size of all its files, bytes.
    #[serde(default)]
    pub size_bytes: i64,
}

/// The value of a metric.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetricValue {
    /// Name, as in gates.
    #[schemars(length(min = 1, max = 64))]
    pub name: String,
    /// Value.
    pub value: f64,
}

/// What gates and checks said together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JudgementStatus {
    /// The verdict.
    pub verdict: Verdict,
    /// How many gates and checks failed.
    pub failed: i32,
    /// How many warnings the report holds.
    pub warnings: i32,
    /// The first failure; of a model that passed, the first warning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2_048))]
    pub message: Option<String>,
}

impl TrainingRun {
    /// Whether the run is over, for good.
    pub fn is_finished(&self) -> bool {
        self.succeeded().is_some()
    }

    /// Whether the run ended well; `None` while it has not ended.
    pub fn succeeded(&self) -> Option<bool> {
        let conditions = &self.status.as_ref()?.conditions;
        match crate::condition::find(conditions, crate::condition::SUCCEEDED)?.status.as_str() {
            "True" => Some(true),
            "False" => Some(false),
            _ => None,
        }
    }
}
