//! A cluster small enough to hold in mind: revisions with pods that age, and one route. Time moves in whole seconds.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use slipway_crds::model_deployment::{Active, Phase, Revision};
use slipway_operator::rollout::{
    End, Happening, Health, Inputs, Layout, Plan, Settings, State, Trouble, Workload, layout, step,
};

/// What becomes of the pods of a model, by their age in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Verified after 1 s, ready after 2 s.
    Good,
    /// Fetching ends with this code after 1 s.
    Exits(i32),
    /// The server ends after 2 s and after 4 s.
    Crashes,
    /// The server starts and is never ready.
    NeverReady,
    /// Ready after 2 s for so many seconds, unready for so many, and so on.
    Flaps(i64, i64),
    /// The image chosen by the user cannot be pulled.
    NoImage,
    /// There is no room for the pods.
    NoRoom,
    /// Good until it is this old, then its server ends.
    EndsAt(i64),
}

/// A Deployment and the age of its pods.
#[derive(Clone, Debug)]
struct Deployment {
    behaviour: Behaviour,
    replicas: i32,
    attempt: Option<Timestamp>,
    born: i64,
    /// Until when at most so many pods are ready.
    held_back: Vec<(i64, i32)>,
}

/// The cluster, the spec and what the operator remembers.
pub struct World {
    pub now: i64,
    pub state: State,
    pub settings: Settings,
    pub replicas: i32,
    pub target: Option<Revision>,
    pub route: Option<String>,
    behaviours: BTreeMap<String, Behaviour>,
    deployments: BTreeMap<String, Deployment>,
    /// Operations of one pass after which the operator is killed; `None`: it lives.
    pub crash_after: Option<usize>,
    pub log: Vec<String>,
}

/// The revision of a model in these tests: its name says all.
pub fn revision(model: &str) -> Revision {
    Revision {
        revision: model.to_owned(),
        version: model.to_owned(),
        uri: format!("s3://models/{model}/"),
        digest: format!("digest of {model}"),
        template_hash: "template".to_owned(),
        ..serde_json::from_value(serde_json::json!({
            "revision": "", "version": "", "uri": "", "digest": "", "templateHash": "", "template": {},
        }))
        .unwrap()
    }
}

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn ended(deployment: &Deployment, age: i64, times: i32) -> End {
    let made = deployment.born;
    End { at: second(made + age), pod_made: second(made), times, words: "server: out of memory".to_owned() }
}

impl World {
    pub fn new(settings: Settings, replicas: i32) -> World {
        World {
            now: 0,
            state: State::default(),
            settings,
            replicas,
            target: None,
            route: None,
            behaviours: BTreeMap::new(),
            deployments: BTreeMap::new(),
            crash_after: None,
            log: vec![],
        }
    }

    pub fn behave(&mut self, model: &str, behaviour: Behaviour) {
        self.behaviours.insert(model.to_owned(), behaviour);
        if let Some(deployment) = self.deployments.get_mut(model) {
            deployment.behaviour = behaviour;
        }
    }

    /// The pods of a model are deleted and come back.
    pub fn restart(&mut self, model: &str) {
        if let Some(deployment) = self.deployments.get_mut(model) {
            deployment.born = self.now;
        }
    }

    /// One pod of a model is deleted and comes back, which the operator sees at once.
    pub fn drain(&mut self, model: &str) {
        let until = self.now + 3;
        if let Some(deployment) = self.deployments.get_mut(model) {
            deployment.held_back.push((until, deployment.replicas - 1));
        }
    }

    /// The node of all pods of a model boots again.
    pub fn reboot(&mut self, model: &str) {
        let until = self.now + 10;
        if let Some(deployment) = self.deployments.get_mut(model) {
            deployment.held_back.push((until, 0));
        }
    }

    fn timestamp(&self) -> Timestamp {
        second(self.now)
    }

    pub fn ready(&self, model: &str) -> i32 {
        self.deployments.get(model).map_or(0, |deployment| self.health_of(deployment).ready)
    }

