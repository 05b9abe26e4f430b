//! The steps around training, as a pod runs them, over a folder and over a real S3 server.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::models::{self, train};
use crate::support::{Attempt, Ended, Place, names, run, slipway_store};
use serde_json::json;
use slipway_spec::Verdict;

const DATA: &[u8] = b"x,colour,y\n1,red,2\n";

#[test]
fn a_run_is_fetched_published_reported_and_served() {
    Place::each(|place| {
        place.put("data/orders-2024-05-01.csv", b"old");
        place.put("data/orders-2024-05-02T06:30:00.csv", DATA);
        place.put("data/notes-2025-01-01.txt", b"no data");
        let gates = json!({"gates": [{"metric": "mae", "atMost": 0.5, "warnAbove": 0.1}]});
        let run = run(place, "uid-1", &gates);
        let attempt = Attempt::new(place, &run);
        attempt.step("fetch").expect(0, "");
        assert_eq!(attempt.input(), [("orders-2024-05-02T06:30:00.csv".to_owned(), DATA.to_vec())]);
        assert!(!attempt.committed());
        for (file, mode) in [("run.json", 0o644), ("input/orders-2024-05-02T06:30:00.csv", 0o644), ("output", 0o777)] {
            let actual = fs::metadata(attempt.path(file)).unwrap().permissions().mode() & 0o777;
            assert_eq!(actual, mode, "{file}: the train step runs as another user");
        }

        train(&attempt.path("output"), 2.1);
        let ended = attempt.step("publish").expect(0, "");
        assert!(ended.stdout.contains("warned: mae is 0.2, above 0.1"), "{ended:?}");
        let summary = attempt.summary();
        assert_eq!(summary.verdict, Verdict::Passed);
        assert_eq!(summary.uri, place.uri("models/line/uid-1/"));
        assert_eq!(summary.data_uri, place.uri("data/orders-2024-05-02T06:30:00.csv"));
        assert_eq!(summary.message.as_deref(), Some("mae is 0.2, above 0.1"));
        assert!(summary.size_bytes > 0);
        assert_eq!(summary.report, place.uri("models/line/uid-1/report.html"));
        opens_in_a_browser(place, "models/line/uid-1/");

        let reported = Attempt::new(place, &run);
        reported.step("report").expect(0, "");
        assert_eq!(reported.summary(), summary, "the message was lost, and is read again");

        let again = Attempt::new(place, &run);
        again.step("fetch").expect(0, "");
        assert!(again.committed(), "a retry trains nothing");
        again.step("publish").expect(0, "");
        assert_eq!(again.summary(), summary);

        let model = tempfile::tempdir().unwrap();
        fetch_model(place, "models/line/uid-1/", summary.digest.as_deref().unwrap(), model.path(), &[]).expect(0, "");
        let artefact = slipway_model::Artefact::load(model.path(), None).unwrap();
        assert_eq!((&*artefact.manifest.model_name, &*artefact.manifest.version), ("line", "uid-1"));
        assert_eq!(artefact.manifest.lineage.data.time.as_deref(), Some("2024-05-02T06:30:00Z"));
        assert_eq!(names(model.path()), ["manifest.json", "model.json", "report.html"]);
    });
}

#[test]
fn a_refused_model_is_not_stored_only_its_report() {
    Place::each(|place| {
        place.put("data/orders-2024-05-01.csv", DATA);
        let gates = json!({"gates": [{"metric": "r2", "atLeast": 0.9}, {"metric": "mae", "atMost": 0.5}]});
        let run = run(place, "uid-1", &gates);
        let attempt = Attempt::new(place, &run);
        attempt.step("fetch").expect(0, "");
        train(&attempt.path("output"), 1.0);
        attempt.step("publish").expect(67, "refused: r2 is -0.75");
        let summary = attempt.summary();
        assert_eq!((summary.verdict, summary.failed, &summary.digest), (Verdict::Refused, 2, &None));
        let stored = place.keys("models/line/uid-1/");
        assert_eq!(
            stored,
            ["dataset.json", "report.html", "report.json"].map(|name| format!("models/line/uid-1/{name}"))
        );
        opens_in_a_browser(place, "models/line/uid-1/");

        let again = Attempt::new(place, &run);
        again.step("fetch").expect(0, "");
        assert!(again.committed());
        again.step("publish").expect(67, "refused: r2 is -0.75");
        assert_eq!(again.summary(), summary);
        again.step("report").expect(0, "");
        assert_eq!(again.summary(), summary);
    });
}

