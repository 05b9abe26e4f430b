//! From values to places along one side of a plot.

use crate::element::shorten;
use crate::number::{day, short, tick, ticks};

/// Longest label of a category, characters.
const MAX_LABEL: usize = 14;

/// One side of a plot: what it shows, and which values.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    pub(super) label: String,
    pub(super) start: f64,
    pub(super) end: f64,
    ticks: Ticks,
}

#[derive(Clone, Debug)]
enum Ticks {
    Numbers,
    /// Numbers without a fraction.
    Whole,
    Percent,
    Days,
    /// The values are decimal logarithms of what is told.
    Powers,
    /// One in the middle of each unit.
    Labels(Vec<String>),
}

impl Axis {
    /// Numbers from `start` to `end`.
    pub(crate) fn numbers(label: &str, start: f64, end: f64) -> Axis {
        // Equal ends, or none, leave nothing to divide by.
        let (start, end) = if start.is_finite() && end.is_finite() { (start, end) } else { (0.0, 1.0) };
        let (start, end) = if end > start { (start, end) } else { (start - 0.5, start + 0.5) };
        Axis { label: label.to_owned(), start, end, ticks: Ticks::Numbers }
    }

    /// Numbers that hold all of `values`, with a little room.
    pub(crate) fn around(label: &str, values: impl Iterator<Item = f64>) -> Axis {
        let (start, end) = values
            .filter(|value| value.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        let room = ((end - start) * 0.04).max(0.0);
        Axis::numbers(label, start - room, end + room)
    }

    /// Shares from 0 to `end`, shown as percent.
    pub(crate) fn shares(label: &str, end: f64) -> Axis {
        Axis { ticks: Ticks::Percent, ..Axis::numbers(label, 0.0, end) }
    }

    /// Whole numbers from `start` to `end`.
    pub(crate) fn whole(label: &str, start: f64, end: f64) -> Axis {
        Axis { ticks: Ticks::Whole, ..Axis::numbers(label, start, end) }
    }

    /// Times in seconds since 1970-01-01 UTC.
    pub(crate) fn days(label: &str, start: f64, end: f64) -> Axis {
        Axis { ticks: Ticks::Days, ..Axis::numbers(label, start, end) }
    }

    /// Decimal logarithms that hold all of `values`, told as what they are logarithms of.
    pub(crate) fn powers(label: &str, values: impl Iterator<Item = f64>) -> Axis {
        Axis { ticks: Ticks::Powers, ..Axis::around(label, values) }
    }

    /// Names, each one unit wide, the first from 0 to 1.
    pub(crate) fn labels(label: &str, names: &[String]) -> Axis {
        Axis { ticks: Ticks::Labels(names.to_vec()), ..Axis::numbers(label, 0.0, names.len().max(1) as f64) }
    }

    /// Where a value lies, from 0 to 1.
    pub(super) fn place(&self, value: f64) -> f64 {
        ((value - self.start) / (self.end - self.start)).clamp(-0.02, 1.02)
    }

    /// Places of ticks with their labels. `room` is how many fit.
    pub(super) fn ticks(&self, room: usize) -> Vec<(f64, String)> {
        let numbers = |scale: f64| {
            let (places, step) = ticks(self.start * scale, self.end * scale, room);
            let largest = (self.start.abs()).max(self.end.abs()) * scale;
            places.into_iter().map(move |value| (value / scale, tick(value, step, largest)))
        };
        match &self.ticks {
            Ticks::Numbers => numbers(1.0).collect(),
            Ticks::Whole => {
                let (places, step) = ticks(self.start, self.end, room);
                let largest = self.start.abs().max(self.end.abs());
                let whole = places.into_iter().filter(|value| value.fract() == 0.0);
                whole.map(|value| (value, tick(value, step.max(1.0), largest))).collect()
            }
            Ticks::Percent => numbers(100.0).map(|(value, text)| (value, format!("{text} %"))).collect(),
            Ticks::Days => {
                let days = room.clamp(2, 4) - 1;
                let step = (self.end - self.start) / days as f64;
                (0..=days).map(|tick| self.start + step * tick as f64).map(|value| (value, day(value))).collect()
            }
            Ticks::Powers => {
                let between: &[f64] = if self.end - self.start < 2.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
                let exponents = self.start.floor() as i32..=self.end.ceil() as i32;
                let told = exponents.flat_map(|power| between.iter().map(move |of| of * 10_f64.powi(power)));
                let within = |value: &f64| (self.start..=self.end).contains(&value.log10());
                told.filter(within).map(|value| (value.log10(), short(value))).collect()
            }
            Ticks::Labels(names) => {
                names.iter().enumerate().map(|(at, name)| (at as f64 + 0.5, shorten(name, MAX_LABEL))).collect()
            }
        }
    }

    /// Whether names stand along the axis, which may need to lean.
    pub(super) fn is_crowded(&self, width: f64) -> bool {
        match &self.ticks {
            Ticks::Labels(names) => {
                let longest = names.iter().map(|name| name.chars().count().min(MAX_LABEL)).max().unwrap_or(0);
                names.len() as f64 * (longest as f64 * 6.2 + 6.0) > width
            }
            _ => false,
        }
    }

    pub(super) fn has_labels(&self) -> bool {
        matches!(self.ticks, Ticks::Labels(_))
    }
}
