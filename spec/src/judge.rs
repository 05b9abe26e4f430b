//! Metrics and gates to a verdict: the one function behind the laptop's report and what the cluster publishes.

use serde::{Deserialize, Serialize};

use crate::gate::{Gate, Of};
use crate::metric::{Metric, Metrics};

/// Whether a model may be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema), schemars(inline))]
pub enum Verdict {
    /// Every gate and check passed, perhaps with warnings.
    Passed,
    /// A gate or a check failed.
    Refused,
}

/// How one gate or check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema), schemars(inline))]
pub enum Outcome {
    /// Met.
    Passed,
    /// Met, with a warning.
    Warned,
    /// Not met.
    Failed,
}

/// How a gate came out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct GateResult {
    /// The metric; `f1.worst_group` and the like where the gate is about that number of it.
    pub metric: String,
    /// The outcome.
    pub outcome: Outcome,
    /// The metric's value; absent where it is undefined or was not reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<f64>,
    /// The bound that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<f64>,
    /// The champion's value, where the gate compares with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub champion: Option<f64>,
    /// The baseline's value, where the gate compares with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<f64>,
    /// What happened, as a sentence part: `r2 is 0.87, below 0.9`.
    pub message: String,
}

/// How a check came out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CheckResult {
    /// The check, as `monotonic orders_placed` or `range`.
    pub check: String,
    /// The outcome.
    pub outcome: Outcome,
    /// What happened.
    pub message: String,
}

/// The verdict with everything that led to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Every gate, in the order of the spec.
    pub gates: Vec<GateResult>,
    /// Every check, in the order of the spec.
    pub checks: Vec<CheckResult>,
}

impl Judgement {
    /// Messages of all gates and checks that failed, gates first.
    pub fn failures(&self) -> impl Iterator<Item = &str> {
        self.messages(Outcome::Failed)
    }

    /// Messages of all gates and checks that passed with a warning.
    pub fn warnings(&self) -> impl Iterator<Item = &str> {
        self.messages(Outcome::Warned)
    }

    fn messages(&self, outcome: Outcome) -> impl Iterator<Item = &str> {
        let gates = self.gates.iter().filter(move |gate| gate.outcome == outcome).map(|gate| gate.message.as_str());
        let checks =
            self.checks.iter().filter(move |check| check.outcome == outcome).map(|check| check.message.as_str());
        gates.chain(checks)
    }
}

/// The model that serves now and the new one, on the same test rows: those that both can read.
#[derive(Clone, Copy, Debug)]
pub struct Comparison<'a> {
    /// The model that serves now.
    pub champion: &'a Metrics,
    /// The new one.
    pub challenger: &'a Metrics,
}

/// Judges every gate; `checks` were evaluated on the model itself. A gate on a metric that is not there fails.
///
/// `baseline` are the metrics of the baseline, `None` where there is none; then gates relative to it fail.
///
/// `metrics` are those of all test rows, with the other numbers of them under the keys of [`Of::key`]; relative gates go by
/// `comparison`, `None` where there is no champion.
pub fn judge(
    metrics: &Metrics,
    comparison: Option<Comparison<'_>>,
    baseline: Option<&Metrics>,
    gates: &[Gate],
    checks: Vec<CheckResult>,
) -> Judgement {
    let gates: Vec<_> = gates.iter().map(|gate| judge_gate(gate, metrics, comparison, baseline)).collect();
    let failed = gates
        .iter()
        .map(|gate| gate.outcome)
        .chain(checks.iter().map(|check| check.outcome))
        .any(|o| o == Outcome::Failed);
    Judgement { verdict: if failed { Verdict::Refused } else { Verdict::Passed }, gates, checks }
}

/// One bound of a gate, on the value it is about.
struct Bound {
    observed: f64,
    value: f64,
    is_lower: bool,
    outcome_beyond: Outcome,
    champion: Option<f64>,
    baseline: Option<f64>,
}

impl Bound {
    fn holds(&self) -> bool {
        if self.is_lower { self.observed >= self.value } else { self.observed <= self.value }
    }
}