#[test]
fn an_attempt_that_was_interrupted_is_completed_by_the_next() {
    Place::each(|place| {
        place.put("data/orders-2024-05-01.csv", DATA);
        let run = run(place, "uid-1", &json!({}));
        let attempt = Attempt::new(place, &run);
        attempt.step("fetch").expect(0, "");
        train(&attempt.path("output"), 2.1);
        attempt.step("publish").expect(0, "");
        let summary = attempt.summary();
        place.delete("models/line/uid-1/report.html");
        attempt.step("report").expect(0, "");
        assert_eq!(attempt.summary(), summary);
        opens_in_a_browser(place, "models/line/uid-1/");

        place.delete("models/line/uid-1/report.json");
        place.delete("models/line/uid-1/report.html");
        let again = Attempt::new(place, &run);
        again.step("fetch").expect(0, "");
        again.step("publish").expect(0, "");
        assert_eq!((again.summary().digest, again.summary().metrics), (summary.digest, summary.metrics));
        opens_in_a_browser(place, "models/line/uid-1/");
    });
}

#[test]
fn of_two_publishers_one_wins_and_both_report_it() {
    Place::each(|place| {
        place.put("data/orders-2024-05-01.csv", DATA);
        let run = run(place, "uid-1", &json!({}));
        let attempts = [2.0, 2.5, 3.0].map(|slope| {
            let attempt = Attempt::new(place, &run);
            attempt.step("fetch").expect(0, "");
            train(&attempt.path("output"), slope);
            attempt
        });
        let children: Vec<_> = attempts.iter().map(|attempt| attempt.command("publish").spawn().unwrap()).collect();
        for child in children {
            Ended::of(child.wait_with_output().unwrap()).expect(0, "");
        }
        let digests = attempts.map(|attempt| attempt.summary().digest.unwrap());
        assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
        let model = tempfile::tempdir().unwrap();
        fetch_model(place, "models/line/uid-1/", &digests[0], model.path(), &[]).expect(0, "");
    });
}

#[test]
fn every_attempt_trains_on_the_same_bytes() {
    Place::each(|place| {
        let first_name = "data/orders-2024-05-01.csv";
        place.put(first_name, DATA);
        let run = run(place, "uid-1", &json!({}));
        let first = Attempt::new(place, &run);
        first.step("fetch").expect(0, "");

        place.put("data/orders-2024-06-01.csv", b"newer");
        let second = Attempt::new(place, &run);
        second.step("fetch").expect(0, "");
        assert_eq!(first.input(), second.input());

        place.put(first_name, b"x,colour,y\n1,red,3\n");
        Attempt::new(place, &run).step("fetch").expect(65, "the data is not what this run's first attempt read");
        place.delete(first_name);
        Attempt::new(place, &run).step("fetch").expect(66, "the data that this run's first attempt read is gone");
    });
}