    fn health_of(&self, deployment: &Deployment) -> Health {
        let age = self.now - deployment.born;
        let words = |text: &str| text.to_owned();
        let pods = if deployment.behaviour == Behaviour::NoRoom { 0 } else { deployment.replicas };
        let mut health = Health { pods, ..Health::default() };
        if deployment.replicas == 0 {
            return health;
        }
        health.verified = age >= 1;
        match deployment.behaviour {
            Behaviour::Good => health.ready = if age >= 2 { pods } else { 0 },
            Behaviour::NeverReady => {}
            Behaviour::Flaps(up, down) => {
                health.ready = if age >= 2 && (age - 2) % (up + down) < up { pods } else { 0 };
            }
            Behaviour::Exits(code) => {
                health.verified = false;
                if age >= 1 {
                    health.troubles.push(Trouble::Exit { code, words: words("fetch-model: its last words") });
                }
            }
            Behaviour::Crashes => {
                let times = i32::from(age >= 2) + i32::from(age >= 4);
                if times > 0 {
                    health.ends.push(ended(deployment, 2 * i64::from(times), times));
                    health.troubles.push(Trouble::FailedStart { times, words: words("server: its last words") });
                }
            }
            Behaviour::NoImage => {
                health.verified = false;
                if age >= 1 {
                    health.troubles.push(Trouble::Image {
                        is_name_invalid: false,
                        is_users: true,
                        words: words("server: not found"),
                    });
                }
            }
            Behaviour::NoRoom => {
                health.verified = false;
                health.troubles.push(Trouble::NoRoom { words: words("exceeded quota") });
            }
            Behaviour::EndsAt(end) => {
                health.ready = if age >= 2 && age < end { pods } else { 0 };
                if age >= end {
                    health.ends.push(ended(deployment, end, 1));
                    health.troubles.push(Trouble::FailedStart { times: 1, words: words("server: out of memory") });
                }
            }
        }
        let caps = deployment.held_back.iter().filter(|(until, _)| self.now < *until).map(|(_, most)| *most);
        health.ready = caps.fold(health.ready, i32::min);
        health
    }

    /// As the operator observes it: pods of an earlier attempt do not count.
    fn observed(&self) -> BTreeMap<String, Health> {
        let attempt = match &self.state.phase {
            Phase::Verifying(attempt) | Phase::Progressing(attempt) => Some(attempt),
            Phase::Held(held) => match &held.resume {
                Active::Verifying(attempt) | Active::Progressing(attempt) => Some(attempt),
                Active::Baking(_) => None,
            },
            _ => None,
        };
        let is_current = |name: &str, deployment: &Deployment| {
            attempt.is_none_or(|attempt| {
                attempt.candidate.revision != name || deployment.attempt == Some(attempt.started_at)
            })
        };
        self.deployments
            .iter()
            .filter(|(name, deployment)| is_current(name, deployment))
            .map(|(name, deployment)| (name.clone(), self.health_of(deployment)))
            .collect()
    }

    /// One reconcile: decide, persist, act.
    pub fn reconcile(&mut self) -> Plan {
        let health = self.observed();
        let (target, routed) = (self.target.clone(), self.route.clone());
        let inputs = Inputs {
            target: target.as_ref(),
            replicas: self.replicas,
            settings: &self.settings,
            health: &health,
            routed: routed.as_deref(),
        };
        let plan = step(&self.state, &inputs, self.timestamp());
        let layout = layout(&plan.next, &inputs);
        for event in &plan.events {
            self.say(&describe(event));
        }
        self.state = plan.next.clone();
        self.act(&layout);
        plan
    }

    /// Reconciles as long as the operator asks to be called again at once.
    pub fn settle(&mut self) -> Plan {
        for _ in 0..20 {
            let before = (self.state.clone(), self.route.clone(), format!("{:?}", self.deployments));
            let plan = self.reconcile();
            let is_same = before == (self.state.clone(), self.route.clone(), format!("{:?}", self.deployments));
            if is_same && plan.requeue_after != Some(SignedDuration::ZERO) {
                return plan;
            }
        }
        panic!("the operator never comes to rest: {:?}", self.state.phase);
    }

    /// Lets time pass; every second something may have changed that wakes the operator.
    pub fn wait(&mut self, seconds: i64) {
        for _ in 0..seconds {
            self.now += 1;
            self.settle();
        }
    }