fn judge_gate(
    gate: &Gate,
    metrics: &Metrics,
    comparison: Option<Comparison<'_>>,
    baseline: Option<&Metrics>,
) -> GateResult {
    let (key, name) = (&gate.of.key(&gate.metric), &*gate.of.describe(&gate.metric));
    let result = |outcome, observed, bound: Option<&Bound>, message| GateResult {
        metric: key.clone(),
        outcome,
        observed: bound.map(|bound| bound.observed).or(observed),
        bound: bound.map(|bound| bound.value),
        champion: bound.and_then(|bound| bound.champion),
        baseline: bound.and_then(|bound| bound.baseline),
        message,
    };
    let Some(observed) = metrics.get(key).copied().filter(|value| !value.is_nan()) else {
        return result(Outcome::Failed, None, None, missing(gate, metrics));
    };
    if gate.champion.is_some()
        && comparison.is_some_and(|both| !both.champion.contains_key(key) || !both.challenger.contains_key(key))
    {
        let message =
            format!("{name} of the champion is undefined on these test rows, so nothing can be compared with it");
        return result(Outcome::Failed, Some(observed), None, message);
    }
    let baseline = baseline.and_then(|metrics| metrics.get(&gate.metric).copied()).filter(|_| gate.of != Of::GroupGap);
    if gate.baseline.is_some() && baseline.is_none() {
        let message =
            format!("there is no {name} of a baseline on these test rows, so nothing can be compared with it");
        return result(Outcome::Failed, Some(observed), None, message);
    }
    let bounds = bounds(gate, observed, comparison, baseline);
    if let Some(bound) = bounds.iter().find(|bound| !bound.holds()) {
        return result(bound.outcome_beyond, Some(observed), Some(bound), beyond(name, bound));
    }
    let message = match (bounds.last(), &gate.champion, comparison) {
        (None, Some(_), None) => {
            format!("{name} is {}; NoChampion: there is no model to compare with", Short(observed))
        }
        (Some(bound), ..) => {
            let side = if bound.is_lower { "not below" } else { "not above" };
            format!("{name} is {}, {side} {}", Short(bound.observed), Short(bound.value))
        }
        (None, ..) => format!("{name} is {}", Short(observed)),
    };
    result(Outcome::Passed, Some(observed), bounds.first(), message)
}

