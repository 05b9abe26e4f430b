use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use slipway_crds::training_run::reason;
use slipway_spec::Verdict;

use super::*;
use crate::training_run::fixture;

fn pod(status: &str) -> Pod {
    named("ttd-1-x", "2026-01-02T03:00:00Z", status)
}

fn named(name: &str, created: &str, status: &str) -> Pod {
    let yaml = format!("metadata: {{name: {name}, creationTimestamp: '{created}'}}\nstatus: {status}");
    serde_saphyr::from_str(&yaml).unwrap()
}

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

fn said(exit_code: i32, message: &str) -> Pod {
    let message = serde_json::to_string(message).unwrap();
    pod(&format!(
        "{{phase: Failed, initContainerStatuses: [
          {{name: fetch, state: {{terminated: {{exitCode: 0}}}}}},
          {{name: train, state: {{terminated: {{exitCode: 0}}}}}}],
          containerStatuses: [{{name: publish, state: {{terminated: {{exitCode: {exit_code}, message: {message}}}}}}}]}}"
    ))
}

#[test]
fn the_running_step_is_named() {
    for (status, expected) in [
        ("{phase: Pending}", PodState::Pending),
        (
            "{phase: Pending, initContainerStatuses: [{name: fetch, state: {running: {}}}, {name: train, state: {waiting: {reason: PodInitializing}}}]}",
            PodState::Running(Step::Fetch),
        ),
        (
            "{phase: Pending, initContainerStatuses: [{name: fetch, state: {terminated: {exitCode: 0}}}, {name: train, state: {waiting: {reason: PodInitializing}}}]}",
            PodState::Running(Step::Fetch),
        ),
        (
            "{phase: Pending, initContainerStatuses: [{name: fetch, state: {terminated: {exitCode: 0}}}, {name: train, state: {running: {}}}]}",
            PodState::Running(Step::Train),
        ),
        (
            "{phase: Running, initContainerStatuses: [{name: fetch, state: {terminated: {exitCode: 0}}}, {name: train, state: {terminated: {exitCode: 0}}}], containerStatuses: [{name: publish, state: {running: {}}}]}",
            PodState::Running(Step::Publish),
        ),
    ] {
        assert_eq!(pods([&pod(status)]), Some(expected), "{status}");
    }
}

#[test]
fn exit_codes_become_reasons_with_the_last_line_of_the_step() {
    for (exit_code, expected, is_final) in [
        (64, reason::INVALID_SPEC, true),
        (65, reason::BAD_DATA, true),
        (66, reason::DATA_NOT_FOUND, true),
        (69, reason::STORAGE_UNAVAILABLE, false),
        (1, reason::JOB_FAILED, false),
        (137, reason::JOB_FAILED, false),
    ] {
        let Some(PodState::Failed(failure)) = pods([&said(exit_code, "loading\nthe last line\n\n")]) else {
            panic!("{exit_code} is a failure");
        };
        assert_eq!((failure.reason, failure.is_final), (expected, is_final), "{exit_code}");
        assert_eq!(failure.message, "publish: the last line");
        assert_eq!(failure.log, ["loading", "the last line"]);
    }
}

#[test]
fn memory_is_blamed_and_the_limit_named() {
    let status = "{phase: Failed, initContainerStatuses: [{name: fetch, state: {terminated: {exitCode: 0}}}, {name: train, resources: {limits: {memory: 64Mi}}, state: {terminated: {exitCode: 137, reason: OOMKilled, message: reading rows}}}]}";
    let Some(PodState::Failed(failure)) = pods([&pod(status)]) else { panic!("a failure") };
    assert_eq!((failure.reason, failure.is_final), (reason::OOM_KILLED, false));
    let expected = "train: used all the memory of its limit of 64Mi and was killed; write a larger \
                    pod.resources.limits.memory; before that it said: reading rows";
    assert_eq!(failure.message, expected);
}

#[test]
fn a_step_without_words_still_says_its_exit_code() {
    let Some(PodState::Failed(failure)) = pods([&said(3, "")]) else { panic!("a failure") };
    assert_eq!(failure.message, "publish: ended with exit code 3 and no words");
}

#[test]
fn a_report_is_read_whatever_the_verdict() {
    for (exit_code, verdict) in [(0, Verdict::Passed), (67, Verdict::Refused)] {
        let summary = fixture::summary(verdict);
        let message = serde_json::to_string(&summary).unwrap();
        assert_eq!(pods([&said(exit_code, &message)]), Some(PodState::Reported(Box::new(summary))));
    }
}

#[test]
fn a_cut_or_contradictory_report_is_none() {
    let message = serde_json::to_string(&fixture::summary(Verdict::Passed)).unwrap();
    assert_eq!(pods([&said(0, &message[..message.len() / 2])]), Some(PodState::Unreadable));
    assert_eq!(pods([&said(0, "")]), Some(PodState::Unreadable));
    assert_eq!(pods([&said(67, "r2 is 0.5, below 0.9")]), Some(PodState::Unreadable));
    let refused = Summary { digest: None, ..fixture::summary(Verdict::Passed) };
    assert_eq!(pods([&said(0, &serde_json::to_string(&refused).unwrap())]), Some(PodState::Unreadable));
}

#[test]
fn containers_of_others_are_not_looked_at() {
    let message = serde_json::to_string(&serde_json::to_string(&fixture::summary(Verdict::Passed)).unwrap()).unwrap();
    let status = format!(
        "{{phase: Running, initContainerStatuses: [
          {{name: mesh-init, state: {{terminated: {{exitCode: 1, message: no}}}}}},
          {{name: fetch, state: {{terminated: {{exitCode: 0}}}}}}, {{name: train, state: {{terminated: {{exitCode: 0}}}}}}],
          containerStatuses: [{{name: mesh, state: {{running: {{}}}}}},
          {{name: publish, state: {{terminated: {{exitCode: 0, message: {message}}}}}}}]}}"
    );
    assert!(matches!(pods([&pod(&status)]), Some(PodState::Reported(_))));
}

