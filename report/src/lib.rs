//! The report of a run for people: one HTML page, made from [`Report`] alone.
//!
//! The page needs nothing but itself: no script, no other file, no network. Whatever comes from data or spec is escaped by
//! construction; sizes are bounded by what a [`Report`] may hold.

mod draw;
mod element;
mod number;
mod parts;
mod style;

use slipway_spec::{Outcome, Report, Verdict};

use element::{Element, el};
use parts::{answers, background, data, features, groups, judgement, metrics, search, summary};

/// The content of `report.html`. Equal reports give equal pages.
pub fn page(report: &Report) -> String {
    let title = format!("{}: {}", report.model_name, verdict(report));
    let meta = |name: &str, content: &str| el("meta").attr("name", name).attr("content", content);
    let policy = format!("default-src 'none'; style-src '{}'; base-uri 'none'; form-action 'none'", style::hash());
    let head = el("head")
        .child(el("meta").attr("charset", "utf-8"))
        .child(el("meta").attr("http-equiv", "Content-Security-Policy").attr("content", policy))
        .child(meta("viewport", "width=device-width, initial-scale=1"))
        .child(meta("color-scheme", "light dark"))
        .child(meta("referrer", "no-referrer"))
        .child(el("title").text(title))
        .child(el("style").style(style::CSS));
    let sections: Vec<Section> = [
        Some(judgement::section(report)),
        metrics::section(report),
        groups::section(report),
        answers::section(report),
        features::section(report),
        search::section(report),
        data::section(report),
        Some(background::section(report)),
    ]
    .into_iter()
    .flatten()
    .collect();
    let links = sections.iter().map(|section| el("a").attr("href", format!("#{}", section.id)).text(section.title));
    let contents = el("nav").attr("aria-label", "Contents").children(links);
    let main = el("main").children(sections.into_iter().map(Section::into_element));
    let body = el("body").child(summary::header(report)).child(contents).child(main);
    let html = String::from(el("html").attr("lang", "en").child(head).child(body));
    format!("<!DOCTYPE html>\n{html}\n")
}

/// A part of the page.
struct Section {
    id: &'static str,
    title: &'static str,
    content: Vec<Element>,
}

impl Section {
    fn into_element(self) -> Element {
        let heading = format!("{}-title", self.id);
        el("section")
            .attr("id", self.id)
            .attr("aria-labelledby", &heading)
            .child(el("h2").attr("id", &heading).text(self.title))
            .children(self.content)
    }
}

/// The verdict in words.
fn verdict(report: &Report) -> &'static str {
    let outcomes = report.gates.iter().map(|gate| gate.outcome).chain(report.checks.iter().map(|check| check.outcome));
    match report.verdict {
        Verdict::Refused => "refused",
        Verdict::Passed if outcomes.into_iter().any(|outcome| outcome == Outcome::Warned) => "passed with warnings",
        Verdict::Passed => "passed",
    }
}

#[cfg(test)]
mod tests;
