//! Every write of every scenario, with every fault.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::fault::{Fault, Replay, Script};
use crate::run::{Outcome, Place};
use crate::scenario::Scenario;

/// How to sweep.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// What happens at each write.
    pub faults: Vec<Fault>,
    /// Runs at a time, those at rest included.
    pub parallel: usize,
    /// How long nothing may be written at the end of a run.
    pub window: Duration,
}

/// What came of it.
#[derive(Debug)]
pub struct Swept {
    /// Writes of each scenario, undisturbed.
    writes: BTreeMap<&'static str, usize>,
    /// Disturbed runs.
    runs: usize,
    /// Runs that came to their end before the write at which they were to be disturbed.
    unreached: usize,
    faults: usize,
    took: Duration,
    /// Runs in which something did not hold.
    pub failures: Vec<Outcome>,
}

impl Sweep {
    /// Plays each scenario once undisturbed, then once for each of its writes and each fault.
    pub async fn run(&self, place: &Arc<Place>, scenarios: &[Scenario]) -> Result<Swept> {
        let began = Instant::now();
        let mut swept = Swept {
            writes: BTreeMap::new(),
            runs: 0,
            unreached: 0,
            faults: self.faults.len(),
            took: Duration::ZERO,
            failures: vec![],
        };
        let seats = Arc::new(Semaphore::new(self.parallel));
        let mut runs = JoinSet::new();
        for (scenario, outcome) in self.undisturbed(place, scenarios).await {
            if !outcome.is_good() {
                // Nothing to compare with.
                swept.fail(outcome);
                continue;
            }
            swept.writes.insert(scenario.name, outcome.writes);
            let scripts =
                (1..=outcome.writes).flat_map(|at| self.faults.iter().map(move |fault| Script { fault: *fault, at }));
            for script in scripts {
                let (place, seats, window) = (place.clone(), seats.clone(), self.window);
                let end = outcome.end.clone();
                let replay = Replay { scenario: scenario.name.to_owned(), script: Some(script) };
                runs.spawn(async move {
                    // Nobody closes it.
                    let _seat = seats.acquire_owned().await;
                    place.run(&scenario, replay, window, Some(end)).await
                });
            }
        }
        while let Some(outcome) = runs.join_next().await {
            swept.add(outcome?);
        }
        swept.took = began.elapsed();
        Ok(swept)
    }

    /// All scenarios at once.
    async fn undisturbed(&self, place: &Arc<Place>, scenarios: &[Scenario]) -> Vec<(Scenario, Outcome)> {
        let mut runs = JoinSet::new();
        for scenario in scenarios.iter().copied() {
            let (place, window) = (place.clone(), self.window);
            let replay = Replay { scenario: scenario.name.to_owned(), script: None };
            runs.spawn(async move { (scenario, place.run(&scenario, replay, window, None).await) });
        }
        runs.join_all().await
    }
}

impl Swept {
    fn add(&mut self, outcome: Outcome) {
        self.runs += 1;
        if outcome.error.is_none()
            && outcome.journal.entries().iter().all(|entry| entry.fault.is_none() && entry.life == 1)
        {
            self.unreached += 1;
        }
        if !outcome.is_good() {
            self.fail(outcome);
        }
    }

    fn fail(&mut self, outcome: Outcome) {
        eprintln!("{outcome}");
        self.failures.push(outcome);
    }
}

impl fmt::Display for Swept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Swept { writes, runs, unreached, faults, took, failures } = self;
        let each: Vec<String> = writes.iter().map(|(name, writes)| format!("{name} {writes}")).collect();
        let total: usize = writes.values().sum();
        write!(
            f,
            "crash sweep: {} scenarios ({}), W = {total}, {faults}·W = {runs} runs",
            writes.len(),
            each.join(", ")
        )?;
        if *unreached > 0 {
            write!(f, " ({unreached} ended before the write at which they were to be disturbed)")?;
        }
        if failures.is_empty() {
            write!(f, ", all oracles held")?;
        } else {
            let names: Vec<String> = failures.iter().map(|outcome| outcome.replay.to_string()).collect();
            write!(f, ", {} of them failed: {}", failures.len(), names.join(" "))?;
        }
        write!(f, "; {} s", took.as_secs())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}:", self.replay)?;
        for violation in &self.violations {
            writeln!(f, "  {violation}")?;
        }
        if let Some(error) = &self.error {
            writeln!(f, "  {error:#}")?;
        }
        write!(f, "{}", self.journal)?;
        write!(f, "again: cargo xtask test --rig {}", self.replay)
    }
}
