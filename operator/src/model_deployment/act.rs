//! Makes the cluster as the layout says. Chooses nothing; every write may be repeated.

use k8s_openapi::api::apps::v1::Deployment;
use kube::{Client, Resource, ResourceExt};
use serde_json::json;

use super::build::{self, Built};
use super::error::ActError;
use super::observe::Observed;
use super::validate::ValidDeployment;
use crate::config::Config;
use crate::kube_io::{Applier, Created, Kind};
use crate::rollout::{Layout, State, Workload};

/// Field managers, one for each concern.
const WORKLOAD: &str = "slipway-operator/workload";
const ROUTE: &str = "slipway-operator/route";

/// What has to be done about one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is as it should be, or on its way out before it can be made again.
    Keep,
    /// It is not there.
    Create,
    /// It has another number of pods.
    Scale,
    /// It sleeps since an earlier rollout.
    Wake,
    /// Its pods belong to an earlier attempt.
    Delete,
}

/// Everything that one pass needs.
pub struct Pass<'a> {
    /// The spec.
    pub valid: &'a ValidDeployment,
    /// Where the rollout stands; already persisted.
    pub state: &'a State,
    /// What that means.
    pub layout: &'a Layout,
    /// What is there.
    pub observed: &'a Observed,
    /// Images of Slipway's own.
    pub config: &'a Config,
}

impl Pass<'_> {
    /// Workloads, then the route, then what is no longer needed. A revision that cannot be made must not keep the traffic
    /// from where it belongs.
    pub async fn act(&self, client: &Client) -> Result<(), ActError> {
        let workload = Applier::new(client, &self.valid.namespace, WORKLOAD);
        let route = Applier::new(client, &self.valid.namespace, ROUTE);
        let made = self.make_workloads(&workload).await;
        self.set_route(&route).await?;
        self.tidy(&workload).await?;
        made
    }

    fn existing(&self, revision: &str) -> Option<&Deployment> {
        let mut deployments = self.observed.deployments.iter();
        deployments.find(|deployment| deployment.name_any() == revision).map(AsRef::as_ref)
    }

    async fn make_workloads(&self, applier: &Applier) -> Result<(), ActError> {
        for workload in &self.layout.workloads {
            let built = Built { valid: self.valid, workload, stable: self.state.stable.as_ref(), config: self.config };
            let name = &workload.revision.revision;
            let existing = self.existing(name);
            match step(existing, &built) {
                Step::Keep => {}
                Step::Create => create(applier, &build::deployment(&built), &self.valid.owner.uid).await?,
                Step::Scale => scale(applier, name, workload.replicas).await?,
                Step::Wake => wake(applier, name, workload).await?,
                Step::Delete => {
                    if let Some(existing) = existing {
                        applier.delete(existing).await?;
                    }
                }
            }
        }
        Ok(())
    }

    async fn set_route(&self, applier: &Applier) -> Result<(), ActError> {
        let owner = &self.valid.owner.uid;
        let route = self.layout.route.as_deref();
        apply(applier, &build::service(self.valid, route), self.observed.service.as_deref(), owner).await?;
        let live = self.observed.budget.as_deref();
        match (build::budget(self.valid, route), live) {
            (Some(budget), live) => apply(applier, &budget, live, owner).await,
            (None, Some(live)) => Ok(applier.delete(live).await?),
            (None, None) => Ok(()),
        }
    }

    /// Scales down and deletes, but nothing that still has traffic.
    async fn tidy(&self, applier: &Applier) -> Result<(), ActError> {
        let Layout { workloads, dormant, diagnosed, hold, .. } = self.layout;
        let hold = hold.as_deref();
        for deployment in &self.observed.deployments {
            let name = deployment.name_any();
            if hold == Some(name.as_str()) || workloads.iter().any(|workload| workload.revision.revision == name) {
                continue;
            }
            let replicas = i32::from(diagnosed.as_deref() == Some(name.as_str()));
            let is_kept = replicas > 0 || dormant.contains(&name);
            if is_kept && replicas_of(deployment) != replicas {
                scale(applier, &name, replicas).await?;
            }
        }
        let names = workloads.iter().map(|workload| workload.revision.revision.as_str());
        let keep: Vec<_> =
            names.chain(dormant.iter().map(String::as_str)).chain(diagnosed.as_deref()).chain(hold).collect();
        Ok(applier.prune(&self.observed.deployments, &keep).await?)
    }
}

/// What has to be done about a revision, given what is there.
pub fn step(existing: Option<&Deployment>, built: &Built<'_>) -> Step {
    let workload = built.workload;
    let Some(existing) = existing else { return Step::Create };
    if existing.metadata.deletion_timestamp.is_some() {
        return Step::Keep;
    }
    if workload.attempt.is_some() && build::attempt_of(existing) != workload.attempt {
        let has_pods = replicas_of(existing) > 0
            || existing.status.as_ref().and_then(|status| status.replicas).is_some_and(|replicas| replicas > 0);
        let is_compared_alike =
            build::compared_with(existing) == built.compared_with().map(|stable| stable.digest.as_str());
        return if has_pods || !is_compared_alike { Step::Delete } else { Step::Wake };
    }
    if replicas_of(existing) == workload.replicas { Step::Keep } else { Step::Scale }
}

fn replicas_of(deployment: &Deployment) -> i32 {
    deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)
}

async fn scale(applier: &Applier, name: &str, replicas: i32) -> Result<(), ActError> {
    applier.merge::<Deployment>(name, &json!({"spec": {"replicas": replicas}})).await?;
    Ok(())
}

async fn wake(applier: &Applier, name: &str, workload: &Workload) -> Result<(), ActError> {
    let annotations: serde_json::Map<_, _> = workload
        .attempt
        .map(build::attempt_annotation)
        .map(|(key, value)| (key.to_owned(), value.into()))
        .into_iter()
        .collect();
    let patch = json!({"metadata": {"annotations": annotations}, "spec": {"replicas": workload.replicas}});
    applier.merge::<Deployment>(name, &patch).await?;
    Ok(())
}

/// Creates an object that is never applied again; one of that name that is somebody else's is left alone.
async fn create<K: Kind>(applier: &Applier, object: &K, owner: &str) -> Result<(), ActError> {
    match applier.create(object).await? {
        Created::Existing(existing) if !is_owned(&existing, owner) => Err(foreign(&existing)),
        Created::New(_) | Created::Existing(_) => Ok(()),
    }
}

/// Applies an object; the first time it is created, so that nothing of somebody else is taken over.
async fn apply<K: Kind>(applier: &Applier, desired: &K, live: Option<&K>, owner: &str) -> Result<(), ActError> {
    if live.is_none() {
        create(applier, desired, owner).await?;
    }
    applier.apply(desired, live).await?;
    Ok(())
}

fn is_owned<K: Resource>(object: &K, owner: &str) -> bool {
    object.owner_references().iter().any(|reference| reference.uid == owner)
}

fn foreign<K: Kind>(object: &K) -> ActError {
    ActError::Foreign { kind: K::kind(&()).into_owned(), name: object.name_any() }
}
