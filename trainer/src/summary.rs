//! What a person reads at the end of a run on a laptop.

use std::fmt::Write;
use std::path::Path;

use slipway_model::Examined;
use slipway_spec::{GroupReport, Metric, Outcome, Parameters, Report, SearchReport, Verdict};

use crate::train::Trained;

/// Describes a judged run: rows, search, metrics, gates and checks, warnings, and where the artefact is.
pub fn summary(trained: &Trained, examined: &Examined, output: &Path) -> String {
    let mut text = String::new();
    // Writing into a String never fails.
    let _ = describe(&mut text, trained, examined, output);
    text
}

fn describe(text: &mut String, trained: &Trained, examined: &Examined, output: &Path) -> std::fmt::Result {
    let report = &examined.report;
    writeln!(text, "{} ({}), {}", report.model_name, report.version, examined.manifest.estimator)?;
    if let Some(rows) = report.training.rows {
        let left_out = if rows.left_out > 0 { format!(", {} left out", rows.left_out) } else { String::new() };
        writeln!(text, "  rows        {} to train, {} to test{left_out}", rows.train, rows.test)?;
    }
    let output_fields = examined.manifest.input.fields().len();
    writeln!(text, "  features    {output_fields}, to predict {} ({})", examined.manifest.output.name(), report.task)?;
    match &report.training.search {
        Some(search) => describe_search(text, search)?,
        None if trained.parameters.is_empty() => {}
        None => writeln!(text, "  parameters  {}", show(&trained.parameters))?,
    }
    if let Some(threshold) = &report.training.threshold {
        writeln!(text, "  threshold   {:.5}, {}", threshold.value, threshold.rule)?;
    }
    let baseline = report.training.baseline.as_ref();
    if let Some((baseline, answer)) = baseline.and_then(|baseline| Some((baseline, baseline.answer.as_ref()?))) {
        let (estimator, strategy) = (baseline.estimator, baseline.strategy.name());
        writeln!(text, "  baseline    {estimator} ({strategy}), which answers {answer} to every row")?;
    }
    match report.training.refitted_on {
        Some(rows) => writeln!(
            text,
            "\nMetrics on the test rows, of a model fitted without them; the published one is fitted on all {rows} rows"
        )?,
        None if report.intervals.is_empty() => writeln!(text, "\nMetrics on the test rows")?,
        None => writeln!(text, "\nMetrics on the test rows, with 95 % confidence intervals")?,
    }
    for metric in Metric::ALL {
        if let Some(value) = report.metrics.get(metric.name()) {
            let champion = report.champion_metrics.as_ref().and_then(|metrics| metrics.get(metric.name()));
            let champion = champion.map_or(String::new(), |value| format!("   champion {}", figure(*value)));
            let baseline = report.training.baseline.as_ref().and_then(|baseline| baseline.metrics.get(metric.name()));
            let baseline = baseline.map_or(String::new(), |value| format!("   baseline {}", figure(*value)));
            let interval = report.intervals.get(metric.name());
            let interval =
                interval.map_or(String::new(), |ends| format!("   {} to {}", figure(ends.low), figure(ends.high)));
            writeln!(text, "  {:<24}{}{interval}{champion}{baseline}", metric.name(), figure(*value))?;
        }
    }
    for (name, reason) in &report.undefined {
        writeln!(text, "  {name:<24}undefined: {reason}")?;
    }
    if let Some(groups) = &report.groups {
        describe_groups(text, groups)?;
    }
    describe_judgement(text, report)?;
    if !report.training.warnings.is_empty() {
        writeln!(text, "\nWorth knowing")?;
        for warning in &report.training.warnings {
            writeln!(text, "  {warning}")?;
        }
    }
    let output = output.display();
    match report.verdict {
        Verdict::Passed => {
            writeln!(text, "\nPassed. The artefact is in {output}, its digest {}.", examined.digest)?;
            writeln!(text, "Look at {output}/report.html in a browser.")?;
            writeln!(text, "Serve it with: slipway-model-server --model {output}")
        }
        Verdict::Refused => writeln!(text, "\nRefused. Look at {output}/report.html in a browser."),
    }
}

/// A figure of a metric: with five decimals, or where that says nothing by its order of magnitude.
fn figure(value: f64) -> String {
    const LARGE: f64 = 1e6;
    if value.abs() < LARGE { format!("{value:.5}") } else { format!("{value:.3e}") }
}

fn describe_search(text: &mut String, search: &SearchReport) -> std::fmt::Result {
    writeln!(text, "  search      {} points, {} folds, by {}", search.points, search.folds, search.metric)?;
    writeln!(
        text,
        "  best        {} (cross-validated {} {:.5})",
        show(&search.best_parameters),
        search.metric,
        search.best_score
    )
}

fn describe_groups(text: &mut String, groups: &GroupReport) -> std::fmt::Result {
    let small =
        if groups.too_small > 0 { format!(", {} of them too small to count", groups.too_small) } else { String::new() };
    writeln!(text, "\nWorst of {} groups by {}{small}", groups.total, groups.column)?;
    for metric in Metric::ALL {
        if let Some(worst) = groups.worst.get(metric.name()) {
            let gap = groups.gap.get(metric.name()).copied().unwrap_or_default();
            let (value, gap) = (figure(worst.value), figure(gap));
            writeln!(text, "  {:<24}{value}   {} (gap {gap})", metric.name(), worst.group)?;
        }
    }
    Ok(())
}

fn describe_judgement(text: &mut String, report: &Report) -> std::fmt::Result {
    if report.gates.is_empty() && report.checks.is_empty() {
        return writeln!(text, "\nThere are no gates and no checks.");
    }
    writeln!(text, "\nGates and checks")?;
    let gates = report.gates.iter().map(|gate| (gate.outcome, gate.message.as_str()));
    let checks = report.checks.iter().map(|check| (check.outcome, check.message.as_str()));
    for (outcome, message) in gates.chain(checks) {
        let outcome = match outcome {
            Outcome::Passed => "passed",
            Outcome::Warned => "warning",
            Outcome::Failed => "failed",
        };
        writeln!(text, "  {outcome:<9} {message}")?;
    }
    Ok(())
}

/// Parameters as `max_depth 8, min_samples_leaf 2`.
pub(crate) fn show(parameters: &Parameters) -> String {
    let Ok(serde_json::Value::Object(values)) = serde_json::to_value(parameters) else { return String::new() };
    let shown = values.iter().map(|(name, value)| match value {
        serde_json::Value::String(text) => format!("{name} {text}"),
        other => format!("{name} {other}"),
    });
    shown.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_fit_their_column_whatever_their_size() {
        for (value, shown) in
            [(0.968_787, "0.96879"), (-12.5, "-12.50000"), (203_927_072_484_900.6, "2.039e14"), (-1e300, "-1.000e300")]
        {
            assert_eq!(figure(value), shown);
        }
    }
}
