//! The story as it is told: what happened, and when.

use std::time::{Duration, Instant};

use crate::progress::elapsed;

/// Prints events with the time since the beginning.
pub struct Timeline {
    began: Instant,
    chapters: u32,
}

impl Timeline {
    /// A timeline from `began` on.
    pub fn new(began: Instant) -> Self {
        Self { began, chapters: 0 }
    }

    /// Begins a chapter.
    pub fn chapter(&mut self, title: &str) {
        self.chapters += 1;
        println!("\n{}. {title}", self.chapters);
    }

    /// Something happened just now.
    pub fn tell(&self, event: &str) {
        let time = self.began.elapsed();
        let time = if time < Duration::from_secs(100) { format!("{:.1} s", time.as_secs_f64()) } else { elapsed(time) };
        let mut lines = event.lines();
        println!("  {time:>12}  {}", lines.next().unwrap_or_default());
        lines.for_each(note);
    }

    /// How long the story has taken.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}

/// A line without a time.
pub fn note(line: &str) {
    println!("  {:>12}  {line}", "");
}