#[test]
fn all_files_of_a_prefix_are_one_set_and_every_attempt_reads_the_same() {
    Place::each(|place| {
        place.put("data/b.csv", b"x,y\n3,4\n");
        place.put("data/a.csv", b"x,y\n1,2\n");
        place.put("data/README.md", b"about these files");
        place.put("data/_SUCCESS", b"");
        let run_of = |uid: &str, uri: &str| run(place, uid, &json!({"data": {"uri": place.uri(uri), "select": "All"}}));
        let run = run_of("uid-1", "data/");
        let first = Attempt::new(place, &run);
        first.step("fetch").expect(0, "");
        let both = [("a.csv".to_owned(), b"x,y\n1,2\n".to_vec()), ("b.csv".to_owned(), b"x,y\n3,4\n".to_vec())];
        assert_eq!(first.input(), both);
        place.put("data/c.csv", b"x,y\n5,6\n");
        let second = Attempt::new(place, &run);
        second.step("fetch").expect(0, "");
        assert_eq!(second.input(), both);

        place.put("data/b.csv", b"x,y\n3,4444\n");
        Attempt::new(place, &run).step("fetch").expect(65, "the data is not what this run's first attempt read");
        place.put("data/d.parquet", b"PAR1");
        let mixed = run_of("uid-2", "data/");
        Attempt::new(place, &mixed).step("fetch").expect(65, "a.csv and d.parquet are of different formats");
        let file = run_of("uid-3", "data/a.csv");
        Attempt::new(place, &file).step("fetch").expect(64, "end the uri with /");
        let nothing = run_of("uid-4", "elsewhere/");
        Attempt::new(place, &nothing).step("fetch").expect(66, "there is no ");
    });
}

#[test]
fn where_storage_keeps_versions_a_retry_reads_the_old_one() {
    let Some(gateway) = crate::support::gateway::Gateway::start() else { return };
    gateway.keep_versions();
    let place = &Place::S3(gateway);
    place.put("data/orders-2024-05-01.csv", DATA);
    let run = run(place, "uid-1", &json!({}));
    Attempt::new(place, &run).step("fetch").expect(0, "");
    place.put("data/orders-2024-05-01.csv", b"overwritten");
    let second = Attempt::new(place, &run);
    second.step("fetch").expect(0, "");
    assert_eq!(second.input()[0].1, DATA);
}

#[test]
fn what_is_missing_is_named() {
    Place::each(|place| {
        place.put("data/orders.csv", DATA);
        place.put("data/orders-2024-05-01.xlsx", DATA);
        place.put("same/a-2024-05-01.csv", DATA);
        place.put("same/b-2024-05-01T00:00:00.csv", DATA);
        let fetch = |extra: serde_json::Value| Attempt::new(place, &run(place, "uid-1", &extra)).step("fetch");
        fetch(json!({})).expect(66, "there is orders-2024-05-01.xlsx, orders.csv");
        fetch(json!({"data": {"uri": place.uri("same/")}})).expect(66, "have the same time, 2024-05-01T00:00:00");
        let missing = place.uri("data/missing.csv");
        fetch(json!({"data": {"uri": missing}})).expect(66, &format!("{missing}: there is no such object"));
        fetch(json!({"data": {"uri": "https://example.com/a.csv"}})).expect(64, "write s3://BUCKET/PATH");
        if place.is_s3() {
            let bucket = json!({"data": {"uri": "s3://missing/data.csv"}});
            fetch(bucket).expect(66, "s3://missing/data.csv: there is no bucket of that name");
            let output = json!({"output": {"uri": "s3://missing/models/"}});
            fetch(output).expect(66, "there is no bucket of that name");
        }
        let report = Attempt::new(place, &run(place, "uid-2", &json!({}))).step("report");
        report.expect(66, "this run has no outcome there");
    });
}

#[test]
fn data_is_put_once_and_never_overwritten() {
    Place::each(|place| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("orders-2024-05-01.csv");
        fs::write(&file, DATA).unwrap();
        let put = || place.run(&["put", file.to_str().unwrap(), &place.uri("data/")]);
        put().expect(0, "");
        assert_eq!(place.get("data/orders-2024-05-01.csv"), DATA);
        assert!(put().expect(0, "").stdout.contains("is there already, with the same bytes"));
        fs::write(&file, "other").unwrap();
        put().expect(65, "is there with other bytes, and stays; choose another name");
        fs::remove_file(&file).unwrap();
        put().expect(66, "there is no such file");
    });
}

