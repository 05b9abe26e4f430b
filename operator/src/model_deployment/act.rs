//! Makes the cluster as the layout says. Chooses nothing; every write may be repeated.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::ResourceExt;
use serde_json::json;

use super::build::{self, Built};
use super::observe::Observed;
use super::validate::ValidDeployment;
use crate::config::Config;
use crate::kube_io::{Applier, Basis, IoError, Seen};
use crate::rollout::{Layout, State, Workload};

/// Field managers, one for each concern.
const WORKLOAD: &str = "slipway-operator/workload";
const ROUTE: &str = "slipway-operator/route";

/// What has to be done about one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is as it should be, or on its way out before it can be made again.
    Keep,
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
    pub async fn act(&self, basis: &Basis) -> Result<(), IoError> {
        let workload = Applier::new(basis, WORKLOAD);
        let route = Applier::new(basis, ROUTE);
        let made = self.make_workloads(&workload).await;
        self.set_route(&route).await?;
        self.tidy(&workload).await?;
        made
    }

    fn existing(&self, revision: &str) -> Option<&Deployment> {
        let mut deployments = self.observed.deployments.iter();
        deployments.find(|deployment| deployment.name_any() == revision).map(AsRef::as_ref)
    }

    async fn make_workloads(&self, applier: &Applier<'_>) -> Result<(), IoError> {
        for workload in &self.layout.workloads {
            let built = Built { valid: self.valid, workload, stable: self.state.stable.as_ref(), config: self.config };
            let name = &workload.revision.revision;
            let Some(existing) = self.existing(name) else {
                applier.create(&build::deployment(&built)).await?;
                continue;
            };
            match step(existing, &built) {
                Step::Keep => {}
                Step::Scale => scale(applier, existing, workload.replicas).await?,
                Step::Wake => wake(applier, existing, workload).await?,
                Step::Delete => applier.delete::<Deployment>(&Seen::of(existing)).await?,
            }
        }
        Ok(())
    }

    async fn set_route(&self, applier: &Applier<'_>) -> Result<(), IoError> {
        let route = self.layout.route.as_deref();
        applier.apply(&build::service(self.valid, route), self.observed.service.as_deref()).await?;
        match (build::budget(self.valid, route), self.observed.budget.as_deref()) {
            (Some(budget), live) => applier.apply(&budget, live).await,
            (None, Some(live)) => applier.delete::<PodDisruptionBudget>(&Seen::of(live)).await,
            (None, None) => Ok(()),
        }
    }

    /// Scales down and deletes, but nothing that still has traffic.
    async fn tidy(&self, applier: &Applier<'_>) -> Result<(), IoError> {
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
                scale(applier, deployment, replicas).await?;
            }
        }
        let names = workloads.iter().map(|workload| workload.revision.revision.as_str());
        let keep: Vec<_> =
            names.chain(dormant.iter().map(String::as_str)).chain(diagnosed.as_deref()).chain(hold).collect();
        applier.prune(&self.observed.deployments, &keep).await
    }
}

/// What has to be done about a revision that is there.
pub fn step(existing: &Deployment, built: &Built<'_>) -> Step {
    let workload = built.workload;
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

async fn scale(applier: &Applier<'_>, existing: &Deployment, replicas: i32) -> Result<(), IoError> {
    applier.merge::<Deployment>(&Seen::of(existing), json!({"spec": {"replicas": replicas}})).await
}

async fn wake(applier: &Applier<'_>, existing: &Deployment, workload: &Workload) -> Result<(), IoError> {
    let annotations: serde_json::Map<_, _> = workload
        .attempt
        .map(build::attempt_annotation)
        .map(|(key, value)| (key.to_owned(), value.into()))
        .into_iter()
        .collect();
    let patch = json!({"metadata": {"annotations": annotations}, "spec": {"replicas": workload.replicas}});
    applier.merge::<Deployment>(&Seen::of(existing), patch).await
}
