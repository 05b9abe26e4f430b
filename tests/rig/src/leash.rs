//! Processes that end with this one, however it ends: a shell holds their numbers, and kills them when the pipe from here
//! is closed, which the kernel does for a process that was killed.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};

const HOLDER: &str = r#"
held=
while read -r what process; do
    case $what in
    hold) held="$held $process" ;;
    release)
        kept=
        for one in $held; do [ "$one" = "$process" ] || kept="$kept $one"; done
        held=$kept
        ;;
    esac
done
[ -z "$held" ] || kill -KILL $held 2>/dev/null
"#;

static HOLDING: Mutex<Option<Child>> = Mutex::new(None);

/// From now on the process ends with this one.
pub fn hold(process: u32) -> Result<()> {
    tell("hold", process).context("no shell to hold processes with")
}

/// The process has ended and been waited for: its number may be somebody else's from now on.
pub fn release(process: u32) {
    // A shell that is gone kills nobody.
    let _ = tell("release", process);
}

fn tell(what: &str, process: u32) -> Result<()> {
    let mut holding = HOLDING.lock().unwrap_or_else(PoisonError::into_inner);
    let holder = match &mut *holding {
        Some(holder) => holder,
        none => none.insert(start()?),
    };
    let pipe = holder.stdin.as_mut().context("no pipe")?;
    Ok(writeln!(pipe, "{what} {process}")?)
}

/// In a group of its own: what is typed at a terminal to end the tests must not end it too soon.
fn start() -> Result<Child> {
    let mut shell = Command::new("sh");
    shell.args(["-c", HOLDER]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    Ok(shell.spawn()?)
}
