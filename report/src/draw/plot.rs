//! A plot with two axes.

use super::{Axis, label, line, path, px, rect, svg_from};
use crate::element::{Element, el, shorten};

/// Width of a character of a legend.
const CHARACTER: f64 = 6.5;
/// Room for leaning labels.
const LEANING: f64 = 44.0;

/// How large a plot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Half the page.
    Half,
    /// The whole width of the page.
    Wide,
    /// As wide as high, so that a diagonal is one.
    Square,
    /// A small one among several.
    Small,
}

impl Shape {
    const fn size(self) -> (f64, f64) {
        match self {
            Shape::Half => (400.0, 280.0),
            Shape::Wide => (820.0, 250.0),
            Shape::Square => (400.0, 360.0),
            Shape::Small => (300.0, 220.0),
        }
    }
}

/// A plot, being drawn.
#[derive(Clone, Debug)]
pub(crate) struct Plot {
    x: Axis,
    y: Axis,
    width: f64,
    height: f64,
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
    title: String,
    description: String,
    drawn: Vec<Element>,
    legend: Vec<(Sign, String, String)>,
}

/// What stands before a name in a legend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    Line,
    Bar,
    Dot,
}

impl Sign {
    fn draw(self, class: &str, x: f64, y: f64) -> Element {
        match self {
            Sign::Line => line(&format!("line {class}"), [x, y - 3.5], [x + 16.0, y - 3.5]),
            Sign::Bar => rect(&format!("bar {class}"), [x + 6.0, y - 8.0], [x + 16.0, y + 1.0]),
            Sign::Dot => {
                let dot = el("circle").class(&format!("dot {class}"));
                dot.attr("cx", px(x + 11.0)).attr("cy", px(y - 3.5)).attr("r", 4)
            }
        }
    }
}

impl Plot {
    /// A plot of nothing. `title` and `description` say what it shows to those who cannot see it.
    pub(crate) fn new(shape: Shape, title: &str, description: &str, x: Axis, y: Axis) -> Plot {
        let (width, height) = shape.size();
        let left = 52.0;
        let right = width - 12.0;
        let leaning = if x.is_crowded(right - left) { LEANING } else { 0.0 };
        let height = height + leaning;
        let (top, bottom) = (26.0, height - 42.0 - leaning);
        let (title, description) = (title.to_owned(), description.to_owned());
        let (drawn, legend) = (Vec::new(), Vec::new());
        let mut plot = Plot { x, y, width, height, left, top, right, bottom, title, description, drawn, legend };
        plot.axes();
        plot
    }

    fn at(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        [
            self.left + self.x.place(x) * (self.right - self.left),
            self.bottom - self.y.place(y) * (self.bottom - self.top),
        ]
    }

    fn add(&mut self, element: Element) {
        self.drawn.push(element);
    }

    fn axes(&mut self) {
        let mut group = el("g").class("axis");
        for (value, text) in self.y.ticks(5) {
            let [_, y] = self.at([self.x.start, value]);
            group = group.child(line("grid", [self.left, y], [self.right, y]));
            group = group.child(label(self.left - 6.0, y + 3.5, "end", &text));
        }
        let leans = self.x.is_crowded(self.right - self.left);
        for (value, text) in self.x.ticks(if self.width < 350.0 { 4 } else { 6 }) {
            let [x, _] = self.at([value, self.y.start]);
            if !self.x.has_labels() {
                group = group.child(line("grid", [x, self.bottom], [x, self.bottom + 4.0]));
            }
            let y = self.bottom + 15.0;
            group = group.child(if leans {
                let turn = format!("rotate(-40 {} {})", px(x + 3.0), px(y - 3.0));
                label(x + 3.0, y - 3.0, "end", &text).attr("transform", turn)
            } else {
                label(x, y, "middle", &text)
            });
        }
        group = group.child(line("edge", [self.left, self.bottom], [self.right, self.bottom]));
        let middle = f64::midpoint(self.left, self.right);
        group = group.child(label(middle, self.height - 8.0, "middle", &shorten(&self.x.label, 50)).class("what"));
        group = group.child(label(4.0, 13.0, "start", &shorten(&self.y.label, 50)).class("what"));
        self.add(group);
    }

    /// A line through points.
    pub(crate) fn line(&mut self, class: &str, points: impl IntoIterator<Item = [f64; 2]>) {
        let points: Vec<_> = points.into_iter().map(|point| self.at(point)).collect();
        self.add(el("path").class(&format!("line {class}")).attr("d", path(points)));
    }

