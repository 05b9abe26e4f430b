use std::fmt::Write;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use slipway_crds::model_deployment::{
    Active, Attempt, Bake, Failure, FailureReason, Held, Phase, Readiness, Refusal, Revision, Rollback, Stable,
};

use super::health::{End, end_under_traffic};
use super::transition::transition;
use super::{Health, Settings, Signal, State, Trouble, WhileRolling, deadline_failure, definite_failure};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn revision(name: &str) -> Revision {
    serde_json::from_value(json!({
        "revision": name, "version": name, "uri": "s3://m/", "digest": name, "templateHash": "t", "template": {},
    }))
    .unwrap()
}

fn settings() -> Settings {
    Settings {
        min_ready: SignedDuration::from_secs(10),
        progress_deadline: SignedDuration::from_secs(120),
        bake: SignedDuration::from_secs(60),
        history_limit: 2,
        while_rolling: WhileRolling::Supersede,
        paused: false,
        retry_token: String::new(),
    }
}

fn failure() -> Failure {
    Failure { reason: FailureReason::CrashLoop, message: "words".to_owned(), at: at(0) }
}

fn phases() -> Vec<Phase> {
    let attempt = Attempt {
        candidate: revision("candidate"),
        started_at: at(0),
        deadline: at(120),
        attempt: 1,
        readiness: Readiness::default(),
        pull_fails_since: None,
    };
    let bake = Bake {
        candidate: revision("candidate"),
        since: at(0),
        until: at(60),
        deadline: at(180),
        attempt: 1,
        readiness: Readiness::default(),
        on_probation: false,
        unready_since: None,
    };
    let refusal = Refusal { failed: revision("failed"), failure: failure(), attempt: 1, retry_at: None };
    vec![
        Phase::Idle,
        Phase::Verifying(attempt.clone()),
        Phase::Progressing(attempt),
        Phase::Baking(bake.clone()),
        Phase::Held(Held { held_since: at(0), resume: Active::Baking(bake) }),
        Phase::RollingBack(Rollback { failed: revision("failed"), failure: failure(), deadline: at(120), attempt: 1 }),
        Phase::RolledBack(refusal.clone()),
        Phase::Stalled(refusal),
    ]
}

fn signals() -> Vec<(&'static str, Signal)> {
    vec![
        ("Quiet", Signal::Quiet),
        ("Target", Signal::Target(revision("new"))),
        ("Reverted", Signal::Reverted),
        ("Condemned", Signal::Condemned(revision("new"), failure())),
        ("Pause", Signal::Pause),
        ("Resume", Signal::Resume),
        ("Verified", Signal::Verified),
        ("Ready", Signal::Ready),
        ("Baked", Signal::Baked),
        ("Failed", Signal::Failed(failure())),
        ("StableServes", Signal::StableServes),
        ("Expired", Signal::Expired),
    ]
}

fn table(stable: Option<&Stable>) -> String {
    let mut text = format!("{:<13}", "");
    let phases = phases();
    for phase in &phases {
        write!(text, "{:<12}", phase.state()).unwrap();
    }
    for (name, signal) in signals() {
        write!(text, "\n{name:<13}").unwrap();
        for phase in &phases {
            let state = State { phase: phase.clone(), stable: stable.cloned(), ..State::default() };
            let (next, _) = transition(state, signal.clone(), &settings(), at(30));
            let cell = if next.phase == *phase { "." } else { next.phase.state() };
            write!(text, "{cell:<12}").unwrap();
        }
    }
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_table() {
    let stable = Stable { revision: revision("stable"), since: at(0) };
    insta::assert_snapshot!("with_a_stable_revision", table(Some(&stable)));
    insta::assert_snapshot!("the_first_model", table(None));
}

#[test]
fn phases_survive_the_status() {
    for phase in phases() {
        let text = serde_json::to_string(&phase).unwrap();
        assert_eq!(serde_json::from_str::<Phase>(&text).unwrap(), phase, "{text}");
    }
}

fn failed(trouble: Trouble, pull_fails_since: Option<Timestamp>, now: i64) -> Option<FailureReason> {
    let health = Health { pods: 1, troubles: vec![trouble], ..Health::default() };
    definite_failure(&health, pull_fails_since, at(now)).map(|failure| failure.reason)
}

fn image(is_name_invalid: bool, is_users: bool) -> Trouble {
    Trouble::Image { is_name_invalid, is_users, words: String::new() }
}

#[test]
fn what_is_certain_is_not_waited_for() {
    let words = String::new;
    for (code, reason) in [
        (64, FailureReason::InvalidSpec),
        (65, FailureReason::ArtefactInvalid),
        (66, FailureReason::ArtefactNotFound),
        (67, FailureReason::InputsIncompatible),
    ] {
        assert_eq!(failed(Trouble::Exit { code, words: words() }, None, 0), Some(reason));
    }
    assert_eq!(failed(Trouble::FailedStart { times: 1, words: words() }, None, 0), None);
    assert_eq!(failed(Trouble::FailedStart { times: 2, words: words() }, None, 0), Some(FailureReason::CrashLoop));
    assert_eq!(failed(image(true, true), None, 0), Some(FailureReason::ImagePull));
    assert_eq!(failed(image(false, true), Some(at(0)), 59), None);
    assert_eq!(failed(image(false, true), Some(at(0)), 60), Some(FailureReason::ImagePull));
    assert_eq!(failed(image(false, false), Some(at(0)), 60), Some(FailureReason::Infrastructure));
    assert_eq!(failed(Trouble::NoRoom { words: words() }, None, 10_000), None);
    assert_eq!(failed(Trouble::Storage { words: words() }, None, 10_000), None);
}

#[test]
fn the_trouble_of_other_systems_condemns_no_model() {
    let reason = |pods, troubles| {
        let health = Health { pods, troubles, ..Health::default() };
        deadline_failure(&health, 2, SignedDuration::from_secs(120), at(0)).reason
    };
    let words = String::new;
    assert!(!reason(0, vec![]).condemns());
    assert!(!reason(1, vec![Trouble::NoRoom { words: words() }]).condemns());
    assert!(!reason(2, vec![Trouble::Storage { words: words() }]).condemns());
    assert!(!reason(2, vec![image(false, false)]).condemns());
    assert_eq!(reason(2, vec![]), FailureReason::ReadinessProbe);
    assert_eq!(reason(2, vec![Trouble::FailedStart { times: 1, words: words() }]), FailureReason::ReadinessProbe);
}

#[test]
fn a_server_that_ends_under_traffic_is_told_from_one_that_stumbled_when_it_was_new() {
    let ended = |at_second, pod_made, times| {
        let end = End { at: at(at_second), pod_made: at(pod_made), times, words: String::new() };
        end_under_traffic(&Health { ends: vec![end], ..Health::default() }, at(100)).is_some()
    };
    assert!(ended(150, 50, 1), "it had the traffic");
    assert!(!ended(90, 50, 1), "it ended before");
    assert!(!ended(150, 140, 1), "a pod that an autoscaler added may stumble once");
    assert!(ended(160, 140, 2));
}
