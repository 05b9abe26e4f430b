//! What the parts of a run take.

use std::collections::BTreeMap;
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};

/// Measures the parts of a run one after the other: wall time, and the CPU time of all threads.
#[derive(Debug)]
pub(crate) struct Clock {
    since: Instant,
    cpu_since: f64,
    laps: Vec<Lap>,
}

#[derive(Debug)]
struct Lap {
    part: &'static str,
    seconds: f64,
    cpu_seconds: f64,
}

impl Default for Clock {
    fn default() -> Self {
        Clock { since: Instant::now(), cpu_since: cpu_seconds(), laps: Vec::new() }
    }
}

impl Clock {
    /// A part ends.
    pub(crate) fn lap(&mut self, part: &'static str) {
        let (now, cpu_now) = (Instant::now(), cpu_seconds());
        let seconds = now.duration_since(self.since).as_secs_f64();
        self.laps.push(Lap { part, seconds, cpu_seconds: cpu_now - self.cpu_since });
        (self.since, self.cpu_since) = (now, cpu_now);
    }

    /// Wall time of the last part, seconds.
    pub(crate) fn last(&self) -> f64 {
        self.laps.last().map_or(0.0, |lap| lap.seconds)
    }

    /// CPU time of the last part, all threads together, seconds.
    pub(crate) fn last_cpu(&self) -> f64 {
        self.laps.last().map_or(0.0, |lap| lap.cpu_seconds)
    }

    /// Wall time of each part, seconds to the millisecond.
    pub(crate) fn timings(&self) -> BTreeMap<String, f64> {
        self.table(|lap| (lap.seconds * 1e3).round() / 1e3)
    }

    /// CPU time of each part, all threads together, seconds to the microsecond.
    pub(crate) fn cpu_timings(&self) -> BTreeMap<String, f64> {
        self.table(|lap| (lap.cpu_seconds * 1e6).round() / 1e6)
    }

    fn table(&self, value: impl Fn(&Lap) -> f64) -> BTreeMap<String, f64> {
        self.laps.iter().map(|lap| (lap.part.to_owned(), value(lap))).collect()
    }
}

/// CPU time of this process so far, all threads together, seconds.
fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_has_its_own_time_only() {
        let mut clock = Clock::default();
        let mut sum = 0_u64;
        while clock.cpu_since + 0.02 > cpu_seconds() {
            sum = std::hint::black_box(sum + 1);
        }
        clock.lap("busy");
        clock.lap("idle");
        let cpu = clock.cpu_timings();
        assert!(cpu["busy"] >= 0.02 && cpu["idle"] < cpu["busy"], "{cpu:?}");
        assert!(clock.timings()["busy"] > 0.0);
    }
}
