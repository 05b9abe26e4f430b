//! The metrics within groups of test rows.

use slipway_spec::evaluation::{GroupMetrics, GroupReport};
use slipway_spec::{Report, Task};

use super::{figure, head_cell, number_cell, table};
use crate::Section;
use crate::draw::{Bar, bars};
use crate::element::{Element, el, shorten};
use crate::number::{count, counted, short};

/// Most groups that are shown.
const MAX_GROUPS: usize = 50;
/// Most metrics beside each other.
const MAX_METRICS: usize = 5;

pub(crate) fn section(report: &Report) -> Option<Section> {
    let groups = report.groups.as_ref().filter(|groups| !groups.groups.is_empty())?;
    let metrics = metrics(report, groups);
    let column = shorten(&groups.column, 80);
    let mut says = format!("The test rows by their value of {column}: {}.", counted(groups.total as u64, "group"));
    if groups.too_small > 0 {
        let small = count(groups.too_small as u64);
        says = format!("{says} {small} have too few rows to count for the worst and the gap.");
    }
    let mut content = vec![el("p").class("soft").text(says)];
    content.extend(metrics.first().map(|metric| picture(groups, metric)));
    content.push(rows(groups, &metrics));
    Some(Section { id: "groups", title: "Groups", content })
}

/// The metrics with gates, then the task's usual ones.
fn metrics<'a>(report: &'a Report, groups: &GroupReport) -> Vec<&'a str> {
    let usual: &[&str] = match report.task {
        Task::Regression => &["r2", "mae", "rmse"],
        Task::Classification => &["accuracy", "f1", "precision", "recall", "roc_auc"],
    };
    let gated = report.gates.iter().map(|gate| gate.metric.split('.').next().unwrap_or_default());
    let mut names: Vec<&str> = Vec::new();
    for name in gated.chain(usual.iter().copied()) {
        let known = groups.groups.iter().any(|group| group.metrics.contains_key(name));
        if known && !names.contains(&name) && names.len() < MAX_METRICS {
            names.push(name);
        }
    }
    names
}

fn picture(groups: &GroupReport, metric: &str) -> Element {
    let bar = |group: &GroupMetrics| {
        let value = *group.metrics.get(metric)?;
        Some(Bar { name: group.group.clone(), value, deviation: 0.0, says: short(value) })
    };
    let drawn: Vec<Bar> = groups.groups.iter().filter_map(bar).take(MAX_GROUPS).collect();
    let gap =
        groups.gap.get(metric).map_or_else(String::new, |gap| format!(" Best and worst are {} apart.", short(*gap)));
    let says =
        format!("How well the model does within each group; a group that it fails may hide in a good mean.{gap}");
    let title = format!("{} by {}", shorten(metric, 40), shorten(&groups.column, 40));
    figure(&title, &says, bars(&drawn))
}

fn rows(groups: &GroupReport, metrics: &[&str]) -> Element {
    let heads: Vec<String> = metrics.iter().map(|metric| format!("#{metric}")).collect();
    let head: Vec<&str> = ["Group", "#Rows"].into_iter().chain(heads.iter().map(String::as_str)).collect();
    let row = |group: &GroupMetrics| {
        let cell = |metric: &&str| {
            let cell = number_cell(group.metrics.get(*metric).map_or_else(|| "–".to_owned(), |value| short(*value)));
            let is_worst = groups.worst.get(*metric).is_some_and(|worst| worst.group == group.group);
            if is_worst { cell.child(el("small").text("the worst")) } else { cell }
        };
        el("tr")
            .child(head_cell(shorten(&group.group, 80)))
            .child(number_cell(count(group.rows as u64)))
            .children(metrics.iter().map(cell))
    };
    table("", &head, groups.groups.iter().take(MAX_GROUPS).map(row))
}
