use super::*;
use crate::training_run::fixture;

fn judged(spec: &str, verdict: Verdict) -> TrainingRunStatus {
    let progress = Progress::Judged(Box::new(fixture::summary(verdict)));
    next(&fixture::run(spec), Some(&progress), &[], &Observed::NOTHING, fixture::now())
}

fn said(status: &TrainingRunStatus, type_: &str) -> (String, String) {
    let condition = condition::find(&status.conditions, type_).unwrap();
    (condition.status.clone(), condition.reason.clone())
}

#[test]
fn the_status_of_a_model_that_passed() {
    insta::assert_yaml_snapshot!(judged("{}", Verdict::Passed));
}

#[test]
fn the_status_of_a_model_that_was_refused() {
    insta::assert_yaml_snapshot!(judged("{}", Verdict::Refused));
}

#[test]
fn conditions_suit_kstatus() {
    let underway = Progress::Underway { reason: reason::TRAINING, message: "m".to_owned() };
    let failed = Progress::Failed { reason: reason::JOB_FAILED, message: "m".to_owned() };
    let passed = Progress::Judged(Box::new(fixture::summary(Verdict::Passed)));
    for (progress, succeeded, reconciling, stalled) in
        [(underway, "Unknown", "True", "False"), (failed, "False", "False", "True"), (passed, "True", "False", "False")]
    {
        let status = next(&fixture::run("{}"), Some(&progress), &[], &Observed::NOTHING, fixture::now());
        assert_eq!(said(&status, SUCCEEDED).0, succeeded);
        assert_eq!(said(&status, READY), said(&status, SUCCEEDED));
        assert_eq!(said(&status, RECONCILING).0, reconciling);
        assert_eq!(said(&status, STALLED).0, stalled);
    }
}

#[test]
fn the_same_facts_give_the_same_status() {
    let progress = Progress::Underway { reason: reason::TRAINING, message: "m".to_owned() };
    let first = next(&fixture::run("{}"), Some(&progress), &[], &Observed::NOTHING, fixture::now());
    let run = TrainingRun { status: Some(first.clone()), ..fixture::run("{}") };
    let later = Timestamp::from_second(fixture::now().as_second() + 100).unwrap();
    assert_eq!(next(&run, Some(&progress), &[], &Observed::NOTHING, later), first);
    assert_eq!(next(&run, None, &[], &Observed::NOTHING, later), first);
}

#[test]
fn the_champion_is_recorded_with_the_intent_to_make_the_job() {
    let champion = slipway_spec::ArtefactRef { uri: "s3://b/m/".to_owned(), digest: "sha256:c".to_owned() };
    let observed = Observed { champion: Some(champion.clone()), ..Observed::NOTHING };
    let progress = Progress::Underway { reason: reason::STARTING, message: "m".to_owned() };
    let status = next(&fixture::run("{}"), Some(&progress), &[Act::CreateJob], &observed, fixture::now());
    assert_eq!((status.champion.clone(), status.job.as_ref().unwrap().name.as_str()), (Some(champion), "ttd-1"));
    // One that changes later does not matter.
    let run = TrainingRun { status: Some(status.clone()), ..fixture::run("{}") };
    let later = next(&run, None, &[Act::CreateJob], &Observed::NOTHING, fixture::now());
    assert_eq!(later.champion, status.champion);
}

#[test]
fn a_model_without_gates_is_published_as_such() {
    let status = judged("{gates: []}", Verdict::Passed);
    assert_eq!(said(&status, SUCCEEDED), ("True".to_owned(), reason::PUBLISHED.to_owned()));
}

#[test]
fn events_come_with_transitions_and_not_with_steps() {
    let step = Progress::Underway { reason: reason::TRAINING, message: "m".to_owned() };
    let run = fixture::run("{}");
    let training = next(&run, Some(&step), &[], &Observed::NOTHING, fixture::now());
    assert_eq!(note(None, &step, &training), None);
    let quota = Progress::Underway { reason: reason::QUOTA_EXCEEDED, message: "no room".to_owned() };
    let waiting = next(&run, Some(&quota), &[], &Observed::NOTHING, fixture::now());
    assert!(note(Some(&training), &quota, &waiting).unwrap().warning);
    assert_eq!(note(Some(&waiting), &quota, &waiting), None);
    let passed = Progress::Judged(Box::new(fixture::summary(Verdict::Passed)));
    let done = next(&run, Some(&passed), &[], &Observed::NOTHING, fixture::now());
    let note = note(Some(&waiting), &passed, &done).unwrap();
    assert_eq!((note.warning, note.reason), (false, reason::GATES_PASSED));
}

#[test]
fn the_last_lines_of_a_failed_step_stay_until_the_run_succeeds() {
    let failure = super::super::facts::Failure {
        reason: reason::JOB_FAILED,
        message: "train: why".to_owned(),
        log: vec!["reading".to_owned(), "why".to_owned()],
        is_final: false,
        is_disruption: false,
        kept_alive: None,
    };
    let failed = Observed { pod: Some(PodState::Failed(failure)), ..Observed::NOTHING };
    let retrying = Progress::Underway { reason: reason::RETRYING, message: "m".to_owned() };
    let after = |status, progress: &Progress, observed: &Observed| {
        let run = TrainingRun { status: Some(status), ..fixture::run("{}") };
        next(&run, Some(progress), &[], observed, fixture::now())
    };
    let told = after(TrainingRunStatus::default(), &retrying, &failed);
    assert_eq!(told.log_tail, ["reading", "why"]);
    let running = after(told, &retrying, &Observed::NOTHING);
    assert_eq!(running.log_tail, ["reading", "why"], "the next attempt has not said anything yet");
    let passed = Progress::Judged(Box::new(fixture::summary(Verdict::Passed)));
    assert!(after(running, &passed, &Observed::NOTHING).log_tail.is_empty());
}
