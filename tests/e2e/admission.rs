//! What `kubectl apply` refuses, and what it says.

use anyhow::{Context, Result, anyhow};
use kube::api::{Patch, PatchParams, PostParams};
use slipway_e2e::Space;

#[tokio::test]
async fn every_rule_accepts_what_is_right_and_says_what_to_write_instead() -> Result<()> {
    let space = Space::new("rules").await?;
    let mut wrong = vec![];
    for case in slipway_crds::cases::cases().map_err(|error| anyhow!("{error}"))? {
        let api = space.api(case.object["kind"].as_str().context("kind")?);
        let answer = match &case.before {
            None => {
                let try_out = PostParams { dry_run: true, ..PostParams::default() };
                api.create(&try_out, &serde_json::from_value(case.object)?).await
            }
            Some(before) => {
                space.apply(&before.to_string())?;
                let name = case.object["metadata"]["name"].as_str().context("name")?;
                let try_out = PatchParams { dry_run: true, ..PatchParams::default() };
                api.patch(name, &try_out, &Patch::Merge(&case.object)).await
            }
        };
        match (&case.refused, answer.map_err(|error| error.to_string())) {
            (None, Ok(_)) => {}
            (Some(part), Err(message)) if message.contains(part) => {}
            (expected, answer) => wrong.push((case.name, expected.clone(), answer.err())),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}
