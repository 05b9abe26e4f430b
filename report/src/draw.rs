//! A small drawing kit: plots with axes, and bars, as SVG that takes its colours from the page.

mod axis;
mod bars;
mod plot;

pub(crate) use axis::Axis;
pub(crate) use bars::{Bar, bars, gauge, sparkline};
pub(crate) use plot::{Plot, Shape, Sign};

use crate::element::{Element, el};

/// A length in a drawing.
fn px(value: f64) -> String {
    let text = format!("{:.1}", if value.is_finite() { value } else { 0.0 });
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// A drawing that says what it shows to those who cannot see it.
fn svg(width: f64, height: f64, title: &str, description: &str) -> Element {
    svg_from(0.0, width, height, title, description)
}

/// A drawing whose upper edge is at `top`.
fn svg_from(top: f64, width: f64, height: f64, title: &str, description: &str) -> Element {
    el("svg")
        .attr("viewBox", format!("0 {} {} {}", px(top), px(width), px(height - top)))
        .attr("role", "img")
        .attr("xmlns", "http://www.w3.org/2000/svg")
        .child(el("title").text(title))
        .child(el("desc").text(description))
}

/// Text in a drawing; `anchor` is start, middle or end.
fn label(x: f64, y: f64, anchor: &str, text: &str) -> Element {
    el("text").attr("x", px(x)).attr("y", px(y)).attr("text-anchor", anchor).text(text)
}

/// A straight line.
fn line(class: &str, [x1, y1]: [f64; 2], [x2, y2]: [f64; 2]) -> Element {
    el("line").class(class).attr("x1", px(x1)).attr("y1", px(y1)).attr("x2", px(x2)).attr("y2", px(y2))
}

/// A rectangle between two corners.
fn rect(class: &str, [x1, y1]: [f64; 2], [x2, y2]: [f64; 2]) -> Element {
    el("rect")
        .class(class)
        .attr("x", px(x1.min(x2)))
        .attr("y", px(y1.min(y2)))
        .attr("width", px((x2 - x1).abs()))
        .attr("height", px((y2 - y1).abs()))
}

/// A path through points.
fn path(points: impl IntoIterator<Item = [f64; 2]>) -> String {
    let mut path = String::new();
    for [x, y] in points {
        path.push(if path.is_empty() { 'M' } else { 'L' });
        path.push_str(&px(x));
        path.push(' ');
        path.push_str(&px(y));
    }
    path
}
