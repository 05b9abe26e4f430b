//! What the stores know about a run. Reads memory only.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::ResourceExt;
use kube::runtime::reflector::{ObjectRef, Store};
use slipway_crds::label;
use slipway_crds::model_deployment::{ModelDeployment, ModelSource};
use slipway_crds::training_run::TrainingRun;
use slipway_spec::ArtefactRef;

use super::build::REPORT_SUFFIX;
use super::decide::Observed;
use super::facts;
use super::validate::ChampionQuery;
use crate::kube_io::{Queue, Watch, owner};

/// The watches that the controller reads and is woken by.
pub struct Watches<'a> {
    /// The runs themselves.
    pub runs: &'a mut Watch<TrainingRun>,
    /// Jobs with the operator's label.
    pub jobs: &'a mut Watch<Job>,
    /// Pods with the operator's label.
    pub pods: &'a mut Watch<Pod>,
    /// Events about pods that a Job could not create.
    pub events: &'a mut Watch<Event>,
    /// Deployments, for their stable models.
    pub deployments: &'a mut Watch<ModelDeployment>,
}

/// The stores of those watches.
pub struct Stores {
    jobs: Store<Job>,
    pods: Store<Pod>,
    events: Store<Event>,
    deployments: Store<ModelDeployment>,
}

impl Stores {
    /// Subscribes `queue` to every change that may matter to a run.
    pub fn subscribe(queue: &Queue<TrainingRun>, watches: Watches<'_>) -> Stores {
        let Watches { runs, jobs, pods, events, deployments } = watches;
        runs.subscribe(queue, |run| Some(ObjectRef::from_obj(run)));
        jobs.subscribe(queue, owner);
        pods.subscribe(queue, |pod| {
            let run = pod.labels().get(label::TRAINING_RUN)?;
            Some(ObjectRef::new(run).within(pod.metadata.namespace.as_deref()?))
        });
        events.subscribe(queue, |event| {
            let about = &event.involved_object;
            Some(ObjectRef::new(about.name.as_deref()?).within(about.namespace.as_deref()?))
        });
        Stores { jobs: jobs.store(), pods: pods.store(), events: events.store(), deployments: deployments.store() }
    }

    /// What is known about `run`; the champion is looked up only where `champion` asks for one.
    pub fn observe(&self, run: &TrainingRun, champion: Option<&ChampionQuery>) -> Observed {
        let namespace = run.namespace().unwrap_or_default();
        let name = run.name_any();
        let uid = run.uid().unwrap_or_default();
        let pods = self.pods.state_filter(|pod| {
            pod.metadata.namespace.as_deref() == Some(&namespace)
                && pod.labels().get(label::TRAINING_RUN).is_some_and(|run| *run == name)
        });
        let find = |name: &str| self.jobs.get(&ObjectRef::new(name).within(&namespace));
        let (job, report_job) = (find(&name), find(&format!("{name}{REPORT_SUFFIX}")));
        let own = pods_of(job.as_deref(), &pods);
        let youngest = own.iter().filter_map(|pod| pod.creation_timestamp()).map(|time| time.0).max();
        Observed {
            not_created: job.as_deref().and_then(|job| self.not_created(job, youngest)),
            pod: facts::pods(own),
            job: facts::job(job.as_deref(), &uid),
            report_pod: facts::pods(pods_of(report_job.as_deref(), &pods)),
            report_job: facts::job(report_job.as_deref(), &uid),
            champion: champion.and_then(|query| self.champion(&namespace, query)),
        }
    }

    /// Why the API server refused the Job's next pod, unless a younger pod exists.
    fn not_created(&self, job: &Job, youngest: Option<Timestamp>) -> Option<String> {
        let uid = job.uid();
        let about = |event: &Event| event.involved_object.uid.is_some() && event.involved_object.uid == uid;
        let events = self.events.state_filter(about);
        let latest = events.iter().max_by_key(|event| time(event))?;
        let is_past = youngest.is_some_and(|youngest| time(latest) <= Some(youngest));
        let message = latest.message.clone().filter(|_| !is_past)?;
        Some(message.strip_prefix("Error creating: ").map(str::to_owned).unwrap_or(message))
    }

    fn champion(&self, namespace: &str, query: &ChampionQuery) -> Option<ArtefactRef> {
        let deployment = match query {
            ChampionQuery::Named(name) => self.deployments.get(&ObjectRef::new(name).within(namespace)),
            ChampionQuery::Following(model) => {
                let mut followers = self.deployments.state_filter(|deployment| {
                    deployment.metadata.namespace.as_deref() == Some(namespace) && follows(deployment, model)
                });
                // Of several, always the same one.
                followers.sort_by_key(|deployment| {
                    (deployment.creation_timestamp().map(|time| time.0), deployment.name_any())
                });
                followers.into_iter().next()
            }
        }?;
        let stable = deployment.status.as_ref()?.stable.as_ref()?;
        Some(ArtefactRef { uri: stable.revision.uri.clone(), digest: stable.revision.digest.clone() })
    }
}

fn follows(deployment: &ModelDeployment, model: &str) -> bool {
    matches!(&deployment.spec.model, ModelSource::Follow(follow) if follow.model_name == model)
}

fn time(event: &Event) -> Option<Timestamp> {
    let series = event.series.as_ref().and_then(|series| series.last_observed_time.as_ref()).map(|time| time.0);
    let last = event.last_timestamp.as_ref().map(|time| time.0);
    let first = event.event_time.as_ref().map(|time| time.0);
    series.max(last).max(first)
}

fn pods_of<'a>(job: Option<&Job>, pods: &'a [Arc<Pod>]) -> Vec<&'a Pod> {
    let Some(uid) = job.and_then(ResourceExt::uid) else { return vec![] };
    let is_of = |pod: &&Arc<Pod>| pod.owner_references().iter().any(|owner| owner.uid == uid);
    pods.iter().filter(is_of).map(Arc::as_ref).collect()
}