/// The bounds in the order in which they decide: refusals before warnings.
fn bounds(gate: &Gate, observed: f64, comparison: Option<Comparison<'_>>, baseline: Option<f64>) -> Vec<Bound> {
    let bound = |value: Option<f64>, is_lower, outcome_beyond| {
        value.map(|value| Bound { observed, value, is_lower, outcome_beyond, champion: None, baseline: None })
    };
    let relative = gate.champion.as_ref().zip(comparison).and_then(|(relative, both)| {
        let key = gate.of.key(&gate.metric);
        let champion = *both.champion.get(&key)?;
        // A metric that Slipway does not know is taken as better when higher.
        let higher = gate.of.higher_is_better(Metric::parse(&gate.metric).is_none_or(Metric::higher_is_better));
        let slack = if higher { -relative.worse_by_at_most } else { relative.worse_by_at_most };
        Some(Bound {
            observed: *both.challenger.get(&key)?,
            value: champion + slack,
            is_lower: higher,
            outcome_beyond: Outcome::Failed,
            champion: Some(champion),
            baseline: None,
        })
    });
    let above_baseline = gate.baseline.as_ref().zip(baseline).map(|(relative, baseline)| {
        let higher = Metric::parse(&gate.metric).is_none_or(Metric::higher_is_better);
        let margin = if higher { relative.better_by_at_least } else { -relative.better_by_at_least };
        Bound {
            observed,
            value: baseline + margin,
            is_lower: higher,
            outcome_beyond: Outcome::Failed,
            champion: None,
            baseline: Some(baseline),
        }
    });
    [
        bound(gate.at_least, true, Outcome::Failed),
        bound(gate.at_most, false, Outcome::Failed),
        relative,
        above_baseline,
        bound(gate.warn_below, true, Outcome::Warned),
        bound(gate.warn_above, false, Outcome::Warned),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn beyond(name: &str, bound: &Bound) -> String {
    let side = if bound.is_lower { "below" } else { "above" };
    let (observed, limit) = (Short(bound.observed), Short(bound.value));
    match (bound.champion, bound.baseline) {
        (Some(champion), _) => {
            format!("{name} is {observed}, {side} {limit}, the bound set by the champion's {}", Short(champion))
        }
        (None, Some(baseline)) => {
            format!("{name} is {observed}, {side} {limit}, the bound set by the baseline's {}", Short(baseline))
        }
        (None, None) => format!("{name} is {observed}, {side} {limit}"),
    }
}

fn missing(gate: &Gate, metrics: &Metrics) -> String {
    let name = &gate.metric;
    if gate.of != Of::AllRows && metrics.contains_key(name) {
        let why = match gate.of {
            Of::ConfidenceBound => "the metric is undefined in too many resamples, or is not computed by Slipway",
            _ => "no group of evaluation.groupBy with enough test rows has a value; see the warnings",
        };
        return format!("{} is not known: {why}", gate.of.describe(name));
    }
    let known: Vec<_> = metrics.keys().map(String::as_str).filter(|name| !name.contains('.')).collect();
    if Metric::parse(name).is_some() {
        format!("{name} is undefined on these test rows or was not reported; reported: {}", known.join(", "))
    } else {
        format!("there is no metric {name}; reported: {}", known.join(", "))
    }
}

/// A number with six significant digits at most, for messages.
pub struct Short(pub f64);

impl std::fmt::Display for Short {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Short(value) = *self;
        if value == 0.0 || !value.is_finite() {
            return write!(f, "{value}");
        }
        let magnitude = value.abs().log10().floor() as i32;
        if (-5..15).contains(&magnitude) {
            let decimals = usize::try_from(5 - magnitude).unwrap_or(0);
            let text = format!("{value:.decimals$}");
            let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
            f.write_str(text)
        } else {
            write!(f, "{value:.5e}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::RelativeGate;

    fn metrics(pairs: &[(&str, f64)]) -> Metrics {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
    }

    fn gate(yaml: &str) -> Gate {
        serde_saphyr::from_str(yaml).unwrap()
    }

    fn judged(yaml: &str, observed: f64) -> (Outcome, String) {
        let gate = gate(yaml);
        let judgement = judge(&metrics(&[(&gate.metric, observed)]), None, None, std::slice::from_ref(&gate), vec![]);
        (judgement.gates[0].outcome, judgement.gates[0].message.clone())
    }

    #[test]
    fn bounds_are_inclusive_and_the_message_names_value_and_bound() {
        let both = "{metric: r2, atLeast: 0.9, warnBelow: 0.95}";
        for (yaml, observed, outcome, message) in [
            (both, 0.95, Outcome::Passed, "r2 is 0.95, not below 0.95"),
            (both, 0.94, Outcome::Warned, "r2 is 0.94, below 0.95"),
            (both, 0.9, Outcome::Warned, "r2 is 0.9, below 0.95"),
            (both, 0.87, Outcome::Failed, "r2 is 0.87, below 0.9"),
            ("{metric: mae, atMost: 1.25}", 1.26, Outcome::Failed, "mae is 1.26, above 1.25"),
            ("{metric: mae, atMost: 1.25, warnAbove: 1}", 1.1, Outcome::Warned, "mae is 1.1, above 1"),
        ] {
            assert_eq!(judged(yaml, observed), (outcome, message.to_owned()), "{yaml} at {observed}");
        }
    }

    #[test]
    fn every_failure_is_reported_not_only_the_first() {
        let gates =
            [gate("{metric: r2, atLeast: 0.9}"), gate("{metric: mae, atMost: 1}"), gate("{metric: speed, atLeast: 1}")];
        let judgement = judge(&metrics(&[("r2", 0.5), ("mae", 2.0)]), None, None, &gates, vec![]);
        assert_eq!(judgement.verdict, Verdict::Refused);
        assert_eq!(
            judgement.failures().collect::<Vec<_>>(),
            ["r2 is 0.5, below 0.9", "mae is 2, above 1", "there is no metric speed; reported: mae, r2",]
        );
    }

    #[test]
    fn an_undefined_metric_fails_its_gate() {
        let judgement = judge(&metrics(&[("r2", f64::NAN)]), None, None, &[gate("{metric: r2, atLeast: 0}")], vec![]);
        assert_eq!(judgement.verdict, Verdict::Refused);
    }

    #[test]
    fn a_relative_gate_knows_which_way_is_better() {
        let champion = metrics(&[("r2", 0.95), ("mae", 1.0)]);
        for (metric, observed, outcome) in [
            ("r2", 0.945, Outcome::Passed),
            ("r2", 0.944, Outcome::Failed),
            ("mae", 1.005, Outcome::Passed),
            ("mae", 1.006, Outcome::Failed),
        ] {
            let gate = Gate {
                metric: metric.to_owned(),
                champion: Some(RelativeGate { worse_by_at_most: 0.005 }),
                ..Gate::default()
            };
            let challenger = metrics(&[(metric, observed)]);
            let both = Comparison { champion: &champion, challenger: &challenger };
            let judgement = judge(&challenger, Some(both), None, &[gate], vec![]);
            assert_eq!(judgement.gates[0].outcome, outcome, "{metric} {observed}");
        }
    }

    #[test]
    fn a_relative_gate_compares_on_the_rows_that_both_models_can_read() {
        let gate = gate("{metric: r2, atLeast: 0.8, champion: {worseByAtMost: 0}}");
        let both = Comparison { champion: &metrics(&[("r2", 0.95)]), challenger: &metrics(&[("r2", 0.96)]) };
        let judgement = judge(&metrics(&[("r2", 0.9)]), Some(both), None, std::slice::from_ref(&gate), vec![]);
        assert_eq!(judgement.verdict, Verdict::Passed, "{judgement:?}");
        let nothing_read = Comparison { champion: &Metrics::new(), challenger: &Metrics::new() };
        let judgement = judge(&metrics(&[("r2", 0.9)]), Some(nothing_read), None, &[gate], vec![]);
        assert_eq!(judgement.verdict, Verdict::Refused, "{judgement:?}");
    }

    #[test]
    fn without_a_champion_a_relative_gate_passes_and_says_so() {
        let (outcome, message) = judged("{metric: r2, champion: {worseByAtMost: 0}}", 0.1);
        assert_eq!(outcome, Outcome::Passed);
        assert!(message.contains("NoChampion"), "{message}");
    }

    #[test]
    fn a_gate_on_the_baseline_knows_which_way_is_better() {
        let baseline = metrics(&[("r2", 0.0), ("mae", 1.0)]);
        for (metric, observed, outcome) in [
            ("r2", 0.05, Outcome::Passed),
            ("r2", 0.04, Outcome::Failed),
            ("mae", 0.95, Outcome::Passed),
            ("mae", 0.96, Outcome::Failed),
        ] {
            let gate = gate(&format!("{{metric: {metric}, baseline: {{betterByAtLeast: 0.05}}}}"));
            let judgement = judge(&metrics(&[(metric, observed)]), None, Some(&baseline), &[gate], vec![]);
            assert_eq!(judgement.gates[0].outcome, outcome, "{metric} {observed}");
        }
    }

    #[test]
    fn without_a_baseline_a_gate_on_it_fails_and_says_so() {
        let (outcome, message) = judged("{metric: r2, baseline: {betterByAtLeast: 0}}", 0.1);
        assert_eq!(outcome, Outcome::Failed);
        assert!(message.contains("baseline"), "{message}");
    }

    #[test]
    fn a_gate_may_be_about_the_worst_group_the_gap_and_the_confidence_bound() {
        let observed =
            metrics(&[("f1", 0.8), ("f1.worst_group", 0.5), ("f1.group_gap", 0.4), ("f1.confidence_bound", 0.75)]);
        for (yaml, outcome, message) in [
            ("{metric: f1, of: WorstGroup, atLeast: 0.6}", Outcome::Failed, "f1 of the worst group is 0.5, below 0.6"),
            (
                "{metric: f1, of: GroupGap, atMost: 0.3}",
                Outcome::Failed,
                "the gap of f1 between groups is 0.4, above 0.3",
            ),
            (
                "{metric: f1, of: ConfidenceBound, atLeast: 0.7}",
                Outcome::Passed,
                "the 95 % confidence bound of f1 is 0.75, not below 0.7",
            ),
        ] {
            let result = judge(&observed, None, None, &[gate(yaml)], vec![]).gates.remove(0);
            assert_eq!((result.outcome, &*result.message), (outcome, message), "{yaml}");
        }
        let gap = gate("{metric: f1, of: GroupGap, champion: {worseByAtMost: 0.05}}");
        let both = Comparison { champion: &metrics(&[("f1.group_gap", 0.3)]), challenger: &observed };
        let result = judge(&observed, Some(both), None, &[gap], vec![]).gates.remove(0);
        assert_eq!((result.outcome, result.bound), (Outcome::Failed, Some(0.35)), "a wider gap is worse");
        let unknown = gate("{metric: f1, of: WorstGroup, atLeast: 0.6}");
        let result = judge(&metrics(&[("f1", 0.8)]), None, None, &[unknown], vec![]).gates.remove(0);
        assert!(result.message.starts_with("f1 of the worst group is not known: no group"), "{}", result.message);
    }

    #[test]
    fn a_failed_check_refuses() {
        let check = CheckResult { check: "range".to_owned(), outcome: Outcome::Failed, message: "row 3".to_owned() };
        assert_eq!(judge(&Metrics::new(), None, None, &[], vec![check]).verdict, Verdict::Refused);
    }

    #[test]
    fn numbers_in_messages_are_short_and_exact_enough() {
        for (value, text) in [
            (0.974_471_2, "0.974471"),
            (100.0, "100"),
            (1234.5, "1234.5"),
            (1e-9, "1.00000e-9"),
            (-0.5, "-0.5"),
            (1_234_567.0, "1234567"),
        ] {
            assert_eq!(Short(value).to_string(), text);
        }
    }
}
