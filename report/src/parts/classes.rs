//! Predicted classes against true ones.

use slipway_spec::About;
use slipway_spec::pictures::{ClassCurves, ClassificationPictures, Histogram};

use super::{COLOURS, figure};
use crate::draw::{Axis, Plot, Shape, Sign};
use crate::element::{Element, el, shorten};
use crate::number::{count, counted, percent, short};

pub(super) fn figures(pictures: &ClassificationPictures, about: &About) -> Vec<Element> {
    let mut grid = el("div").class("grid").child(confusion(pictures));
    let curves = &pictures.curves;
    if let [only] = &curves[..] {
        grid = grid.child(scores(only, about.threshold.unwrap_or(0.5)));
    }
    if !curves.is_empty() {
        grid = grid.child(roc(curves)).child(precision_recall(curves, pictures.rows)).child(calibration(curves));
    }
    if let [only] = &curves[..]
        && !only.thresholds.is_empty()
    {
        grid = grid.child(thresholds(only, about.threshold.unwrap_or(0.5)));
    }
    vec![grid]
}

fn confusion(pictures: &ClassificationPictures) -> Element {
    let name = |class: &String| el("th").attr("scope", "col").text(shorten(class, 24));
    let head =
        el("tr").child(el("td").class("soft").text("actual ↓ predicted →")).children(pictures.classes.iter().map(name));
    let rows = pictures.classes.iter().zip(&pictures.confusion).enumerate().map(|(place, (class, counts))| {
        let total = counts.iter().sum::<u64>().max(1) as f64;
        let cells = counts.iter().enumerate().map(|(at, &rows)| {
            let share = rows as f64 / total;
            let shade = if rows == 0 { 0 } else { 1 + (share * 4.999).floor() as usize };
            let right = if at == place { " right" } else { "" };
            let cell = el("td").class(&format!("q{}{right}", shade.min(5))).text(count(rows));
            if rows == 0 { cell } else { cell.child(el("small").text(percent(share))) }
        });
        el("tr").child(el("th").attr("scope", "row").text(shorten(class, 24))).children(cells)
    });
    let caption = "Rows: what it was. Columns: what was predicted. Percent: of the row.";
    let table = el("table")
        .class("matrix")
        .child(el("caption").text(caption))
        .child(el("thead").child(head))
        .child(el("tbody").children(rows));
    let right: u64 = pictures.confusion.iter().enumerate().map(|(place, row)| row[place]).sum();
    let says = if pictures.others {
        "Which classes are taken for which. Rare classes stand together, so the last outlined cell is no sign of being right."
            .to_owned()
    } else {
        format!(
            "Which classes are taken for which. Outlined: predicted right, {} of {}.",
            count(right),
            counted(pictures.rows as u64, "row")
        )
    };
    figure("Confusion matrix", &says, el("div").class("wide").child(table))
}

/// The shares of rows by probability, of the class and of the others.
fn scores(curves: &ClassCurves, threshold: f64) -> Element {
    let shares = |histogram: &Histogram| -> Vec<f64> {
        let total = histogram.counts.iter().sum::<u64>().max(1) as f64;
        histogram.counts.iter().map(|&rows| rows as f64 / total).collect()
    };
    let (own, others) = (shares(&curves.scores), shares(&curves.other_scores));
    let most = own.iter().chain(&others).copied().fold(0.0, f64::max);
    let class = shorten(&curves.class, 24);
    let says = format!(
        "The less the two overlap, the better the model tells them apart. From {} on, a row is predicted as {class}.",
        short(threshold)
    );
    let title = "Probabilities by class";
    let x = Axis::numbers(&format!("probability of {class}"), 0.0, 1.0);
    let mut plot = Plot::new(Shape::Half, title, &says, x, Axis::shares("share of rows", most * 1.08));
    let width = 1.0 / own.len().max(1) as f64;
    for (place, (own, others)) in own.iter().zip(&others).enumerate() {
        let from = width * place as f64;
        let range = format!("{} to {}", short(from), short(from + width));
        for (colour, half, share, name) in [("c2", 0.0, others, "others"), ("c1", 0.5, own, class.as_str())] {
            if *share > 0.0 {
                let start = from + width * half;
                plot.bar(colour, start, start + width / 2.0, *share, &format!("{name}, {range}: {}", percent(*share)));
            }
        }
    }
    plot.mark(threshold, "threshold");
    plot.name(Sign::Bar, "c1", &class);
    plot.name(Sign::Bar, "c2", "others");
    figure(title, &says, plot.finish())
}

