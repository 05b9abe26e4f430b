//! Whatever happens to the operator at any of its writes, it arrives where an undisturbed one does.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use slipway_rig::fault::{Fault, Replay, Side};
use slipway_rig::kind;
use slipway_rig::run::Place;
use slipway_rig::scenario::{self, Scenario};
use slipway_rig::sweep::Sweep;

use crate::place;

/// Names one run, such as `promote:after:7`, to be told in full.
const REPLAY: &str = "SLIPWAY_RIG";

/// Death.
const KILLS: [Fault; 2] = [Fault::Kill(Side::Before), Fault::Kill(Side::After)];

/// What an operator must live through.
const TROUBLES: [Fault; 13] = [
    Fault::Lose,
    Fault::Delay,
    Fault::Stall,
    Fault::Answer(429, Side::Before),
    Fault::Answer(503, Side::Before),
    Fault::Answer(500, Side::After),
    Fault::Answer(504, Side::After),
    Fault::CutWatches,
    Fault::MuteWatches,
    Fault::Hold(None),
    Fault::Hold(Some(kind::MODEL_DEPLOYMENT)),
    Fault::Hold(Some(kind::POD)),
    Fault::Hold(Some(kind::SERVICE)),
];

/// Runs at a time in which something happens, and all that there may be: an operator at rest takes some MiB, no more.
const BUSY: usize = 12;
const PARALLEL: usize = 200;
/// How long nothing may be written at the end of a run; in the long test, longer than a watch lasts.
const WINDOW: Duration = Duration::from_secs(5);
const LONG_WINDOW: Duration = Duration::from_secs(60);

async fn new_place() -> Result<Arc<Place>> {
    let plane = place::control_plane().await?;
    Ok(Arc::new(Place::new(plane, place::operator()?, place::folder(), BUSY).await?))
}

async fn sweep(faults: &[Fault], window: Duration, scenarios: &[Scenario]) -> Result<()> {
    let sweep = Sweep { faults: faults.to_vec(), parallel: PARALLEL, window };
    let swept = sweep.run(&new_place().await?, scenarios).await?;
    println!("{swept}");
    place::control_plane().await?.check()?;
    assert!(swept.failures.is_empty(), "{swept}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_killed_at_any_write_arrives_where_an_undisturbed_one_does() -> Result<()> {
    let scenarios: Vec<_> = scenario::ALL.into_iter().filter(|scenario| scenario.is_short).collect();
    sweep(&KILLS, WINDOW, &scenarios).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long"]
async fn every_scenario_comes_to_its_end_wherever_the_operator_is_killed() -> Result<()> {
    sweep(&KILLS, LONG_WINDOW, &scenario::ALL).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long"]
async fn answers_that_are_lost_late_or_wrong_and_watches_that_die_change_nothing() -> Result<()> {
    let promote = scenario::find("promote").context("promote")?;
    sweep(&TROUBLES, WINDOW, &[promote]).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long"]
async fn an_operator_that_is_killed_every_other_second_arrives() -> Result<()> {
    let scenarios: Vec<_> = ["promote", "follow", "supersede"].into_iter().filter_map(scenario::find).collect();
    sweep(&[Fault::Storm], WINDOW, &scenarios).await
}

#[tokio::test(flavor = "multi_thread")]
async fn rivals_who_write_to_the_same_objects_all_the_time_do_not_keep_it_from_its_end() -> Result<()> {
    let place = new_place().await?;
    let promote = scenario::find("promote").context("promote")?;
    let named = |name: &str| name.parse::<Replay>();
    let undisturbed = place.run(&promote, named("promote")?, WINDOW, None).await;
    assert!(undisturbed.is_good(), "{undisturbed}");
    let outcome = place.run(&scenario::RIVALS, named("promote")?, WINDOW, Some(undisturbed.end)).await;
    assert!(outcome.is_good(), "{outcome}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "only with a name"]
async fn one_run_again() -> Result<()> {
    let replay: Replay = std::env::var(REPLAY).context(REPLAY)?.parse()?;
    let scenario = scenario::find(&replay.scenario)
        .with_context(|| format!("there is no scenario {}; there are {:?}", replay.scenario, scenario::ALL))?;
    let place = new_place().await?;
    let undisturbed = Replay { script: None, ..replay.clone() };
    let undisturbed = place.run(&scenario, undisturbed, WINDOW, None).await;
    println!("{undisturbed}");
    let outcome = place.run(&scenario, replay, WINDOW, Some(undisturbed.end)).await;
    println!("{outcome}");
    assert!(outcome.is_good());
    Ok(())
}