    /// The area between two lines: pairs of x with the lower and the upper y.
    pub(crate) fn area(&mut self, class: &str, points: &[[f64; 3]]) {
        let upper = points.iter().map(|&[x, _, high]| self.at([x, high]));
        let lower = points.iter().rev().map(|&[x, low, _]| self.at([x, low]));
        let outline = path(upper.chain(lower)) + "Z";
        self.add(el("path").class(&format!("area {class}")).attr("d", outline));
    }

    /// Many small dots.
    pub(crate) fn cloud(&mut self, class: &str, points: impl IntoIterator<Item = [f64; 2]>) {
        use std::fmt::Write;
        let mut dots = String::new();
        for point in points {
            let [x, y] = self.at(point);
            let _ = write!(dots, "M{} {}h0", px(x), px(y));
        }
        self.add(el("path").class(&format!("cloud {class}")).attr("d", dots));
    }

    /// One dot, which says what it is when pointed at.
    pub(crate) fn dot(&mut self, class: &str, point: [f64; 2], radius: f64, says: &str) {
        let [x, y] = self.at(point);
        let dot = el("circle").class(&format!("dot {class}")).attr("cx", px(x)).attr("cy", px(y)).attr("r", px(radius));
        self.add(el("g").child(el("title").text(says)).child(dot));
    }

    /// A bar from the foot of the plot.
    pub(crate) fn bar(&mut self, class: &str, from: f64, to: f64, height: f64, says: &str) {
        let foot = self.at([from, 0.0_f64.clamp(self.y.start, self.y.end)]);
        let corner = self.at([to, height]);
        let gap = ((corner[0] - foot[0]) * 0.06).min(1.5);
        let bar = rect(&format!("bar {class}"), [foot[0] + gap, foot[1]], [corner[0] - gap, corner[1]]);
        self.add(el("g").child(el("title").text(says)).child(bar));
    }

    /// How often values occur, as a strip along the foot: counts in equal ranges over the whole of the x axis.
    pub(crate) fn strip(&mut self, counts: &[u64]) {
        let most = counts.iter().copied().max().unwrap_or(0).max(1) as f64;
        let width = (self.right - self.left) / counts.len().max(1) as f64;
        for (place, &count) in counts.iter().enumerate() {
            let x = self.left + width * place as f64;
            let height = 22.0 * count as f64 / most;
            self.add(rect("strip", [x + width * 0.05, self.bottom], [x + width * 0.95, self.bottom - height]));
        }
    }

    /// A vertical line at a value, with a word.
    pub(crate) fn mark(&mut self, x: f64, text: &str) {
        let [x, _] = self.at([x, self.y.start]);
        self.add(line("mark", [x, self.top], [x, self.bottom]));
        let (anchor, shift) = if x > f64::midpoint(self.left, self.right) { ("end", -5.0) } else { ("start", 5.0) };
        self.add(label(x + shift, self.top + 10.0, anchor, text).class("says"));
    }

    /// A thin line between two points, to compare with.
    pub(crate) fn guide(&mut self, from: [f64; 2], to: [f64; 2]) {
        let (from, to) = (self.at(from), self.at(to));
        self.add(line("guide", from, to));
    }

    /// Names a line, bars, or a dot.
    pub(crate) fn name(&mut self, sign: Sign, class: &str, name: &str) {
        self.legend.push((sign, class.to_owned(), shorten(name, 28)));
    }

    /// The finished drawing. The legend stands at the right above the plot, which it makes higher where it needs more rows.
    pub(crate) fn finish(mut self) -> Element {
        let from = 4.0 + (self.y.label.chars().count() as f64 + 2.0) * CHARACTER;
        let mut rows: Vec<Vec<(f64, Sign, String, String)>> = vec![Vec::new()];
        let mut x = self.right;
        for (sign, class, name) in std::mem::take(&mut self.legend).into_iter().rev() {
            let width = name.chars().count() as f64 * CHARACTER + 28.0;
            let edge = if rows.len() == 1 { from } else { 4.0 };
            if x - width < edge && x < self.right {
                rows.push(Vec::new());
                x = self.right;
            }
            x -= width;
            rows.last_mut().into_iter().for_each(|row| row.push((x, sign, class.clone(), name.clone())));
        }
        let top = -14.0 * (rows.len() - 1) as f64;
        let mut group = el("g").class("legend");
        for (place, row) in rows.into_iter().enumerate() {
            let y = 13.0 - 14.0 * place as f64;
            for (x, sign, class, name) in row {
                group = group.child(sign.draw(&class, x, y)).child(label(x + 20.0, y, "start", &name));
            }
        }
        self.add(group);
        svg_from(top, self.width, self.height, &self.title, &self.description).children(self.drawn)
    }
}
