use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use slipway_crds::training_run::TrainingRun;
use slipway_spec::Verdict;

use super::*;
use crate::training_run::facts::Step;
use crate::training_run::{fixture, status};

fn ago(seconds: i64) -> Timestamp {
    Timestamp::from_second(fixture::now().as_second() - seconds).unwrap()
}

fn job(state: JobState) -> JobFacts {
    JobFacts { state, attempts: 1, ..JobFacts::ABSENT }
}

fn active(pod: PodState) -> Observed {
    Observed { job: job(JobState::Active), pod: Some(pod), ..Observed::NOTHING }
}

fn complete(seconds: i64, pod: Option<PodState>) -> Observed {
    Observed { job: job(JobState::Complete { at: ago(seconds) }), pod, ..Observed::NOTHING }
}

fn failed(seconds: i64, reason: &str, message: &str, pod: Option<PodState>) -> Observed {
    let state = JobState::Failed { at: ago(seconds), reason: reason.to_owned(), message: message.to_owned() };
    Observed { job: job(state), pod, ..Observed::NOTHING }
}

fn failure(reason: &'static str, is_final: bool) -> PodState {
    PodState::Failed(Failure {
        reason,
        message: "train: why".to_owned(),
        log: vec!["why".to_owned()],
        is_final,
        is_disruption: false,
        kept_alive: None,
    })
}

fn blocked(reason: &'static str, patience: Patience) -> PodState {
    PodState::Blocked { reason, message: "train: the pod's own words".to_owned(), patience }
}

fn reported(verdict: Verdict) -> PodState {
    PodState::Reported(Box::new(fixture::summary(verdict)))
}

/// The status of a run that has begun.
fn begun() -> TrainingRunStatus {
    let run = fixture::run("{}");
    let plan = decide(&Ok(fixture::valid("{}")), &TrainingRunStatus::default(), &Observed::NOTHING, fixture::now());
    status::next(&run, plan.progress.as_ref(), &plan.acts, &Observed::NOTHING, ago(600))
}

fn plan(observed: &Observed) -> Plan {
    decide(&Ok(fixture::valid("{}")), &begun(), observed, fixture::now())
}

/// What a plan says, short: `-` nothing new, `?reason`, `=verdict` or `!reason`.
fn says(plan: &Plan) -> String {
    match &plan.progress {
        None => "-".to_owned(),
        Some(Progress::Underway { reason, .. }) => format!("?{reason}"),
        Some(Progress::Judged(summary)) => format!("={:?}", summary.verdict),
        Some(Progress::Failed { reason, .. }) => format!("!{reason}"),
    }
}

#[test]
fn a_new_run_is_announced_and_its_job_made() {
    let plan = decide(&Ok(fixture::valid("{}")), &TrainingRunStatus::default(), &Observed::NOTHING, fixture::now());
    assert_eq!((says(&plan).as_str(), plan.acts.as_slice()), ("?Starting", [Act::CreateJob].as_slice()));
}

#[test]
fn an_invalid_run_fails_without_a_job() {
    let invalid = Err(Invalid::TooLarge { bytes: 99_999 });
    let plan = decide(&invalid, &TrainingRunStatus::default(), &Observed::NOTHING, fixture::now());
    assert_eq!((says(&plan).as_str(), plan.acts.as_slice()), ("!InvalidSpec", [].as_slice()));
}

