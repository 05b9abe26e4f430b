//! Bars with names beside them, and a value against its bound.

use super::{line, rect, svg};
use crate::element::{Element, el, shorten};

/// Longest name of a bar, characters.
const MAX_NAME: usize = 60;

/// One bar.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) value: f64,
    /// How far the value may be off, to both sides.
    pub(crate) deviation: f64,
    /// The value, as it is to be read.
    pub(crate) says: String,
}

/// A table of names, bars and values; bars go from zero, to the left where they are negative.
pub(crate) fn bars(bars: &[Bar]) -> Element {
    let lowest = bars.iter().map(|bar| bar.value - bar.deviation).fold(0.0, f64::min);
    let highest = bars.iter().map(|bar| bar.value + bar.deviation).fold(0.0, f64::max);
    let span = if highest > lowest { highest - lowest } else { 1.0 };
    let at = |value: f64| (value - lowest) / span * 100.0;
    let row = |bar: &Bar| {
        // It is as wide as the page lets it, so that only lines keep their width.
        let mut drawing = el("svg")
            .attr("viewBox", "0 0 100 20")
            .attr("preserveAspectRatio", "none")
            .attr("aria-hidden", "true")
            .child(rect("bar c1", [at(0.0), 3.0], [at(bar.value), 17.0]))
            .child(line("edge", [at(0.0), 0.0], [at(0.0), 20.0]));
        if bar.deviation > 0.0 {
            let (from, to) = (at(bar.value - bar.deviation), at(bar.value + bar.deviation));
            drawing = drawing.child(line("whisker", [from, 10.0], [to, 10.0]));
        }
        el("tr")
            .child(
                el("th").attr("scope", "row").attr("title", shorten(&bar.name, 200)).text(shorten(&bar.name, MAX_NAME)),
            )
            .child(el("td").child(drawing))
            .child(el("td").class("num").text(&bar.says))
    };
    el("table").class("bars").child(el("tbody").children(bars.iter().map(row)))
}

/// A value against its bound, on a scale from `start` to `end`; `class` colours it.
pub(crate) fn gauge(class: &str, says: &str, value: f64, bound: f64, [start, end]: [f64; 2]) -> Element {
    const SIZE: (f64, f64) = (120.0, 16.0);
    let at = |value: f64| 1.0 + ((value - start) / (end - start)).clamp(0.0, 1.0) * (SIZE.0 - 2.0);
    svg(SIZE.0, SIZE.1, says, says)
        .class("gauge")
        .child(rect("track", [0.0, 4.0], [SIZE.0, 12.0]).attr("rx", 2))
        .child(rect(&format!("bar {class}"), [at(0.0_f64.max(start)), 4.0], [at(value), 12.0]).attr("rx", 2))
        .child(line("bound", [at(bound), 0.0], [at(bound), SIZE.1]))
}

/// How often values occur, small enough for a table.
pub(crate) fn sparkline(counts: &[u64], says: &str) -> Element {
    const SIZE: (f64, f64) = (90.0, 24.0);
    let most = counts.iter().copied().max().unwrap_or(0).max(1) as f64;
    // A few bars are no wider than many.
    let width = SIZE.0 / counts.len().max(8) as f64;
    let bar = |(place, count): (usize, &u64)| {
        let x = width * place as f64;
        rect("bar c6", [x + width * 0.06, SIZE.1], [x + width * 0.94, SIZE.1 * (1.0 - *count as f64 / most)])
    };
    svg(SIZE.0, SIZE.1, says, says).class("spark").children(counts.iter().take(100).enumerate().map(bar))
}