    fn act(&mut self, layout: &Layout) {
        let mut left = self.crash_after.take().unwrap_or(usize::MAX);
        let mut may = || {
            let may = left > 0;
            left = left.saturating_sub(1);
            may
        };
        for workload in &layout.workloads {
            if may() {
                self.make(workload);
            }
        }
        if may() {
            self.switch(layout.route.clone());
        }
        let names: Vec<_> = self.deployments.keys().cloned().collect();
        for name in names {
            let runs = layout.workloads.iter().any(|workload| workload.revision.revision == name);
            if runs || layout.hold.as_ref() == Some(&name) || !may() {
                continue;
            }
            if layout.diagnosed.as_ref() == Some(&name) {
                self.scale(&name, 1);
            } else if layout.dormant.contains(&name) {
                self.scale(&name, 0);
            } else {
                self.must_not_lose(&name);
                self.deployments.remove(&name);
            }
        }
    }

    fn make(&mut self, workload: &Workload) {
        let name = workload.revision.revision.clone();
        let behaviour = self.behaviours.get(&name).copied().unwrap_or(Behaviour::Good);
        let is_new = match self.deployments.get(&name) {
            None => true,
            Some(existing) if workload.attempt.is_some() && existing.attempt != workload.attempt => {
                if existing.replicas > 0 {
                    self.deployments.remove(&name);
                    return;
                }
                true
            }
            Some(_) => false,
        };
        if is_new {
            let (replicas, attempt, born) = (workload.replicas, workload.attempt, self.now);
            self.deployments.insert(name, Deployment { behaviour, replicas, attempt, born, held_back: vec![] });
        } else {
            self.scale(&name, workload.replicas);
        }
    }

    fn scale(&mut self, name: &str, replicas: i32) {
        if replicas == 0 {
            self.must_not_lose(name);
        }
        let now = self.now;
        if let Some(deployment) = self.deployments.get_mut(name) {
            if deployment.replicas == 0 {
                deployment.born = now;
            } else if replicas > deployment.replicas {
                deployment.held_back.push((now + 2, deployment.replicas));
            }
            deployment.replicas = replicas;
        }
    }

    /// Traffic never leaves pods that are ready for pods that are not, nor goes to a refused model.
    fn switch(&mut self, route: Option<String>) {
        if route == self.route {
            return;
        }
        if let Some(old) = &self.route {
            let new = route.as_deref().expect("a route is never taken away");
            assert!(self.ready(old) == 0 || self.ready(new) > 0, "{old} is ready, {new} is not");
        }
        if let Some(new) = &route {
            assert!(self.ready(new) > 0 || self.route.is_some(), "the first route is to pods that are ready");
            assert!(self.state.denial(&revision(new)).is_none(), "{new} was refused");
        }
        self.route = route;
    }

    /// The copy that has the traffic stays.
    fn must_not_lose(&self, name: &str) {
        assert!(self.route.as_deref() != Some(name) || self.ready(name) == 0, "{name} has the traffic");
    }

    pub fn say(&mut self, text: &str) {
        let (minutes, seconds) = (self.now / 60, self.now % 60);
        self.log.push(format!("{minutes:02}:{seconds:02}  {text}"));
    }

    /// One line on how things stand.
    pub fn sketch(&self) -> String {
        let pods: Vec<_> = self
            .deployments
            .iter()
            .map(|(name, deployment)| format!("{name} {}/{}", self.ready(name), deployment.replicas))
            .collect();
        let route = self.route.as_deref().unwrap_or("nobody");
        format!("{:<11} traffic: {route:<7} pods: {}", self.state.phase.state(), pods.join(", "))
    }
}

fn describe(event: &Happening) -> String {
    match event {
        Happening::Started { candidate, superseded: None } => format!("* start {}", candidate.revision),
        Happening::Started { candidate, superseded: Some(old) } => {
            format!("* start {} in the place of {}", candidate.revision, old.revision)
        }
        Happening::Verified(revision) => format!("* {} is verified", revision.revision),
        Happening::TrafficMoved(revision) => format!("* traffic moves to {}", revision.revision),
        Happening::Promoted(revision) => format!("* {} is stable", revision.revision),
        Happening::Cancelled(revision) => format!("* {} is no longer asked for", revision.revision),
        Happening::Held(revision) => format!("* {} is held", revision.revision),
        Happening::Resumed(revision) => format!("* {} goes on", revision.revision),
        Happening::Failed(revision, failure) => {
            format!("! {} failed: {}: {}", revision.revision, failure.reason.as_str(), failure.message)
        }
        Happening::RolledBack(revision) => format!("! {} is rolled back", revision.revision),
        Happening::Stalled(revision) => format!("! nothing serves in the place of {}", revision.revision),
    }
}