#[test]
fn every_observation_has_its_plan() {
    let grace = i64::try_from(BLOCKED_GRACE.as_secs()).unwrap();
    let since = |seconds| Patience::Since(ago(seconds));
    for (name, observed, expected, acts) in vec![
        ("a Job that vanished is made again", Observed::NOTHING, "-", vec![Act::CreateJob]),
        ("a Job of somebody else", Observed { job: job(JobState::Foreign), ..Observed::NOTHING }, "?NameTaken", vec![]),
        ("a Job on its way out", Observed { job: job(JobState::Going), ..Observed::NOTHING }, "-", vec![]),
        ("no pod yet", Observed { job: job(JobState::Active), ..Observed::NOTHING }, "?Starting", vec![]),
        ("fetching", active(PodState::Running(Step::Fetch)), "?Fetching", vec![]),
        ("training", active(PodState::Running(Step::Train)), "?Training", vec![]),
        ("publishing", active(PodState::Running(Step::Publish)), "?Publishing", vec![]),
        ("no room", active(blocked(reason::UNSCHEDULABLE, Patience::Deadline)), "?Unschedulable", vec![]),
        ("an image that may come", active(blocked(reason::IMAGE_PULL, Patience::Deadline)), "?ImagePull", vec![]),
        ("a pod that may start", active(blocked(reason::POD_NOT_STARTED, since(grace - 1))), "?PodNotStarted", vec![]),
        ("an image that cannot come", active(blocked(reason::IMAGE_PULL, Patience::None)), "!ImagePull", vec![]),
        ("a pod that does not start", active(blocked(reason::POD_NOT_STARTED, since(grace))), "!PodNotStarted", vec![]),
        ("a first attempt that failed", active(failure(reason::JOB_FAILED, false)), "?Retrying", vec![]),
        ("bad data", active(failure(reason::BAD_DATA, true)), "!BadData", vec![]),
        ("no data", active(failure(reason::DATA_NOT_FOUND, true)), "!DataNotFound", vec![]),
        ("a wrong spec", active(failure(reason::INVALID_SPEC, true)), "!InvalidSpec", vec![]),
        ("a report before the Job has noticed", active(reported(Verdict::Passed)), "=Passed", vec![]),
        ("a refusal before the Job has noticed", active(reported(Verdict::Refused)), "=Refused", vec![]),
        ("a lost report before the Job has noticed", active(PodState::Unreadable), "-", vec![]),
        ("done", complete(1, Some(reported(Verdict::Passed))), "=Passed", vec![]),
        ("done, the pod's news is late", complete(1, None), "-", vec![]),
        ("done, the pod was last seen running", complete(1, Some(PodState::Running(Step::Publish))), "-", vec![]),
        ("done, the pod is gone", complete(60, None), "?ReadingReport", vec![Act::CreateReportJob]),
        (
            "done, the message is cut",
            complete(1, Some(PodState::Unreadable)),
            "?ReadingReport",
            vec![Act::CreateReportJob],
        ),
        ("refused", failed(1, "PodFailurePolicy", "", Some(reported(Verdict::Refused))), "=Refused", vec![]),
        (
            "refused, the message is cut",
            failed(1, "PodFailurePolicy", "", Some(PodState::Unreadable)),
            "?ReadingReport",
            vec![Act::CreateReportJob],
        ),
        (
            "refused, the pod is gone",
            failed(
                60,
                "PodFailurePolicy",
                "Container publish for pod ml/x failed with exit code 67 matching FailJob rule at index 2",
                None,
            ),
            "?ReadingReport",
            vec![Act::CreateReportJob],
        ),
        (
            "no data, the pod is gone",
            failed(
                60,
                "PodFailurePolicy",
                "Container fetch for pod ml/x failed with exit code 66 matching FailJob rule at index 0",
                None,
            ),
            "!DataNotFound",
            vec![],
        ),
        (
            "given up, the pod is gone",
            failed(60, "BackoffLimitExceeded", "Job has reached the specified backoff limit", None),
            "!JobFailed",
            vec![],
        ),
        ("given up, the pod's news is late", failed(1, "BackoffLimitExceeded", "", None), "-", vec![]),
        (
            "out of memory",
            failed(1, "BackoffLimitExceeded", "", Some(failure(reason::OOM_KILLED, false))),
            "!OOMKilled",
            vec![],
        ),
        (
            "no storage",
            failed(1, "BackoffLimitExceeded", "", Some(failure(reason::STORAGE_UNAVAILABLE, false))),
            "!StorageUnavailable",
            vec![],
        ),
        (
            "a user's image that fails",
            failed(1, "BackoffLimitExceeded", "", Some(failure(reason::JOB_FAILED, false))),
            "!JobFailed",
            vec![],
        ),
        ("too late", failed(1, "DeadlineExceeded", "", None), "!DeadlineExceeded", vec![]),
    ] {
        let plan = plan(&observed);
        assert_eq!((says(&plan).as_str(), &plan.acts), (expected, &acts), "{name}");
        let is_over = matches!(plan.progress, Some(Progress::Judged(_) | Progress::Failed { .. }));
        assert!(is_over || plan.again.is_some(), "{name}: a run under way is looked at again");
    }
}

