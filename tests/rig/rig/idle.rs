//! An operator that has nothing to do.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use slipway_rig::api::Api;
use slipway_rig::operator::Operator;
use slipway_rig::proxy::Proxy;

use crate::place;

/// How long nothing must happen.
const WINDOW: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_without_objects_gets_ready_and_writes_nothing() -> Result<()> {
    let plane = place::control_plane().await?;
    let namespace = json!({"metadata": {"name": "idle"}});
    plane.api().call(hyper::Method::POST, "/api/v1/namespaces", Some(&namespace)).await?.ok()?;
    let proxy = Proxy::start(Api::new(&plane.endpoint, &plane.operator), None).await?;
    let operator = Operator::start(&place::operator()?, &place::folder(), "idle", &proxy)?;
    operator.ready().await?;
    let mut writes = proxy.writes();
    let first = tokio::time::timeout(WINDOW, writes.wait_for(|count| *count > 0)).await;
    assert!(first.is_err(), "{}", proxy.journal());
    operator.check()?;
    plane.check()
}
