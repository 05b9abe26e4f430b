//! Gates, checks, and what a person should know.

use slipway_spec::{GateResult, Metric, Outcome, Report};

use super::{cell, head_cell, number_cell, outcome, table};
use crate::Section;
use crate::draw::gauge;
use crate::element::{Element, el, shorten};
use crate::number::short;

/// Most warnings that are shown.
const MAX_WARNINGS: usize = 100;

pub(crate) fn section(report: &Report) -> Section {
    let mut content = Vec::new();
    if !report.gates.is_empty() {
        let head = ["Gate", "#Value", "#Bound", "", "Outcome"];
        content.push(table("", &head, report.gates.iter().map(gate_row)));
    }
    if !report.checks.is_empty() {
        let rows = report.checks.iter().map(|check| {
            el("tr").child(head_cell(shorten(&check.check, 120))).child(cell(&check.message)).child(chip(check.outcome))
        });
        content.push(table("", &["Check", "What happened", "Outcome"], rows));
    }
    if report.gates.is_empty() && report.checks.is_empty() {
        let text = "There are no gates and no checks: whatever was trained, passed. Gates keep a worse model from being served.";
        content.push(el("p").class("soft").text(text));
    }
    content.extend(warnings(report));
    Section { id: "verdict", title: "Gates and checks", content }
}

fn gate_row(gate: &GateResult) -> Element {
    let number = |value: Option<f64>| number_cell(value.map_or_else(|| "–".to_owned(), short));
    let from = |who: &str, value: Option<f64>| Some(format!("{who} {}", short(value?)));
    let from = from("champion", gate.champion).or_else(|| from("baseline", gate.baseline));
    el("tr")
        .child(head_cell(shorten(&gate.metric, 64)).child(el("small").text(&gate.message)))
        .child(number(gate.observed))
        .child(number(gate.bound).children(from.map(|from| el("small").text(from))))
        .child(margin(gate))
        .child(chip(gate.outcome))
}

/// The value against its bound, and by how much it is on one side.
fn margin(gate: &GateResult) -> Element {
    let (Some(value), Some(bound)) = (gate.observed, gate.bound) else { return cell("") };
    let says = match value - bound {
        0.0 => "just at the bound".to_owned(),
        over if over > 0.0 => format!("{} above the bound", short(over)),
        over => format!("{} below the bound", short(-over)),
    };
    let (_, class) = outcome(gate.outcome);
    let is_share = Metric::parse(&gate.metric).is_none_or(Metric::higher_is_better) && value <= 1.0 && bound <= 1.0;
    let (low, high) = (value.min(bound), value.max(bound));
    let scale = match is_share {
        true if low >= 0.0 => [0.0, 1.0],
        true => [low * 1.1, 1.0],
        false => [low.min(0.0), if high > 0.0 { high * 1.25 } else { 1.0 }],
    };
    let drawable = value.is_finite() && bound.is_finite() && scale[1] - scale[0] > 0.0;
    let drawing = drawable.then(|| gauge(class, &says, value, bound, scale));
    el("td").children(drawing).child(el("small").text(says))
}

fn chip(result: Outcome) -> Element {
    let (word, class) = outcome(result);
    el("td").child(el("span").class(&format!("chip {class}")).text(word))
}

fn warnings(report: &Report) -> Vec<Element> {
    let warnings = &report.training.warnings;
    if warnings.is_empty() {
        return Vec::new();
    }
    let mut items: Vec<Element> =
        warnings.iter().take(MAX_WARNINGS).map(|warning| el("li").text(shorten(warning, 600))).collect();
    if warnings.len() > MAX_WARNINGS {
        items.push(el("li").text(format!("and {} more, in report.json", warnings.len() - MAX_WARNINGS)));
    }
    vec![el("div").class("card").child(el("h3").text("Worth knowing")).child(el("ul").children(items))]
}