#[test]
fn a_run_that_cannot_be_read_is_wrong_usage() {
    let place = Place::Files(tempfile::tempdir().unwrap());
    for run in [json!({}), json!("x".repeat(70_000)), run(&place, "../escape", &json!({}))] {
        let ended = Attempt::new(&place, &run).step("fetch");
        assert_eq!(ended.code, 64, "{ended:?}");
    }
    let ended =
        Ended::of(slipway_store(&["fetch-model", "--uri", "s3://bucket/x/", "--digest", "abc"]).output().unwrap());
    assert_eq!(ended.code, 64, "{ended:?}");
    assert!(ended.stderr.contains("write sha256:"), "{ended:?}");
}

#[test]
fn a_training_step_that_left_nothing_or_rubbish_is_refused_by_name() {
    let place = Place::Files(tempfile::tempdir().unwrap());
    place.put("data/orders-2024-05-01.csv", DATA);
    let attempt = Attempt::new(&place, &run(&place, "uid-1", &json!({})));
    attempt.step("publish").expect(65, "dataset.json: it is missing; run fetch first");
    attempt.step("fetch").expect(0, "");
    attempt.step("publish").expect(65, "the training step wrote no manifest.json");
    train(&attempt.path("output"), 2.0);
    fs::write(attempt.path("output/test.csv"), "truth,prediction\n1,one\n").unwrap();
    attempt.step("publish").expect(65, "test.csv: row 1: prediction: expected a number, got \"one\"");
    assert_eq!(place.keys("models/line/uid-1/"), ["models/line/uid-1/dataset.json"]);
}

#[test]
fn the_champion_is_fetched_only_for_a_gate_that_compares_with_it() {
    Place::each(|place| {
        place.put("data/orders-2024-05-01.csv", DATA);
        let digest = models::upload(place, "models/line/champion/", 2.05, &["blue", "red"]);
        let with_champion = |uid: &str, gate: serde_json::Value, digest: String| {
            let mut run = run(place, uid, &json!({"gates": [gate]}));
            run["champion"] = json!({"uri": place.uri("models/line/champion/"), "digest": digest});
            Attempt::new(place, &run)
        };
        let relative = json!({"metric": "mae", "champion": {"worseByAtMost": 0.0}});
        let attempt = with_champion("uid-1", relative.clone(), digest.to_string());
        attempt.step("fetch").expect(0, "");
        train(&attempt.path("output"), 2.1);
        attempt.step("publish").expect(67, "mae is 0.2, above 0.1, the bound set by the champion's 0.1");

        let wrong = format!("sha256:{}", "0".repeat(64));
        with_champion("uid-2", relative, wrong.clone()).step("fetch").expect(65, &wrong);
        let absolute = json!({"metric": "mae", "atMost": 1});
        with_champion("uid-3", absolute, wrong).step("fetch").expect(0, "");
    });
}

/// The report is there for programs and, made from it, for people.
fn opens_in_a_browser(place: &Place, folder: &str) {
    let report: slipway_spec::Report = serde_json::from_slice(&place.get(&format!("{folder}report.json"))).unwrap();
    assert_eq!(place.get(&format!("{folder}report.html")), slipway_report::page(&report).as_bytes());
    if let Place::S3(gateway) = place {
        assert_eq!(gateway.content_type(&format!("{folder}report.html")), "text/html; charset=utf-8");
    }
}

fn fetch_model(place: &Place, prefix: &str, digest: &str, output: &std::path::Path, more: &[&str]) -> Ended {
    let uri = place.uri(prefix);
    let args = ["fetch-model", "--uri", &uri, "--digest", digest, "--output", output.to_str().unwrap()];
    place.run(&[&args[..], more].concat())
}