fn roc(curves: &[ClassCurves]) -> Element {
    let says = match curves {
        [only] => format!(
            "How many of the class are found, for how many false alarms. Area {}: of a row of the class and another row, the \
             model ranks {} of the pairs right. The dashed line is chance.",
            short(only.roc_auc),
            percent(only.roc_auc)
        ),
        _ => {
            "For each class against the rest: how many are found, for how many false alarms. The dashed line is chance."
                .to_owned()
        }
    };
    let title = "ROC curve";
    let axes = (Axis::numbers("false positive rate", 0.0, 1.0), Axis::numbers("true positive rate", 0.0, 1.0));
    let mut plot = Plot::new(Shape::Square, title, &says, axes.0, axes.1);
    plot.guide([0.0, 0.0], [1.0, 1.0]);
    for (curve, colour) in curves.iter().zip(COLOURS) {
        plot.line(colour, curve.roc.iter().copied());
        if curves.len() > 1 {
            plot.name(Sign::Line, colour, &format!("{} {}", shorten(&curve.class, 16), short(curve.roc_auc)));
        }
    }
    if let [ClassCurves { at_threshold: Some([false_alarms, recall, _]), .. }] = curves {
        let says = format!("at the threshold: {} found, {} false alarms", percent(*recall), percent(*false_alarms));
        plot.dot("c2", [*false_alarms, *recall], 5.0, &says);
        plot.name(Sign::Dot, "c2", "at the threshold");
    }
    figure(title, &says, plot.finish())
}

fn precision_recall(curves: &[ClassCurves], rows: usize) -> Element {
    let says = match curves {
        [only] => format!(
            "How many alarms are right, for how many of the class are found. Average precision {}; the dashed line is chance, \
             the share of the class.",
            short(only.average_precision)
        ),
        _ => "For each class against the rest: how many of those named are right, for how many are found.".to_owned(),
    };
    let title = "Precision and recall";
    let axes = (Axis::numbers("recall", 0.0, 1.0), Axis::numbers("precision", 0.0, 1.0));
    let mut plot = Plot::new(Shape::Square, title, &says, axes.0, axes.1);
    for (curve, colour) in curves.iter().zip(COLOURS) {
        plot.line(colour, curve.precision_recall.iter().copied());
        if curves.len() > 1 {
            plot.name(Sign::Line, colour, &format!("{} {}", shorten(&curve.class, 16), short(curve.average_precision)));
        }
    }
    if let [only] = curves {
        let share = only.rows as f64 / rows.max(1) as f64;
        plot.guide([0.0, share], [1.0, share]);
        if let Some([_, recall, precision]) = only.at_threshold {
            let says =
                format!("at the threshold: {} found, {} of the alarms right", percent(recall), percent(precision));
            plot.dot("c2", [recall, precision], 5.0, &says);
            plot.name(Sign::Dot, "c2", "at the threshold");
        }
    }
    figure(title, &says, plot.finish())
}

fn calibration(curves: &[ClassCurves]) -> Element {
    let says = "Whether probabilities can be taken at their word: of rows given 70 %, 70 % should be of the class. On the dashed \
                line they are. Larger dots stand for more rows.";
    let title = "Calibration";
    let axes = (Axis::numbers("mean probability", 0.0, 1.0), Axis::numbers("share of the class", 0.0, 1.0));
    let mut plot = Plot::new(Shape::Square, title, says, axes.0, axes.1);
    plot.guide([0.0, 0.0], [1.0, 1.0]);
    for (curve, colour) in curves.iter().zip(COLOURS) {
        plot.line(colour, curve.calibration.iter().map(|bin| [bin.predicted, bin.observed]));
        let most = curve.calibration.iter().map(|bin| bin.rows).max().unwrap_or(1).max(1) as f64;
        for bin in &curve.calibration {
            let says = format!(
                "given {}, in truth {}: {}",
                percent(bin.predicted),
                percent(bin.observed),
                counted(bin.rows as u64, "row")
            );
            plot.dot(colour, [bin.predicted, bin.observed], 2.5 + 4.5 * (bin.rows as f64 / most).sqrt(), &says);
        }
        if curves.len() > 1 {
            plot.name(Sign::Line, colour, &shorten(&curve.class, 16));
        }
    }
    figure(title, says, plot.finish())
}

/// What other thresholds would give.
fn thresholds(curves: &ClassCurves, threshold: f64) -> Element {
    let says =
        "What another threshold would give: a higher one raises fewer alarms, more of them right, and misses more.";
    let title = "If the threshold were another";
    let axes = (Axis::numbers("threshold", 0.0, 1.0), Axis::numbers("", 0.0, 1.0));
    let mut plot = Plot::new(Shape::Square, title, says, axes.0, axes.1);
    for (place, colour, name) in [(1, "c1", "precision"), (2, "c2", "recall"), (3, "c3", "flagged")] {
        // Where nothing is flagged, nothing of it can be right.
        let points = curves.thresholds.iter().filter(|at| place != 1 || at[3] > 0.0);
        plot.line(colour, points.map(|at| [at[0], at[place]]));
        plot.name(Sign::Line, colour, name);
    }
    plot.mark(threshold, "threshold");
    figure(title, says, plot.finish())
}
