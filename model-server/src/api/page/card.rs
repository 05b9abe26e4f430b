//! The model card: how good the model is, what it had to pass, and where it comes from.

use std::fmt::Write;

use serde_json::Value;
use slipway_model::{Artefact, Lineage, Manifest, Output};
use slipway_spec::Outcome;

use super::escape;

/// Digits of a metric that are shown.
const DIGITS: i32 = 4;

/// The card as a section of the page; `reported` where there is a report of the training, too.
pub fn html(artefact: &Artefact, reported: bool) -> String {
    let manifest = &artefact.manifest;
    let mut html =
        "<section class=\"card\" id=\"card\" aria-labelledby=\"about\">\n<h2 id=\"about\">About this model</h2>\n"
            .to_owned();
    html.push_str(&facts(artefact));
    html.push_str(&metrics(manifest));
    let gates = manifest.gates.iter().map(|gate| (gate.metric.as_str(), gate.outcome, gate.message.as_str()));
    html.push_str(&outcomes("Gates: what it had to reach", "Gate", gates));
    let checks = manifest.checks.iter().map(|check| (check.check.as_str(), check.outcome, check.message.as_str()));
    html.push_str(&outcomes("Checks: how it behaves", "Check", checks));
    html.push_str(&origin(&manifest.lineage));
    if reported {
        html.push_str("<p><a href=\"report\">The report of its training</a></p>\n");
    }
    html + "</section>"
}

/// What there is to say of the model itself.
fn facts(artefact: &Artefact) -> String {
    let manifest = &artefact.manifest;
    let mut facts = vec![
        ("Predicts", manifest.output.name().to_owned()),
        ("Estimator", manifest.estimator.clone()),
        ("Version", manifest.version.clone()),
        ("Digest", artefact.digest.to_string()),
    ];
    if let Output::Classification { classes, positive_class, threshold, .. } = &manifest.output {
        facts.push(("Classes", classes.join(", ")));
        facts.extend(positive_class.and_then(|class| Some(("Positive class", classes.get(class)?.clone()))));
        facts.extend(threshold.map(|threshold| ("Threshold", threshold.to_string())));
    }
    list(facts)
}

/// The metrics on the test rows.
fn metrics(manifest: &Manifest) -> String {
    if manifest.metrics.is_empty() {
        return String::new();
    }
    let rows = manifest.metrics.iter().map(|(name, value)| {
        format!(
            "<tr><th scope=\"row\">{}</th><td class=\"number\">{}</td></tr>\n",
            escape(name),
            escape(&rounded(*value))
        )
    });
    format!("<h3>Metrics on the test rows</h3>\n<table>\n{}</table>\n", rows.collect::<String>())
}

/// A number with few digits.
fn rounded(value: f64) -> String {
    let size = if value == 0.0 { 0 } else { value.abs().log10().floor() as i32 };
    let decimals = |least: i32| usize::try_from(DIGITS - 1 - least).unwrap_or_default();
    if !(-4..9).contains(&size) {
        return format!("{value:.*e}", decimals(0));
    }
    let decimals = decimals(size);
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// How gates or checks came out.
fn outcomes<'a>(title: &str, kind: &str, outcomes: impl Iterator<Item = (&'a str, Outcome, &'a str)>) -> String {
    let rows = outcomes.map(|(name, outcome, message)| {
        let outcome = match outcome {
            Outcome::Passed => "passed",
            Outcome::Warned => "passed, with a warning",
            Outcome::Failed => "failed",
        };
        format!("<tr><th scope=\"row\">{}</th><td>{outcome}</td><td>{}</td></tr>\n", escape(name), escape(message))
    });
    let rows: String = rows.collect();
    if rows.is_empty() {
        return rows;
    }
    let head = format!(
        "<tr><th scope=\"col\">{kind}</th><th scope=\"col\">Outcome</th><th scope=\"col\">What happened</th></tr>\n"
    );
    format!("<h3>{title}</h3>\n<table>\n{head}{rows}</table>\n")
}

/// Where the model comes from.
fn origin(lineage: &Lineage) -> String {
    let Lineage { data, rows, columns, code_revision, image, trainer, parameters, fitted_on_all_rows, seed } = lineage;
    let mut facts = vec![
        ("Data", data.uri.clone()),
        ("Digest of the data", data.digest.clone()),
        ("Size", format!("{rows} rows, {columns} columns")),
    ];
    facts.retain(|(_, value)| !value.is_empty());
    if *fitted_on_all_rows {
        facts.push(("Fitted on", "all rows, those included that the metrics are about".to_owned()));
    }
    if let Ok(Value::Object(parameters)) = serde_json::to_value(parameters)
        && !parameters.is_empty()
    {
        let parameters: Vec<_> = parameters.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        facts.push(("Parameters", parameters.join(", ")));
    }
    facts.extend(seed.map(|seed| ("Seed of the split", seed.to_string())));
    let texts = [("Trainer", trainer), ("Image", image), ("Revision of the code", code_revision)];
    facts.extend(texts.into_iter().filter_map(|(name, text)| Some((name, text.clone()?))));
    format!("<h3>Where it comes from</h3>\n{}", list(facts))
}

/// Names and what stands for them.
fn list(facts: Vec<(&str, String)>) -> String {
    let mut html = "<dl>\n".to_owned();
    for (name, value) in facts {
        // Writing to a string cannot fail.
        let _ = writeln!(html, "<dt>{name}</dt><dd>{}</dd>", escape(&value));
    }
    html + "</dl>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_few_digits() {
        for (value, text) in [
            (0.0, "0"),
            (0.855_107_18, "0.8551"),
            (0.5, "0.5"),
            (-12.345_67, "-12.35"),
            (123_456.7, "123457"),
            (0.000_012_345, "1.234e-5"),
            (1.0e12, "1.000e12"),
        ] {
            assert_eq!(rounded(value), text);
        }
    }
}
