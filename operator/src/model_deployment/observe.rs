//! Everything a reconcile reads, from the stores of the watches: fetched, not judged.

mod pods;

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Resource, ResourceExt};
use slipway_crds::label;
use slipway_crds::model_deployment::{Active, ModelDeployment, ModelSource, Phase};
use slipway_crds::training_run::TrainingRun;

use super::build;
use crate::kube_io::{Queue, Watch, owner};
use crate::rollout::{Health, State};

/// The watches that the controller reads and is woken by.
pub struct Watches<'a> {
    /// The deployments themselves.
    pub objects: &'a mut Watch<ModelDeployment>,
    /// Runs that may be followed.
    pub runs: &'a mut Watch<TrainingRun>,
    /// Revisions.
    pub deployments: &'a mut Watch<Deployment>,
    /// Their pods.
    pub pods: &'a mut Watch<Pod>,
    /// Routes.
    pub services: &'a mut Watch<Service>,
    /// Disruption budgets.
    pub budgets: &'a mut Watch<PodDisruptionBudget>,
}

/// The stores of those watches.
pub struct Stores {
    runs: Store<TrainingRun>,
    deployments: Store<Deployment>,
    pods: Store<Pod>,
    services: Store<Service>,
    budgets: Store<PodDisruptionBudget>,
}

impl Stores {
    /// Subscribes `queue` to every change that may matter to a deployment.
    pub fn subscribe(queue: &Queue<ModelDeployment>, watches: Watches<'_>) -> Stores {
        let Watches { objects, runs, deployments, pods, services, budgets } = watches;
        let all = objects.store();
        objects.subscribe(queue, |object| Some(ObjectRef::from_obj(object)));
        runs.subscribe(queue, move |run| {
            let followers = all.state_filter(|object| is_followed_by(run, object));
            followers.into_iter().map(|object| ObjectRef::from_obj(object.as_ref())).collect::<Vec<_>>()
        });
        deployments.subscribe(queue, owner);
        services.subscribe(queue, owner);
        budgets.subscribe(queue, owner);
        pods.subscribe(queue, |pod| {
            let labels = pod.labels();
            let name = labels.get(label::INSTANCE).filter(|_| labels.contains_key(label::REVISION))?;
            Some(ObjectRef::new(name).within(&pod.namespace()?))
        });
        Stores {
            runs: runs.store(),
            deployments: deployments.store(),
            pods: pods.store(),
            services: services.store(),
            budgets: budgets.store(),
        }
    }

    /// What is known about `object`.
    pub fn observe(&self, object: &ModelDeployment) -> Observed {
        let (namespace, uid) = (object.namespace().unwrap_or_default(), object.uid().unwrap_or_default());
        let name = object.name_any();
        let is_neighbour = |pod: &Pod| {
            pod.namespace().as_deref() == Some(namespace.as_str()) && pod.labels().get(label::INSTANCE) == Some(&name)
        };
        Observed {
            runs: self.runs.state().into_iter().filter(|run| run.namespace().as_ref() == Some(&namespace)).collect(),
            deployments: owned(&self.deployments, &uid),
            pods: self.pods.state().into_iter().filter(|pod| is_neighbour(pod)).collect(),
            service: owned(&self.services, &uid).into_iter().find(|service| service.name_any() == name),
            budget: owned(&self.budgets, &uid).into_iter().find(|budget| budget.name_any() == name),
        }
    }
}

/// Whether what becomes of `run` may matter to `object`.
fn is_followed_by(run: &TrainingRun, object: &ModelDeployment) -> bool {
    let ModelSource::Follow(follow) = &object.spec.model else { return false };
    object.metadata.namespace == run.metadata.namespace && follow.model_name == run.spec.training.model_name
}

fn owned<K>(store: &Store<K>, uid: &str) -> Vec<Arc<K>>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    let is_owned = |object: &Arc<K>| object.owner_references().iter().any(|owner| owner.uid == uid);
    let mut owned: Vec<_> = store.state().into_iter().filter(is_owned).collect();
    owned.sort_by_key(|object| object.name_any());
    owned
}

/// What is known about one deployment.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// All runs of the namespace.
    pub runs: Vec<Arc<TrainingRun>>,
    /// Its revisions.
    pub deployments: Vec<Arc<Deployment>>,
    /// Its pods.
    pub pods: Vec<Arc<Pod>>,
    /// Its route.
    pub service: Option<Arc<Service>>,
    /// Its disruption budget.
    pub budget: Option<Arc<PodDisruptionBudget>>,
}

impl Observed {
    /// The revision that the Service selects.
    pub fn routed(&self) -> Option<&str> {
        let selector = self.service.as_ref()?.spec.as_ref()?.selector.as_ref()?;
        selector.get(label::REVISION).map(String::as_str).filter(|revision| *revision != build::NO_REVISION)
    }

    /// The pods of each revision. Those of an attempt before the present one tell nothing about it.
    pub fn health(&self, state: &State) -> BTreeMap<String, Health> {
        let attempt = match &state.phase {
            Phase::Verifying(attempt) | Phase::Progressing(attempt) => Some(attempt),
            Phase::Held(held) => match &held.resume {
                Active::Verifying(attempt) | Active::Progressing(attempt) => Some(attempt),
                Active::Baking(_) => None,
            },
            Phase::Idle | Phase::Baking(_) | Phase::RollingBack(_) | Phase::RolledBack(_) | Phase::Stalled(_) => None,
        };
        let is_of_an_earlier_attempt = |deployment: &Deployment| {
            attempt.is_some_and(|attempt| {
                attempt.candidate.revision == deployment.name_any()
                    && build::attempt_of(deployment) != Some(attempt.started_at)
            })
        };
        self.deployments
            .iter()
            .filter(|deployment| deployment.metadata.deletion_timestamp.is_none())
            .filter(|deployment| !is_of_an_earlier_attempt(deployment))
            .map(|deployment| (deployment.name_any(), pods::health(deployment, &self.pods)))
            .collect()
    }
}
