//! How a run tells how far it is: lines in a log, a bar on a terminal.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two lines that tell how far a piece of work is, at least; of long work a tenth of what it took so far, at most a
/// minute.
const BETWEEN_LINES: Duration = Duration::from_secs(2);
const BETWEEN_LATE_LINES: Duration = Duration::from_secs(60);
/// Between two states of a bar.
const BETWEEN_BARS: Duration = Duration::from_millis(100);
/// Characters of the bar itself.
const BAR: usize = 24;

/// Is told how a run goes.
pub trait Listener: Sync {
    /// Something worth a line.
    fn line(&self, text: &str);

    /// How far a long piece of work is. It is told often, and for the listener to pass on rarely.
    fn work(&self, _work: &Work<'_>) {}
}

/// How far a long piece of work is.
#[derive(Clone, Copy, Debug)]
pub struct Work<'a> {
    /// What is done, as `fitting RandomForest`; empty where that was said before.
    pub title: &'a str,
    /// What is counted, as `points`.
    pub what: &'a str,
    /// How many are done.
    pub done: usize,
    /// How many there are.
    pub total: usize,
    /// The share of the work that is done, from 0 to 1; finer than `done` over `total`.
    pub share: f64,
    /// Since the work began.
    pub elapsed: Duration,
    /// What came out so far, as `best r2 0.91230 with max_depth 8`; empty before.
    pub outcome: &'a str,
}

/// One long piece of work, step by step.
pub(crate) struct Steps<'a> {
    listener: &'a dyn Listener,
    title: &'a str,
    begun: Instant,
}

impl<'a> Steps<'a> {
    /// Work that begins now.
    pub(crate) fn new(listener: &'a dyn Listener, title: &'a str) -> Self {
        Steps { listener, title, begun: Instant::now() }
    }

    /// So many are done of what is counted.
    pub(crate) fn tell(&self, what: &str, done: usize, total: usize) {
        self.listener.work(&Work {
            title: self.title,
            what,
            done,
            total,
            share: done as f64 / total.max(1) as f64,
            elapsed: self.begun.elapsed(),
            outcome: "",
        });
    }
}

/// Told nothing.
pub struct Silent;

impl Listener for Silent {
    fn line(&self, _text: &str) {}
}

/// Writes to standard error: lines, and a bar in place of some of them where that is a terminal.
pub struct Stderr {
    terminal: bool,
    last: Mutex<Last>,
}

/// What was written last.
#[derive(Default)]
struct Last {
    /// When the last word of a piece of work was.
    told: Option<Instant>,
    /// A bar stands in the line.
    bar: bool,
}

impl Default for Stderr {
    fn default() -> Self {
        Stderr { terminal: std::io::stderr().is_terminal(), last: Mutex::default() }
    }
}

impl Listener for Stderr {
    fn line(&self, text: &str) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let clear = if std::mem::take(&mut last.bar) { "\r\x1b[K" } else { "" };
        eprintln!("{clear}{text}");
    }

    fn work(&self, work: &Work<'_>) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if !due(self.terminal, work.elapsed, last.told.map(|told| now.duration_since(told))) {
            return;
        }
        last.told = Some(now);
        if self.terminal {
            last.bar = true;
            eprint!("\r{}\x1b[K", bar(work));
            // Where a bar cannot be shown, nothing is lost.
            let _ = std::io::stderr().flush();
        } else {
            eprintln!("{}", describe(work));
        }
    }
}

/// Whether to pass on how far a piece of work is, that long after the last word of it. Work that is soon done is not told of.
fn due(terminal: bool, elapsed: Duration, since_last: Option<Duration>) -> bool {
    let between = if terminal { BETWEEN_BARS } else { (elapsed / 10).clamp(BETWEEN_LINES, BETWEEN_LATE_LINES) };
    elapsed >= between && since_last.is_none_or(|since| since >= between)
}

