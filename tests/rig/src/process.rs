//! A program that runs beside the tests: what it says is kept, and it ends when it is dropped.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, bail};
use tokio::sync::watch;

use crate::leash;

/// Last lines to keep for error messages.
const TAIL: usize = 12;

type Tail = Arc<Mutex<VecDeque<String>>>;

/// A running program, killed when dropped and when this process ends.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Mutex<Option<Child>>,
    ended: watch::Receiver<bool>,
    tail: Tail,
}

impl Process {
    /// Starts a program. Each line it writes to stderr goes to the file `log`, which is appended to, and to `heed`.
    pub fn start(
        name: &str,
        command: &mut Command,
        log: &Path,
        heed: impl FnMut(&str) + Send + 'static,
    ) -> Result<Process> {
        if let Some(folder) = log.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = File::options().create(true).append(true).open(log).with_context(|| log.display().to_string())?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().with_context(|| format!("cannot start {name}: {command:?}"))?;
        let stderr = child.stderr.take();
        let (end, ended) = watch::channel(false);
        let tail = Tail::default();
        let process = Process { name: name.to_owned(), child: Mutex::new(Some(child)), ended, tail: tail.clone() };
        leash::hold(process.id().unwrap_or_default())?;
        let listener = std::thread::Builder::new().name(format!("log of {name}"));
        listener.spawn(move || {
            listen(stderr, &tail, file, heed);
            let _ = end.send(true);
        })?;
        Ok(process)
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn id(&self) -> Option<u32> {
        self.child().as_ref().map(Child::id)
    }

    /// SIGKILL, and waits for the end, which is a matter of milliseconds.
    pub fn kill(&self) {
        if let Some(mut child) = self.child().take() {
            // One that has ended by itself cannot be killed, but waited for.
            let _ = child.kill();
            let _ = child.wait();
            leash::release(child.id());
        }
    }

    /// Fails, with its last words, where it has ended by itself.
    pub fn check(&self) -> Result<()> {
        if *self.ended.borrow() && self.id().is_some() {
            bail!("{} has ended:\n{}", self.name, self.tail());
        }
        Ok(())
    }

    /// Its last lines.
    pub fn tail(&self) -> String {
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Reads to the end, whatever becomes of the log file: a program must not wait for a full pipe.
fn listen(stderr: Option<ChildStderr>, tail: &Tail, mut file: File, mut heed: impl FnMut(&str)) {
    let Some(stderr) = stderr else { return };
    for line in BufReader::new(stderr).split(b'\n').map_while(std::io::Result::ok) {
        let line = String::from_utf8_lossy(&line);
        let _ = writeln!(file, "{line}");
        heed(&line);
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        if tail.len() == TAIL {
            tail.pop_front();
        }
        tail.push_back(line.into_owned());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    fn shell(script: &str, heed: impl FnMut(&str) + Send + 'static) -> Process {
        let log = std::env::temp_dir().join(format!("slipway-rig-{}.log", std::process::id()));
        Process::start("sh", Command::new("sh").args(["-c", script]), &log, heed).unwrap()
    }

    #[test]
    fn what_a_program_says_is_heard_and_its_end_is_noticed() {
        let (say, said) = mpsc::channel();
        let process = shell("echo one >&2; echo two >&2", move |line| say.send(line.to_owned()).unwrap());
        assert_eq!(said.iter().collect::<Vec<_>>(), ["one", "two"]);
        let mut ended = process.ended.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(ended.wait_for(|ended| *ended)).unwrap();
        assert!(process.check().unwrap_err().to_string().contains("one\ntwo"));
    }

    #[test]
    fn a_program_that_is_dropped_is_gone() {
        let (say, said) = mpsc::channel();
        let process = shell("echo $$ >&2; exec sleep 600", move |line| say.send(line.to_owned()).unwrap());
        let number = said.recv_timeout(Duration::from_secs(10)).unwrap();
        let running = || Path::new("/proc").join(&number).exists();
        assert!(running());
        drop(process);
        assert!(!running());
    }
}
