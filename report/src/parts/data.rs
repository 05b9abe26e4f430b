//! What the data look like.

use slipway_spec::data_report::{ColumnReport, ColumnRole, DataReport, FindingKind, ValueCount};
use slipway_spec::{FeatureType, Report};

use super::{cell, figure, head_cell, number_cell, table};
use crate::Section;
use crate::draw::{Bar, bars, sparkline};
use crate::element::{Element, el, shorten};
use crate::number::{count, counted, day, percent, short};

/// Most columns that are shown.
const MAX_COLUMNS: usize = 200;
/// Most classes that are shown.
const MAX_CLASSES: usize = 30;
/// From here on a population stability index is a shift worth looking at, and a large one (Siddiqi 2006).
const DRIFT: [f64; 2] = [0.1, 0.25];
/// From here on a column alone predicts suspiciously well.
const LEAK: f64 = 0.95;

pub(crate) fn section(report: &Report) -> Option<Section> {
    let data = report.training.data_report.as_ref()?;
    let mut says = format!("{} and {}.", counted(data.rows, "row"), counted(data.columns, "column"));
    if data.duplicate_rows > 0 {
        let share = data.duplicate_rows as f64 / data.rows.max(1) as f64;
        says = format!("{says} {} occur more than once ({}).", counted(data.duplicate_rows, "row"), percent(share));
    }
    let mut content = vec![el("p").text(says)];
    content.extend(findings(data));
    content.extend(classes(data));
    content.push(columns(data));
    Some(Section { id: "data", title: "The data", content })
}

fn findings(data: &DataReport) -> Option<Element> {
    let item = |finding: &slipway_spec::data_report::Finding| {
        let class = match finding.kind {
            FindingKind::Leakage => "bad",
            FindingKind::Drift | FindingKind::Imbalance | FindingKind::Missing | FindingKind::Range => "warn",
            FindingKind::DuplicateRows | FindingKind::Identifier | FindingKind::Constant => "soft",
        };
        let kind = match finding.kind {
            FindingKind::Leakage => "may know the answer",
            FindingKind::Drift => "drift",
            FindingKind::Imbalance => "rare class",
            FindingKind::DuplicateRows => "duplicate rows",
            FindingKind::Missing => "missing values",
            FindingKind::Identifier => "identifier",
            FindingKind::Constant => "constant",
            FindingKind::Range => "range",
        };
        let chip = el("span").class(&format!("chip {class}")).text(kind);
        el("li").child(chip).text(" ").text(shorten(&finding.message, 600))
    };
    let items: Vec<Element> = data.findings.iter().map(item).collect();
    let card = || el("div").class("card").child(el("h3").text("To look at"));
    (!items.is_empty()).then(|| card().child(el("ul").class("plain").children(items)))
}

fn classes(data: &DataReport) -> Option<Element> {
    let total = data.classes.iter().map(|class| class.count).sum::<u64>().max(1) as f64;
    let bar = |class: &ValueCount| Bar {
        name: class.value.clone(),
        value: class.count as f64,
        deviation: 0.0,
        says: format!("{} ({})", count(class.count), percent(class.count as f64 / total)),
    };
    let drawn: Vec<Bar> = data.classes.iter().take(MAX_CLASSES).map(bar).collect();
    let title = "Rows of each class";
    (!drawn.is_empty()).then(|| figure(title, "How often each class occurs.", bars(&drawn)))
}

fn columns(data: &DataReport) -> Element {
    let head = ["Column", "Values", "", "#Missing", "#Different", "#Drift", "#Alone"];
    let shown = data.described.iter().take(MAX_COLUMNS);
    let table = table("columns", &head, shown.map(|column| row(column, data.rows)));
    let more = data.columns.saturating_sub(data.described.len().min(MAX_COLUMNS) as u64);
    let more = if more > 0 { format!(" {} are not shown.", counted(more, "other column")) } else { String::new() };
    let says = format!(
        "Drift compares training with test rows (population stability index: below 0.1 is calm, above 0.25 large). Alone: how \
         well the column predicts the target without any other (R² or AUC); close to 1, it may know the answer.{more}"
    );
    el("div").child(table).child(el("p").class("note").text(says))
}

fn row(column: &ColumnReport, rows: u64) -> Element {
    let type_ = match column.type_ {
        Some(FeatureType::Number) => "number",
        Some(FeatureType::Category) => "category",
        Some(FeatureType::Boolean) => "yes or no",
        Some(FeatureType::Timestamp) => "time",
        None => "text or identifier",
    };
    let unit = column.unit.as_ref().map_or_else(String::new, |unit| format!(", {}", shorten(unit, 40)));
    let role = match column.role {
        ColumnRole::Feature => "",
        ColumnRole::Target => ", the target",
        ColumnRole::Helper => ", helps to train",
        ColumnRole::Unused => ", not used",
    };
    let missing = match column.missing {
        0 => number_cell("0"),
        missing => number_cell(count(missing)).child(el("small").text(percent(missing as f64 / rows.max(1) as f64))),
    };
    el("tr")
        .child(head_cell(shorten(&column.name, 80)).child(el("small").text(format!("{type_}{unit}{role}"))))
        .child(cell(values(column)).class("values"))
        .child(drawing(column))
        .child(missing)
        .child(number_cell(count(column.distinct)))
        .child(rated(column.drift, |drift| usize::from(drift >= DRIFT[0]) + usize::from(drift >= DRIFT[1])))
        .child(rated(column.alone, |alone| 2 * usize::from(alone >= LEAK)))
}

/// A number, coloured by how much it asks for attention: not at all (0), somewhat, or much (2).
fn rated(value: Option<f64>, rate: impl Fn(f64) -> usize) -> Element {
    let Some(value) = value else { return number_cell("–") };
    let text = format!("{value:.2}").replace('-', "−");
    match rate(value) {
        0 => number_cell(text),
        1 => el("td").class("num").child(el("b").class("warn").text(text)),
        _ => el("td").class("num").child(el("b").class("bad").text(text)),
    }
}

fn values(column: &ColumnReport) -> String {
    if let Some(numbers) = &column.numbers {
        let show = |value: f64| if column.type_ == Some(FeatureType::Timestamp) { day(value) } else { short(value) };
        return format!("{} to {}, median {}", show(numbers.min), show(numbers.max), show(numbers.median));
    }
    let top: Vec<String> =
        column.top.iter().take(3).map(|top| format!("{} ({})", shorten(&top.value, 30), count(top.count))).collect();
    let more = column.distinct.saturating_sub(top.len() as u64);
    if more > 0 { format!("{}, {} more", top.join(", "), count(more)) } else { top.join(", ") }
}

fn drawing(column: &ColumnReport) -> Element {
    let counts: Vec<u64> = match &column.numbers {
        Some(numbers) => numbers.histogram.clone(),
        None => column.top.iter().map(|top| top.count).collect(),
    };
    let says = format!("How the values of {} are spread.", shorten(&column.name, 80));
    el("td").children((!counts.is_empty()).then(|| sparkline(&counts, &says)))
}
