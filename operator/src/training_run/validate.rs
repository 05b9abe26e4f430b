//! From the object to what the later stages may rely on. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Resource, ResourceExt};
use slipway_crds::label;
use slipway_crds::training_run::{TrainingRun, TrainingRunSpec};
use slipway_spec::contract::MAX_RUN_BYTES;
use slipway_spec::{ArtefactRef, Builtin, ParameterError, Run, SearchError, Task, Train};
use thiserror::Error;

use crate::config::Config;

/// Room that a champion's address and digest may take in `SLIPWAY_RUN`, bytes.
const CHAMPION_BYTES: usize = 1_300;

/// A run that can be trained, as far as the operator can tell.
#[derive(Clone, Debug)]
pub struct ValidRun {
    /// Name of the run and of its Job.
    pub name: String,
    /// For the children's `ownerReferences`.
    pub owner: OwnerReference,
    /// What the steps are told; the champion is added when the Job is made.
    pub run: Run,
    /// How to find the champion; `None` where no gate compares with one.
    pub champion: Option<ChampionQuery>,
    /// The rest of the spec.
    pub spec: TrainingRunSpec,
}

/// How to find the champion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChampionQuery {
    /// The stable model of the `ModelDeployment` of that name.
    Named(String),
    /// The stable model of the `ModelDeployment` that follows that model name.
    Following(String),
}

/// Why a run cannot be trained; the message is for its author.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum Invalid {
    /// The API server has not given it a name, a namespace or a UID.
    #[error("the object has no {0}")]
    Metadata(&'static str),
    /// The estimator does not take a parameter.
    #[error("train.builtin.parameters: {0}")]
    Parameters(ParameterError),
    /// The search cannot be done.
    #[error("train.builtin.{0}")]
    Search(SearchError),
    /// The service account is not on the list.
    #[error("pod.serviceAccountName: {name} is not one of those the operator allows: {allowed}")]
    ServiceAccount {
        /// The name asked for.
        name: String,
        /// The names there are.
        allowed: String,
    },
    /// The spec does not fit into an environment variable.
    #[error(
        "the spec takes {bytes} bytes as JSON, at most {MAX_RUN_BYTES} can be given to the steps; shorten descriptions or lists"
    )]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
}

/// What a run says, checked beyond what the API server checks.
pub fn validate(object: &TrainingRun, config: &Config) -> Result<ValidRun, Invalid> {
    let name = object.meta().name.clone().ok_or(Invalid::Metadata("name"))?;
    let namespace = object.namespace().ok_or(Invalid::Metadata("namespace"))?;
    let uid = object.uid().ok_or(Invalid::Metadata("uid"))?;
    let owner = object.controller_owner_ref(&()).ok_or(Invalid::Metadata("uid"))?;
    let spec = object.spec.clone();
    if let Train::Builtin(builtin) = &spec.training.train {
        check_parameters(builtin, spec.training.task)?;
    }
    check_service_account(spec.pod.service_account_name.as_deref(), config)?;
    let run = Run {
        name: name.clone(),
        namespace,
        uid,
        champion: None,
        image: Some(match &spec.training.train {
            Train::Builtin(_) => config.trainer_image.clone(),
            Train::Container(container) => container.image.clone(),
        }),
        code_revision: object.annotations().get(label::CODE_REVISION).cloned(),
        committed: false,
        spec: spec.training.clone(),
    };
    let champion = champion_query(&spec);
    let valid = ValidRun { name, owner, run, champion, spec };
    let bytes = valid.run_json(None).len() + valid.champion.as_ref().map_or(0, |_| CHAMPION_BYTES);
    if bytes > MAX_RUN_BYTES {
        return Err(Invalid::TooLarge { bytes });
    }
    Ok(valid)
}

impl ValidRun {
    /// `SLIPWAY_RUN`.
    pub fn run_json(&self, champion: Option<&ArtefactRef>) -> String {
        let run = Run { champion: champion.cloned(), ..self.run.clone() };
        // A Run has string keys and finite numbers only, so it always is JSON.
        serde_json::to_string(&run).unwrap_or_default()
    }
}

/// Where the task is inferred later, parameters must fit one task at least.
fn check_parameters(builtin: &Builtin, task: Option<Task>) -> Result<(), Invalid> {
    let check = |task| match &builtin.search {
        None => builtin.parameters.check(builtin.estimator, task).map_err(Invalid::Parameters),
        Some(search) => search.check(&builtin.parameters, builtin.estimator, task).map_err(Invalid::Search),
    };
    match task {
        Some(task) => check(task),
        None => check(Task::Regression).or_else(|_| check(Task::Classification)),
    }
}

fn check_service_account(name: Option<&str>, config: &Config) -> Result<(), Invalid> {
    match name {
        Some(name) if name != "default" && !config.allowed_service_accounts.iter().any(|allowed| allowed == name) => {
            let allowed = config.allowed_service_accounts.iter().map(String::as_str);
            Err(Invalid::ServiceAccount {
                name: name.to_owned(),
                allowed: std::iter::once("default").chain(allowed).collect::<Vec<_>>().join(", "),
            })
        }
        _ => Ok(()),
    }
}

fn champion_query(spec: &TrainingRunSpec) -> Option<ChampionQuery> {
    let is_asked = spec.training.gates.iter().any(|gate| gate.champion.is_some());
    is_asked.then(|| match &spec.champion {
        Some(champion) => ChampionQuery::Named(champion.model_deployment.clone()),
        None => ChampionQuery::Following(spec.training.model_name.clone()),
    })
}

#[cfg(test)]
mod tests;