#[test]
fn a_lost_report_is_read_and_never_trained_for_again() {
    let lost = complete(60, None);
    let with = |state, pod| Observed { report_job: job(state), report_pod: pod, ..lost.clone() };
    for (name, observed, expected) in [
        ("being read", with(JobState::Active, Some(PodState::Running(Step::Report))), "?ReadingReport"),
        ("another attempt", with(JobState::Active, Some(failure(reason::STORAGE_UNAVAILABLE, false))), "!ReportLost"),
        ("read", with(JobState::Active, Some(reported(Verdict::Passed))), "=Passed"),
        ("read, a refusal", with(JobState::Complete { at: ago(0) }, Some(reported(Verdict::Refused))), "=Refused"),
        ("news is late", with(JobState::Complete { at: ago(0) }, None), "?ReadingReport"),
        (
            "nothing there",
            with(
                JobState::Failed { at: ago(0), reason: String::new(), message: String::new() },
                Some(failure(reason::DATA_NOT_FOUND, false)),
            ),
            "!ReportLost",
        ),
        ("said nothing", with(JobState::Complete { at: ago(60) }, Some(PodState::Unreadable)), "!ReportLost"),
    ] {
        let plan = plan(&observed);
        assert!(!plan.acts.contains(&Act::CreateJob), "{name}");
        if name != "another attempt" {
            assert_eq!(says(&plan), expected, "{name}");
        }
    }
}

#[test]
fn a_pod_that_cannot_be_created_says_why_once() {
    let words = "pods \"x\" is forbidden: exceeded quota: small, requested: limits.memory=1Gi";
    let observed = Observed { job: job(JobState::Active), not_created: Some(words.to_owned()), ..Observed::NOTHING };
    let first = plan(&observed);
    assert_eq!(says(&first), "?QuotaExceeded");
    let said = status::next(&with_status(begun()), first.progress.as_ref(), &[], &observed, fixture::now());
    let again = decide(&Ok(fixture::valid("{}")), &said, &observed, fixture::now());
    assert_eq!(says(&again), "-", "the same trouble in other words is not written again");
    let policy = Observed { not_created: Some("violates PodSecurity".to_owned()), ..observed };
    assert_eq!(says(&plan(&policy)), "?PodNotStarted");
}

#[test]
fn the_last_attempt_is_left_to_the_job() {
    let last = Observed {
        job: JobFacts { attempts: 3, ..job(JobState::Active) },
        ..active(failure(reason::JOB_FAILED, false))
    };
    assert_eq!(says(&plan(&last)), "-");
}

#[test]
fn a_failed_pod_that_sidecars_keep_alive_is_deleted() {
    let pod = Seen { name: "x".to_owned(), ..Seen::default() };
    let alive = |seconds| {
        active(PodState::Failed(Failure {
            reason: reason::STORAGE_UNAVAILABLE,
            message: "publish: no route".to_owned(),
            log: vec![],
            is_final: false,
            is_disruption: false,
            kept_alive: Some((pod.clone(), ago(seconds))),
        }))
    };
    assert_eq!(plan(&alive(1)).acts, []);
    assert_eq!(plan(&alive(10)).acts, [Act::DeletePod(pod.clone())]);
}

#[test]
fn unreachable_storage_names_the_secret() {
    let pod = Some(failure(reason::STORAGE_UNAVAILABLE, false));
    let plan = plan(&failed(1, "BackoffLimitExceeded", "", pod));
    let Some(Progress::Failed { message, .. }) = plan.progress else { panic!("a failure") };
    assert_eq!(message, "train: why; credentials and address come from Secret slipway-storage");
}

#[test]
fn between_two_pods_the_last_word_stands() {
    let quota = Progress::Underway { reason: reason::QUOTA_EXCEEDED, message: "no room".to_owned() };
    let status = status::next(&with_status(begun()), Some(&quota), &[], &Observed::NOTHING, fixture::now());
    let no_pod = Observed { job: job(JobState::Active), ..Observed::NOTHING };
    assert_eq!(says(&decide(&Ok(fixture::valid("{}")), &status, &no_pod, fixture::now())), "-");
}

