//! Where the model comes from: data, parameters, lineage, and how long it took.

use slipway_spec::Report;

use super::{cell, head_cell, parameters, table};
use crate::Section;
use crate::draw::{Bar, bars};
use crate::element::{Element, el, shorten};
use crate::number::{bytes, count, counted, seconds};

/// Most classes that are listed.
const MAX_CLASSES: usize = 50;

pub(crate) fn section(report: &Report) -> Section {
    let mut content = vec![el("h3").text("Data"), facts(data(report)), el("h3").text("Model"), facts(model(report))];
    let parameters = parameters(&report.about.parameters);
    if !parameters.is_empty() {
        let rows = parameters.into_iter().map(|(name, value)| (name, shorten(&value, 200)));
        content.extend([el("h3").text("Parameters"), facts(rows.collect())]);
    }
    content.extend(timings(report));
    let footer = "Made by Slipway from report.json beside this page, which says the same to programs.";
    content.push(el("footer").text(footer));
    Section { id: "background", title: "Where it comes from", content }
}

fn facts(rows: Vec<(String, String)>) -> Element {
    let rows = rows.into_iter().map(|(name, value)| el("tr").child(head_cell(name)).child(cell(value).class("mono")));
    table("facts", &[], rows)
}

fn fact(name: &str, value: impl Into<String>) -> (String, String) {
    (name.to_owned(), value.into())
}

fn data(report: &Report) -> Vec<(String, String)> {
    let (data, about) = (&report.data, &report.about);
    let mut rows = vec![fact("File", shorten(&data.uri, 500)), fact("Digest", &*data.digest)];
    if data.size_bytes > 0 {
        rows.push(fact("Size", bytes(data.size_bytes.unsigned_abs())));
    }
    if about.rows > 0 {
        rows.push(fact("Table", format!("{}, {}", counted(about.rows, "row"), counted(about.columns, "column"))));
    }
    if let Some(split) = report.training.rows {
        let part = |rows: usize| count(rows as u64);
        let (train, test, left_out) = (part(split.train), part(split.test), part(split.left_out));
        rows.push(fact("Rows", format!("{train} to train, {test} to test, {left_out} left out")));
    }
    rows.extend(about.seed.map(|seed| fact("Seed of the split", seed.to_string())));
    rows.extend(data.time.as_ref().map(|time| fact("Time in its name", time)));
    rows.extend(data.version_id.as_ref().map(|id| fact("Version in the store", shorten(id, 200))));
    rows
}

fn model(report: &Report) -> Vec<(String, String)> {
    let about = &report.about;
    let mut rows = vec![fact("Version", &*report.version), fact("Estimator", &*about.estimator)];
    rows.push(fact("Target", shorten(&about.target, 256)));
    if !about.classes.is_empty() {
        let names: Vec<String> = about.classes.iter().take(MAX_CLASSES).map(|class| shorten(class, 60)).collect();
        let more = about.classes.len() - names.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        rows.push(fact("Classes", names.join(", ") + &more));
    }
    rows.extend(about.positive_class.as_ref().map(|class| fact("Positive class", shorten(class, 256))));
    let rule = report
        .training
        .threshold
        .as_ref()
        .map_or_else(String::new, |threshold| format!(", {}", shorten(&threshold.rule, 200)));
    rows.extend(about.threshold.map(|threshold| fact("Threshold", format!("{threshold}{rule}"))));
    rows.extend(report.training.refitted_on.map(|rows| {
        fact("Refitted", format!("judged on the training rows, then fitted again on {}", counted(rows as u64, "row")))
    }));
    rows.push(fact("Features", count(about.features as u64)));
    rows.extend(about.digest.as_ref().map(|digest| fact("Digest", digest)));
    if about.size_bytes > 0 {
        rows.push(fact("Size", bytes(about.size_bytes)));
    }
    rows.extend(about.trainer.as_ref().map(|version| fact("Trainer", format!("slipway-trainer {version}"))));
    rows.extend(about.image.as_ref().map(|image| fact("Image", shorten(image, 300))));
    rows.extend(about.code_revision.as_ref().map(|revision| fact("Code revision", shorten(revision, 200))));
    rows
}

fn timings(report: &Report) -> Vec<Element> {
    let timings = &report.training.timings;
    if timings.is_empty() {
        return Vec::new();
    }
    let total: f64 = timings.values().sum();
    let mut parts: Vec<(&String, &f64)> = timings.iter().take(20).collect();
    parts.sort_by(|a, b| b.1.total_cmp(a.1));
    let bar =
        |(name, took): (&String, &f64)| Bar { name: name.clone(), value: *took, deviation: 0.0, says: seconds(*took) };
    let drawn: Vec<Bar> = parts.into_iter().map(bar).collect();
    let says = format!("Training took {} in all.", seconds(total));
    vec![super::figure("How long it took", &says, bars(&drawn))]
}
