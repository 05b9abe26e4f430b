//! An artefact comes to a server pod whole and verified, or not at all.

use std::fs;
use std::path::Path;

use crate::support::{Ended, Place, models, names, slipway_store};
use slipway_model::{Artefact, Digest};

fn fetch(place: &Place, digest: &Digest, output: &Path, more: &[&str]) -> Ended {
    let (uri, digest) = (place.uri("m/"), digest.to_string());
    let args = ["fetch-model", "--uri", &uri, "--digest", &digest, "--output", output.to_str().unwrap()];
    place.run(&[&args[..], more].concat())
}

#[test]
fn verified_bytes_that_are_there_need_no_network() {
    let place = Place::Files(tempfile::tempdir().unwrap());
    let digest = models::upload(&place, "m/", 2.0, &["red"]).to_string();
    let output = tempfile::tempdir().unwrap();
    let to = output.path().join("model");
    let run = |uri: &str| {
        let args = ["fetch-model", "--uri", uri, "--digest", &digest, "--output", to.to_str().unwrap()];
        let mut command = slipway_store(&args);
        command.env("AWS_ACCESS_KEY_ID", "x").env("AWS_SECRET_ACCESS_KEY", "y");
        Ended::of(command.env("AWS_ENDPOINT_URL", "http://127.0.0.1:1").output().unwrap())
    };
    run(&place.uri("m/")).expect(0, "");
    let ended = run("s3://bucket/m/").expect(0, "");
    assert!(ended.stdout.contains("is there already"), "{ended:?}");

    fs::write(to.join("model.json"), "{}").unwrap();
    run("s3://bucket/m/").expect(69, "127.0.0.1:1");
    run(&place.uri("m/")).expect(0, "");
    Artefact::load(&to, Some(digest.parse().unwrap())).unwrap();
}

#[test]
fn whatever_was_damaged_in_storage_is_refused_and_named() {
    Place::each(|place| {
        let digest = models::upload(place, "m/", 2.0, &["red"]);
        let output = tempfile::tempdir().unwrap();
        let wrong = Digest::of(b"another");
        let ended = fetch(place, &wrong, output.path(), &[]).expect(65, &digest.to_string());
        assert!(ended.last_line().contains(&wrong.to_string()), "both digests are named: {ended:?}");

        let file = place.keys("m/").into_iter().find(|key| !key.ends_with("manifest.json")).unwrap();
        let sound = place.get(&file);
        let damage = |bytes: &[u8], message: &str| {
            place.put(&file, bytes);
            fetch(place, &digest, output.path(), &[]).expect(65, message);
        };
        let mut one_byte = sound.clone();
        one_byte[10] ^= 1;
        damage(&one_byte, "the digest is");
        damage(&sound[1..], "bytes, expected");
        damage(&[&sound[..], b" "].concat(), "bytes, expected");
        place.delete(&file);
        fetch(place, &digest, output.path(), &[]).expect(65, "model.json is not there, though the manifest lists it");
        assert!(!output.path().join("manifest.json").exists(), "nothing was put where a server would find it");

        place.put(&file, &sound);
        fetch(place, &digest, output.path(), &[]).expect(0, "");
        assert_eq!(names(output.path()), ["manifest.json", "model.json"], "nothing of the failed tries is left");

        place.delete("m/manifest.json");
        fetch(place, &digest, tempfile::tempdir().unwrap().path(), &[])
            .expect(66, "m/manifest.json: there is no such object");
    });
}

#[test]
fn hostile_manifests_reach_nothing_outside_and_fill_no_disk() {
    let place = Place::Files(tempfile::tempdir().unwrap());
    models::upload(&place, "m/", 2.0, &["red"]);
    let text = String::from_utf8(place.get("m/manifest.json")).unwrap();
    let size = text.split("\"size\": ").nth(1).unwrap().split(',').next().unwrap();
    let size_field = format!("\"size\": {size},");
    for (from, to, message) in [
        ("\"name\": \"model.json\"", "\"name\": \"../../escaped\"", "is not allowed"),
        ("\"name\": \"model.json\"", "\"name\": \"/etc/passwd\"", "is not allowed"),
        (&*size_field, "\"size\": 99999999999999,", "is not allowed"),
        (&*size_field, "\"size\": 2000000000,", "bytes, expected 2000000000"),
        (&*size_field, "\"size\": 1,", "bytes, expected 1"),
        ("\"formatVersion\": 1", "\"formatVersion\": 2", "format version 2"),
    ] {
        assert!(text.contains(from), "{text}");
        let hostile = text.replace(from, to);
        place.put("m/manifest.json", hostile.as_bytes());
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("a/b");
        fetch(&place, &Digest::of(hostile.as_bytes()), &output, &[]).expect(65, message);
        assert!(names(folder.path()).iter().all(|name| name == "a"), "{:?}", names(folder.path()));
        assert!(!output.join("manifest.json").exists());
    }
    let huge = format!("{text}{}", " ".repeat(17 << 20));
    place.put("m/manifest.json", huge.as_bytes());
    fetch(&place, &Digest::of(huge.as_bytes()), tempfile::tempdir().unwrap().path(), &[])
        .expect(65, "more than the 16777216");
}

#[test]
fn a_model_that_would_break_callers_is_refused() {
    Place::each(|place| {
        let stable = models::upload(place, "stable/", 2.0, &["blue", "green", "red"]);
        let digest = models::upload(place, "m/", 2.0, &["red"]);
        let uri = place.uri("stable/");
        let compatible = |digest: &Digest| {
            ["--compatible-with", &uri, "--compatible-digest", &digest.to_string()].map(str::to_owned)
        };
        let run = |output: &Path, more: &[String]| {
            let more: Vec<_> = more.iter().map(String::as_str).collect();
            fetch(place, &digest, output, &more)
        };
        let output = tempfile::tempdir().unwrap();
        let lost = "would break callers: colour lost the category \"blue\" and 1 more";
        run(output.path(), &compatible(&stable)).expect(67, lost);
        assert!(names(output.path()).is_empty());
        run(output.path(), &[]).expect(0, "");

        // A stable model that is gone or damaged in storage holds no other one up.
        let warned = run(tempfile::tempdir().unwrap().path(), &compatible(&Digest::of(b"other"))).expect(0, "");
        assert!(warned.stderr.contains("warning: inputs cannot be compared"), "{warned:?}");
        place.delete("stable/manifest.json");
        let warned = run(tempfile::tempdir().unwrap().path(), &compatible(&stable)).expect(0, "");
        assert!(warned.stderr.contains("warning: inputs cannot be compared"), "{warned:?}");
    });
}
