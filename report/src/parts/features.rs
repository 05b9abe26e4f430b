//! What the model looks at.

use slipway_spec::pictures::{ImportanceKind, Importances, PartialDependence, PermutationImportance};
use slipway_spec::{FeatureType, Report};

use super::{COLOURS, figure};
use crate::Section;
use crate::draw::{Axis, Bar, Plot, Shape, Sign, bars};
use crate::element::{Element, el, shorten};
use crate::number::{counted, short};

/// Most bars of a picture.
const MAX_BARS: usize = 30;

pub(crate) fn section(report: &Report) -> Option<Section> {
    let pictures = &report.pictures;
    let mut content: Vec<Element> = Vec::new();
    content.extend(pictures.permutation.as_ref().filter(|measured| !measured.features.is_empty()).map(permutation));
    content.extend(report.training.importances.as_ref().filter(|own| !own.values.is_empty()).map(importances));
    let dependence = &pictures.partial_dependence;
    if !dependence.is_empty() {
        let says = "How the mean prediction moves when one feature is set to a value in every row and the others stay as they \
                    are. All have the same scale, so a flat line is a feature of little effect. The band holds 80 % of the \
                    rows; the grey strip tells how often a value occurs: where it is empty, the line is a guess.";
        content.push(el("h3").text("How predictions move with a feature"));
        content.push(el("p").class("soft").text(says));
        let scale = scale(dependence);
        content.push(el("div").class("grid small").children(dependence.iter().map(|one| moves(one, report, scale))));
    }
    (!content.is_empty()).then_some(Section { id: "features", title: "What the model looks at", content })
}

fn permutation(measured: &PermutationImportance) -> Element {
    let metric = shorten(&measured.metric, 40);
    let more = match measured.more {
        0 => String::new(),
        more => format!(" {} matter less and are not shown.", counted(more as u64, "other feature")),
    };
    let says = format!(
        "How much worse {metric} gets when a feature's values are shuffled among {} (mean of {} shuffles; the thin line is one \
         standard deviation). About 0: the model does not need it. Of two features that say the same, each hides the other's \
         worth.{more}",
        counted(measured.rows as u64, "test row"),
        measured.repeats
    );
    let one = |feature: &slipway_spec::pictures::FeatureImportance| Bar {
        name: feature.feature.clone(),
        value: finite(feature.importance),
        deviation: finite(feature.deviation),
        says: short(feature.importance),
    };
    let drawn: Vec<Bar> = measured.features.iter().take(MAX_BARS).map(one).collect();
    let title = "What each feature is worth on the test rows";
    figure(title, &says, bars(&drawn))
}

fn importances(own: &Importances) -> Element {
    let (title, says) = match own.kind {
        ImportanceKind::Impurity => (
            "What the trees split on",
            "Each feature's share of what all splits gained in training. Features with many different values look more \
             important here than they are; trust the picture above more.",
        ),
        ImportanceKind::Coefficient => (
            "The model's weights",
            "How much a step of one standard deviation in a feature, or a category that is there, moves the model's sum. \
             Large in either direction is strong.",
        ),
    };
    let one = |feature: &slipway_spec::pictures::FeatureImportance| Bar {
        name: feature.feature.clone(),
        value: finite(feature.importance),
        deviation: 0.0,
        says: short(feature.importance),
    };
    let drawn: Vec<Bar> = own.values.iter().take(MAX_BARS).map(one).collect();
    figure(title, says, bars(&drawn))
}

fn finite(value: f64) -> f64 {
    if value.is_finite() { value } else { 0.0 }
}

/// Smallest and largest prediction of all pictures.
fn scale(all: &[PartialDependence]) -> (f64, f64) {
    let lines = all.iter().flat_map(|one| &one.lines);
    let values = lines.flat_map(|line| line.mean.iter().chain(&line.low).chain(&line.high)).copied();
    values
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
}

fn moves(one: &PartialDependence, report: &Report, (low, high): (f64, f64)) -> Element {
    let feature = shorten(&one.feature, 40);
    let target = match one.lines.first().and_then(|line| line.class.as_ref()) {
        Some(class) if one.lines.len() == 1 => format!("probability of {}", shorten(class, 16)),
        Some(_) => "probability".to_owned(),
        None => shorten(&report.about.target, 26),
    };
    let labelled = !one.labels.is_empty();
    let (first, last) = (one.at.first().copied().unwrap_or(0.0), one.at.last().copied().unwrap_or(1.0));
    let x = match one.type_ {
        _ if labelled => Axis::labels("", &one.labels),
        FeatureType::Timestamp => Axis::days("", first, last),
        _ if one.at.iter().all(|value| value.fract() == 0.0) => Axis::whole("", first, last),
        _ => Axis::numbers("", first, last),
    };
    let y = Axis::around(&target, [low, high].into_iter());
    let says = format!(
        "How the mean prediction of {target} moves with {feature}, asked of {}.",
        counted(one.rows as u64, "row")
    );
    let mut plot = Plot::new(Shape::Small, &feature, &says, x, y);
    plot.strip(&one.spread.counts);
    for (line, colour) in one.lines.iter().zip(COLOURS) {
        let place = |at: usize| if labelled { at as f64 + 0.5 } else { one.at[at] };
        let count = line.mean.len().min(one.at.len());
        if labelled {
            for at in 0..count {
                if let (Some(low), Some(high)) = (line.low.get(at), line.high.get(at)) {
                    plot.line("band c1", [[place(at), *low], [place(at), *high]]);
                }
                plot.dot(
                    colour,
                    [place(at), line.mean[at]],
                    4.0,
                    &format!("{}: {}", one.labels[at], short(line.mean[at])),
                );
            }
        } else {
            if line.low.len() == count && line.high.len() == count {
                let band: Vec<[f64; 3]> = (0..count).map(|at| [place(at), line.low[at], line.high[at]]).collect();
                plot.area(colour, &band);
            }
            plot.line(colour, (0..count).map(|at| [place(at), line.mean[at]]));
        }
        if let Some(class) = line.class.as_ref().filter(|_| one.lines.len() > 1) {
            plot.name(Sign::Line, colour, &shorten(class, 12));
        }
    }
    el("figure").child(el("h3").text(feature)).child(plot.finish())
}
