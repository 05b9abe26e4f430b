//! Prometheus metrics of the operator. Labels are bounded: never an object's name.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    controller: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Finished {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RolloutEnd {
    outcome: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Write {
    kind: &'static str,
    verb: &'static str,
    code: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Controller {
    controller: &'static str,
}

fn duration_buckets() -> Histogram {
    Histogram::new([0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0])
}

/// All metrics, and the registry that encodes them. A controller's own metrics are fields with a method that counts.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    reconciles: Family<Outcome, Counter>,
    durations: Family<Controller, Histogram>,
    runs: Family<Finished, Counter>,
    rollouts: Family<RolloutEnd, Counter>,
    writes: Family<Write, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("slipway_operator");
        let reconciles = Family::default();
        let durations = Family::<Controller, Histogram>::new_with_constructor(duration_buckets);
        let runs = Family::default();
        let rollouts = Family::default();
        let writes = Family::default();
        registry.register("reconciles", "Reconciles by outcome: ok or the error's class", reconciles.clone());
        registry.register("reconcile_seconds", "Wall time of a reconcile, seconds", durations.clone());
        registry.register("training_runs_finished", "Training runs that finished, by reason", runs.clone());
        registry.register(
            "rollouts",
            "Rollouts by outcome (promoted, failed, rolled_back, stalled) and, of failed ones, the reason",
            rollouts.clone(),
        );
        registry.register(
            "writes",
            "Writes to the API server by kind, verb and the answer's code; 0: no answer",
            writes.clone(),
        );
        Metrics { registry, reconciles, durations, runs, rollouts, writes }
    }
}

impl Metrics {
    /// Counts one reconcile; `outcome` is `ok` or the error's class.
    pub fn reconciled(&self, controller: &'static str, outcome: &'static str, took: Duration) {
        self.reconciles.get_or_create(&Outcome { controller, outcome }).inc();
        self.durations.get_or_create(&Controller { controller }).observe(took.as_secs_f64());
    }

    /// Counts a training run that finished, by the reason of its condition.
    pub fn training_run_finished(&self, reason: &'static str) {
        self.runs.get_or_create(&Finished { reason }).inc();
    }

    /// Counts a turn of a rollout: `promoted`, `failed` with its reason, `rolled_back` or `stalled`.
    pub fn rollout(&self, outcome: &'static str, reason: &'static str) {
        self.rollouts.get_or_create(&RolloutEnd { outcome, reason }).inc();
    }

    /// Counts a write to the API server; code 0: no answer.
    pub fn wrote(&self, kind: &'static str, verb: &'static str, code: u16) {
        self.writes.get_or_create(&Write { kind, verb, code }).inc();
    }

    /// The metrics in the `OpenMetrics` text format.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
