//! Bars with names beside them, and a value against its bound.

use super::{label, line, rect, svg};
use crate::element::{Element, el, shorten};

const WIDTH: f64 = 640.0;
const ROW: f64 = 22.0;
/// Where bars begin.
const LEFT: f64 = 190.0;
const RIGHT: f64 = WIDTH - 80.0;

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

/// Bars under each other, from zero, to the left where they are negative.
pub(crate) fn bars(title: &str, description: &str, bars: &[Bar]) -> Element {
    let lowest = bars.iter().map(|bar| bar.value - bar.deviation).fold(0.0, f64::min);
    let highest = bars.iter().map(|bar| bar.value + bar.deviation).fold(0.0, f64::max);
    let span = if highest > lowest { highest - lowest } else { 1.0 };
    let at = |value: f64| LEFT + (value - lowest) / span * (RIGHT - LEFT);
    let height = ROW * bars.len() as f64 + 6.0;
    let mut drawing = svg(WIDTH, height, title, description);
    for (row, bar) in bars.iter().enumerate() {
        let y = 3.0 + ROW * row as f64;
        let middle = y + ROW / 2.0;
        let end = at(bar.value).max(at(0.0));
        let whisker = at(bar.value + bar.deviation).max(end);
        let mut group = el("g")
            .child(el("title").text(format!("{}: {}", shorten(&bar.name, 200), bar.says)))
            .child(label(LEFT - 8.0, middle + 4.0, "end", &shorten(&bar.name, 28)))
            .child(rect("bar c1", [at(0.0), y + 4.0], [at(bar.value), y + ROW - 4.0]));
        if bar.deviation > 0.0 {
            let (from, to) = (at(bar.value - bar.deviation), at(bar.value + bar.deviation));
            group = group.child(line("whisker", [from, middle], [to, middle]));
        }
        drawing = drawing.child(group.child(label(whisker + 6.0, middle + 4.0, "start", &bar.says).class("says")));
    }
    drawing.child(line("edge", [at(0.0), 0.0], [at(0.0), height]))
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
