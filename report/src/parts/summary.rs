//! The top of the page: what was trained, on what, and whether it passed.

use slipway_spec::{Metric, Metrics, Outcome, Report, Task, Verdict};

use crate::element::{Element, el, shorten};
use crate::number::{counted, short};

/// Most numbers at the top.
const MAX_TILES: usize = 5;

pub(crate) fn header(report: &Report) -> Element {
    let name =
        el("div").child(el("p").class("kicker").text("Training report")).child(el("h1").text(&report.model_name));
    el("header")
        .child(el("div").class("top").child(name).child(verdict(report)))
        .child(el("p").class("lead").text(lead(report)))
        .child(tiles(report))
}

fn verdict(report: &Report) -> Element {
    let words = crate::verdict(report);
    let (class, sign) = match words {
        "passed" => ("good", "M5 12.5l4.5 4.5L19 7.5"),
        "refused" => ("bad", "M7 7l10 10M17 7L7 17"),
        _ => ("warn", "M12 6v7.5M12 17v.6"),
    };
    let stroke = |element: Element| {
        element
            .attr("fill", "none")
            .attr("stroke", "currentColor")
            .attr("stroke-width", "2.4")
            .attr("stroke-linecap", "round")
    };
    let circle = stroke(el("circle").attr("cx", 12).attr("cy", 12).attr("r", 10.5)).attr("stroke-opacity", "0.5");
    let sign = el("svg")
        .attr("viewBox", "0 0 24 24")
        .attr("aria-hidden", "true")
        .child(circle)
        .child(stroke(el("path").attr("d", sign)));
    let mut letters = words.chars();
    let words: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
    el("div").class(&format!("verdict {class}")).child(sign).child(el("span").text(words))
}

/// Two or three sentences that say all.
fn lead(report: &Report) -> String {
    let about = &report.about;
    let estimator = if about.estimator.is_empty() { "model" } else { &about.estimator };
    let article = if estimator.starts_with(['A', 'E', 'I', 'O', 'U']) { "An" } else { "A" };
    let target = shorten(&about.target, 80);
    let what = match report.task {
        Task::Regression => format!("{article} {estimator} that predicts the number {target}"),
        Task::Classification => {
            format!("{article} {estimator} that predicts {target}, one of {} classes,", about.classes.len())
        }
    };
    let features = counted(about.features as u64, "feature");
    let file = report.data.uri.rsplit('/').next().filter(|file| !file.is_empty());
    let of = file.map_or_else(String::new, |file| format!(" of {}", shorten(file, 80)));
    let rows = report.training.rows.map_or_else(String::new, |rows| {
        let (train, test) = (counted(rows.train as u64, "row"), counted(rows.test as u64, "row"));
        format!(" It learned from {train}{of} and was tested on {test} that it had never seen.")
    });
    format!("{what} from {features}.{rows}{}", judged(report))
}

fn judged(report: &Report) -> String {
    let outcomes =
        || report.gates.iter().map(|gate| gate.outcome).chain(report.checks.iter().map(|check| check.outcome));
    let count = |wanted: Outcome| outcomes().filter(|outcome| *outcome == wanted).count();
    let all = match (report.gates.len(), report.checks.len()) {
        (0, 0) => return " Nothing was asked of it: there are no gates and no checks.".to_owned(),
        (gates, 0) => counted(gates as u64, "gate"),
        (0, checks) => counted(checks as u64, "check"),
        (gates, checks) => format!("{} and {}", counted(gates as u64, "gate"), counted(checks as u64, "check")),
    };
    match (report.verdict, count(Outcome::Failed), count(Outcome::Warned)) {
        (Verdict::Refused, failed, _) => format!(" Of {all} it failed {failed}, so it was not published."),
        (Verdict::Passed, _, 0) => format!(" It passed {all}."),
        (Verdict::Passed, _, warned) => format!(" It passed {all}, {warned} of them with a warning."),
    }
}

/// The numbers that matter most: those with gates, then the task's usual ones.
fn tiles(report: &Report) -> Element {
    let usual: &[&str] = match report.task {
        Task::Regression => &["r2", "mae", "rmse", "spearman"],
        Task::Classification => &["roc_auc", "accuracy", "f1", "balanced_accuracy", "log_loss"],
    };
    let mut names: Vec<&str> = Vec::new();
    for name in report.gates.iter().map(|gate| gate.metric.as_str()).chain(usual.iter().copied()) {
        if !names.contains(&name) && report.metrics.contains_key(name) && names.len() < MAX_TILES {
            names.push(name);
        }
    }
    let tile = |name: &str| {
        let value = report.metrics.get(name).copied().unwrap_or_default();
        let of = |who: &str, metrics: Option<&Metrics>| Some(format!("{who} {}", short(*metrics?.get(name)?)));
        let champion = of("champion", report.champion_metrics.as_ref());
        let baseline = of("baseline", report.training.baseline.as_ref().map(|baseline| &baseline.metrics));
        let others: Vec<String> = champion.into_iter().chain(baseline).collect();
        let says = if others.is_empty() { better(name).to_owned() } else { others.join(", ") };
        el("div")
            .class("tile")
            .child(el("span").text(shorten(name, 40)))
            .child(el("b").text(short(value)))
            .child(el("span").text(says))
    };
    el("div").class("tiles").children(names.into_iter().map(tile))
}

fn better(name: &str) -> &'static str {
    match Metric::parse(name).map(Metric::higher_is_better) {
        Some(true) => "higher is better",
        Some(false) => "lower is better",
        None => "the training image's own",
    }
}
