//! Telling the person who waits what for, on stderr.

use std::io::{IsTerminal, Write};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// Below this nobody needs to know.
const SHORT: Duration = Duration::from_secs(1);

/// Does one step. One that takes over a second is announced, and its time told at the end.
pub fn step<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let (done, waiting) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || announce(what, started, &waiting));
        let result = work();
        drop(done);
        result
    })
}

fn announce(what: &str, started: Instant, done: &mpsc::Receiver<()>) {
    if done.recv_timeout(SHORT) != Err(RecvTimeoutError::Timeout) {
        return;
    }
    let terminal = std::io::stderr().is_terminal();
    let mut every = if terminal { SHORT } else { Duration::from_secs(30) };
    say(terminal, &format!("  {what} …"), false);
    while done.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
        say(terminal, &format!("  {what} … {}", elapsed(started.elapsed())), false);
        every = every.max(SHORT);
    }
    say(terminal, &format!("  {what}: {}", elapsed(started.elapsed())), true);
}

/// Writes a line; on a terminal, over the one that is not yet final.
fn say(terminal: bool, line: &str, last: bool) {
    let mut stderr = std::io::stderr().lock();
    // Nothing is lost when nobody reads this.
    let _ = match (terminal, last) {
        (true, false) => write!(stderr, "\r\x1b[2K{line}"),
        (true, true) => writeln!(stderr, "\r\x1b[2K{line}"),
        (false, _) => writeln!(stderr, "{line}"),
    };
    let _ = stderr.flush();
}

/// A duration as people say it: `0.4 s`, `12 s`, `4 min 3 s`.
pub fn elapsed(time: Duration) -> String {
    match time.as_secs() {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        seconds @ 10..60 => format!("{seconds} s"),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

/// Writes to stdout. That nobody reads on, as after `| head`, is no error.
pub fn print(text: &str) -> std::io::Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}