/// As `fitting RandomForest: 40 of 100 trees done in 12 s, about 18 s left`, or
/// `12 of 60 points done in 9 s, best r2 0.91230 with max_depth 8, about 36 s left`.
fn describe(work: &Work<'_>) -> String {
    let title = if work.title.is_empty() { String::new() } else { format!("{}: ", work.title) };
    let elapsed = work.elapsed.as_secs();
    let elapsed = if elapsed < 600 { format!("{elapsed} s") } else { format!("{} min", elapsed / 60) };
    let mut text = format!("{title}{} of {} {} done in {elapsed}", work.done, work.total, work.what);
    if !work.outcome.is_empty() {
        let _ = write!(text, ", {}", work.outcome);
    }
    if let Some(left) = left(work) {
        let _ = write!(text, ", about {left} left");
    }
    text
}

/// As `[######                  ] 12/60 points, best r2 0.91230 with max_depth 8, 40 s left`, cut to a terminal's usual width.
fn bar(work: &Work<'_>) -> String {
    const WIDTH: usize = 79;
    let full = ((work.share * BAR as f64) as usize).min(BAR);
    let title = if work.title.is_empty() { String::new() } else { format!("{} ", work.title) };
    let mut text = format!("{title}[{:<BAR$}] {}/{} {}", "#".repeat(full), work.done, work.total, work.what);
    if let Some(left) = left(work) {
        let _ = write!(text, ", {left} left");
    }
    if !work.outcome.is_empty() {
        let _ = write!(text, ", {}", work.outcome);
    }
    text.chars().take(WIDTH).collect()
}

/// Time that is left if the rest goes as fast.
fn left(work: &Work<'_>) -> Option<String> {
    if work.share <= 0.0 || work.share >= 1.0 {
        return None;
    }
    let seconds = (work.elapsed.as_secs_f64() * (1.0 - work.share) / work.share).ceil() as u64;
    Some(match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h", seconds.div_ceil(3_600)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(done: usize, share: f64, elapsed: u64) -> Work<'static> {
        let outcome = if done > 0 { "best r2 0.91230 with max_depth 8" } else { "" };
        Work { title: "", what: "points", done, total: 60, share, elapsed: Duration::from_secs(elapsed), outcome }
    }

    #[test]
    fn a_line_says_what_is_done_what_came_out_and_how_long_it_takes() {
        for (work, text) in [
            (work(0, 0.0, 2), "0 of 60 points done in 2 s"),
            (work(0, 0.01, 2), "0 of 60 points done in 2 s, about 4 min left"),
            (work(12, 0.2, 10), "12 of 60 points done in 10 s, best r2 0.91230 with max_depth 8, about 40 s left"),
            (
                work(30, 0.5, 90_000),
                "30 of 60 points done in 1500 min, best r2 0.91230 with max_depth 8, about 25 h left",
            ),
            (work(60, 1.0, 10), "60 of 60 points done in 10 s, best r2 0.91230 with max_depth 8"),
        ] {
            assert_eq!(describe(&work), text);
        }
    }

    #[test]
    fn work_that_nobody_spoke_of_before_says_what_it_is() {
        let work = Work { title: "fitting RandomForest", what: "trees", outcome: "", ..work(24, 0.4, 12) };
        assert_eq!(describe(&work), "fitting RandomForest: 24 of 60 trees done in 12 s, about 18 s left");
        assert_eq!(bar(&work), "fitting RandomForest [#########               ] 24/60 trees, 18 s left");
    }

    #[test]
    fn a_bar_fits_a_line() {
        let text = bar(&work(30, 0.5, 10));
        assert_eq!(text, "[############            ] 30/60 points, 10 s left, best r2 0.91230 with max_de");
        assert!(bar(&work(0, 0.0, 1)).starts_with("[                        ] 0/60 points"));
    }

    #[test]
    fn a_log_gets_a_line_every_two_seconds_at_most() {
        let seconds = Duration::from_secs;
        assert!(!due(false, seconds(1), None), "work that is soon done needs no word");
        assert!(due(false, seconds(2), None));
        assert!(!due(false, seconds(3), Some(seconds(1))));
        assert!(due(false, seconds(4), Some(seconds(2))));
        assert!(!due(false, seconds(300), Some(seconds(29))), "who waits long looks rarely");
        assert!(due(false, seconds(300), Some(seconds(30))));
        assert!(due(false, seconds(36_000), Some(seconds(60))));
        assert!(due(true, seconds(1), Some(Duration::from_millis(100))));
    }
}
