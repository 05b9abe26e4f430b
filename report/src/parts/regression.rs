//! Predicted numbers against true ones.

use slipway_spec::pictures::{Histogram, RegressionPictures};

use super::figure;
use crate::draw::{Axis, Plot, Shape};
use crate::element::{Element, el, shorten};
use crate::number::{count, counted, percent, short};

pub(super) fn figures(pictures: &RegressionPictures, target: &str) -> Vec<Element> {
    if pictures.points.is_empty() {
        return Vec::new();
    }
    let target = shorten(target, 40);
    let shown = if pictures.points.len() < pictures.rows {
        format!(" {} of {} test rows are shown.", count(pictures.points.len() as u64), count(pictures.rows as u64))
    } else {
        String::new()
    };
    let grid = el("div")
        .class("grid")
        .child(against_truth(pictures, &target, &shown))
        .child(residuals(pictures, &target, &shown));
    vec![grid, spread(&pictures.residuals, &target)]
}

fn against_truth(pictures: &RegressionPictures, target: &str, shown: &str) -> Element {
    let says =
        format!("Each dot is a test row. On the dashed line a prediction is right; above it, it is too high.{shown}");
    let all = || pictures.points.iter().flatten().copied();
    let axis = |label: &str| Axis::around(label, all());
    let title = "Predicted against actual";
    let mut plot = Plot::new(Shape::Square, title, &says, axis(&format!("actual {target}")), axis("predicted"));
    plot.cloud("c1", pictures.points.iter().copied());
    let (low, high) =
        all().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    plot.guide([low, low], [high, high]);
    figure(title, &says, plot.finish())
}

fn residuals(pictures: &RegressionPictures, target: &str, shown: &str) -> Element {
    let says = format!(
        "How far off, by what was predicted: above 0 the truth was higher. A good model's dots lie evenly around 0 \
         everywhere. The band holds 80 % of the rows, the line is their median.{shown}"
    );
    let title = "Residuals against predictions";
    let residual = |[truth, predicted]: &[f64; 2]| [*predicted, truth - predicted];
    let points: Vec<[f64; 2]> = pictures.points.iter().map(residual).collect();
    let x = Axis::around(&format!("predicted {target}"), points.iter().map(|point| point[0]));
    let y = Axis::around("actual minus predicted", points.iter().map(|point| point[1]).chain([0.0]));
    let mut plot = Plot::new(Shape::Square, title, &says, x, y);
    plot.cloud("c1", points);
    let ends = pictures.points.iter().map(|point| point[1]);
    let (low, high) =
        ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    plot.guide([low, 0.0], [high, 0.0]);
    if pictures.bands.len() > 2 {
        let band = |band: &slipway_spec::pictures::ResidualBand| [band.predicted, band.residuals[0], band.residuals[2]];
        plot.area("c2", &pictures.bands.iter().map(band).collect::<Vec<_>>());
        plot.line("c2", pictures.bands.iter().map(|band| [band.predicted, band.residuals[1]]));
    }
    figure(title, &says, plot.finish())
}

fn spread(histogram: &Histogram, target: &str) -> Element {
    let total = (histogram.counts.iter().sum::<u64>() + histogram.beyond.iter().sum::<u64>()).max(1) as f64;
    let most = histogram.counts.iter().copied().max().unwrap_or(0) as f64 / total;
    let mut says =
        "How large the errors are. A good model's are close to 0, and as often too high as too low.".to_owned();
    if histogram.beyond.iter().any(|count| *count > 0) {
        let beyond = counted(histogram.beyond.iter().sum::<u64>(), "row");
        says = format!("{says} {beyond} further out are not shown.");
    }
    let title = "How the residuals are spread";
    let x = Axis::numbers(&format!("actual minus predicted {target}"), histogram.start, histogram.end);
    let mut plot = Plot::new(Shape::Wide, title, &says, x, Axis::shares("share of the test rows", most * 1.08));
    let width = (histogram.end - histogram.start) / histogram.counts.len().max(1) as f64;
    for (place, &rows) in histogram.counts.iter().enumerate().filter(|(_, rows)| **rows > 0) {
        let from = histogram.start + width * place as f64;
        let share = rows as f64 / total;
        let says = format!("{} to {}: {} ({})", short(from), short(from + width), counted(rows, "row"), percent(share));
        plot.bar("c1", from, from + width, share, &says);
    }
    if histogram.start < 0.0 && histogram.end > 0.0 {
        plot.mark(0.0, "0");
    }
    figure(title, &says, plot.finish())
}
