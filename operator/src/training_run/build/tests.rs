use slipway_spec::ArtefactRef;

use super::*;
use crate::training_run::fixture;

#[test]
fn a_builtin_run() {
    let run = fixture::valid("{task: Regression}");
    insta::assert_yaml_snapshot!(job(&run, None, &fixture::config()));
}

#[test]
fn a_run_with_an_image_of_its_own() {
    let run = fixture::valid(
        "{train: {container: {image: 'registry.example/mine:2', command: [python], args: [train.py], env: [{name: EPOCHS, value: '3'}]}},
          retries: 0, activeDeadlineSeconds: 60, storage: {secretName: other},
          pod: {resources: {requests: {cpu: 2}, limits: {memory: 4Gi}}, imagePullSecrets: [{name: pull}],
                nodeSelector: {pool: train}, tolerations: [{key: gpu, operator: Exists}], serviceAccountName: trainer}}",
    );
    insta::assert_yaml_snapshot!(job(&run, None, &fixture::config()));
}

#[test]
fn the_job_that_reads_a_report() {
    insta::assert_yaml_snapshot!(report_job(&fixture::valid("{}"), None, &fixture::config()));
}

#[test]
fn only_steps_of_the_store_see_credentials_and_the_whole_volume() {
    let job = job(&fixture::valid("{}"), None, &fixture::config());
    let pod = job.spec.unwrap().template.spec.unwrap();
    let train = &pod.init_containers.unwrap()[1];
    assert_eq!(train.name, "train");
    let variables: Vec<_> = train.env.iter().flatten().map(|variable| variable.name.as_str()).collect();
    assert_eq!(variables, ["HOME"]);
    let mounts: Vec<_> = train.volume_mounts.iter().flatten().map(|mount| mount.mount_path.as_str()).collect();
    assert_eq!(mounts, ["/tmp", "/slipway/input", "/slipway/run.json", "/slipway/output"]);
    assert!(train.volume_mounts.iter().flatten().all(|mount| mount.sub_path.is_some()));
    assert_eq!(pod.automount_service_account_token, Some(false));
}

#[test]
fn the_champion_travels_in_the_run() {
    let run = fixture::valid("{gates: [{metric: r2, champion: {worseByAtMost: 0}}]}");
    let champion =
        ArtefactRef { uri: "s3://slipway/models/m/0/".to_owned(), digest: format!("sha256:{}", "c".repeat(64)) };
    let job = job(&run, Some(&champion), &fixture::config());
    let pod = job.spec.unwrap().template.spec.unwrap();
    let of = |container: &Container| {
        let variable = container.env.iter().flatten().find(|variable| variable.name == env::RUN).cloned().unwrap();
        serde_json::from_str::<slipway_spec::Run>(&variable.value.unwrap()).unwrap()
    };
    assert_eq!(of(&pod.containers[0]).champion.as_ref(), Some(&champion));
    assert_eq!(of(&pod.init_containers.unwrap()[0]).champion, Some(champion));
}

#[test]
fn nothing_in_a_spec_is_expanded() {
    let run = fixture::valid("{target: '$(AWS_SECRET_ACCESS_KEY)'}");
    let job = job(&run, None, &fixture::config());
    let pod = job.spec.unwrap().template.spec.unwrap();
    let variable = pod.containers[0].env.iter().flatten().find(|variable| variable.name == env::RUN).unwrap();
    assert!(variable.value.as_ref().unwrap().contains("$$(AWS_SECRET_ACCESS_KEY)"));
}
