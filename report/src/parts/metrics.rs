//! Every metric, with what it means.

use slipway_spec::{Metric, Metrics, Report};

use super::{cell, head_cell, number_cell, table};
use crate::Section;
use crate::element::{Element, el, shorten};
use crate::number::{counted, short};

/// Most metrics that are shown.
const MAX_METRICS: usize = 200;

pub(crate) fn section(report: &Report) -> Option<Section> {
    let known = Metric::ALL.iter().map(|metric| metric.name()).filter(|name| report.metrics.contains_key(*name));
    let unknown = report.metrics.keys().map(String::as_str).filter(|name| Metric::parse(name).is_none());
    let names: Vec<&str> = known.chain(unknown).take(MAX_METRICS).collect();
    if names.is_empty() && report.undefined.is_empty() {
        return None;
    }
    let mut head = vec!["Metric", "#Value"];
    let others = others(report);
    head.extend(others.iter().map(|(name, _)| *name));
    head.push("What it tells");
    let mut rows: Vec<Element> = names.into_iter().map(|name| row(report, name)).collect();
    rows.extend(report.undefined.iter().take(MAX_METRICS).map(|(name, reason)| {
        let row = el("tr").child(head_cell(shorten(name, 64))).child(number_cell("undefined"));
        let row = row.children(others.iter().map(|_| number_cell("–")));
        row.child(cell(shorten(reason, 300)).class("says"))
    }));
    let mut content = Vec::new();
    if let Some(rows) = report.training.rows {
        let tested = counted(rows.test as u64, "test row");
        let baseline = if report.training.baseline.is_some() {
            " The baseline gives every row the same answer: what any model must beat."
        } else {
            ""
        };
        let intervals = if report.intervals.is_empty() {
            ""
        } else {
            " Below a value: from where to where it would lie in 95 of 100 such tests (bootstrap)."
        };
        let says = format!("On {tested}, which the model had never seen.{intervals}{baseline}");
        content.push(el("p").class("soft").text(says));
    }
    content.push(table("", &head, rows));
    Some(Section { id: "metrics", title: "Metrics", content })
}

/// The models to compare with, by the head of their column.
fn others(report: &Report) -> Vec<(&'static str, &Metrics)> {
    let champion = report.champion_metrics.as_ref().map(|metrics| ("#Champion", metrics));
    let baseline = report.training.baseline.as_ref().map(|baseline| ("#Baseline", &baseline.metrics));
    champion.into_iter().chain(baseline).collect()
}

fn row(report: &Report, name: &str) -> Element {
    let value = report.metrics.get(name).copied().unwrap_or_default();
    let mut row = el("tr").child(head_cell(shorten(name, 64))).child(valued(report, name, value));
    for (_, metrics) in others(report) {
        row = row.child(metrics.get(name).map_or_else(|| number_cell("–"), |other| compared(name, value, *other)));
    }
    let mut says = el("td").class("says").text(meaning(name));
    if report.self_reported.iter().any(|reported| reported == name) {
        says = says.child(el("small").text("The training image says so; Slipway could not compute it."));
    }
    row.child(says)
}

/// The value, with what it may be in truth.
fn valued(report: &Report, name: &str, value: f64) -> Element {
    let interval = report.intervals.get(name);
    let says = interval.map(|interval| format!("{} to {}", short(interval.low), short(interval.high)));
    number_cell(short(value)).children(says.map(|says| el("small").text(says)))
}

/// Another model's value, and whether the new model is better.
fn compared(name: &str, value: f64, other: f64) -> Element {
    let better = Metric::parse(name).map(|metric| metric.higher_is_better() == (value > other));
    let (word, class) = match better {
        _ if value == other => ("equal", "soft"),
        Some(true) => ("this is better", "good"),
        Some(false) => ("this is worse", "bad"),
        None => ("", "soft"),
    };
    number_cell(short(other)).child(el("small").child(el("span").class(class).text(word)))
}

/// What a metric tells, in plain words.
fn meaning(name: &str) -> &'static str {
    match name {
        "r2" => {
            "Share of the target's variation that the model explains: 1 is perfect, 0 is no better than always saying the mean."
        }
        "mae" => "How far a prediction is off on average, in the target's unit.",
        "rmse" => "As mae, but large errors count more, in the target's unit.",
        "mape" => "How far a prediction is off on average, as a share of the truth; huge where a truth is about 0.",
        "explained_variance" => "As r2, but a constant error does not count.",
        "accuracy" => "Share of rows whose class is predicted right.",
        "balanced_accuracy" => {
            "Share of each class that is found, averaged over the classes: rare classes count as much as common ones."
        }
        "precision" => {
            "Of the rows predicted as the class, the share that are; averaged over the classes where there are more than two."
        }
        "recall" => {
            "Of the rows of the class, the share that is found; averaged over the classes where there are more than two."
        }
        "f1" => "Precision and recall in one number (their harmonic mean).",
        "roc_auc" => {
            "How often a row of the class gets a higher probability than another row: 0.5 is chance, 1 is perfect."
        }
        "average_precision" => "Area under the precision-recall curve; chance is the share of the class.",
        "spearman" => "Whether predictions rank the rows as the truth does: 1 is the same order, 0 none.",
        "matthews_corrcoef" | "cohen_kappa" => {
            "How far predicted and true classes agree beyond chance: 1 is always, 0 no better than guessing."
        }
        name if name.starts_with("top_") => {
            "Of the rows with the largest truth, the share with the largest predictions."
        }
        name if name.starts_with("pinball_loss_") => "How well predictions hold a quantile. Lower is better.",
        "log_loss" => "How wrong the probabilities are; confident mistakes cost most. Lower is better.",
        "brier" => "Mean squared error of the probabilities. Lower is better.",
        _ => "",
    }
}
