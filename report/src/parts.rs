//! The parts of the page, from the verdict to what stands behind it.

pub(crate) mod answers;
pub(crate) mod background;
mod classes;
pub(crate) mod data;
pub(crate) mod features;
pub(crate) mod groups;
pub(crate) mod judgement;
pub(crate) mod metrics;
mod regression;
pub(crate) mod search;
pub(crate) mod summary;

use slipway_spec::{Outcome, Parameters};

use crate::element::{Element, el};

/// The colours of lines, in turn.
const COLOURS: [&str; 6] = ["c1", "c2", "c3", "c4", "c5", "c6"];

/// A picture with what it tells.
fn figure(title: &str, says: &str, drawing: Element) -> Element {
    el("figure").child(el("h3").text(title)).child(el("p").text(says)).child(drawing)
}

/// A table in a frame of its own, which scrolls where it is too wide.
fn table(class: &str, head: &[&str], rows: impl IntoIterator<Item = Element>) -> Element {
    let mut table = el("table").class(class);
    if !head.is_empty() {
        let cell = |name: &&str| {
            let (name, is_number) = name.strip_prefix('#').map_or((*name, false), |name| (name, true));
            let cell = el("th").attr("scope", "col").text(name);
            if is_number { cell.class("num") } else { cell }
        };
        table = table.child(el("thead").child(el("tr").children(head.iter().map(cell))));
    }
    el("div").class("table").child(table.child(el("tbody").children(rows)))
}

fn cell(text: impl std::fmt::Display) -> Element {
    el("td").text(text)
}

fn number_cell(text: impl std::fmt::Display) -> Element {
    el("td").class("num").text(text)
}

fn head_cell(text: impl std::fmt::Display) -> Element {
    el("th").attr("scope", "row").text(text)
}

/// What a person sees of an outcome: its word and its colour.
fn outcome(outcome: Outcome) -> (&'static str, &'static str) {
    match outcome {
        Outcome::Passed => ("passed", "good"),
        Outcome::Warned => ("warning", "warn"),
        Outcome::Failed => ("failed", "bad"),
    }
}

/// Names and values of parameters.
fn parameters(parameters: &Parameters) -> Vec<(String, String)> {
    let Ok(serde_json::Value::Object(values)) = serde_json::to_value(parameters) else { return Vec::new() };
    let text = |value: serde_json::Value| match value {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    };
    values.into_iter().map(|(name, value)| (name, text(value))).collect()
}
