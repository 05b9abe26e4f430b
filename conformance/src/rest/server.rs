//! Health and metadata.

use serde_json::Value;

use super::{asked, list, tensor, text};
use crate::suite::Level::{Recommended, Required};
use crate::suite::{Check, Subject, check, hold};

pub(super) fn checks() -> Vec<Check> {
    vec![
        check(Required, "GET /v2/health/live says 200", |subject| status(subject, "/v2/health/live", 200)),
        check(Required, "GET /v2/health/ready says 200", |subject| status(subject, "/v2/health/ready", 200)),
        check(Recommended, "the bodies of health are {\"live\": true} and {\"ready\": true}", health_bodies),
        check(Required, "GET /v2 names the server, its version and its extensions", server_metadata),
        check(Required, "GET /v2/models/MODEL has a name, a platform, inputs and outputs", model_metadata),
        check(Required, "GET /v2/models/MODEL/ready says 200", |subject| status(subject, &subject.path("/ready"), 200)),
        check(Required, "a version that the metadata list is ready, and has metadata", version),
        check(Recommended, "a model that is not there is 404", |subject| {
            not_found(subject, "/v2/models/no-such-model-8a1f")
        }),
        check(Recommended, "a version that is not there is 404", |subject| {
            not_found(subject, &subject.path("/versions/no-such-version-8a1f"))
        }),
        check(Recommended, "an address that is not there is 404, not 5xx", |subject| {
            status(subject, "/v2/no/such/address", 404)
        }),
    ]
}

fn status(subject: &Subject, path: &str, wanted: u16) -> Result<(), String> {
    let answer = asked(subject.client.get(path))?;
    hold(answer.status == wanted, || format!("answered {}", answer.status))
}

fn health_bodies(subject: &Subject) -> Result<(), String> {
    for word in ["live", "ready"] {
        let answer = asked(subject.client.get(&format!("/v2/health/{word}")))?;
        hold(answer.json().is_ok_and(|body| body[word] == Value::Bool(true)), || format!("{word}: {}", answer.text()))?;
    }
    Ok(())
}

fn server_metadata(subject: &Subject) -> Result<(), String> {
    let metadata = asked(subject.client.get("/v2"))?.success()?;
    text(&metadata, "name")?;
    text(&metadata, "version")?;
    let extensions = list(&metadata, "extensions")?;
    hold(extensions.iter().all(Value::is_string), || format!("extensions: {extensions:?}"))
}

fn model_metadata(subject: &Subject) -> Result<(), String> {
    let metadata = &subject.metadata;
    let name = text(metadata, "name")?;
    hold(name == subject.model, || format!("the name is {name}"))?;
    text(metadata, "platform")?;
    list(metadata, "inputs")?.iter().chain(list(metadata, "outputs")?).try_for_each(tensor)
}

fn version(subject: &Subject) -> Result<(), String> {
    // Versions may be left out.
    let Some(versions) = subject.metadata.get("versions").and_then(Value::as_array) else { return Ok(()) };
    for version in versions {
        let version = version.as_str().ok_or_else(|| format!("the version {version} is no text"))?;
        let path = subject.path(&format!("/versions/{version}"));
        status(subject, &format!("{path}/ready"), 200)?;
        text(&asked(subject.client.get(&path))?.success()?, "name")?;
    }
    Ok(())
}

fn not_found(subject: &Subject, path: &str) -> Result<(), String> {
    let answer = asked(subject.client.get(path))?;
    hold(answer.status == 404, || format!("answered {}: {}", answer.status, answer.text()))?;
    answer.json().and_then(|body| text(&body, "error").map(drop))
}