#[test]
fn a_failed_pod_that_a_sidecar_keeps_alive_is_recognised() {
    let status = "{phase: Running, containerStatuses: [{name: mesh, state: {running: {}}},
        {name: publish, state: {terminated: {exitCode: 69, message: no route, finishedAt: '2026-01-02T03:03:00Z'}}}]}";
    let Some(PodState::Failed(failure)) = pods([&pod(status)]) else { panic!("a failure") };
    let (pod, since) = failure.kept_alive.unwrap();
    assert_eq!((pod.name.as_str(), since), ("ttd-1-x", at("2026-01-02T03:03:00Z")));
}

#[test]
fn a_blocked_pod_says_why_and_how_long_to_bear_it() {
    let image = |word: &str| {
        format!(
            "{{phase: Pending, startTime: '2026-01-02T03:01:00Z', initContainerStatuses: [
              {{name: fetch, state: {{terminated: {{exitCode: 0, finishedAt: '2026-01-02T03:02:00Z'}}}}}},
              {{name: train, image: 'registry.example/none:1', state: {{waiting: {{reason: {word}, message: not found}}}}}}]}}"
        )
    };
    for (status, expected, patience) in [
        (image("ErrImagePull"), reason::IMAGE_PULL, Patience::Deadline),
        (image("ImagePullBackOff"), reason::IMAGE_PULL, Patience::Deadline),
        (image("InvalidImageName"), reason::IMAGE_PULL, Patience::None),
        (image("CreateContainerConfigError"), reason::POD_NOT_STARTED, Patience::Since(at("2026-01-02T03:02:00Z"))),
        (
            "{phase: Pending, conditions: [{type: PodScheduled, status: 'False', reason: Unschedulable, message: 0/1 nodes}]}".to_owned(),
            reason::UNSCHEDULABLE,
            Patience::Deadline,
        ),
    ] {
        let Some(PodState::Blocked { reason, message, patience: found }) = pods([&pod(&status)]) else {
            panic!("{status} is blocked");
        };
        assert_eq!((reason, found), (expected, patience), "{status}");
        assert!(!message.is_empty());
    }
    let Some(PodState::Blocked { message, .. }) = pods([&pod(&image("ErrImagePull"))]) else { panic!() };
    assert_eq!(message, "train: ErrImagePull: image registry.example/none:1: not found");
}

#[test]
fn an_evicted_pod_speaks_for_itself() {
    let status = "{phase: Failed, reason: Evicted, message: The node was low on resource}";
    let Some(PodState::Failed(failure)) = pods([&pod(status)]) else { panic!("a failure") };
    assert_eq!(failure.message, "Evicted: The node was low on resource");
    assert!(!failure.is_final);
}

#[test]
fn a_disrupted_pod_is_not_blamed_on_its_step() {
    let status = "{phase: Failed, conditions: [{type: DisruptionTarget, status: 'True', reason: EvictionByEvictionAPI, message: 'Eviction API: evicting'}],
        initContainerStatuses: [{name: fetch, state: {terminated: {exitCode: 137}}}]}";
    let Some(PodState::Failed(failure)) = pods([&pod(status)]) else { panic!("a failure") };
    assert_eq!(failure.message, "the cluster stopped the pod: Eviction API: evicting");
}

#[test]
fn the_youngest_pod_counts_unless_an_older_one_has_reported() {
    let message = serde_json::to_string(&fixture::summary(Verdict::Passed)).unwrap();
    let mut first = said(0, &message);
    first.metadata.creation_timestamp =
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at("2026-01-02T03:00:00Z")));
    let failed = named("b", "2026-01-02T03:01:00Z", "{phase: Failed, reason: Evicted}");
    let pending = named("c", "2026-01-02T03:02:00Z", "{phase: Pending}");
    assert_eq!(pods([&failed, &pending]), Some(PodState::Pending));
    assert!(matches!(pods([&pending, &first, &failed]), Some(PodState::Reported(_))));
    assert_eq!(pods([]), None);
}

#[test]
fn a_job_of_another_run_is_foreign() {
    let job_of = |uid: &str, more: &str| -> Job {
        serde_saphyr::from_str(&format!(
            "metadata: {{name: ttd-1, ownerReferences: [{{apiVersion: slipway.dev/v1alpha1, kind: TrainingRun, name: ttd-1, uid: {uid}, controller: true}}]}}\n{more}"
        ))
        .unwrap()
    };
    let state = |more: &str| job(Some(&job_of("me", more)), "me").state;
    assert_eq!(job(None, "me"), JobFacts::ABSENT);
    assert_eq!(job(Some(&job_of("other", "")), "me").state, JobState::Foreign);
    assert_eq!(state("status: {active: 1, failed: 1}"), JobState::Active);
    assert_eq!(job(Some(&job_of("me", "status: {active: 1, failed: 1}")), "me").attempts, 2);
    let time = at("2026-01-02T03:04:00Z");
    assert_eq!(
        state("status: {conditions: [{type: Complete, status: 'True', lastTransitionTime: '2026-01-02T03:04:00Z'}]}"),
        JobState::Complete { at: time }
    );
    assert_eq!(
        state(
            "status: {conditions: [{type: Failed, status: 'True', reason: DeadlineExceeded, message: late, lastTransitionTime: '2026-01-02T03:04:00Z'}]}"
        ),
        JobState::Failed { at: time, reason: "DeadlineExceeded".to_owned(), message: "late".to_owned() }
    );
}
