//! The operator is killed at every write, and nothing shows.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use slipway_rig::fault::{Fault, Replay, Side};
use slipway_rig::run::Place;
use slipway_rig::scenario::{self, Scenario};
use slipway_rig::sweep::Sweep;

use crate::place;

/// Names one run to do again, instead of sweeping.
const REPLAY: &str = "SLIPWAY_RIG";

const KILLS: [Fault; 2] = [Fault::Kill(Side::Before), Fault::Kill(Side::After)];

async fn sweep(sweep: &Sweep, scenarios: &[Scenario]) -> Result<()> {
    let plane = place::control_plane().await?;
    let place = Arc::new(Place::new(plane, place::operator()?, place::folder()).await?);
    if let Ok(replay) = std::env::var(REPLAY) {
        return again(&place, replay.parse()?).await;
    }
    let swept = sweep.run(&place, scenarios).await?;
    println!("{swept}");
    plane.check()?;
    assert!(swept.failures.is_empty(), "{swept}");
    Ok(())
}

/// One run, told in full.
async fn again(place: &Place, replay: Replay) -> Result<()> {
    let scenario = scenario::find(&replay.scenario)
        .with_context(|| format!("there is no scenario {}; there are {:?}", replay.scenario, scenario::ALL))?;
    let window = Duration::from_secs(5);
    let undisturbed = Replay { script: None, ..replay.clone() };
    let undisturbed = place.run(&scenario, undisturbed, window, None).await;
    println!("{undisturbed}");
    let outcome = place.run(&scenario, replay, window, Some(undisturbed.end)).await;
    println!("{outcome}");
    assert!(outcome.is_good());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_killed_at_any_write_arrives_where_an_undisturbed_one_does() -> Result<()> {
    let scenarios: Vec<_> = scenario::ALL.into_iter().filter(|scenario| scenario.is_short).collect();
    sweep(&Sweep { faults: KILLS.to_vec(), parallel: 60, window: Duration::from_secs(5) }, &scenarios).await
}