#[test]
fn the_deadline_names_what_was_in_the_way() {
    let plan = plan(&failed(1, "DeadlineExceeded", "", None));
    let Some(Progress::Failed { message, .. }) = plan.progress else { panic!("a failure") };
    assert_eq!(message, "not done within 7200 s; before that: waiting for the pod to start");
}

fn with_status(status: TrainingRunStatus) -> TrainingRun {
    TrainingRun { status: Some(status), ..fixture::run("{}") }
}

fn finished(seconds: i64) -> TrainingRunStatus {
    TrainingRunStatus { completion_time: Some(Time(ago(seconds))), ..begun() }
}

#[test]
fn a_finished_run_tidies_up_and_never_makes_a_job() {
    let now = fixture::now();
    let week = 604_800;
    let with_report_job = Observed { report_job: job(JobState::Complete { at: ago(1) }), ..Observed::NOTHING };
    for (name, since, observed, acts) in [
        ("the Job was deleted", 10, Observed::NOTHING, vec![]),
        ("the Job is done", 1, complete(1, None), vec![Act::SetJobTtl(86_400)]),
        ("the Job is about to end", 1, active(reported(Verdict::Passed)), vec![]),
        ("sidecars keep the Job alive", 60, active(reported(Verdict::Passed)), vec![Act::DeleteJob]),
        ("the Job would try on", 1, active(blocked(reason::IMAGE_PULL, Patience::None)), vec![Act::DeleteJob]),
        ("the report was read", 1, with_report_job, vec![Act::DeleteReportJob]),
    ] {
        assert_eq!(decide_finished(&finished(since), &observed, week, now).acts, acts, "{name}");
    }
    let tidy =
        Observed { job: JobFacts { has_ttl: true, ..job(JobState::Complete { at: ago(1) }) }, ..Observed::NOTHING };
    assert_eq!(decide_finished(&finished(1), &tidy, week, now).acts, []);
}

#[test]
fn a_finished_run_is_deleted_when_its_time_has_come() {
    let now = fixture::now();
    let early = decide_finished(&finished(50), &Observed::NOTHING, 60, now);
    assert_eq!((early.acts, early.again), (vec![], Some(Duration::from_secs(10))));
    assert_eq!(decide_finished(&finished(60), &Observed::NOTHING, 60, now).acts, [Act::DeleteRun]);
    assert_eq!(decide_finished(&finished(0), &Observed::NOTHING, 0, now).acts, [Act::DeleteRun]);
}

#[test]
fn a_run_is_held_and_let_go() {
    let suspended = JobFacts { is_suspended: true, ..job(JobState::Active) };
    let plan = |spec: &str, job: JobFacts| {
        let observed = Observed { job, ..Observed::NOTHING };
        let plan = decide(&Ok(fixture::valid(spec)), &begun(), &observed, fixture::now());
        (says(&plan), plan.acts)
    };
    let (held, queued) = ("{suspend: true}", "{queueName: nightly}");
    assert_eq!(plan(held, JobFacts::ABSENT), ("?Suspended".to_owned(), vec![]));
    assert_eq!(plan(held, job(JobState::Active)), ("?Suspended".to_owned(), vec![Act::SuspendJob(true)]));
    assert_eq!(plan(held, suspended.clone()), ("?Suspended".to_owned(), vec![]));
    assert_eq!(plan("{}", suspended.clone()), ("?Starting".to_owned(), vec![Act::SuspendJob(false)]));
    assert_eq!(plan(queued, suspended), ("?Queued".to_owned(), vec![]), "the queue lets it go, not the operator");
    assert_eq!(plan(queued, job(JobState::Active)), ("?Starting".to_owned(), vec![]));
}

#[test]
fn what_the_cluster_takes_away_is_no_attempt() {
    let disrupted = PodState::Failed(Failure {
        reason: reason::JOB_FAILED,
        message: "the cluster stopped the pod: node drained".to_owned(),
        log: vec![],
        is_final: false,
        is_disruption: true,
        kept_alive: None,
    });
    let last = Observed { job: JobFacts { attempts: 3, ..job(JobState::Active) }, ..active(disrupted) };
    let Some(Progress::Underway { reason, message }) = plan(&last).progress else { panic!("under way") };
    let expected = "the cluster stopped the pod: node drained; starting again, this attempt does not count";
    assert_eq!((reason, message.as_str()), (reason::RETRYING, expected));
}
