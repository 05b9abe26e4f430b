//! What a state means for the cluster.

use jiff::Timestamp;
use slipway_crds::model_deployment::{Active, Phase, Revision};

use super::{Inputs, State};

/// Which revisions run, and which one gets the traffic. Every other revision is deleted.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    /// Name of the revision that the Service selects; `None`: no one has ever been ready.
    pub route: Option<String>,
    /// Revisions that run.
    pub workloads: Vec<Workload>,
    /// Name of a refused revision that is kept, if it is there, with one pod to look at.
    pub diagnosed: Option<String>,
    /// Names of earlier revisions that are kept without pods.
    pub dormant: Vec<String>,
    /// Name of the revision that has the traffic now and is neither scaled down nor deleted before it has moved.
    pub hold: Option<String>,
}

/// A revision that runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// The revision.
    pub revision: Revision,
    /// Its pods.
    pub replicas: i32,
    /// The attempt that it is part of: pods of an earlier attempt have to go first. `None` where it has proven itself.
    pub attempt: Option<Timestamp>,
}

/// The layout of `state`.
pub fn layout(state: &State, inputs: &Inputs<'_>) -> Layout {
    let mut workloads: Vec<_> = state
        .stable
        .iter()
        .map(|stable| Workload { revision: stable.revision.clone(), replicas: inputs.replicas, attempt: None })
        .collect();
    workloads.extend(subject(state, inputs));
    let hold = inputs.routed.filter(|routed| workloads.iter().all(|workload| workload.revision.revision != *routed));
    let dormant =
        state.history.iter().take(inputs.settings.history_limit).map(|earlier| earlier.revision.clone()).collect();
    Layout {
        route: route(state, inputs),
        workloads,
        diagnosed: diagnosed(state),
        dormant,
        hold: hold.map(str::to_owned),
    }
}

/// The revision beside the stable one.
fn subject(state: &State, inputs: &Inputs<'_>) -> Option<Workload> {
    let running =
        |revision: &Revision, attempt| Workload { revision: revision.clone(), replicas: inputs.replicas, attempt };
    match &state.phase {
        Phase::Verifying(attempt) | Phase::Progressing(attempt) => {
            Some(running(&attempt.candidate, Some(attempt.started_at)))
        }
        Phase::Baking(bake) => Some(running(&bake.candidate, None)),
        Phase::Held(held) => Some(match &held.resume {
            Active::Verifying(attempt) | Active::Progressing(attempt) => {
                running(&attempt.candidate, Some(attempt.started_at))
            }
            Active::Baking(bake) => running(&bake.candidate, None),
        }),
        Phase::Idle | Phase::RollingBack(_) | Phase::RolledBack(_) | Phase::Stalled(_) => None,
    }
}

/// The first model of a deployment failed: one pod of it stays, for a person to look at.
fn diagnosed(state: &State) -> Option<String> {
    let failed = state.phase.failed().filter(|_| state.stable.is_none());
    failed.map(|failed| failed.revision.clone())
}

/// Who gets the traffic: the candidate while it bakes, unless no pod of it was ready a moment ago; otherwise the stable revision; but
/// never one without a ready pod in the place of one that has some.
fn route(state: &State, inputs: &Inputs<'_>) -> Option<String> {
    let baking = match &state.phase {
        Phase::Baking(bake) => Some(bake),
        Phase::Held(held) => match &held.resume {
            Active::Baking(bake) => Some(bake),
            Active::Verifying(_) | Active::Progressing(_) => None,
        },
        Phase::Idle
        | Phase::Verifying(_)
        | Phase::Progressing(_)
        | Phase::RollingBack(_)
        | Phase::RolledBack(_)
        | Phase::Stalled(_) => None,
    };
    let candidate = baking.map(|bake| bake.candidate.revision.as_str());
    let preferred = match baking {
        Some(bake) if bake.on_probation => [state.stable_name(), candidate],
        _ => [candidate, state.stable_name()],
    };
    let serving = preferred.into_iter().flatten().find(|name| inputs.is_serving(name));
    let kept = || inputs.routed.filter(|name| inputs.is_serving(name));
    serving.or_else(kept).or(preferred.into_iter().flatten().next()).map(str::to_owned)
}
