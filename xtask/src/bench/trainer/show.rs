//! Results as text for a terminal and as Markdown for the documentation.

use super::outcome::{Fit, Measured, Outcome, Promise, Results, Row, Verdict};
use crate::bench::thousands;

/// The lines of one table, for a terminal.
pub fn text_table(title: &str, rows: &[Row]) -> String {
    let header = format!(
        "\n{title}\n  {:<50}{:<10}{:>9}{:>14}{:>12} {:>11} {:>13}{:>9}  promised\n",
        "", "metric", "Slipway", "scikit-learn", "difference", "CPU s", "scikit-learn", "ratio"
    );
    let lines = rows.iter().map(|row| match &row.result {
        Outcome::Unavailable(why) => format!("  {:<50}not available: {why}\n", row.estimator),
        Outcome::Failed(why) => format!("  {:<50}failed: {why}\n", row.estimator),
        Outcome::Measured(measured) => text_lines(&row.estimator, measured),
    });
    std::iter::once(header).chain(lines).collect()
}

fn text_lines(estimator: &str, measured: &Measured) -> String {
    let mut text = String::new();
    for (place, metric) in metrics(measured).into_iter().enumerate() {
        let first = place == 0;
        let line = format!(
            "  {:<50}{metric:<10}{:>9}{:>14}{:>12} {:>11} {:>13}{:>9}  {}",
            if first { estimator } else { "" },
            number(measured.ours.metrics.get(metric).copied()),
            number(measured.peer.as_ref().and_then(|peer| peer.metrics.get(metric).copied())),
            measured.difference(metric).map_or(String::new(), |difference| format!("{difference:+.4}")),
            if first { seconds(&measured.ours) } else { String::new() },
            if first { measured.peer.as_ref().map_or("-".to_owned(), seconds) } else { String::new() },
            if first { ratio(measured) } else { String::new() },
            if first { promised(measured) } else { String::new() },
        );
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// The other promises, for a terminal.
pub fn text_promises(promises: &[Promise]) -> String {
    let lines = promises.iter().map(|promise| {
        let Promise { what, measured, promised, .. } = promise;
        format!("  {:<14}{what}\n{:16}{measured} (promised: {promised})\n", verdict_text(promise.verdict), "")
    });
    std::iter::once("\nBeyond single fits\n".to_owned()).chain(lines).collect()
}

/// The last line: how many promises are kept.
pub fn text_kept(results: &Results) -> String {
    let (kept, all) = results.kept();
    format!("\n{kept} of {all} promises are kept.\n")
}

/// Everything as Markdown. `order` are the names of the tables.
pub fn markdown(results: &Results, order: &[&str]) -> String {
    let mut parts = vec![format!("Measured on {} with {}.\n", results.machine, results.versions)];
    for name in order {
        let rows: Vec<&Row> = results.rows.iter().filter(|row| row.table == *name).collect();
        let Some(first) = rows.first() else { continue };
        parts.push(format!("\n#### {name}, {} rows to train on\n\n", thousands(first.train_rows)));
        parts.push(TABLE_HEAD.to_owned());
        parts.extend(rows.iter().map(|row| match &row.result {
            Outcome::Unavailable(_) => format!("| {} | not available | | | | | | | |\n", row.estimator),
            Outcome::Failed(_) => format!("| {} | failed | | | | | | | |\n", row.estimator),
            Outcome::Measured(measured) => markdown_line(&row.estimator, measured),
        }));
    }
    if !results.promises.is_empty() {
        parts.push(PROMISES_HEAD.to_owned());
        parts.extend(results.promises.iter().map(|promise| {
            let Promise { what, measured, promised, .. } = promise;
            format!("| {what} | {measured} | {promised} | {} |\n", verdict_text(promise.verdict))
        }));
    }
    parts.concat()
}

const TABLE_HEAD: &str = "\
| estimator | metric | Slipway | scikit-learn | difference | CPU s | scikit-learn | ratio | promised |
|---|---|--:|--:|--:|--:|--:|--:|---|
";
const PROMISES_HEAD: &str = "
#### Beyond single fits

| what | measured | promised | |
|---|---|---|---|
";

fn markdown_line(estimator: &str, measured: &Measured) -> String {
    let names = metrics(measured);
    let each = |value: &dyn Fn(&str) -> String| names.iter().map(|name| value(name)).collect::<Vec<_>>().join("<br>");
    let peer = measured.peer.as_ref();
    format!(
        "| {estimator} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
        names.join("<br>"),
        each(&|name| number(measured.ours.metrics.get(name).copied())),
        each(&|name| number(peer.and_then(|peer| peer.metrics.get(name).copied()))),
        each(&|name| measured.difference(name).map_or(String::new(), |difference| format!("{difference:+.4}"))),
        seconds(&measured.ours),
        peer.map_or("-".to_owned(), seconds),
        ratio(measured),
        promised(measured),
    )
}

/// The metrics that are compared; of a side that stands alone, those that would be.
fn metrics(measured: &Measured) -> Vec<&str> {
    const COMPARED: [&str; 3] = ["r2", "roc_auc", "accuracy"];
    let fit = measured.peer.as_ref().unwrap_or(&measured.ours);
    COMPARED.into_iter().filter(|name| fit.metrics.contains_key(*name)).collect()
}

fn number(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.4}"))
}

/// Three digits: 0.00123, 0.123, 12.3, 123.
fn seconds(fit: &Fit) -> String {
    let seconds = fit.cpu_seconds;
    let digits = match seconds {
        ..0.0095 => 5,
        ..0.095 => 4,
        ..0.95 => 3,
        ..9.5 => 2,
        _ => 1,
    };
    let mark = if fit.converged { "" } else { " (not converged)" };
    format!("{seconds:.digits$}{mark}")
}

fn ratio(measured: &Measured) -> String {
    measured.ratio().map_or("-".to_owned(), |ratio| format!("{ratio:.1}"))
}

fn promised(measured: &Measured) -> String {
    let ratio = measured.ratio_at_least.map(|least| format!("≥ {least}"));
    let verdict = measured.verdict().map(|verdict| match (verdict, measured.metrics_verdict()) {
        (Verdict::Missed, Some(Verdict::Missed)) => "missed (metric)",
        (Verdict::Missed, _) => "missed (ratio)",
        (Verdict::Met, _) => "met",
    });
    match (ratio, verdict) {
        (Some(ratio), Some(verdict)) => format!("{ratio}: {verdict}"),
        (None, Some(verdict)) => verdict.to_owned(),
        _ => String::new(),
    }
}

fn verdict_text(verdict: Option<Verdict>) -> &'static str {
    match verdict {
        Some(Verdict::Met) => "met",
        Some(Verdict::Missed) => "missed",
        None => "not measured",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured() -> Measured {
        let fit = |auc: f64, cpu_seconds: f64| Fit {
            metrics: [("roc_auc".to_owned(), auc), ("accuracy".to_owned(), 0.85)].into(),
            cpu_seconds,
            run_seconds: Some(1.0),
            converged: true,
        };
        Measured {
            repeats: 3,
            ours: fit(0.91, 0.0123),
            peer: Some(fit(0.9, 0.123)),
            tolerance: 0.003,
            ratio_at_least: Some(8.0),
        }
    }

    #[test]
    fn a_line_says_what_was_measured_and_what_was_promised() {
        let lines = text_lines("DecisionTree", &measured());
        let words: Vec<Vec<&str>> = lines.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(
            words[0],
            ["DecisionTree", "roc_auc", "0.9100", "0.9000", "+0.0100", "0.0123", "0.123", "10.0", "≥", "8:", "met"]
        );
        assert_eq!(words[1], ["accuracy", "0.8500", "0.8500", "+0.0000"]);
        let line = markdown_line("DecisionTree", &measured());
        assert!(line.starts_with("| DecisionTree | roc_auc<br>accuracy | 0.9100<br>0.8500 |"), "{line}");
        assert!(line.ends_with("| 0.0123 | 0.123 | 10.0 | ≥ 8: met |\n"), "{line}");
    }

    #[test]
    fn a_missed_promise_says_which() {
        let slow = Measured { ratio_at_least: Some(15.0), ..measured() };
        assert_eq!(promised(&slow), "≥ 15: missed (ratio)");
        let mut worse = measured();
        worse.ours.metrics.insert("accuracy".to_owned(), 0.5);
        assert_eq!(promised(&worse), "≥ 8: missed (metric)");
    }
}
