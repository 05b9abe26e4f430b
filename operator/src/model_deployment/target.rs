//! Which revision the spec asks for now.

use std::cmp::Ordering;
use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;
use slipway_crds::model_deployment::Revision;
use slipway_crds::model_deployment::phase::{Followed as Origin, Score};
use slipway_crds::training_run::TrainingRun;
use slipway_spec::{ArtefactRef, Metric, Metrics, Verdict, judge};

use super::validate::{Choice, Followed, Source, ValidDeployment};
use crate::rollout::State;

/// What the spec asks for, and how that was found out.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// The revision; `None` where there is nothing to serve yet.
    pub target: Option<Revision>,
    /// How it was found.
    pub finding: Finding,
}

/// How the target was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The spec names the bytes.
    Pinned,
    /// This run was chosen.
    Run(String),
    /// No run is better than what serves or is being rolled out.
    Kept,
    /// No run can be followed; what to tell a person.
    Nothing(String),
    /// The spec cannot be served; what to write instead.
    Invalid(String),
}

/// An artefact, before it is a revision.
#[derive(Clone, Debug)]
struct Candidate {
    artefact: ArtefactRef,
    run: Option<String>,
    origin: Option<Origin>,
}

/// The target of `valid` among the runs of its namespace. Following goes forward only, measured against what is being
/// rolled out or else serves; so a run that is deleted takes nothing away.
pub fn resolve(valid: &ValidDeployment, runs: &[Arc<TrainingRun>], state: &State) -> Resolved {
    let follow = match &valid.source {
        Source::Invalid(message) => {
            return Resolved { target: None, finding: Finding::Invalid(message.clone()) };
        }
        Source::Pinned(artefact) => {
            let candidate = Candidate { artefact: artefact.clone(), run: None, origin: None };
            return Resolved { target: Some(revision(valid, candidate)), finding: Finding::Pinned };
        }
        Source::Followed(follow) => follow,
    };
    let current = current(state, &follow.model_name);
    let best = runs.iter().filter_map(|run| eligible(run, follow).ok()).max_by(|a, b| rank(follow.choice, a, b));
    match (best, current) {
        (Some(best), Some(current)) if rank(follow.choice, &best, &current) != Ordering::Greater => {
            let is_same = best.run == current.run;
            let finding = current.run.clone().filter(|_| is_same).map_or(Finding::Kept, Finding::Run);
            Resolved { target: Some(revision(valid, current)), finding }
        }
        (Some(best), _) => {
            let finding = Finding::Run(best.run.clone().unwrap_or_default());
            Resolved { target: Some(revision(valid, best)), finding }
        }
        (None, Some(current)) => Resolved { target: Some(revision(valid, current)), finding: Finding::Kept },
        (None, None) => Resolved { target: None, finding: Finding::Nothing(nothing(runs, follow)) },
    }
}

/// What is being rolled out or serves, if it came from a run of that model.
fn current(state: &State, model_name: &str) -> Option<Candidate> {
    let stable = state.stable.as_ref().map(|stable| &stable.revision);
    let revision = state.phase.candidate().or(stable)?;
    let origin = revision.followed.as_ref().filter(|origin| origin.model_name == model_name)?;
    Some(Candidate {
        artefact: ArtefactRef { uri: revision.uri.clone(), digest: revision.digest.clone() },
        run: revision.training_run.clone(),
        origin: Some(origin.clone()),
    })
}

/// The run's model, or why it is not followed.
fn eligible(run: &TrainingRun, follow: &Followed) -> Result<Candidate, String> {
    let name = run.name_any();
    let training = &run.spec.training;
    if training.model_name != follow.model_name {
        return Err(format!("{name} trains {}", training.model_name));
    }
    let status = run.status.as_ref().filter(|_| run.succeeded() == Some(true));
    let Some((status, artefact)) = status.and_then(|status| Some((status, status.artefact.as_ref()?))) else {
        return Err(format!("{name} has not succeeded"));
    };
    if training.gates.is_empty() && follow.require.is_empty() {
        return Err(format!("{name} has no gates; give it some, or write spec.model.follow.require"));
    }
    let metrics: Metrics = status.metrics.iter().map(|metric| (metric.name.clone(), metric.value)).collect();
    let judgement = judge::judge(&metrics, None, None, &follow.require, vec![]);
    if judgement.verdict == Verdict::Refused {
        return Err(format!("{name} does not meet require: {}", judgement.failures().collect::<Vec<_>>().join(", ")));
    }
    let score = match follow.choice {
        Choice::Newest => None,
        Choice::Best(metric) => {
            let value = *metrics.get(metric.name()).ok_or_else(|| format!("{name} reports no {}", metric.name()))?;
            Some(Score { metric: metric.name().to_owned(), value })
        }
    };
    Ok(Candidate {
        artefact: ArtefactRef { uri: artefact.uri.clone(), digest: artefact.digest.clone() },
        run: Some(name),
        origin: Some(Origin {
            model_name: follow.model_name.clone(),
            uid: run.uid().unwrap_or_default(),
            created_at: created_at(run),
            score,
        }),
    })
}

fn created_at(run: &TrainingRun) -> Timestamp {
    run.creation_timestamp().map(|time| time.0).unwrap_or_default()
}

/// Whether `a` is chosen over `b`. One without the score that is compared loses.
fn rank(choice: Choice, a: &Candidate, b: &Candidate) -> Ordering {
    let position =
        |candidate: &Candidate| candidate.origin.as_ref().map(|origin| (origin.created_at, origin.uid.clone()));
    let by_age = position(a).cmp(&position(b));
    match choice {
        Choice::Newest => by_age,
        Choice::Best(metric) => match (score(a, metric), score(b, metric)) {
            (Some(a), Some(b)) if metric.higher_is_better() => a.total_cmp(&b).then(by_age),
            (Some(a), Some(b)) => b.total_cmp(&a).then(by_age),
            (a, b) => a.is_some().cmp(&b.is_some()).then(by_age),
        },
    }
}

fn score(candidate: &Candidate, metric: Metric) -> Option<f64> {
    let score = candidate.origin.as_ref()?.score.as_ref()?;
    (score.metric == metric.name()).then_some(score.value)
}

/// What to tell where no run can be followed: why the newest one is not.
fn nothing(runs: &[Arc<TrainingRun>], follow: &Followed) -> String {
    let of_model = runs.iter().filter(|run| run.spec.training.model_name == follow.model_name);
    match of_model.max_by_key(|run| (created_at(run), run.uid())) {
        None => format!("no TrainingRun in this namespace has modelName {}", follow.model_name),
        Some(run) => {
            let why = eligible(run, follow).err().unwrap_or_default();
            format!("no TrainingRun with modelName {} can be served yet: {why}", follow.model_name)
        }
    }
}

fn revision(valid: &ValidDeployment, candidate: Candidate) -> Revision {
    let uri = &candidate.artefact.uri;
    let version = uri.trim_end_matches('/').rsplit('/').next().unwrap_or(uri).to_owned();
    Revision {
        revision: valid.revision_name(&candidate.artefact),
        version,
        uri: uri.clone(),
        digest: candidate.artefact.digest.clone(),
        training_run: candidate.run,
        followed: candidate.origin,
        template_hash: valid.template_hash(),
        template: valid.template.clone(),
    }
}
