//! The pods of a revision, summed up, and what in them counts as a failure.

use jiff::{SignedDuration, Timestamp};
use slipway_crds::model_deployment::{Failure, FailureReason, Readiness};

/// How long an image may be out of reach before the rollout gives up: a registry restarts in less.
pub const PULL_PATIENCE: SignedDuration = SignedDuration::from_secs(60);

/// How long a candidate that has the traffic may be without a ready pod: pods that somebody deleted are back in less, and
/// meanwhile the stable revision answers.
pub const UNREADY_PATIENCE: SignedDuration = SignedDuration::from_secs(30);

/// Failed starts of one pod that are a crash loop: anyone may stumble once.
const CRASH_LOOP: i32 = 2;

/// How often a candidate may become unready before waiting for its deadline is pointless.
const FLAPPING: i32 = 3;

/// The pods of one revision, without those on their way out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Pods.
    pub pods: i32,
    /// Those that are ready.
    pub ready: i32,
    /// Whether a pod has fetched and verified the artefact.
    pub verified: bool,
    /// The last end of each container that has ended.
    pub ends: Vec<End>,
    /// What is wrong.
    pub troubles: Vec<Trouble>,
}

/// How a container that should run, or should have ended well, ended last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// When.
    pub at: Timestamp,
    /// When its pod was made.
    pub pod_made: Timestamp,
    /// How often it has failed to start, or ended, in this pod.
    pub times: i32,
    /// The container's own words.
    pub words: String,
}

/// Something that is wrong with a pod, or that keeps it from existing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// A container ended with a code after which trying again cannot help: 64 to 67.
    Exit {
        /// The code.
        code: i32,
        /// The container's own words.
        words: String,
    },
    /// A container failed to start, or ended.
    FailedStart {
        /// How often, in this pod.
        times: i32,
        /// The container's own words.
        words: String,
    },
    /// An image does not come.
    Image {
        /// Whether its name is none, so that it can never come.
        is_name_invalid: bool,
        /// Whether the user chose it; otherwise it is one of Slipway's own.
        is_users: bool,
        /// The kubelet's words.
        words: String,
    },
    /// No quota or no node has room.
    NoRoom {
        /// The words of the scheduler or of the quota.
        words: String,
    },
    /// The artefact's store does not answer: exit code 69.
    Storage {
        /// The container's own words.
        words: String,
    },
    /// Anything else that a pod waits for.
    Waiting {
        /// The kubelet's words.
        words: String,
    },
}

impl Trouble {
    /// What to tell a person.
    pub fn words(&self) -> &str {
        match self {
            Trouble::Exit { words, .. }
            | Trouble::FailedStart { words, .. }
            | Trouble::Image { words, .. }
            | Trouble::NoRoom { words }
            | Trouble::Storage { words }
            | Trouble::Waiting { words } => words,
        }
    }
}

impl Health {
    /// The first image that cannot be pulled.
    pub fn pull_trouble(&self) -> Option<&Trouble> {
        self.troubles.iter().find(|trouble| matches!(trouble, Trouble::Image { .. }))
    }
}

/// Whether the candidate has failed for certain, so that waiting for the deadline would only waste time.
/// `pull_fails_since`: since when an image cannot be pulled.
pub fn definite_failure(health: &Health, pull_fails_since: Option<Timestamp>, now: Timestamp) -> Option<Failure> {
    let impatient = pull_fails_since.is_some_and(|since| now >= since + PULL_PATIENCE);
    health.troubles.iter().find_map(|trouble| {
        let reason = match trouble {
            Trouble::Exit { code, .. } => of_exit_code(*code),
            Trouble::FailedStart { times, .. } if *times >= CRASH_LOOP => FailureReason::CrashLoop,
            Trouble::Image { is_name_invalid, is_users, .. } if *is_name_invalid || impatient => of_image(*is_users),
            Trouble::FailedStart { .. }
            | Trouble::Image { .. }
            | Trouble::NoRoom { .. }
            | Trouble::Storage { .. }
            | Trouble::Waiting { .. } => return None,
        };
        Some(Failure { reason, message: trouble.words().to_owned(), at: now })
    })
}

/// Whether the candidate becomes ready and unready over and over; `since` when it is looked at.
pub fn flapping(readiness: &Readiness, since: Timestamp, now: Timestamp) -> Option<String> {
    let times = readiness.unready_times;
    let seconds = now.duration_since(since).as_secs();
    (times >= FLAPPING).then(|| format!("became unready {times} times within {seconds} s"))
}

/// The end of a server that has had traffic since `since`: the first one of a pod that was there then; of one that was
/// made later, by an autoscaler or after a drain, the second.
pub fn end_under_traffic(health: &Health, since: Timestamp) -> Option<&End> {
    health.ends.iter().find(|end| end.at >= since && (end.pod_made <= since || end.times >= CRASH_LOOP))
}

/// Why a candidate that had until now to get ready did not: never for a reason that would be unfair to it.
pub fn deadline_failure(health: &Health, replicas: i32, waited: SignedDuration, now: Timestamp) -> Failure {
    let seconds = waited.as_secs();
    let summary = if health.ready < replicas {
        format!("{} of {replicas} pods ready after {seconds} s", health.ready)
    } else {
        format!("pods were not ready for long enough without a break within {seconds} s")
    };
    let (reason, words) = match health.troubles.first() {
        None if health.pods == 0 => (FailureReason::Infrastructure, Some("no pod was created")),
        None => (FailureReason::ReadinessProbe, None),
        Some(trouble) => (of_trouble(trouble), Some(trouble.words())),
    };
    let message = words.map_or(summary.clone(), |words| format!("{summary}: {words}"));
    Failure { reason, message, at: now }
}

fn of_trouble(trouble: &Trouble) -> FailureReason {
    match trouble {
        Trouble::Exit { code, .. } => of_exit_code(*code),
        Trouble::Image { is_users, .. } => of_image(*is_users),
        Trouble::NoRoom { .. } | Trouble::Storage { .. } => FailureReason::Infrastructure,
        Trouble::FailedStart { .. } | Trouble::Waiting { .. } => FailureReason::ReadinessProbe,
    }
}

/// An image that the user did not choose says nothing against the user's model.
fn of_image(is_users: bool) -> FailureReason {
    if is_users { FailureReason::ImagePull } else { FailureReason::Infrastructure }
}

fn of_exit_code(code: i32) -> FailureReason {
    match code {
        64 => FailureReason::InvalidSpec,
        66 => FailureReason::ArtefactNotFound,
        67 => FailureReason::InputsIncompatible,
        _ => FailureReason::ArtefactInvalid,
    }
}
